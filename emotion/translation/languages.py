"""Which languages there are, and in which of them text is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Final

ENGLISH: Final = "en"

# By BCP 47 tag, each under its own name.
LANGUAGES: Final = MappingProxyType({ENGLISH: "English", "zh-TW": "繁體中文", "vi": "Tiếng Việt"})

_source: Callable[[], str] | None = None
_is_shared: Final = ContextVar("is_shared", default=False)


def set_language_source(source: Callable[[], str]) -> None:
    """Set the function that returns the language of the person for whom this thread works."""
    global _source
    _source = source


def get_language() -> str:
    """Return the language of this thread's text: English where nobody chose one, as in commands and jobs."""
    return ENGLISH if _source is None or _is_shared.get() else _source()


@contextmanager
def in_english() -> Iterator[None]:
    """Make text in English inside the block, since a cache keeps it for people with other languages.

    `messages.translate_text` translates it where it is shown.
    """
    token = _is_shared.set(True)
    try:
        yield
    finally:
        _is_shared.reset(token)


def match_language(locale: str | None) -> str:
    """Return the language for a browser's locale: "zh-TW" for "zh-Hant-HK", English for "fr-FR" or None."""
    parts = (locale or "").replace("_", "-").split("-")
    if parts[0] == "zh":
        return "zh-TW" if {"TW", "HK", "MO", "Hant"} & set(parts) else ENGLISH
    return parts[0] if parts[0] in LANGUAGES else ENGLISH
