"""The moving example of the Home page: a clip of the demo camera, analyzed by the models in use."""

from __future__ import annotations

import logging
import tempfile
import threading
from pathlib import Path
from typing import Final

import streamlit as st

from emotion.errors import EmotionError
from emotion.recognition.analyzer import Analyzer
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop
from emotion.ui import messages, session
from emotion.ui.photos import annotated_photo, photo_cache

_POLL_SECONDS: Final = 1.0
_SAMPLE_ALT_TEXT: Final = gettext_noop("An astronaut in front of a space shuttle")

state = st.session_state
log = logging.getLogger(__name__)


class DemoClip:
    """A clip that is rendered in a thread, once for all visitors.

    Attributes:
        content: The MP4; None while it is rendered, or where that failed.
    """

    def __init__(self, analyzer: Analyzer) -> None:
        self.content: bytes | None = None
        self._analyzer = analyzer
        self._lock, self._is_started = threading.Lock(), False

    def start(self) -> None:
        """Start to render the clip, on the first call."""
        with self._lock:
            if not self._is_started:
                self._is_started = True
                # A daemon, so that the server can end while the clip is rendered.
                threading.Thread(target=self._render, name="demo clip", daemon=True).start()

    def _render(self) -> None:
        # These imports take a second, which the first page does not need.
        from emotion.ui.live.demo_camera import get_demo_camera
        from emotion.video.rendering.demo_clip import render_demo_clip

        try:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "demo.mp4"
                render_demo_clip(path, get_demo_camera(self._analyzer.classifier), self._analyzer)
                self.content = path.read_bytes()
        except (EmotionError, OSError):
            log.exception("The demo clip cannot be rendered; Home shows the sample photo")


def get_demo_clip() -> DemoClip:
    """Return the clip for the detector and the classifier in use."""
    return _get_clip(session.get_settings().detector, session.get_bundle().sha256)


@st.cache_resource(max_entries=2, show_spinner=False)
def _get_clip(detector: str, classifier_sha256: str) -> DemoClip:
    return DemoClip(session.get_analyzer())


@st.fragment(run_every=_POLL_SECONDS)
def wait_for_demo_clip() -> None:
    """Start to render the clip once the page is drawn, and draw the page again when it is there."""
    if state.pop("home_is_drawing", False):  # the page must not wait for the thread's imports
        return
    clip = get_demo_clip()
    clip.start()
    if clip.content is not None:
        st.rerun()


def show_example(settings: session.SessionSettings) -> None:
    """Show the clip; the sample photo with its faces until the clip is there."""
    if settings.bundle is not None:
        content = get_demo_clip().content
        if content is not None:
            st.video(content, format="video/mp4", loop=True, autoplay=True, muted=True)
            return
        state["home_is_drawing"] = True
        wait_for_demo_clip()
    _show_sample(settings)


def _show_sample(settings: session.SessionSettings) -> None:
    name, content = photo_cache.read_sample_photo()
    if settings.bundle is None:
        st.image(content, alt=_(_SAMPLE_ALT_TEXT))
        return
    with messages.error_box(_("the sample")):
        annotated_photo.show_annotated_photo(content, name, key="home_picture", alt_text=_(_SAMPLE_ALT_TEXT))
