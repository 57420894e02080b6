"""Cut the face crops that a teacher of facial features looks at, from FER-2013 or from photos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.datasets.readers.detection_dataset import AnnotatedImage
from emotion.errors import DataError
from emotion.faces import Face
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.cropping import CropGeometry, crop_square, get_roll_correction, to_gray
from emotion.recognition.settings import AnalyzerSettings
from emotion.storage import atomic_path

MARGIN: Final = 1.7  # side of a wide crop in sides of the classifier's crop: the teacher needs the whole head
CROP_SIDE: Final = 160  # pixels
MIN_CROP_SIDE: Final = 52.0  # pixels of the photo; FER-2013 has smaller faces
_BORDER_SHARE: Final = (MARGIN - 1) / 2  # of a wide crop on each side, in sides of the crop
_DETECTION_THRESHOLD: Final = 0.7  # a little above the default: a target is worth more than one more face


def crop_fer2013(images: NDArray[np.uint8]) -> dict[str, NDArray]:
    """Return the arrays of the file of crops for FER-2013: its images with their border repeated.

    Args:
        images: Gray uint8 (n, side, side).
    """
    side = round(CROP_SIDE / MARGIN)
    border = round(_BORDER_SHARE * side)
    wide = [
        cv2.copyMakeBorder(
            cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC),
            border,
            border,
            border,
            border,
            cv2.BORDER_REPLICATE,
        )
        for image in images
    ]
    return {"wide_crops": np.stack(wide).astype(np.uint8), "margin": np.array((side + 2 * border) / side)}


def crop_photos(photos: Sequence[AnnotatedImage], analyzer: Analyzer) -> dict[str, NDArray]:
    """Return the arrays of the file of crops for photos: every face that the analyzer finds and that is large enough.

    Args:
        photos: The photos; their annotated boxes are not used, since a crop is cut as it is cut later.
        analyzer: The detector and the classifier that confirms its faces.

    Raises:
        DataError: There is no face of `MIN_CROP_SIDE` pixels.
    """
    settings = AnalyzerSettings(detection_threshold=_DETECTION_THRESHOLD)
    geometry = analyzer.detector.crop_geometry
    found = [(photo, face) for photo in photos for face in analyzer.analyze(photo.image, settings)]
    large = [(photo, face) for photo, face in found if geometry.to_square(face.box).width >= MIN_CROP_SIDE]
    if not large:
        raise DataError(f"No photo shows a face whose crop has {MIN_CROP_SIDE:.0f} pixels; give larger photos.")
    wide = np.stack([_cut(photo, face, geometry, MARGIN) for photo, face in large])
    return {
        "wide_crops": wide,
        "margin": np.array(MARGIN),
        "crops": np.stack([_cut(photo, face, geometry, 1.0) for photo, face in large]),
        "photo": np.array([photo.name for photo, _ in large]),
        "side": np.array([geometry.to_square(face.box).width for _, face in large], np.float32),
    }


def _cut(photo: AnnotatedImage, face: Face, geometry: CropGeometry, margin: float) -> NDArray[np.uint8]:
    square = geometry.to_square(face.box).expand(margin)
    return crop_square(to_gray(photo.image), square, round(CROP_SIDE * margin), get_roll_correction(face.landmarks))


def write_crops(path: Path, arrays: Mapping[str, NDArray]) -> None:
    """Write a file of crops."""
    with atomic_path(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
