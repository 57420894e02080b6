"""Translation of text by gettext catalogs, under the names that Django uses.

A text is its English form. `gettext_noop` marks one that is translated later, such as a constant of a module, which all
languages share. Values are inserted after the translation: `_("{count} faces").format(count=3)`.
"""

from __future__ import annotations

import io
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Final

from emotion.translation.languages import ENGLISH, get_language

CATALOGS: Final = Path(__file__).resolve().parent / "locale"  # LANGUAGE/LC_MESSAGES/emotion.po


def gettext(message: str) -> str:
    """Return the translation of a text."""
    return translate(message, get_language())


def translate(message: str, language: str) -> str:
    """Return the translation of a text into a language; "" for "", under which a catalog holds its header."""
    return message and _load_catalog(CATALOGS, language).gettext(message)


def ngettext(singular: str, plural: str, number: int) -> str:
    """Return the translation of a text in the form for a number: `ngettext("{n} face", "{n} faces", n).format(n=n)`."""
    return _load_catalog(CATALOGS, get_language()).ngettext(singular, plural, number)


def pgettext(context: str, message: str) -> str:
    """Return the translation of a text that has several meanings; the context tells them apart."""
    return _load_catalog(CATALOGS, get_language()).pgettext(context, message)


def gettext_noop(message: str) -> str:
    """Mark a text for translation and return it as it is."""
    return message


@lru_cache
def _load_catalog(folder: Path, language: str) -> NullTranslations:
    if language == ENGLISH:
        return NullTranslations()
    from babel.messages.mofile import write_mo  # only for those who need a translation
    from babel.messages.pofile import read_po

    locale, compiled = language.replace("-", "_"), io.BytesIO()
    with (folder / locale / "LC_MESSAGES" / "emotion.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale))
    compiled.seek(0)
    return GNUTranslations(compiled)
