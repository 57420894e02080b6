"""Videos as an analysis leaves them, made of drawn frames."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from emotion.faces import Box, Face
from emotion.media.video_writer import VideoWriter
from emotion.recognition.classification import Prediction
from emotion.video.settings import VideoSettings

RATE = 10  # frames a second
PLACES = [Box(10 + 60 * i, 20, 50 + 60 * i, 60) for i in range(3)]


def level(image: NDArray[np.uint8]) -> int:
    """Return the index of a frame of `write_video`."""
    return round((float(image[-8:].mean()) - 20) / 5)


def write_video(path: Path, frames: int = 40) -> Path:
    """Write four seconds: each frame is a little brighter than the one before it, with stripes in place of faces."""
    with VideoWriter(path, 200, 80) as video:
        for i in range(frames):
            image = np.full((80, 200, 3), 20 + 5 * i, np.uint8)
            image[:64, ::8] += 30
            video.write(image, i / RATE)
    return path


def find_faces(image: NDArray[np.uint8]) -> list[Face]:
    """Return one face in every frame, and two more from second 1 to second 3."""
    return [Face(box, 0.9) for box in (PLACES if 10 <= level(image) < 30 else PLACES[:1])]


class BrightnessClassifier:
    """Predicts happy for dark crops and sad for bright ones."""

    input_size = 48
    head_names = ("ferplus", "fer2013")

    def __init__(self, make_scores: Callable[..., Any]) -> None:
        self._scores = make_scores

    def predict(self, crops: NDArray[np.uint8], head: str | None = None) -> tuple[Prediction, ...]:
        return tuple(Prediction(self._scores("sad" if crop.mean() > 120 else "happy", 0.9), 1.0) for crop in crops)


def make_provenance(detector: str, settings: VideoSettings) -> dict[str, Any]:
    models = {"model": {"name": "tiny", "sha256": "0" * 64}, "detector": {"name": detector, "sha256": None}}
    return {"program": "test", **models, "settings": asdict(settings)}


def running(folder: Path, text: str = "0:01 of 0:04, 1 face", done: float = 10, total: float = 40) -> None:
    """The video counts as being read, by this process."""
    me = psutil.Process()
    state = {"status": "running", "pid": os.getpid(), "process_started_at": me.create_time(), "error": None}
    (folder / "state.json").write_text(json.dumps(state))
    progress = {
        "done": done,
        "total": total,
        "message": text,
        "started_at": time.time(),
        "updated_at": time.time(),
        "seconds_left": 12.4,
    }
    (folder / "progress.json").write_text(json.dumps(progress))
