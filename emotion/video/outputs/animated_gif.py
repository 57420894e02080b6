"""Sample a part of a video and encode it as an animated GIF."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emotion.media.image_array import downscale
from emotion.media.video_reader import TimedFrame, VideoReader

_FPS: Final = 10
_MAX_SIDE: Final = 480
_NUM_PALETTE_FRAMES: Final = 10
_PALETTE_TILE_PX: Final = 160
_NUM_COLORS: Final = 256
_TIME_TOLERANCE: Final = 1e-3  # seconds: timestamps are rounded


def make_gif(video_path: Path, start: float, end: float, comment: str) -> bytes | None:
    """Encode a video from second `start` to second `end`, None where there is no frame."""
    images = [Image.fromarray(image) for image in _sample_frames(video_path, start, end)]
    if not images:
        return None
    palette = _make_palette(images)
    quantized = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    buffer = io.BytesIO()
    quantized[0].save(
        buffer,
        "GIF",
        save_all=True,
        append_images=quantized[1:],
        duration=round(1000 / _FPS),
        loop=0,
        comment=comment.encode(),
        optimize=False,
    )
    return buffer.getvalue()


def _make_palette(images: list[Image.Image]) -> Image.Image:
    """Return one palette for all images, from some of them: a palette for each takes longer, and flickers."""
    samples = images[:: max(1, len(images) // _NUM_PALETTE_FRAMES)]
    sheet = Image.new("RGB", (_PALETTE_TILE_PX, _PALETTE_TILE_PX * len(samples)))
    for index, image in enumerate(samples):
        sheet.paste(image.resize((_PALETTE_TILE_PX, _PALETTE_TILE_PX)), (0, _PALETTE_TILE_PX * index))
    return sheet.quantize(_NUM_COLORS, Image.Quantize.MEDIANCUT)


def _sample_frames(path: Path, start: float, end: float) -> Iterator[NDArray[np.uint8]]:
    """Yield reduced frames at a constant rate; a frame that is displayed for long is repeated."""
    timestamps = (start + i / _FPS for i in range(max(1, round((end - start) * _FPS))))
    with VideoReader(path) as video:
        video.seek(start)
        frames = video.frames()
        current, following = next(frames, None), next(frames, None)
        converted: tuple[TimedFrame, NDArray[np.uint8]] | None = None
        for timestamp in timestamps:
            while following is not None and following.timestamp <= timestamp + _TIME_TOLERANCE:
                current, following = following, next(frames, None)
            if current is None or (following is None and timestamp >= video.end_time):
                return
            if converted is None or converted[0] is not current:
                converted = current, downscale(current.image(), _MAX_SIDE)
            yield converted[1]
