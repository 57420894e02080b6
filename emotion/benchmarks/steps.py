"""Benchmark of single steps on one core, and of the first photo from a cold start."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final, NotRequired, TypedDict

import cv2
import numpy as np

from emotion.demo.sample_image import SAMPLE_IMAGE
from emotion.media.image_array import ImageArray
from emotion.media.image_reader import read_image
from emotion.model_store.store import ModelBundle, get_default_model
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.annotation import annotate
from emotion.recognition.classification import ExpressionClassifier
from emotion.recognition.cropping import crop_faces, to_gray
from emotion.recognition.detectors.detector_factory import available_detectors, make_detector
from emotion.recognition.features.network import FeaturesNetwork
from emotion.recognition.onnx_session import single_core
from emotion.recognition.settings import AnalyzerSettings

FRAME_SHAPE: Final = (480, 640)  # height, width
_LIVE_MAX_SIDE: Final = 320  # search size of the live page: near faces are found in half the resolution
_NUM_WARMUP_CALLS: Final = 3
_GRAY: Final = 96  # beside a single sample
_TILE_GRID: Final = (2, 4)  # rows and columns of the frame with 8 faces


class StepBenchmark(TypedDict):
    """Duration of a step: detect, crop, classify, features, draw, total (without features), or start (a process)."""

    step: str
    detector: str
    num_faces: int
    ms: float
    memory_mb: NotRequired[float]  # peak of the new process; not on Windows


class PeakMemory(TypedDict, total=False):
    """Peak resident memory of a process; empty on Windows, which does not report it."""

    memory_mb: float


def benchmark_steps(bundle: ModelBundle | None = None, num_repeats: int = 40) -> list[StepBenchmark]:
    """Measure every step for 640x480 frames with 1 and with 8 faces, and the cold start, for each available detector.

    Steps run on one thread and one core, without test-time augmentation, on frames that are searched at 320x240. The
    cold start is a new process that analyzes one photo.

    Args:
        bundle: The classifier; default: the built-in one.
        num_repeats: Calls of each step after a warm-up; their median counts.
    """
    rows: list[StepBenchmark] = []
    with single_core():
        classifier = ExpressionClassifier(bundle or get_default_model("classifier"), num_threads=1)
        for name in available_detectors():
            analyzer = Analyzer(make_detector(name, num_threads=1), classifier)
            for num_faces in (1, 8):
                rows += _measure_steps(analyzer, make_frame(num_faces), num_repeats)
    return rows + [measure_cold_start(name) for name in available_detectors()]


def make_frame(num_faces: int) -> ImageArray:
    """Return RGB uint8 (480, 640, 3) with the face of the sample photo once, or, for any other number, 8 times."""
    sample = read_image(SAMPLE_IMAGE)
    height, width = FRAME_SHAPE
    if num_faces == 1:
        frame = np.full((height, width, 3), _GRAY, np.uint8)
        frame[:, (width - height) // 2 : (width + height) // 2] = cv2.resize(
            sample, (height, height), interpolation=cv2.INTER_AREA
        )
        return frame
    rows, columns = _TILE_GRID
    left, head_height = sample.shape[1] // 2 - sample.shape[0] // 3 // 2 - 20, sample.shape[0] // 2
    head = sample[:head_height, left : left + round(head_height * 2 / 3)]
    tile = cv2.resize(head, (width // columns, height // rows), interpolation=cv2.INTER_AREA)
    return np.tile(tile, (rows, columns, 1)).astype(np.uint8)


def _measure_steps(analyzer: Analyzer, image: ImageArray, num_repeats: int) -> Iterator[StepBenchmark]:
    detector, classifier = analyzer.detector, analyzer.classifier
    settings = AnalyzerSettings(max_side=_LIVE_MAX_SIDE)
    detected = detector.detect(image, settings.detection_threshold, settings.max_side)
    faces = analyzer.analyze(image, settings)
    gray, features_network = to_gray(image), FeaturesNetwork(get_default_model("features"), num_threads=1)
    crops = crop_faces(gray, detected, detector.crop_geometry, classifier.input_size)

    def analyze_and_draw() -> None:
        classified = analyzer.classify_all(image, settings)
        annotate(image, tuple(face.with_scores(prediction.scores, None) for face, _, prediction in classified))

    steps: dict[str, Callable[[], object]] = {
        "detect": lambda: detector.detect(image, settings.detection_threshold, settings.max_side),
        "crop": lambda: crop_faces(to_gray(image), detected, detector.crop_geometry, classifier.input_size),
        "classify": lambda: classifier.predict(crops),
        "features": lambda: features_network.describe_faces(gray, detected, detector.crop_geometry),
        "draw": lambda: annotate(image, faces),
        "total": analyze_and_draw,
    }
    for name, step in steps.items():
        ms = round(measure_median_ms(step, num_repeats), 3)
        yield {"step": name, "detector": detector.name, "num_faces": len(faces), "ms": ms}


def measure_median_ms(step: Callable[[], object], num_repeats: int) -> float:
    """Return the median duration of `step` in milliseconds, after some calls that are not measured."""
    for _ in range(_NUM_WARMUP_CALLS):
        step()
    durations = []
    for _ in range(num_repeats):
        started = time.perf_counter()
        step()
        durations.append(time.perf_counter() - started)
    return float(np.median(durations)) * 1e3


def measure_cold_start(detector: str) -> StepBenchmark:
    """Measure an analysis of the sample image in a new process."""
    arguments = ["analyze", str(SAMPLE_IMAGE), "--json", "--detector", detector]
    started = time.perf_counter()
    process = subprocess.run(
        [sys.executable, "-m", "emotion", *arguments],
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    ms = round((time.perf_counter() - started) * 1e3, 1)
    num_faces = len(json.loads(process.stdout)["faces"])
    _, memory = run_with_peak_memory(arguments)
    return {"step": "start", "detector": detector, "num_faces": num_faces, "ms": ms, **memory}


# On Linux `ru_maxrss` includes the size of the parent before `exec`, here the benchmark's own; VmHWM does not.
_PEAK_MEMORY_SCRIPT: Final = """
import pathlib, resource, sys
from emotion.cli.main import main
main(sys.argv[1:])
status = pathlib.Path("/proc/self/status")
if status.exists():
    peak = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    print(peak / 1e3, file=sys.stderr)
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, file=sys.stderr)
"""


def run_with_peak_memory(arguments: list[str]) -> tuple[str, PeakMemory]:
    """Run the `emotion` command in a new process; return its output and its peak memory."""
    is_measurable = sys.platform != "win32"
    program = ["-c", _PEAK_MEMORY_SCRIPT] if is_measurable else ["-m", "emotion"]
    process = subprocess.run(
        [sys.executable, *program, *arguments], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
    )
    memory: PeakMemory = {}
    if is_measurable:
        memory["memory_mb"] = round(float(process.stderr.split()[-1]), 1)
    return process.stdout, memory
