"""Check settings: a value out of its range or of a wrong type is an error of one sentence."""

from __future__ import annotations

import sys
from numbers import Integral, Real
from typing import Final, TypeGuard

from emotion.errors import SettingsError

_MAX_FLOAT: Final = sys.float_info.max


def check_number(name: str, value: object, min_value: float, max_value: float = _MAX_FLOAT) -> None:
    """Raise SettingsError unless `value` is a finite number from `min_value` to `max_value`; a boolean is not one."""
    if not _is_real(value) or not min_value <= value <= max_value:
        expected = f"of at least {min_value:g}" if max_value == _MAX_FLOAT else f"from {min_value:g} to {max_value:g}"
        raise SettingsError(f"The setting {name} is {value!r}; expected a finite number {expected}.")


def check_count(name: str, value: object, min_value: int) -> None:
    """Raise SettingsError unless `value` is a whole number of at least `min_value`."""
    if not _is_real(value) or not isinstance(value, Integral) or value < min_value:
        raise SettingsError(f"The setting {name} is {value!r}; expected a whole number of at least {min_value}.")


def check_timestamp(timestamp: object) -> None:
    """Raise SettingsError unless the timestamp of a frame is a finite number."""
    if not _is_real(timestamp) or not -_MAX_FLOAT <= timestamp <= _MAX_FLOAT:
        raise SettingsError(f"The time of the frame is {timestamp!r}; expected a finite number of seconds.")


def _is_real(value: object) -> TypeGuard[float]:
    return isinstance(value, Real) and not isinstance(value, bool)
