"""Benchmark of a live session without a browser: frame rate and latency at 30 frames per second."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import cycle, takewhile
from pathlib import Path
from typing import Final, TypedDict

import numpy as np
import psutil

from emotion.benchmarks.steps import make_frame
from emotion.live.session import LiveSession
from emotion.live.state import LiveOptions
from emotion.media.image_array import ImageArray, downscale
from emotion.media.video_reader import VideoReader
from emotion.model_store.store import ModelBundle, get_default_model
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.classification import ExpressionClassifier
from emotion.recognition.detectors.detector_factory import available_detectors, make_detector
from emotion.recognition.settings import AnalyzerSettings
from emotion.tracking.settings import StreamSettings

FPS: Final = 30
_WARMUP_SECONDS: Final = 2.0
_POLL_SECONDS: Final = 0.5  # between two reads of the session's state, as a page does
_MAX_VIDEO_SECONDS: Final = 10.0  # bounds the memory of the decoded frames
_CAMERA_PX: Final = 640  # longer side of a camera's frame
_MAX_SIDES: Final = {"haar": 320}  # search size of the live page; others search the whole frame
_SWAY_PX: Final = 20


class StreamBenchmark(TypedDict):
    """Result of one detector."""

    detector: str
    num_faces: int
    fps: float  # frames analyzed per second
    age_p95_ms: float  # the worst two seconds
    dropped: float  # share of the frames
    cores: float  # busy processors
    memory_mb: float  # growth during the run


def benchmark_stream(
    duration: float = 10.0, frames: Sequence[ImageArray] | None = None, bundle: ModelBundle | None = None
) -> list[StreamBenchmark]:
    """Feed frames at `FPS` and measure each available detector.

    Args:
        duration: Seconds of each measurement, after a warm-up.
        frames: RGB uint8 (H, W, 3), repeated; default: 640x480 frames with 1 and with 8 moving faces.
        bundle: The classifier; default: the built-in one.
    """
    classifier = ExpressionClassifier(bundle or get_default_model("classifier"))
    frame_sets = [frames] if frames else [_make_moving_frames(1), _make_moving_frames(8)]
    return [
        _measure_session(Analyzer(make_detector(name), classifier), frame_set, duration)
        for name in available_detectors()
        for frame_set in frame_sets
    ]


def load_frames(path: Path) -> list[ImageArray]:
    """Return the first seconds of a video at camera resolution; raises `VideoError` where it cannot be read."""
    with VideoReader(path) as reader:
        frames = takewhile(lambda frame: frame.timestamp < _MAX_VIDEO_SECONDS, reader.frames())
        return [downscale(frame.image(), _CAMERA_PX) for frame in frames]


def _make_moving_frames(num_faces: int) -> list[ImageArray]:
    """Return two seconds of a frame that moves sideways and back."""
    still = make_frame(num_faces)
    phases = np.linspace(0, 2 * np.pi, 2 * FPS, endpoint=False)
    shifts = (_SWAY_PX * np.sin(phases)).round().astype(int)
    return [np.roll(still, shift, axis=1) for shift in shifts]


def _measure_session(analyzer: Analyzer, frames: Sequence[ImageArray], duration: float) -> StreamBenchmark:
    name, process, frame_cycle = analyzer.detector.name, psutil.Process(), cycle(frames)
    settings = StreamSettings(recognition=AnalyzerSettings(max_side=_MAX_SIDES.get(name, _CAMERA_PX)))
    session = LiveSession(analyzer, LiveOptions(settings))
    _feed_frames(session, frame_cycle, _WARMUP_SECONDS)
    before, memory, cpu, started = session.state(), process.memory_info().rss, time.process_time(), time.perf_counter()
    latencies, num_faces = _feed_frames(session, frame_cycle, duration)
    elapsed, after = time.perf_counter() - started, session.state()
    cpu, memory = time.process_time() - cpu, process.memory_info().rss - memory
    session.close()
    num_frames, dropped = (
        after.counters.num_frames - before.counters.num_frames,
        after.counters.dropped_frames - before.counters.dropped_frames,
    )
    return {
        "detector": name,
        "num_faces": num_faces,
        "fps": round((num_frames - dropped) / elapsed, 1),
        "age_p95_ms": round(1e3 * max(latencies, default=float("nan")), 1),
        "dropped": round(dropped / max(1, num_frames), 4),
        "cores": round(cpu / elapsed, 2),
        "memory_mb": round(memory / 1e6, 1),
    }


def _feed_frames(session: LiveSession, frames: Iterator[ImageArray], duration: float) -> tuple[list[float], int]:
    """Feed frames in real time; return the p95 latencies that were read meanwhile, and the most faces."""
    latencies, num_faces, last_poll, start = [], 0, 0.0, time.perf_counter()
    for index in range(round(duration * FPS)):
        time.sleep(max(0.0, start + index / FPS - time.perf_counter()))
        session.process_frame(next(frames), None, wait=False)
        if index / FPS - last_poll >= _POLL_SECONDS:
            last_poll, state = index / FPS, session.state()
            num_faces = max(num_faces, len(state.faces))
            latencies += [state.rates.latency_p95_seconds] if state.rates.latency_p95_seconds is not None else []
    return latencies, num_faces
