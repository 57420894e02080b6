"""What the live page needs of Streamlit and WebRTC: one session a visitor, the stream, cards, doctor, demo."""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import streamlit as st
import streamlit_webrtc as webrtc

from emotion import ui
from emotion.charts import named, percent
from emotion.demo import DemoCamera
from emotion.doctor import Browser, Connection, Step, examine, finding
from emotion.errors import EmotionError
from emotion.faces import expression
from emotion.live import LiveOptions, LiveSession
from emotion.live_view import LiveFace, LiveView
from emotion.recognition.analyzer import Analyzer, Settings
from emotion.recognition.images import encode_jpeg, read_image
from emotion.recording import Recording

ICE: Final = "EMOTION_ICE_SERVERS"  # the environment's name for what secrets.toml calls ice_servers
SIZES: Final = {"Small": (320, 240), "Normal": (640, 480), "Large": (1280, 720)}  # ideal width and height in pixels
_FPS: Final = 30
_MOST_CARDS: Final = 6
_BARS: Final = 4  # of a card: the rest is near 0
# Where the sample's face is and how wide, in pixels.
_SAMPLE_FACE: Final = (224.0, 116.0), 96.0

_CARDS: Final = ui.own_component("cards")
_DOCTOR: Final = ui.own_component("doctor")


@dataclass
class Live:
    """One visitor's camera or demo: the session, what was saved of it, and where its films lie until he leaves."""

    source: str
    analyzer: Analyzer
    session: LiveSession
    folder: tempfile.TemporaryDirectory[str] = field(
        default_factory=lambda: tempfile.TemporaryDirectory(prefix="emotion-live-", ignore_cleanup_errors=True)
    )
    asked: float | None = None  # when the stream was asked for, by time.monotonic
    connected: bool = False
    recording: Recording | None = None  # the last one
    finishing: bool = False  # whether one is being finished
    snapshot: tuple[bytes, dict[str, Any]] | None = None
    said: str = ""  # why the last button did nothing

    @property
    def used(self) -> bool:
        """Whether a picture was asked for or came."""
        return self.asked is not None or self.session.view().frames > 0

    # What the buttons do. They are called before a page is drawn anew: what a page does while it is drawn may be
    # broken off by the next refresh of one of its parts.

    def snap(self) -> None:
        """Keep the picture of this moment."""
        self.snapshot = self.session.snapshot()

    def record(self, film: bool) -> None:
        """Begin to record, with a film if asked for."""
        self.recording = None
        self.session.start_recording(Path(self.folder.name) / f"{time.time_ns()}.mp4" if film else None)

    def stop(self) -> None:
        """End the recording; it is there as soon as its film is finished."""

        def finish() -> None:
            self.recording = self.session.stop_recording()
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
    """The session of this visitor for a source of pictures, with these options; another source or analyzer begins a
    new one."""
    analyzer = ui.analyzer()
    kept: Live | None = st.session_state.get("live")
    if kept is None or kept.source != source or kept.analyzer is not analyzer:
        if kept is not None:
            kept.session.close()
        _warm(analyzer.detector.name, analyzer.recogniser.bundle.sha256, analyzer)
        kept = st.session_state["live"] = Live(source, analyzer, LiveSession(analyzer, options))
    kept.session.options = options
    return kept


@st.cache_resource(max_entries=8, show_spinner="Getting ready")
def _warm(detector: str, sha256: str, _analyzer: Analyzer) -> bool:
    """The first pictures take long; nobody shall wait for them in front of a camera."""
    for _ in range(2):
        _analyzer.analyze(_sample(), Settings(side=max(SIZES["Normal"])))
    return True


def _sample() -> np.ndarray:
    return read_image(ui.SAMPLE)


# ------------------------------------------------------------------ the stream


def show_camera(live: Live, size: tuple[int, int]) -> None:
    """The visitor's camera: his pictures come in, annotated ones go back."""
    video = {"width": {"ideal": size[0]}, "height": {"ideal": size[1]}, "frameRate": {"ideal": _FPS}}
    _stream(
        live, key=f"live_camera_{size[0]}", mode=webrtc.WebRtcMode.SENDRECV,
        media_stream_constraints={"video": video, "audio": False},
    )  # fmt: skip


def show_demo(live: Live) -> None:
    """A made-up camera, through the same session."""
    camera = _demo_camera()

    def picture(pts: int, time_base: Any) -> av.VideoFrame:
        return av.VideoFrame.from_ndarray(camera.at(float(pts * time_base)), format="rgb24")

    track = webrtc.create_video_source_track(picture, key="live_demo_track", fps=_FPS)
    _stream(
        live, key="live_demo", mode=webrtc.WebRtcMode.RECVONLY, source_video_track=track, desired_playing_state=True,
        media_stream_constraints={"video": True, "audio": False},
    )  # fmt: skip


