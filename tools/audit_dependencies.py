"""Compare requirements.lock with known vulnerabilities: `make audit`, offline `make audit ADVISORIES=all.zip`.

Online, pip-audit asks the Python Package Index. Offline, the advisories are those of a copy of the OSV database: a
folder of JSON files or their archive, https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

LOCK_FILE: Final = Path(__file__).resolve().parents[1] / "requirements.lock"
_PINNED: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)

_ADVICE: Final = (
    "connect to the internet, or name a copy of the OSV database: make audit ADVISORIES=all.zip, from "
    "https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip."
)


class Finding(NamedTuple):
    """A known vulnerability of a locked version."""

    name: str
    version: str
    advisory: str
    summary: str


class AuditError(Exception):
    """The audit could not be done; its text says what to do."""


def read_lock(text: str) -> dict[str, str]:
    """Return version by name of the packages in the text of a lock file."""
    return {canonicalize_name(name): version for name, version in _PINNED.findall(text)}


def audit_online(lock_file: Path) -> list[Finding]:
    """Let pip-audit ask the package index about each package of a lock file.

    Raises:
        AuditError: It got no answer for one of them.
    """
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock_file)]
    command += ["--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError) as error:
        reason = (done.stderr.strip().splitlines() or ["no output"])[-1][:200]
        raise AuditError(f"pip-audit got no answer ({reason}); {_ADVICE}") from error
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    if skipped:
        raise AuditError(f"The package index has no advisories about {len(skipped)} packages; {_ADVICE}")
    return [
        Finding(package["name"], package["version"], found["id"], found.get("description", ""))
        for package in packages
        for found in package["vulns"]
    ]


def read_advisories(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the advisories of a folder of JSON files, or of a ZIP archive of them.

    Raises:
        AuditError: There is neither, or a file is no JSON.
    """
    name = str(path)
    try:
        if path.is_dir():
            for file in sorted(path.rglob("*.json")):
                name = str(file)
                yield json.loads(file.read_text(encoding="utf-8"))
            return
        with zipfile.ZipFile(path) as archive:
            for name in sorted(entry for entry in archive.namelist() if entry.endswith(".json")):
                yield json.loads(archive.read(name))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise AuditError(f"{name} holds no advisories ({error}); fetch {path.name} again.") from error


def audit_offline(locked: Mapping[str, str], advisories: Iterable[Mapping[str, Any]]) -> list[Finding]:
    """Return the advisories about locked versions.

    Args:
        locked: Version by name.
        advisories: In the OSV format, https://ossf.github.io/osv-schema.

    Raises:
        AuditError: There are no advisories.
    """
    findings, num_advisories = set[Finding](), 0
    for advisory in advisories:
        num_advisories += 1
        if advisory.get("withdrawn"):
            continue
        for affected in advisory.get("affected", ()):
            package = affected.get("package", {})
            name = canonicalize_name(str(package.get("name", "")))
            if package.get("ecosystem") == "PyPI" and name in locked and is_affected(locked[name], affected):
                summary = str(advisory.get("summary") or advisory.get("details") or "")
                findings.add(Finding(name, locked[name], str(advisory["id"]), summary))
    if not num_advisories:
        raise AuditError("The copy of the advisories is empty; fetch it again.")
    return sorted(findings)


def is_affected(version: str, affected: Mapping[str, Any]) -> bool:
    """Return whether an entry of an advisory names a version, or has it in one of its ranges."""
    if version in affected.get("versions", ()):
        return True
    ranges = [each for each in affected.get("ranges", ()) if each.get("type") == "ECOSYSTEM"]
    return any(_is_in_range(Version(version), each.get("events", ())) for each in ranges)


def _is_in_range(version: Version, events: Iterable[Mapping[str, str]]) -> bool:
    is_inside = False
    for event in sorted(events, key=lambda each: _parse_version(next(iter(each.values())))):
        (kind, text), *_ = event.items()
        bound = _parse_version(text)
        if kind == "introduced" and version >= bound:
            is_inside = True
        elif (kind == "fixed" and version >= bound) or (kind == "last_affected" and version > bound):
            is_inside = False
    return is_inside


def _parse_version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        return Version("0")


def main() -> int:
    """Print the findings; return 1 where there is one, and 2 where the audit could not be done."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--advisories", type=Path, help="a folder or archive of OSV advisories, for use without a network"
    )
    options = parser.parse_args()
    locked = read_lock(LOCK_FILE.read_text(encoding="utf-8"))
    try:
        if options.advisories:
            findings = audit_offline(locked, read_advisories(options.advisories))
        else:
            findings = audit_online(LOCK_FILE)
    except AuditError as error:
        print(error, file=sys.stderr)
        return 2
    for finding in findings:
        print(f"{finding.name} {finding.version}: {finding.advisory} {' '.join(finding.summary.split())[:120]}")
    print(f"{len(locked)} packages, {len(findings)} known vulnerabilities")
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main())
