from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from emotion.training.datasets import Dataset
from emotion.training.duplicates import Fingerprints, joined, near_groups, near_pairs

from .making import pictures

Picture = NDArray[np.uint8]


def jpeg(image: Picture) -> Picture:
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], 0), np.uint8)


CHANGES: dict[str, Callable[[Picture], Picture]] = {
    "the same": lambda image: image.copy(),
    "saved anew": jpeg,
    "smaller": lambda image: np.asarray(cv2.resize(cv2.resize(image, (24, 24)), (48, 48))),
    "brighter": lambda image: np.clip(image * 1.1 + 10, 0, 255).astype(np.uint8),
    "mirrored": lambda image: np.ascontiguousarray(image[:, ::-1]),
    "mirrored and saved anew": lambda image: jpeg(np.ascontiguousarray(image[:, ::-1])),
    "with a speck": lambda image: np.where(np.arange(48 * 48).reshape(48, 48) == 700, 255, image).astype(np.uint8),
}  # fmt: skip


@pytest.fixture(scope="module")
def faces(sample: Picture) -> Picture:
    """Twenty squares of a photo, uint8 (20, 48, 48), none of them near another."""
    grey = cv2.cvtColor(sample, cv2.COLOR_RGB2GRAY)
    places = [(y, x) for y in (40, 130, 230, 330) for x in (20, 110, 200, 290, 390)]
    return np.stack(
        [cv2.resize(grey[y : y + 90, x : x + 90], (48, 48), interpolation=cv2.INTER_AREA) for y, x in places]
    )


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found(faces: Picture, change: str) -> None:
    copies = np.stack([CHANGES[change](face) for face in faces])
    assert near_groups(np.concatenate([faces, copies])).tolist() == [*range(20)] * 2


def test_other_pictures_are_no_copies(faces: Picture) -> None:
    assert near_groups(np.concatenate([faces, pictures(60)])).tolist() == [*range(80)]


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_any_picture(count: int) -> None:
    assert near_groups(pictures(3)[:count]).tolist() == [*range(count)]


def test_blank_pictures_are_copies_only_of_the_same_grey() -> None:
    flat = np.stack([np.full((48, 48), grey, np.uint8) for grey in (0, 7, 0, 255)])
    assert near_groups(flat).tolist() == [0, 1, 0, 3]


def test_more_rows_than_are_compared_at_once() -> None:
    images = np.concatenate([pictures(600), pictures(600)[::-1]])
    assert near_groups(images).tolist() == [*range(600), *range(599, -1, -1)]


@given(count=st.integers(1, 12), data=st.data())
def test_joined_against_a_slow_oracle(count: int, data: st.DataObject) -> None:
    numbers = st.integers(0, count - 1)
    pairs = data.draw(st.lists(st.tuples(numbers, numbers), max_size=20))
    groups = [{i} for i in range(count)]
    for one, other in pairs:
        a, b = (next(group for group in groups if i in group) for i in (one, other))
        if a is not b:
            groups.remove(b)
            a |= b
    expected = [min(next(group for group in groups if i in group)) for i in range(count)]
    assert joined(count, pairs).tolist() == expected


def test_of_fer2013_hardly_two_faces_are_taken_for_one(real: Dataset) -> None:
    rows = np.random.default_rng(0).permutation(len(real))[:3000]
    groups = near_groups(real.images[rows])
    near = [(i, j) for i, j in pairs_of(groups) if not (real.images[rows[i]] == real.images[rows[j]]).all()]
    assert len(near) < 60  # 2 % of the rows: mostly the same photo, saved twice


def pairs_of(groups: NDArray[np.intp]) -> Iterator[tuple[int, int]]:
    for group in np.unique(groups[np.bincount(groups)[groups] > 1]):
        yield from combinations(np.flatnonzero(groups == group).tolist(), 2)


def test_fingerprints_do_not_depend_on_the_size(faces: Picture) -> None:
    large = np.stack([cv2.resize(face, (96, 96), interpolation=cv2.INTER_CUBIC) for face in faces])
    both = Fingerprints(*(np.concatenate(pair) for pair in zip(*map(parts, (faces, large)), strict=True)))
    assert joined(40, near_pairs(both)).tolist() == [*range(20)] * 2


def parts(images: Picture) -> tuple[NDArray, NDArray]:
    prints = Fingerprints.of(images)
    return prints.codes, prints.small
