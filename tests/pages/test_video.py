import base64
import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.errors import VideoError
from emotion.faces import Face
from emotion.jobs.job import Job
from emotion.jobs.ownership import Ownership
from emotion.media.image_reader import encode_jpeg, read_image
from emotion.ui import components, streamlit_workarounds
from emotion.ui.video import frames as video_frames
from emotion.ui.visitors import identity
from emotion.video import library
from emotion.video.analysis import VideoAnalysis
from tests.pages.video_making import PLACES, level, running, write_video
from tests.video.scenes import add_features
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

Open = Callable[[str], Any]
Visit = Callable[[str], Any]
Add = Callable[[Path], str]
Read = Callable[..., Path]
See = Callable[[NDArray[np.uint8]], list[Face]]
HOSTILE_NAME = ":smile: **b** <img src=x onerror=alert(1)> $x$ [a](b.c).mp4"


def ended(folder: Path, state: str, error: str | None = None) -> None:
    value = {"status": state, "pid": 1, "process_started_at": 1.0, "error": error}
    (folder / "state.json").write_text(json.dumps(value))


# ------------------------------------------------------------------ no video


def test_empty_says_what_to_do(here: Path, open_page: Open) -> None:
    page = open_page("video")
    assert page.app.title[0].value == "Videos"
    assert page.app.file_uploader[0].label == "Drop videos of people here"
    assert "A timeline for each face" in page.words
    assert not page.app.error
    assert not here.exists(), "looking makes no folders"


