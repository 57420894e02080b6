"""Make pictures of the decoded frames of a film: upright, in RGB, with square pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from emotion.errors import VideoError
from emotion.media.video_container import DECODE_ERRORS, video_error

_UNSPECIFIED: Final = 2  # FFmpeg's numbers for kinds of colours
_BT709: Final = 1
_BT601: Final = 5
_MAX_PIXEL_ASPECT: Final = 10.0  # times its height, or the other way round


@dataclass(frozen=True)
class Orientation:
    """How a frame gets upright: its rows become columns (`transpose`), then it is mirrored left-right and up-down."""

    transpose: bool = False
    flip_horizontal: bool = False
    flip_vertical: bool = False

    @staticmethod
    def from_frame(frame: VideoFrame) -> Orientation:
        """As the frame's display matrix says, which may mirror, too; other angles become the nearest quarter turn.

        To be read once per video: PyAV's `side_data` and its frame refer to each other, so that the frame stays in
        memory until the garbage collector runs.
        """
        try:
            data = frame.side_data.get("DISPLAYMATRIX")
        except ValueError:  # PyAV does not know all kinds of notes that FFmpeg leaves
            return Orientation._from_degrees(frame.rotation)
        if data is None or len(bytes(data)) != 36:
            return Orientation()
        a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(data), np.int32)[:5])
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return Orientation(False, a < 0, d < 0)
        return Orientation(True, c < 0, b < 0)

    @staticmethod
    def _from_degrees(ccw_degrees: int) -> Orientation:
        turns = round(-ccw_degrees / 90) % 4
        return Orientation(turns in (1, 3), turns in (1, 2), turns in (2, 3))

    @property
    def clockwise_degrees(self) -> int:
        """Degrees, after mirroring left-right where that is needed, too."""
        return {(False, False): 0, (True, False): 90, (False, True): 180, (True, True): 270}[
            (self.transpose, self.flip_vertical)
        ]

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture (H, W, 3) upright, C-contiguous."""
        if self.transpose:
            image = cv2.transpose(image)  # type: ignore[assignment]
        if self.flip_horizontal or self.flip_vertical:
            image = cv2.flip(image, -1 if self.flip_horizontal and self.flip_vertical else int(self.flip_horizontal))  # type: ignore[assignment]
        return image


class FrameConverter:
    """Makes pictures of decoded frames. `orientation`: how all of them get upright."""

    def __init__(self, stream: VideoStream, label: str, max_side: int) -> None:
        self.orientation = Orientation()
        self._label, self._max_side = label, max_side
        self._reformatter = VideoReformatter()
        shape = float(stream.sample_aspect_ratio or 1)
        self._pixel_aspect = shape if 1 / _MAX_PIXEL_ASPECT <= shape <= _MAX_PIXEL_ASPECT else 1.0

    def check_size(self, width: int, height: int) -> None:
        """Raise VideoError for a frame of that size, in pixels as stored, if it is over the limit."""
        if max(self._display_size(width, height)) > self._max_side:
            raise self.too_large_error(f"{width} x {height}")

    def too_large_error(self, size: str) -> VideoError:
        """The refusal of frames of so many pixels."""
        came = f"has pictures of {size} pixels and at most {self._max_side} on a side can be read"
        return video_error(self._label, came, "save it anew in a smaller size")

    def convert(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """RGB uint8 (H, W, 3), C-contiguous; VideoError where the colours cannot be made out."""
        try:
            rgb = self._reformat(frame, _guess_colorspace(frame))
        except DECODE_ERRORS:
            rgb = self._convert_fallback(frame)
        return self.orientation.apply(rgb.to_ndarray())  # type: ignore[arg-type]

    def _convert_fallback(self, frame: VideoFrame) -> VideoFrame:
        """Rare colours come out wrong by this, their brightness nearly right."""
        try:
            return self._reformat(frame, _BT601)
        except DECODE_ERRORS as error:
            raise video_error(self._label, f"has colours of an unknown kind ({frame.format.name})") from error

    def _reformat(self, frame: VideoFrame, colorspace: int | None) -> VideoFrame:
        # One thread: the pool of a second one costs more than it saves.
        return self._reformatter.reformat(
            frame, *self._display_size(frame.width, frame.height), "rgb24", colorspace, threads=1
        )

    def _display_size(self, width: int, height: int) -> tuple[int, int]:
        """Where pixels are not square the frame is stretched, so that none are lost."""
        if self._pixel_aspect >= 1:
            return round(width * self._pixel_aspect), height
        return width, round(height / self._pixel_aspect)


def _guess_colorspace(frame: VideoFrame) -> int | None:
    """Where a film does not tell what its colours mean: as players take it, by its size. FFmpeg knows the rest."""
    return _BT709 if frame.colorspace == _UNSPECIFIED and frame.height >= 720 else None
