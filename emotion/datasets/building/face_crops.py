"""Crop the labeled face of a photo as the application crops it."""

from __future__ import annotations

from typing import Final

from emotion.datasets.building.config import DatasetBuildConfig
from emotion.datasets.building.rejections import RejectionError
from emotion.datasets.dataset import is_blank
from emotion.datasets.readers.image_folders import center_crop
from emotion.faces import Face
from emotion.media.image_array import ImageArray
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.cropping import crop_faces, to_gray
from emotion.recognition.settings import AnalyzerSettings

# A photo shows several people where a second face has at least this share of the side of the largest: smaller ones
# are passers-by in the background, and the label is about the person in front.
_MIN_RELATIVE_SIDE: Final = 0.5


def crop_labeled_face(
    image: ImageArray, analyzer: Analyzer | None, config: DatasetBuildConfig
) -> tuple[ImageArray, Face | None]:
    """Crop the face of a photo that its label describes.

    Args:
        image: RGB uint8 (H, W, 3).
        analyzer: Finds the faces; None where the photo is a cropped face.
        config: The settings of the build.

    Returns:
        The crop, gray uint8 (size, size), and the face, None without an analyzer.

    Raises:
        RejectionError: The photo gives no usable face.
    """
    if analyzer is None:
        _check_side(min(image.shape[:2]), "The photo", config)
        crop, face = center_crop(to_gray(image), config.size), None
    else:
        settings = AnalyzerSettings(detection_threshold=config.detection_threshold, min_confidence=0.0)
        upright = analyzer.analyze_any_orientation(image, settings)
        face = _select_face(upright.faces, config)
        crop = crop_faces(to_gray(upright.image), (face,), analyzer.detector.crop_geometry, config.size)[0]
    if is_blank(crop[None])[0]:
        raise RejectionError("blank", "The face is a single shade of gray.")
    return crop, face


def _select_face(faces: tuple[Face, ...], config: DatasetBuildConfig) -> Face:
    if not faces:
        raise RejectionError("no face", "No face was found in any orientation.")
    face = max(faces, key=lambda face: face.box.area)
    side = face.box.area**0.5
    if config.multi_face_policy == "none":
        count = sum(other.box.area**0.5 >= _MIN_RELATIVE_SIDE * side for other in faces)
        if count > 1:
            raise RejectionError("several faces", f"The photo shows {count} faces; the label fits only one.")
    _check_side(side, "The face", config)
    return face


def _check_side(side: float, name: str, config: DatasetBuildConfig) -> None:
    if side < config.min_face_px:
        raise RejectionError("too small", f"{name} has {side:.0f} pixels; the minimum is {config.min_face_px}.")
