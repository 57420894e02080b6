"""Check the field values of a configuration dataclass against their type annotations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from numbers import Integral, Real
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from emotion.errors import EmotionError
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop

_TYPE_NAMES: Final[Mapping[Any, str]] = {
    int: gettext_noop("a whole number"),
    float: gettext_noop("a number"),
    bool: gettext_noop("true or false"),
    str: gettext_noop("text"),
}
_NUMBER_TYPES: Final[Mapping[Any, type]] = {int: Integral, float: Real}
_MAX_VALUE_LENGTH: Final = 60  # characters of a value in an error message


def check_types(config: object) -> None:
    """Check that the fields of a dataclass have values of their annotated types.

    Args:
        config: A dataclass of numbers, strings, tuples of these, literals and nested dataclasses.

    Raises:
        EmotionError: A field has a value of another type; the message contains the field, the value and the
            expected type.
    """
    hints = _resolve_hints(type(config))
    for field in fields(config):  # type: ignore[arg-type]
        value, hint = getattr(config, field.name), hints[field.name]
        if not _matches_hint(value, hint):
            text = repr(value)
            text = text if len(text) <= _MAX_VALUE_LENGTH else f"{text[:_MAX_VALUE_LENGTH]}…"
            problem = _("{field} is {value}; expected {expected}.")
            raise EmotionError(problem.format(field=field.name, value=text, expected=_describe_hint(hint)))
        if is_dataclass(value):
            check_types(value)


@lru_cache(maxsize=100)
def _resolve_hints(config_type: type) -> Mapping[str, Any]:
    return get_type_hints(config_type)


def _matches_hint(value: Any, hint: Any) -> bool:
    if get_origin(hint) is tuple:
        item_hints = get_args(hint)
        if isinstance(value, tuple) and item_hints[-1] is ...:
            item_hints = item_hints[:1] * len(value)
        return isinstance(value, tuple) and len(value) == len(item_hints) and all(map(_matches_hint, value, item_hints))
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if hint in _NUMBER_TYPES:
        return isinstance(value, _NUMBER_TYPES[hint]) and not isinstance(value, bool)
    return isinstance(value, hint)


def _describe_hint(hint: Any) -> str:
    if get_origin(hint) is tuple:
        item_hints = get_args(hint)
        item = _describe_hint(item_hints[0])
        if item_hints[-1] is ...:
            return _("a list, each {item}").format(item=item)
        return _("{count} values, each {item}").format(count=len(item_hints), item=item)
    if get_origin(hint) is Literal:
        return _("one of {names}").format(names=", ".join(map(str, get_args(hint))))
    if hint in _TYPE_NAMES:
        return _(_TYPE_NAMES[hint])
    return _("settings of {name}").format(name=getattr(hint, "__name__", hint))
