import re

import pytest
import streamlit as st

from emotion.faces import Box, Face, Scores
from emotion.model_store.store import ModelBundle
from emotion.ui import components, messages, models


@pytest.mark.parametrize(
    "text",
    [
        "plain words, 87%",
        ":material/home: :smile: :red[x] $x^2$ **b** _i_ `c` [a](http://b.c) <b>h</b> &amp; ~~s~~",
        "-> <- >= -- ... # 1. a@b.co www.x.org \\n ^[1] | \"q\" 'q' {x} !y",
    ],
)
def test_escape_markdown_keeps_text_and_escapes_signs(text: str) -> None:
    marked = messages.escape_markdown(text)
    assert re.sub(r"\\(.)", r"\1", marked).replace("\u2060", "") == text
    assert not re.search(r"(?<!\\)[*_`$<>\[\]&~]", marked)
    assert "www." not in marked.replace("\\", "")


def test_escape_markdown_returns_one_line() -> None:
    assert messages.escape_markdown("a\n\n# b") == "a \\# b"


@pytest.mark.parametrize(("sent", "chosen"), [(2, [2]), (2.0, [2]), (0, []), (4, []), (-1, []), (None, []), ("2", [])])
def test_selection_callback_ignores_invalid_values(
    sent: object, chosen: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    got: list[int] = []
    monkeypatch.setattr(st, "session_state", {"key": {"selected": sent}})
    components._make_select_callback("key", 3, components.Selection(0, got.append))()
    assert got == chosen


def test_face_texts_are_formatted() -> None:
    scores = Scores(["happy", "sad"], [0.871, 0.129])
    sure, unsure = (
        Face(Box(0, 0, 9, 9), 0.9, scores=scores),
        Face(Box(0, 0, 9, 9), 0.9, scores=scores, uncertainty_reason="dark"),
    )
    assert (components.format_prediction(sure), components.format_uncertainty(sure)) == ("happy 87%", "")
    assert (components.format_prediction(unsure), components.format_uncertainty(unsure)) == (
        "unsure",
        "Dark. The best guess is happy at 87%.",
    )
    assert components.format_prediction(Face(Box(0, 0, 9, 9), 0.9)) == "unsure"


def test_accuracy_is_none_without_a_valid_card(tiny: ModelBundle) -> None:
    assert models.get_test_accuracy(tiny, "ferplus") is None
    stated = ModelBundle(
        tiny.folder, tiny.card.model_copy(update={"metrics": {"test": {"ferplus": {"accuracy": 0.8}}}})
    )
    assert models.get_test_accuracy(stated, "ferplus") == 0.8
    assert models.get_test_accuracy(stated, "fer2013") is None
