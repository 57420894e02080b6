"""Run an archive analysis: list the files, hand pieces to workers, commit their results, join the tables."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from emotion.archive.engines.engine import Engine, LostPiece
from emotion.archive.listing import absolute_source, iter_sources
from emotion.archive.merging import merge_pieces
from emotion.archive.pieces import Piece, PieceResult, merge_results
from emotion.archive.rows import make_error_result
from emotion.archive.settings import ArchiveRequest
from emotion.archive.source_files import is_remote
from emotion.archive.store import IMAGES_PER_PIECE, PIECES_FILE, PIECES_FOLDER, SOURCES_FILE, ArchiveStore, Totals
from emotion.errors import ResultFolderError
from emotion.jobs.reporter import JobReporter
from emotion.jobs.result_folder import check_result_folder, complete_result, start_result
from emotion.jobs.result_manifest import ARCHIVE, ResultManifest
from emotion.storage import require_free_space

_WAIT_SECONDS: Final = 0.2  # for results, between two checks of whether to stop
_MAX_LOSSES: Final = 2  # of one piece; then each of its files is analyzed alone, and given up after so many losses
_MIN_FREE_BYTES: Final = 100_000_000
_RATE_SECONDS: Final = 60.0  # over which files a second are measured
_LOST_MESSAGE: Final = (
    "{name} ended its worker twice: it needs more memory than there is, or the program has a defect, see its log."
)


@dataclass(frozen=True)
class ArchiveSummary:
    """What a run did.

    Attributes:
        totals: Of all runs into the folder.
        num_sources: The files of the list.
        files_before: Files that earlier runs had done.
        seconds: Of this run, without the start of the workers.
        is_complete: Whether all files are done and the tables are complete.
    """

    totals: Totals
    num_sources: int
    files_before: int
    seconds: float
    is_complete: bool

    @property
    def files_per_second(self) -> float:
        """The rate of this run."""
        return (self.totals.files - self.files_before) / self.seconds if self.seconds > 0 else 0.0


class ArchiveRun:
    """An analysis of sources into a folder.

    Args:
        sources: See `iter_sources`.
        folder: New, empty, or with an analysis of the same sources and settings, which goes on.
        request: What to do.
        images_per_piece: Images that a worker analyzes in one go.

    Raises:
        ResultFolderError: The folder holds other files, or an analysis of other sources or settings.
    """

    def __init__(
        self,
        sources: list[str],
        folder: Path,
        request: ArchiveRequest,
        images_per_piece: int = IMAGES_PER_PIECE,
    ) -> None:
        self.folder = Path(os.path.realpath(folder))
        self._sources = [absolute_source(source) for source in sources]
        self._images_per_piece = images_per_piece
        self._store = ArchiveStore(self.folder)
        inputs = [Path(source) for source in self._sources if not is_remote(source)]
        manifest = check_result_folder(self.folder, ARCHIVE, inputs=inputs)
        settings = request.to_dict() | {"sources": self._sources}
        if manifest is not None and self._store.has_sources:  # without a list nothing is done yet
            _check_settings(self.folder, manifest.settings, settings)
        self.is_complete = manifest is not None and manifest.is_complete
        self._manifest = ResultManifest(ARCHIVE, self.is_complete, settings, manifest.files if manifest else ())

    def run(self, make_engine: Callable[[], Engine], reporter: JobReporter) -> ArchiveSummary:
        """Analyze what is not done yet; ends early where `reporter` requests a stop.

        Args:
            make_engine: Starts the workers; not called where nothing is to do.
            reporter: Of the job of the folder.

        Raises:
            EmotionError: A source cannot be listed, the folder cannot be written to, or no worker can be started.
        """
        try:
            return self._run(make_engine, reporter)
        except OSError as error:
            raise ResultFolderError(
                f"{self.folder} cannot be written to ({error.strerror or error}): what is done is kept; make room and "
                "run the same command again."
            ) from error

    def _run(self, make_engine: Callable[[], Engine], reporter: JobReporter) -> ArchiveSummary:
        if self.is_complete:
            shutil.rmtree(self.folder / PIECES_FOLDER, ignore_errors=True)  # of a run that was killed at its very end
            totals = self._store.count()
            return ArchiveSummary(totals, totals.files, totals.files, 0.0, True)
        start_result(self.folder, self._manifest)
        require_free_space(self.folder, _MIN_FREE_BYTES)
        done = self._store.prepare()
        if not self._store.has_sources:
            self._list_sources(reporter)
        if reporter.stop_requested:
            return ArchiveSummary(self._store.count(), 0, 0, 0.0, False)
        before, num_sources = self._store.count(), self._store.count_sources()
        progress = _Progress(reporter, before, num_sources)
        if before.files < num_sources:
            engine = make_engine()
            try:
                self._analyze(engine, done, progress)
            finally:
                engine.close()
        is_complete = not reporter.stop_requested and self._finish(reporter)
        return ArchiveSummary(progress.totals, num_sources, progress.files_before, progress.seconds, is_complete)

    def _list_sources(self, reporter: JobReporter) -> None:
        def count_files() -> Iterator[Any]:
            for number, file in enumerate(iter_sources(self._sources, lambda: reporter.stop_requested), 1):
                reporter.progress(0, 0, f"Listing the files: {number:,}")
                yield file
            if reporter.stop_requested:
                raise _Stopped

        try:
            self._store.write_sources(count_files(), self._images_per_piece)
        except _Stopped:  # an incomplete list must not be stored
            return

    def _analyze(self, engine: Engine, done: set[int], progress: _Progress) -> None:
        scheduler = _Scheduler(piece for piece in self._store.iter_pieces() if piece.number not in done)
        while not progress.reporter.stop_requested and not scheduler.is_finished:
            while engine.num_idle and (piece := scheduler.take()) is not None:
                progress.start()
                engine.submit(piece)
            for outcome in engine.wait(_WAIT_SECONDS):
                if progress.reporter.stop_requested:  # a worker that ends by the same signal is no lost one
                    return
                for result in scheduler.resolve(outcome):
                    progress.add(self._store.commit(result))
            progress.report()

    def _finish(self, reporter: JobReporter) -> bool:
        """Join the tables, mark the result as complete, and remove the files of the pieces."""
        names = merge_pieces(self._store, lambda: reporter.stop_requested)
        if reporter.stop_requested:
            return False
        complete_result(self.folder, self._manifest, [SOURCES_FILE, PIECES_FILE, *names])
        shutil.rmtree(self.folder / PIECES_FOLDER)
        return True


class _Stopped(Exception):
    """The listing was stopped."""


class _Scheduler:
    """Decides which piece is next; a piece that ends workers is split until the file that does it is alone."""

    def __init__(self, pieces: Iterator[Piece]) -> None:
        self._pieces = pieces
        self._next = next(pieces, None)
        self._retries: deque[Piece] = deque()
        self._losses: Counter[tuple[int, int, int]] = Counter()
        self._parts: dict[int, list[PieceResult]] = {}  # of the pieces that are split
        self._num_parts: dict[int, int] = {}
        self._num_running = 0

    @property
    def is_finished(self) -> bool:
        """Whether every piece has its result."""
        return not self._num_running and not self._retries and self._next is None

    def take(self) -> Piece | None:
        """Return the next piece to run, None where there is none at the moment."""
        if self._retries:
            piece: Piece | None = self._retries.popleft()
        else:
            piece, self._next = self._next, next(self._pieces, None)
        self._num_running += piece is not None
        return piece

    def resolve(self, outcome: PieceResult | LostPiece) -> Iterator[PieceResult]:
        """Take an outcome, and yield the results of a whole piece that can be committed."""
        self._num_running -= 1
        if isinstance(outcome, LostPiece):
            result = self._retry(outcome.piece)
            if result is None:
                return
            outcome = result
        if outcome.number not in self._parts:
            yield outcome
            return
        parts = self._parts[outcome.number]
        parts.append(outcome)
        if len(parts) == self._num_parts[outcome.number]:
            del self._parts[outcome.number]
            yield merge_results(parts)

    def _retry(self, piece: Piece) -> PieceResult | None:
        """Queue a lost piece again, whole or split; return its result where it is one file that is given up."""
        key = (piece.number, piece.first_file_id, len(piece.files))
        self._losses[key] += 1
        if self._losses[key] < _MAX_LOSSES:
            self._retries.append(piece)
            return None
        if len(piece.files) == 1:
            return make_error_result(piece, _LOST_MESSAGE.format(name=piece.files[0].name))
        self._parts[piece.number], self._num_parts[piece.number] = [], len(piece.files)
        self._retries.extend(piece.split())
        return None


class _Progress:
    """Counts what is done, and reports it with the current rate."""

    def __init__(self, reporter: JobReporter, before: Totals, num_sources: int) -> None:
        self.reporter, self.totals, self._num_sources = reporter, replace(before), num_sources
        self.files_before = before.files
        self._started = self._ended = time.monotonic()
        self._recent: deque[tuple[float, int]] = deque()  # time and files

    def start(self) -> None:
        """Begin to measure the time, at the first call."""
        if not self._recent:
            self._started = self._ended = time.monotonic()
            self._recent.append((self._started, self.totals.files))

    @property
    def seconds(self) -> float:
        """From `start` to the last piece."""
        return self._ended - self._started

    def add(self, record: Mapping[str, Any]) -> None:
        """Count a piece that is committed."""
        self.totals.add(record)
        self._ended = time.monotonic()
        self._recent.append((self._ended, self.totals.files))
        while len(self._recent) > 2 and self._ended - self._recent[0][0] > _RATE_SECONDS:
            self._recent.popleft()

    def report(self) -> None:
        """Report the counts."""
        if not self._recent:
            self.reporter.progress(self.totals.files, self._num_sources, "Starting the workers")
            return
        (first, files_then), (last, files_now) = self._recent[0], self._recent[-1]
        rate = (files_now - files_then) / (last - first) if last > first else 0.0
        message = f"{self.totals.files:,} of {self._num_sources:,} files"
        message += f", {rate:.1f} a second" if rate else ""
        message += f", {self.totals.faces:,} faces, {self.totals.errors:,} errors"
        self.reporter.progress(self.totals.files, self._num_sources, message)


def _check_settings(folder: Path, earlier: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Raise ResultFolderError where an analysis of a folder was made with other settings."""
    different = [name for name in settings if earlier.get(name) != settings[name]]
    if different:
        names = ", ".join(name.replace("_", " ") for name in different)
        raise ResultFolderError(
            f"{folder} holds an analysis with another {names}; choose another folder, or give the same ones to go on."
        )
