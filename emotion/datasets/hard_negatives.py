"""What a detector wrongly takes for faces, for the classifier to learn what is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import IMAGE_SIZE
from emotion.datasets.loaders import list_image_files
from emotion.errors import DataError
from emotion.faces import Box
from emotion.media.image_reader import read_image
from emotion.recognition.cropping import crop_square, to_gray
from emotion.recognition.opencv_detectors import HaarCascade


def mine_hard_negatives(folder: Path, max_per_image: int = 12, seed: int = 0) -> NDArray[np.uint8]:
    """What a Haar cascade takes for faces on photos without faces: uint8 (n, 48, 48).

    Two cascades at their loosest, then random squares up to a third of the number, so that the classifier
    learns what is not a face. `folder` must hold photos without any face.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}; give one of photos without faces.")
    rng = np.random.default_rng(seed)
    cascades = [
        HaarCascade(f"haarcascade_frontalface_{name}.xml", min_neighbors=1, min_face_px=20)
        for name in ("alt2", "default")
    ]
    crops = [crop for path in list_image_files(folder) for crop in _mine_image(path, cascades, max_per_image, rng)]
    if not crops:
        raise DataError(f"No picture below {folder} gave a false face; expected photos without faces.")
    return np.stack(crops)


def _mine_image(
    path: Path, cascades: list[HaarCascade], max_per_image: int, rng: np.random.Generator
) -> Iterator[NDArray[np.uint8]]:
    grey = to_gray(read_image(path))
    boxes = [face.box for haar in cascades for face in haar.detect(grey, 0.0, 1024)]
    for i in rng.permutation(len(boxes))[:max_per_image]:
        yield crop_square(grey, boxes[i].expand(float(rng.uniform(0.9, 1.25))), IMAGE_SIZE)
    height, width = grey.shape
    for _ in range(max(1, min(max_per_image, len(boxes)) // 3)):
        side = float(rng.uniform(0.15, 0.9)) * min(height, width)
        x, y = rng.uniform(0, width - side), rng.uniform(0, height - side)
        yield crop_square(grey, Box(x, y, x + side, y + side), IMAGE_SIZE)
