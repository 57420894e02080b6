"""What the live page needs of Streamlit and WebRTC: one session a visitor, the stream, the demo."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import streamlit as st
import streamlit_webrtc as webrtc
from aiortc.contrib.media import MediaRelay
from streamlit_webrtc.relay import get_global_relay

from emotion.demo.camera import DemoCamera, SyntheticFacesCamera
from emotion.demo.sample_image import SAMPLE_FACE_CENTER, SAMPLE_FACE_PX
from emotion.errors import EmotionError
from emotion.live.recording import Recording
from emotion.live.session import LiveSession
from emotion.live.state import LiveOptions
from emotion.media.image_reader import read_image
from emotion.recognition.analyzer import Analyzer, AnalyzerSettings
from emotion.ui import photo_cache
from emotion.ui import server as ui_server
from emotion.ui import session as ui_session
from emotion.ui.synthetic import faces

ICE_ENV_VAR: Final = "EMOTION_ICE_SERVERS"  # the environment's name for what secrets.toml calls ice_servers
CAMERA_SIZES: Final = {
    "Small": (320, 240),
    "Normal": (640, 480),
    "Large": (1280, 720),
}  # ideal width and height in pixels
_ICE_URL: Final = re.compile(r"stuns?:[^\s/?@:]+(:\d{1,5})?|turns?:[^\s/?@:]+(:\d{1,5})?(\?transport=(udp|tcp))?")
_FPS: Final = 30


@dataclass(eq=False)
class LiveController:
    """One visitor's camera or demo: the session, and what was saved of it."""

    source: str
    analyzer: Analyzer
    session: LiveSession
    requested_timestamp: float | None = None  # when the stream was asked for, by time.monotonic
    num_earlier_frames: int = 0  # frames that had come before
    is_connected: bool = False
    recording: Recording | None = None  # the last one
    is_finishing: bool = False  # whether one is being finished
    snapshot: tuple[bytes, dict[str, Any]] | None = None
    message: str = ""  # why the last button did nothing

    @property
    def is_used(self) -> bool:
        """Whether a picture was asked for or came, or something was saved."""
        return bool(
            self.requested_timestamp is not None
            or self.session.state().counters.num_frames
            or self.recording
            or self.snapshot
        )

    @property
    def saved_items(self) -> tuple[object, object]:
        """What there is to save: another value where that is something else."""
        return self.recording, self.snapshot

    @cached_property
    def folder(self) -> Path:
        """Where films lie until the visitor leaves."""
        made = tempfile.mkdtemp(prefix="emotion-live-")
        weakref.finalize(self, shutil.rmtree, made, ignore_errors=True)
        return Path(made)

    def restart_session(self, source: str, analyzer: Analyzer, options: LiveOptions) -> None:
        """Begin a new session; what was saved stays, a recording ends here."""
        if self.session.state().recording is not None:
            self.recording = self.session.stop_recording()
        self.session.close()
        self.source, self.analyzer, self.session = source, analyzer, LiveSession(analyzer, options)
        self.requested_timestamp, self.num_earlier_frames, self.is_connected, self.message = None, 0, False, ""

    def update_connection(self, *, is_requested: bool, is_connected: bool) -> None:
        """The browser says whether a stream is wanted, and whether it is connected."""
        if is_requested and self.requested_timestamp is None:
            self.requested_timestamp, self.num_earlier_frames = (
                time.monotonic(),
                self.session.state().counters.num_frames,
            )
        elif not is_requested:
            self.requested_timestamp = None
        self.is_connected = is_connected

    # What the buttons do. They are called before a page is drawn anew: what a page does while it is drawn may be
    # broken off by the next refresh of one of its parts.

    def take_snapshot(self) -> None:
        """Keep the picture of this moment."""
        self.snapshot = self.session.snapshot()

    def start_recording(self, write_video: bool) -> None:
        """Begin to record, with a film if asked for; not while paused, when nothing would be recorded."""
        if self.session.options.is_paused:
            self.message = "Nothing can be recorded while the stream is paused; end the pause and press Record again."
            return
        if self.recording is not None and self.recording.video_path is not None:
            self.recording.video_path.unlink(missing_ok=True)
        self.recording = None
        try:
            place = self.folder / f"{time.time_ns()}.mp4" if write_video else None
            self.message = ""
        except OSError as error:
            place, self.message = None, f"There is no place for a film ({error.strerror}); the scores are recorded."
        self.session.start_recording(place)

    def stop_recording(self) -> None:
        """End the recording; it is there as soon as its film is finished."""

        session = self.session  # there may be another one soon

        def finish_recording() -> None:
            try:
                self.recording = session.stop_recording()
            finally:
                self.is_finishing = False

        if not self.is_finishing:
            self.is_finishing = True
            threading.Thread(target=finish_recording, name="live-stop", daemon=True).start()

    def calibrate(self) -> None:
        """Take the faces of the next seconds for resting ones."""
        try:
            self.session.calibrate()
            self.message = ""
        except EmotionError as error:
            self.message = str(error)


