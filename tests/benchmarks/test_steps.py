from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotion.benchmarks import steps
from emotion.model_store.store import ModelBundle
from emotion.recognition.detector_factory import available_detectors
from emotion.recognition.opencv_detectors import HaarCascade

ROOT = Path(__file__).parents[2]
STEPS = ["detect", "crop", "classify", "draw", "total"]
# As they were before any of these tests.
THREADS = cv2.getNumThreads()
CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None


@pytest.fixture
def only_haar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "available_detectors", lambda: ("haar",))


@pytest.mark.usefixtures("only_haar")
def test_rows(tiny: ModelBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    start = {"step": "start", "detector": "haar", "num_faces": 1, "ms": 1.0}
    monkeypatch.setattr(steps, "_measure_cold_start", lambda name: start)
    rows = steps.benchmark_steps(tiny, num_repeats=1)
    assert [row["step"] for row in rows] == [*STEPS, *STEPS, "start"]
    for row in rows:
        assert list(row) == ["step", "detector", "num_faces", "ms"]
        assert row["detector"] == "haar"
        assert row["ms"] > 0
    assert all(row["num_faces"] >= 1 for row in rows[:5])
    assert all(row["num_faces"] >= 8 for row in rows[5:10])
    json.dumps(rows, allow_nan=False)


@pytest.mark.usefixtures("only_haar")
def test_the_machine_is_left_as_it_was(tiny: ModelBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "_measure_steps", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        steps.benchmark_steps(tiny, num_repeats=1)
    assert cv2.getNumThreads() == THREADS
    assert CORES is None or os.sched_getaffinity(0) == CORES


@pytest.mark.parametrize(("copies", "faces"), [(1, 1), (8, 8)])
def test_frames_hold_what_they_say(copies: int, faces: int) -> None:
    image = steps.make_frame(copies)
    assert (image.shape, image.dtype) == ((480, 640, 3), np.uint8)
    boxes = [face.box for face in HaarCascade().detect(image, 0.5, 640)]
    tiles = {
        (int(box.center[0] // (640 if copies == 1 else 160)), int(box.center[1] // (480 if copies == 1 else 240)))
        for box in boxes
    }
    assert len(tiles) == faces


def test_the_median_is_of_the_calls_after_the_warm_up() -> None:
    calls: list[int] = []
    assert steps._measure_median_ms(lambda: calls.append(1), 5) < 1000
    assert len(calls) == 8


@pytest.mark.slow
def test_from_a_cold_start() -> None:
    rows = [steps._measure_cold_start(name) for name in available_detectors()]
    for row in rows:
        assert (row["step"], row["num_faces"]) == ("start", 1)
        assert 50 < row["ms"] < 60_000
        if sys.platform != "win32":
            assert 30 < row["memory_mb"] < 600


@pytest.mark.slow
def test_the_command() -> None:
    command = [sys.executable, "-m", "emotion", "benchmark", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    rows = json.loads(done.stdout)
    names = available_detectors()
    assert [(row["step"], row["detector"]) for row in rows] == [
        *((what, name) for name in names for _ in (1, 8) for what in STEPS),
        *(("start", name) for name in names),
    ]
