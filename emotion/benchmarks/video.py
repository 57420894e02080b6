"""Benchmark of video analysis: speed relative to real time, and peak memory."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, NotRequired, TypedDict

import cv2
import numpy as np

from emotion.benchmarks.steps import run_with_peak_memory
from emotion.demo.sample_image import SAMPLE_IMAGE
from emotion.media.image_array import ImageArray
from emotion.media.image_reader import read_image
from emotion.media.video_writer import VideoWriter
from emotion.recognition.detectors.detector_factory import available_detectors

FPS: Final = 30
_HEAD_BOX: Final = (140, 20, 170, 200)  # x, y, width, height of the head in the sample photo
_HEAD_FRACTION: Final = 0.6  # of the frame's height, for one face


class VideoCase(NamedTuple):
    """A video, and the options of the command that select the analyzed frames."""

    size_wh: tuple[int, int]
    num_faces: int
    cli_options: tuple[str, ...]


CASES: Final = (
    VideoCase((640, 360), 1, ("--frame-stride", "1")),
    VideoCase((640, 360), 1, ("--fast",)),
    VideoCase((1920, 1080), 4, ("--frame-stride", "1")),
    VideoCase((1920, 1080), 4, ("--frame-stride", "3")),
    VideoCase((1920, 1080), 4, ("--fast",)),
)


class VideoBenchmark(TypedDict):
    """Result of one case and detector."""

    step: str
    detector: str
    size: str
    num_faces: int
    mode: str
    realtime_factor: float
    memory_mb: NotRequired[float]  # peak of the process; not on Windows


def benchmark_videos(duration: float = 20.0, model: Path | None = None) -> list[VideoBenchmark]:
    """Analyze generated videos with every case and available detector, from decoding to the annotated video.

    Each analysis is a process of its own, whose start does not count.

    Args:
        duration: Seconds of each video.
        model: The classifier's folder; default: the built-in one.
    """
    rows: list[VideoBenchmark] = []
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            video_path = Path(folder) / f"{case.size_wh[0]}-{case.num_faces}.mp4"
            if not video_path.exists():
                write_video(video_path, case.size_wh, case.num_faces, duration)
            for detector in available_detectors():
                rows.append(_measure_case(case, video_path, Path(folder) / f"out-{len(rows)}", detector, model))
    return rows


def _measure_case(
    case: VideoCase, video_path: Path, output_folder: Path, detector: str, model: Path | None
) -> VideoBenchmark:
    arguments = ["analyze", str(video_path), "--out", str(output_folder), "--json", "--detector", detector]
    arguments += [*case.cli_options, *(("--model", str(model)) if model else ())]
    output, memory = run_with_peak_memory(arguments)
    summary = json.loads(output)
    return {
        "step": "video",
        "detector": detector,
        "size": f"{case.size_wh[0]}x{case.size_wh[1]}",
        "num_faces": case.num_faces,
        "mode": " ".join(case.cli_options).strip("-"),
        "realtime_factor": round((summary["last_timestamp"] + 1 / FPS) / summary["elapsed_seconds"], 2),
        **memory,
    }


def write_video(path: Path, size_wh: tuple[int, int], num_faces: int, duration: float) -> None:
    """Write a video of the frames of `iter_frames`, for `duration` seconds."""
    with VideoWriter(path, *size_wh) as writer:
        for index, frame in enumerate(iter_frames(size_wh, num_faces, round(duration * FPS))):
            writer.write(frame, index / FPS)


def iter_frames(size_wh: tuple[int, int], num_faces: int, count: int) -> Iterator[ImageArray]:
    """Yield RGB frames uint8 (height, width, 3) in which `num_faces` faces sway side by side on a gradient."""
    width, height = size_wh
    x, y, w, h = _HEAD_BOX
    head_height = round(height * _HEAD_FRACTION / math.sqrt(num_faces))
    head = cv2.resize(read_image(SAMPLE_IMAGE)[y : y + h, x : x + w], (round(head_height * w / h), head_height))
    gradient = np.add.outer(np.linspace(40, 120, height), np.linspace(0, 60, width)).astype(np.uint8)
    for i in range(count):
        frame = np.dstack([gradient] * 3)
        _draw_heads(frame, np.asarray(head, np.uint8), num_faces, i / FPS)
        yield frame


def _draw_heads(image: ImageArray, head: ImageArray, num_faces: int, timestamp: float) -> None:
    height, width = image.shape[:2]
    head_height, head_width = head.shape[:2]
    for i in range(num_faces):
        sway = math.sin(2 * math.pi * (timestamp / 3 + i / num_faces))
        left = round(width * (i + 0.5) / num_faces - head_width / 2 + sway * width / num_faces / 8)
        top = round((height - head_height) * (0.5 + 0.3 * math.cos(2 * math.pi * (timestamp / 4 + i / num_faces))))
        image[top : top + head_height, left : left + head_width] = head
