"""The page that a visitor's link opens, in the language of the browser."""

from __future__ import annotations

import pytest

from emotion.ui.visitors.link_page import render_link_page


@pytest.mark.parametrize(
    ("accepted", "language", "button"),
    [
        ("", "en", "Open the videos"),
        ("fr-FR,fr;q=0.9", "en", "Open the videos"),
        ("zh-TW,zh;q=0.9,en;q=0.8", "zh-TW", "開啟影片"),
        ("vi;q=0.9", "vi", "Mở video"),
    ],
)
def test_the_page_is_in_the_first_language_of_the_browser(accepted: str, language: str, button: str) -> None:
    page = render_link_page(accepted)
    assert f'<html lang="{language}">' in page
    assert f"<button>{button}</button>" in page
