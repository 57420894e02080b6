"""Checks of settings: what is out of range or of a wrong type is refused in one sentence."""

from __future__ import annotations

import sys
from numbers import Integral, Real
from typing import Final

from emotion.errors import SettingsError

_MAX_FLOAT: Final = sys.float_info.max


def check_number(name: str, value: object, min_value: float, max_value: float = _MAX_FLOAT) -> None:
    """Raise SettingsError unless `value` is a finite number from `min_value` to `max_value`; booleans are no numbers."""
    if not _is_number(Real, value) or not min_value <= value <= max_value:  # type: ignore[operator]
        expected = f"of at least {min_value:g}" if max_value == _MAX_FLOAT else f"from {min_value:g} to {max_value:g}"
        raise SettingsError(f"The setting {name} is {value!r}; expected a finite number {expected}.")


def check_count(name: str, value: object, min_value: int) -> None:
    """Raise SettingsError unless `value` is a whole number of at least `min_value`."""
    if not _is_number(Integral, value) or value < min_value:  # type: ignore[operator]
        raise SettingsError(f"The setting {name} is {value!r}; expected a whole number of at least {min_value}.")


def check_timestamp(timestamp: object) -> None:
    """Raise SettingsError unless `timestamp`, the time of a frame, is a finite number."""
    if not _is_number(Real, timestamp) or not -_MAX_FLOAT <= timestamp <= _MAX_FLOAT:  # type: ignore[operator]
        raise SettingsError(f"The time of the frame is {timestamp!r}; expected a finite number of seconds.")


def _is_number(number_type: type, value: object) -> bool:
    return isinstance(value, number_type) and not isinstance(value, bool)
