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
from emotion.media.video_container import FAULTS, refusal

_UNTOLD: Final = 2  # FFmpeg's numbers for kinds of colours
_BT709: Final = 1
_BT601: Final = 5
_WIDEST_PIXEL: Final = 10.0  # times its height, or the other way round


@dataclass(frozen=True)
class Turn:
    """How a frame gets upright: its rows become columns (`swap`), then it is mirrored left-right and up-down."""

    swap: bool = False
    mirror: bool = False
    flip: bool = False

    @staticmethod
    def of(frame: VideoFrame) -> Turn:
        """As the frame's display matrix says, which may mirror, too; other angles become the nearest quarter turn.

        To be read once per video: PyAV's `side_data` and its frame refer to each other, so that the frame stays in
        memory until the garbage collector runs.
        """
        try:
            data = frame.side_data.get("DISPLAYMATRIX")
        except ValueError:  # PyAV does not know all kinds of notes that FFmpeg leaves
            return Turn._of_degrees(frame.rotation)
        if data is None or len(bytes(data)) != 36:
            return Turn()
        a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(data), np.int32)[:5])
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return Turn(False, a < 0, d < 0)
        return Turn(True, c < 0, b < 0)

    @staticmethod
    def _of_degrees(counter_clockwise: int) -> Turn:
        turns = round(-counter_clockwise / 90) % 4
        return Turn(turns in (1, 3), turns in (1, 2), turns in (2, 3))

    @property
    def clockwise(self) -> int:
        """Degrees, after mirroring left-right where that is needed, too."""
        return {(False, False): 0, (True, False): 90, (False, True): 180, (True, True): 270}[(self.swap, self.flip)]

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture (H, W, 3) upright, C-contiguous."""
        if self.swap:
            image = cv2.transpose(image)  # type: ignore[assignment]
        if self.mirror or self.flip:
            image = cv2.flip(image, -1 if self.mirror and self.flip else int(self.mirror))  # type: ignore[assignment]
        return image


class Look:
    """Makes pictures of decoded frames. `turn`: how all of them get upright."""

    def __init__(self, stream: VideoStream, label: str, side: int) -> None:
        self.turn = Turn()
        self._label, self._side = label, side
        self._convert = VideoReformatter()
        shape = float(stream.sample_aspect_ratio or 1)
        self._shape = shape if 1 / _WIDEST_PIXEL <= shape <= _WIDEST_PIXEL else 1.0

    def check(self, width: int, height: int) -> None:
        """Raise VideoError for a frame of that size, in pixels as stored, if it is over the limit."""
        if max(self._shown(width, height)) > self._side:
            raise self.too_large(f"{width} x {height}")

    def too_large(self, size: str) -> VideoError:
        """The refusal of frames of so many pixels."""
        came = f"has pictures of {size} pixels and at most {self._side} on a side can be read"
        return refusal(self._label, came, "save it anew in a smaller size")

    def image(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """RGB uint8 (H, W, 3), C-contiguous; VideoError where the colours cannot be made out."""
        try:
            rgb = self._converted(frame, _colours_of(frame))
        except FAULTS:
            rgb = self._anyhow(frame)
        return self.turn.apply(rgb.to_ndarray())  # type: ignore[arg-type]

    def _anyhow(self, frame: VideoFrame) -> VideoFrame:
        """Rare colours come out wrong by this, their brightness nearly right."""
        try:
            return self._converted(frame, _BT601)
        except FAULTS as error:
            raise refusal(self._label, f"has colours of an unknown kind ({frame.format.name})") from error

    def _converted(self, frame: VideoFrame, colours: int | None) -> VideoFrame:
        # One thread: the pool of a second one costs more than it saves.
        return self._convert.reformat(frame, *self._shown(frame.width, frame.height), "rgb24", colours, threads=1)

    def _shown(self, width: int, height: int) -> tuple[int, int]:
        """Where pixels are not square the frame is stretched, so that none are lost."""
        if self._shape >= 1:
            return round(width * self._shape), height
        return width, round(height / self._shape)


def _colours_of(frame: VideoFrame) -> int | None:
    """Where a film does not tell what its colours mean: as players take it, by its size. FFmpeg knows the rest."""
    return _BT709 if frame.colorspace == _UNTOLD and frame.height >= 720 else None
