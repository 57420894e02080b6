"""Labels, reasons, movements, numbers and faces in the language of a page, and English in results."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import streamlit as st

from emotion.expressions import symbol_and_name, translate_label
from emotion.faces import Box, Face, FaceFeatures, HeadPose, Scores
from emotion.formatting import format_duration, format_list, format_time_left
from emotion.media.image_reader import read_image
from emotion.recognition import uncertainty
from emotion.recognition.features.wording import describe_pose
from emotion.recognition.uncertainty import translate_reason
from emotion.results import serialization, tables
from emotion.translation import languages
from emotion.ui import components
from emotion.ui.language import translate_spinner

FACE = Face(Box(0, 0, 40, 40), 0.9, scores=Scores(("happy", "sad"), (0.8, 0.2)))
UNSURE = Face(
    Box(0, 0, 40, 40), 0.9, scores=Scores(("happy", "sad"), (0.5, 0.4)), uncertainty_reason="between happy and sad"
)


@pytest.fixture(autouse=True)
def set_language(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def set_source(language: str) -> None:
        monkeypatch.setattr(languages, "_source", lambda: language)

    set_source("zh-TW")
    return set_source


def test_expressions_are_translated_and_own_labels_are_not() -> None:
    assert [translate_label(name) for name in ("happy", "unsure", "smirk", "")] == ["開心", "不確定", "smirk", ""]
    assert symbol_and_name("happy") == "● 開心"


@pytest.mark.parametrize(
    ("reason", "translation"),
    [
        (uncertainty.DARK, "太暗"),
        (uncertainty.NOT_CLASSIFIED, "尚未分類"),
        ("small: 12 pixels wide", "太小：寬 12 像素"),
        ("between happy and sad", "介於開心與難過之間"),
        ("between smirk and sad", "介於smirk與難過之間"),
        ("from another program", "from another program"),
        ("", ""),
    ],
)
def test_reasons_are_translated_with_their_values(reason: str, translation: str) -> None:
    assert translate_reason(reason) == translation


def test_a_face_is_described_in_the_language_and_stored_in_english() -> None:
    assert components.format_prediction(FACE) == "開心 80%"
    assert components.format_uncertainty(UNSURE) == "介於開心與難過之間。最可能是開心，50%。"
    assert components.format_counts([FACE, FACE, UNSURE]) == "2 開心、1 不確定"
    assert serialization.face_to_dict(UNSURE)["uncertainty_reason"] == "between happy and sad"
    assert tables.faces_table([("a.png", (FACE,))])["label"].tolist() == ["happy"]


def test_durations_and_lists_are_translated(set_language: Callable[[str], None]) -> None:
    assert (format_duration(40), format_time_left(7200)) == ("40 秒", "約剩 2 小時")
    assert format_list(["a", "b"]) == "a、b"
    set_language("vi")
    assert (format_duration(600), format_list(["a", "b"])) == ("10 phút", "a, b")


def test_pose_and_movements_are_translated() -> None:
    assert describe_pose(HeadPose(yaw=20, pitch=-12, roll=0)) == "轉向其左側 20°、抬頭 12°"
    smile: dict[str, float] = {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8}
    table = tables.movements_table(FaceFeatures((), (), None, smile, 1.0))
    assert table.iloc[0].tolist() == ["嘴角上揚", 0.8, "AU12 嘴角上拉"]


def test_the_error_of_a_file_is_translated() -> None:
    with pytest.raises(Exception, match="是PDF 文件，無法當作影像讀取：請另存為 JPEG 或 PNG 後使用。"):
        read_image(b"%PDF-1.7", name="a.pdf")


def test_a_function_with_a_translated_spinner_has_one_cache(set_language: Callable[[str], None]) -> None:
    calls = []

    @translate_spinner(st.cache_resource, "Getting ready", max_entries=2)
    def load(number: int) -> list[int]:
        calls.append(number)
        return [number]

    first = load(1)
    set_language("vi")
    assert load(1) is first
    assert calls == [1]