def get_controller(source: str, options: LiveOptions) -> LiveController:
    """What this visitor has, for a source of pictures and with these options; another source or analyzer begins a new
    session."""
    analyzer = ui_session.get_analyzer()
    kept: LiveController | None = st.session_state.get("live_controller")
    if kept is None or kept.source != source or kept.analyzer is not analyzer:
        _warm_up(analyzer.detector.name, analyzer.classifier.bundle.sha256, analyzer)
        if kept is None:
            kept = st.session_state["live_controller"] = LiveController(
                source, analyzer, LiveSession(analyzer, options)
            )
        else:
            kept.restart_session(source, analyzer, options)
    kept.session.options = options
    return kept


@st.cache_resource(max_entries=8, show_spinner="Getting ready")
def _warm_up(detector: str, sha256: str, _analyzer: Analyzer) -> bool:
    """The first pictures take long; nobody shall wait for them in front of a camera."""
    for _ in range(2):
        _analyzer.analyze(_read_sample(), AnalyzerSettings(max_side=max(CAMERA_SIZES["Normal"])))
    return True


def _read_sample() -> np.ndarray:
    return read_image(photo_cache.SAMPLE_PHOTO)


# ------------------------------------------------------------------ the stream


def show_camera(controller: LiveController, size: tuple[int, int]) -> None:
    """The visitor's camera: his pictures come in, annotated ones go back."""
    video = {"width": {"ideal": size[0]}, "height": {"ideal": size[1]}, "frameRate": {"ideal": _FPS}}
    _show_stream(
        controller,
        key=f"live_camera_{size[0]}",
        mode=webrtc.WebRtcMode.SENDRECV,
        media_stream_constraints={"video": video, "audio": False},
    )


def show_demo(controller: LiveController) -> None:
    """A made-up camera, through the same session: synthetic people where there is a generator, or a moved photo."""
    people = faces.get_synthetic_people()
    camera = (
        _make_synthetic_camera(people.seeds, people.sampler.bundle.sha256, people) if people else _make_photo_camera()
    )

    def make_frame(pts: int, time_base: Any) -> av.VideoFrame:
        return av.VideoFrame.from_ndarray(camera.frame_at(float(pts * time_base)), format="rgb24")

    track = webrtc.create_video_source_track(make_frame, key="live_demo_track", fps=_FPS)
    _show_stream(
        controller,
        key="live_demo",
        mode=webrtc.WebRtcMode.RECVONLY,
        source_video_track=track,
        desired_playing_state=True,
        media_stream_constraints={"video": True, "audio": False},
    )
    st.caption(
        "People who do not exist, drawn by this program: their faces go through all expressions."
        if people
        else "A free picture of an astronaut, moved about, through the same program as a camera."
    )


@st.cache_resource(max_entries=2, show_spinner="Drawing people who do not exist")
def _make_synthetic_camera(seeds: tuple[int, ...], sha256: str, _people: faces.SyntheticPeople) -> SyntheticFacesCamera:
    return SyntheticFacesCamera(_people.draw_morphs(2), len(_people.sampler.labels))


