"""The live page with a stream that the tests play: what it asks of WebRTC, and what it makes of the frames."""

from __future__ import annotations

import asyncio
import base64
import csv
import gc
import io
import json
import shutil
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
import streamlit as st
import streamlit_webrtc as webrtc
from aioice import ice
from aiortc.contrib.media import MediaRelay
from numpy.typing import NDArray
from streamlit.runtime.fragment import MemoryFragmentStorage
from streamlit_webrtc.component import WebRtcStreamerState

from emotion.faces import Box, Face
from emotion.live.game import Challenge, MirrorGame
from emotion.live.session import LiveSession
from emotion.media.image_reader import encode_jpeg, read_image
from emotion.recognition.anonymizer import pixelate_all
from emotion.recognition.detectors import detector_factory
from emotion.results import serialization
from emotion.ui.live import cards as live_cards
from emotion.ui.live import ice_servers
from emotion.ui.live.controller import LiveController
from tests.generation.making import write_generator

pytestmark = pytest.mark.slow

Open = Callable[[str], Any]
Picture = NDArray[np.uint8]
RNG = np.random.default_rng(3)
GROUND = RNG.integers(0, 100, (240, 320, 3), dtype=np.uint8)  # changed by a mosaic, and dimmer than any painted face
FACE = RNG.integers(0, 256, (48, 48, 3), dtype=np.uint8)
MARK = (255, 0, 255)
DISCONNECTED = WebRtcStreamerState(False, False)
CONNECTING = WebRtcStreamerState(False, True)
PLAYING = WebRtcStreamerState(True, False)


def paint(*places: tuple[int, int]) -> Picture:
    """Return an image with a face at each (x, y), marked at both upper corners for `see`."""
    image = GROUND.copy()
    for x, y in places:
        image[y : y + 48, x : x + 48] = FACE
        image[y, [x, x + 47]] = MARK
    return image


def see(image: Picture) -> list[Face]:
    marks = np.argwhere((image == MARK).all(axis=2))
    left = [(y, x) for y, x in marks if x + 47 < image.shape[1] and (image[y, x + 47] == MARK).all()]
    return [Face(Box(int(x), int(y), int(x) + 48, int(y) + 48), 0.9) for y, x in left]


def shows_a_face(out: Picture, *images: Picture) -> bool:
    """Whether a face of `images`, as they came or mirrored, is to be seen at its place in `out`."""
    for image in (*images, *(np.ascontiguousarray(image[:, ::-1]) for image in images)):
        for x1, y1, x2, y2 in (face.box.to_int_xyxy() for face in see(image)):
            same = np.abs(out[y1:y2, x1:x2].astype(int) - image[y1:y2, x1:x2]).max(axis=2) < 20
            if same.mean() > 0.2:
                return True
    return False


def wait_until(true: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


@dataclass
class Rtc:
    """The calls of the page to WebRTC, the state of the stream, and the clock of the frames."""

    state: WebRtcStreamerState = DISCONNECTED
    requested: list[dict[str, Any]] = field(default_factory=list)
    tracks: list[dict[str, Any]] = field(default_factory=list)
    source: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(recv=None))
    now: float = 1000.0
    looked: int = 0  # frames that a session was done with

    @property
    def last(self) -> dict[str, Any]:
        return self.requested[-1]

    def play(self, page: Any, *images: Picture, step: float = 0.1) -> list[Picture]:
        """Process the frames one after the other, run the page, and return the image for each frame."""
        session: LiveSession = page.app.session_state["live_controller"].session
        back = list[Picture]()
        for image in images:
            self.now += step
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = round(self.now * 90_000), Fraction(1, 90_000)
            looked = self.looked
            back.append(self.last["video_frame_callback"](frame).to_ndarray(format="rgb24"))
            wait_until(lambda n=looked: session.options.is_paused or self.looked > n)
        page.app.run()
        return back


@pytest.fixture
def rtc(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rtc]:
    """Replace WebRTC; painted faces are found, and the clock follows the frames."""
    connection = Rtc()
    st.cache_resource.clear()

    def streamer(**requested: Any) -> SimpleNamespace:
        connection.requested.append(requested)
        return SimpleNamespace(state=connection.state)

    def track(callback: Any, **rest: Any) -> SimpleNamespace:
        connection.tracks.append({"callback": callback, **rest})
        return connection.source

    work = LiveSession._run_task

    def look(self: LiveSession, job: Any) -> None:
        work(self, job)
        connection.looked += 1

    monkeypatch.setattr(LiveSession, "_run_task", look)
    monkeypatch.setattr(webrtc, "webrtc_streamer", streamer)
    monkeypatch.setattr(
        "emotion.ui.live.stream.get_global_relay", MediaRelay
    )  # a test has no server to ask for its own
    monkeypatch.setattr(webrtc, "create_video_source_track", track)
    monkeypatch.setattr("emotion.live.session._now", lambda: connection.now)
    monkeypatch.setattr("emotion.ui.live.controller.COUNTDOWN_SECONDS", 0.0)
    yield connection
    st.cache_resource.clear()


@pytest.fixture
def painted(fake_detector: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detector_factory, "available_detectors", lambda: ("haar", "yunet"))
    monkeypatch.setattr(detector_factory, "make_detector", lambda name: fake_detector(see))


@pytest.fixture
def live(rtc: Rtc, painted: None, open_page: Open) -> Iterator[Any]:
    """The page, opened."""
    page = open_page("webcam")
    yield page
    page.app.session_state["live_controller"].session.close()


@pytest.fixture
def playing(live: Any, rtc: Rtc) -> Any:
    """Return the page of a playing camera after one frame with a face."""
    rtc.state = PLAYING
    live.app.run()
    rtc.play(live, paint((40, 60)))
    return live


def lives(page: Any) -> LiveController:
    return page.app.session_state["live_controller"]


