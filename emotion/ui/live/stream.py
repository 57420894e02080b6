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

from emotion.demo.camera import DemoCamera, PeopleCamera
from emotion.errors import EmotionError
from emotion.live.recording import Recording
from emotion.live.session import LiveSession
from emotion.live.state import LiveOptions
from emotion.media.image_reader import read_image
from emotion.recognition.analyzer import Analyzer, Settings
from emotion.ui import photo_cache
from emotion.ui import server as ui_server
from emotion.ui import session as ui_session
from emotion.ui.synthetic import faces

ICE: Final = "EMOTION_ICE_SERVERS"  # the environment's name for what secrets.toml calls ice_servers
SIZES: Final = {"Small": (320, 240), "Normal": (640, 480), "Large": (1280, 720)}  # ideal width and height in pixels
_ICE_URL: Final = re.compile(r"stuns?:[^\s/?@:]+(:\d{1,5})?|turns?:[^\s/?@:]+(:\d{1,5})?(\?transport=(udp|tcp))?")
_FPS: Final = 30
# Where the sample's face is and how wide, in pixels.
_SAMPLE_FACE: Final = (224.0, 116.0), 96.0


@dataclass(eq=False)
class Live:
    """One visitor's camera or demo: the session, and what was saved of it."""

    source: str
    analyzer: Analyzer
    session: LiveSession
    asked: float | None = None  # when the stream was asked for, by time.monotonic
    earlier: int = 0  # frames that had come before
    connected: bool = False
    recording: Recording | None = None  # the last one
    finishing: bool = False  # whether one is being finished
    snapshot: tuple[bytes, dict[str, Any]] | None = None
    said: str = ""  # why the last button did nothing

    @property
    def used(self) -> bool:
        """Whether a picture was asked for or came, or something was saved."""
        return bool(self.asked is not None or self.session.view().frames or self.recording or self.snapshot)

    @property
    def saved(self) -> tuple[object, object]:
        """What there is to save: another value where that is something else."""
        return self.recording, self.snapshot

    @cached_property
    def folder(self) -> Path:
        """Where films lie until the visitor leaves."""
        made = tempfile.mkdtemp(prefix="emotion-live-")
        weakref.finalize(self, shutil.rmtree, made, ignore_errors=True)
        return Path(made)

    def turn_to(self, source: str, analyzer: Analyzer, options: LiveOptions) -> None:
        """Begin a new session; what was saved stays, a recording ends here."""
        if self.session.view().recording is not None:
            self.recording = self.session.stop_recording()
        self.session.close()
        self.source, self.analyzer, self.session = source, analyzer, LiveSession(analyzer, options)
        self.asked, self.earlier, self.connected, self.said = None, 0, False, ""

    def told(self, *, wanted: bool, connected: bool) -> None:
        """The browser says whether a stream is wanted, and whether it is connected."""
        if wanted and self.asked is None:
            self.asked, self.earlier = time.monotonic(), self.session.view().frames
        elif not wanted:
            self.asked = None
        self.connected = connected

    # What the buttons do. They are called before a page is drawn anew: what a page does while it is drawn may be
    # broken off by the next refresh of one of its parts.

    def snap(self) -> None:
        """Keep the picture of this moment."""
        self.snapshot = self.session.snapshot()

    def record(self, film: bool) -> None:
        """Begin to record, with a film if asked for; not while paused, when nothing would be recorded."""
        if self.session.options.paused:
            self.said = "Nothing can be recorded while the stream is paused; end the pause and press Record again."
            return
        if self.recording is not None and self.recording.film is not None:
            self.recording.film.unlink(missing_ok=True)
        self.recording = None
        try:
            place = self.folder / f"{time.time_ns()}.mp4" if film else None
            self.said = ""
        except OSError as error:
            place, self.said = None, f"There is no place for a film ({error.strerror}); the scores are recorded."
        self.session.start_recording(place)

    def stop(self) -> None:
        """End the recording; it is there as soon as its film is finished."""

        session = self.session  # there may be another one soon

        def finish() -> None:
            try:
                self.recording = session.stop_recording()
            finally:
                self.finishing = False

        if not self.finishing:
            self.finishing = True
            threading.Thread(target=finish, name="live-stop", daemon=True).start()

    def rest(self) -> None:
        """Take the faces of the next seconds for resting ones."""
        try:
            self.session.calibrate()
            self.said = ""
        except EmotionError as error:
            self.said = str(error)


def live(source: str, options: LiveOptions) -> Live:
    """What this visitor has, for a source of pictures and with these options; another source or analyzer begins a new
    session."""
    analyzer = ui_session.analyzer()
    kept: Live | None = st.session_state.get("live")
    if kept is None or kept.source != source or kept.analyzer is not analyzer:
        _warm(analyzer.detector.name, analyzer.recogniser.bundle.sha256, analyzer)
        if kept is None:
            kept = st.session_state["live"] = Live(source, analyzer, LiveSession(analyzer, options))
        else:
            kept.turn_to(source, analyzer, options)
    kept.session.options = options
    return kept


@st.cache_resource(max_entries=8, show_spinner="Getting ready")
def _warm(detector: str, sha256: str, _analyzer: Analyzer) -> bool:
    """The first pictures take long; nobody shall wait for them in front of a camera."""
    for _ in range(2):
        _analyzer.analyze(_sample(), Settings(side=max(SIZES["Normal"])))
    return True


