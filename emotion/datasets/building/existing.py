"""The faces of a data set that is extended."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from emotion.datasets.metadata import FACES_FILE
from emotion.datasets.readers.image_folders import scan_image_tree
from emotion.errors import DataError
from emotion.media.image_array import ImageArray
from emotion.media.image_reader import read_image
from emotion.recognition.cropping import to_gray
from emotion.translation.messages import gettext as _

Sides = tuple[int, int, int, int]  # left, top, right and bottom of a box in pixels
_SIDE_NAMES = ("x1", "y1", "x2", "y2")


class LabeledFace(NamedTuple):
    """A face of a data set, or one that joins it.

    Attributes:
        label: Its label.
        split: An index into `SPLITS`, -1 for none.
        crop: Gray uint8 (size, size).
        photo: The name of its photo; that of the face where it is not known.
        box: Of the face in the photo, zeros where it is not known.
        detection_score: 0 to 1.
    """

    label: str
    split: int
    crop: ImageArray
    photo: str
    box: Sides
    detection_score: float


def read_existing_faces(folder: Path) -> Iterator[LabeledFace]:
    """Read the faces of a data set one at a time, with what its faces.csv tells of them.

    Raises:
        DataError: A face or faces.csv cannot be read.
    """
    rows = _read_rows(folder)
    for image in scan_image_tree(folder).images:
        name = image.path.relative_to(folder).as_posix()
        row = rows.get(name, {})
        try:
            box, score = _parse_box(row), float(row.get("detection_score") or 1.0)
        except (ValueError, OverflowError) as error:
            raise _damage_error(folder / FACES_FILE) from error
        yield LabeledFace(
            image.label, image.split, to_gray(read_image(image.path)), row.get("photo") or name, box, score
        )


def find_face_size(folder: Path) -> int:
    """Return the side in pixels of the faces of a data set; `DataError` where it has none."""
    face = next(read_existing_faces(folder), None) if folder.is_dir() else None
    if face is None:
        raise DataError(_("{folder} holds no faces; build a new data set.").format(folder=folder))
    return min(face.crop.shape)


def _read_rows(folder: Path) -> dict[str, dict[str, str]]:
    path = folder / FACES_FILE
    if not path.is_file():
        return {}
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            return {row["file"]: row for row in csv.DictReader(file)}
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise _damage_error(path) from error


def _damage_error(path: Path) -> DataError:
    return DataError(_("{path} is damaged; build a new data set.").format(path=path))


def _parse_box(row: dict[str, str]) -> Sides:
    left, top, right, bottom = (int(float(row.get(name) or 0)) for name in _SIDE_NAMES)
    return left, top, right, bottom
