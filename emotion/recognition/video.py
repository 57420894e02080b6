"""Write films that every browser plays: H.264 in an MP4 file, with the true times of the frames."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Final

import av
import cv2
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from emotion.errors import VideoError
from emotion.files import replacing

_TICKS: Final = 90_000  # in a second, as in most films: 24, 25, 30 and 60 frames a second are whole numbers of them
# 640x480 costs 5 ms of one core; "medium" takes 11 ms for files that are no smaller.
_ENCODER: Final = {"preset": "veryfast", "crf": "23"}


class FilmWriter:
    """An MP4 file of `width` x `height` pixels, each made even by a repeated last row or column.

    `path` holds the whole film after `close` or at the end of a `with` block; after an error, `discard`, or where no
    frame was written, it is as it was before. Raises `VideoError` where the film cannot be written. Not for two
    threads at once.
    """

    def __init__(self, path: Path, width: int, height: int) -> None:
        self.path = path
        self.frames = 0
        self._size = width + width % 2, height + height % 2
        self._last = -1  # tick of the last frame
        self._file: AbstractContextManager[Path] | None = replacing(path)
        temporary = self._file.__enter__()
        with self._explained():
            self._container = av.open(str(temporary), "w", format="mp4", options={"movflags": "+faststart"})
            self._stream = self._container.add_stream("libx264", rate=30, options=_ENCODER)
            self._stream.width, self._stream.height = self._size
            self._stream.pix_fmt = "yuv420p"
            self._stream.codec_context.time_base = Fraction(1, _TICKS)  # frames come when they come
            self._stream.codec_context.thread_count = 1  # the other cores look for faces
            self._container.start_encoding()  # a folder that is missing or full shows now

    def write(self, image: NDArray[np.uint8], seconds: float) -> None:
        """Add RGB uint8 (H, W, 3), shown from `seconds` (0 or more) on; later than the frame before it in any case.
        One of another size is fitted between black borders."""
        frame = av.VideoFrame.from_ndarray(fitted(image, *self._size), format="rgb24")
        self._last = max(self._last + 1, round(seconds * _TICKS))
        frame.pts, frame.time_base = self._last, Fraction(1, _TICKS)
        with self._explained():
            self._container.mux(self._stream.encode(frame))
        self.frames += 1

    def close(self) -> None:
        """Finish the film and give it its name; does nothing when it is finished or discarded."""
        if self.frames == 0:
            self.discard()
        if self._file is not None:
            with self._explained():
                self._container.mux(self._stream.encode())
                self._container.close()
                self._file.__exit__(None, None, None)
            self._file = None

    def discard(self) -> None:
        """Remove what was written; does nothing when the film is finished."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(AttributeError, FFmpegError):  # there may be no container, or one that cannot be ended
                self._container.close()
            with suppress(_Discarded):
                file.__exit__(_Discarded, _Discarded(), None)

    def __enter__(self) -> FilmWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """What goes wrong while writing ends the film with one sentence for a person."""
        try:
            yield
        except (FFmpegError, OSError) as error:
            self.discard()
            why = error.strerror or type(error).__name__
            raise VideoError(
                f"The film {self.path.name} cannot be written to {self.path.parent} ({why}); make room there or choose "
                "another folder."
            ) from error


class _Discarded(Exception):
    """Tells `replacing` that the file is not wanted."""


def fitted(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """RGB uint8 (H, W, 3) as (height, width, 3): whole, undistorted, in the middle of black borders; one missing row
    or column is repeated instead."""
    factor = min(width / image.shape[1], height / image.shape[0])
    w, h = min(width, round(image.shape[1] * factor)), min(height, round(image.shape[0] * factor))
    if abs(width - image.shape[1]) <= 1 and abs(height - image.shape[0]) <= 1:  # already there but for being odd
        w, h = min(width, image.shape[1]), min(height, image.shape[0])
    if (w, h) != (image.shape[1], image.shape[0]):
        image = cv2.resize(image, (max(1, w), max(1, h)), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    left, top = (width - image.shape[1]) // 2, (height - image.shape[0]) // 2
    right, bottom = width - image.shape[1] - left, height - image.shape[0] - top
    way = cv2.BORDER_REPLICATE if max(right, bottom) <= 1 else cv2.BORDER_CONSTANT
    return cv2.copyMakeBorder(image, top, bottom, left, right, way)  # type: ignore[return-value]
