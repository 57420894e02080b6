"""A picture of what in a face speaks for its label."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.expressions import expression
from emotion.recognition.annotation import rgb
from emotion.recognition.classification import Recogniser

_TINT: Final = 0.4  # of the colour of the label, where most speaks for it
_DIM: Final = 0.6  # of the light that is taken from where nothing does: a grey label on grey is seen by that


def explained(
    recogniser: Recogniser, crop: NDArray[np.uint8], label: str, head: str | None, side: int
) -> NDArray[np.uint8]:
    """A grey crop uint8 (size, size) with what speaks for a label in its colour and the rest in the shade: RGB uint8
    (`side`, `side`, 3). Raises `ModelError` where the recogniser has no maps, see `Recogniser.explains`."""
    evidence = np.maximum(recogniser.explain(crop, label, head), 0)
    strength = cv2.resize(evidence / max(1e-6, float(evidence.max())), (side, side), interpolation=cv2.INTER_CUBIC)
    strength = np.clip(strength, 0, 1)[..., None]
    face = cv2.resize(crop, (side, side), interpolation=cv2.INTER_CUBIC)[..., None] * (1 - _DIM * (1 - strength))
    tint = _TINT * strength
    return np.rint(face * (1 - tint) + np.array(rgb(expression(label).colour)) * tint).astype(np.uint8)
