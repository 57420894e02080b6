"""Measure how a detector's boxes relate to the crops of FER-2013, on which the recogniser learns."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.errors import DataError
from emotion.recognition.detection import Detector

_ENLARGED = 4
_BORDER = 0.5  # of the picture's side


def measure_geometry(detector: Detector, images: NDArray[np.uint8], threshold: float = 0.7) -> dict[str, Any]:
    """Run a detector on faces uint8 (n, 48, 48), enlarged four times with a border that repeats the edge.

    Returns `n`, `found`, the median `scale` (side of the FER-2013 crop over sqrt(width * height) of the box)
    and `down` (how far the middle of the crop lies below that of the box, in sides of the crop), which are to be
    frozen in the detector's `geometry`, and `scale_spread`, `down_spread`: their median absolute deviations.
    """
    side = images.shape[1] * _ENLARGED
    margin = round(side * _BORDER)
    ratios, offsets = [], []
    for image in images:
        large = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)
        scene = cv2.copyMakeBorder(large, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
        faces = detector.detect(cv2.cvtColor(scene, cv2.COLOR_GRAY2RGB), threshold, max(scene.shape))  # type: ignore[arg-type]
        if faces:
            box = max(faces, key=lambda face: face.box.area).box
            ratios.append(side / np.sqrt(box.area))
            offsets.append((margin + side / 2 - box.centre[1]) / side)
    if not ratios:
        raise DataError(f"The detector {detector.name} found none of {len(images)} faces; nothing was measured.")
    scale, down = float(np.median(ratios)), float(np.median(offsets))
    return {
        "detector": detector.name,
        "n": len(images),
        "found": len(ratios),
        "scale": scale,
        "scale_spread": float(np.median(np.abs(np.array(ratios) - scale))),
        "down": down,
        "down_spread": float(np.median(np.abs(np.array(offsets) - down))),
    }
