"""The type of an image in memory, and its reduction."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

ImageArray = NDArray[np.uint8]  # RGB (H, W, 3), or gray (H, W) where a function states it


def downscale(image: ImageArray, max_side: int) -> ImageArray:
    """Reduce an image, RGB or gray, to a long side of at most `max_side` pixels; a smaller one is returned as it is."""
    height, width = image.shape[:2]
    factor = max_side / max(height, width)
    if factor >= 1:
        return image
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
