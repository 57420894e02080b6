from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from emotion.datasets.dataset import Dataset
from emotion.datasets.duplicates import (
    Fingerprints,
    duplicate_report,
    group_duplicates,
    group_fingerprints,
    group_near_duplicates,
    is_train_duplicate,
)
from tests.training.making import pictures

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
}


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
    assert group_near_duplicates(np.concatenate([faces, copies])).tolist() == [*range(20)] * 2


def test_other_pictures_are_no_copies(faces: Picture) -> None:
    assert group_near_duplicates(np.concatenate([faces, pictures(60)])).tolist() == [*range(80)]


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_any_picture(count: int) -> None:
    assert group_near_duplicates(pictures(3)[:count]).tolist() == [*range(count)]


def test_blank_pictures_are_copies_only_of_the_same_grey() -> None:
    flat = np.stack([np.full((48, 48), grey, np.uint8) for grey in (0, 7, 0, 255)])
    assert group_near_duplicates(flat).tolist() == [0, 1, 0, 3]


def test_more_rows_than_are_compared_at_once() -> None:
    images = np.concatenate([pictures(600), pictures(600)[::-1]])
    assert group_near_duplicates(images).tolist() == [*range(600), *range(599, -1, -1)]


@given(
    codes=st.lists(st.sampled_from([0, 1, 2**5 - 1, 2**9 - 1, 2**20 - 1, 2**64 - 1]), max_size=14),
    pictures=st.lists(st.integers(0, 2), min_size=14, max_size=14),
)
def test_near_prints_against_a_slow_oracle(codes: list[int], pictures: list[int]) -> None:
    """Codes that are up to 8 bits apart, and small pictures that are the same."""
    n = len(codes)
    small = np.random.default_rng(0).normal(size=(3, 16, 16)).astype(np.float32)
    small = (small - small.mean((1, 2), keepdims=True)) / small.std((1, 2), keepdims=True)
    own = np.array([(code, 2**40 - 1) for code in codes], np.uint64).reshape(n, 2)
    groups = [{i} for i in range(n)]
    for i, j in combinations(range(n), 2):
        if (codes[i] ^ codes[j]).bit_count() <= 8 and pictures[i] == pictures[j]:
            a, b = (next(group for group in groups if k in group) for k in (i, j))
            if a is not b:
                groups.remove(b)
                a |= b
    expected = [min(next(group for group in groups if i in group)) for i in range(n)]
    assert group_fingerprints(Fingerprints(own, small[pictures[:n]])).tolist() == expected


def test_many_frames_of_one_face_are_joined_part_by_part(faces: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotion.datasets.duplicates._CHUNK_PAIRS", 7)
    noise = np.random.default_rng(0).integers(-3, 4, (40, 3, 48, 48))
    frames = np.clip(faces[:3].astype(int) + noise, 0, 255).astype(np.uint8).reshape(-1, 48, 48)
    assert group_near_duplicates(frames).tolist() == [0, 1, 2] * 40


def test_of_fer2013_hardly_two_faces_are_taken_for_one(real: Dataset) -> None:
    rows = np.random.default_rng(0).permutation(len(real))[:3000]
    groups = group_near_duplicates(real.images[rows])
    near = [(i, j) for i, j in pairs_of(groups) if not (real.images[rows[i]] == real.images[rows[j]]).all()]
    assert len(near) < 60  # 2 % of the rows: mostly the same photo, saved twice


def pairs_of(groups: NDArray[np.intp]) -> Iterator[tuple[int, int]]:
    for group in np.unique(groups[np.bincount(groups)[groups] > 1]):
        yield from combinations(np.flatnonzero(groups == group).tolist(), 2)


def test_fingerprints_do_not_depend_on_the_size(faces: Picture) -> None:
    large = np.stack([cv2.resize(face, (96, 96), interpolation=cv2.INTER_CUBIC) for face in faces])
    both = Fingerprints(*(np.concatenate(pair) for pair in zip(*map(parts, (faces, large)), strict=True)))
    assert group_fingerprints(both).tolist() == [*range(20)] * 2


def parts(images: Picture) -> tuple[NDArray, NDArray]:
    prints = Fingerprints.from_images(images)
    return prints.hashes, prints.thumbnails


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.integers(0, 2)), max_size=25))
def test_duplicates_against_a_slow_oracle(rows: list[tuple[int, int, int]]) -> None:
    pool = pictures(6)
    pool[5] = 128
    which, labels, split = (np.array([row[i] for row in rows], np.int8) for i in range(3))
    data = Dataset(pool[which], labels, split)
    same = [[bool((a == b).all()) for b in data.images] for a in data.images]
    n = range(len(rows))
    assert group_duplicates(data.images).tolist() == [next(j for j in n if same[i][j]) for i in n]
    seen = [split[i] != 0 and any(same[i][j] and split[j] == 0 for j in n) for i in n]
    assert is_train_duplicate(data).tolist() == seen
    twins = [(i, j) for i, j in combinations(n, 2) if same[i][j]]
    assert duplicate_report(data) == {
        "duplicate_groups": len({which[i] for i, _ in twins}),
        "groups_with_conflicting_labels": len({which[i] for i, j in twins if labels[i] != labels[j]}),
        "validation_rows_in_train": sum(s and split[i] == 1 for i, s in enumerate(seen)),
        "test_rows_in_train": sum(s and split[i] == 2 for i, s in enumerate(seen)),
        "test_rows_in_validation": sum(split[i] == 2 and any(same[i][j] and split[j] == 1 for j in n) for i in n),
        "blank_images": int((which == 5).sum()),
    }


def test_fer2013_has_the_duplicates_that_are_known(real: Dataset) -> None:
    assert duplicate_report(real) == {
        "duplicate_groups": 1_516,
        "groups_with_conflicting_labels": 57,
        "validation_rows_in_train": 280,
        "test_rows_in_train": 288,
        "test_rows_in_validation": 44,
        "blank_images": 13,
    }