@st.cache_resource(show_spinner=False)
def _make_photo_camera() -> DemoCamera:
    return DemoCamera(_read_sample(), SAMPLE_FACE_CENTER, SAMPLE_FACE_PX)


def _show_stream(controller: LiveController, *, key: str, mode: Any, **kwargs: Any) -> None:
    """The video element with its buttons; its state goes into `controller`."""
    ui_server.disable_mdns_lookup()
    _prepare_relay()
    context = webrtc.webrtc_streamer(
        key=key,
        mode=mode,
        rtc_configuration={"iceServers": load_ice_servers()},
        video_frame_callback=make_frame_callback(controller.session),
        # The callback never waits. In a thread of its own the library would send the first frames as they are,
        # without a blur, and die of a callback that takes ten seconds.
        async_processing=False,
        video_html_attrs={
            "autoPlay": True,
            "controls": False,
            "muted": True,
            "playsInline": True,
            "style": {"width": "100%", "borderRadius": "8px"},
        },
        translations={"start": "Enable camera", "stop": "Stop", "select_device": "Choose camera"},
        media_toggle_controls=False,
        **kwargs,
    )
    playing, signalling = context.state
    controller.update_connection(is_requested=playing or signalling, is_connected=playing)


@st.cache_resource(show_spinner=False)
def _prepare_relay() -> None:
    """Once for all sessions of the server."""
    disable_buffering(get_global_relay())


def disable_buffering(relay: MediaRelay) -> MediaRelay:
    """Let a relay of frames forget those that came before the newest. It would keep them all: on a machine that
    cannot keep up the picture would come later and later, and fill the memory."""
    relay.subscribe = partial(relay.subscribe, buffered=False)
    return relay


def make_frame_callback(session: LiveSession) -> Callable[[av.VideoFrame], av.VideoFrame]:
    """What a stream calls for each frame; never raises and never waits."""

    def process(frame: av.VideoFrame) -> av.VideoFrame:
        try:
            image = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            annotated = session.process_frame(image, frame.time, wait=False)
            return av.VideoFrame.from_ndarray(np.ascontiguousarray(annotated), format="rgb24")
        except Exception as error:  # an exception here would end the stream for good
            session.record_error(error)
            return av.VideoFrame.from_ndarray(np.zeros((frame.height, frame.width, 3), np.uint8), format="rgb24")

    return process


def load_ice_servers() -> list[dict[str, Any]]:
    """The STUN and TURN servers that the operator set: `ice_servers` in .streamlit/secrets.toml, or JSON in the
    environment. None by default, so that no foreign server is asked. `EmotionError` where they make no sense."""
    text = os.environ.get(ICE_ENV_VAR)
    try:
        servers = json.loads(text) if text else []
    except ValueError as error:
        raise EmotionError(f"{ICE_ENV_VAR} is no JSON ({error}); expected a list of objects with urls.") from error
    if not text and st.secrets.load_if_toml_exists():
        servers = st.secrets.get("ice_servers", [])
    if not isinstance(servers, list) or not all(map(_is_ice_server, servers)):
        raise EmotionError(
            "The ICE servers that are set make no sense; expected a list of objects with urls that begin with stun: "
            "or turn:, and for turn: username and credential."
        )
    return [dict(server) for server in servers]


def _is_ice_server(value: object) -> bool:
    """Whether browser and server take that for an ICE server; both would end with an error otherwise."""
    if not isinstance(value, Mapping):
        return False
    urls = value.get("urls")
    urls = [urls] if isinstance(urls, str) else urls
    if not isinstance(urls, list) or not urls or not all(isinstance(u, str) and _ICE_URL.fullmatch(u) for u in urls):
        return False
    known = [isinstance(value.get(name), str) and value[name] for name in ("username", "credential")]
    return all(known) or not any(url.startswith("turn") for url in urls)