def test_a_visitor_without_a_cookie_sees_no_video(
    party: Path, add: Add, open_video: Visit, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = add(party)
    monkeypatch.setenv("EMOTION_PUBLIC", "1")
    monkeypatch.setattr(identity, "get_id", lambda: "")
    for page in (open_page("video"), open_video(video)):
        assert "This browser sent no cookie" in page.words
        assert not page.app.exception
        assert not [button for button in page.app.button if "elete" in button.label or button.label == "Open"]


def test_a_public_server_shows_a_visitor_only_their_videos(
    here: Path, party: Path, add: Add, open_page: Open, open_video: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = add(party), add(party)
    visitor = identity.make_id()
    for name, key in ((mine, identity.make_key(visitor)), (other, "somebody else")):
        Ownership(owner=key, created_at=1.0, expires_at=2.0).write(here / name)
    monkeypatch.setenv("EMOTION_PUBLIC", "1")
    monkeypatch.setattr(identity, "get_id", lambda: visitor)
    page = open_page("video")
    assert [button.key for button in page.app.button if button.label == "Open"] == [f"video_open_{mine}"]
    assert "There is no such video" in open_video(other).words
    assert open_video(mine).shown("video_timeline")


def test_unknown_video_in_the_url_shows_a_message(here: Path, open_page: Open) -> None:
    here.mkdir(parents=True)
    page = open_page("video")
    for video in (
        "20200101-000000-abcd",
        "../../etc",
        "..",
        "/etc",
        "20200101-000000-abcd/..",
        "",
        "a" * 500,
        HOSTILE_NAME,
    ):
        page.app.query_params["video"] = video
        page.app.run()
        assert not page.app.exception, video
        assert "There is no such video; it may have been deleted." in page.words, video
        assert page.app.file_uploader
        assert not page.app.error, video


def test_url_cannot_leave_the_videos_folder(here: Path, party: Path, add: Add, open_video: Visit) -> None:
    name = add(party)
    shutil.move(here / name, here.parent / name)
    for video in (f"../{name}", f"{name}/../{name}", name):
        assert "There is no such video" in open_video(video).words


def test_videos_can_be_opened_without_a_classifier(models: Path, party: Path, add: Add, open_video: Visit) -> None:
    (models / "tiny" / "model.onnx").write_bytes(b"changed")
    page = open_video(add(party))
    assert page.shown("video_timeline")
    page.app.button(key="video_again").click().run()
    assert "sha256 differs" in page.words


# ------------------------------------------------------------------ uploads


def test_upload_is_submitted_with_the_settings(here: Path, open_page: Open, started: list[Any]) -> None:
    page = open_page("video")
    page.app.toggle(key="side_anonymize").set_value(True)
    page.app.slider(key="side_min_confidence").set_value(60)
    page.app.segmented_control(key="video_speed").set_value("Fast").run()
    page.upload((HOSTILE_NAME, b"a video"))
    ((name, settings, content),) = started
    assert (name, content) == (HOSTILE_NAME, b"a video")
    assert (settings.frame_stride, settings.anonymize, settings.write_video) == (library.FAST_STRIDE, True, True)
    assert (settings.recognition.min_confidence, settings.recognition.detection_threshold) == (0.6, 0.6)
    video = page.app.query_params["video"]
    assert (here / video).is_dir()
    assert HOSTILE_NAME in page.words
    assert "0:01 of 0:04, 1 face" in page.words


def test_bad_upload_among_several_is_reported(open_page: Open, started: list[Any]) -> None:
    page = open_page("video")
    page.upload(("a.mp4", b"one"), (HOSTILE_NAME, b"bad"), ("b.mp4", b"two"))
    assert [name for name, _, _ in started] == ["a.mp4", "b.mp4"]
    assert len(page.app.error) == 1
    assert f'"{HOSTILE_NAME}" is no video.' in page.words
    assert "25%, about 12 s left" in page.words
    assert "video" not in page.app.query_params
    page.app.run()
    assert len(started) == 2, "nothing is read a second time"
    assert not page.app.error


def test_a_video_after_a_bad_one_is_submitted(open_page: Open, started: list[Any]) -> None:
    page = open_page("video")
    page.upload((HOSTILE_NAME, b"bad"))
    assert len(page.app.error) == 1
    page.upload(("a.mp4", b"one"))
    assert [name for name, _, _ in started] == ["a.mp4"]


def test_submitted_upload_is_released(open_page: Open, started: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten = []
    monkeypatch.setattr(streamlit_workarounds, "release_upload", forgotten.append)
    page = open_page("video")
    page.upload(("a.mp4", b"one"), ("b.mp4", b"bad"))
    assert len(set(forgotten)) == 2


def test_sample_video_is_written_and_submitted(here: Path, open_page: Open, started: list[Any]) -> None:
    page = open_page("video")
    page.app.button(key="video_sample").click().run()
    ((name, settings, content),) = started
    assert name == "Sample: one face, moved about"
    assert content == (here.parent / "samples" / "one-face.mp4").read_bytes()
    assert settings.frame_stride == 1


def test_video_is_analyzed_end_to_end(here: Path, open_page: Open, tmp_path: Path) -> None:
    page = open_page("video")
    page.upload(("short.mp4", write_video(tmp_path / "short.mp4", 5).read_bytes()))
    assert not page.app.error
    video = page.app.query_params["video"]
    wait_until(lambda: VideoAnalysis.open(here / video).is_finished, 60)
    page.app.run()
    assert "in the 5 frames" in page.words


# ------------------------------------------------------------------ the list


def test_videos_are_listed_and_opened(party: Path, add: Add, open_page: Open) -> None:
    one, other = add(party), add(party)
    page = open_page("video")
    assert page.words.count("party.mp4") == 4  # also as what the buttons delete
    assert "0:04" in page.words
    page.app.button(key=f"video_open_{one}").click().run()
    assert page.app.query_params["video"] == one
    assert page.shown("video_timeline")
    page.app.button(key="video_back").click().run()
    assert "video" not in page.app.query_params
    assert page.app.button(key=f"video_open_{other}")


def find_popovers(block: Any) -> list[Any]:
    """Return the blocks of all popovers in a block of a page."""
    own = [block] if getattr(block, "type", "") == "popover" else []
    return own + [found for child in getattr(block, "children", {}).values() for found in find_popovers(child)]


def test_video_is_deleted_after_confirmation(here: Path, party: Path, add: Add, open_page: Open) -> None:
    one, other = add(party), add(party)
    page = open_page("video")
    assert {one, other} == {block.proto.id.split("video_delete_menu_")[-1] for block in find_popovers(page.app.main)}
    page.app.button(key=f"video_delete_{one}").click().run()
    assert sorted(path.name for path in here.iterdir()) == [other]
    assert page.words.count("party.mp4") == 2
    page.app.query_params["video"] = other
    page.app.run()
    page.app.button(key=f"video_delete_{other}").click().run()
    assert list(here.iterdir()) == []
    assert "A timeline for each face" in page.words


def test_damaged_video_does_not_affect_the_others(here: Path, party: Path, add: Add, open_page: Open) -> None:
    good, bad = add(party), add(party)
    (here / bad / "request.json").write_text("{")
    page = open_page("video")
    page.app.button(key=f"video_open_{bad}").click().run()
    assert "request.json is damaged" in page.words
    assert "not here" not in page.words
    assert page.app.button(key=f"video_open_{good}")
    page.app.button(key=f"video_delete_{bad}").click().run()
    assert not (here / bad).exists()


# ------------------------------------------------------------------ running


def test_running_analysis_shows_its_progress(here: Path, party: Path, add: Add, open_video: Visit) -> None:
    name = add(party)
    lines = (here / name / "frames.jsonl").read_text().splitlines(keepends=True)
    (here / name / "frames.jsonl").write_text("".join(lines[:15]))
    (here / name / "annotated.mp4").unlink()
    running(here / name)
    page = open_video(name)
    assert "25%, about 12 s left" in page.app.get("progress")[0].proto.text.replace("\\", "").replace("\u2060", "")
    timeline = page.shown("video_timeline")
    assert timeline["is_live"]
    assert not timeline["has_player"]
    assert timeline["duration"] == pytest.approx(4, abs=0.2), "the axis is that of the whole video"
    assert timeline["timestamp"] == pytest.approx(1.4)
    assert timeline["highlights"] == []
    before = timeline["lanes"][0]["segments"][-1][1]
    (here / name / "frames.jsonl").write_text("".join(lines[:25]))
    page.app.run()
    assert page.shown("video_timeline")["lanes"][0]["segments"][-1][1] > before
    ended(here / name, "done")
    page.app.run()
    assert "Download" in page.words


def images(page: Any) -> list[str]:
    return [image.url for element in (page.app.get("imgs") or page.app.image) for image in element.proto.imgs]


def test_running_analysis_embeds_its_last_frame(
    here: Path, party: Path, add: Add, open_video: Visit, open_page: Open
) -> None:
    name = add(party)
    running(here / name)
    last = components.to_data_url((here / name / "preview.jpg").read_bytes())
    assert images(open_video(name))[0] == last
    (here / name / "preview.jpg").unlink()
    (here / name / "cover.jpg").unlink()
    for page in (open_video(name), open_page("video")):
        first = images(page)[0]
        assert first.startswith("data:image/jpeg;base64,")
        image = read_image(base64.b64decode(first.split(",")[1]))
        assert image.std() > 5, "the first frame, no gray rectangle"
    (here / name / "source.mp4").write_bytes(b"no video")
    video_frames.st.cache_data.clear()
    page = open_video(name)
    assert images(page) == []
    assert not page.app.error


def test_video_card_shows_a_frame_with_faces(here: Path, party: Path, add: Add, open_page: Open) -> None:
    name = add(party)
    (here / name / "cover.jpg").write_bytes(encode_jpeg(np.full((90, 160, 3), (200, 0, 0), np.uint8)))
    (shown,) = images(open_page("video"))
    red, green, _ = read_image(base64.b64decode(shown.split(",")[1])).mean(axis=(0, 1))
    assert (red > 150, green < 60) == (True, True)


def test_running_analysis_can_be_stopped(
    here: Path, party: Path, add: Add, open_video: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = add(party)
    running(here / name)
    monkeypatch.setattr(Job, "stop", lambda self: ended(self.folder, "stopped"))
    page = open_video(name)
    page.app.button(key="video_stop").click().run()
    assert "Stopped early. The results until 0:04 are kept." in page.words
    assert page.shown("video_timeline")["has_player"]


def test_queued_video_shows_its_status(here: Path, party: Path, add: Add, open_video: Visit) -> None:
    name = add(party)
    for path in ("frames.jsonl", "video_info.json", "preview.jpg", "annotated.mp4", "highlights.json", "summary.json"):
        (here / name / path).unlink()
    running(here / name, "Waiting for another video", 0, 0)
    page = open_video(name)
    assert "Waiting for another video" in page.words
    assert page.shown("video_timeline")["lanes"] == []
    assert not page.app.error


# ------------------------------------------------------------------ done


def test_video_has_lanes_highlights_and_people(party: Path, add: Add, open_video: Visit) -> None:
    page = open_video(add(party))
    timeline = page.shown("video_timeline")
    assert timeline["has_player"]
    assert timeline["seek"] is None
    assert not timeline["is_live"]
    assert [lane["name"] for lane in timeline["lanes"]] == ["Face 1", "Face 2", "Face 3"]
    assert all(lane["image"].startswith("data:image/jpeg;base64,") for lane in timeline["lanes"])
    first, others = timeline["lanes"][0]["segments"], timeline["lanes"][1]["segments"]
    names = [style["name"] for style in timeline["styles"]]
    assert [names[which] for _, _, which in first] == ["happy", "sad"]
    assert first[0][0] == pytest.approx(0, abs=0.15)
    assert first[-1][1] == pytest.approx(4, abs=0.15)
    assert others[0][0] == pytest.approx(1, abs=0.35)
    assert others[-1][1] == pytest.approx(3, abs=0.35)
    assert {moment["track_id"] for moment in timeline["highlights"]} <= {1, 2, 3}
    turn = next(moment for moment in timeline["highlights"] if "from happy to sad" in moment["title"])
    assert turn["timestamp"] == pytest.approx(2.3, abs=0.7)
    assert "happy" in timeline["lanes"][0]["description"]
    assert page.app.get("video")[0].proto.alt == "The video party.mp4 with its labels"
    assert [box.label for box in page.app.text_input] == ["Name of Face 1", "Name of Face 2", "Name of Face 3"]
    (table,) = page.app.dataframe
    assert list(table.value["First seen"]) == ["0:00.0", "0:01.0", "0:01.0"]
    assert not page.app.error


def test_custom_labels_are_shown(here: Path, party: Path, add: Add, open_video: Visit) -> None:
    name = add(party)
    for file in ("frames.jsonl", "highlights.json"):
        path = here / name / file
        path.write_text(path.read_text().replace('"happy"', '"bored"'))
    page = open_video(name)
    timeline = page.shown("video_timeline")
    assert [style["name"] for style in timeline["styles"]] == ["sad", "bored"]
    assert [timeline["styles"][which]["name"] for _, _, which in timeline["lanes"][0]["segments"]] == ["bored", "sad"]
    assert not page.app.error


def test_names_survive_the_session(here: Path, party: Path, add: Add, open_video: Visit) -> None:
    name = add(party)
    page = open_video(name)
    page.app.text_input(key=f"video_name_{name}_1").set_value(f"  {HOSTILE_NAME[:50]} ").run()
    assert page.shown("video_timeline")["lanes"][0]["name"] == HOSTILE_NAME[:50]
    assert VideoAnalysis.open(here / name).people()[0].name == HOSTILE_NAME[:50]
    again = open_video(name)
    assert again.app.text_input(key=f"video_name_{name}_1").value == HOSTILE_NAME[:50]
    again.app.text_input(key=f"video_name_{name}_1").set_value("").run()
    assert again.shown("video_timeline")["lanes"][0]["name"] == "Face 1"
    assert again.app.text_input(key=f"video_name_{name}_1").value == ""


def test_outdated_video_can_be_redrawn(
    here: Path, party: Path, add: Add, open_video: Visit, saved: dict[str, Any]
) -> None:
    name = add(party)
    page = open_video(name)
    assert "drawn before these changes" not in page.words
    page.app.text_input(key=f"video_name_{name}_1").set_value("\U00010600").run()
    assert "The video was drawn before these changes" in page.words
    assert "No font of this machine has all letters of \U00010600: numbers are drawn instead." in page.words
    page.app.text_input(key=f"video_name_{name}_1").set_value("Anna").run()
    assert "numbers are drawn" not in page.words
    before = (here / name / "annotated.mp4").read_bytes()
    page.app.button(key="video_redraw").click().run()
    assert not page.app.error
    wait_until(lambda: not Job(here / name / "redraw").read_state().is_running, 60)
    page.app.run()
    assert "drawn before these changes" not in page.words
    assert bytes(saved["party-faces.mp4"].getvalue()) == (here / name / "annotated.mp4").read_bytes() != before


def test_redraw_shows_its_progress_and_can_be_stopped(
    here: Path, party: Path, add: Add, open_video: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = add(party)
    VideoAnalysis.open(here / name).hide(2)
    (here / name / "redraw").mkdir()
    running(here / name / "redraw")
    page = open_video(name)
    assert "Redrawing the video: 25%" in page.app.get("progress")[0].proto.text.replace("\\", "").replace("\u2060", "")
    assert page.app.get("video"), "the old video can be watched meanwhile"
    monkeypatch.setattr(Job, "stop", lambda self: ended(self.folder, "stopped"))
    page.app.button(key="video_redraw_stop").click().run()
    assert page.app.button(key="video_redraw")
    assert not page.app.error
    ended(here / name / "redraw", "failed", "There is no room.")
    page.app.run()
    assert [one.value for one in page.app.error] == [r"There is no room\."]


def test_subtitles_can_be_limited_to_one_face(party: Path, add: Add, open_video: Visit, saved: dict[str, Any]) -> None:
    name = add(party)
    page = open_video(name)
    assert page.app.selectbox(key=f"video_subtitles_{name}").options == ["All faces", "Face 1", "Face 2", "Face 3"]
    assert saved["party.vtt"].count("Face 1: ") + saved["party.vtt"].count("Face 3: ") >= 2
    page.app.selectbox(key=f"video_subtitles_{name}").set_value(3).run()
    assert "Face 3: " in saved["party-Face-3.vtt"]
    assert "Face 1: " not in saved["party-Face-3.vtt"]
    page.app.text_input(key=f"video_name_{name}_3").set_value("Anna").run()
    chosen = page.app.selectbox(key=f"video_subtitles_{name}")
    assert (chosen.value, chosen.proto.set_value, chosen.proto.raw_value) == (3, True, "Anna")  # tells the browser
    assert not page.app.run().selectbox(key=f"video_subtitles_{name}").proto.set_value


def test_face_is_hidden_and_shown_again(party: Path, add: Add, open_video: Visit) -> None:
    name = add(party)
    page = open_video(name)
    page.app.button(key=f"video_hide_{name}_2").click().run()
    assert [lane["track_id"] for lane in page.shown("video_timeline")["lanes"]] == [1, 3]
    assert len(page.app.text_input) == 2
    page.app.button(key=f"video_unhide_{name}_2").click().run()
    assert [lane["track_id"] for lane in page.shown("video_timeline")["lanes"]] == [1, 2, 3]


def test_all_faces_may_be_hidden(party: Path, add: Add, open_video: Visit) -> None:
    name = add(party)
    page = open_video(name)
    for track in (1, 2, 3):
        page.app.button(key=f"video_hide_{name}_{track}").click().run()
    assert page.shown("video_timeline") is None
    assert not page.app.error
    assert page.app.button(key=f"video_unhide_{name}_3")


def test_faces_are_merged_and_unmerged(analyze_sample: Read, add: Add, open_video: Visit) -> None:
    def one_then_two(image: NDArray[np.uint8]) -> list[Face]:
        return [Face(box, 0.9) for box in (PLACES[:1] if level(image) < 15 else PLACES[1:])]

    name = add(analyze_sample(one_then_two))
    page = open_video(name)
    offered = {track: page.app.selectbox(key=f"video_merge_{name}_{track}").options for track in (1, 2, 3)}
    assert offered == {1: ["Face 2", "Face 3"], 2: ["Face 1"], 3: ["Face 1"]}, "2 and 3 are seen in the same frames"
    page.app.text_input(key=f"video_name_{name}_2").set_value("Anna").run()
    page.app.selectbox(key=f"video_merge_{name}_2").set_value(1).run()
    assert [lane["name"] for lane in page.shown("video_timeline")["lanes"]] == ["Anna", "Face 3"]
    with pytest.raises(KeyError):
        page.app.selectbox(key=f"video_merge_{name}_3")  # nobody is left to whom it could belong
    assert page.app.text_input(key=f"video_name_{name}_1").value == "Anna", "the name came along"
    page.app.button(key=f"video_split_{name}_1").click().run()
    assert len(page.shown("video_timeline")["lanes"]) == 3


def test_failed_edit_is_reported(party: Path, add: Add, open_video: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise VideoError("There is no room for a name.")

    monkeypatch.setattr(VideoAnalysis, "rename", fail)
    name = add(party)
    page = open_video(name)
    page.app.text_input(key=f"video_name_{name}_1").set_value("Anna").run()
    assert "There is no room for a name." in page.words
    assert len(page.shown("video_timeline")["lanes"]) == 3


def test_briefly_seen_faces_are_hidden_by_default(analyze_sample: Read, add: Add, open_video: Visit) -> None:
    def glimpse(image: NDArray[np.uint8]) -> list[Face]:
        return [Face(box, 0.9) for box in (PLACES[:2] if 10 <= level(image) < 14 else PLACES[:1])]

    page = open_video(add(analyze_sample(glimpse)))
    assert len(page.shown("video_timeline")["lanes"]) == 1
    assert page.app.toggle(key="video_brief").label == "Show 1 face seen only briefly"
    page.app.toggle(key="video_brief").set_value(True).run()
    assert len(page.shown("video_timeline")["lanes"]) == 2


def test_audience_needs_a_minimum_of_faces(party: Path, add: Add, open_video: Visit) -> None:
    page = open_video(add(party))
    assert "never" not in page.words
    page.app.slider(key="video_min_faces").set_value(4).run()
    assert "There are never 4 faces at once, so there is no audience to show." in page.words


def test_no_face_is_reported_without_an_error(analyze_sample: Read, add: Add, open_video: Visit) -> None:
    page = open_video(add(analyze_sample(lambda image: [])))
    assert "in the 40 frames that were analyzed" in page.words
    assert page.app.get("video")
    assert page.shown("video_timeline") is None
    assert not page.app.error


@pytest.mark.parametrize(
    ("state", "error", "words"),
    [
        ("failed", "The disk is full: make room, then start it again.", "The disk is full"),
        ("failed", HOSTILE_NAME, HOSTILE_NAME),
        ("stopped", None, "Stopped early."),
        (
            "running",
            None,
            "The results until 0:04 are kept. Analyze again starts from the beginning.",
        ),
    ],
)
def test_partial_analysis_is_reported_and_shown(
    here: Path,
    party: Path,
    add: Add,
    open_video: Visit,
    state: str,
    error: str | None,
    words: str,
) -> None:
    name = add(party)
    (here / name / "annotated.mp4").unlink()
    ended(here / name, state, error)
    page = open_video(name)
    assert words in page.words
    assert "are kept" in page.words
    assert not page.shown("video_timeline")["has_player"]
    assert len(page.shown("video_timeline")["lanes"]) == 3
    assert not page.app.get("video")


def test_unreadable_video_is_reported(here: Path, party: Path, add: Add, open_video: Visit) -> None:
    name = add(party)
    for path in ("frames.jsonl", "video_info.json", "preview.jpg", "annotated.mp4", "highlights.json", "summary.json"):
        (here / name / path).unlink()
    shutil.rmtree(here / name / "thumbnails")
    ended(here / name, "failed", "There is no picture in it.")
    page = open_video(name)
    assert "There is no picture in it." in page.words
    assert "No frame of this video was analyzed." in page.words
    assert len(page.app.error) == 1


def test_repeated_analysis_uses_the_current_settings(
    party: Path, add: Add, open_video: Visit, started: list[Any]
) -> None:
    name = add(party)
    page = open_video(name)
    page.app.toggle(key="side_anonymize").set_value(True).run()
    page.app.button(key="video_again").click().run()
    ((again, settings, content),) = started
    assert (again, settings.anonymize, settings.frame_stride) == ("party.mp4", True, 1)
    assert content[4:8] == b"ftyp"
    assert page.app.query_params["video"] != name


def crowd(folder: Path, faces: int) -> None:
    """As if so many faces had been seen all the time."""
    frames = [json.loads(line) for line in (folder / "frames.jsonl").read_text().splitlines()]
    for frame in frames:
        frame["faces"] = [frame["faces"][0] | {"track_id": track} for track in range(1, faces + 1)]
    (folder / "frames.jsonl").write_text("".join(json.dumps(frame) + "\n" for frame in frames))


def test_many_people_are_paginated(here: Path, party: Path, add: Add, open_video: Visit) -> None:
    name = add(party)
    crowd(here / name, 45)
    page = open_video(name)
    assert len(page.shown("video_timeline")["lanes"]) == 40
    assert "The 40 of 45 faces that are seen longest" in page.words
    assert len(page.app.dataframe[0].value) == 45
    page.app.pagination(key="video_people").set_value(12).run()
    assert [box.label for box in page.app.text_input] == ["Name of Face 45"]
    page.app.button(key=f"video_hide_{name}_45").click().run()
    assert [box.label for box in page.app.text_input] == [f"Name of Face {n}" for n in range(41, 45)]
    assert not page.app.error


# ------------------------------------------------------------------ blur


def test_images_without_blur_are_hidden_with_blur(
    party: Path, add: Add, open_video: Visit, saved: dict[str, Any]
) -> None:
    page = open_video(add(party))
    clear = page.shown("video_timeline")
    saved.clear()
    page.app.toggle(key="side_anonymize").set_value(True).run()
    hidden = page.shown("video_timeline")
    assert "This video was analyzed without blur" in page.words
    assert not page.app.get("video")
    assert not hidden["has_player"]
    for kind in ("lanes", "highlights"):
        for before, after in zip(clear[kind], hidden[kind], strict=True):
            assert before["image"] != after["image"]
    assert sorted(saved) == ["party.csv", "party.json", "party.vtt"]


def test_video_analyzed_with_blur_is_shown(analyze_sample: Read, add: Add, open_video: Visit) -> None:
    page = open_video(add(analyze_sample(blur=True)))
    page.app.toggle(key="side_anonymize").set_value(True).run()
    assert page.app.get("video")
    assert "without blur" not in page.words


def smile_in(folder: Path) -> None:
    """As if the first face had been analyzed with features, and had smiled from second 2 on."""
    frames = [json.loads(line) for line in (folder / "frames.jsonl").read_text().splitlines()]
    lines = []
    for frame in frames:
        smiles = [0.8 if face["track_id"] == 1 and frame["timestamp"] >= 2 else 0.1 for face in frame["faces"]]
        lines.append(add_features(json.dumps(frame), *smiles))
    (folder / "frames.jsonl").write_text("".join(f"{line}\n" for line in lines))


def test_features_are_asked_for_beside_the_upload_and_not_with_blur(open_page: Open, started: list[Any]) -> None:
    page = open_page("video")
    page.app.toggle(key="video_features").set_value(True).run()
    page.upload(("a.mp4", b"a video"))
    page = open_page("video")
    page.app.toggle(key="video_features").set_value(True).run()
    page.app.toggle(key="side_anonymize").set_value(True).run()
    assert page.app.toggle(key="video_features").disabled
    page.upload(("b.mp4", b"a video"))
    assert [settings.recognition.features for _, settings, _ in started] == [True, False]


def test_smiles_and_movements_of_a_face_are_shown(here: Path, party: Path, add: Add, open_video: Visit) -> None:
    name = add(party)
    smile_in(here / name)
    page = open_video(name)
    timeline = page.shown("video_timeline")
    assert timeline["smile_color"]
    assert [lane["smiles"] for lane in timeline["lanes"]] == [[[2.0, 4.0]], [], []]
    assert "Movements" in page.words
    page.app.selectbox(key=f"video_movements_{name}").set_value(2).run()
    assert not page.app.error
    assert not page.app.exception


def test_features_are_hidden_with_blur(
    here: Path, party: Path, add: Add, open_video: Visit, saved: dict[str, Any]
) -> None:
    name = add(party)
    smile_in(here / name)
    page = open_video(name)
    assert "movement_mouthSmileLeft" in saved["party.csv"]
    assert '"features"' in saved["party.json"]
    page.app.toggle(key="side_anonymize").set_value(True).run()
    assert page.shown("video_timeline")["smile_color"] is None
    assert "Movements" not in page.words
    assert "movement_mouthSmileLeft" not in saved["party.csv"]
    assert '"points"' not in saved["party.json"]


# ------------------------------------------------------------------ take away


def test_downloads_have_the_expected_content(
    here: Path, analyze_sample: Read, add: Add, open_video: Visit, saved: dict[str, Any]
) -> None:
    name = add(analyze_sample(name="=a party.mp4"))
    page = open_video(name)
    assert not page.app.error
    assert sorted(saved) == [
        "a-party-faces.mp4",
        "a-party-faces.zip",
        "a-party-results.zip",
        "a-party.csv",
        "a-party.gif",
        "a-party.html",
        "a-party.json",
        "a-party.vtt",
    ]
    assert bytes(saved["a-party-faces.mp4"].getvalue()) == (here / name / "annotated.mp4").read_bytes()
    rows = list(csv.DictReader(io.StringIO(saved["a-party.csv"])))
    assert len(rows) == 40 + 2 * 20
    assert saved["a-party.gif"].startswith(b"GIF8")
    assert saved["a-party.vtt"].startswith("WEBVTT")
    assert json.loads(saved["a-party.json"])["name"] == "=a party.mp4"
    page.app.slider(key=f"video_range_{name}").set_value((1.0, 1.0)).run()
    assert "It can be up to 10 seconds long" in page.words


# ------------------------------------------------------------------ small parts


def test_objects_are_frozen_after_a_page_that_stops(
    open_page: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(streamlit_workarounds, "freeze_objects", lambda: calls.append(1))
    open_page("video")
    assert len(calls) == 1, "Videos without a video stops in the middle"
