"""Small films of grey squares, and a detector and a classifier that take them for faces: bright ones are happy,
dull ones sad."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.expressions import FERPLUS_LABELS
from emotion.faces import Box, Face, Scores
from emotion.media.video_writer import VideoWriter
from emotion.model_store.store import ModelBundle
from emotion.recognition.classification import Prediction

HAPPY, SAD, UNSURE = 230, 130, 180  # grey levels
SIZE = (240, 180)  # width, height
Picture = NDArray[np.uint8]


class Square(NamedTuple):
    """Where a face is, and its grey level."""

    x: int = 40
    y: int = 30
    side: int = 40
    grey: int = HAPPY


def paint(squares: Sequence[Square], size: tuple[int, int] = SIZE) -> Picture:
    image = np.full((size[1], size[0], 3), 24, np.uint8)
    for square in squares:
        image[square.y : square.y + square.side, square.x : square.x + square.side] = square.grey
    return image


def make_film(
    path: Path,
    at: Callable[[float], Sequence[Square]],
    seconds: float = 2.0,
    rate: int = 10,
    size: tuple[int, int] = SIZE,
) -> Path:
    with VideoWriter(path, *size) as film:
        for i in range(round(seconds * rate)):
            film.write(paint(at(i / rate), size), i / rate)
    return path


def see(image: Picture) -> list[Face]:
    """The squares of a picture."""
    bright = (image.mean(axis=2) > 70).astype(np.uint8)
    stats = cv2.connectedComponentsWithStats(bright)[2][1:]
    return [Face(Box(x, y, x + w, y + h), 0.95) for x, y, w, h, area in stats.tolist() if area > 100]


class Reader:
    """Happy from grey 205 on, sad below 155, and between them it does not know."""

    input_size = 48
    head_names = ("ferplus",)

    def __init__(self, bundle: ModelBundle) -> None:
        self.bundle = bundle

    def predict(self, crops: NDArray[np.uint8], head: str | None = None) -> tuple[Prediction, ...]:
        return tuple(Prediction(_scores(float(crop[20:28, 20:28].mean())), 0.99) for crop in crops)


def _scores(grey: float) -> Scores:
    values = dict.fromkeys(FERPLUS_LABELS, 0.01)
    share = 0.9 if grey >= 205 else 0.04 if grey < 155 else 0.47
    values |= {"happy": share, "sad": 0.94 - share}
    return Scores(list(values), list(values.values()))


def line(index: int, seconds: float, *faces: tuple[int, str], box: tuple[int, int, int, int] = (0, 0, 40, 40)) -> str:
    """A line of frames.jsonl: `faces` are (track_id, display_label)."""
    return json.dumps(
        {
            "index": index,
            "timestamp": seconds,
            "faces": [
                {
                    "track_id": track,
                    "display_label": shown,
                    "box": list(box),
                    "detection_score": 0.9,
                    "label": "sad" if shown == "unsure" else shown,
                    "confidence": 0.4 if shown == "unsure" else 0.8,
                    "scores": dict.fromkeys(FERPLUS_LABELS, 0.0) | {"happy": 0.1, "sad": 0.1, shown: 0.8}
                    if shown != "unsure"
                    else dict.fromkeys(FERPLUS_LABELS, 0.125),
                    "uncertainty_reason": "dark" if shown == "unsure" else None,
                }
                for track, shown in faces
            ],
        }
    )


def write_lines(folder: Path, *lines: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "frames.jsonl").write_text("".join(f"{one}\n" for one in lines), encoding="utf-8")
