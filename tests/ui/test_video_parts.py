"""Parts of the Videos page that need no page."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from emotion.media.image_reader import encode_jpeg, read_image
from emotion.translation.languages import ENGLISH, set_language_source
from emotion.ui.video import frames as video_frames
from emotion.ui.video import people, selection
from emotion.ui.video.charts import timeline as video_timeline


def test_share_bar_has_full_width() -> None:
    bar = people.make_share_bar({"happy": 0.5, "sad": 0.25, "unsure": 0.25})
    assert bar.startswith("<svg")
    assert 'x="0.00" width="50.00"' in bar
    assert 'x="75.00" width="25.00" height="4" fill="url(#unsure)"' in bar


@pytest.mark.parametrize("data", [b"", b"no picture"])
def test_damaged_image_counts_as_missing(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "1.jpg").write_bytes(data)
    assert video_frames.get_face_thumbnail(tmp_path / "1.jpg", False) is None
    assert video_frames.read_thumbnail(tmp_path / "1.jpg", True) is None
    assert video_frames.read_thumbnail(tmp_path / "2.jpg", False) is None
    assert video_frames.read_thumbnail(None, False) is None


def test_face_thumbnail_is_square(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(encode_jpeg(np.full((60, 40, 3), 99, np.uint8)))
    jpeg = video_frames.get_face_thumbnail(tmp_path / "1.jpg", False)
    assert jpeg is not None
    image = read_image(jpeg)
    assert image.shape[0] == image.shape[1]


def test_click_in_a_chart_moves_the_player_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clicked:
        selection: dict[str, Any]

    clicked = Clicked()
    state: dict[str, Any] = {"video_cast": clicked}
    monkeypatch.setattr(video_timeline, "state", state)
    for chosen, seek in (
        ([{"start": 1.5}], {"timestamp": 1.5, "id": 1}),
        ([], {"timestamp": 1.5, "id": 1}),
        ([{"start": 1.5}], {"timestamp": 1.5, "id": 2}),
        ([{"start": "x"}], {"timestamp": 1.5, "id": 2}),
        (None, {"timestamp": 1.5, "id": 2}),
        ([{}], {"timestamp": 1.5, "id": 2}),
        ([{"start": float("nan")}], {"timestamp": 1.5, "id": 2}),
    ):
        clicked.selection = {"time": chosen}
        video_timeline.seek_from_chart("video_cast")
        assert state["video_seek"] == seek
    state["video_cast"] = None
    video_timeline.seek_from_chart("video_cast")


@pytest.fixture
def reset_language() -> Iterator[None]:
    yield
    set_language_source(lambda: ENGLISH)


@pytest.mark.parametrize(
    ("language", "date", "shares"),
    [
        ("en", "3 Nov 2026, 09:05", "not analyzed"),
        ("zh-TW", "2026年11月3日 09:05", "未分析"),
        ("vi", "3 thg 11, 2026, 09:05", "chưa phân tích"),
    ],
)
def test_summary_of_a_video_is_in_the_language_of_the_page(
    language: str, date: str, shares: str, reset_language: None
) -> None:
    set_language_source(lambda: language)
    video: Any = SimpleNamespace(created_at=datetime(2026, 11, 3, 9, 5).astimezone())
    assert selection.format_date(video) == date
    assert selection.format_shares({}) == shares
