"""Draws the frames of a film: those between two that were looked at wait until it is known where the faces went."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from emotion.faces import Box, Face
from emotion.media.image_array import ImageArray
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.annotation import annotate, pixelate
from emotion.recognition.anonymizer import Anonymizer, is_unmatched, pixelate_all, with_margin
from emotion.video.settings import VideoSettings

Faces = tuple[Face, ...]

_MAX_PENDING: Final = 32  # frames that wait
_MAX_PENDING_BYTES: Final = 160_000_000  # that they take, unless it is less than two frames
_LOOKAHEAD_SECONDS: Final = 0.4  # seconds before a face is found for which its place is hidden: it may have been there
_MAX_HOLD_SECONDS: Final = 1.0  # seconds for which a face is shown where it was, while nobody looks

log = logging.getLogger(__name__)


class FaceSnapshot(NamedTuple):
    """The faces at one time, in pictures of that `shape`."""

    timestamp: float
    faces: Faces
    shape: tuple[int, ...] = ()


class RenderedFrame(NamedTuple):
    """A frame whose faces are known, and the boxes to `hidden_boxes`; None hides all of it."""

    image: ImageArray
    timestamp: float
    faces: Faces
    hidden_boxes: list[Box] | None

    def render(self, names: Mapping[int, str] | None = None) -> ImageArray:
        """RGB uint8 (H, W, 3) with its labels; `names`: see `annotate`."""
        if self.hidden_boxes is None:
            return annotate(pixelate_all(self.image), self.faces, names=names)
        return annotate(
            pixelate(self.image, self.hidden_boxes) if self.hidden_boxes else self.image, self.faces, names=names
        )

    def to_regions(self) -> list[list[float]] | None:
        """What is hidden as plain JSON values: x1, y1, x2, y2 of each box in pixels, None for the whole frame."""
        if self.hidden_boxes is None:
            return None
        return [[round(side, 1) for side in (box.x1, box.y1, box.x2, box.y2)] for box in self.hidden_boxes]


@dataclass(eq=False)
class _PendingFrame:
    image: ImageArray
    timestamp: float
    snapshot: FaceSnapshot | None  # None where nobody looked
    hidden_boxes: list[Box] = field(default_factory=list)
    found_boxes: list[Box] = field(default_factory=list)  # those of `hidden_boxes` that were really found
    is_fully_hidden: bool = False  # nobody can tell where faces are: all of it is hidden


class FrameRenderer:
    """Takes frame after frame with the faces known, and gives them back drawn, in the same order, a little later."""

    def __init__(self, analyzer: Analyzer | None, settings: VideoSettings) -> None:
        """Without `analyzer`, no place to hide is searched for."""
        self.num_errors = 0  # frames hidden as a whole, since the search for what to hide failed
        self._settings = settings
        self._anonymizer = Anonymizer(analyzer) if analyzer and settings.anonymize else None
        self._pending: deque[_PendingFrame] = deque()
        self._last_snapshot: FaceSnapshot | None = None  # of the last frame given back that was looked at

    def push(
        self, image: ImageArray, timestamp: float, faces: Faces | None, all_boxes: Sequence[Box] = ()
    ) -> Iterator[RenderedFrame]:
        """The next frame RGB uint8 (H, W, 3), `faces` None where nobody looked; `found` are boxes to be hidden with
        `blur`, also of what is no face. Gives the frames that are ready."""
        frame = _PendingFrame(image, timestamp, None if faces is None else FaceSnapshot(timestamp, faces, image.shape))
        if self._anonymizer is not None:
            self._find_hidden_boxes(self._anonymizer, frame, [*all_boxes, *(face.box for face in faces or ())])
        self._pending.append(frame)
        most = min(_MAX_PENDING, max(2, _MAX_PENDING_BYTES // image.nbytes))
        while self._pending and (self._is_ready(self._pending[0]) or len(self._pending) > most):
            yield self._render_next()

    def flush(self) -> Iterator[RenderedFrame]:
        """Those that still wait, when no more come."""
        while self._pending:
            yield self._render_next()

    def _find_hidden_boxes(self, anonymizer: Anonymizer, frame: _PendingFrame, boxes: list[Box]) -> None:
        try:
            frame.found_boxes, before = anonymizer.regions(
                frame.image, boxes, frame.timestamp, self._settings.recognition
            )
        except Exception:
            if not self.num_errors:
                log.exception("nobody can tell where faces are")
            self.num_errors += 1
            frame.is_fully_hidden = True
            return
        frame.hidden_boxes = [*frame.found_boxes, *before]
        for earlier in self._pending:
            if earlier.image.shape == frame.image.shape and frame.timestamp - earlier.timestamp <= _LOOKAHEAD_SECONDS:
                earlier.hidden_boxes += [
                    with_margin(box) for box in frame.found_boxes if is_unmatched(box, earlier.found_boxes)
                ]

    def _is_ready(self, frame: _PendingFrame) -> bool:
        looked = frame.snapshot is not None or any(later.snapshot for later in self._pending)
        return looked and (
            self._anonymizer is None or self._pending[-1].timestamp - frame.timestamp >= _LOOKAHEAD_SECONDS
        )

    def _render_next(self) -> RenderedFrame:
        frame = self._pending.popleft()
        after = next((later.snapshot for later in self._pending if later.snapshot), None)
        faces = (
            frame.snapshot.faces
            if frame.snapshot
            else interpolate_faces(self._last_snapshot, after, frame.timestamp, frame.image.shape)
        )
        self._last_snapshot = frame.snapshot or self._last_snapshot
        return RenderedFrame(frame.image, frame.timestamp, faces, None if frame.is_fully_hidden else frame.hidden_boxes)


def interpolate_faces(
    before: FaceSnapshot | None, after: FaceSnapshot | None, timestamp: float, shape: tuple[int, ...] = ()
) -> Faces:
    """The faces at a time between two looks at pictures of the same `shape`: those of the look before with what it said
    of them, as in the table and the timeline, each on its straight way to where the next look found it. After the last
    look they stay where they were for a second."""
    before, after = (known if known and known.shape == shape else None for known in (before, after))
    if after is None or before is None:
        known = before or after
        return known.faces if known and abs(timestamp - known.timestamp) <= _MAX_HOLD_SECONDS else ()
    passed = after.timestamp - before.timestamp
    share = (timestamp - before.timestamp) / passed if passed > 0 else 0.0
    boxes = {face.track_id: face.box for face in after.faces if face.track_id is not None}
    return tuple(
        replace(face, box=_interpolate_box(face.box, boxes[face.track_id], share)) if face.track_id in boxes else face
        for face in before.faces
    )


def _interpolate_box(start: Box, end: Box, weight: float) -> Box:
    """`start` with a `weight` (0 to 1) of `end`."""
    keep = 1 - weight
    return Box(
        keep * start.x1 + weight * end.x1,
        keep * start.y1 + weight * end.y1,
        keep * start.x2 + weight * end.x2,
        keep * start.y2 + weight * end.y2,
    )
