"""Numbers as text for people: percentages, clock times, durations and rates."""

from __future__ import annotations

import math


def format_percent(fraction: float) -> str:
    """0.871 -> "87 %"; a guess that is only almost certain stays below 100."""
    return ">99 %" if 0.995 <= fraction < 1 else f"{round(fraction * 100)} %"


def format_clock(seconds: float) -> str:
    """The length of a video or how far it is, to the nearest second: "0:07", "12:34"."""
    whole = int(seconds + 0.5)
    return f"{whole // 60}:{whole % 60:02d}"


def format_clock_tenths(seconds: float) -> str:
    """When something happens in a video, to the nearest tenth of a second, as the timeline of the page tells it:
    "0:07.4"."""
    tenths = int(seconds * 10 + 0.5)
    return f"{tenths // 600}:{tenths % 600 / 10:04.1f}"


def format_accuracy(accuracy: float | None) -> str:
    """ "71 %", "" where nothing was counted."""
    return "" if accuracy is None or not math.isfinite(accuracy) else format_percent(accuracy)


def format_time_left(seconds: float | None) -> str:
    """ "about 40 s left", "about 12 min left", "about 3 h left"; "" where nobody knows."""
    if seconds is None:
        return ""
    return f"about {format_duration(seconds)} left"


def format_duration(seconds: float) -> str:
    """ "40 s", "12 min", "3.5 h"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h".replace(".0 h", " h")
