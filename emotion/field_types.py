"""Check the fields of a configuration against their annotations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from numbers import Integral, Real
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from emotion.errors import EmotionError

_TYPE_NAMES: Final[Mapping[Any, str]] = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
_NUMBER_TYPES: Final[Mapping[Any, type]] = {int: Integral, float: Real}
_MAX_VALUE_LENGTH: Final = 60  # characters of a value that are shown


def check_types(config: object) -> None:
    """Check the fields of a dataclass of numbers, text, tuples of these, literals and other dataclasses.

    Raises:
        EmotionError: A field has a value of another type; it names the field, the value and what was expected.
    """
    hints = _resolve_hints(type(config))
    for field in fields(config):  # type: ignore[arg-type]
        value, hint = getattr(config, field.name), hints[field.name]
        if not _matches_hint(value, hint):
            shown = repr(value)
            shown = shown if len(shown) <= _MAX_VALUE_LENGTH else f"{shown[:_MAX_VALUE_LENGTH]}…"
            raise EmotionError(f"{field.name} is {shown}; expected {_describe_hint(hint)}.")
        if is_dataclass(value):
            check_types(value)


@lru_cache(maxsize=100)
def _resolve_hints(config_type: type) -> Mapping[str, Any]:
    return get_type_hints(config_type)


def _matches_hint(value: Any, hint: Any) -> bool:
    if get_origin(hint) is tuple:
        kinds = get_args(hint)
        kinds = kinds[:1] * len(value) if isinstance(value, tuple) and kinds[-1] is ... else kinds
        return isinstance(value, tuple) and len(value) == len(kinds) and all(map(_matches_hint, value, kinds))
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if hint in _NUMBER_TYPES:
        return isinstance(value, _NUMBER_TYPES[hint]) and not isinstance(value, bool)
    return isinstance(value, hint)


def _describe_hint(hint: Any) -> str:
    if get_origin(hint) is tuple:
        kinds = get_args(hint)
        count = "a list, each" if kinds[-1] is ... else f"{len(kinds)} values, each"
        return f"{count} {_describe_hint(kinds[0])}"
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(str, get_args(hint)))}"
    return _TYPE_NAMES.get(hint, f"settings of {getattr(hint, '__name__', hint)}")
