"""The track of the demo: paced frames, drawn outside of the event loop."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError

from emotion.media.image_array import ImageArray
from emotion.ui.live import demo_track
from emotion.ui.live.demo_track import FPS, FramePacer


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that stands still unless somebody sleeps."""
    clock = SimpleNamespace(now=100.0)

    async def sleep(seconds: float) -> None:
        clock.now += seconds

    monkeypatch.setattr(demo_track, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(demo_track, "asyncio", SimpleNamespace(sleep=sleep, to_thread=asyncio.to_thread))
    return clock


def draw(timestamp: float) -> ImageArray:
    return np.zeros((2, 2, 3), np.uint8)


def take(pacer: FramePacer, count: int) -> list[av.VideoFrame]:
    async def receive() -> list[av.VideoFrame]:
        return [await pacer.receive() for _ in range(count)]

    return asyncio.run(receive())


def live_track() -> Any:
    return SimpleNamespace(readyState="live")


def test_frames_come_at_the_rate_of_the_track(clock: SimpleNamespace) -> None:
    frames = take(FramePacer(live_track(), draw), 4)
    assert [frame.time for frame in frames] == pytest.approx([0, 1 / FPS, 2 / FPS, 3 / FPS], abs=1e-4)
    assert clock.now == pytest.approx(100 + 3 / FPS)


def test_late_frames_are_skipped(clock: SimpleNamespace) -> None:
    def draw_slowly(timestamp: float) -> ImageArray:
        clock.now += 1.0
        return draw(timestamp)

    frames = take(FramePacer(live_track(), draw_slowly), 3)
    assert [frame.time for frame in frames] == pytest.approx([0, 1, 2], abs=1e-4), "the time of each drawing"
    assert clock.now == pytest.approx(103)


def test_frames_are_drawn_in_another_thread_at_their_time() -> None:
    calls = list[tuple[float, int]]()

    def draw_noted(timestamp: float) -> ImageArray:
        calls.append((timestamp, threading.get_ident()))
        return draw(timestamp)

    frames = take(FramePacer(live_track(), draw_noted), 2)
    assert [timestamp for timestamp, _ in calls] == [frame.time for frame in frames]
    assert threading.get_ident() not in {thread for _, thread in calls}


def test_frames_end_with_the_track() -> None:
    with pytest.raises(MediaStreamError):
        take(FramePacer(SimpleNamespace(readyState="ended"), draw), 1)  # type: ignore[arg-type]


def test_another_camera_goes_on_in_the_same_track(monkeypatch: pytest.MonkeyPatch) -> None:
    source = SimpleNamespace(recv=None, readyState="live")
    monkeypatch.setattr(demo_track.webrtc, "create_video_source_track", lambda callback, key, fps: source)
    demo_track.create_demo_track(draw)
    receive = source.recv
    demo_track.create_demo_track(lambda timestamp: np.full((2, 2, 3), 200, np.uint8))
    assert source.recv == receive
    frame = asyncio.run(receive())
    assert frame.to_ndarray(format="rgb24").min() > 190
