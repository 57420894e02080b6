"""Archives for tests, an engine without processes, and what a result folder holds."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from emotion.archive.engines.engine import LostPiece, Outcome
from emotion.archive.pieces import Piece, PieceResult, PieceWriter
from emotion.archive.rows import make_file_row
from emotion.archive.schemas import FILES, TABLES
from emotion.archive.settings import ArchiveRequest, ArchiveSettings
from emotion.demo.sample_image import SAMPLE_IMAGE
from emotion.recognition.settings import AnalyzerSettings
from emotion.video.settings import FAST_STRIDE, VideoSettings

SIDE_PX = 160
LABELS = ("happy", "sad")


def write_photos(folder: Path, count: int, *, broken: Sequence[int] = ()) -> Path:
    """Write small photos `0000.jpg`, ...; those with a number in `broken` are plain text."""
    folder.mkdir(parents=True, exist_ok=True)
    with Image.open(SAMPLE_IMAGE) as sample:
        face = sample.convert("RGB").crop((130, 10, 320, 200))
    for number in range(count):
        path = folder / f"{number:04d}.jpg"
        if number in broken:
            path.write_text("no photo")
        else:
            face.rotate(number % 20 - 10).resize((SIDE_PX, SIDE_PX)).save(path)
    return folder


def write_zip(path: Path, folder: Path) -> Path:
    """Pack the files of a folder."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"inner/{file.name}")
    return path


def write_tar(path: Path, folder: Path) -> Path:
    """Pack the files of a folder; the suffix of `path` decides about compression."""
    with tarfile.open(path, "w:gz" if path.suffix in (".gz", ".tgz") else "w:") as archive:
        for file in sorted(folder.iterdir()):
            archive.add(file, f"inner/{file.name}")
    return path


def make_request(model: Path, *, thumbnails: bool = True, features: bool = False) -> ArchiveRequest:
    """Return a request with the fastest models."""
    images = AnalyzerSettings(features=features)
    videos = VideoSettings(replace(images, max_side=640), FAST_STRIDE, write_video=False)
    return ArchiveRequest.from_settings(ArchiveSettings(images, videos, thumbnails), "haar", model)


def fake_request(program: str = "Emotion Studio test") -> ArchiveRequest:
    """Return a request that loads no model."""
    return ArchiveRequest(ArchiveSettings(), "haar", None, LABELS, program, "0" * 64, None)


def fake_result(piece: Piece) -> PieceResult:
    """Return a row for each file without looking into it."""
    writer = PieceWriter(LABELS)
    for file_id, file in enumerate(piece.files, piece.first_file_id):
        writer.add(FILES, make_file_row(file_id, file))
    return writer.finish(piece)


class InlineEngine:
    """Runs pieces in this process, in reverse order of their submission; `is_deadly` says which end their worker."""

    def __init__(
        self,
        process: Callable[[Piece], PieceResult] = fake_result,
        num_workers: int = 3,
        is_deadly: Callable[[Piece], bool] = lambda piece: False,
    ) -> None:
        self._process, self._num_workers, self._is_deadly = process, num_workers, is_deadly
        self._submitted: list[Piece] = []
        self.is_closed = False

    @property
    def num_idle(self) -> int:
        return self._num_workers - len(self._submitted)

    def submit(self, piece: Piece) -> None:
        self._submitted.append(piece)

    def wait(self, seconds: float) -> Sequence[Outcome]:
        piece = self._submitted.pop()
        return [LostPiece(piece) if self._is_deadly(piece) else self._process(piece)]

    def close(self) -> None:
        self.is_closed = True


def read_table(folder: Path, table: str) -> pa.Table:
    """Return a complete table of a result folder."""
    return pa.concat_tables(pq.read_table(path) for path in sorted((folder / table).glob("*.parquet")))


def read_tables(folder: Path) -> dict[str, bytes]:
    """Return all complete tables of a result folder as comparable bytes."""
    contents = {}
    for table in TABLES:
        if (folder / table).is_dir():
            buffer = io.BytesIO()
            pq.write_table(read_table(folder, table), buffer)
            contents[table] = buffer.getvalue()
    return contents
