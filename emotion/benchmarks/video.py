"""How many times faster than it plays a film is read, and how much memory that takes."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from emotion.benchmarks.steps import SAMPLE_IMAGE, run_with_peak_memory
from emotion.media.image_array import ImageArray
from emotion.media.image_reader import read_image
from emotion.media.video_writer import VideoWriter
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
_HEAD_BOX: Final = (140, 20, 170, 200)  # x, y, width, height of the head in the sample


def benchmark_videos(duration: float = 20.0, model: Path | None = None) -> list[dict[str, Any]]:
    """Rows of `step`, `detector`, `size`, `num_faces`, `mode`, `realtime_factor`, `memory_mb` (peak of the process).

    Films of 30 frames a second in which faces sway are read by `analyze` in a process of its own, from decoding to
    the film with labels; the start of that process does not count.
    """
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for size, faces, words in CASES:
            film = Path(folder) / f"{size[0]}-{faces}.mp4"
            if not film.exists():
                write_video(film, size, faces, duration)
            for detector in available_detectors():
                rows.append(_measure_case(film, Path(folder) / f"out-{len(rows)}", size, faces, words, detector, model))
    return rows


def _measure_case(
    video_path: Path,
    output_folder: Path,
    size: tuple[int, int],
    num_faces: int,
    cli_options: tuple[str, ...],
    detector: str,
    model: Path | None,
) -> dict[str, Any]:
    arguments = [
        "analyze",
        str(video_path),
        "--out",
        str(output_folder),
        "--json",
        "--detector",
        detector,
        *cli_options,
    ]
    said, memory = run_with_peak_memory([*arguments, *(("--model", str(model)) if model else ())])
    told = json.loads(said)
    return {
        "step": "video",
        "detector": detector,
        "size": f"{size[0]}x{size[1]}",
        "num_faces": num_faces,
        "mode": " ".join(cli_options).strip("-"),
        "realtime_factor": round((told["last_timestamp"] + 1 / FPS) / told["elapsed_seconds"], 2),
        **memory,
    }


def write_video(path: Path, size: tuple[int, int], num_faces: int, duration: float) -> None:
    """A film of that width and height in which as many faces sway, side by side, on an uneven ground."""
    width, height = size
    x, y, w, h = _HEAD_BOX
    tall = round(height * 0.6 / math.sqrt(num_faces))
    head = cv2.resize(read_image(SAMPLE_IMAGE)[y : y + h, x : x + w], (round(tall * w / h), tall))
    ground = np.add.outer(np.linspace(40, 120, height), np.linspace(0, 60, width)).astype(np.uint8)
    with VideoWriter(path, width, height) as film:
        for i in range(round(duration * FPS)):
            film.write(_draw_heads(np.dstack([ground] * 3), head, num_faces, i / FPS), i / FPS)  # type: ignore[arg-type]


def _draw_heads(image: ImageArray, head: Any, num_faces: int, timestamp: float) -> ImageArray:
    height, width = image.shape[:2]
    tall, wide = head.shape[:2]
    for place in range(num_faces):
        sway = math.sin(2 * math.pi * (timestamp / 3 + place / num_faces))
        left = round(width * (place + 0.5) / num_faces - wide / 2 + sway * width / num_faces / 8)
        top = round((height - tall) * (0.5 + 0.3 * math.cos(2 * math.pi * (timestamp / 4 + place / num_faces))))
        image[top : top + tall, left : left + wide] = head
    return image
