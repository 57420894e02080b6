"""The results of an archive analysis as a collection of faces that DuckDB searches, straight from the Parquet files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import pandas as pd

from emotion.archive.collection.queries import (
    FACES_OF_FILES,
    FACES_VIEW,
    MAX_BINS,
    ORDERS,
    FaceFilter,
    FaceOrder,
    TimeAxis,
    choose_time_unit,
)
from emotion.archive.schemas import ERRORS, FACES, FILES, TABLES, VIDEOS, make_schemas
from emotion.archive.source_files import FileKind, SourceFile
from emotion.archive.store import PIECES_FOLDER, ArchiveStore
from emotion.errors import DataError
from emotion.translation.messages import gettext as _

_VIEWS: Final = {FILES: "files", FACES: "image_faces", VIDEOS: "video_faces", ERRORS: "errors"}
# DuckDB must not fetch extensions from its server; Parquet is built in.
_CONFIG: Final[dict[str, str | bool | int | float | list[str]]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


@dataclass(frozen=True)
class CollectionFace:
    """A face of a collection.

    Attributes:
        file_id: The file.
        kind: Of the file.
        number: The face in its image, or the track in its video.
        frame: The frame of a video.
        timestamp: The second of a video.
        display_label: The label, or "unsure".
        label: The most probable label; None for a face that was not classified.
        confidence: The probability of `label`.
        uncertainty_reason: Why it is unsure.
        thumbnail: JPEG; None where there is none.
    """

    file_id: int
    kind: FileKind
    number: int
    frame: int | None
    timestamp: float | None
    display_label: str
    label: str | None
    confidence: float | None
    uncertainty_reason: str | None
    thumbnail: bytes | None


@dataclass(frozen=True)
class CollectionSize:
    """Counts of a collection: all files, the videos among them, all faces, and the files with a problem."""

    files: int
    videos: int
    faces: int
    errors: int


class Collection:
    """The results in a folder; safe to use from many threads.

    Args:
        folder: A result folder of `emotion analyze-archive`, complete or not.

    Raises:
        DataError: The folder holds no such results.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        paths = {table: _find_files(folder, table) for table in TABLES}
        if not paths[FILES]:
            raise DataError(
                _("{folder} holds no archive analysis; give the folder of emotion analyze-archive --out.").format(
                    folder=folder
                )
            )
        with self._reading():
            self._connection = duckdb.connect(config=_CONFIG | {"temp_directory": tempfile.gettempdir()})
            for table, files in paths.items():
                self._create_view(table, files)
            self._connection.execute(FACES_VIEW)
        self.size = self._count()
        self.expressions = [row[0] for row in self._fetch("SELECT DISTINCT display_label FROM all_faces ORDER BY 1")]

    def count_expressions(self, selection: FaceFilter) -> pd.DataFrame:
        """Return `expression`, `count` and `share` (0 to 1), the most frequent first."""
        condition, values = selection.to_sql()
        return self._query(
            f"""SELECT display_label AS expression, count(*) AS count, count(*) / sum(count(*)) OVER () AS share
                FROM all_faces WHERE {condition} GROUP BY 1 ORDER BY 2 DESC, 1""",
            values,
        )

    def count_over_time(self, selection: FaceFilter, axis: TimeAxis) -> pd.DataFrame:
        """Return `start` (a date, or the second of a video), `expression` and `count` in at most about `MAX_BINS` bins.

        Args:
            selection: The faces.
            axis: By EXIF date, by the date of the file, or by the time within a video; faces without it are left out.
        """
        condition, values = selection.to_sql()
        column = "timestamp" if axis == "video" else axis
        source = "all_faces" if axis == "video" else FACES_OF_FILES
        [[first, last]] = self._fetch(f"SELECT min({column}), max({column}) FROM {source} WHERE {condition}", values)
        if first is None:
            return pd.DataFrame({"start": [], "expression": [], "count": []})
        if axis == "video":
            start = f"floor(timestamp / {max(1.0, last / MAX_BINS)!r}) * {max(1.0, last / MAX_BINS)!r}"
        else:
            start = f"date_trunc('{choose_time_unit((last - first).total_seconds())}', {column})"
        return self._query(
            f"""SELECT {start} AS start, display_label AS expression, count(*) AS count FROM {source}
                WHERE {condition} AND {column} IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2""",
            values,
        )

    def count_by_folder(self, selection: FaceFilter, max_folders: int) -> pd.DataFrame:
        """Return `folder`, `expression` and `count` of the folders with the most faces, the largest first."""
        condition, values = selection.to_sql()
        return self._query(
            f"""WITH counts AS (SELECT folder, display_label AS expression, count(*) AS count FROM {FACES_OF_FILES}
                                WHERE {condition} GROUP BY 1, 2),
                     largest AS (SELECT folder, sum(count) AS total FROM counts GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?)
                SELECT folder, expression, count FROM counts JOIN largest USING (folder) ORDER BY total DESC, 1, 2""",
            [*values, max_folders],
        )

    def count_faces(self, selection: FaceFilter, *, with_thumbnail: bool = False) -> int:
        """Return the number of faces; of videos only those with a thumbnail where `with_thumbnail`."""
        condition, values = selection.to_sql()
        condition += " AND (kind = 'image' OR thumbnail IS NOT NULL)" if with_thumbnail else ""
        return self._fetch(f"SELECT count(*) FROM all_faces WHERE {condition}", values)[0][0]

    def list_faces(self, selection: FaceFilter, order: FaceOrder, offset: int, limit: int) -> list[CollectionFace]:
        """Return a page of faces; of videos only those with a thumbnail, which is one every two seconds of a track."""
        condition, values = selection.to_sql()
        keys = self._fetch(
            f"""SELECT file_id, kind, number, frame FROM all_faces
                WHERE {condition} AND (kind = 'image' OR thumbnail IS NOT NULL)
                ORDER BY {ORDERS[order]} LIMIT ? OFFSET ?""",
            [*values, limit, offset],
        )
        if not keys:
            return []
        # The thumbnails in a query of their own, which reads only the parts of the files that hold these faces.
        rows = self._fetch(
            """SELECT file_id, kind, number, frame, timestamp, display_label, label, confidence, uncertainty_reason,
                      thumbnail
               FROM all_faces WHERE file_id IN (SELECT unnest(?))""",
            [sorted({key[0] for key in keys})],
        )
        faces = {tuple(row[:4]): CollectionFace(*row) for row in rows}
        return [faces[tuple(key)] for key in keys]

    def faces_of(self, file_id: int, frame: int | None = None) -> list[dict[str, Any]]:
        """Return the rows of the faces of an image, or of a frame of a video, as plain values without thumbnails."""
        table = "image_faces" if frame is None else "video_faces"
        frames = "" if frame is None else "AND frame = ?"
        values = [file_id] if frame is None else [file_id, frame]
        return self._fetch_records(f"SELECT * EXCLUDE (thumbnail) FROM {table} WHERE file_id = ? {frames}", values)

    def file_row(self, file_id: int) -> dict[str, Any]:
        """Return the row of a file as plain values."""
        return self._fetch_records("SELECT * FROM files WHERE file_id = ?", [file_id])[0]

    def read_source(self, file_id: int) -> SourceFile:
        """Return where a file is; DataError where the folder has no list of sources."""
        return ArchiveStore(self.folder).read_source(file_id)

    def list_folders(self, limit: int) -> list[str]:
        """Return the folders with the most files."""
        return [
            row[0]
            for row in self._fetch("SELECT folder FROM files GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT ?", [limit])
        ]

    def errors(self, limit: int) -> pd.DataFrame:
        """Return `location`, `member`, `kind` and `message` of the first files with a problem."""
        return self._query("SELECT location, member, kind, message FROM errors ORDER BY file_id LIMIT ?", [limit])

    def export(self, selection: FaceFilter, limit: int) -> pd.DataFrame:
        """Return the selected faces with their files, without thumbnails, at most `limit` rows."""
        condition, values = selection.to_sql()
        return self._query(
            f"""SELECT f.location, f.member, f.folder, f.taken, f.modified, a.* EXCLUDE (thumbnail)
                FROM (SELECT * FROM all_faces WHERE {condition}) a JOIN files f USING (file_id)
                ORDER BY file_id, frame, number LIMIT ?""",
            [*values, limit],
        )

    def _create_view(self, table: str, files: Sequence[str]) -> None:
        if files:
            self._connection.read_parquet(list(files)).create_view(_VIEWS[table])
        else:
            self._connection.from_arrow(make_schemas(())[table].empty_table()).create(_VIEWS[table])

    def _count(self) -> CollectionSize:
        [files, videos] = self._fetch("SELECT count(*), count(*) FILTER (kind = 'video') FROM files")[0]
        [[faces]] = self._fetch("SELECT count(*) FROM all_faces")
        [[errors]] = self._fetch("SELECT count(*) FROM errors")
        return CollectionSize(files, videos, faces, errors)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Raise `DataError` for files that are damaged, or that the end of the analysis has just removed."""
        try:
            yield
        except duckdb.Error as error:
            text = _("{folder} cannot be read ({reason}); open it once more, or analyze the archive again.")
            reason = str(error).splitlines()[0]  # the others show the query
            raise DataError(text.format(folder=self.folder, reason=reason)) from error

    def _query(self, sql: str, values: Sequence[Any] = ()) -> pd.DataFrame:
        with self._reading():
            return self._connection.cursor().execute(sql, list(values)).df()

    def _fetch_records(self, sql: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        with self._reading():
            cursor = self._connection.cursor().execute(sql, list(values))
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _fetch(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._reading():
            return self._connection.cursor().execute(sql, list(values)).fetchall()


def _find_files(folder: Path, table: str) -> list[str]:
    """Return the Parquet files of a table: the complete ones, else those of the pieces that are done."""
    try:
        if (folder / PIECES_FOLDER).is_dir():  # the tables are being joined, and not complete yet
            return sorted(map(str, (folder / PIECES_FOLDER).glob(f"{table}-*.parquet")))
        return sorted(map(str, (folder / table).glob("part-*.parquet")))
    except OSError:  # the name is too long
        return []
