"""Crops for a teacher of facial features."""

from __future__ import annotations

import numpy as np
import pytest

from emotion.datasets.feature_crops import CROP_SIDE, MARGIN, MIN_CROP_SIDE, crop_fer2013, crop_photos
from emotion.errors import DataError
from emotion.faces import Box, Face
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.cropping import CropGeometry
from tests.training.making import annotated_photo, random_images


class FixedAnalyzer:
    """Finds one face of `side` pixels in each image."""

    class detector:
        crop_geometry = CropGeometry()

    def __init__(self, side: float) -> None:
        self._face = Face(Box(10, 10, 10 + side, 10 + side), 0.9)

    def analyze(self, image: object, settings: object) -> tuple[Face, ...]:
        return (self._face,)


def test_a_small_face_gets_its_border_repeated() -> None:
    arrays = crop_fer2013(random_images(2))
    wide, margin = arrays["wide_crops"], float(arrays["margin"])
    side = round(wide.shape[1] / margin)
    border = (wide.shape[1] - side) // 2
    assert margin == pytest.approx(MARGIN, abs=0.02)
    assert (wide[:, :border, border:-border] == wide[:, border : border + 1, border:-border]).all()


def test_photos_give_the_crop_of_the_classifier_and_a_wider_one() -> None:
    photos = [annotated_photo(f"{index}.jpg", size_wh=(160, 120)) for index in range(3)]
    arrays = crop_photos(photos, FixedAnalyzer(80))  # type: ignore[arg-type]
    assert arrays["crops"].shape == (3, CROP_SIDE, CROP_SIDE)
    assert arrays["wide_crops"].shape[1] == round(CROP_SIDE * float(arrays["margin"]))
    assert arrays["photo"].tolist() == ["0.jpg", "1.jpg", "2.jpg"]
    edge = (arrays["wide_crops"].shape[1] - CROP_SIDE) // 2
    middle = arrays["wide_crops"][:, edge:-edge, edge:-edge].astype(int)
    assert np.abs(middle - arrays["crops"]).max() <= 1


def test_photos_with_small_faces_only_are_refused() -> None:
    small: Analyzer = FixedAnalyzer(MIN_CROP_SIDE - 1)  # type: ignore[assignment]
    with pytest.raises(DataError, match="No photo shows a face whose crop has 52 pixels"):
        crop_photos([annotated_photo("a.jpg")], small)
