"""Checks of settings: what is out of range or of a wrong type is refused in one sentence."""

from __future__ import annotations

import sys
from numbers import Integral, Real
from typing import Final

from emotion.errors import SettingsError

_ANY: Final = sys.float_info.max


def check_number(name: str, value: object, lowest: float, highest: float = _ANY) -> None:
    """Raise SettingsError unless `value` is a finite number from `lowest` to `highest`; booleans are no numbers."""
    if not _is(Real, value) or not lowest <= value <= highest:  # type: ignore[operator]
        expected = f"of at least {lowest:g}" if highest == _ANY else f"from {lowest:g} to {highest:g}"
        raise SettingsError(f"The setting {name} is {value!r}; expected a finite number {expected}.")


def check_count(name: str, value: object, lowest: int) -> None:
    """Raise SettingsError unless `value` is a whole number of at least `lowest`."""
    if not _is(Integral, value) or value < lowest:  # type: ignore[operator]
        raise SettingsError(f"The setting {name} is {value!r}; expected a whole number of at least {lowest}.")


def check_time(seconds: object) -> None:
    """Raise SettingsError unless `seconds`, the time of a frame, is a finite number."""
    if not _is(Real, seconds) or not -_ANY <= seconds <= _ANY:  # type: ignore[operator]
        raise SettingsError(f"The time of the frame is {seconds!r}; expected a finite number of seconds.")


def _is(kind: type, value: object) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
