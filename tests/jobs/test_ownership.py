from __future__ import annotations

import json
from pathlib import Path

import pytest

from emotion.jobs.ownership import OWNER_FILE, Ownership, is_owned_by

GOOD = {"owner": "anna", "created_at": 1.0, "expires_at": 2.0}


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = Ownership(owner="anna", created_at=1.5, expires_at=2.5, num_bytes=10.0, seconds=3.0)
    record.write(tmp_path)
    assert Ownership.read(tmp_path) == record
    assert is_owned_by(tmp_path, "anna")
    assert not is_owned_by(tmp_path, "bert")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        json.dumps({**GOOD, "owner": ""}),
        json.dumps({**GOOD, "owner": ["anna"]}),
        json.dumps({**GOOD, "expires_at": float("nan")}),
        json.dumps({**GOOD, "expires_at": float("inf")}),
        json.dumps({**GOOD, "created_at": "yesterday"}),
        json.dumps({**GOOD, "expires_at": 1e300}),
        json.dumps({**GOOD, "num_bytes": -1}),
    ],
)
def test_a_folder_with_a_damaged_record_has_no_owner(tmp_path: Path, text: str) -> None:
    (tmp_path / OWNER_FILE).write_text(text)
    assert Ownership.read(tmp_path) is None
    assert not is_owned_by(tmp_path, "anna")
    assert not is_owned_by(tmp_path, "")


def test_a_folder_without_a_record_has_no_owner(tmp_path: Path) -> None:
    assert not is_owned_by(tmp_path, "anna")
    assert not is_owned_by(tmp_path / "missing", "anna")
