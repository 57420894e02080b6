"""Read what a teacher network saw in faces: 68 points, head pose and movements, with the crops that it saw."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import SPLITS
from emotion.datasets.readers.fer2013_files import load_arrays, read_npz
from emotion.errors import DataError
from emotion.movements import MOVEMENT_NAMES, NUM_POINTS
from emotion.translation.messages import gettext as _

ARRAYS: Final = frozenset({"found", "points", "pose", "blendshapes", "blendshape_names"})
_NUM_ANGLES: Final = 3
_TEST_SHARE: Final = 10  # every tenth photo tests
_VALIDATION_SHARE: Final = 20  # every twentieth photo validates


@dataclass(frozen=True)
class FeatureTargets:
    """Face crops and what the teacher saw in them; row i of every array is the same face.

    Attributes:
        crops: Gray uint8 (n, side, side), cut as the crops of the classifier are.
        found: bool (n,), False where the teacher found no face; the values of such a row are 0.
        points: float32 (n, 68, 2), x and y in sides of the crop, 0 at its left and upper edge; may lie outside.
        pose: float32 (n, 3), yaw toward the person's left, pitch downward and roll clockwise, in degrees.
        movements: float32 (n, movements) from 0 to 1, in the order of `MOVEMENTS`.
        split: int8 (n,), indices into `SPLITS`.
        source: Name of the file.
    """

    crops: NDArray[np.uint8]
    found: NDArray[np.bool_]
    points: NDArray[np.float32]
    pose: NDArray[np.float32]
    movements: NDArray[np.float32]
    split: NDArray[np.int8]
    source: str

    def __len__(self) -> int:
        return len(self.crops)

    def rows_in(self, split: str) -> NDArray[np.intp]:
        """Return the row numbers of a split, "train", "validation" or "test"."""
        return np.flatnonzero(self.split == SPLITS.index(split))

    def take(self, rows: NDArray[np.intp]) -> FeatureTargets:
        """Return a data set of these rows only."""
        return FeatureTargets(
            self.crops[rows],
            self.found[rows],
            self.points[rows],
            self.pose[rows],
            self.movements[rows],
            self.split[rows],
            self.source,
        )


def load_feature_targets(path: Path, fer2013: Path | None = None) -> FeatureTargets:
    """Read an npz file of targets.

    It has the arrays of the teacher: `found` (n,), `points` (n, 68, 2), `pose` (n, 3) as yaw, pitch and
    counterclockwise roll in degrees, `blendshapes` (n, names) and `blendshape_names`. A file of photos also has `crops`
    uint8 (n, side, side) and `photo` (n,), the names of the photos, by which it is split: every tenth one tests, every
    twentieth one validates.

    Args:
        path: The file.
        fer2013: For a file without crops, the npz file of FER-2013 whose rows it has; its splits are kept.

    Raises:
        DataError: The file is damaged, or an array is missing or has another shape or range.
    """
    arrays = load_arrays(path)
    missing = ARRAYS - arrays.keys()
    if missing:
        raise DataError(
            _("{name} lacks {names}; write it by emotion features make-targets.").format(
                name=path.name, names=", ".join(sorted(missing))
            )
        )
    if "crops" in arrays and "photo" in arrays:
        crops, split = arrays["crops"], split_by_photo([str(name) for name in arrays["photo"]])
    elif fer2013 is not None:
        faces = read_npz(fer2013)
        crops, split = faces.images, faces.split
    else:
        raise DataError(
            _("{name} has no crops; give the npz file of FER-2013 whose rows it has.").format(name=path.name)
        )
    _check_shapes(path.name, arrays, crops, split)
    found = arrays["found"].astype(bool)
    movements = arrays["blendshapes"][:, _find_movements(path.name, arrays["blendshape_names"].tolist())]
    values = [np.where(found.reshape(-1, *(1,) * (a.ndim - 1)), a, 0) for a in (arrays["points"], arrays["pose"])]
    points, pose, movements = (a.astype(np.float32) for a in (*values, np.where(found[:, None], movements, 0)))
    if not all(np.isfinite(a).all() for a in (points, pose, movements)):
        raise DataError(
            _("{name} has faces that were found, but with values that are no numbers; write it again.").format(
                name=path.name
            )
        )
    pose[:, 2] *= -1  # the teacher counts the roll counterclockwise
    return FeatureTargets(crops, found, points, pose, movements.clip(0, 1), split, path.name)


def split_by_photo(names: Sequence[str]) -> NDArray[np.int8]:
    """Return the splits (n,) of faces by the names of their photos: all faces of a photo are in one split."""
    codes = np.array([zlib.crc32(name.encode()) for name in names], np.int64)
    is_validation = codes % _VALIDATION_SHARE == 1
    return np.where(codes % _TEST_SHARE == 0, 2, is_validation).astype(np.int8)


def _find_movements(name: str, blendshape_names: list[str]) -> list[int]:
    missing = [movement for movement in MOVEMENT_NAMES if movement not in blendshape_names]
    if missing:
        raise DataError(
            _("{name} lacks the blendshapes {names}; write it by emotion features make-targets.").format(
                name=name, names=", ".join(missing)
            )
        )
    return [blendshape_names.index(movement) for movement in MOVEMENT_NAMES]


def _check_shapes(name: str, arrays: dict[str, NDArray], crops: NDArray[np.uint8], split: NDArray[np.int8]) -> None:
    count = len(arrays["found"])
    expected = {
        "found": (count,),
        "points": (count, NUM_POINTS, 2),
        "pose": (count, _NUM_ANGLES),
        "blendshapes": (count, len(arrays["blendshape_names"])),
    }
    for key, shape in expected.items():
        if arrays[key].shape != shape:
            raise DataError(
                _("{array} in {name} has the shape {shape}; expected {expected}.").format(
                    array=key, name=name, shape=arrays[key].shape, expected=shape
                )
            )
    if crops.dtype != np.uint8 or crops.ndim != 3 or crops.shape[1] != crops.shape[2]:
        raise DataError(
            _("The crops of {name} are {dtype} {shape}; expected uint8 (n, side, side).").format(
                name=name, dtype=crops.dtype, shape=crops.shape
            )
        )
    if len(crops) != count or len(split) != count or count == 0:
        raise DataError(
            _("{name} has {count} rows for {faces} faces; expected one row for each face.").format(
                name=name, count=count, faces=len(crops)
            )
        )
