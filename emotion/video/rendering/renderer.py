"""Draw the frames of a video; those between two processed ones wait until the faces can be interpolated."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from emotion.faces import Box, Face
from emotion.media.image_array import ImageArray
from emotion.media.video_reader import VideoInfo
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.annotation import annotate, pixelate
from emotion.recognition.anonymizer import Anonymizer, is_unmatched, pixelate_all, with_margin
from emotion.video.settings import VideoSettings

Faces = tuple[Face, ...]

_MAX_PENDING: Final = 32  # frames
_MIN_PENDING: Final = 2  # frames, however large
MAX_PENDING_BYTES: Final = 160_000_000
MAX_REDUCED_BYTES: Final = 56_000_000  # of a video that is reduced, whose decoder takes much more memory
_LOOKAHEAD_SECONDS: Final = 0.4  # before its first detection a face may be visible already: its place is hidden too
_MAX_HOLD_SECONDS: Final = 1.0  # for which a face stays where it was last detected

log = logging.getLogger(__name__)


class FaceSnapshot(NamedTuple):
    """The faces of one frame of that `shape`."""

    timestamp: float
    faces: Faces
    shape: tuple[int, ...] = ()


class RenderedFrame(NamedTuple):
    """A frame with its faces and the boxes to pixelate; None pixelates all of it."""

    image: ImageArray
    timestamp: float
    faces: Faces
    hidden_boxes: list[Box] | None

    def render(self, names: Mapping[int, str] | None = None) -> ImageArray:
        """Return the annotated frame, with the points of faces that have features.

        Args:
            names: See `annotate`.

        Returns:
            RGB uint8 (H, W, 3).
        """
        if self.hidden_boxes is None:
            return annotate(pixelate_all(self.image), self.faces, names=names)
        image = pixelate(self.image, self.hidden_boxes) if self.hidden_boxes else self.image
        return annotate(image, self.faces, names=names, points=True)

    def to_regions(self) -> list[list[float]] | None:
        """Return the pixelated boxes as JSON values: x1, y1, x2, y2 in pixels each, None for the whole frame."""
        if self.hidden_boxes is None:
            return None
        return [[round(side, 1) for side in (box.x1, box.y1, box.x2, box.y2)] for box in self.hidden_boxes]


@dataclass(eq=False)
class _PendingFrame:
    image: ImageArray
    timestamp: float
    snapshot: FaceSnapshot | None  # None where the frame was not processed
    hidden_boxes: list[Box] = field(default_factory=list)
    found_boxes: list[Box] = field(default_factory=list)  # those of `hidden_boxes` that were detected in it
    is_fully_hidden: bool = False  # after an error, when the places of faces are unknown


class FrameRenderer:
    """Takes the frames and faces of a video, and yields the frames to draw, delayed and in order.

    Args:
        analyzer: Searches for the boxes to pixelate, None: no search.
        settings: Of the analysis.
        video_info: Of the video.
    """

    def __init__(self, analyzer: Analyzer | None, settings: VideoSettings, video_info: VideoInfo) -> None:
        self.num_errors = 0  # frames that are pixelated as a whole because the search failed
        self._settings = settings
        self._anonymizer = Anonymizer(analyzer) if analyzer and settings.anonymize else None
        self._max_bytes = MAX_PENDING_BYTES if video_info.reduction == 1 else MAX_REDUCED_BYTES
        self._pending: deque[_PendingFrame] = deque()
        self._last_snapshot: FaceSnapshot | None = None  # of the last processed frame that was yielded

    def push(
        self, image: ImageArray, timestamp: float, faces: Faces | None, all_boxes: Sequence[Box] = ()
    ) -> Iterator[RenderedFrame]:
        """Add a frame, and yield the frames that are ready.

        Args:
            image: RGB uint8 (H, W, 3).
            timestamp: Seconds.
            faces: Its faces, None where it was not processed.
            all_boxes: Boxes to pixelate with `anonymize`, including unconfirmed faces.
        """
        frame = _PendingFrame(image, timestamp, None if faces is None else FaceSnapshot(timestamp, faces, image.shape))
        if self._anonymizer is not None:
            self._find_hidden_boxes(self._anonymizer, frame, [*all_boxes, *(face.box for face in faces or ())])
        self._pending.append(frame)
        max_pending = min(_MAX_PENDING, max(_MIN_PENDING, self._max_bytes // image.nbytes))
        while self._pending and (self._is_ready(self._pending[0]) or len(self._pending) > max_pending):
            yield self._render_next()

    def flush(self) -> Iterator[RenderedFrame]:
        """Yield the frames that still wait, after the last one was added."""
        while self._pending:
            yield self._render_next()

    def _find_hidden_boxes(self, anonymizer: Anonymizer, frame: _PendingFrame, boxes: list[Box]) -> None:
        try:
            frame.found_boxes, recent_boxes = anonymizer.regions(
                frame.image, boxes, frame.timestamp, self._settings.recognition
            )
        except Exception:  # whatever fails, no recognizable face may be written
            if not self.num_errors:
                log.exception("the search for faces to pixelate failed")
            self.num_errors += 1
            frame.is_fully_hidden = True
            return
        frame.hidden_boxes = [*frame.found_boxes, *recent_boxes]
        for earlier in self._pending:
            if earlier.image.shape == frame.image.shape and frame.timestamp - earlier.timestamp <= _LOOKAHEAD_SECONDS:
                earlier.hidden_boxes += [
                    with_margin(box) for box in frame.found_boxes if is_unmatched(box, earlier.found_boxes)
                ]

    def _is_ready(self, frame: _PendingFrame) -> bool:
        is_known = frame.snapshot is not None or any(later.snapshot for later in self._pending)
        return is_known and (
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
    """Interpolate the faces between two processed frames of the same `shape`.

    Faces keep the labels of the frame before, as in tables and timeline, and move linearly to their boxes in the frame
    after. Without one of the frames, they stay in place for a second.
    """
    before, after = (snapshot if snapshot and snapshot.shape == shape else None for snapshot in (before, after))
    if after is None or before is None:
        nearest = before or after
        return nearest.faces if nearest and abs(timestamp - nearest.timestamp) <= _MAX_HOLD_SECONDS else ()
    interval = after.timestamp - before.timestamp
    weight = (timestamp - before.timestamp) / interval if interval > 0 else 0.0
    boxes = {face.track_id: face.box for face in after.faces if face.track_id is not None}
    return tuple(
        _move(face, _interpolate_box(face.box, boxes[face.track_id], weight)) if face.track_id in boxes else face
        for face in before.faces
    )


def _move(face: Face, box: Box) -> Face:
    return replace(face, box=box, features=face.features and face.features.move(face.box, box))


def _interpolate_box(start: Box, end: Box, weight: float) -> Box:
    keep = 1 - weight
    return Box(
        keep * start.x1 + weight * end.x1,
        keep * start.y1 + weight * end.y1,
        keep * start.x2 + weight * end.x2,
        keep * start.y2 + weight * end.y2,
    )
