"""Helpers of the tests: compare data sets, write image trees, catch errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from emotion.datasets.dataset import Dataset
from emotion.datasets.readers.loaders import load_dataset
from emotion.errors import DataError
from emotion.expressions import FER2013_LABELS
from tests.training.making import (
    write_image,
)

FOLDERS = ("train", "validation", "test")


def assert_equal(data: Dataset, expected: Dataset) -> None:
    """Compare all arrays, their types and the names of the labels."""
    for name in ("images", "labels", "split", "votes", "has_votes"):
        a, b = getattr(data, name), getattr(expected, name)
        assert (a is None) == (b is None), name
        if a is not None:
            assert a.dtype == b.dtype, name
            np.testing.assert_array_equal(a, b, err_msg=name)
    assert data.label_names == expected.label_names


def get_error(read: Callable[[], object]) -> str:
    """The message of a DataError, which is one short sentence."""
    with pytest.raises(DataError) as caught:
        read()
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert len(message) < 400
    return message


def load_or_none(path: Path) -> Dataset | None:
    try:
        return load_dataset(path)
    except DataError as error:
        if path.name not in str(error):
            raise
        return None


def write_tree(root: Path, data: Dataset, *, label_folders: tuple[str, ...] = FER2013_LABELS, splits: bool) -> None:
    for row, (image, label, split) in enumerate(zip(data.images, data.labels, data.split, strict=True)):
        write_image(root / (FOLDERS[split] if splits else "") / label_folders[label] / f"{row}.png", image)


def count_images(data: Dataset) -> Counter[tuple[bytes, str, int]]:
    rows = zip(data.images, data.labels, data.split, strict=True)
    return Counter((image.tobytes(), data.label_names[label], int(split)) for image, label, split in rows)
