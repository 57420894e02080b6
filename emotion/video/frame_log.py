"""Read the frame log of an analysis incrementally into columns; an hour of video takes some MB."""

from __future__ import annotations

import json
import math
import os
from array import array
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotion.errors import JobError
from emotion.expressions import UNCERTAIN
from emotion.faces import Box, Face, Scores
from emotion.formatting import format_name
from emotion.results.serialization import features_from_dict
from emotion.results.tables import FEATURE_COLUMNS, PREDICTION_COLUMNS, feature_values, score_columns
from emotion.storage import open_file
from emotion.video.pipeline import FRAMES_FILE

# Of `FrameLog.to_dataframe`, before one column `score_<label>` per label.
LOG_COLUMNS: Final = ("frame", "timestamp", "duration", "track_id", "display_label", *PREDICTION_COLUMNS)
_CHUNK_BYTES: Final = 4_000_000
_MAX_LINE_BYTES: Final = 16_000_000
_MAX_INT: Final = 2**31 - 1
_MAX_SECONDS: Final = 1e7
_MAX_TEXT_LENGTH: Final = 100
_MAX_FRAME_SECONDS: Final = 1.0  # longest duration of a frame, unless most are longer: videos have gaps
_SINGLE_FRAME_SECONDS: Final = 0.04  # duration of the only frame
_NUM_FACE_VALUES: Final = 7
_NUM_FACE_TEXTS: Final = 3


class FrameLog:
    """Reads `FRAMES_FILE` of a folder from where the last `refresh` ended; not thread-safe.

    Damaged lines are skipped; an unfinished one is read by the next `refresh`.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FRAMES_FILE
        self._reset()

    def _reset(self) -> None:
        self._inode: int | None = None  # of the file that is read
        self._offset = 0
        self.labels: tuple[str, ...] = ()
        self._frame_indices, self._timestamps = array("q"), array("d")  # per frame
        self._frame_rows = array("q")  # per face: index of its frame
        self._face_values = array("d")  # per face: track id, confidence, detection score, box
        self._text_codes = array("q")  # per face: its texts as indices in `_vocabulary`
        self._scores = array("d")  # per face: one per label
        self.has_features = False
        self._features = array("f")  # per face: one per column of `FEATURE_COLUMNS`; empty without features
        self._vocabulary: dict[str, int] = {"": 0}

    @property
    def num_frames(self) -> int:
        """Number of processed frames."""
        return len(self._timestamps)

    @property
    def last_timestamp(self) -> float:
        """Second of the last frame, 0 where there is none."""
        return self._timestamps[-1] if self._timestamps else 0.0

    def refresh(self) -> bool:
        """Read the lines that were added, and return whether there were any; a new file is read from its start."""
        try:
            with open_file(self._path) as file:
                status = os.fstat(file.fileno())
                if status.st_ino != self._inode or status.st_size < self._offset:
                    self._reset()
                    self._inode = status.st_ino
                start = self._offset
                file.seek(start)
                for line in _read_complete_lines(file):
                    self._offset += len(line)
                    self._append_line(line)
                return self._offset > start
        except FileNotFoundError:
            had_frames = self.num_frames > 0
            self._reset()
            return had_frames
        except OSError as error:
            raise self._make_error(error) from error

    def _make_error(self, error: OSError) -> JobError:
        return JobError(f"{self._path} cannot be read ({error.strerror}): delete this video and analyze it again.")

    def iter_lines(self) -> Iterator[str]:
        """Yield the complete, undamaged lines of the file without line ends."""
        for line, _ in self._iter_frames():
            yield line.decode().rstrip()

    def iter_displayed_faces(self) -> Iterator[tuple[int, tuple[Face, ...]]]:
        """Yield the index and the faces of each frame; `scores` holds the displayed label alone."""
        for _, (index, _, faces) in self._iter_frames():
            yield index, tuple(face.to_face() for face in faces)

    def _iter_frames(self) -> Iterator[tuple[bytes, _LoggedFrame]]:
        try:
            with open_file(self._path) as file:
                for line in _read_complete_lines(file):
                    if (frame := _parse_frame(line)) is not None:
                        yield line, frame
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._make_error(error) from error

    def timestamps(self) -> NDArray[np.float64]:
        """Return the seconds of all frames, (n,)."""
        return np.array(self._timestamps, np.float64)

    def durations(self) -> NDArray[np.float64]:
        """Return the seconds until the next frame, (n,); for the last one the median, up to a limit."""
        steps = np.diff(self.timestamps())
        median = float(np.median(steps)) if len(steps) else _SINGLE_FRAME_SECONDS
        clipped = np.clip(steps, 0, max(_MAX_FRAME_SECONDS, 2 * median))
        return np.append(clipped, min(median, _MAX_FRAME_SECONDS))[: self.num_frames]

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per face, ordered by frame: `LOG_COLUMNS`, then one column `score_<label>` per label.

        Where a face has features, `FEATURE_COLUMNS` follow, NaN where a value is withheld.
        `frame` is the index of the decoded frame, `duration` the seconds for which it is displayed.
        """
        rows = np.array(self._frame_rows, np.int64)
        numbers = np.array(self._face_values, np.float64).reshape(len(rows), _NUM_FACE_VALUES)
        codes = np.array(self._text_codes, np.int64).reshape(len(rows), _NUM_FACE_TEXTS)
        texts = np.array(list(self._vocabulary), object)[codes]
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
            **{side: numbers[:, i].astype(np.int64) for i, side in enumerate(("x1", "y1", "x2", "y2"), 3)},
        }
        values |= {name: scores[:, i] for i, name in enumerate(score_columns(self.labels))}
        if self.has_features:
            features = np.array(self._features, np.float64).reshape(len(rows), len(FEATURE_COLUMNS))
            values |= {name: features[:, i] for i, name in enumerate(FEATURE_COLUMNS)}
        return pd.DataFrame(values)

    def _append_line(self, line: bytes) -> None:
        frame = _parse_frame(line)
        if frame is None or any(face.scores.keys() - set(self.labels or face.scores) for face in frame[2]):
            return  # damaged, or with labels of another model
        index, timestamp, faces = frame
        for face in faces:
            if face.scores and not self.labels:
                self.labels = tuple(face.scores)
                self._scores.extend([np.nan] * (len(self._frame_rows) * len(self.labels)))  # for the faces before
            if face.features and not self.has_features:
                self.has_features = True
                self._features.extend([np.nan] * (len(self._frame_rows) * len(FEATURE_COLUMNS)))
            if self.has_features:
                known = feature_values(face.features)
                self._features.extend(known.get(column, np.nan) for column in FEATURE_COLUMNS)
            self._frame_rows.append(len(self._timestamps))
            self._face_values.extend((face.track_id, face.confidence, face.detection_score, *face.box))
            self._text_codes.extend(self._vocabulary.setdefault(text, len(self._vocabulary)) for text in face.texts)
            self._scores.extend(face.scores.get(label, np.nan) for label in self.labels)
        self._frame_indices.append(index)
        self._timestamps.append(timestamp)