@st.cache_resource(show_spinner=False)
def _demo_camera() -> DemoCamera:
    return DemoCamera(_sample(), *_SAMPLE_FACE)


def _stream(live: Live, *, key: str, mode: Any, **more: Any) -> None:
    """The video element with its buttons; its state goes into `live`."""
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
    wanted = context.state.playing or context.state.signalling
    live.asked = (live.asked or time.monotonic()) if wanted else None
    live.connected = context.state.playing


def through(session: LiveSession) -> Callable[[av.VideoFrame], av.VideoFrame]:
    """What a stream calls for each frame; never raises and never waits."""

    def run(frame: av.VideoFrame) -> av.VideoFrame:
        try:
            image = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
        except Exception as error:  # an exception here would end the stream for good
            session.fault(error)
            return av.VideoFrame.from_ndarray(np.zeros((frame.height, frame.width, 3), np.uint8), format="rgb24")
        picture = session.frame(image, frame.time, wait=False)
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")

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
    good = isinstance(servers, list) and all(isinstance(s, Mapping) and s.get("urls") for s in servers)
    if not good:
        raise EmotionError("The ICE servers that are set make no sense; expected a list of objects with urls.")
    return [dict(server) for server in servers]


# ------------------------------------------------------------------ cards and doctor


def show_cards(view: LiveView) -> None:
    """One card a face, up to six; the others are counted."""
    rest = len(view.faces) - _MOST_CARDS
    _CARDS(key="live_cards", data={
        "label": "Faces in the picture",
        "faces": [_card(face) for face in view.faces[:_MOST_CARDS]],
        "more": f"and {rest} more {'face' if rest == 1 else 'faces'}" if rest > 0 else "",
        "empty": "" if view.faces else _nobody(view),
    })  # fmt: skip


def _nobody(view: LiveView) -> str:
    if view.frames == 0:
        return "Every face gets a card here as soon as the picture comes."
    return "No face in the picture. What helps: look at the camera, come nearer, more light from the front."


def _card(one: LiveFace) -> dict[str, Any]:
    face, scores = one.face, one.face.scores or {}
    best = sorted(scores.items(), key=lambda item: -item[1])[:_BARS]
    return {
        "image": ui.jpeg_url(encode_jpeg(one.thumbnail, 80)),
        "title": f"{face.track} {expression(face.shown).sign} {ui.title(face)}",
        "reason": (face.unsure or "").capitalize(),
        "colour": expression(face.shown).colour,
        "scores": [
            {"name": named(label), "share": p, "text": percent(p), "colour": expression(label).colour,
             "before": one.raw.get(label) if one.raw else None}
            for label, p in best
        ],
    }  # fmt: skip


def diagnose(live: Live, view: LiveView) -> tuple[Step, ...]:
    """The steps from the camera to the picture, by what browser and server know."""
    said = st.session_state.get("live_doctor")
    asked = time.monotonic() - live.asked if live.asked is not None else None
    connection = Connection(asked, live.connected, view.frames if live.asked is not None else 0, view.silent)
    return examine(Browser.of(said and said.get("facts")), connection)


def show_doctor(steps: tuple[Step, ...]) -> None:
    """What is wrong, if anything is, and all steps for who wants to look."""
    wrong = finding(steps)
    if wrong is not None:
        st.warning(f"**{wrong.name}: no.** {wrong.sentence}", icon=":material/videocam_off:")
    with st.expander("The camera does not come?", icon=":material/health_and_safety:", expanded=wrong is not None):
        marks = {"good": ":material/check_circle: ", "bad": ":material/cancel: ", "open": ":material/pending: "}
        words = {"good": "yes", "bad": "no", "open": "not known yet"}
        st.markdown("\n".join(f"- {marks[step.answer]}{step.name}: {words[step.answer]}" for step in steps))
        _DOCTOR(key="live_doctor", data={"label": "Check the camera"}, default={"facts": None},
                on_facts_change=lambda: None)  # fmt: skip


def figures(view: LiveView) -> str:
    """How the stream does, in a line."""
    if view.age is None:
        return "No picture yet"
    parts = [
        f"{view.fps_in:.0f} pictures a second come, {view.fps_out:.0f} are read",
        f"finding {view.search_ms:.0f} ms, reading {view.read_ms:.0f} ms, drawing {view.draw_ms:.0f} ms",
        f"result {1000 * (view.age_p95 or view.age):.0f} ms old",
    ]
    counts = {"left out": view.dropped, "too late": view.late, "failed": view.faults}
    parts += [f"{n} {what}" for what, n in counts.items() if n]
    return " · ".join(parts)
