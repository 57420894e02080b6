"""The order of faces and photos: by label, confidence and size."""

from __future__ import annotations

from typing import Any

import pytest

from emotion.faces import Box, Face, Scores
from emotion.results.photo_order import list_faces, list_photos
from emotion.results.photos import Photo


def make_photo(*faces: tuple[str, float, float]) -> Photo:
    """A photo with faces of a label, a confidence and a side in pixels."""
    analysis: Any = None
    return Photo(
        "photo.jpg",
        b"",
        analysis,
        tuple(
            Face(Box(0, 0, side, side), 1.0, scores=Scores((label, "neutral", "fear"), (p, (1 - p) / 2, (1 - p) / 2)))
            for label, p, side in faces
        ),
    )


@pytest.fixture
def photos() -> list[Photo]:
    return [
        make_photo(("happy", 0.6, 50), ("sad", 0.9, 20)),
        make_photo(),
        make_photo(("happy", 0.8, 30)),
    ]


def test_all_faces_in_the_order_of_their_photos(photos: list[Photo]) -> None:
    assert list_faces(photos, (), "added") == [(1, 1), (1, 2), (3, 1)]


def test_faces_of_a_label(photos: list[Photo]) -> None:
    assert list_faces(photos, ("happy",), "added") == [(1, 1), (3, 1)]
    assert list_faces(photos, ("surprise",), "added") == []


def test_most_certain_and_largest_faces_come_first(photos: list[Photo]) -> None:
    assert list_faces(photos, (), "confidence") == [(1, 2), (3, 1), (1, 1)]
    assert list_faces(photos, (), "size") == [(1, 1), (3, 1), (1, 2)]


def test_photos_are_sorted_by_their_first_face(photos: list[Photo]) -> None:
    assert list_photos(photos, (), "added") == [(1, 1), (2, 1), (3, 1)]
    assert list_photos(photos, (), "confidence") == [(1, 2), (3, 1), (2, 1)]
    assert list_photos(photos, ("happy",), "confidence") == [(3, 1), (1, 1)]
    assert list_photos(photos, ("sad",), "added") == [(1, 2)]
