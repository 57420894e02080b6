"""English text that remembers how it was made, so that a page can translate what a job wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Self

_MAX_DEPTH: Final = 4  # a value may be such a text itself
_MAX_FIELDS: Final = 20


class Text(str):
    """A text in English, the message of the catalogs of which it was made, and the values that were inserted.

    Attributes:
        message: The message, with its fields in braces; for a list what is between two items.
        values: The value of each field; for a list the items by number.
    """

    message: str
    values: Mapping[str, object]

    @classmethod
    def make(cls, english: str, message: str, values: Mapping[str, object]) -> Self:
        """Make a text of its English form and its parts."""
        text = cls(english)
        text.message, text.values = message, values
        return text

    def format(self, *args: object, **values: object) -> str:
        """Insert values; the result remembers them."""
        english = super().format(*args, **values)
        return english if args else self.make(english, self.message, values)

    def join(self, items: Iterable[str], /) -> str:
        """Join items; the result remembers them."""
        parts = list(items)
        return self.make(super().join(parts), self.message, {str(i): part for i, part in enumerate(parts)})

    @property
    def is_list(self) -> bool:
        """Whether it is a result of `join`."""
        return "0" in self.values


def to_parts(text: str) -> object:
    """Return what JSON can hold of a text: the message and the values of a `Text`, any other as it is."""
    if not isinstance(text, Text):
        return str(text)
    values = {
        name: value if isinstance(value, int | float) else to_parts(value if isinstance(value, str) else str(value))
        for name, value in text.values.items()
    }
    return {"message": text.message, "values": values}


def from_parts(english: str, parts: object, depth: int = 0) -> str:
    """Return the text of parts that come from a file, `english` where they are not what `to_parts` returns.

    Args:
        english: The text in English.
        parts: Any value that JSON can hold.
        depth: How many texts this one is inserted into.
    """
    if not isinstance(parts, dict) or depth > _MAX_DEPTH:
        return english
    message, values = parts.get("message"), parts.get("values")
    if not isinstance(message, str) or not isinstance(values, dict) or len(values) > _MAX_FIELDS:
        return english
    inserted = {
        str(name): value if isinstance(value, int | float) else from_parts(_get_english(value), value, depth + 1)
        for name, value in values.items()
    }
    return Text.make(english, message, inserted)


def _get_english(value: object) -> str:
    """Return the English form of a value: that of a text without a translation is its message."""
    return str(value.get("message", "")) if isinstance(value, dict) else str(value)
