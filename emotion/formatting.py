"""Numbers and names as text for people: percentages, clock times, durations and rates."""

from __future__ import annotations

import math
from collections.abc import Iterable

from emotion.translation.messages import gettext as _


def format_name(text: str, max_length: int) -> str:
    """Return text that came from elsewhere as one line of at most `max_length` printable characters, maybe ""."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:max_length].strip()


def format_list(items: Iterable[str]) -> str:
    """Join items as the language of the page does: "happy, sad"."""
    return _(", ").join(items)


def format_pair(name: str, value: str) -> str:
    """Join a name and its value as the language of the page does: "Secure page: yes"."""
    return _("{name}: {value}").format(name=name, value=value)


def format_percent(fraction: float) -> str:
    """Format a share as "87%"; one that is almost 1 as ">99%"."""
    return ">99%" if 0.995 <= fraction < 1 else f"{round(fraction * 100)}%"


def format_clock(seconds: float) -> str:
    """Format a duration or position to the nearest second: "0:07", "12:34"."""
    rounded = int(seconds + 0.5)
    return f"{rounded // 60}:{rounded % 60:02d}"


def format_clock_tenths(seconds: float) -> str:
    """Format a timestamp to the nearest tenth of a second: "0:07.4"."""
    tenths = int(seconds * 10 + 0.5)
    return f"{tenths // 600}:{tenths % 600 / 10:04.1f}"


def format_accuracy(accuracy: float | None) -> str:
    """Format an accuracy as "71%"; "" where there is none."""
    return "" if accuracy is None or not math.isfinite(accuracy) else format_percent(accuracy)


def format_time_left(seconds: float | None) -> str:
    """Format the time left as "about 40 s left" or "about 3 h left"; "" where it is unknown."""
    if seconds is None:
        return ""
    return _("about {duration} left").format(duration=format_duration(seconds))


def format_duration(seconds: float) -> str:
    """Format a duration as "40 s", "12 min" or "3.5 h"."""
    if seconds < 90:
        return _("{seconds} s").format(seconds=max(1, round(seconds)))
    if seconds < 5400:
        return _("{minutes} min").format(minutes=round(seconds / 60))
    return _("{hours} h").format(hours=f"{seconds / 3600:.1f}".removesuffix(".0"))
