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

from emotion.expressions import UNSURE
from emotion.faces import Box, Face, Scores

FRAMES: Final = "frames.jsonl"
# As `FrameLog.faces` gives them, before one column for each label.
COLUMNS: Final = (
    "frame", "seconds", "span", "track", "shown", "label", "confidence", "unsure", "detection", "x1", "y1", "x2", "y2",
)  # fmt: skip
_PART: Final = 4_000_000  # bytes that are read at once
_LONGEST: Final = 1.0  # seconds for which a frame stands at most, unless all stand longer: films have holes
_ONE: Final = 0.04  # seconds for which the only frame stands


class FrameLog:
    """Reads `FRAMES` of a folder and remembers how far it came. A line that is damaged is left out; one that is not
    finished yet is read the next time. Not for two threads at once."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FRAMES
        self._begin()

    def _begin(self) -> None:
        self._file: int | None = None  # which one is read
        self._offset = 0
        self.labels: tuple[str, ...] = ()
        self._indices, self._seconds = array("q"), array("d")  # of the frames
        self._rows = array("q")  # of the faces: place of their frame
        self._numbers = array("d")  # of the faces: track, confidence, detection and box
        self._texts = array("q")  # of the faces: shown, label, unsure as places in `_words`
        self._scores = array("d")  # of the faces: one for each label
        self._words: dict[str, int] = {"": 0}

    @property
    def frames(self) -> int:
        """How many were looked at."""
        return len(self._seconds)

    @property
    def seconds(self) -> float:
        """Time of the last one, 0 where there is none."""
        return self._seconds[-1] if self._seconds else 0.0

    def refresh(self) -> bool:
        """Read what was added; whether anything was. A file that was begun anew is read anew."""
        try:
            with open(self._path, "rb") as file:
                status = os.fstat(file.fileno())
                if status.st_ino != self._file or status.st_size < self._offset:
                    self._begin()
                    self._file = status.st_ino
                before = self._offset
                file.seek(before)
                for line in _whole_lines(file):
                    self._offset += len(line)
                    self._take(line)
                return self._offset > before
        except FileNotFoundError:
            news = self.frames > 0
            self._begin()
            return news

    def lines(self) -> Iterator[str]:
        """The whole lines of the file that are not damaged, without their ends."""
        for line, _ in self._frames():
            yield line.decode().rstrip()

    def faces_by_frame(self) -> Iterator[tuple[int, tuple[Face, ...]]]:
        """Yield the index and the faces of each frame as they were shown: `scores` holds the shown label alone."""
        for _, (index, _, faces) in self._frames():
            yield index, tuple(face.as_shown() for face in faces)

    def _frames(self) -> Iterator[tuple[bytes, _Frame]]:
        try:
            with open(self._path, "rb") as file:
                for line in _whole_lines(file):
                    if (frame := _frame_of(line)) is not None:
                        yield line, frame
        except FileNotFoundError:
            return

    def times(self) -> NDArray[np.float64]:
        """Seconds of all frames, (n,)."""
        return np.array(self._seconds, np.float64)

    def spans(self) -> NDArray[np.float64]:
        """Seconds for which each frame stands, (n,): until the next one, the last one as long as most, if that is not
        long."""
        passed = np.diff(self.times())
        usual = float(np.median(passed)) if len(passed) else _ONE
        return np.append(np.clip(passed, 0, max(_LONGEST, 2 * usual)), min(usual, _LONGEST))[: self.frames]

    def faces(self) -> pd.DataFrame:
        """One row a face, by frame: `COLUMNS`, then one probability for each label. `frame` is the index of the
        decoded frame, `span` the seconds for which it stands."""
        rows = np.array(self._rows, np.int64)
        numbers = np.array(self._numbers, np.float64).reshape(len(rows), 7)
        texts = np.array(list(self._words), object)[np.array(self._texts, np.int64).reshape(len(rows), 3)]
        scores = np.array(self._scores, np.float64).reshape(len(rows), len(self.labels))
        values = {
            "frame": np.array(self._indices, np.int64)[rows],
            "seconds": self.times()[rows],
            "span": self.spans()[rows],
            "track": numbers[:, 0].astype(np.int64),
            "shown": texts[:, 0],
            "label": texts[:, 1],
            "confidence": numbers[:, 1],
            "unsure": texts[:, 2],
            "detection": numbers[:, 2],
            **{side: numbers[:, place].astype(np.int64) for place, side in enumerate(("x1", "y1", "x2", "y2"), 3)},
        }
        return pd.DataFrame(values | {label: scores[:, place] for place, label in enumerate(self.labels)})

    def _take(self, line: bytes) -> None:
        frame = _frame_of(line)
        if frame is None:
            return
        index, seconds, faces = frame
        for face in faces:
            if face.scores and not self.labels:
                self.labels = tuple(face.scores)
                self._scores.extend([np.nan] * (len(self._rows) * len(self.labels)))  # of those before
            self._rows.append(len(self._seconds))
            self._numbers.extend((face.track, face.confidence, face.detection, *face.box))
            self._texts.extend(self._words.setdefault(word, len(self._words)) for word in face.texts)
            self._scores.extend(face.scores.get(label, np.nan) for label in self.labels)
        self._indices.append(index)
        self._seconds.append(seconds)


class _Face:
    """One face of a line, checked."""

    def __init__(self, value: dict[str, Any]) -> None:
        confidence = value["confidence"]
        self.track = int(value["track"])
        self.confidence = np.nan if confidence is None else float(confidence)
        self.detection = float(value["detection"])
        x1, y1, x2, y2 = value["box"]
        self.box = int(x1), int(y1), int(x2), int(y2)
        self.texts = str(value["shown"]), str(value["label"] or ""), str(value["unsure"] or "")
        self.scores = {str(label): float(p) for label, p in value["scores"].items()}

    def as_shown(self) -> Face:
        """The face with what was shown of it."""
        shown, _, unsure = self.texts
        sure = not unsure and shown != UNSURE.name and not np.isnan(self.confidence)
        scores = Scores([shown], [self.confidence]) if sure else None
        return Face(Box(*self.box), self.detection, scores=scores, unsure=None if sure else unsure, track=self.track)


_Frame = tuple[int, float, list[_Face]]  # index, seconds, faces


def _frame_of(line: bytes) -> _Frame | None:
    """Index, seconds and faces of a line; None for a damaged one."""
    try:
        value = json.loads(line)
        frame = int(value["index"]), float(value["seconds"]), [_Face(face) for face in value["faces"]]
        return frame if math.isfinite(frame[1]) else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return None


def _whole_lines(file: Any) -> Iterator[bytes]:
    """The lines from here on that are finished, with their ends."""
    rest = b""
    while part := file.read(_PART):
        *lines, rest = (rest + part).split(b"\n")
        yield from (line + b"\n" for line in lines)
