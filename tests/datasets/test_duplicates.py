"""Equal and nearly equal images: how they are found, grouped, and kept on the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from emotion.datasets import duplicates
from emotion.datasets.dataset import Dataset
from emotion.datasets.duplicates import (
    Fingerprints,
    duplicate_report,
    group_duplicates,
    group_fingerprints,
    group_near_duplicates,
    is_train_duplicate,
    load_near_duplicates,
    near_duplicate_cache_path,
)
from emotion.media.image_array import ImageArray
from tests.training.making import random_images


def jpeg(image: ImageArray) -> ImageArray:
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], 0), np.uint8)


CHANGES: dict[str, Callable[[ImageArray], ImageArray]] = {
    "unchanged": lambda image: image.copy(),
    "saved again": jpeg,
    "smaller": lambda image: np.asarray(cv2.resize(cv2.resize(image, (24, 24)), (48, 48))),
    "brighter": lambda image: np.clip(image * 1.1 + 10, 0, 255).astype(np.uint8),
    "mirrored": lambda image: np.ascontiguousarray(image[:, ::-1]),
    "mirrored and saved again": lambda image: jpeg(np.ascontiguousarray(image[:, ::-1])),
    "with a speck": lambda image: np.where(np.arange(48 * 48).reshape(48, 48) == 700, 255, image).astype(np.uint8),
}


@pytest.fixture(scope="module")
def faces(sample: ImageArray) -> ImageArray:
    """Twenty squares of a photo, uint8 (20, 48, 48), no two of them near-duplicates."""
    gray = cv2.cvtColor(sample, cv2.COLOR_RGB2GRAY)
    corners = [(y, x) for y in (40, 130, 230, 330) for x in (20, 110, 200, 290, 390)]
    return np.stack(
        [cv2.resize(gray[y : y + 90, x : x + 90], (48, 48), interpolation=cv2.INTER_AREA) for y, x in corners]
    )


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copy_is_a_near_duplicate(faces: ImageArray, change: str) -> None:
    copies = np.stack([CHANGES[change](face) for face in faces])
    assert group_near_duplicates(np.concatenate([faces, copies])).tolist() == [*range(20)] * 2


def test_different_images_are_not_near_duplicates(faces: ImageArray) -> None:
    assert group_near_duplicates(np.concatenate([faces, random_images(60)])).tolist() == [*range(80)]


@pytest.mark.parametrize("count", [0, 1])
def test_no_or_one_image_is_grouped(count: int) -> None:
    assert group_near_duplicates(random_images(3)[:count]).tolist() == [*range(count)]


def test_blank_images_are_grouped_only_by_equal_gray() -> None:
    blank = np.stack([np.full((48, 48), gray, np.uint8) for gray in (0, 7, 0, 255)])
    assert group_near_duplicates(blank).tolist() == [0, 1, 0, 3]


def test_more_images_than_one_chunk_are_compared() -> None:
    images = np.concatenate([random_images(600), random_images(600)[::-1]])
    assert group_near_duplicates(images).tolist() == [*range(600), *range(599, -1, -1)]


@given(
    hashes=st.lists(st.sampled_from([0, 1, 2**5 - 1, 2**9 - 1, 2**20 - 1, 2**64 - 1]), max_size=14),
    thumbnail_index=st.lists(st.integers(0, 2), min_size=14, max_size=14),
)
def test_groups_of_fingerprints_equal_a_slow_oracle(hashes: list[int], thumbnail_index: list[int]) -> None:
    """Near are hashes that differ in up to 8 bits, with equal thumbnails."""
    n = len(hashes)
    thumbnails = np.random.default_rng(0).normal(size=(3, 16, 16)).astype(np.float32)
    thumbnails -= thumbnails.mean((1, 2), keepdims=True)
    thumbnails /= thumbnails.std((1, 2), keepdims=True)
    pairs = np.array([(value, 2**40 - 1) for value in hashes], np.uint64).reshape(n, 2)
    groups = [{i} for i in range(n)]
    for i, j in combinations(range(n), 2):
        if (hashes[i] ^ hashes[j]).bit_count() <= 8 and thumbnail_index[i] == thumbnail_index[j]:
            a, b = (next(group for group in groups if k in group) for k in (i, j))
            if a is not b:
                groups.remove(b)
                a |= b
    expected = [min(next(group for group in groups if i in group)) for i in range(n)]
    assert group_fingerprints(Fingerprints(pairs, thumbnails[thumbnail_index[:n]])).tolist() == expected


def test_many_frames_of_one_face_are_joined_in_chunks(faces: ImageArray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotion.datasets.duplicates.CHUNK_PAIRS", 7)
    noise = np.random.default_rng(0).integers(-3, 4, (40, 3, 48, 48))
    frames = np.clip(faces[:3].astype(int) + noise, 0, 255).astype(np.uint8).reshape(-1, 48, 48)
    assert group_near_duplicates(frames).tolist() == [0, 1, 2] * 40


@pytest.mark.slow
def test_few_faces_of_fer2013_are_near_duplicates(real: Dataset) -> None:
    rows = np.random.default_rng(0).permutation(len(real))[:3000]
    groups = group_near_duplicates(real.images[rows])
    near = [(i, j) for i, j in list_pairs(groups) if not (real.images[rows[i]] == real.images[rows[j]]).all()]
    assert len(near) < 60  # 2% of the rows, mostly one photo saved twice


def list_pairs(groups: NDArray[np.intp]) -> Iterator[tuple[int, int]]:
    for group in np.unique(groups[np.bincount(groups)[groups] > 1]):
        yield from combinations(np.flatnonzero(groups == group).tolist(), 2)


def test_fingerprints_do_not_depend_on_the_size(faces: ImageArray) -> None:
    large = np.stack([cv2.resize(face, (96, 96), interpolation=cv2.INTER_CUBIC) for face in faces])
    both = Fingerprints.concatenate([Fingerprints.from_images(images) for images in (faces, large)])
    assert group_fingerprints(both).tolist() == [*range(20)] * 2


@given(rows=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.integers(0, 2)), max_size=25))
def test_duplicate_report_equals_a_slow_oracle(rows: list[tuple[int, int, int]]) -> None:
    pool = random_images(6)
    pool[5] = 128
    image_index, labels, split = (np.array([row[i] for row in rows], np.int8) for i in range(3))
    data = Dataset(pool[image_index], labels, split)
    equal = [[bool((a == b).all()) for b in data.images] for a in data.images]
    n = range(len(rows))
    assert group_duplicates(data.images).tolist() == [next(j for j in n if equal[i][j]) for i in n]
    in_train = [split[i] != 0 and any(equal[i][j] and split[j] == 0 for j in n) for i in n]
    assert is_train_duplicate(data).tolist() == in_train
    pairs = [(i, j) for i, j in combinations(n, 2) if equal[i][j]]
    assert duplicate_report(data) == {
        "duplicate_groups": len({image_index[i] for i, _ in pairs}),
        "groups_with_conflicting_labels": len({image_index[i] for i, j in pairs if labels[i] != labels[j]}),
        "validation_rows_in_train": sum(s and split[i] == 1 for i, s in enumerate(in_train)),
        "test_rows_in_train": sum(s and split[i] == 2 for i, s in enumerate(in_train)),
        "test_rows_in_validation": sum(split[i] == 2 and any(equal[i][j] and split[j] == 1 for j in n) for i in n),
        "blank_images": int((image_index == 5).sum()),
    }


@pytest.mark.slow
def test_fer2013_has_the_known_duplicates(real: Dataset) -> None:
    assert duplicate_report(real) == {
        "duplicate_groups": 1_516,
        "groups_with_conflicting_labels": 57,
        "validation_rows_in_train": 280,
        "test_rows_in_train": 288,
        "test_rows_in_validation": 44,
        "blank_images": 13,
    }


def test_groups_are_read_from_the_file_beside_the_data_set(
    tmp_path: Path, faces: ImageArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = np.concatenate([faces, faces[::-1]])
    expected = group_near_duplicates(images)
    np.testing.assert_array_equal(load_near_duplicates(tmp_path / "set", images), expected)
    assert [path.name for path in tmp_path.iterdir()] == [".set.near-duplicates.npz"]
    with monkeypatch.context() as patch:
        patch.setattr(duplicates, "group_near_duplicates", lambda _: pytest.fail("the groups were computed again"))
        np.testing.assert_array_equal(load_near_duplicates(tmp_path / "set", images), expected)


def test_groups_of_changed_images_are_computed_again(tmp_path: Path, faces: ImageArray) -> None:
    load_near_duplicates(tmp_path / "set", np.concatenate([faces, faces]))
    for images in (faces, np.concatenate([faces, faces[::-1]]), faces[:0]):
        np.testing.assert_array_equal(load_near_duplicates(tmp_path / "set", images), group_near_duplicates(images))


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04", None])
def test_damaged_file_of_groups_is_replaced(tmp_path: Path, faces: ImageArray, content: bytes | None) -> None:
    path = near_duplicate_cache_path(tmp_path / "set")
    if content is None:
        np.savez(path, groups=np.zeros(len(faces)))
    else:
        path.write_bytes(content)
    for _ in range(2):
        assert load_near_duplicates(tmp_path / "set", faces).tolist() == [*range(20)]
    with np.load(path) as file:
        assert file["groups"].tolist() == [*range(20)]


def test_groups_are_returned_where_nothing_can_be_saved(tmp_path: Path, faces: ImageArray) -> None:
    assert load_near_duplicates(tmp_path / "missing" / "set", faces).tolist() == [*range(20)]
    assert list(tmp_path.iterdir()) == []
