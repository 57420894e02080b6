"""Crops that a detector wrongly takes for faces, from which the classifier learns what is not a face."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import IMAGE_SIZE
from emotion.datasets.readers.image_folders import list_image_files
from emotion.errors import DataError
from emotion.faces import Box
from emotion.media.image_reader import read_image
from emotion.recognition.cropping import crop_square, to_gray
from emotion.recognition.detectors.opencv_detectors import HaarCascade
from emotion.translation.messages import gettext as _

_MIN_FACE_PX: Final = 20
_DETECTION_SIDE_PX: Final = 1024  # larger photos are searched reduced
_BOX_SCALE: Final = (0.9, 1.25)  # of a detection, as inexact as the boxes of faces
_SQUARE_SIDE: Final = (0.15, 0.9)  # of a random square, share of the short side of the photo
_DETECTIONS_PER_SQUARE: Final = 3


def mine_hard_negatives(folder: Path, max_per_image: int = 12, seed: int = 0) -> NDArray[np.uint8]:
    """Crop false detections of two Haar cascades, and random squares, from photos without faces.

    Args:
        folder: Photos without any face.
        max_per_image: Detections of each photo; a third as many random squares are added, at least one.
        seed: Of the choice.

    Returns:
        Gray uint8 (n, 48, 48).

    Raises:
        DataError: There is no folder, or no photo in it.
    """
    if not folder.is_dir():
        raise DataError(_("There is no folder {folder}; give a folder of photos without faces.").format(folder=folder))
    rng = np.random.default_rng(seed)
    cascades = [
        HaarCascade(f"haarcascade_frontalface_{name}.xml", min_neighbors=1, min_face_px=_MIN_FACE_PX)
        for name in ("alt2", "default")
    ]
    crops = [crop for path in list_image_files(folder) for crop in _mine_image(path, cascades, max_per_image, rng)]
    if not crops:
        raise DataError(_("{folder} holds no photo; expected photos without faces.").format(folder=folder))
    return np.stack(crops)


def _mine_image(
    path: Path, cascades: list[HaarCascade], max_per_image: int, rng: np.random.Generator
) -> Iterator[NDArray[np.uint8]]:
    gray = to_gray(read_image(path))
    boxes = [face.box for cascade in cascades for face in cascade.detect(gray, 0.0, _DETECTION_SIDE_PX)]
    for i in rng.permutation(len(boxes))[:max_per_image]:
        yield crop_square(gray, boxes[i].expand(float(rng.uniform(*_BOX_SCALE))), IMAGE_SIZE)
    height, width = gray.shape
    for _square in range(max(1, min(max_per_image, len(boxes)) // _DETECTIONS_PER_SQUARE)):
        side = float(rng.uniform(*_SQUARE_SIDE)) * min(height, width)
        x, y = rng.uniform(0, width - side), rng.uniform(0, height - side)
        yield crop_square(gray, Box(x, y, x + side, y + side), IMAGE_SIZE)
