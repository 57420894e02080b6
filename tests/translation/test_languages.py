"""The choice of the language and the lookup of text."""

from __future__ import annotations

import pytest

from emotion.translation import languages, messages
from emotion.translation.languages import get_language, match_language, set_language_source


@pytest.fixture(autouse=True)
def no_language_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(languages, "_source", None)


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        ("en-US", "en"),
        ("zh-TW", "zh-TW"),
        ("zh-Hant-HK", "zh-TW"),
        ("zh_TW", "zh-TW"),
        ("zh-CN", "en"),
        ("vi", "vi"),
        ("vi-VN", "vi"),
        ("fr-FR", "en"),
        ("", "en"),
        (None, "en"),
    ],
)
def test_locale_of_a_browser_selects_the_language(locale: str | None, language: str) -> None:
    assert match_language(locale) == language


def test_text_is_english_where_nobody_chose_a_language() -> None:
    assert get_language() == "en"
    assert messages.gettext("Photos") == "Photos"
    assert messages.ngettext("{n} face", "{n} faces", 2) == "{n} faces"


def test_text_is_looked_up_in_the_language_of_the_thread() -> None:
    set_language_source(lambda: "zh-TW")
    assert messages.gettext("Photos") == "照片"
    set_language_source(lambda: "vi")
    assert messages.gettext("Photos") == "Ảnh"
    assert messages.gettext_noop("Photos") == "Photos"


def test_unknown_text_stays_as_it_is() -> None:
    set_language_source(lambda: "vi")
    assert messages.gettext("A text of a file") == "A text of a file"
