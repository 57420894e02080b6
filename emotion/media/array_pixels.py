"""Convert arrays of any common shape and dtype to RGB uint8."""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.media.image_safety import UNNAMED_IMAGE, image_error

_SHAPE_ADVICE: Final = "expected is (H, W), (H, W, 1), 3 or 4"
_FLOAT_TOLERANCE: Final = 1e-6  # rounding error of floats
_MAX_AMBIGUOUS: Final = 2.0  # floats with a maximum between 1 and this fit neither 0 to 1 nor 0 to 255


def array_to_rgb(image: Any, order: str) -> NDArray[np.uint8]:
    """Convert an array as `as_rgb` takes it to RGB uint8 (H, W, 3), C-contiguous.

    Raises:
        ImageError: For other shapes, types and values.
    """
    array = np.asarray(image)
    if array.dtype.kind not in "buif":
        kind = f"values of {array.dtype}" if isinstance(image, np.ndarray) else f"the type {type(image).__name__}"
        raise image_error(
            UNNAMED_IMAGE, f"has {kind}", "expected is a path, bytes, a Pillow image or an array of numbers"
        )
    if array.size == 0 or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise image_error(UNNAMED_IMAGE, f"has the shape {array.shape}", _SHAPE_ADVICE)
    array = _to_uint8(array.reshape(*array.shape[:2], -1))
    if array.shape[2] == 1:
        return np.repeat(array, 3, axis=2)
    if order == "bgr":
        # Forty times as fast as indexing, which matters for every frame of a camera.
        code = cv2.COLOR_BGR2RGB if array.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
        array = np.asarray(cv2.cvtColor(array, code), np.uint8)
    return np.ascontiguousarray(array if array.shape[2] == 3 else composite_on_white(array))


def composite_on_white(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Blend RGBA (H, W, 4) over white and return RGB (H, W, 3)."""
    alpha = rgba[..., 3].astype(np.uint16)
    rgb = np.empty((*rgba.shape[:2], 3), np.uint8)
    for channel in range(3):  # one channel at a time keeps the uint16 temporaries small
        rgb[..., channel] = (rgba[..., channel] * alpha + 255 * (255 - alpha) + 127) // 255
    return rgb


def _to_uint8(array: NDArray[Any]) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array
    if array.dtype == bool:
        return array.astype(np.uint8) * np.uint8(255)
    if np.issubdtype(array.dtype, np.uint16):
        return (array >> 8).astype(np.uint8)
    lowest, highest = float(array.min()), float(array.max())
    is_float = array.dtype.kind == "f"
    if is_float and lowest > -_FLOAT_TOLERANCE and highest < 1 + _FLOAT_TOLERANCE:  # false for NaN
        return np.rint(np.clip(array, 0, 1) * 255).astype(np.uint8)
    if lowest > -_FLOAT_TOLERANCE and highest < 255 + _FLOAT_TOLERANCE and (highest > _MAX_AMBIGUOUS or not is_float):
        return np.rint(np.clip(array, 0, 255)).astype(np.uint8)
    expected = "0 to 1 or 0 to 255" if is_float else "0 to 255, or uint16"
    raise image_error(
        UNNAMED_IMAGE, f"has values of {array.dtype} from {lowest:g} to {highest:g}", f"expected is {expected}"
    )
