"""Large faces: which faces of photos are cut, and how."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from emotion.datasets.readers.detection_dataset import AnnotatedImage
from emotion.errors import DataError
from emotion.generation.upscaling.faces import cut_large_faces
from emotion.recognition.cropping import CropGeometry
from tests.training.making import annotated_photo

GEOMETRY = CropGeometry(scale=1.0)


def make_photos(count: int = 60) -> list[AnnotatedImage]:
    """Return photos of one face, of which at least one is in the validation split."""
    photos = [annotated_photo(f"{i}.png", seed=i, size_wh=(320, 320)) for i in range(count)]
    assert 0 < sum(photo.is_validation for photo in photos) < count // 4
    return photos


def test_every_large_face_is_cut_in_its_split() -> None:
    photos = make_photos()
    faces = cut_large_faces(photos, GEOMETRY, 144)
    num_validation = sum(photo.is_validation for photo in photos)
    assert faces.training.shape == (60 - num_validation, 192, 192)
    assert faces.validation.shape == (num_validation, 192, 192)
    assert faces.training.dtype == np.uint8


def test_small_faces_are_left_out() -> None:
    sides = [np.sqrt(np.prod(photo.boxes[0, 2:] - photo.boxes[0, :2])) for photo in make_photos()]
    limit = round(float(np.median(sides)))
    faces = cut_large_faces(make_photos(), GEOMETRY, limit)
    assert len(faces.training) + len(faces.validation) == sum(side >= limit for side in sides)


def test_faces_without_landmarks_are_left_out() -> None:
    photos = make_photos()
    photos[0] = replace(photos[0], landmarks=np.full((1, 5, 2), np.nan, np.float32))
    faces = cut_large_faces(photos, GEOMETRY, 144)
    assert len(faces.training) + len(faces.validation) == 59


def test_photos_without_a_large_face_are_refused() -> None:
    with pytest.raises(DataError, match="have 0 training and 0 validation faces with landmarks and 400 pixels"):
        cut_large_faces(make_photos(), GEOMETRY, 400)