def click(page: Any, key: str) -> None:
    page.app.button(key=key).click().run()
    assert not page.app.exception


def has(page: Any, key: str) -> bool:
    return key in {button.key for button in page.app.button}


def hides_camera_checks(page: Any) -> bool:
    return any(".st-key-live_steps" in html.proto.body for html in page.app.get("html"))


def card_images(cards: dict[str, Any]) -> list[Picture]:
    return [read_image(base64.b64decode(face["image"].split(",", 1)[1])) for face in cards["faces"]]


# ------------------------------------------------------------------ what is asked of WebRTC


def test_live_page_shows_an_example_before_the_start(live: Any, rtc: Rtc) -> None:
    assert live.app.title[0].value == "Live"
    assert "The images stay on this machine" in live.words
    assert not live.app.error
    assert not live.app.warning
    assert live.shown("live_cards") is None
    assert len(live.shown("live_example")["faces"]) == 0, "nothing is painted on the sample"
    assert not has(live, "live_snapshot")
    assert "Camera found: waiting" in live.words
    assert not hides_camera_checks(live)
    (requested,) = rtc.requested[-1:]
    assert requested["mode"] is webrtc.WebRtcMode.SENDRECV
    assert requested["media_stream_constraints"] == {
        "video": {"width": {"ideal": 640}, "height": {"ideal": 480}, "frameRate": {"ideal": 30}},
        "audio": False,
    }
    assert requested["rtc_configuration"] == {"iceServers": []}, "no foreign server is asked"
    assert requested["async_processing"] is False, "the library's own thread sends the first frames without a blur"
    assert requested["video_html_attrs"]["muted"]
    assert "desired_playing_state" not in requested, "it begins with a click"
    assert live.shown("live_camera_start") is None


def test_camera_starts_with_the_page_after_a_click_on_home(rtc: Rtc, open_page: Open) -> None:
    assert open_page("webcam", {"live_autostart": True}).shown("live_camera_start") == {"label": "Enable camera"}


