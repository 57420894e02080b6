"""Which languages there are, and in which of them text is shown."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Final

ENGLISH: Final = "en"

# By BCP 47 tag, each under its own name.
LANGUAGES: Final = MappingProxyType({ENGLISH: "English", "zh-TW": "繁體中文", "vi": "Tiếng Việt"})

_source: Callable[[], str] | None = None


def set_language_source(source: Callable[[], str]) -> None:
    """Set the function that returns the language of the person for whom this thread works."""
    global _source
    _source = source


def get_language() -> str:
    """Return the language of this thread's text: English where nobody chose one, as in commands and jobs."""
    return ENGLISH if _source is None else _source()


def match_language(locale: str | None) -> str:
    """Return the language for a browser's locale: "zh-TW" for "zh-Hant-HK", English for "fr-FR" or None."""
    parts = (locale or "").replace("_", "-").split("-")
    if parts[0] == "zh":
        return "zh-TW" if {"TW", "HK", "MO", "Hant"} & set(parts) else ENGLISH
    return parts[0] if parts[0] in LANGUAGES else ENGLISH
