"""Benchmark of steps: rows, frames, restored settings, cold start, and the command."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotion.benchmarks import steps
from emotion.cli.main import main
from emotion.model_store.store import ModelBundle
from emotion.recognition.detectors.detector_factory import available_detectors
from emotion.recognition.detectors.opencv_detectors import HaarCascade

ROOT = Path(__file__).parents[2]
STEPS = ["detect", "crop", "classify", "features", "draw", "total"]
# Read before any of these tests changes them.
CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None


@pytest.fixture
def only_haar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "available_detectors", lambda: ("haar",))


@pytest.mark.slow
@pytest.mark.usefixtures("only_haar")
def test_rows_have_every_step_for_one_and_for_eight_faces(tiny: ModelBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    start = {"step": "start", "detector": "haar", "num_faces": 1, "ms": 1.0}
    monkeypatch.setattr(steps, "measure_cold_start", lambda name: start)
    rows = steps.benchmark_steps(tiny, num_repeats=1)
    assert [row["step"] for row in rows] == [*STEPS, *STEPS, "start"]
    for row in rows:
        assert list(row) == ["step", "detector", "num_faces", "ms"]
        assert row["detector"] == "haar"
        assert row["ms"] > 0
    assert all(row["num_faces"] >= 1 for row in rows[:6])
    assert all(row["num_faces"] >= 8 for row in rows[6:12])
    json.dumps(rows, allow_nan=False)


@pytest.mark.usefixtures("only_haar")
def test_threads_and_cores_are_restored_after_an_error(tiny: ModelBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "_measure_steps", lambda *_: 1 / 0)
    num_threads = cv2.getNumThreads()
    with pytest.raises(ZeroDivisionError):
        steps.benchmark_steps(tiny, num_repeats=1)
    assert cv2.getNumThreads() == num_threads
    assert CORES is None or os.sched_getaffinity(0) == CORES


@pytest.mark.parametrize("num_faces", [1, 8])
def test_frames_have_as_many_faces_as_requested(num_faces: int) -> None:
    image = steps.make_frame(num_faces)
    assert (image.shape, image.dtype) == ((480, 640, 3), np.uint8)
    boxes = [face.box for face in HaarCascade().detect(image, 0.5, 640)]
    tiles = {
        (int(box.center[0] // (640 if num_faces == 1 else 160)), int(box.center[1] // (480 if num_faces == 1 else 240)))
        for box in boxes
    }
    assert len(tiles) == num_faces


def test_the_warm_up_calls_do_not_count() -> None:
    calls: list[int] = []
    assert steps.measure_median_ms(lambda: calls.append(1), 5) < 1000
    assert len(calls) == 8


@pytest.mark.slow
def test_the_command_prints_every_step_of_every_detector(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cold start has a duration and a peak of memory."""
    measure = steps.measure_median_ms
    monkeypatch.setattr(steps, "measure_median_ms", lambda step, num_repeats: measure(step, 1))
    assert main(["benchmark", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    names = available_detectors()
    assert [(row["step"], row["detector"]) for row in rows] == [
        *((step, name) for name in names for _ in (1, 8) for step in STEPS),
        *(("start", name) for name in names),
    ]
    for row in rows[-len(names) :]:
        assert (row["step"], row["num_faces"]) == ("start", 1)
        assert 50 < row["ms"] < 60_000, row["detector"]
        if sys.platform != "win32":
            assert 30 < row["memory_mb"] < 600, row["detector"]
