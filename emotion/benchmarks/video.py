"""How many times faster than it plays a film is read, and how much memory that takes."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.benchmarks.steps import SAMPLE, run_measured
from emotion.media.image_reader import read_image
from emotion.media.video_writer import FilmWriter
from emotion.recognition.detector_factory import available_detectors

FPS: Final = 30
# Width and height, faces, and the words of the command line that say how many frames are looked at.
CASES: Final = (
    ((640, 360), 1, ("--every", "1")),
    ((640, 360), 1, ("--fast",)),
    ((1920, 1080), 4, ("--every", "1")),
    ((1920, 1080), 4, ("--every", "3")),
    ((1920, 1080), 4, ("--fast",)),
)
_HEAD: Final = (140, 20, 170, 200)  # x, y, width, height of the head in the sample

Picture = NDArray[np.uint8]


def bench_films(seconds: float = 20.0, model: Path | None = None) -> list[dict[str, Any]]:
    """Rows of `what`, `detector`, `size`, `faces`, `mode`, `times_real_time`, `megabytes` (peak of the process).

    Films of 30 frames a second in which faces sway are read by `analyze` in a process of its own, from decoding to
    the film with labels; the start of that process does not count.
    """
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for size, faces, words in CASES:
            film = Path(folder) / f"{size[0]}-{faces}.mp4"
            if not film.exists():
                write_film(film, size, faces, seconds)
            for detector in available_detectors():
                rows.append(_row(film, Path(folder) / f"out-{len(rows)}", size, faces, words, detector, model))
    return rows


def _row(
    film: Path, out: Path, size: tuple[int, int], faces: int, words: tuple[str, ...], detector: str, model: Path | None
) -> dict[str, Any]:
    arguments = ["analyze", str(film), "--out", str(out), "--json", "--detector", detector, *words]
    said, memory = run_measured([*arguments, *(("--model", str(model)) if model else ())])
    told = json.loads(said)
    return {
        "what": "film",
        "detector": detector,
        "size": f"{size[0]}x{size[1]}",
        "faces": faces,
        "mode": " ".join(words).strip("-"),
        "times_real_time": round((told["seconds"] + 1 / FPS) / told["took"], 2),
        **memory,
    }


def write_film(path: Path, size: tuple[int, int], faces: int, seconds: float) -> None:
    """A film of that width and height in which as many faces sway, side by side, on an uneven ground."""
    width, height = size
    x, y, w, h = _HEAD
    tall = round(height * 0.6 / math.sqrt(faces))
    head = cv2.resize(read_image(SAMPLE)[y : y + h, x : x + w], (round(tall * w / h), tall))
    ground = np.add.outer(np.linspace(40, 120, height), np.linspace(0, 60, width)).astype(np.uint8)
    with FilmWriter(path, width, height) as film:
        for i in range(round(seconds * FPS)):
            film.write(_picture(np.dstack([ground] * 3), head, faces, i / FPS), i / FPS)  # type: ignore[arg-type]


def _picture(image: Picture, head: Any, faces: int, seconds: float) -> Picture:
    height, width = image.shape[:2]
    tall, wide = head.shape[:2]
    for place in range(faces):
        sway = math.sin(2 * math.pi * (seconds / 3 + place / faces))
        left = round(width * (place + 0.5) / faces - wide / 2 + sway * width / faces / 8)
        top = round((height - tall) * (0.5 + 0.3 * math.cos(2 * math.pi * (seconds / 4 + place / faces))))
        image[top : top + tall, left : left + wide] = head
    return image