def test_fragments_keep_their_ids(rtc: Rtc, painted: None, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a run of the page that was overtaken would, at its end, have Streamlit forget those of the newer run."""
    known: list[str] = []
    register = MemoryFragmentStorage.register

    def record(self: MemoryFragmentStorage, key: str, *rest: Any, **more: Any) -> None:
        known.append(key)
        register(self, key, *rest, **more)

    monkeypatch.setattr(MemoryFragmentStorage, "register", record)
    st.cache_resource.clear()  # the classifier is loaded again, which a message at the top says
    page = open_page("webcam")
    runs = [sorted(known)]
    for state in (DISCONNECTED, CONNECTING, PLAYING, DISCONNECTED):
        known.clear()
        rtc.state = state
        page.app.run()
        runs.append(sorted(known))
    page.app.session_state["live_controller"].session.close()
    assert runs == [runs[0]] * 5
    assert len(runs[0]) == 3


def test_another_size_restarts_the_camera(live: Any, rtc: Rtc) -> None:
    first = rtc.last["key"]
    live.app.segmented_control(key="live_size").set_value("Large").run()
    assert rtc.last["key"] != first
    assert rtc.last["media_stream_constraints"]["video"]["width"] == {"ideal": 1280}


def test_settings_reach_the_session(live: Any) -> None:
    live.app.slider(key="live_smoothing").set_value(1.5).run()
    live.app.toggle(key="live_mirror").set_value(False).run()
    live.app.slider(key="side_min_confidence").set_value(70).run()
    live.app.slider(key="side_detection").set_value(80).run()
    options = lives(live).session.options
    assert (options.stream.half_life, options.mirror) == (1.5, False)
    assert (options.stream.recognition.min_confidence, options.stream.recognition.detection_threshold) == (0.7, 0.8)
    assert options.stream.recognition.max_side == 320, "Haar is slow"
    live.app.selectbox(key="side_detector_2").set_value("yunet").run()
    assert lives(live).session.options.stream.recognition.max_side == 640


def test_settings_are_kept_on_another_page(live: Any) -> None:
    live.app.slider(key="live_smoothing").set_value(1.5).run()
    live.app.toggle(key="live_mirror").set_value(False).run()
    live.app.segmented_control(key="live_size").set_value("Large").run()
    for name in ("photo", "webcam"):
        live.app.switch_page(f"pages/{name}.py").run()
        assert not live.app.exception
    assert live.app.slider(key="live_smoothing").value == 1.5
    assert live.app.toggle(key="live_mirror").value is False
    assert live.app.segmented_control(key="live_size").value == "Large"
    options = lives(live).session.options
    assert (options.stream.half_life, options.mirror) == (1.5, False)


SERVERS = [
    {"urls": "stun:stun.example.org:3478"},
    {"urls": ["turn:turn.example.org?transport=tcp", "turns:turn.example.org"], "username": "a", "credential": "b"},
]


def test_ice_servers_come_from_the_environment(live: Any, rtc: Rtc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ice_servers.ICE_ENV_VAR, json.dumps(SERVERS))
    live.app.run()
    assert rtc.last["rtc_configuration"] == {"iceServers": SERVERS}
    monkeypatch.setenv(ice_servers.ICE_ENV_VAR, "")
    live.app.run()
    assert rtc.last["rtc_configuration"] == {"iceServers": []}


def test_mdns_names_are_not_resolved(rtc: Rtc, painted: None, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    async def look_up(subscriber: object) -> Any:
        pytest.fail("the network was asked")

    monkeypatch.setattr(ice, "get_or_create_mdns_protocol", look_up)
    page = open_page("webcam")
    page.app.session_state["live_controller"].session.close()
    assert asyncio.run(asyncio.run(ice.get_or_create_mdns_protocol(page)).resolve("name.local")) is None


def test_ice_servers_come_from_the_secrets(live: Any, rtc: Rtc, monkeypatch: pytest.MonkeyPatch) -> None:
    live.app.secrets = {"ice_servers": SERVERS}
    live.app.run()
    assert rtc.last["rtc_configuration"] == {"iceServers": SERVERS}
    monkeypatch.setenv(ice_servers.ICE_ENV_VAR, json.dumps(SERVERS[:1]))
    live.app.run()
    assert rtc.last["rtc_configuration"] == {"iceServers": SERVERS[:1]}, "the environment goes first"


@pytest.mark.parametrize("text", ["stun:stun.example.org", '[{"urls": "turn:x"}]'])
def test_invalid_ice_servers_are_reported(live: Any, rtc: Rtc, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    requested = len(rtc.requested)
    monkeypatch.setenv(ice_servers.ICE_ENV_VAR, text)
    live.app.run()
    (error,) = live.app.error
    assert "expected a list of objects with urls" in error.value
    assert not live.app.exception
    assert len(rtc.requested) == requested, "no new request to the browser"


def test_invalid_secrets_are_reported(live: Any) -> None:
    live.app.secrets = {"ice_servers": "stun:x"}
    live.app.run()
    (error,) = live.app.error
    assert "expected a list of objects with urls" in error.value


# ------------------------------------------------------------------ frames


def test_frames_get_boxes_cards_and_an_overlay(live: Any, rtc: Rtc) -> None:
    rtc.state = PLAYING
    live.app.run()
    assert live.shown("live_example") is None
    assert live.shown("live_cards")["faces"] == []
    assert "Each face gets a card here" in live.shown("live_cards")["empty"]
    assert "No frame yet" in live.words
    two = [paint((40, 60), (200, 90))] * 5
    back = rtc.play(live, *two)
    assert np.array_equal(back[0], two[0][:, ::-1]), "nothing is known of the first one, which is mirrored"
    assert all(not np.array_equal(one, two[0][:, ::-1]) for one in back[1:])
    cards = live.shown("live_cards")
    assert [face["title"][0] for face in cards["faces"]] == ["1", "2"]
    assert (cards["more"], cards["empty"]) == ("", "")
    for face in cards["faces"]:
        shares = [score["score"] for score in face["scores"]]
        assert shares == sorted(shares, reverse=True)
        assert len(shares) == 4
        assert all(score["raw_score"] is None for score in face["scores"])
    mirrored = np.ascontiguousarray(two[0][:, ::-1])
    for one, face in zip(card_images(cards), lives(live).session.state().faces, strict=True):
        assert np.abs(one.astype(int) - serialization.crop_with_margin(mirrored, face.face)).mean() < 20, (
            "all but for the JPEG"
        )
    overlay = live.shown("live_overlay")
    assert [face["title"] for face in overlay["faces"]] == [face["title"] for face in cards["faces"]]
    assert [lane["name"] for lane in overlay["lanes"]] == [
        " ".join(face["title"].split()[:2]) for face in cards["faces"]
    ]
    assert "no face yet" not in overlay["label"]
    assert not live.app.error


def test_overlays_and_statistics_can_be_switched(playing: Any) -> None:
    assert playing.shown("live_overlay")["faces"]
    assert "fps" not in playing.words
    assert "live_saliency" not in {toggle.key for toggle in playing.app.toggle}, "it needs class activation maps"
    playing.app.toggle(key="live_bars").set_value(False).run()
    assert playing.shown("live_overlay")["faces"] == []
    assert playing.shown("live_overlay")["lanes"]
    playing.app.toggle(key="live_timeline").set_value(False).run()
    assert playing.shown("live_overlay")["lanes"] == []
    assert "fps" not in playing.words
    playing.app.toggle(key="live_stats").set_value(True).run()
    assert "320 × 240 pixels · " in playing.words
    assert "fps" in playing.words
    assert "latency" in playing.words
    assert "failed" not in playing.words


def test_empty_frame_shows_a_hint(playing: Any, rtc: Rtc) -> None:
    rtc.play(playing, *[paint()] * 20)
    assert playing.shown("live_cards")["faces"] == []
    assert "Look at the camera, come closer" in playing.shown("live_cards")["empty"]
    assert playing.app.button(key="live_calibrate").disabled


def test_more_faces_than_cards_are_counted(playing: Any, rtc: Rtc) -> None:
    crowd = [(x, y) for y in (10, 70, 130) for x in (10, 70, 130, 190, 250)]
    rtc.play(playing, *[paint(*crowd)] * 5)
    cards = playing.shown("live_cards")
    assert len(cards["faces"]) == 6
    assert cards["more"] == f"and {len(lives(playing).session.state().faces) - 6} more faces"
    rtc.play(playing, *[paint(*crowd[:7])] * 20)
    assert playing.shown("live_cards")["more"] == "and 1 more face"


def test_paused_stream_is_not_analyzed(playing: Any, rtc: Rtc) -> None:
    playing.app.toggle(key="live_pause").set_value(True).run()
    looked = lives(playing).session._stream.stats.frames
    image = paint((100, 60))
    (back,) = rtc.play(playing, image)
    assert np.array_equal(back, image[:, ::-1])
    assert lives(playing).session._stream.stats.frames == looked
    assert playing.app.button(key="live_calibrate").disabled
    for key in ("live_snapshot", "live_record"):
        assert playing.app.button(key=key).disabled, "it would keep nothing, or an earlier image"
        assert "end the pause first" in playing.app.button(key=key).help
    lives(playing).start_recording(False)  # the pause began between the drawing of the button and the click
    assert lives(playing).session.state().recording is None
    playing.app.run()
    assert "Nothing can be recorded while the stream is paused" in playing.words
    cards = playing.shown("live_cards")
    assert (cards["faces"], cards["empty"]) == ([], "Paused: the video keeps playing; nothing is analyzed.")
    playing.app.toggle(key="live_pause").set_value(False).run()
    rtc.play(playing, image)
    assert lives(playing).session._stream.stats.frames == looked + 1
    assert not playing.app.button(key="live_snapshot").disabled


def test_errors_are_counted_and_shown(playing: Any, rtc: Rtc, monkeypatch: pytest.MonkeyPatch) -> None:
    def classify(*args: Any) -> None:
        raise RuntimeError("<b>on purpose</b>")

    monkeypatch.setattr(lives(playing).analyzer.classifier, "predict", classify)
    rtc.play(playing, *[paint((40, 60))] * 4, step=0.3)
    assert lives(playing).session.state().counters.errors == 4
    assert "RuntimeError: <b>on purpose</b>" in playing.words
    assert not playing.app.error
    assert not playing.app.exception


def test_invalid_frame_does_not_end_the_stream(playing: Any, rtc: Rtc) -> None:
    class Broken:
        width, height, time = 64, 48, 0.0

        def to_ndarray(self, format: str) -> Picture:
            raise ValueError("broken")

    back = rtc.last["video_frame_callback"](Broken())
    assert (back.width, back.height) == (64, 48)
    assert not back.to_ndarray(format="rgb24").any()
    assert lives(playing).session.state().counters.last_error == "ValueError: broken"


# ------------------------------------------------------------------ saving


def test_snapshot_saves_image_and_data(playing: Any, rtc: Rtc, saved: dict[str, Any]) -> None:
    assert "snapshot.png" not in saved
    click(playing, "live_snapshot")
    snapshot, record = read_image(saved["snapshot.png"]), json.loads(saved["snapshot.json"])
    assert snapshot.shape == (240, 320, 3)
    assert [face["box"] for face in record["faces"]] == [[320 - 88, 60, 320 - 40, 108]], "as in a mirror"
    assert record["settings"]["anonymize"] is False
    order = [getattr(part, "label", "") for part in playing.app.main]
    assert order.index("Camera not working?") > max(order.index(name) for name in ("Snapshot", "Data (JSON)"))
    rtc.play(playing, paint((200, 60)))
    assert np.array_equal(read_image(saved["snapshot.png"]), snapshot), "until the next one is taken"


def test_recording_saves_table_and_data(playing: Any, rtc: Rtc, saved: dict[str, Any]) -> None:
    click(playing, "live_record")
    images = [paint((40 + i, 60), *[(200, 90)] * (i > 10)) for i in range(30)]
    rtc.play(playing, *images)
    assert "Stop recording (3 s)" in [button.label for button in playing.app.button]
    assert playing.app.checkbox(key="live_write_video").disabled
    click(playing, "live_record")
    wait_until(lambda: not lives(playing).is_finishing)
    playing.app.run()
    assert "Recorded 3 s · 30 frames · 2 people · 320 × 240 pixels" in playing.words
    rows = list(csv.DictReader(io.StringIO(saved["live.csv"])))
    record = json.loads(saved["live.json"])
    times = sorted({float(row["timestamp"]) for row in rows})
    assert times == pytest.approx([i / 10 for i in range(30)], abs=2e-3)
    assert [frame["timestamp"] for frame in record["frames"]] == pytest.approx(times, abs=2e-3)
    assert (rows[0]["track_id"], rows[0]["x2"]) == ("1", str(320 - 40))
    assert {row["track_id"] for row in rows} == {"1", "2"}
    with av.open(io.BytesIO(saved["live.mp4"].getvalue())) as video:
        shown = [float(frame.time or 0) for frame in video.decode(video=0)]
    assert len(shown) == 30 - lives(playing).recording.dropped_frames
    assert shown[-1] == pytest.approx(2.9, abs=0.2)
    video = lives(playing).recording.video_path
    click(playing, "live_record")
    assert not video.exists(), "what cannot be reached any more takes no room"
    assert "Recorded" not in playing.words


def test_recording_starts_after_a_countdown(
    playing: Any, rtc: Rtc, monkeypatch: pytest.MonkeyPatch, saved: dict[str, Any]
) -> None:
    monkeypatch.setattr("emotion.ui.live.controller.COUNTDOWN_SECONDS", 3.0)
    click(playing, "live_record")
    assert playing.app.button(key="live_record").label == "Cancel (3 s)"
    assert playing.shown("live_overlay")["countdown"] == "3"
    assert playing.app.button(key="live_marker").disabled
    click(playing, "live_record")
    assert playing.app.button(key="live_record").label == "Record"
    assert lives(playing).recording is None, "a canceled countdown leaves nothing"
    click(playing, "live_record")
    rtc.play(playing, *[paint((40, 60))] * 35)
    assert "Stop recording" in playing.app.button(key="live_record").label
    assert playing.shown("live_overlay")["recording"] == "0:01"
    click(playing, "live_record")
    wait_until(lambda: not lives(playing).is_finishing)
    playing.app.run()
    assert lives(playing).recording.num_frames == 6, "the frames of the countdown are left out"


def test_markers_are_in_table_data_and_report(playing: Any, rtc: Rtc, saved: dict[str, Any]) -> None:
    click(playing, "live_record")
    assert playing.app.checkbox(key="live_write_video").value, "a recording has its video"
    for count in (1, 2):
        rtc.play(playing, *[paint((40, 60))] * 3)
        click(playing, "live_marker")
        assert playing.shown("live_overlay")["recording"].endswith(f"· {count} marker{'s' * (count > 1)}")
    rtc.play(playing, paint((40, 60)))
    click(playing, "live_record")
    wait_until(lambda: not lives(playing).is_finishing)
    playing.app.run()
    assert "2 markers" in playing.words
    assert not has(playing, "live_marker")
    rows = list(csv.DictReader(io.StringIO(saved["live.csv"])))
    assert [row["marker"] for row in rows] == ["", "", "1", "1", "1", "2", "2"]
    assert json.loads(saved["live.json"])["markers"] == pytest.approx([0.2, 0.5], abs=2e-3)
    report = saved["live.html"]
    assert "<td>0:00.2</td>" in report
    assert "<td>Face 1</td>" in report
    assert "data:image/jpeg;base64," in report
    assert "detector" in report


def test_recording_without_frames_offers_no_files(playing: Any, saved: dict[str, Any]) -> None:
    click(playing, "live_record")
    playing.app.toggle(key="live_pause").set_value(True).run()
    assert not playing.app.button(key="live_record").disabled, "a recording can be stopped in a pause"
    click(playing, "live_record")
    wait_until(lambda: not lives(playing).is_finishing)
    playing.app.run()
    assert "Nothing was recorded" in playing.words
    assert not {"live.csv", "live.json"} & saved.keys()


def test_video_checkbox_is_read_at_the_click(playing: Any, rtc: Rtc, saved: dict[str, Any]) -> None:
    playing.app.checkbox(key="live_write_video").set_value(False)
    click(playing, "live_record")  # both reach the server together: the button was drawn before the check
    rtc.play(playing, paint((40, 60)))
    click(playing, "live_record")
    wait_until(lambda: not lives(playing).is_finishing)
    playing.app.run()
    assert "live.csv" in saved
    assert "live.mp4" not in saved


def test_recording_continues_without_space_for_the_video(
    playing: Any, rtc: Rtc, monkeypatch: pytest.MonkeyPatch, saved: dict[str, Any]
) -> None:
    def full(*args: Any, **rest: Any) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkdtemp", full)
    click(playing, "live_record")
    assert "No space left on device" in playing.words
    rtc.play(playing, paint((40, 60)))
    click(playing, "live_record")
    wait_until(lambda: not lives(playing).is_finishing)
    playing.app.run()
    assert len(saved["live.csv"].splitlines()) == 2
    assert not {"live.mp4", "live.html"} & saved.keys()
    assert "There is no report" in playing.words


def test_failed_video_of_a_recording_is_reported(playing: Any, rtc: Rtc) -> None:
    shutil.rmtree(lives(playing).folder)
    click(playing, "live_record")
    rtc.play(playing, paint((40, 60)), paint((40, 60)))
    click(playing, "live_record")
    wait_until(lambda: not lives(playing).is_finishing)
    playing.app.run()
    assert "Recorded 0 s · 2 frames · 1 person · 320 × 240 pixels" in playing.words
    assert "cannot be written" in playing.words


def test_another_detector_restarts_the_session_and_keeps_files(playing: Any, rtc: Rtc, saved: dict[str, Any]) -> None:
    click(playing, "live_snapshot")
    click(playing, "live_record")
    rtc.play(playing, *[paint((40, 60))] * 3)
    old = lives(playing).session
    playing.app.selectbox(key="side_detector_2").set_value("yunet").run()
    new = lives(playing).session
    assert new is not old
    assert old._worker._closed
    assert old._worker._thread is None
    assert {"snapshot.png", "live.csv", "live.mp4"} <= saved.keys()
    assert len(saved["live.csv"].splitlines()) == 4
    rtc.play(playing, paint((40, 60)))
    assert (new.state().counters.num_frames, old.state().counters.num_frames) == (1, 4)
    old.close()


# ------------------------------------------------------------------ faces are hidden


def test_blurred_faces_are_blurred_everywhere(playing: Any, rtc: Rtc, saved: dict[str, Any]) -> None:
    image = paint((40, 60))
    clear = card_images(playing.shown("live_cards"))[0].astype(int)
    assert np.abs(clear - pixelate_all(clear.astype(np.uint8))).mean() > 30
    click(playing, "live_snapshot")
    click(playing, "live_record")
    back = rtc.play(playing, image, image)
    assert shows_a_face(back[-1], image)
    click(playing, "live_record")
    wait_until(lambda: not lives(playing).is_finishing)
    playing.app.run()
    assert {"snapshot.png", "live.mp4"} <= saved.keys()

    saved.clear()
    playing.app.toggle(key="side_anonymize").set_value(True).run()
    thumbnail = card_images(playing.shown("live_cards"))[0]
    assert np.abs(thumbnail.astype(int) - pixelate_all(thumbnail)).mean() < 10, "at once, of a frame that came before"
    assert {"live.csv", "live.json"} <= saved.keys()
    assert not {"snapshot.png", "snapshot.json", "live.mp4", "live.html"} & saved.keys(), "they show faces"
    assert "The snapshot shows faces" in playing.words
    assert "Video and report show faces" in playing.words
    assert not playing.app.image
    back = rtc.play(playing, image, image, paint((44, 60)))
    assert not any(shows_a_face(one, image, paint((44, 60))) for one in back)

    click(playing, "live_snapshot")
    assert not shows_a_face(read_image(saved["snapshot.png"]), paint((44, 60)))
    click(playing, "live_record")
    rtc.play(playing, image, image)
    click(playing, "live_record")
    wait_until(lambda: not lives(playing).is_finishing)
    playing.app.run()
    with av.open(io.BytesIO(saved["live.mp4"].getvalue())) as video:
        assert not any(shows_a_face(frame.to_ndarray(format="rgb24"), image) for frame in video.decode(video=0))


def test_cards_show_saliency(
    models: Path, make_bundle: Callable[..., Path], rtc: Rtc, painted: None, open_page: Open
) -> None:
    make_bundle(models / "tiny", maps=True)
    page, image = open_page("webcam"), paint((40, 60))
    rtc.state = PLAYING
    page.app.run()
    rtc.play(page, image)
    clear = card_images(page.shown("live_cards"))[0]
    page.app.toggle(key="live_saliency").set_value(True).run()
    why = card_images(page.shown("live_cards"))[0]
    assert clear.shape[0] < 100
    assert why.shape == (160, 160, 3)
    light = why.astype(int).max(axis=2)
    assert light.max() > 150
    assert np.median(light) < 90  # what says nothing stands in the shade
    page.app.toggle(key="side_anonymize").set_value(True).run()
    assert "live_saliency" not in {toggle.key for toggle in page.app.toggle}
    hidden_one = card_images(page.shown("live_cards"))[0]
    assert np.abs(hidden_one.astype(int) - pixelate_all(hidden_one)).mean() < 10
    page.app.session_state["live_controller"].session.close()


def test_blur_anonymizes_the_first_frame(live: Any, rtc: Rtc) -> None:
    rtc.state = PLAYING
    live.app.toggle(key="side_anonymize").set_value(True).run()
    images = [paint((40 + 3 * i, 60)) for i in range(8)]
    back = rtc.play(live, *images)
    assert not any(shows_a_face(one, *images) for one in back)
    assert len(live.shown("live_cards")["faces"]) == 1


# ------------------------------------------------------------------ the resting face


def test_calibration_changes_the_scores(playing: Any, rtc: Rtc) -> None:
    image = paint((40, 60))
    click(playing, "live_calibrate")
    rtc.play(playing, image)
    assert "Relax your face: 3 s" in playing.words
    assert playing.app.button(key="live_calibrate").disabled
    rtc.play(playing, *[image] * 15)
    assert "Relax your face: 2 s" in playing.words or "Relax your face: 1 s" in playing.words
    rtc.play(playing, *[image] * 20)
    (face,) = playing.shown("live_cards")["faces"]
    assert all(score["raw_score"] is not None for score in face["scores"])
    assert any(abs(score["raw_score"] - score["score"]) > 0.01 for score in face["scores"])
    click(playing, "live_uncalibrate")
    rtc.play(playing, image)
    (face,) = playing.shown("live_cards")["faces"]
    assert all(score["raw_score"] is None for score in face["scores"])
    assert not has(playing, "live_uncalibrate")


def test_stopped_camera_ends_the_calibration(playing: Any, rtc: Rtc) -> None:
    click(playing, "live_calibrate")
    rtc.play(playing, *[paint((40, 60))] * 10)
    assert "Relax your face: 2 s" in playing.words
    rtc.now += 1.2
    playing.app.run()
    assert "Relax your face: 1 s" in playing.words
    rtc.now += 5
    playing.app.run()
    assert "Relax your face" not in playing.words
    assert "Not calibrated" in playing.words
    assert not playing.app.button(key="live_calibrate").disabled


def test_calibration_needs_a_face_that_stays(playing: Any, rtc: Rtc) -> None:
    click(playing, "live_calibrate")
    rtc.play(playing, paint((40, 60)), *[paint()] * 40)
    assert "Relax your face" not in playing.words
    assert "Not calibrated: no face was clear enough" in playing.words
    rtc.play(playing, *[paint((40, 60))] * 3)
    click(playing, "live_calibrate")
    rtc.play(playing, *[paint((40, 60))] * 40)
    assert "Not calibrated" not in playing.words


def test_calibration_needs_a_face(playing: Any, rtc: Rtc) -> None:
    rtc.play(playing, *[paint()] * 20)
    lives(playing).calibrate()  # the face went between the drawing of the button and the click
    playing.app.run()
    assert "No face is visible that could rest" in playing.words
    assert not playing.app.exception
    rtc.play(playing, *[paint((40, 60))] * 3)
    click(playing, "live_calibrate")
    assert "No face is visible" not in playing.words


# ------------------------------------------------------------------ start, stop, leave and return


def test_stream_can_be_restarted(playing: Any, rtc: Rtc) -> None:
    rtc.state = DISCONNECTED
    playing.app.run()
    live = lives(playing)
    assert (live.requested_timestamp, live.is_connected, live.is_used) == (None, False, True)
    rtc.now += 60
    playing.app.run()
    assert "No frame for 60 seconds" in playing.words
    assert not playing.app.warning
    assert not playing.app.button(key="live_snapshot").disabled, "the last picture can still be kept"
    rtc.state = CONNECTING
    playing.app.run()
    assert live.requested_timestamp is not None
    assert "Connected: waiting" in playing.words, "what came before says nothing of this time"
    rtc.state = PLAYING
    playing.app.run()
    assert not playing.app.warning, "the first picture is on its way"
    assert "Receiving video: waiting" in playing.words
    rtc.play(playing, paint((40, 60)))
    assert "Receiving video: yes" in playing.words
    assert live.session.state().counters.num_frames == 2


WARNINGS = [
    (CONNECTING, 2, None),
    (CONNECTING, 60, "No connection after 6"),
    (PLAYING, 6, None),
    (PLAYING, 60, "Connected, but no video for 6"),
]


def test_diagnostics_warn_after_a_delay(live: Any, rtc: Rtc) -> None:
    rtc.state = CONNECTING
    live.app.run()
    assert lives(live).requested_timestamp is not None
    for case in WARNINGS:
        rtc.state, seconds, words = case
        lives(live).requested_timestamp = time.monotonic() - seconds
        live.app.run()
        assert len(live.app.warning) == bool(words), case
        assert words is None or words in live.app.warning[0].value, case
        assert live.app.expander[0].proto.expanded == bool(words), case
        assert hides_camera_checks(live) == (rtc.state is PLAYING and words is None), case


def test_diagnostics_use_the_report_of_the_browser(live: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    diagnostics: Any = {"facts": {"secure": True, "permission": "denied", "cameras": 1}}
    monkeypatch.setattr(live_cards, "st", SimpleNamespace(session_state={"live_diagnostics": diagnostics}))
    step = live_cards.first_failure(live_cards.run_diagnostics(lives(live), lives(live).session.state()))
    assert step is not None
    assert step.name == "Permission granted"
    for diagnostics in (None, {"facts": None}, {"facts": [1]}, {"facts": {"cameras": "many"}}):
        monkeypatch.setattr(live_cards, "st", SimpleNamespace(session_state={"live_diagnostics": diagnostics}))
        assert live_cards.first_failure(live_cards.run_diagnostics(lives(live), lives(live).session.state())) is None


def test_live_session_survives_a_change_of_page(playing: Any, rtc: Rtc, saved: dict[str, Any]) -> None:
    click(playing, "live_snapshot")
    kept = lives(playing)
    playing.app.switch_page("pages/photo.py").run()
    assert playing.app.title[0].value == "Photos"
    rtc.state = DISCONNECTED  # the library takes the stream away
    saved.clear()
    playing.app.switch_page("pages/webcam.py").run()
    assert lives(playing) is kept
    assert "snapshot.png" in saved
    rtc.state = PLAYING
    playing.app.run()
    rtc.play(playing, paint((40, 60)))
    assert kept.session.state().counters.num_frames == 2
    assert not playing.app.error


@pytest.mark.slow
def test_ten_restarts_leave_no_threads(live: Any, rtc: Rtc) -> None:
    before = threading.active_count()
    for _ in range(10):
        for state in (CONNECTING, PLAYING, DISCONNECTED):
            rtc.state = state
            live.app.run()
    assert lives(live).session.state().counters.num_frames == 0
    assert threading.active_count() <= before
    rtc.state = PLAYING
    live.app.run()
    rtc.play(live, paint((40, 60)))
    assert len(live.shown("live_cards")["faces"]) == 1


def test_visitors_have_separate_sessions(playing: Any, rtc: Rtc, open_page: Open) -> None:
    mine, camera = lives(playing), rtc.last["video_frame_callback"]
    other = open_page("webcam")
    yours = lives(other)
    assert yours.session is not mine.session
    assert yours.analyzer is mine.analyzer
    rtc.play(other, *[paint((40, 60), (200, 60))] * 3)
    camera(av.VideoFrame.from_ndarray(paint((40, 60)), format="rgb24"))
    assert (mine.session.state().counters.num_frames, yours.session.state().counters.num_frames) == (2, 3)
    playing.app.run()
    assert (len(playing.shown("live_cards")["faces"]), len(other.shown("live_cards")["faces"])) == (1, 2)
    yours.session.close()


@pytest.mark.filterwarnings("error")
def test_ended_session_releases_everything(rtc: Rtc, painted: None, open_page: Open) -> None:
    before = threading.active_count()
    page = open_page("webcam")
    rtc.state = PLAYING
    page.app.run()
    lives(page).session._worker._idle_seconds = 0.05
    rtc.play(page, paint((40, 60)))
    click(page, "live_record")
    rtc.play(page, *[paint((40, 60))] * 3)
    folder, session = lives(page).folder, weakref.ref(lives(page).session)
    assert folder.is_dir()
    wait_until(lambda: threading.active_count() <= before + 1)  # its worker rests, only that of the video stays
    rtc.requested.clear()
    del page
    wait_until(lambda: gc.collect() + 1 and session() is None and not folder.exists())
    wait_until(lambda: threading.active_count() <= before)


# ------------------------------------------------------------------ demo and single picture


def test_demo_starts_by_itself(live: Any, rtc: Rtc) -> None:
    live.app.segmented_control(key="live_source").set_value("Demo").run()
    requested = rtc.last
    assert requested["mode"] is webrtc.WebRtcMode.RECVONLY
    assert requested["desired_playing_state"] is True
    assert requested["source_video_track"] is rtc.source
    assert requested["rtc_configuration"] == {"iceServers": []}
    assert not live.app.main.expander, "neither a camera's settings nor its checks"
    track = rtc.tracks[-1]
    frame = track["callback"](4 * 90_000, Fraction(1, 90_000))
    assert (frame.width, frame.height, track["fps"]) == (640, 480, 30)
    again = track["callback"](34 * 90_000, Fraction(1, 90_000))
    difference = frame.to_ndarray(format="rgb24").astype(int) - again.to_ndarray(format="rgb24")
    assert np.abs(difference).mean() < 0.5
    rtc.state = PLAYING
    live.app.run()
    rtc.play(live, paint((40, 60)), paint((40, 60)))
    assert len(live.shown("live_cards")["faces"]) == 1


def test_demo_shows_synthetic_people(live: Any, rtc: Rtc, models: Path) -> None:
    write_generator(models / "waves")
    live.app.segmented_control(key="live_source").set_value("Demo").run()
    assert not live.app.exception
    assert "People who do not exist" in live.words
    callback = rtc.tracks[-1]["callback"]
    one, other = (callback(t * 90_000, Fraction(1, 90_000)).to_ndarray(format="rgb24").astype(int) for t in (2, 6))
    assert np.abs(one - other)[150:330, 230:410].mean() > 5, "another face, at nearly the same place"


def test_another_source_starts_another_session(playing: Any, rtc: Rtc) -> None:
    old = lives(playing).session
    rtc.state = DISCONNECTED
    playing.app.segmented_control(key="live_source").set_value("Demo").run()
    assert lives(playing).session is not old
    assert old._worker._closed
    assert not lives(playing).is_used
    playing.app.segmented_control(key="live_source").set_value("Camera").run()
    assert playing.shown("live_example") is not None


@pytest.fixture
def single(rtc: Rtc, open_page: Open) -> Any:
    """The page with a camera for single pictures, and the detector that is always there."""
    page = open_page("webcam")
    lives(page).session.close()
    page.app.segmented_control(key="live_source").set_value("Single image").run()
    return page


def test_single_image_is_analyzed(single: Any, rtc: Rtc, sample: Picture) -> None:
    requested = len(rtc.requested)
    assert "live video is blocked" in single.words
    camera = single.app.camera_input(key="live_single")
    camera.set_value(("shot.jpg", encode_jpeg(sample, 95), "image/jpeg")).run()
    assert len(single.shown("live_photo")["faces"]) == 1
    assert "## 1 " in single.words
    assert len(rtc.requested) == requested, "no stream is asked for"
    clear = single.shown("live_photo")["src"]
    single.app.toggle(key="side_anonymize").set_value(True).run()
    assert single.shown("live_photo")["src"] != clear


def test_invalid_single_image_is_reported(single: Any) -> None:
    single.app.camera_input(key="live_single").set_value(("shot.jpg", b"\xff\xd8 no picture", "image/jpeg")).run()
    (error,) = single.app.error
    assert "the image" in error.value
    assert not single.app.exception


# ------------------------------------------------------------------ what goes wrong


def test_without_a_classifier(models: Any, rtc: Rtc, open_page: Open) -> None:
    (models / "tiny" / "model.onnx").write_bytes(b"changed")
    page = open_page("webcam")
    assert len(page.app.error) == 1
    assert "sha256 differs" in page.words
    assert not rtc.requested


def test_failing_detector_is_reported_at_the_start(
    rtc: Rtc, painted: None, fake_detector: Callable, open_page: Open, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    def fail(image: Picture) -> list[Face]:
        raise RuntimeError("secret")

    monkeypatch.setattr(detector_factory, "make_detector", lambda name: fake_detector(fail))
    page = open_page("webcam")
    (error,) = page.app.error
    assert "Something went wrong" in error.value
    assert "secret" not in page.words
    assert "secret" in caplog.text


@pytest.mark.parametrize(
    ("broken", "what", "stays"),
    [("show_cards", "the faces", "live_snapshot"), ("run_diagnostics", "the messages", None)],
)
def test_failing_part_of_the_page_does_not_affect_the_others(
    playing: Any, broken: str, what: str, stays: str | None, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    def fail(*args: Any) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(live_cards, broken, fail)
    playing.app.run()
    (error,) = playing.app.error
    assert f"Something went wrong with {what}" in error.value.replace("\\", "")
    assert "secret" not in playing.words
    assert "secret" in caplog.text
    assert stays is None or has(playing, stays)
    assert stays or playing.shown("live_cards")
    assert not playing.app.exception


# ------------------------------------------------------------------ facial features and the mirror game


def htmls(page: Any) -> str:
    return "".join(html.proto.body for html in page.app.get("html"))


def test_features_are_drawn_and_shown_where_they_are_switched_on(
    features_network: None, playing: Any, rtc: Rtc
) -> None:
    assert playing.shown("live_cards")["faces"][0]["pose"] is None
    assert playing.shown("live_curves") is None
    image = paint((40, 60))
    plain = rtc.play(playing, image, image)[-1]
    playing.app.toggle(key="live_features").set_value(True).run()
    drawn = rtc.play(playing, *[image] * 4)[-1]
    assert (drawn != plain).any(axis=2).sum() > 100
    pose = playing.shown("live_cards")["faces"][0]["pose"]
    assert pose["text"] == "Head: turned 20° to their right", "the image is mirrored"
    assert pose["x"] > 0, "to the right of the screen, as in the mirror"
    assert playing.shown("live_curves")["lanes"][0]["label"].startswith("Movements of face 1: smile 75%")


def test_blur_hides_features(features_network: None, playing: Any, rtc: Rtc) -> None:
    playing.app.toggle(key="live_features").set_value(True).run()
    playing.app.toggle(key="side_anonymize").set_value(True).run()
    rtc.play(playing, *[paint((40, 60))] * 3)
    assert playing.app.toggle(key="live_features").disabled
    assert playing.shown("live_cards")["faces"][0]["pose"] is None
    assert playing.shown("live_curves") is None
    assert all(face.face.features is None for face in lives(playing).session.state().faces)


@pytest.fixture
def game_page(features_network: None, playing: Any, rtc: Rtc, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The mirror game beside a playing camera, on the clock of the frames."""
    monkeypatch.setattr("emotion.ui.live.game._now", lambda: rtc.now)
    playing.app.segmented_control(key="live_view").set_value("Mirror game").run()
    return playing


def play_until(page: Any, rtc: Rtc, text: str) -> None:
    for _ in range(60):
        if text in htmls(page) + page.words:
            return
        rtc.play(page, paint((40, 60)), step=0.45)
    pytest.fail(f"{text} was not shown; the panel is {htmls(page)}")


def test_game_is_played_to_its_result(game_page: Any, rtc: Rtc, saved: dict[str, Any]) -> None:
    assert "Show what the program asks for" in game_page.words
    assert game_page.shown("live_cards") is None
    click(game_page, "live_game_start")
    smile = Challenge("smile", "Smile", 0.5, groups=("mouthSmile",))
    game_page.app.session_state["live_game"] = lives(game_page).session, MirrorGame.from_challenges([smile])
    play_until(game_page, rtc, "Relax your face")
    play_until(game_page, rtc, "Round 1 of 1")
    play_until(game_page, rtc, ">Smile<")
    play_until(game_page, rtc, ">Now<")
    play_until(game_page, rtc, "## 0 of 100 points")  # the neutral face has the same smile
    card = read_image(saved["mirror-game.png"])
    assert card.shape == (630, 1200, 3)
    click(game_page, "live_game_end")
    assert "Show what the program asks for" in game_page.words


def test_game_asks_only_for_what_the_models_see(game_page: Any) -> None:
    click(game_page, "live_game_start")
    _, game = game_page.app.session_state["live_game"]
    assert {one.challenge.label for one in game.rounds} == {"happy", "surprise", "sad", "angry"}


def test_game_needs_visible_faces(game_page: Any) -> None:
    game_page.app.toggle(key="side_anonymize").set_value(True).run()
    assert "Blur faces is on" in game_page.words
    assert not has(game_page, "live_game_start")


def test_game_starts_with_the_camera(rtc: Rtc, painted: None, open_page: Open) -> None:
    page = open_page("webcam", {"live_view": "Mirror game"})
    assert page.app.button(key="live_game_start").disabled
    page.app.session_state["live_controller"].session.close()
