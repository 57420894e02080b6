"""Render class activation maps over face crops."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.expressions import get_style
from emotion.recognition.classification import ExpressionClassifier
from emotion.recognition.label_rendering import hex_to_rgb

_TINT_STRENGTH: Final = 0.4  # of the color of the label, where most speaks for it
_DIM_STRENGTH: Final = 0.6  # of the light that is taken from where nothing does: a gray label on gray is seen by that


def overlay_class_activation(
    classifier: ExpressionClassifier, crop: NDArray[np.uint8], label: str, head: str | None, output_size: int
) -> NDArray[np.uint8]:
    """Tint the parts of a gray uint8 crop (size, size) that support a label in its color, and darken the others.

    Returns:
        RGB uint8 (`output_size`, `output_size`, 3).

    Raises:
        ModelError: The classifier has no maps, see `ExpressionClassifier.has_cam`.
    """
    evidence = np.maximum(classifier.class_activation_map(crop, label, head), 0)
    strength = cv2.resize(
        evidence / max(1e-6, float(evidence.max())), (output_size, output_size), interpolation=cv2.INTER_CUBIC
    )
    strength = np.clip(strength, 0, 1)[..., None]
    face = cv2.resize(crop, (output_size, output_size), interpolation=cv2.INTER_CUBIC)[..., None] * (
        1 - _DIM_STRENGTH * (1 - strength)
    )
    tint = _TINT_STRENGTH * strength
    return np.rint(face * (1 - tint) + np.array(hex_to_rgb(get_style(label).color)) * tint).astype(np.uint8)
