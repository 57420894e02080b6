"""Targets of a teacher: read with their crops, split by photo, refused where they are damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotion.datasets.readers.feature_targets import load_feature_targets, split_by_photo
from emotion.errors import DataError
from emotion.movements import MOVEMENT_NAMES
from tests.training.features.making import BLENDSHAPES, photo_arrays, teacher_arrays, write_targets
from tests.training.making import dataset, to_arrays, write_npz


def test_targets_of_photos_are_read_with_their_crops(tmp_path: Path) -> None:
    arrays = photo_arrays(40)
    targets = load_feature_targets(write_targets(tmp_path / "photos.npz", arrays))
    assert (len(targets), targets.source) == (40, "photos.npz")
    np.testing.assert_array_equal(targets.crops, arrays["crops"])
    np.testing.assert_allclose(targets.points[0], arrays["points"][0])
    smile = targets.movements[:, MOVEMENT_NAMES.index("mouthSmileLeft")]
    np.testing.assert_allclose(smile[0], arrays["blendshapes"][0, BLENDSHAPES.index("mouthSmileLeft")])


def test_the_roll_is_clockwise_although_the_teacher_counts_it_counterclockwise(tmp_path: Path) -> None:
    arrays = photo_arrays(10)
    targets = load_feature_targets(write_targets(tmp_path / "photos.npz", arrays))
    np.testing.assert_allclose(targets.pose[0], arrays["pose"][0].astype(float) * [1, 1, -1])


def test_faces_that_the_teacher_did_not_find_have_no_values(tmp_path: Path) -> None:
    targets = load_feature_targets(write_targets(tmp_path / "photos.npz", photo_arrays(20)))
    assert (~targets.found).sum() == 2
    for values in (targets.points, targets.pose, targets.movements):
        assert (values[~targets.found] == 0).all()


def test_targets_without_crops_take_the_images_and_splits_of_fer2013(tmp_path: Path) -> None:
    faces = dataset(6, 3, 2)
    images = write_npz(tmp_path / "fer2013.npz", to_arrays(faces))
    targets = load_feature_targets(write_targets(tmp_path / "t.npz", teacher_arrays(11)), images)
    np.testing.assert_array_equal(targets.crops, faces.images)
    assert [len(targets.rows_in(split)) for split in ("train", "validation", "test")] == [6, 3, 2]


def test_targets_without_crops_need_fer2013(tmp_path: Path) -> None:
    path = write_targets(tmp_path / "t.npz", teacher_arrays(11))
    with pytest.raises(DataError, match="has no crops; give the npz file of FER-2013"):
        load_feature_targets(path)


def test_targets_of_other_rows_are_refused(tmp_path: Path) -> None:
    images = write_npz(tmp_path / "fer2013.npz", to_arrays(dataset(6, 3, 2)))
    with pytest.raises(DataError, match="has 12 rows for 11 faces"):
        load_feature_targets(write_targets(tmp_path / "t.npz", teacher_arrays(12)), images)


DAMAGED: dict[str, tuple[dict[str, Any], str]] = {
    "no face": ({"found": np.ones(9, bool)}, "points in t.npz has the shape"),
    "two coordinates less": ({"points": np.zeros((10, 67, 2))}, r"expected \(10, 68, 2\)"),
    "colors": ({"crops": np.zeros((10, 8, 8, 3), np.uint8)}, "expected uint8"),
    "not square": ({"crops": np.zeros((10, 8, 9), np.uint8)}, "expected uint8"),
    "other names": ({"blendshape_names": np.array(["x"] * len(BLENDSHAPES))}, "lacks the blendshapes browInnerUp"),
    "no number": ({"pose": np.full((10, 3), np.nan)}, "values that are no numbers"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_targets_are_refused(tmp_path: Path, case: str) -> None:
    changes, message = DAMAGED[case]
    path = write_targets(tmp_path / "t.npz", photo_arrays(10) | changes)
    with pytest.raises(DataError, match=message):
        load_feature_targets(path)


def test_a_missing_array_is_named(tmp_path: Path) -> None:
    arrays = photo_arrays(10)
    del arrays["pose"]
    with pytest.raises(DataError, match="lacks pose"):
        load_feature_targets(write_targets(tmp_path / "t.npz", arrays))


def test_all_faces_of_a_photo_are_in_one_split() -> None:
    names = [f"{index // 3}.jpg" for index in range(3000)]
    split = split_by_photo(names)
    assert (split.reshape(-1, 3) == split[::3, None]).all()
    shares = np.bincount(split, minlength=3) / len(split)
    np.testing.assert_allclose(shares, [0.85, 0.05, 0.1], atol=0.02)
