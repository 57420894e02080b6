"""Name, note and tags of a run: what is written is read, and what is damaged is named and harmless."""

from pathlib import Path

import pytest

from emotion.errors import JobError
from emotion.training.run_listing import load_run
from emotion.training.runs import annotations
from emotion.training.runs.annotations import ANNOTATIONS_FILE, write_annotations
from tests.pages.runs_making import make_run


def test_written_annotations_are_part_of_the_run(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "mine", job="done")
    write_annotations(folder, "  Best\nso far ", "two lines\nof text ", ["night", " night ", "", "day"])
    run = load_run(folder)
    assert run is not None
    assert (run.name, run.note, run.tags) == ("Best so far", "two lines\nof text", ("night", "day"))


def test_an_empty_name_keeps_the_one_of_the_start(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "mine", job="done")
    write_annotations(folder, "other", "", [])
    write_annotations(folder, " ", "", [])
    run = load_run(folder)
    assert run is not None
    assert run.name == "mine"


@pytest.mark.parametrize(
    ("name", "note", "tags"),
    [
        ("x" * (annotations.MAX_NAME_LENGTH + 1), "", []),
        ("", "x" * (annotations.MAX_NOTE_LENGTH + 1), []),
        ("", "", ["x" * (annotations.MAX_TAG_LENGTH + 1)]),
        ("", "", [str(i) for i in range(annotations.MAX_TAGS + 1)]),
    ],
)
def test_what_is_too_long_is_refused_and_the_file_stays(tmp_path: Path, name: str, note: str, tags: list[str]) -> None:
    write_annotations(tmp_path, "before", "", [])
    content = (tmp_path / ANNOTATIONS_FILE).read_bytes()
    with pytest.raises(JobError, match=r"shorten|leave some out"):
        write_annotations(tmp_path, name, note, tags)
    assert (tmp_path / ANNOTATIONS_FILE).read_bytes() == content


@pytest.mark.parametrize("content", ["[]", "no JSON", '{"tags": "night"}', '{"name": 7}', '{"tags": [[]]}'])
def test_a_damaged_file_is_named_and_the_run_stays_usable(tmp_path: Path, content: str) -> None:
    folder = make_run(tmp_path / "mine", job="done")
    (folder / ANNOTATIONS_FILE).write_text(content)
    run = load_run(folder)
    assert run is not None
    assert not run.is_damaged
    assert (run.name, run.note, run.tags, run.state) == ("mine", "", (), "done")
    assert ANNOTATIONS_FILE in (run.error or "")
