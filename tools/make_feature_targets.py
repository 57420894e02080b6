"""Run MediaPipe's face landmarker over face crops and write what it sees: the targets of `emotion features train`.

It runs in an environment of its own (requirements.txt) and is started by `emotion features make-targets`:

    python make_feature_targets.py CROPS.npz TARGETS.npz --teacher face_landmarker.task

CROPS.npz has `wide_crops` uint8 (n, side, side), gray crops with a margin, and `margin`, the side of a wide crop in
sides of the classifier's crop in its middle. TARGETS.npz has the arrays that
`emotion.datasets.readers.feature_targets` reads.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import cv2
import mediapipe
import numpy as np
from mediapipe.tasks.python import BaseOptions
from mediapipe.tasks.python.vision import FaceLandmarker, FaceLandmarkerOptions
from numpy.typing import NDArray

# Of the mesh of 478 points, those that lie where the usual 68 do.
MESH_INDEX = (
    *(162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389),
    *(71, 63, 105, 66, 107, 336, 296, 334, 293, 301),
    *(168, 197, 5, 4, 75, 97, 2, 326, 305),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),
    *(78, 82, 13, 312, 308, 317, 14, 87),
)
MIN_CONFIDENCE = 0.1
TEACHER_SIDE = 320  # pixels of the images that the teacher reads
MAX_OFFSET = 0.3  # of the middle of the points from that of the crop, in its sides; more is another face
NUM_BLENDSHAPES = 52


class Answer(NamedTuple):
    """What the teacher sees in one crop."""

    points: NDArray[np.float32]  # (68, 2) in sides of the crop
    pose: NDArray[np.float32]  # (3,) yaw, pitch and counterclockwise roll in degrees
    blendshapes: NDArray[np.float32]  # (52,) 0 to 1
    names: list[str]


def load_teacher(path: str) -> FaceLandmarker:
    """Load the face landmarker from its .task file."""
    options = FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=path),
        output_face_blendshapes=True,
        output_facial_transformation_matrixes=True,
        num_faces=1,
        min_face_detection_confidence=MIN_CONFIDENCE,
        min_face_presence_confidence=MIN_CONFIDENCE,
    )
    return FaceLandmarker.create_from_options(options)


def ask(teacher: FaceLandmarker, wide_crop: NDArray[np.uint8], margin: float) -> Answer | None:
    """Return what the teacher sees in a gray wide crop (side, side), None where it finds no face in its middle."""
    gray = cv2.resize(wide_crop, (TEACHER_SIDE, TEACHER_SIDE), interpolation=cv2.INTER_CUBIC)
    rgb = np.ascontiguousarray(np.repeat(gray[..., None], 3, axis=2))
    seen = teacher.detect(mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=rgb))
    if not seen.face_landmarks:
        return None
    mesh = np.array([(point.x, point.y) for point in seen.face_landmarks[0]], np.float32)
    points = (mesh[list(MESH_INDEX)] - 0.5) * margin + 0.5
    if np.abs(points.mean(0) - 0.5).max() > MAX_OFFSET:
        return None
    shapes = seen.face_blendshapes[0]
    strengths = np.array([shape.score for shape in shapes], np.float32)
    return Answer(
        points,
        to_angles(seen.facial_transformation_matrixes[0][:3, :3]),
        strengths,
        [shape.category_name for shape in shapes],
    )


def to_angles(matrix: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return yaw, pitch and roll of a rotation in degrees, with the roll applied last."""
    rotation = matrix / np.linalg.norm(matrix, axis=0)
    yaw = np.arctan2(-rotation[2, 0], np.hypot(rotation[0, 0], rotation[1, 0]))
    pitch = np.arctan2(rotation[2, 1], rotation[2, 2])
    roll = np.arctan2(rotation[1, 0], rotation[0, 0])
    return np.degrees([yaw, pitch, roll]).astype(np.float32)


def make_targets(crops: NDArray[np.uint8], margin: float, teacher: FaceLandmarker) -> dict[str, NDArray]:
    """Return the arrays of the answers to all wide crops; values are NaN where no face was found."""
    count = len(crops)
    found, names = np.zeros(count, bool), [""] * NUM_BLENDSHAPES
    points = np.full((count, len(MESH_INDEX), 2), np.nan, np.float16)
    pose = np.full((count, 3), np.nan, np.float16)
    blendshapes = np.full((count, NUM_BLENDSHAPES), np.nan, np.float16)
    for index, crop in enumerate(crops):
        answer = ask(teacher, crop, margin)
        if answer is not None:
            found[index] = True
            points[index], pose[index], blendshapes[index], names = answer
        if (index + 1) % 1000 == 0:
            print(f"{index + 1} of {count} crops, a face in {found[: index + 1].mean():.1%}", flush=True)
    return {
        "found": found,
        "points": points,
        "pose": pose,
        "blendshapes": blendshapes,
        "blendshape_names": np.array(names),
    }


def main() -> None:
    """Read the crops, ask the teacher and write the targets beside what else the file of crops has."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("crops")
    parser.add_argument("targets")
    parser.add_argument("--teacher", required=True, help="face_landmarker.task")
    arguments = parser.parse_args()
    with np.load(arguments.crops, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    wide_crops, margin = arrays.pop("wide_crops"), float(arrays.pop("margin"))
    targets = make_targets(wide_crops, margin, load_teacher(arguments.teacher))
    np.savez_compressed(arguments.targets, **arrays, **targets)


if __name__ == "__main__":
    main()
