"""Convert decoded video frames to images: upright, in RGB of a screen, with square pixels, large ones reduced."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from emotion.errors import VideoError
from emotion.media.containers.tone_mapping import is_high_dynamic_range, map_tones
from emotion.media.containers.video_container import DECODE_ERRORS, video_error
from emotion.translation.messages import gettext as _

# FFmpeg's numbers of color spaces.
BT709: Final = 1
_UNSPECIFIED: Final = 2
_BT601: Final = 5
_BT2020: Final = 9
_MIN_BT709_HEIGHT: Final = 720  # players assume BT.709 from this height on where a video states no color space
_MAX_PIXEL_ASPECT: Final = 10.0  # width over height of a pixel, or the reverse; beyond it, headers are wrong
_DISPLAY_MATRIX_BYTES: Final = 36
_COPY_SIZE: Final = (16, 16)  # of the copy from which the orientation is read
_BLOCK_SIDE: Final = 64  # of pixels, which all subsamplings of colors divide
_REDUCED_PIXELS: Final = 1920 * 1080  # of a frame that is reduced


@dataclass(frozen=True)
class Orientation:
    """How a frame becomes upright: it is transposed, then mirrored left-right and up-down."""

    transpose: bool = False
    flip_horizontal: bool = False
    flip_vertical: bool = False

    @staticmethod
    def from_frame(frame: VideoFrame) -> Orientation:
        """Read the display matrix of a frame, which may mirror too; other angles become the nearest quarter turn.

        A small copy of the frame is read, because PyAV's `side_data` and its frame refer to each other: the frame, tens
        of megabytes, would stay in memory until the garbage collector runs.
        """
        with suppress(*DECODE_ERRORS):
            frame = VideoReformatter().reformat(frame, *_COPY_SIZE, "rgb24", _BT601, threads=1)
        try:
            data = frame.side_data.get("DISPLAYMATRIX")
        except ValueError:  # PyAV does not support all kinds of side data that FFmpeg writes
            return Orientation._from_degrees(frame.rotation)
        if data is None or len(bytes(data)) != _DISPLAY_MATRIX_BYTES:
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
        """The rotation in degrees, applied after a left-right mirroring where there is one."""
        return {(False, False): 0, (True, False): 90, (False, True): 180, (True, True): 270}[
            (self.transpose, self.flip_vertical)
        ]

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the image (H, W, 3) upright, C-contiguous."""
        if self.transpose:
            image = cv2.transpose(image)  # type: ignore[assignment]
        if self.flip_horizontal or self.flip_vertical:
            flip_code = -1 if self.flip_horizontal and self.flip_vertical else int(self.flip_horizontal)
            image = cv2.flip(image, flip_code)  # type: ignore[assignment]
        return image


@dataclass(frozen=True)
class FrameLimits:
    """Upper bounds on a frame.

    Attributes:
        max_side: Pixels on each side as displayed.
        max_bytes: Bytes of a decoded frame: the decoder holds up to sixteen of them.
        max_pixels: Pixels of a frame that is not reduced; a larger one is reduced to those of Full HD.
    """

    max_side: int
    max_bytes: int
    max_pixels: int


class FrameConverter:
    """Converts the frames of one video stream; `orientation` holds for all of them."""

    def __init__(self, stream: VideoStream, label: str, limits: FrameLimits) -> None:
        self.orientation = Orientation()
        self._label, self._limits = label, limits
        self._reformatter = VideoReformatter()
        aspect = float(stream.sample_aspect_ratio or 1)
        self._pixel_aspect = aspect if 1 / _MAX_PIXEL_ASPECT <= aspect <= _MAX_PIXEL_ASPECT else 1.0

    def check_size(self, width: int, height: int, pixel_format: VideoFormat | None = None) -> None:
        """Raise VideoError if a frame of that stored size in pixels, and of that format if known, is over a limit."""
        if max(self._display_size(width, height)) > self._limits.max_side:
            raise self.too_large_error(f"{width} x {height}")
        if pixel_format is not None and width * height * _bits_per_pixel(pixel_format) > 8 * self._limits.max_bytes:
            problem = _("has frames of {size} pixels in {format}, which take too much memory")
            problem = problem.format(size=f"{width} x {height}", format=pixel_format.name)
            raise video_error(self._label, problem, _("save it in a smaller size or with 8 bits"))

    def too_large_error(self, size: str) -> VideoError:
        """Make the error for frames of that size."""
        problem = _("has frames of {size} pixels and at most {maximum} on a side can be read")
        problem = problem.format(size=size, maximum=self._limits.max_side)
        return video_error(self._label, problem, _("save it in a smaller size"))

    def reduction(self, width: int, height: int) -> float:
        """Return the factor, at least 1, by which width and height of a frame of that stored size are divided."""
        width, height = self._display_size(width, height)
        is_large = width * height > self._limits.max_pixels
        return max(1.0, math.sqrt(width * height / _REDUCED_PIXELS)) if is_large else 1.0

    def convert(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """Return RGB uint8 (H, W, 3), C-contiguous; VideoError for an unsupported pixel format."""
        try:
            rgb = self._reformat(frame, _guess_colorspace(frame))
        except DECODE_ERRORS:
            rgb = self._convert_fallback(frame)
        image: NDArray[np.uint8] = rgb.to_ndarray()  # type: ignore[assignment]
        if is_high_dynamic_range(frame.color_trc):
            image = map_tones(image, frame.color_trc)
        return self.orientation.apply(image)

    def _convert_fallback(self, frame: VideoFrame) -> VideoFrame:
        """Convert as BT.601: rare color spaces get wrong hues but nearly the right brightness."""
        try:
            return self._reformat(frame, _BT601)
        except DECODE_ERRORS as error:
            problem = _("has an unknown pixel format ({name})").format(name=frame.format.name)
            raise video_error(self._label, problem) from error

    def _reformat(self, frame: VideoFrame, colorspace: int | None) -> VideoFrame:
        width, height = self._display_size(frame.width, frame.height)
        reduction = self.reduction(frame.width, frame.height)
        if reduction > 1:  # to even numbers, as videos have them
            width, height = (max(2, 2 * round(side / reduction / 2)) for side in (width, height))
        # One thread: a thread pool costs more than it saves.
        return self._reformatter.reformat(frame, width, height, "rgb24", colorspace, threads=1)

    def _display_size(self, width: int, height: int) -> tuple[int, int]:
        """Return the size with square pixels, stretched so that no pixel is lost."""
        if self._pixel_aspect >= 1:
            return round(width * self._pixel_aspect), height
        return width, round(height / self._pixel_aspect)


def _bits_per_pixel(pixel_format: VideoFormat) -> int:
    """Return the bits that a pixel takes in memory, where a value of more than 8 bits takes 16."""
    block = VideoFormat(pixel_format.name, _BLOCK_SIDE, _BLOCK_SIDE)  # the video may state a size of 0
    values = sum((2 if part.bits > 8 else 1) * part.width * part.height for part in block.components)
    return math.ceil(8 * values / _BLOCK_SIDE**2)


def _guess_colorspace(frame: VideoFrame) -> int | None:
    """Return the color space that players assume where the video states none; None leaves it to FFmpeg."""
    if frame.colorspace != _UNSPECIFIED:
        return None
    if is_high_dynamic_range(frame.color_trc):
        return _BT2020
    return BT709 if frame.height >= _MIN_BT709_HEIGHT else None
