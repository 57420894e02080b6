"""Read labeled faces from a tree of image files."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import Dataset
from emotion.datasets.readers.fer2013_files import USAGE_SPLITS
from emotion.datasets.readers.folder_layout import iter_image_files, parse_layout, relative_posix_path
from emotion.errors import DataError, ImageError
from emotion.expressions import FER2013_LABELS, normalize_label
from emotion.media.image_array import ImageArray
from emotion.media.image_reader import read_image
from emotion.recognition.cropping import to_gray
from emotion.translation.messages import gettext as _

_MAX_LABELS: Final = 127  # int8 holds their indices
_MAX_SHOWN_NOTE: Final = 150  # characters of a note in a message


class LabeledImage(NamedTuple):
    """An image of a tree; `split` is an index into `SPLITS`, -1 where the folders name none."""

    split: int
    label: str
    path: Path


class ImageTree(NamedTuple):
    """The labeled images of a folder, and a sentence for each folder without a clear meaning."""

    images: list[LabeledImage]
    notes: list[str]


def list_image_files(folder: Path) -> list[Path]:
    """List all images of a tree that are not hidden, sorted by path."""
    return sorted(path for path in iter_image_files(folder, follow_links=True) if path.is_file())


def scan_image_tree(folder: Path) -> ImageTree:
    """List the images of a tree with the split and label that their folders name, see `folder_layout`.

    Raises:
        DataError: A folder may be a label or a group of labels.
    """
    paths = list_image_files(folder)
    layout = parse_layout([relative_posix_path(path, folder) for path in paths], folder)
    images = [
        LabeledImage(placement.split, normalize_label(placement.label), path)
        for placement, path in zip(layout.placements, paths, strict=True)
        if placement.label
    ]
    return ImageTree(images, layout.notes)


def read_image_folder(folder: Path, size: int) -> Dataset:
    """Read a tree of images as gray faces uint8 (n, size, size); the split is -1 where the folders name none.

    Images that cannot be read are left out and listed in `notes`. Files named as in FER-2013
    (`PublicTest_01234.png`) get their split from the name, and the order of fer2013.csv where all rows are there.

    Raises:
        DataError: No image can be read, or there are too many labels.
    """
    tree = scan_image_tree(folder)
    images, labels, splits, rows, files, notes = [], [], [], [], [], list(tree.notes)
    for image in tree.images:
        try:
            images.append(center_crop(to_gray(read_image(image.path)), size))
        except ImageError as error:
            notes.append(f"{image.path.relative_to(folder)}: {error}")
            continue
        labels.append(image.label)
        split, row = _parse_fer2013_name(image.path)
        splits.append(image.split if split is None else split)
        rows.append(row)
        files.append(image.path.name)
    if not images:
        text, note = _("No readable image below {folder}; expected folders named by expression."), ""
        if notes:
            text, note = _("No readable image below {folder}; expected folders named by expression. {note}"), notes[0]
        raise DataError(text.format(folder=folder, note=note[:_MAX_SHOWN_NOTE]))
    names = sort_labels(set(labels))
    if len(names) > _MAX_LABELS:
        raise DataError(
            _("{folder} has {count} labels; expected {maximum} at most, a folder for each.").format(
                folder=folder, count=len(names), maximum=_MAX_LABELS
            )
        )
    data = Dataset(
        np.stack(images),
        np.array([names.index(name) for name in labels], np.int8),
        np.array(splits, np.int8),
        names,
        source=folder.name,
        notes=tuple(notes),
        files=tuple(files),
    )
    in_table_order = sorted(rows) == list(range(len(rows)))  # FER+ votes fit by row
    return data.take(np.argsort(rows)) if in_table_order else data


def _parse_fer2013_name(path: Path) -> tuple[int | None, int]:
    """Split and row in the name of an image of FER-2013; None and -1 in other names."""
    usage, _, row = path.stem.partition("_")
    split = USAGE_SPLITS.get(usage.lower())
    return split, int(row) if split is not None and row.isdecimal() else -1


def sort_labels(labels: set[str]) -> tuple[str, ...]:
    """Sort labels: those of FER-2013 in its order, then contempt, then all others by the alphabet."""
    standard = (*FER2013_LABELS, "contempt")
    return (*(name for name in standard if name in labels), *sorted(labels.difference(standard)))


def center_crop(gray: ImageArray, size: int) -> NDArray[np.uint8]:
    """Resize the middle square of a gray image (H, W) to uint8 (size, size)."""
    if gray.shape == (size, size):
        return gray
    side = min(gray.shape)
    y, x = (gray.shape[0] - side) // 2, (gray.shape[1] - side) // 2
    square = gray[y : y + side, x : x + side]
    return np.asarray(cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
