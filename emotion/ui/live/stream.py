"""WebRTC streams of the Live page: the camera and the demo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import av
import numpy as np
import streamlit as st
import streamlit_webrtc as webrtc
from streamlit_webrtc.relay import get_global_relay

from emotion.demo.camera import SyntheticFacesCamera
from emotion.live.session import LiveSession
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop
from emotion.ui import components, session, webrtc_workarounds
from emotion.ui.live import ice_servers
from emotion.ui.live.controller import LiveController
from emotion.ui.live.demo_camera import get_demo_camera
from emotion.ui.live.demo_track import FPS, create_demo_track

AUTOSTART_KEY: Final = "live_autostart"  # in the session state: the camera starts with the page
_START_LABEL: Final = gettext_noop("Enable camera")
_CAMERA_START: Final = components.load_component("camera_start")


def show_camera(controller: LiveController, size: tuple[int, int]) -> None:
    """Show the stream of the visitor's camera with annotated frames."""
    video = {"width": {"ideal": size[0]}, "height": {"ideal": size[1]}, "frameRate": {"ideal": FPS}}
    _show_stream(
        controller,
        key=f"live_camera_{size[0]}",
        mode=webrtc.WebRtcMode.SENDRECV,
        media_stream_constraints={"video": video, "audio": False},
    )
    if st.session_state.get(AUTOSTART_KEY):
        _CAMERA_START(key="live_camera_start", data={"label": _(_START_LABEL)}, on_done_change=_end_autostart)


def _end_autostart() -> None:
    st.session_state.pop(AUTOSTART_KEY, None)


def show_demo(controller: LiveController) -> None:
    """Show the demo, which replaces the camera: synthetic faces where there is a generator, else a moving photo."""
    camera = get_demo_camera(session.get_analyzer().classifier)
    _show_stream(
        controller,
        key="live_demo",
        mode=webrtc.WebRtcMode.RECVONLY,
        source_video_track=create_demo_track(camera.frame_at),
        desired_playing_state=True,
        media_stream_constraints={"video": True, "audio": False},
    )
    st.caption(
        _("People who do not exist, drawn by this program: their faces go through all expressions.")
        if isinstance(camera, SyntheticFacesCamera)
        else _("A free photo of an astronaut, moved about, analyzed like a camera.")
    )


def _show_stream(controller: LiveController, *, key: str, mode: Any, **kwargs: Any) -> None:
    """Show the video element with its buttons, and update `controller` with its state."""
    webrtc_workarounds.disable_mdns_lookup()
    _prepare_relay()
    context = webrtc.webrtc_streamer(
        key=key,
        mode=mode,
        rtc_configuration={"iceServers": ice_servers.load_ice_servers()},
        video_frame_callback=make_frame_callback(controller.session),
        # The callback never blocks. With its own thread the library would send the first frames unprocessed, without
        # anonymization, and end after a callback of ten seconds.
        async_processing=False,
        video_html_attrs={
            "autoPlay": True,
            "controls": False,
            "muted": True,
            "playsInline": True,
            "style": {"width": "100%", "borderRadius": "8px"},
        },
        translations={
            "start": _(_START_LABEL),
            "stop": _("Stop"),
            "select_device": _("Choose camera"),
            "device_ask_permission": _("Allow the camera in the browser."),
            "device_access_denied": _("The browser blocks the camera."),
            "device_not_available": _("The camera is not available."),
            "media_api_not_available": _("This browser gives the page no camera."),
        },
        media_toggle_controls=False,
        **kwargs,
    )
    is_playing, is_signaling = context.state
    controller.update_connection(is_requested=is_playing or is_signaling, is_connected=is_playing)


@st.cache_resource(show_spinner=False)
def _prepare_relay() -> None:
    """Disable the buffering of the relay, once for all sessions."""
    webrtc_workarounds.disable_buffering(get_global_relay())


def make_frame_callback(session: LiveSession) -> Callable[[av.VideoFrame], av.VideoFrame]:
    """Make the callback of a stream for each frame; it never raises and never blocks."""

    def process(frame: av.VideoFrame) -> av.VideoFrame:
        try:
            image = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            annotated = session.process_frame(image, frame.time, wait=False)
            return av.VideoFrame.from_ndarray(np.ascontiguousarray(annotated), format="rgb24")
        except Exception as error:  # an exception would end the stream
            session.record_error(error)
            return av.VideoFrame.from_ndarray(np.zeros((frame.height, frame.width, 3), np.uint8), format="rgb24")

    return process
