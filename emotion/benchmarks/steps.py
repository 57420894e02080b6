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
from emotion.model_store.store import Bundle, default_bundle
from emotion.recognition.analyzer import Analyzer, Settings
from emotion.recognition.annotation import annotate
from emotion.recognition.classification import Recogniser
from emotion.recognition.cropping import crop_faces, to_grey
from emotion.recognition.detector_factory import available_detectors, make_detector
from emotion.recognition.onnx_session import one_core
from emotion.storage import PROJECT_ROOT

SAMPLE: Final = PROJECT_ROOT / "emotion" / "demo" / "assets" / "astronaut.jpg"
FRAME: Final = (480, 640)  # height, width
# What a live page does: near faces are found in half the size.
_LIVE_SIDE: Final = 320


def bench(bundle: Bundle | None = None, repeats: int = 40) -> list[dict[str, Any]]:
    """Rows of `what` (detect, crop, classify, draw, total; start), `detector`, `faces`, `milliseconds`.

    640x480 frames with 1 and with 8 faces, searched at 320x240, with one look at each face as for moving pictures, one
    thread on one core, the median of `repeats` calls after a warm-up. The rows "start" run `analyze` on one photo in a
    new process: milliseconds from its start to its end and, where the system tells, `megabytes` of peak memory.
    """
    rows: list[dict[str, Any]] = []
    with one_core():
        recogniser = Recogniser(bundle or default_bundle("recogniser"), threads=1)
        for name in available_detectors():
            for copies in (1, 8):
                rows += _steps(Analyzer(make_detector(name, threads=1), recogniser), frame(copies), copies, repeats)
    return rows + [_cold_start(name) for name in available_detectors()]


def frame(copies: int) -> NDArray[np.uint8]:
    """RGB uint8 (480, 640, 3) with the sample's face once, or tiled 8 times."""
    sample = read_image(SAMPLE)
    height, width = FRAME
    if copies == 1:
        out = np.full((height, width, 3), 96, np.uint8)
        out[:, (width - height) // 2 : (width + height) // 2] = cv2.resize(
            sample, (height, height), interpolation=cv2.INTER_AREA
        )
        return out
    top, left, tall = 0, sample.shape[1] // 2 - sample.shape[0] // 3 // 2, sample.shape[0] // 2
    head = sample[top : top + tall, left - 20 : left - 20 + round(tall * 2 / 3)]
    tile = cv2.resize(head, (width // 4, height // 2), interpolation=cv2.INTER_AREA)
    return np.tile(tile, (2, 4, 1)).astype(np.uint8)


def _steps(analyzer: Analyzer, image: NDArray[np.uint8], copies: int, repeats: int) -> Iterator[dict[str, Any]]:
    detector, recogniser = analyzer.detector, analyzer.recogniser
    settings = Settings(side=_LIVE_SIDE)
    found = detector.detect(image, settings.detection, settings.side)
    faces = analyzer.analyze(image, settings)
    crops = crop_faces(to_grey(image), found, detector.geometry, recogniser.size)
    steps: dict[str, Callable[[], object]] = {
        "detect": lambda: detector.detect(image, settings.detection, settings.side),
        "crop": lambda: crop_faces(to_grey(image), found, detector.geometry, recogniser.size),
        "classify": lambda: recogniser.classify(crops),
        "draw": lambda: annotate(image, faces),
        "total": lambda: annotate(
            image, tuple(face.scored(seen.scores, None) for face, _, seen in analyzer.readings(image, settings))
        ),
    }
    for what, step in steps.items():
        yield {
            "what": what, "detector": detector.name, "faces": len(faces),
            "milliseconds": round(_median_milliseconds(step, repeats), 3),
        }  # fmt: skip


def _median_milliseconds(step: Callable[[], object], repeats: int) -> float:
    for _ in range(3):
        step()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    return float(np.median(times)) * 1e3


def _cold_start(detector: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "emotion", "analyze", str(SAMPLE), "--json", "--detector", detector]
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    row = {
        "what": "start", "detector": detector, "faces": len(json.loads(done.stdout)["faces"]),
        "milliseconds": round((time.perf_counter() - started) * 1e3, 1),
    }  # fmt: skip
    return row | run_measured(command[3:])[1]


# Linux counts what a process had before it became another program, the benchmark's own size, into `ru_maxrss`.
_TELL_PEAK: Final = """
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


def run_measured(arguments: list[str]) -> tuple[str, dict[str, float]]:
    """What a command of ours prints, and `megabytes` of its peak resident memory; no figure on Windows, which does
    not tell."""
    tells = sys.platform != "win32"
    command = [sys.executable, *(("-c", _TELL_PEAK) if tells else ("-m", "emotion")), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    return done.stdout, {"megabytes": round(float(done.stderr.split()[-1]), 1)} if tells else {}
