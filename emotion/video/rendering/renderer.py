"""Draws the frames of a film: those between two that were looked at wait until it is known where the faces went."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotion.faces import Box, Face
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.annotation import annotate, pixelate
from emotion.recognition.anonymizer import Veil, hidden, roomy, without_find
from emotion.video.settings import FilmSettings

Picture = NDArray[np.uint8]
Faces = tuple[Face, ...]

_MOST: Final = 32  # frames that wait
_MOST_BYTES: Final = 160_000_000  # that they take, unless it is less than two frames
_AHEAD: Final = 0.4  # seconds before a face is found for which its place is hidden: it may have been there
_LAST_KNOWN: Final = 1.0  # seconds for which a face is shown where it was, while nobody looks

log = logging.getLogger(__name__)


class Known(NamedTuple):
    """The faces at one time, in pictures of that `shape`."""

    seconds: float
    faces: Faces
    shape: tuple[int, ...] = ()


class Drawn(NamedTuple):
    """A frame whose faces are known, and the boxes to `hide`; None hides all of it."""

    image: Picture
    seconds: float
    faces: Faces
    hide: list[Box] | None

    def picture(self, names: Mapping[int, str] | None = None) -> Picture:
        """RGB uint8 (H, W, 3) with its labels; `names`: see `annotate`."""
        if self.hide is None:
            return annotate(hidden(self.image), self.faces, names=names)
        return annotate(pixelate(self.image, self.hide) if self.hide else self.image, self.faces, names=names)

    def regions(self) -> list[list[float]] | None:
        """What is hidden as plain JSON values: x1, y1, x2, y2 of each box in pixels, None for the whole frame."""
        if self.hide is None:
            return None
        return [[round(side, 1) for side in (box.x1, box.y1, box.x2, box.y2)] for box in self.hide]


@dataclass(eq=False)
class _Waiting:
    image: Picture
    seconds: float
    known: Known | None  # None where nobody looked
    hide: list[Box] = field(default_factory=list)
    found: list[Box] = field(default_factory=list)  # those of `hide` that were really found
    blind: bool = False  # nobody can tell where faces are: all of it is hidden


class Easel:
    """Takes frame after frame with the faces known, and gives them back drawn, in the same order, a little later."""

    def __init__(self, analyzer: Analyzer | None, settings: FilmSettings) -> None:
        """Without `analyzer`, no place to hide is searched for."""
        self.faults = 0  # frames hidden as a whole, since the search for what to hide failed
        self._settings = settings
        self._veil = Veil(analyzer) if analyzer and settings.blur else None
        self._waiting: deque[_Waiting] = deque()
        self._before: Known | None = None  # of the last frame given back that was looked at

    def add(self, image: Picture, seconds: float, faces: Faces | None, found: Sequence[Box] = ()) -> Iterator[Drawn]:
        """The next frame RGB uint8 (H, W, 3), `faces` None where nobody looked; `found` are boxes to be hidden with
        `blur`, also of what is no face. Gives the frames that are ready."""
        frame = _Waiting(image, seconds, None if faces is None else Known(seconds, faces, image.shape))
        if self._veil is not None:
            self._hide(self._veil, frame, [*found, *(face.box for face in faces or ())])
        self._waiting.append(frame)
        most = min(_MOST, max(2, _MOST_BYTES // image.nbytes))
        while self._waiting and (self._is_ready(self._waiting[0]) or len(self._waiting) > most):
            yield self._draw()

    def rest(self) -> Iterator[Drawn]:
        """Those that still wait, when no more come."""
        while self._waiting:
            yield self._draw()

    def _hide(self, veil: Veil, frame: _Waiting, boxes: list[Box]) -> None:
        try:
            frame.found, before = veil.places(frame.image, boxes, frame.seconds, self._settings.recognition)
        except Exception:
            if not self.faults:
                log.exception("nobody can tell where faces are")
            self.faults += 1
            frame.blind = True
            return
        frame.hide = [*frame.found, *before]
        for earlier in self._waiting:
            if earlier.image.shape == frame.image.shape and frame.seconds - earlier.seconds <= _AHEAD:
                earlier.hide += [roomy(box) for box in frame.found if without_find(box, earlier.found)]

    def _is_ready(self, frame: _Waiting) -> bool:
        looked = frame.known is not None or any(later.known for later in self._waiting)
        return looked and (self._veil is None or self._waiting[-1].seconds - frame.seconds >= _AHEAD)

    def _draw(self) -> Drawn:
        frame = self._waiting.popleft()
        after = next((later.known for later in self._waiting if later.known), None)
        faces = frame.known.faces if frame.known else between(self._before, after, frame.seconds, frame.image.shape)
        self._before = frame.known or self._before
        return Drawn(frame.image, frame.seconds, faces, None if frame.blind else frame.hide)


def between(before: Known | None, after: Known | None, seconds: float, shape: tuple[int, ...] = ()) -> Faces:
    """The faces at a time between two looks at pictures of the same `shape`: those of the look before with what it said
    of them, as in the table and the timeline, each on its straight way to where the next look found it. After the last
    look they stay where they were for a second."""
    before, after = (known if known and known.shape == shape else None for known in (before, after))
    if after is None or before is None:
        known = before or after
        return known.faces if known and abs(seconds - known.seconds) <= _LAST_KNOWN else ()
    passed = after.seconds - before.seconds
    share = (seconds - before.seconds) / passed if passed > 0 else 0.0
    boxes = {face.track: face.box for face in after.faces if face.track is not None}
    return tuple(
        replace(face, box=_mixed(face.box, boxes[face.track], share)) if face.track in boxes else face
        for face in before.faces
    )


def _mixed(one: Box, other: Box, weight: float) -> Box:
    """`one` with a `weight` (0 to 1) of `other`."""
    keep = 1 - weight
    return Box(
        keep * one.x1 + weight * other.x1, keep * one.y1 + weight * other.y1,
        keep * one.x2 + weight * other.x2, keep * one.y2 + weight * other.y2,
    )  # fmt: skip
