from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tools import audit_dependencies
from tools.audit_dependencies import AuditError, Finding, audit_offline, audit_online, read_advisories, read_lock

LOCKED = {"pillow": "13.0.0", "keras": "3.15.1"}


def advisory(name: str, *events: dict[str, str], **fields: Any) -> dict[str, Any]:
    """Return an advisory in the OSV format about versions between events."""
    ranges = [{"type": "ECOSYSTEM", "events": list(events)}] if events else []
    package = {"ecosystem": "PyPI", "name": name}
    affected = {"package": package, "ranges": ranges, "versions": fields.pop("versions", [])}
    return {"id": "PYSEC-1", "summary": "A hole.", "affected": [affected], **fields}


INTRODUCED, FIXED = {"introduced": "0"}, {"fixed": "13.0.1"}


@pytest.mark.parametrize(
    ("known", "is_found"),
    [
        (advisory("Pillow", INTRODUCED, FIXED), True),
        (advisory("pillow", INTRODUCED, {"fixed": "13.0.0"}), False),
        (advisory("pillow", INTRODUCED, {"last_affected": "13.0.0"}), True),
        (advisory("pillow", INTRODUCED, {"last_affected": "12.9"}), False),
        (advisory("pillow", {"introduced": "13.1"}), False),
        (advisory("pillow", FIXED, INTRODUCED), True),
        (advisory("pillow", INTRODUCED, {"fixed": "9"}, {"introduced": "12"}, FIXED), True),
        (advisory("pillow", INTRODUCED, {"fixed": "9"}, {"introduced": "14"}), False),
        (advisory("pillow", versions=["12.0.0", "13.0.0"]), True),
        (advisory("pillow", versions=["12.0.0"]), False),
        (advisory("pillow", INTRODUCED, withdrawn="2026-01-01T00:00:00Z"), False),
        (advisory("another", INTRODUCED), False),
    ],
)
def test_an_advisory_is_found_for_the_locked_version_alone(known: dict[str, Any], is_found: bool) -> None:
    expected = [Finding("pillow", "13.0.0", "PYSEC-1", "A hole.")] if is_found else []
    assert audit_offline(LOCKED, [known]) == expected


def test_no_advisories_are_no_good_news() -> None:
    with pytest.raises(AuditError, match="is empty"):
        audit_offline(LOCKED, [])


def test_advisories_are_read_from_a_folder_and_from_an_archive(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.json").write_text(json.dumps(advisory("pillow", INTRODUCED)))
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("a.json", json.dumps(advisory("pillow", INTRODUCED)))
    for path in (tmp_path / "folder", tmp_path / "all.zip"):
        assert [found["id"] for found in read_advisories(path)] == ["PYSEC-1"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", None])
def test_a_damaged_or_missing_copy_is_one_sentence(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "all.zip").write_bytes(content)
    with pytest.raises(AuditError, match=r"all\.zip holds no advisories \(.*\); fetch all\.zip again"):
        list(read_advisories(tmp_path / "all.zip"))


def answer(output: str, errors: str = "") -> Any:
    return lambda *_, **__: subprocess.CompletedProcess([], 1, output, errors)


def test_findings_of_the_package_index_are_returned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    vulnerabilities = [{"id": "PYSEC-2", "description": "Another."}]
    packages = [{"name": "keras", "version": "3.15.1", "vulns": vulnerabilities}]
    monkeypatch.setattr(audit_dependencies.subprocess, "run", answer(json.dumps({"dependencies": packages})))
    assert audit_online(tmp_path) == [Finding("keras", "3.15.1", "PYSEC-2", "Another.")]


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("", "pip-audit got no answer"),
        ('{"dependencies": [{"name": "a", "skip_reason": "not found"}]}', "no advisories about 1 packages"),
    ],
)
def test_without_an_answer_a_sentence_names_the_other_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, output: str, words: str
) -> None:
    monkeypatch.setattr(audit_dependencies.subprocess, "run", answer(output, "ConnectionError"))
    with pytest.raises(AuditError, match=rf"{words}.*ADVISORIES=all\.zip"):
        audit_online(tmp_path)


def test_the_lock_is_read_by_normalized_names() -> None:
    assert read_lock("a_B==1.0 \\\n    --hash=sha256:00\nc==2 ; sys_platform == 'x' \\\n") == {"a-b": "1.0", "c": "2"}


@pytest.mark.slow
def test_the_command_ends_with_the_number_of_findings(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(advisory("pillow", INTRODUCED)))
    command = [sys.executable, "-m", "tools.audit_dependencies", "--advisories", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert "pillow" in done.stdout
    assert done.stdout.splitlines()[-1].endswith(" packages, 1 known vulnerabilities")
