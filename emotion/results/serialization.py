"""Faces as plain values, short texts, JSON and ZIP files; `tables` has what needs pandas."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from emotion.environment import VERSION
from emotion.expressions import UNCERTAIN
from emotion.faces import Box, Face, FaceFeatures, HeadPose, Scores
from emotion.media.image_array import ImageArray
from emotion.movements import MOVEMENT_NAMES, NUM_POINTS
from emotion.results.records import FaceRecord, FeaturesRecord, FrameRecord, PhotoRecord

PROGRAM: Final = f"Emotion Studio {VERSION}"  # in the provenance of every saved result
_MAX_NAME_LENGTH: Final = 60


def face_to_dict(face: Face) -> FaceRecord:
    """Return a face as plain JSON values; box in pixels, half-open."""
    scores = dict(face.scores) if face.scores else {}
    record: FaceRecord = {
        "box": list(face.box.to_int_xyxy()),
        "detection_score": round(face.detection_score, 4),
        "label": face.label,
        "confidence": None if face.confidence is None else round(face.confidence, 4),
        "scores": {label: round(p, 4) for label, p in scores.items()},
        "uncertainty_reason": face.uncertainty_reason,
    }
    if face.features is not None:
        record["features"] = _features_to_dict(face.features)
    return record


def _features_to_dict(features: FaceFeatures) -> FeaturesRecord:
    pose = features.pose
    angles = None if pose is None else {"yaw": pose.yaw, "pitch": pose.pitch, "roll": pose.roll}
    return {
        "points": [[round(x, 1), round(y, 1)] for x, y in features.points],
        "point_errors": [round(error, 3) for error in features.point_errors],
        "pose": angles and {angle: round(degrees, 1) for angle, degrees in angles.items()},
        "movements": {name: round(value, 3) for name, value in features.movements.items()},
        "certainty": round(features.certainty, 3),
    }


def features_from_dict(record: Mapping[str, Any]) -> FaceFeatures:
    """Return the features of a record.

    Raises:
        KeyError, TypeError, ValueError: The record is none that `face_to_dict` makes.
    """
    points = np.array(record["points"], np.float64).reshape(-1, 2)
    errors = np.array(record["point_errors"], np.float64)
    pose, movements = record["pose"], record["movements"]
    numbers = [float(record["certainty"]), *map(float, (pose or {}).values()), *map(float, movements.values())]
    if len(points) not in (0, NUM_POINTS) or errors.shape != points.shape[:1]:
        raise ValueError(f"a face has {len(points)} points and {errors.size} errors")
    if not (np.isfinite(points).all() and np.isfinite(errors).all() and np.isfinite(numbers).all()):
        raise ValueError("a feature of a face is not a finite number")
    return FaceFeatures(
        points=tuple((x, y) for x, y in points.tolist()),
        point_errors=tuple(errors.tolist()),
        pose=HeadPose(**{angle: float(degrees) for angle, degrees in pose.items()}) if pose else None,
        movements={name: float(movements[name]) for name in MOVEMENT_NAMES if name in movements},
        certainty=float(record["certainty"]),
    )


def face_from_dict(record: Mapping[str, Any]) -> Face:
    """Return the face of a record of `face_to_dict` or `frame_to_dict`; it has no landmarks."""
    scores = Scores(list(record["scores"]), list(record["scores"].values())) if record["scores"] else None
    return Face(
        Box(*map(float, record["box"])),
        record["detection_score"],
        scores=scores,
        uncertainty_reason=record["uncertainty_reason"],
        track_id=record.get("track_id"),
        smoothed_label=record["label"],
        features=features_from_dict(record["features"]) if "features" in record else None,
    )


def photo_to_dict(
    file: str, width: int, height: int, faces: Sequence[Face], rotation: int = 0, reduction: int = 1
) -> PhotoRecord:
    """Return a photo and its faces as plain JSON values.

    Args:
        file: Name of the photo.
        width: Pixels of the rotated, reduced photo.
        height: Pixels of the rotated, reduced photo.
        faces: Boxes in pixels of the rotated, reduced photo.
        rotation: Degrees clockwise by which the photo was rotated to find the faces; left out for 0.
        reduction: Factor by which width and height of the file were divided; left out for 1.
    """
    record = PhotoRecord(file=file, width=width, height=height, faces=[face_to_dict(face) for face in faces])
    if rotation:
        record["rotation"] = rotation
    if reduction > 1:
        record["reduction"] = reduction
    return record


def count_expressions(faces: Sequence[Face]) -> dict[str, int]:
    """Count the displayed labels, most frequent first, unsure last."""
    counts = Counter(face.display_label for face in faces)
    return dict(sorted(counts.items(), key=lambda item: (item[0] == UNCERTAIN.name, -item[1], item[0])))


def format_counts(faces: Sequence[Face]) -> str:
    """Describe the displayed labels: "9 happy, 3 neutral, 1 unsure", or "no face"."""
    return ", ".join(f"{count} {label}" for label, count in count_expressions(faces).items()) or "no face"


def frame_to_dict(timestamp: float, faces: Sequence[Face]) -> FrameRecord:
    """Return a frame of a stream as plain JSON values."""
    return {
        "timestamp": round(timestamp, 3),
        "faces": [
            {"track_id": face.track_id, "display_label": face.display_label, **face_to_dict(face)} for face in faces
        ],
    }


def stream_to_json(provenance: Mapping[str, Any], frames: Iterable[str]) -> str:
    """Join the fields of `provenance` and "frames", JSON texts of `frame_to_dict`, into one JSON text."""
    lines = ",\n".join(frames)
    return f'{to_json(provenance).rstrip()[:-1].rstrip()}{"," if provenance else ""}\n "frames": [\n{lines}\n]}}\n'


def to_json(value: object) -> str:
    """Return JSON text with a final line break; the order of keys is kept."""
    return json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def sanitize_filename(name: str) -> str:
    """Reduce the name of an uploaded file to letters, digits, dots and dashes, 60 at most."""
    stem = re.sub(r"[^\w.-]+", "-", name.rsplit("/", 1)[-1].rsplit("\\", 1)[-1]).strip("-.")
    return stem[:_MAX_NAME_LENGTH] or "photo"


def zip_files(files: Mapping[str, bytes]) -> bytes:
    """Return a ZIP of files by name; equal files give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def crop_with_margin(image: ImageArray, face: Face, margin: float = 1.25) -> ImageArray:
    """Return the part of an image around a face for display: a view, at least 1 x 1 pixels."""
    height, width = image.shape[:2]
    x1, y1, x2, y2 = face.box.expand(margin).clip(width, height).to_int_xyxy()
    x1, y1 = min(x1, width - 1), min(y1, height - 1)
    return image[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)]
