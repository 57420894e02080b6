from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from emotion.archive.engines.engine import Engine
from emotion.archive.pieces import Piece, PieceResult
from emotion.archive.run import ArchiveRun, ArchiveSummary
from emotion.archive.store import ArchiveStore
from emotion.errors import ResultFolderError
from emotion.jobs.reporter import job_context
from tests.archive.making import InlineEngine, fake_request, fake_result, read_table, read_tables

NUM_FILES = 20
IMAGES_PER_PIECE = 3


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(NUM_FILES):
        (folder / f"{number:03d}.{'mp4' if number == 10 else 'jpg'}").write_bytes(b"x")
    return folder


def analyze(
    photos: Path, out: Path, engine: Callable[[], Engine] = InlineEngine, program: str = "Emotion Studio test"
) -> ArchiveSummary:
    run = ArchiveRun([str(photos)], out, fake_request(program), IMAGES_PER_PIECE)
    with job_context(run.folder) as reporter:
        return run.run(engine, reporter)


def file_ids(out: Path) -> list[int]:
    return read_table(out, "files")["file_id"].to_pylist()


class StopAfter:
    """Ends the program after so many pieces."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __call__(self, piece: Piece) -> PieceResult:
        if not self._count:
            raise KeyboardInterrupt
        self._count -= 1
        return fake_result(piece)


def test_every_file_has_one_row_in_the_order_of_the_sources(photos: Path, tmp_path: Path) -> None:
    summary = analyze(photos, tmp_path / "out")
    assert summary.is_complete
    assert summary.totals.files == NUM_FILES
    assert file_ids(tmp_path / "out") == list(range(NUM_FILES))
    assert not (tmp_path / "out" / "pieces").exists()


def test_a_video_is_a_piece_of_its_own(photos: Path, tmp_path: Path) -> None:
    analyze(photos, tmp_path / "out")
    sizes = [record["files"] for record in ArchiveStore(tmp_path / "out").iter_records()]
    assert sorted(sizes) == [1, 1, 3, 3, 3, 3, 3, 3]


@pytest.mark.parametrize("count", [0, 1, 7])
def test_an_interrupted_analysis_goes_on_with_what_is_missing(photos: Path, tmp_path: Path, count: int) -> None:
    analyze(photos, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        analyze(photos, tmp_path / "out", lambda: InlineEngine(StopAfter(count)))
    summary = analyze(photos, tmp_path / "out")
    assert summary.files_before == sum(sorted_sizes(tmp_path / "out")[:count])
    assert read_tables(tmp_path / "out") == read_tables(tmp_path / "whole")


def sorted_sizes(out: Path) -> list[int]:
    return [record["files"] for record in ArchiveStore(out).iter_records()]


def test_a_line_that_was_cut_off_and_a_file_without_a_line_count_as_not_done(photos: Path, tmp_path: Path) -> None:
    analyze(photos, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        analyze(photos, tmp_path / "out", lambda: InlineEngine(StopAfter(3)))
    pieces = tmp_path / "out" / "pieces.jsonl"
    pieces.write_bytes(pieces.read_bytes()[:-5])
    (tmp_path / "out" / "pieces" / ".1234abcd.part.parquet").write_bytes(b"cut")
    assert analyze(photos, tmp_path / "out").totals.files == NUM_FILES
    assert read_tables(tmp_path / "out") == read_tables(tmp_path / "whole")


def test_a_complete_analysis_starts_no_worker(photos: Path, tmp_path: Path) -> None:
    analyze(photos, tmp_path / "out")

    def fail() -> Engine:
        raise AssertionError("a worker was started")

    assert analyze(photos, tmp_path / "out", fail).is_complete


def test_a_file_that_ends_its_workers_is_one_error_and_the_others_are_analyzed(photos: Path, tmp_path: Path) -> None:
    def is_deadly(piece: Piece) -> bool:
        return any(file.name in ("004.jpg", "010.mp4") for file in piece.files)

    summary = analyze(photos, tmp_path / "out", lambda: InlineEngine(is_deadly=is_deadly))
    assert summary.totals.errors == 2
    assert file_ids(tmp_path / "out") == list(range(NUM_FILES))
    errors = read_table(tmp_path / "out", "errors").to_pylist()
    assert [error["file_id"] for error in errors] == [4, 10]
    assert "ended its worker twice" in errors[0]["message"]


def test_a_worker_that_is_lost_once_costs_nothing(photos: Path, tmp_path: Path) -> None:
    analyze(photos, tmp_path / "whole")
    lost: set[int] = set()

    def is_deadly(piece: Piece) -> bool:
        is_first = piece.number not in lost
        lost.add(piece.number)
        return is_first

    analyze(photos, tmp_path / "out", lambda: InlineEngine(is_deadly=is_deadly))
    assert read_tables(tmp_path / "out") == read_tables(tmp_path / "whole")


def test_other_settings_or_sources_are_refused_and_nothing_is_changed(photos: Path, tmp_path: Path) -> None:
    analyze(photos, tmp_path / "out")
    before = read_tables(tmp_path / "out")
    with pytest.raises(ResultFolderError, match="another program"):
        analyze(photos, tmp_path / "out", program="Emotion Studio 0")
    with pytest.raises(ResultFolderError, match="another sources"):
        analyze(photos / "000.jpg", tmp_path / "out")
    assert read_tables(tmp_path / "out") == before


def test_a_wrong_source_can_be_corrected(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="There is no"):
        analyze(tmp_path / "photo", tmp_path / "out")
    assert analyze(photos, tmp_path / "out").is_complete


def test_the_engine_is_closed_after_an_error(photos: Path, tmp_path: Path) -> None:
    engine = InlineEngine(StopAfter(0))
    with pytest.raises(KeyboardInterrupt):
        analyze(photos, tmp_path / "out", lambda: engine)
    assert engine.is_closed


def test_the_manifest_holds_the_settings_and_the_sha256_of_the_models(photos: Path, tmp_path: Path) -> None:
    analyze(photos, tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / ".emotion-result.json").read_text())
    request = fake_request()
    assert manifest["settings"]["model_sha256"] == request.model_sha256
    assert manifest["settings"]["settings"] == dataclasses.asdict(request.settings)
    assert manifest["is_complete"]
