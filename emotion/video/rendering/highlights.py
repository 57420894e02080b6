"""The moments of a film that tell most: where a face began to show something else, and where it showed it most."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emotion.expressions import UNSURE
from emotion.faces import Face
from emotion.media.image_reader import encode_jpeg
from emotion.results import serialization
from emotion.storage import write_atomic, write_json
from emotion.tracking.label_smoothing import NEUTRAL
from emotion.video.rendering.thumbnails import small

Picture = NDArray[np.uint8]

MOMENTS: Final = "moments.json"
FOLDER: Final = "moments"
MOST: Final = 24  # as many as a person looks at
_CHANGE: Final = 0.5  # seconds that another expression must last
_PEAK: Final = 0.7  # seconds that an expression must last for its best moment to count
_AWAY: Final = 1.0  # seconds for which a face may be missed or unsure within one expression
_CLEAR: Final = 80.0  # pixels from which on a face is large enough to see what it shows
_CALM: Final = 0.4  # what a neutral face counts against one that shows something
_TURN: Final = 0.9  # what a change counts against a peak
_WAITING: Final = 200  # moments that wait to be chosen, so that a long film stays small


@dataclass(eq=False)
class _Run:
    """What a face shows since `start`: `crop` is of then, `best_crop` of the second at which it shows it most."""

    label: str
    before: str | None
    start: float
    last: float
    confidence: float  # at the start
    crop: Picture
    best: float
    best_at: float
    best_crop: Picture
    size: float
    told: bool = False  # that it is a change


@dataclass(eq=False)
class _Moment:
    value: dict[str, Any]
    weight: float
    picture: bytes  # JPEG

    @property
    def group(self) -> tuple[int, str, str]:
        return self.value["track"], self.value["kind"], self.value["label"]

    @property
    def crop(self) -> str:
        return f"{FOLDER}/{self.value['seconds'] * 1000:08.0f}-{self.value['track']}-{self.value['kind']}.jpg"


@dataclass(eq=False)
class Moments:
    """Finds them while the film is read, and keeps `MOMENTS` and their crops in a folder; mosaics with `blur`."""

    folder: Path
    blur: bool
    _runs: dict[int, _Run] = field(default_factory=dict)
    _found: list[_Moment] = field(default_factory=list)
    _written: list[str] | None = None  # names of the crops

    def see(self, image: Picture, faces: tuple[Face, ...], seconds: float) -> None:
        """Look at the faces of the next frame RGB uint8 (H, W, 3)."""
        for track in [track for track, run in self._runs.items() if seconds - run.last > _AWAY]:
            self._finish(track)
        for face in faces:
            if face.track is not None and face.confidence is not None and face.shown != UNSURE.name:
                self._go_on(image, face, face.track, face.confidence, seconds)

    def end(self) -> None:
        """There are no more frames."""
        for track in list(self._runs):
            self._finish(track)

    def write(self) -> None:
        """Write the most telling ones, in the order of time."""
        chosen = sorted(_most_telling(self._found, MOST), key=lambda one: (one.value["seconds"], one.group))
        crops = [one.crop for one in chosen]
        if crops == self._written:
            return
        (self.folder / FOLDER).mkdir(exist_ok=True)
        for one in chosen:
            if one.crop not in (self._written or ()):
                write_atomic(self.folder / one.crop, one.picture)
        write_json(self.folder / MOMENTS, {"moments": [{**one.value, "crop": one.crop} for one in chosen]})
        for left in set(self._written or ()) - set(crops):
            (self.folder / left).unlink(missing_ok=True)
        self._written = crops

    def _go_on(self, image: Picture, face: Face, track: int, confidence: float, seconds: float) -> None:
        run = self._runs.get(track)
        if run is None or run.label != face.shown:
            before = run and (run.label if run.last - run.start >= _CHANGE else run.before)
            before = None if before == face.shown else before  # it was only interrupted
            self._finish(track)
            crop, size = self._cut(image, face), _size(face)
            self._runs[track] = _Run(
                face.shown, before, seconds, seconds, confidence, crop, confidence, seconds, crop, size
            )
            return
        run.last = seconds
        if confidence > run.best:
            run.best, run.best_at, run.best_crop, run.size = confidence, seconds, self._cut(image, face), _size(face)
        if run.before is not None and not run.told and seconds - run.start >= _CHANGE:
            run.told = True
            self._tell(track, run, "change")

    def _finish(self, track: int) -> None:
        run = self._runs.pop(track, None)
        if run is not None and run.last - run.start >= _PEAK:
            self._tell(track, run, "peak")

    def _tell(self, track: int, run: _Run, kind: str) -> None:
        peak = kind == "peak"
        value = {
            "seconds": round(run.best_at if peak else run.start, 3),
            "track": track,
            "kind": kind,
            "label": run.label,
            "before": None if peak else run.before,
            "confidence": round(run.best if peak else run.confidence, 4),
        }
        weight = run.best * run.size * (_CALM if run.label == NEUTRAL else 1.0) * (1.0 if peak else _TURN)
        self._found.append(_Moment(value, weight, encode_jpeg(run.best_crop if peak else run.crop, 88)))
        if len(self._found) > _WAITING:
            self._found = _most_telling(self._found, _WAITING // 2)

    def _cut(self, image: Picture, face: Face) -> Picture:
        return small(serialization.cut_out(image, face), self.blur)


def _most_telling(found: list[_Moment], most: int) -> list[_Moment]:
    """The weightiest ones, each of a face, kind and label counting less the more of them are weightier: the third
    smile says less than the first surprise."""
    ranks: Counter[tuple[int, str, str]] = Counter()
    valued = []
    for one in sorted(found, key=lambda one: -one.weight):
        ranks[one.group] += 1
        valued.append((one.weight / ranks[one.group], one))
    return [one for _, one in sorted(valued, key=lambda pair: -pair[0])[:most]]


def _size(face: Face) -> float:
    return min(1.0, max(0.0, min(face.box.width, face.box.height)) / _CLEAR)
