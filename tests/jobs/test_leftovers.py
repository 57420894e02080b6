from __future__ import annotations

from pathlib import Path

from emotion.jobs.leftovers import remove_partial_files


def test_partial_files_are_removed_but_not_those_of_a_job_within(tmp_path: Path) -> None:
    """A trial of a killed sweep goes on, and may be in the middle of a write when the sweep is resumed."""
    own, within = tmp_path / "thumbnails" / ".0a1b2c3d.part.jpg", tmp_path / "trial-001" / ".0a1b2c3d.part.keras"
    for path in (tmp_path / ".ffffffff.part.json", own, within):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    kept = [tmp_path / "trial-001" / "state.json", tmp_path / "history.csv", tmp_path / "a.part.csv"]
    for path in kept:
        path.touch()
    remove_partial_files(tmp_path)
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted([*kept, within])


def test_a_folder_without_partial_files_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "report.json").touch()
    remove_partial_files(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
