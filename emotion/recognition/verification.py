"""Score an uncertain face a second time: a mirrored patch for the detector, and the mean over several crops.

A wheel, a button or a letter that is taken for a face rarely has a high score when it is seen mirrored, in another size
and rotated; a small or dark face does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.faces import Box, Face
from emotion.recognition.score_fusion import logit

# The range of fused scores with a second score; outside of it a second score decides nothing.
_MIN_FUSED_SCORE: Final = 0.25
_MAX_FUSED_SCORE: Final = 0.985
_PATCH_RATIO: Final = 4  # side of the patch in sides of the face
_PATCH_FACE_PX: Final = 64.0  # size of the face in the patch, in the middle of the sizes that the network detects
_MIN_IOU: Final = 0.4  # of the face and a detection in the patch


def is_certain(fused_score: float) -> bool:
    """Whether a face with this fused score needs no second score."""
    return fused_score > _MAX_FUSED_SCORE


def is_possible(fused_score: float) -> bool:
    """Whether a second score can make a face of a detection with this fused score."""
    return fused_score >= _MIN_FUSED_SCORE


def make_mirrored_patch(image: NDArray[np.uint8], box: Box) -> tuple[NDArray[np.uint8], Box]:
    """Cut out a face with its surroundings, resize it to a standard size and mirror it.

    Args:
        image: RGB uint8 (H, W, 3).
        box: The box of the face.

    Returns:
        The patch, RGB uint8 (h, w, 3), and the box of the face in it.
    """
    height, width = image.shape[:2]
    (x, y), side = box.center, math.sqrt(box.area)
    half = _PATCH_RATIO / 2 * side
    outer = Box(math.floor(x - half), math.floor(y - half), math.ceil(x + half), math.ceil(y + half))
    x1, y1, x2, y2 = outer.clip(width, height).to_int_xyxy()
    scale = _PATCH_FACE_PX / side
    w, h = max(1, round((x2 - x1) * scale)), max(1, round((y2 - y1) * scale))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    patch = cv2.resize(image[y1:y2, x1:x2], (w, h), interpolation=interpolation)[:, ::-1]
    mirrored = Box(w - (box.x2 - x1) * scale, (box.y1 - y1) * scale, w - (box.x1 - x1) * scale, (box.y2 - y1) * scale)
    return np.ascontiguousarray(patch, np.uint8), mirrored


def combine_scores(score: float, box: Box, detections: Sequence[Face]) -> float:
    """Return the mean, over the logits, of a score and that of the best detection at `box`; 0 to 1."""
    second = max((face.detection_score for face in detections if face.box.iou(box) >= _MIN_IOU), default=0.0)
    return 1 / (1 + math.exp(-(logit(score) + logit(second)) / 2))
