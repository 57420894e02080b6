"""Load a data set of labeled faces: FER-2013 as a table, with or without FER+ votes, or a folder of images."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import IMAGE_SIZE, Dataset
from emotion.datasets.duplicates import group_duplicates, group_near_duplicates
from emotion.datasets.readers.fer2013_files import read_csv, read_npz, with_votes
from emotion.datasets.readers.image_folders import read_image_folder
from emotion.datasets.splitting import hold_out_groups, holdout_ratios
from emotion.errors import DataError
from emotion.translation.messages import gettext as _


def load_dataset(path: Path | str, ferplus_csv: Path | str | None = None, size: int = IMAGE_SIZE) -> Dataset:
    """Load a data set.

    A table without Usage gets a validation and a test split, each a tenth of every label; a folder gets those that
    its tree lacks.

    Args:
        path: `fer2013.csv`, an npz of the same rows, or a folder as `folder_layout` describes it. A label has the
            name of its folder, see `normalize_label`.
        ferplus_csv: `fer2013new.csv` of FER+, whose rows have the order of fer2013.csv.
        size: Side in pixels of the faces of a folder; those of a table have 48.

    Raises:
        DataError: The path cannot be read; the message names the line or file.
    """
    path = Path(path)
    with _wrap_os_errors(path):
        if not path.exists():
            raise DataError(
                _("There is no {path}; give fer2013.csv, an .npz or a folder of labeled images.").format(path=path)
            )
        data = _read_path(path, size)
    if ferplus_csv is None:
        return data
    with _wrap_os_errors(Path(ferplus_csv)):
        return with_votes(data, Path(ferplus_csv))


@contextmanager
def _wrap_os_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            _("{path} cannot be read ({reason}); check the disk and the permissions.").format(
                path=path, reason=error.strerror
            )
        ) from error


def _read_path(path: Path, size: int) -> Dataset:
    if path.is_dir():
        return _hold_out(read_image_folder(path, size))
    if path.suffix.lower() == ".npz":
        return read_npz(path)
    if path.suffix.lower() == ".csv":
        data = read_csv(path)
        return _hold_out(data) if (data.split < 0).any() else data
    raise DataError(
        _("{name} is not a data set; give fer2013.csv, an .npz or a folder of images.").format(name=path.name)
    )


def _hold_out(data: Dataset) -> Dataset:
    """Give the splits that a data set lacks a tenth of every label each; near-duplicates stay in one split.

    A face keeps its split when others are added to the folder or the table, see `hold_out_groups`: a network may be
    trained further on the larger one. A label with fewer groups of near-duplicates than splits, as after a minute in
    front of a camera, is divided by equal pixels only: optimistic figures for it are of more use than none.
    """
    split = data.split.copy()
    split[split < 0] = 0
    ratios = holdout_ratios([bool((split == number).any()) for number in range(3)])
    rows = np.flatnonzero(split == 0)
    if ratios[0] < 1 and rows.size:
        images, labels = data.images[rows], data.labels[rows]
        groups, equal_groups = group_near_duplicates(images), group_duplicates(images)
        for label in np.unique(labels):
            has_label = labels == label
            if len(np.unique(groups[has_label])) < sum(ratio > 0 for ratio in ratios):
                groups[has_label] = equal_groups[has_label]
        split[rows] = hold_out_groups(labels, groups, ratios, _make_keys(data)[rows])
    return replace(data, split=split)


def _make_keys(data: Dataset) -> NDArray[np.uint64]:
    """Return a key (n,) of each face: of the name of its file, which is the same for images of all sizes."""
    values = [os.fsencode(name) for name in data.files] or [image.tobytes() for image in data.images]
    digests = b"".join(hashlib.blake2b(value, digest_size=8).digest() for value in values)
    return np.frombuffer(digests, np.uint64)