def _sample() -> np.ndarray:
    return read_image(photo_cache.SAMPLE)


# ------------------------------------------------------------------ the stream


def show_camera(live: Live, size: tuple[int, int]) -> None:
    """The visitor's camera: his pictures come in, annotated ones go back."""
    video = {"width": {"ideal": size[0]}, "height": {"ideal": size[1]}, "frameRate": {"ideal": _FPS}}
    _stream(
        live, key=f"live_camera_{size[0]}", mode=webrtc.WebRtcMode.SENDRECV,
        media_stream_constraints={"video": video, "audio": False},
    )  # fmt: skip


def show_demo(live: Live) -> None:
    """A made-up camera, through the same session: synthetic people where there is a generator, or a moved photo."""
    people = faces.people()
    camera = _people_camera(people.seeds, people.maker.bundle.sha256, people) if people else _photo_camera()

    def picture(pts: int, time_base: Any) -> av.VideoFrame:
        return av.VideoFrame.from_ndarray(camera.at(float(pts * time_base)), format="rgb24")

    track = webrtc.create_video_source_track(picture, key="live_demo_track", fps=_FPS)
    _stream(
        live, key="live_demo", mode=webrtc.WebRtcMode.RECVONLY, source_video_track=track, desired_playing_state=True,
        media_stream_constraints={"video": True, "audio": False},
    )  # fmt: skip
    st.caption(
        "People who do not exist, drawn by this program: their faces go through all expressions." if people else
        "A free picture of an astronaut, moved about, through the same program as a camera."
    )  # fmt: skip


@st.cache_resource(max_entries=2, show_spinner="Drawing people who do not exist")
def _people_camera(seeds: tuple[int, ...], sha256: str, _people: faces.People) -> PeopleCamera:
    return PeopleCamera(_people.strips(2), len(_people.maker.labels))


@st.cache_resource(show_spinner=False)
def _photo_camera() -> DemoCamera:
    return DemoCamera(_sample(), *_SAMPLE_FACE)


def _stream(live: Live, *, key: str, mode: Any, **more: Any) -> None:
    """The video element with its buttons; its state goes into `live`."""
    ui_server.look_up_no_peer()
    _prepare_relay()
    context = webrtc.webrtc_streamer(
        key=key, mode=mode, rtc_configuration={"iceServers": ice_servers()},
        video_frame_callback=through(live.session),
        # The callback never waits. In a thread of its own the library would send the first frames as they are,
        # without a blur, and die of a callback that takes ten seconds.
        async_processing=False,
        video_html_attrs={"autoPlay": True, "controls": False, "muted": True, "playsInline": True,
                          "style": {"width": "100%", "borderRadius": "8px"}},
        translations={"start": "Enable camera", "stop": "Stop", "select_device": "Choose camera"},
        media_toggle_controls=False, **more,
    )  # fmt: skip
    playing, signalling = context.state
    live.told(wanted=playing or signalling, connected=playing)


@st.cache_resource(show_spinner=False)
def _prepare_relay() -> None:
    """Once for all sessions of the server."""
    newest_only(get_global_relay())


def newest_only(relay: MediaRelay) -> MediaRelay:
    """Let a relay of frames forget those that came before the newest. It would keep them all: on a machine that
    cannot keep up the picture would come later and later, and fill the memory."""
    relay.subscribe = partial(relay.subscribe, buffered=False)
    return relay


def through(session: LiveSession) -> Callable[[av.VideoFrame], av.VideoFrame]:
    """What a stream calls for each frame; never raises and never waits."""

    def run(frame: av.VideoFrame) -> av.VideoFrame:
        try:
            image = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            picture = session.frame(image, frame.time, wait=False)
            return av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        except Exception as error:  # an exception here would end the stream for good
            session.fault(error)
            return av.VideoFrame.from_ndarray(np.zeros((frame.height, frame.width, 3), np.uint8), format="rgb24")

    return run


def ice_servers() -> list[dict[str, Any]]:
    """The STUN and TURN servers that the operator set: `ice_servers` in .streamlit/secrets.toml, or JSON in the
    environment. None by default, so that no foreign server is asked. `EmotionError` where they make no sense."""
    text = os.environ.get(ICE)
    try:
        servers = json.loads(text) if text else []
    except ValueError as error:
        raise EmotionError(f"{ICE} is no JSON ({error}); expected a list of objects with urls.") from error
    if not text and st.secrets.load_if_toml_exists():
        servers = st.secrets.get("ice_servers", [])
    if not isinstance(servers, list) or not all(map(_is_server, servers)):
        raise EmotionError(
            "The ICE servers that are set make no sense; expected a list of objects with urls that begin with stun: "
            "or turn:, and for turn: username and credential."
        )
    return [dict(server) for server in servers]


def _is_server(said: object) -> bool:
    """Whether browser and server take that for an ICE server; both would end with an error otherwise."""
    if not isinstance(said, Mapping):
        return False
    urls = said.get("urls")
    urls = [urls] if isinstance(urls, str) else urls
    if not isinstance(urls, list) or not urls or not all(isinstance(u, str) and _ICE_URL.fullmatch(u) for u in urls):
        return False
    known = [isinstance(said.get(name), str) and said[name] for name in ("username", "credential")]
    return all(known) or not any(url.startswith("turn") for url in urls)
