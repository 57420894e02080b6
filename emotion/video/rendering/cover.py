"""The image that stands for a video in lists: the frame that shows its faces best."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from emotion.media.image_reader import encode_jpeg
from emotion.results.photos import smaller
from emotion.storage import write_atomic
from emotion.video.rendering.renderer import Drawn

COVER: Final = "cover.jpg"
_SIDE: Final = 640  # pixels
_BETTER: Final = 1.1  # factor by which a frame must be better than the one before


class Cover:
    """Keeps `COVER` in a folder: the frame, drawn, in which the classified faces are largest and most certain."""

    def __init__(self, folder: Path, names: Mapping[int, str] | None = None) -> None:
        self._path, self._names = folder / COVER, names
        self._value = 0.0
        self._best: Drawn | None = None  # not written yet

    def see(self, drawn: Drawn) -> None:
        """Compare the next frame with the best one so far."""
        faces = (face for face in drawn.faces if face.scores is not None and face.unsure is None)
        value = sum(face.box.area * face.scores.confidence for face in faces if face.scores is not None)
        value = value or 1e-3 * sum(face.box.area for face in drawn.faces)  # none of them is certain
        if value > _BETTER * self._value:
            self._value, self._best = value, drawn

    def write(self) -> None:
        """Write the best frame unless it is there; nothing where no frame had a face."""
        if self._best is not None:
            write_atomic(self._path, encode_jpeg(smaller(self._best.picture(self._names), _SIDE), 85))
            self._best = None
