"""How long each step takes on one core of this machine, and what a first photo costs from a cold start."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.media.image_reader import read_image
from emotion.model_store.store import ModelBundle, get_default_model
from emotion.recognition.analyzer import Analyzer, AnalyzerSettings
from emotion.recognition.annotation import annotate
from emotion.recognition.classification import ExpressionClassifier
from emotion.recognition.cropping import crop_faces, to_gray
from emotion.recognition.detector_factory import available_detectors, make_detector
from emotion.recognition.onnx_session import single_core
from emotion.storage import PROJECT_ROOT

SAMPLE_IMAGE: Final = PROJECT_ROOT / "emotion" / "demo" / "assets" / "astronaut.jpg"
FRAME_SHAPE: Final = (480, 640)  # height, width
# What a live page does: near faces are found in half the size.
_LIVE_MAX_SIDE: Final = 320


def benchmark_steps(bundle: ModelBundle | None = None, num_repeats: int = 40) -> list[dict[str, Any]]:
    """Rows of `step` (detect, crop, classify, draw, total; start), `detector`, `num_faces`, `ms`.

    640x480 frames with 1 and with 8 faces, searched at 320x240, with one look at each face as for moving pictures, one
    thread on one core, the median of `num_repeats` calls after a warm-up. The rows "start" run `analyze` on one photo in a
    new process: `ms` from its start to its end and, where the system tells, `memory_mb` of peak memory.
    """
    rows: list[dict[str, Any]] = []
    with single_core():
        classifier = ExpressionClassifier(bundle or get_default_model("classifier"), num_threads=1)
        for name in available_detectors():
            for copies in (1, 8):
                rows += _measure_steps(
                    Analyzer(make_detector(name, num_threads=1), classifier), make_frame(copies), copies, num_repeats
                )
    return rows + [_measure_cold_start(name) for name in available_detectors()]


def make_frame(num_faces: int) -> NDArray[np.uint8]:
    """RGB uint8 (480, 640, 3) with the sample's face once, or tiled 8 times."""
    sample = read_image(SAMPLE_IMAGE)
    height, width = FRAME_SHAPE
    if num_faces == 1:
        out = np.full((height, width, 3), 96, np.uint8)
        out[:, (width - height) // 2 : (width + height) // 2] = cv2.resize(
            sample, (height, height), interpolation=cv2.INTER_AREA
        )
        return out
    top, left, tall = 0, sample.shape[1] // 2 - sample.shape[0] // 3 // 2, sample.shape[0] // 2
    head = sample[top : top + tall, left - 20 : left - 20 + round(tall * 2 / 3)]
    tile = cv2.resize(head, (width // 4, height // 2), interpolation=cv2.INTER_AREA)
    return np.tile(tile, (2, 4, 1)).astype(np.uint8)


def _measure_steps(
    analyzer: Analyzer, image: NDArray[np.uint8], num_faces: int, num_repeats: int
) -> Iterator[dict[str, Any]]:
    detector, classifier = analyzer.detector, analyzer.classifier
    settings = AnalyzerSettings(max_side=_LIVE_MAX_SIDE)
    found = detector.detect(image, settings.detection_threshold, settings.max_side)
    faces = analyzer.analyze(image, settings)
    crops = crop_faces(to_gray(image), found, detector.crop_geometry, classifier.input_size)
    steps: dict[str, Callable[[], object]] = {
        "detect": lambda: detector.detect(image, settings.detection_threshold, settings.max_side),
        "crop": lambda: crop_faces(to_gray(image), found, detector.crop_geometry, classifier.input_size),
        "classify": lambda: classifier.predict(crops),
        "draw": lambda: annotate(image, faces),
        "total": lambda: annotate(
            image,
            tuple(face.with_scores(seen.scores, None) for face, _, seen in analyzer.classify_all(image, settings)),
        ),
    }
    for name, step in steps.items():
        yield {
            "step": name,
            "detector": detector.name,
            "num_faces": len(faces),
            "ms": round(_measure_median_ms(step, num_repeats), 3),
        }


def _measure_median_ms(step: Callable[[], object], num_repeats: int) -> float:
    for _ in range(3):
        step()
    times = []
    for _ in range(num_repeats):
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    return float(np.median(times)) * 1e3


def _measure_cold_start(detector: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "emotion", "analyze", str(SAMPLE_IMAGE), "--json", "--detector", detector]
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    row = {
        "step": "start",
        "detector": detector,
        "num_faces": len(json.loads(done.stdout)["faces"]),
        "ms": round((time.perf_counter() - started) * 1e3, 1),
    }
    return row | run_with_peak_memory(command[3:])[1]


# Linux counts what a process had before it became another program, the benchmark's own size, into `ru_maxrss`.
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


def run_with_peak_memory(arguments: list[str]) -> tuple[str, dict[str, float]]:
    """What a command of ours prints, and `memory_mb`, its peak resident memory; no figure on Windows, which does
    not tell."""
    tells = sys.platform != "win32"
    command = [sys.executable, *(("-c", _PEAK_MEMORY_SCRIPT) if tells else ("-m", "emotion")), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    return done.stdout, {"memory_mb": round(float(done.stderr.split()[-1]), 1)} if tells else {}
