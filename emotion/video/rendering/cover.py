"""Select the cover image of a video: the frame that shows its faces best."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from emotion.media.image_array import downscale
from emotion.media.image_reader import encode_jpeg
from emotion.storage import write_atomic
from emotion.video.rendering.renderer import RenderedFrame

COVER_FILE: Final = "cover.jpg"
_MAX_SIDE: Final = 640
_JPEG_QUALITY: Final = 85
_MIN_IMPROVEMENT: Final = 1.1  # factor by which a new cover must be better, which limits the number of writes
_UNCERTAIN_WEIGHT: Final = 1e-3  # of faces in a frame without a certain label


class CoverSelector:
    """Maintains `COVER_FILE` in a folder: the annotated frame with the largest and most certain faces."""

    def __init__(self, folder: Path, names: Mapping[int, str] | None = None) -> None:
        self._path, self._names = folder / COVER_FILE, names
        self._best_score = 0.0
        self._pending_frame: RenderedFrame | None = None  # the best one, where it is not written yet

    def update(self, rendered_frame: RenderedFrame) -> None:
        """Compare a frame with the best one so far."""
        faces = (face for face in rendered_frame.faces if face.scores is not None and face.uncertainty_reason is None)
        score = sum(face.box.area * face.scores.confidence for face in faces if face.scores is not None)
        score = score or _UNCERTAIN_WEIGHT * sum(face.box.area for face in rendered_frame.faces)
        if score > _MIN_IMPROVEMENT * self._best_score:
            self._best_score, self._pending_frame = score, rendered_frame

    def write(self) -> None:
        """Write the best frame if it is new; no file without a frame with faces."""
        if self._pending_frame is not None:
            image = downscale(self._pending_frame.render(self._names), _MAX_SIDE)
            write_atomic(self._path, encode_jpeg(image, _JPEG_QUALITY))
            self._pending_frame = None
