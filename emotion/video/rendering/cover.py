"""The image that stands for a video in lists: the frame that shows its faces best."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from emotion.media.image_array import downscale
from emotion.media.image_reader import encode_jpeg
from emotion.storage import write_atomic
from emotion.video.rendering.renderer import RenderedFrame

COVER_FILE: Final = "cover.jpg"
_MAX_SIDE: Final = 640  # pixels
_MIN_IMPROVEMENT: Final = 1.1  # factor by which a frame must be better than the one before


class CoverSelector:
    """Keeps `COVER_FILE` in a folder: the frame, drawn, in which the classified faces are largest and most certain."""

    def __init__(self, folder: Path, names: Mapping[int, str] | None = None) -> None:
        self._path, self._names = folder / COVER_FILE, names
        self._best_score = 0.0
        self._pending_frame: RenderedFrame | None = None  # not written yet

    def update(self, rendered_frame: RenderedFrame) -> None:
        """Compare the next frame with the best one so far."""
        faces = (face for face in rendered_frame.faces if face.scores is not None and face.uncertainty_reason is None)
        value = sum(face.box.area * face.scores.confidence for face in faces if face.scores is not None)
        value = value or 1e-3 * sum(face.box.area for face in rendered_frame.faces)  # none of them is certain
        if value > _MIN_IMPROVEMENT * self._best_score:
            self._best_score, self._pending_frame = value, rendered_frame

    def write(self) -> None:
        """Write the best frame unless it is there; nothing where no frame had a face."""
        if self._pending_frame is not None:
            write_atomic(self._path, encode_jpeg(downscale(self._pending_frame.render(self._names), _MAX_SIDE), 85))
            self._pending_frame = None
