"""How many frames a live session really shows, and how old they are: a camera of 30 frames a second, no browser."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import cycle, takewhile
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil
from numpy.typing import NDArray

from emotion.benchmarks.steps import make_frame
from emotion.live.session import LiveSession
from emotion.live.state import LiveOptions
from emotion.media.video_reader import VideoReader
from emotion.model_store.store import ModelBundle, get_default_model
from emotion.recognition.analyzer import Analyzer, AnalyzerSettings
from emotion.recognition.classification import ExpressionClassifier
from emotion.recognition.detector_factory import available_detectors, make_detector
from emotion.results.photos import downscale
from emotion.tracking.settings import StreamSettings

FPS: Final = 30
_WARMUP_SECONDS: Final = 2.0  # seconds that do not count
_POLL_SECONDS: Final = 0.5  # seconds between two looks at the session's own counters, as a page takes them
_MAX_VIDEO_SECONDS: Final = 10.0  # seconds of a film that are used
_MAX_SIDES: Final = {"haar": 320}  # what the live page lets a detector search; 640 otherwise

ImageArray = NDArray[np.uint8]


def benchmark_stream(
    duration: float = 10.0, frames: Sequence[ImageArray] | None = None, bundle: ModelBundle | None = None
) -> list[dict[str, Any]]:
    """Rows of `detector`, `num_faces`, `fps` (frames analysed in a second), `age_p95_ms` (the worst two seconds),
    `dropped` (share of the frames, 0 to 1), `cores` (processors that were busy) and `memory_mb` (growth of the memory
    while it ran).

    640x480 frames with 1 and with 8 moving faces, or `frames` (RGB uint8), come at 30 a second for `duration`.
    """
    classifier = ExpressionClassifier(bundle or get_default_model("classifier"))
    rows = []
    for name in available_detectors():
        for pictures in [frames] if frames else [_make_moving_frames(1), _make_moving_frames(8)]:
            rows.append(_measure_session(Analyzer(make_detector(name), classifier), pictures, duration))
    return rows


def load_frames(path: Path) -> list[ImageArray]:
    """The first ten seconds of a film, as a camera of at most 640 pixels would show them; `VideoError` where it
    cannot be read."""
    with VideoReader(path) as opened:
        frames = takewhile(lambda one: one.timestamp < _MAX_VIDEO_SECONDS, opened.frames())
        return [downscale(one.image(), 640) for one in frames]


def _make_moving_frames(num_faces: int) -> list[ImageArray]:
    """A picture that sways by 20 pixels, once in two seconds."""
    still = make_frame(num_faces)
    shifts = (20 * np.sin(np.linspace(0, 2 * np.pi, 2 * FPS, endpoint=False))).round().astype(int)
    return [np.roll(still, shift, axis=1) for shift in shifts]


def _measure_session(analyzer: Analyzer, frames: Sequence[ImageArray], duration: float) -> dict[str, Any]:
    name = analyzer.detector.name
    settings = StreamSettings(recognition=AnalyzerSettings(max_side=_MAX_SIDES.get(name, 640)))
    session, process, turn = LiveSession(analyzer, LiveOptions(settings)), psutil.Process(), cycle(frames)
    _feed_frames(session, turn, _WARMUP_SECONDS)
    before, memory, cpu, started = session.state(), process.memory_info().rss, time.process_time(), time.perf_counter()
    ages, faces = _feed_frames(session, turn, duration)
    passed, after = time.perf_counter() - started, session.state()
    cpu, memory = time.process_time() - cpu, process.memory_info().rss - memory
    session.close()
    came, dropped = after.num_frames - before.num_frames, after.dropped_frames - before.dropped_frames
    return {
        "detector": name,
        "num_faces": faces,
        "fps": round((came - dropped) / passed, 1),
        "age_p95_ms": round(1e3 * max(ages, default=float("nan")), 1),
        "dropped": round(dropped / max(1, came), 4),
        "cores": round(cpu / passed, 2),
        "memory_mb": round(memory / 1e6, 1),
    }


def _feed_frames(session: LiveSession, frames: Any, duration: float) -> tuple[list[float], int]:
    """Feed frames in their time; the ages that the session told meanwhile, and the faces that it saw."""
    ages, faces, looked, start = [], 0, 0.0, time.perf_counter()
    for number in range(round(duration * FPS)):
        time.sleep(max(0.0, start + number / FPS - time.perf_counter()))
        session.process_frame(next(frames), None, wait=False)
        if number / FPS - looked >= _POLL_SECONDS:
            looked, view = number / FPS, session.state()
            faces = max(faces, len(view.faces))
            ages += [view.latency_p95_seconds] if view.latency_p95_seconds is not None else []
    return ages, faces
