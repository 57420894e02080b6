"""Translation of text by gettext catalogs, under the names that Django uses.

A text is its English form. `gettext_noop` marks one that is translated later, such as a constant of a module, which all
languages share. Values are inserted after the translation: `_("{count} faces").format(count=3)`.
"""

from __future__ import annotations

import io
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import TYPE_CHECKING, Final

from emotion.translation.languages import ENGLISH, get_language
from emotion.translation.text import Text

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog

CATALOGS: Final = Path(__file__).resolve().parent / "locale"  # LANGUAGE/LC_MESSAGES/emotion.po


def gettext(message: str) -> str:
    """Return the translation of a text; in English, one that `translate_text` can translate later."""
    language = get_language()
    return Text.make(message, message, {}) if language == ENGLISH else translate(message, language)


def translate(message: str, language: str) -> str:
    """Return the translation of a text into a language; "" for "", under which a catalog holds its header."""
    return message and _load_catalog(CATALOGS, language).gettext(message)


def translate_text(text: str) -> str:
    """Return the translation of a text that was made where the language was not known, as in a job.

    Only messages of the catalog are translated: others may come from a file that somebody else wrote.
    """
    language = get_language()
    if not isinstance(text, Text) or language == ENGLISH:
        return text
    if text.message not in _load_ids(CATALOGS, language):
        return text
    message = translate(text.message, language)
    values = {name: translate_text(value) if isinstance(value, str) else value for name, value in text.values.items()}
    try:
        return message.join(map(str, values.values())) if text.is_list else message.format(**values)
    except (LookupError, ValueError, AttributeError, TypeError):  # values of a damaged file
        return text


def translate_error(error: Exception) -> str:
    """Return the message of an error in the language of this thread, also where another thread or process raised it."""
    return translate_text(get_message(error))


def get_message(error: Exception) -> str:
    """Return the message of an error, which `translate_text` can translate where it is a `Text`."""
    (message, *more) = error.args or ("",)
    return message if isinstance(message, Text) and not more else str(error)


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
def _load_ids(folder: Path, language: str) -> frozenset[str]:
    """Return the texts that the catalog of a language translates, of those with several forms none."""
    return frozenset(message.id for message in _read_catalog(folder, language) if isinstance(message.id, str))


def _read_catalog(folder: Path, language: str) -> Catalog:
    from babel.messages.pofile import read_po  # only for those who need a translation

    locale = language.replace("-", "_")
    with (folder / locale / "LC_MESSAGES" / "emotion.po").open("rb") as file:
        return read_po(file, locale)


@lru_cache
def _load_catalog(folder: Path, language: str) -> NullTranslations:
    if language == ENGLISH:
        return NullTranslations()
    from babel.messages.mofile import write_mo

    compiled = io.BytesIO()
    write_mo(compiled, _read_catalog(folder, language))
    compiled.seek(0)
    return GNUTranslations(compiled)
