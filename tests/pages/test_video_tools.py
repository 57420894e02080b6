"""The Videos page: parts of videos, markers, curves of scores, and several videos on one axis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emotion.video.edits.markers import Marker, read_markers, set_marker
from emotion.video.time_range import TimeRange
from tests.pages.test_video import Add, Open, Visit
from tests.pages.video_making import write_video

pytestmark = pytest.mark.slow


def test_an_upload_is_trimmed_before_it_is_submitted(
    open_page: Open,
    started: list[Any],
    tmp_path: Path,
) -> None:
    page = open_page("video")
    page.app.toggle(key="video_trim").set_value(True).run()
    page.upload(("short.mp4", write_video(tmp_path / "short.mp4", 30).read_bytes()))
    assert not started, "a person chooses the part first"
    (slider,) = [slider for slider in page.app.slider if slider.label == "From and to, in seconds"]
    assert slider.value == (0.0, 3.0)
    slider.set_value((1.0, 2.5)).run()
    page.app.button(key="video_trim_submit").click().run()
    ((name, settings, _),) = started
    assert (name, settings.time_range) == ("short.mp4", TimeRange(1.0, 2.5))
    assert "from 0:01.0 to 0:02.5" in page.words


def test_a_file_that_is_no_video_cannot_be_trimmed(open_page: Open, started: list[Any]) -> None:
    page = open_page("video")
    page.app.toggle(key="video_trim").set_value(True).run()
    page.upload(("notes.mp4", b"no video"))
    assert len(page.app.error) == 1
    assert page.app.button(key="video_trim_submit").disabled
    assert not started


def test_a_damaged_file_does_not_keep_the_others_from_being_trimmed(
    open_page: Open, started: list[Any], tmp_path: Path
) -> None:
    page = open_page("video")
    page.app.toggle(key="video_trim").set_value(True).run()
    page.upload(("notes.mp4", b"no video"), ("short.mp4", write_video(tmp_path / "short.mp4", 30).read_bytes()))
    page.app.button(key="video_trim_submit").click().run()
    assert [(name, settings.time_range) for name, settings, _ in started] == [("short.mp4", TimeRange())]


def test_another_part_of_a_video_is_analyzed(
    party: Path,
    add: Add,
    here: Path,
    open_video: Visit,
    started: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = add(party)
    page = open_video(name)
    monkeypatch.setattr("emotion.ui.video.header.trim.show_part_again", lambda analysis: TimeRange(1.0, 2.0))
    page.app.run()
    ((_, settings, _),) = started
    assert settings.time_range == TimeRange(1.0, 2.0)


def test_scores_of_everyone_and_of_a_face_are_shown(party: Path, add: Add, open_video: Visit) -> None:
    name = add(party)
    page = open_video(name)
    assert "Scores over time" in page.words
    page.app.selectbox(key=f"video_scores_of_{name}").set_value(2).run()
    assert not page.app.exception
    assert not page.app.error


def test_markers_are_listed_changed_and_removed(party: Path, add: Add, here: Path, open_video: Visit) -> None:
    name = add(party)
    set_marker(here / name, 1.5)
    page = open_video(name)
    key = f"{name}_1.5"
    page.app.text_input(key=f"video_note_{key}").set_value("laughs").run()
    assert read_markers(here / name) == [Marker(1.5, "laughs")]
    page.app.button(key=f"video_marker_{key}").click().run()
    assert page.app.session_state["video_seek"]["timestamp"] == 1.5
    assert [button.label for button in page.app.get("download_button") if "Markers" in button.label]
    page.app.button(key=f"video_unmark_{key}_icon_only").click().run()
    assert read_markers(here / name) == []
    assert not page.app.exception


def test_videos_are_compared_on_one_axis(party: Path, add: Add, open_page: Open) -> None:
    names = [add(party), add(party)]
    page = open_page("video")
    page.app.multiselect(key="video_compare").set_value(names[:1]).run()
    assert "Average score of all faces" not in page.words
    page.app.multiselect(key="video_compare").set_value(names).run()
    assert "Average score of all faces" in page.words
    assert not page.app.exception
    assert not page.app.error
