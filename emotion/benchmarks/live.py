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

from emotion.benchmarks.steps import frame
from emotion.live.session import LiveSession
from emotion.live.state import LiveOptions
from emotion.media.video_reader import Film
from emotion.model_store.store import Bundle, default_bundle
from emotion.recognition.analyzer import Analyzer, Settings
from emotion.recognition.classification import Recogniser
from emotion.recognition.detector_factory import available_detectors, make_detector
from emotion.results.photos import smaller
from emotion.tracking.stream import StreamSettings

FPS: Final = 30
_WARM: Final = 2.0  # seconds that do not count
_LOOK: Final = 0.5  # seconds between two looks at the session's own counters, as a page takes them
_FILM: Final = 10.0  # seconds of a film that are used
_SIDES: Final = {"haar": 320}  # what the live page lets a detector search; 640 otherwise

Picture = NDArray[np.uint8]


def bench_stream(
    seconds: float = 10.0, film: Sequence[Picture] | None = None, bundle: Bundle | None = None
) -> list[dict[str, Any]]:
    """Rows of `detector`, `faces`, `fps` (frames analysed in a second), `age_p95_ms` (the worst two seconds),
    `dropped` (share of the frames, 0 to 1), `cores` (processors that were busy) and `megabytes` (growth of the memory
    while it ran).

    640x480 frames with 1 and with 8 moving faces, or those of `film` (RGB uint8), come at 30 a second for `seconds`.
    """
    recogniser = Recogniser(bundle or default_bundle("recogniser"))
    rows = []
    for name in available_detectors():
        for pictures in [film] if film else [_moving(1), _moving(8)]:
            rows.append(_run(Analyzer(make_detector(name), recogniser), pictures, seconds))
    return rows


def pictures_of(film: Path) -> list[Picture]:
    """The first ten seconds of a film, as a camera of at most 640 pixels would show them; `VideoError` where it
    cannot be read."""
    with Film(film) as opened:
        frames = takewhile(lambda one: one.seconds < _FILM, opened.frames())
        return [smaller(one.image(), 640) for one in frames]


def _moving(faces: int) -> list[Picture]:
    """A picture that sways by 20 pixels, once in two seconds."""
    still = frame(faces)
    shifts = (20 * np.sin(np.linspace(0, 2 * np.pi, 2 * FPS, endpoint=False))).round().astype(int)
    return [np.roll(still, shift, axis=1) for shift in shifts]


def _run(analyzer: Analyzer, pictures: Sequence[Picture], seconds: float) -> dict[str, Any]:
    name = analyzer.detector.name
    settings = StreamSettings(recognition=Settings(side=_SIDES.get(name, 640)))
    session, process, turn = LiveSession(analyzer, LiveOptions(settings)), psutil.Process(), cycle(pictures)
    _play(session, turn, _WARM)
    before, memory, cpu, started = session.view(), process.memory_info().rss, time.process_time(), time.perf_counter()
    ages, faces = _play(session, turn, seconds)
    passed, after = time.perf_counter() - started, session.view()
    cpu, memory = time.process_time() - cpu, process.memory_info().rss - memory
    session.close()
    came, dropped = after.frames - before.frames, after.dropped - before.dropped
    return {
        "detector": name, "faces": faces, "fps": round((came - dropped) / passed, 1),
        "age_p95_ms": round(1e3 * max(ages, default=float("nan")), 1), "dropped": round(dropped / max(1, came), 4),
        "cores": round(cpu / passed, 2), "megabytes": round(memory / 1e6, 1),
    }  # fmt: skip


def _play(session: LiveSession, pictures: Any, seconds: float) -> tuple[list[float], int]:
    """Feed frames in their time; the ages that the session told meanwhile, and the faces that it saw."""
    ages, faces, looked, start = [], 0, 0.0, time.perf_counter()
    for number in range(round(seconds * FPS)):
        time.sleep(max(0.0, start + number / FPS - time.perf_counter()))
        session.frame(next(pictures), None, wait=False)
        if number / FPS - looked >= _LOOK:
            looked, view = number / FPS, session.view()
            faces = max(faces, len(view.faces))
            ages += [view.age_p95] if view.age_p95 is not None else []
    return ages, faces
