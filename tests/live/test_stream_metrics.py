from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.live.stream_metrics import MonotonicFrameClock, StreamMetrics, StreamRates


def test_rates_without_frames_are_zero() -> None:
    metrics = StreamMetrics()
    assert metrics.measure(5.0) == StreamRates(0.0, 0.0, None, None)


def test_rates_and_latencies_are_of_the_last_two_seconds() -> None:
    metrics = StreamMetrics()
    for i in range(250):
        metrics.record_arrival(100 + i / 25)
        if i % 2:
            metrics.record_result(100 + i / 25, i / 1000)
    rates = metrics.measure(110.0)
    assert (rates.fps_in, rates.fps_out) == (pytest.approx(25, abs=1), pytest.approx(12.5, abs=1))
    assert rates.latency_p95_seconds == pytest.approx(0.247, abs=0.003)
    assert rates.idle_seconds == pytest.approx(0.04)
    assert metrics.measure(120.0)[:3] == (0.0, 0.0, None)


def test_rates_are_right_from_the_first_frame() -> None:
    metrics = StreamMetrics()
    for i in range(13):
        metrics.record_arrival(i / 25)
    assert metrics.measure(0.5).fps_in == pytest.approx(25, abs=2)


def test_intervals_of_the_frames_are_kept() -> None:
    clock = MonotonicFrameClock()
    delays = (0.0, 0.03, 0.01, 0.2, 0.0)  # between capture and arrival
    times = [clock.timestamp(7 + i / 25, 500 + i / 25 + delay) for i, delay in enumerate(delays)]
    assert [b - a for a, b in pairwise(times)] == pytest.approx([0.04] * 4)


def test_restarted_camera_clock_continues() -> None:
    clock = MonotonicFrameClock()
    assert clock.timestamp(90.0, 500.0) == 500
    assert clock.timestamp(0.0, 500.5) == 500.5  # after a reconnect
    assert clock.timestamp(0.1, 500.7) == pytest.approx(500.6)


@given(
    st.lists(
        st.tuples(st.none() | st.floats(), st.floats(0, 10)),
    )
)
def test_timestamps_increase_and_stay_close_to_the_wall_clock(frames: list[tuple[float | None, float]]) -> None:
    clock, now, last = MonotonicFrameClock(), 1000.0, -math.inf
    for seconds, step in frames:
        now += step
        timestamp = clock.timestamp(seconds, now)
        assert timestamp > last
        assert abs(timestamp - now) <= 1.001 + 0.001 * len(frames)
        last = timestamp
