"""Small videos of gray squares, and fake models for them: bright squares are happy, dark ones sad."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.expressions import FERPLUS_LABELS
from emotion.faces import Box, Face, FaceFeatures, HeadPose, Scores
from emotion.media.video_reader import VideoInfo
from emotion.media.video_writer import VideoWriter
from emotion.model_store.store import ModelBundle
from emotion.movements import MOVEMENT_NAMES, NUM_POINTS
from emotion.recognition.classification import Prediction
from emotion.results.serialization import face_to_dict

HAPPY, SAD, UNSURE = 230, 130, 180  # gray levels
SIZE = (240, 180)  # width, height
ImageArray = NDArray[np.uint8]
VIDEO_INFO = VideoInfo(*SIZE, 60.0, 10.0, None, "h264", "mp4", 0, False)


class Square(NamedTuple):
    """A face: its position, size and gray level."""

    x: int = 40
    y: int = 30
    side: int = 40
    gray: int = HAPPY


def draw_scene(squares: Sequence[Square], size: tuple[int, int] = SIZE) -> ImageArray:
    image = np.full((size[1], size[0], 3), 24, np.uint8)
    for square in squares:
        image[square.y : square.y + square.side, square.x : square.x + square.side] = square.gray
    return image


def make_video(
    path: Path,
    squares_at: Callable[[float], Sequence[Square]],
    seconds: float = 2.0,
    fps: int = 10,
    size: tuple[int, int] = SIZE,
) -> Path:
    with VideoWriter(path, *size) as writer:
        for i in range(round(seconds * fps)):
            writer.write(draw_scene(squares_at(i / fps), size), i / fps)
    return path


def find_squares(image: ImageArray) -> list[Face]:
    """Return the squares of an image as faces."""
    mask = (image.mean(axis=2) > 70).astype(np.uint8)
    stats = cv2.connectedComponentsWithStats(mask)[2][1:]
    return [Face(Box(x, y, x + w, y + h), 0.95) for x, y, w, h, area in stats.tolist() if area > 100]


class FakeClassifier:
    """Predicts "happy" from gray level 205, "sad" below 155, and equal scores of both between them."""

    input_size = 48
    head_names = ("ferplus",)

    def __init__(self, bundle: ModelBundle) -> None:
        self.bundle = bundle

    def predict(self, crops: NDArray[np.uint8], head: str | None = None) -> tuple[Prediction, ...]:
        return tuple(Prediction(_scores(float(crop[20:28, 20:28].mean())), 0.99) for crop in crops)


def _scores(gray: float) -> Scores:
    values = dict.fromkeys(FERPLUS_LABELS, 0.01)
    happy_score = 0.9 if gray >= 205 else 0.04 if gray < 155 else 0.47
    values |= {"happy": happy_score, "sad": 0.94 - happy_score}
    return Scores(list(values), list(values.values()))


def make_line(
    index: int, seconds: float, *faces: tuple[int, str], box: tuple[int, int, int, int] = (0, 0, 40, 40)
) -> str:
    """Return a line of frames.jsonl; `faces` are (track_id, display_label)."""
    return json.dumps(
        {
            "index": index,
            "timestamp": seconds,
            "faces": [
                {
                    "track_id": track_id,
                    "display_label": display_label,
                    "box": list(box),
                    "detection_score": 0.9,
                    "label": "sad" if display_label == "unsure" else display_label,
                    "confidence": 0.4 if display_label == "unsure" else 0.8,
                    "scores": dict.fromkeys(FERPLUS_LABELS, 0.0) | {"happy": 0.1, "sad": 0.1, display_label: 0.8}
                    if display_label != "unsure"
                    else dict.fromkeys(FERPLUS_LABELS, 0.125),
                    "uncertainty_reason": "dark" if display_label == "unsure" else None,
                }
                for track_id, display_label in faces
            ],
        }
    )


def make_feature_face(face: Face, smile: float = 0.5, *, is_known: bool = True) -> Face:
    """Return a face with 68 points on a circle in its box; pose and movements are withheld unless `is_known`."""
    (x, y), radius = face.box.center, face.box.width / 2
    angles = np.linspace(0, 2 * np.pi, NUM_POINTS, endpoint=False)
    points = np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)
    movements = dict.fromkeys(MOVEMENT_NAMES, 0.1) | {"mouthSmileLeft": smile, "mouthSmileRight": smile}
    features = FaceFeatures(
        points=tuple((float(x), float(y)) for x, y in points),
        point_errors=(0.05,) * NUM_POINTS,
        pose=HeadPose(10, -5, 2) if is_known else None,
        movements=movements if is_known else {},
        certainty=0.9 if is_known else 0.2,
    )
    return replace(face, features=features)


def add_features(line: str, *smiles: float | None) -> str:
    """Return a line of frames.jsonl whose faces have features with these smiles; None withholds the movements."""
    frame = json.loads(line)
    for face, smile in zip(frame["faces"], smiles, strict=True):
        full = make_feature_face(Face(Box(*face["box"]), 0.9), smile or 0.0, is_known=smile is not None)
        face["features"] = face_to_dict(full)["features"]
    return json.dumps(frame)


def write_frame_lines(folder: Path, *lines: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "frames.jsonl").write_text("".join(f"{line_text}\n" for line_text in lines), encoding="utf-8")
