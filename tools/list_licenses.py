"""Write docs/licenses.md: the license of each package of requirements.lock, as it states it itself: `make licenses`."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final, NamedTuple

from tools.audit_dependencies import LOCK_FILE, read_lock

TABLE_FILE: Final = LOCK_FILE.parent / "docs" / "licenses.md"
_MAX_LENGTH: Final = 60  # of a license in its field; some packages put its whole text there
_CLASSIFIER: Final = "License :: OSI Approved :: "
_NOT_INSTALLED: Final = "installed on other systems only"
_NOT_STATED: Final = "not stated"
_HEADER: Final = """# Licenses

`make licenses` writes this page: each package that `requirements.lock` installs, the license that its metadata
states, and the shared libraries in the `.libs` folder of its wheel for Linux x64. The
[licenses of these libraries](reliability.md#supply-chain) differ from that of their package.

| package | version | license | libraries in the wheel |
|---|---|---|---|
"""


class Row(NamedTuple):
    """A package of the lock."""

    name: str
    version: str
    license: str
    libraries: tuple[str, ...]


def read_row(name: str, version: str) -> Row:
    """Read the metadata of a package, if this system has it."""
    try:
        package = distribution(name)
    except PackageNotFoundError:
        return Row(name, version, _NOT_INSTALLED, ())
    fields = package.metadata
    found = fields.get("License-Expression") or ""
    if not found:
        classifiers = [text for text in fields.get_all("Classifier", []) if text.startswith(_CLASSIFIER)]
        found = ", ".join(text.removeprefix(_CLASSIFIER) for text in classifiers)
    if not found:
        stated = (fields.get("License") or "").strip()
        found = (stated.splitlines() or [_NOT_STATED])[0][:_MAX_LENGTH]
    return Row(name, version, found, find_libraries([str(file) for file in package.files or ()]))


def find_libraries(files: list[str]) -> tuple[str, ...]:
    """Return the names of the shared libraries in the `.libs` folder of a wheel, without hash and version."""
    names = {Path(file).name for file in files if re.match(r"[\w.-]+\.libs/", file) and ".so" in file}
    return tuple(sorted({re.split(r"-[0-9a-f]{8}|\.so", name)[0].removeprefix("lib") for name in names}))


def format_table(rows: list[Row]) -> str:
    """Return the page."""
    lines = [f"| {row.name} | {row.version} | {row.license} | {', '.join(row.libraries)} |" for row in rows]
    return _HEADER + "\n".join(lines) + "\n"


def main() -> None:
    """Write the page."""
    locked = read_lock(LOCK_FILE.read_text(encoding="utf-8"))
    rows = [read_row(name, version) for name, version in sorted(locked.items())]
    TABLE_FILE.write_text(format_table(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
