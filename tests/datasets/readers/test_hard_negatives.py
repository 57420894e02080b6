"""Crops of false detections."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from emotion.datasets.readers.hard_negatives import mine_hard_negatives
from tests.datasets.helpers import get_error
from tests.training.making import (
    random_images,
    write_image,
)


def test_false_detections_are_cropped_reproducibly(tmp_path: Path) -> None:
    for number in range(3):
        write_image(
            tmp_path / "deep" / f"{number}.png", np.kron(random_images(1, number)[0], np.ones((3, 3), np.uint8))
        )
    crops = mine_hard_negatives(tmp_path)
    assert crops.dtype == np.uint8
    assert crops.shape[1:] == (48, 48)
    assert 3 <= len(crops) <= 3 * (12 + 4)
    np.testing.assert_array_equal(mine_hard_negatives(tmp_path), crops)
    assert mine_hard_negatives(tmp_path, seed=1).tobytes() != crops.tobytes()
    assert 3 <= len(mine_hard_negatives(tmp_path, max_per_image=1)) <= 6


def test_folder_without_photos_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        assert str(folder) in get_error(lambda folder=folder: mine_hard_negatives(folder))
