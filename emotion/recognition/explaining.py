"""A picture of what in a face speaks for its label."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.faces import expression
from emotion.recognition.annotation import rgb
from emotion.recognition.classification import Recogniser

_COVER: Final = 0.65  # of the face under what speaks most: it stays to be seen


def explained(
    recogniser: Recogniser, crop: NDArray[np.uint8], label: str, head: str | None, side: int
) -> NDArray[np.uint8]:
    """A grey crop uint8 (size, size) with what speaks for a label in the colour of the label, the stronger the more:
    RGB uint8 (`side`, `side`, 3). Raises `ModelError` where the recogniser has no maps, see `Recogniser.explains`."""
    evidence = np.maximum(recogniser.explain(crop, label, head), 0)
    strength = cv2.resize(evidence / max(1e-6, float(evidence.max())), (side, side), interpolation=cv2.INTER_CUBIC)
    cover = _COVER * np.clip(strength, 0, 1)[..., None]
    face = cv2.resize(crop, (side, side), interpolation=cv2.INTER_CUBIC)[..., None]
    return np.rint(face * (1 - cover) + np.array(rgb(expression(label).colour)) * cover).astype(np.uint8)