class _LoggedFace:
    """One validated face of a line."""

    def __init__(self, record: dict[str, Any]) -> None:
        confidence = record["confidence"]
        self.track_id = _to_int(record["track_id"])
        self.confidence = np.nan if confidence is None else _to_float(confidence)
        self.detection_score = _to_float(record["detection_score"])
        x1, y1, x2, y2 = map(_to_int, record["box"])
        self.box = x1, y1, x2, y2
        label, reason = record["label"] or "", record["uncertainty_reason"] or ""
        self.texts = _to_text(record["display_label"]), _to_text(label), _to_text(reason)
        self.scores = {_to_text(label): _to_float(prob) for label, prob in record["scores"].items()}
        self.features = features_from_dict(record["features"]) if "features" in record else None
        if self.texts[0] not in (UNCERTAIN.name, *self.scores):
            raise ValueError(f"{self.texts[0]!r} is no label of this face")

    def to_face(self) -> Face:
        """Return the face with its displayed label."""
        display_label, _, reason = self.texts
        is_certain = not reason and display_label != UNCERTAIN.name and not np.isnan(self.confidence)
        scores = Scores([display_label], [self.confidence]) if is_certain else None
        return Face(
            Box(*self.box),
            self.detection_score,
            scores=scores,
            uncertainty_reason=None if is_certain else reason,
            track_id=self.track_id,
            features=self.features,
        )


def _to_int(value: Any) -> int:
    number = int(value)
    if abs(number) > _MAX_INT:
        raise ValueError(f"{value!r:.40} is no position, index or number of a face")
    return number


def _to_float(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r:.40} is no score")
    return number


@lru_cache(maxsize=1000)
def _to_text(value: object) -> str:
    return format_name(str(value), _MAX_TEXT_LENGTH)


_LoggedFrame = tuple[int, float, list[_LoggedFace]]  # index, timestamp, faces


def _parse_frame(line: bytes) -> _LoggedFrame | None:
    """Parse index, timestamp and faces of a line, None for a damaged one."""
    try:
        record = json.loads(line)
        timestamp = _to_float(record["timestamp"])
        faces = [_LoggedFace(face) for face in record["faces"]]
        return (_to_int(record["index"]), timestamp, faces) if abs(timestamp) <= _MAX_SECONDS else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return None


def _read_complete_lines(file: Any) -> Iterator[bytes]:
    """Yield the complete lines from the current position on, with their ends."""
    remainder = b""
    while chunk := file.read(_CHUNK_BYTES):
        *lines, remainder = (remainder + chunk).split(b"\n")
        yield from (line + b"\n" for line in lines)
        if len(remainder) > _MAX_LINE_BYTES:  # no line of this program
            return
