"""The frames that a film's analysis wrote so far, read as they come and kept as columns: an hour takes some MB."""

from __future__ import annotations

import json
import math
import os
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotion.expressions import UNCERTAIN
from emotion.faces import Box, Face, Scores
from emotion.results.tables import score_columns

FRAMES_FILE: Final = "frames.jsonl"
# As `FrameLog.to_dataframe` gives them, before one column `score_<label>` for each label.
LOG_COLUMNS: Final = (
    "frame",
    "timestamp",
    "duration",
    "track_id",
    "display_label",
    "label",
    "confidence",
    "uncertainty_reason",
    "detection_score",
    "x1",
    "y1",
    "x2",
    "y2",
)
_CHUNK_BYTES: Final = 4_000_000  # bytes that are read at once
_MAX_FRAME_SECONDS: Final = 1.0  # seconds for which a frame stands at most, unless all stand longer: films have holes
_SINGLE_FRAME_SECONDS: Final = 0.04  # seconds for which the only frame stands


class FrameLog:
    """Reads `FRAMES_FILE` of a folder and remembers how far it came. A line that is damaged is left out; one that is not
    finished yet is read the next time. Not for two threads at once."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FRAMES_FILE
        self._reset()

    def _reset(self) -> None:
        self._inode: int | None = None  # which one is read
        self._offset = 0
        self.labels: tuple[str, ...] = ()
        self._frame_indices, self._timestamps = array("q"), array("d")  # of the frames
        self._frame_rows = array("q")  # of the faces: place of their frame
        self._face_values = array("d")  # of the faces: track, confidence, detection score and box
        self._text_codes = array("q")  # of the faces: their three texts as places in `_vocabulary`
        self._scores = array("d")  # of the faces: one for each label
        self._vocabulary: dict[str, int] = {"": 0}

    @property
    def num_frames(self) -> int:
        """How many were looked at."""
        return len(self._timestamps)

    @property
    def last_timestamp(self) -> float:
        """Time of the last one, 0 where there is none."""
        return self._timestamps[-1] if self._timestamps else 0.0

    def refresh(self) -> bool:
        """Read what was added; whether anything was. A file that was begun anew is read anew."""
        try:
            with open(self._path, "rb") as file:
                status = os.fstat(file.fileno())
                if status.st_ino != self._inode or status.st_size < self._offset:
                    self._reset()
                    self._inode = status.st_ino
                before = self._offset
                file.seek(before)
                for line in _read_complete_lines(file):
                    self._offset += len(line)
                    self._append_line(line)
                return self._offset > before
        except FileNotFoundError:
            news = self.num_frames > 0
            self._reset()
            return news

    def iter_lines(self) -> Iterator[str]:
        """The whole lines of the file that are not damaged, without their ends."""
        for line, _ in self._iter_frames():
            yield line.decode().rstrip()

    def iter_displayed_faces(self) -> Iterator[tuple[int, tuple[Face, ...]]]:
        """Yield the index and the faces of each frame as they were shown: `scores` holds the shown label alone."""
        for _, (index, _, faces) in self._iter_frames():
            yield index, tuple(face.to_face() for face in faces)

    def _iter_frames(self) -> Iterator[tuple[bytes, _LoggedFrame]]:
        try:
            with open(self._path, "rb") as file:
                for line in _read_complete_lines(file):
                    if (frame := _parse_frame(line)) is not None:
                        yield line, frame
        except FileNotFoundError:
            return

    def timestamps(self) -> NDArray[np.float64]:
        """Seconds of all frames, (n,)."""
        return np.array(self._timestamps, np.float64)

    def durations(self) -> NDArray[np.float64]:
        """Seconds for which each frame stands, (n,): until the next one, the last one as long as most, if that is not
        long."""
        passed = np.diff(self.timestamps())
        usual = float(np.median(passed)) if len(passed) else _SINGLE_FRAME_SECONDS
        return np.append(np.clip(passed, 0, max(_MAX_FRAME_SECONDS, 2 * usual)), min(usual, _MAX_FRAME_SECONDS))[
            : self.num_frames
        ]

    def to_dataframe(self) -> pd.DataFrame:
        """One row a face, by frame: `LOG_COLUMNS`, then one column `score_<label>` for each label. `frame` is the index
        of the decoded frame, `duration` the seconds for which it stands."""
        rows = np.array(self._frame_rows, np.int64)
        numbers = np.array(self._face_values, np.float64).reshape(len(rows), 7)
        texts = np.array(list(self._vocabulary), object)[np.array(self._text_codes, np.int64).reshape(len(rows), 3)]
        scores = np.array(self._scores, np.float64).reshape(len(rows), len(self.labels))
        values = {
            "frame": np.array(self._frame_indices, np.int64)[rows],
            "timestamp": self.timestamps()[rows],
            "duration": self.durations()[rows],
            "track_id": numbers[:, 0].astype(np.int64),
            "display_label": texts[:, 0],
            "label": texts[:, 1],
            "confidence": numbers[:, 1],
            "uncertainty_reason": texts[:, 2],
            "detection_score": numbers[:, 2],
            **{side: numbers[:, place].astype(np.int64) for place, side in enumerate(("x1", "y1", "x2", "y2"), 3)},
        }
        return pd.DataFrame(values | {name: scores[:, i] for i, name in enumerate(score_columns(self.labels))})

    def _append_line(self, line: bytes) -> None:
        frame = _parse_frame(line)
        if frame is None:
            return
        index, seconds, faces = frame
        for face in faces:
            if face.scores and not self.labels:
                self.labels = tuple(face.scores)
                self._scores.extend([np.nan] * (len(self._frame_rows) * len(self.labels)))  # of those before
            self._frame_rows.append(len(self._timestamps))
            self._face_values.extend((face.track_id, face.confidence, face.detection_score, *face.box))
            self._text_codes.extend(self._vocabulary.setdefault(word, len(self._vocabulary)) for word in face.texts)
            self._scores.extend(face.scores.get(label, np.nan) for label in self.labels)
        self._frame_indices.append(index)
        self._timestamps.append(seconds)


class _LoggedFace:
    """One face of a line, checked."""

    def __init__(self, record: dict[str, Any]) -> None:
        confidence = record["confidence"]
        self.track_id = int(record["track_id"])
        self.confidence = np.nan if confidence is None else float(confidence)
        self.detection_score = float(record["detection_score"])
        x1, y1, x2, y2 = record["box"]
        self.box = int(x1), int(y1), int(x2), int(y2)
        self.texts = str(record["display_label"]), str(record["label"] or ""), str(record["uncertainty_reason"] or "")
        self.scores = {str(label): float(p) for label, p in record["scores"].items()}

    def to_face(self) -> Face:
        """The face with what was shown of it."""
        shown, _, unsure = self.texts
        sure = not unsure and shown != UNCERTAIN.name and not np.isnan(self.confidence)
        scores = Scores([shown], [self.confidence]) if sure else None
        return Face(
            Box(*self.box),
            self.detection_score,
            scores=scores,
            uncertainty_reason=None if sure else unsure,
            track_id=self.track_id,
        )


_LoggedFrame = tuple[int, float, list[_LoggedFace]]  # index, seconds, faces


def _parse_frame(line: bytes) -> _LoggedFrame | None:
    """Index, seconds and faces of a line; None for a damaged one."""
    try:
        value = json.loads(line)
        frame = int(value["index"]), float(value["timestamp"]), [_LoggedFace(face) for face in value["faces"]]
        return frame if math.isfinite(frame[1]) else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return None


def _read_complete_lines(file: Any) -> Iterator[bytes]:
    """The lines from here on that are finished, with their ends."""
    rest = b""
    while part := file.read(_CHUNK_BYTES):
        *lines, rest = (rest + part).split(b"\n")
        yield from (line + b"\n" for line in lines)
