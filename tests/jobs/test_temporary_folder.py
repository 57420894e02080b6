from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from emotion.jobs.result_manifest import MANIFEST_FILE
from emotion.jobs.temporary_folder import create_temporary_folder, remove_abandoned_folders


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def abandon(folder: Path, **owner: object) -> None:
    """Let the mark name a process that ended."""
    values = json.loads((folder / MANIFEST_FILE).read_text())
    values["owner"] |= {"process_started_at": 1.0, **owner}
    (folder / MANIFEST_FILE).write_text(json.dumps(values))


def test_the_folder_of_a_process_that_ended_is_removed() -> None:
    mine, left = create_temporary_folder("live"), create_temporary_folder("live")
    (left / "recording.mp4").write_bytes(b"faces")
    abandon(left)
    assert remove_abandoned_folders() == [left]
    assert (mine.is_dir(), left.exists()) == (True, False)


def test_folders_without_the_mark_are_kept(place: Path) -> None:
    for name in ("emotion-studio-live-x", "emotion-studio-y", "other"):
        (place / name).mkdir()
        (place / name / "letter.txt").write_text("mine")
    (place / "emotion-studio-y" / MANIFEST_FILE).write_text("{")
    (place / "emotion-studio-file").write_text("mine")
    assert remove_abandoned_folders() == []
    assert len([*place.iterdir()]) == 4


def test_a_link_to_a_folder_with_the_mark_is_kept(place: Path) -> None:
    target = create_temporary_folder("live")
    abandon(target)
    moved = target.rename(place / "elsewhere")
    (place / "emotion-studio-link").symlink_to(moved)
    assert remove_abandoned_folders() == []
    assert moved.is_dir()


@pytest.mark.parametrize("pid", ["text", None, -1, 1e300, [1]])
def test_a_folder_whose_mark_names_no_process_is_kept(pid: object) -> None:
    folder = create_temporary_folder("live")
    abandon(folder, pid=pid)
    assert remove_abandoned_folders() == []
    assert folder.is_dir()
