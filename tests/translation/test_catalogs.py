"""The catalogs of the languages: complete, without unused text, and with the same values to insert."""

from __future__ import annotations

import re
import string
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from emotion.translation.languages import ENGLISH, LANGUAGES
from emotion.translation.messages import CATALOGS

ROOT = Path(__file__).resolve().parents[2]
TRANSLATIONS = [language for language in LANGUAGES if language != ENGLISH]


@cache
def read_sources() -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the text to translate: its forms by context and first form."""
    with (ROOT / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    keywords = {**DEFAULT_KEYWORDS, "gettext_noop": None}
    found = {}
    for _, _, message, _, context in extract_from_dir(ROOT, methods, options, keywords):
        forms = message if isinstance(message, tuple) else (message,)
        found[context or "", forms[0]] = forms
    return found


@cache
def read_catalog(language: str) -> Catalog:
    with (CATALOGS / language.replace("-", "_") / "LC_MESSAGES" / "emotion.po").open("rb") as file:
        return read_po(file, language.replace("-", "_"))


def get_messages(language: str) -> dict[tuple[str, str], Message]:
    messages = [message for message in read_catalog(language) if message.id]
    return {(m.context or "", m.id[0] if isinstance(m.id, tuple) else m.id): m for m in messages}


def get_forms(value: str | list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def find_fields(text: str) -> Counter[tuple[str, str]]:
    """Return the names and formats of the values that are inserted."""
    return Counter((name, format_spec or "") for _, name, format_spec, _ in string.Formatter().parse(text) if name)


def find_markup(text: str) -> Counter[str]:
    """Return icons, tags, addresses and code, which are the same in all languages."""
    return Counter(re.findall(r":material/\w+:|</?\w+|https?://\S+|`[^`]+`|\]\([^)]+\)", text))


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_each_text_is_translated(language: str) -> None:
    messages = get_messages(language)
    missing = [key for key in read_sources() if key not in messages or not all(get_forms(messages[key].string))]
    assert missing == []
    assert [message.id for message in read_catalog(language) if message.fuzzy and message.id] == []


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_each_translation_is_used(language: str) -> None:
    assert sorted(get_messages(language).keys() - read_sources().keys()) == []
    assert list(read_catalog(language).obsolete) == []


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_translations_insert_the_same_values_and_keep_the_markup(language: str) -> None:
    wrong = []
    for key, forms in read_sources().items():
        for text in get_forms(get_messages(language)[key].string):
            if find_fields(text) != find_fields(forms[-1]) or find_markup(text) != find_markup(forms[-1]):
                wrong.append((forms[-1], text))
    assert wrong == []
