"""The moving example of the Home page: a clip of the demo camera, analyzed by the models in use."""

from __future__ import annotations

import atexit
import logging
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

import streamlit as st

from emotion.environment import get_child_environment
from emotion.errors import EmotionError
from emotion.jobs.temporary_folder import create_temporary_folder
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop
from emotion.ui import messages, session
from emotion.ui.photos import annotated_photo, photo_cache

_POLL_SECONDS: Final = 1.0
_RENDERER: Final = "emotion.ui.home.render_clip"
_SAMPLE_WIDTH: Final = 420  # pixels: as high as the clip, which is wide, in a window of 1280 pixels
_SAMPLE_ALT_TEXT: Final = gettext_noop("An astronaut in front of a space shuttle")

state = st.session_state
_log: Final = logging.getLogger(__name__)


class DemoClip:
    """A clip that is rendered once for all visitors, in a process whose memory is free afterwards.

    Attributes:
        content: The MP4; None while it is rendered, or where that failed.
    """

    def __init__(self, detector: str, classifier: Path) -> None:
        self.content: bytes | None = None
        self._arguments = (detector, str(classifier.resolve()))
        self._lock, self._is_started = threading.Lock(), False

    def start(self) -> None:
        """Start to render the clip, on the first call."""
        with self._lock:
            if not self._is_started:
                self._is_started = True
                # A daemon, so that the server can end while the clip is rendered.
                threading.Thread(target=self._render, name="demo clip", daemon=True).start()

    def _render(self) -> None:
        try:
            folder = create_temporary_folder("clip")
            try:
                self.content = self._run_renderer(folder)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        except (EmotionError, OSError, subprocess.CalledProcessError) as error:
            _log.warning("The demo clip cannot be rendered (%s); Home shows the sample photo", error)

    def _run_renderer(self, folder: Path) -> bytes:
        """Return the clip that a process renders in a folder; what it prints goes to the log of the server."""
        path = folder / "demo.mp4"
        command = [sys.executable, "-m", _RENDERER, *self._arguments, str(path)]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, env=get_child_environment()) as process:

            def end_with_server() -> None:
                process.terminate()
                shutil.rmtree(folder, ignore_errors=True)

            atexit.register(end_with_server)
            code = process.wait()
            atexit.unregister(end_with_server)
        if code:
            raise subprocess.CalledProcessError(code, command)
        return path.read_bytes()


def get_demo_clip() -> DemoClip:
    """Return the clip for the detector and the classifier in use."""
    bundle = session.get_bundle()
    return _get_clip(session.get_settings().detector, bundle.sha256, bundle.folder)


@st.cache_resource(max_entries=2, show_spinner=False)
def _get_clip(detector: str, classifier_sha256: str, _folder: Path) -> DemoClip:
    return DemoClip(detector, _folder)


@st.fragment(run_every=_POLL_SECONDS)
def wait_for_demo_clip() -> None:
    """Start to render the clip once the page is drawn, and draw the page again when it is there."""
    if state.pop("home_is_drawing", False):  # the process would delay the page
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
    with st.container(horizontal_alignment="center"), st.container(width=_SAMPLE_WIDTH):
        if settings.bundle is None:
            st.image(content, alt=_(_SAMPLE_ALT_TEXT))
            return
        with messages.error_box(_("the sample")):
            annotated_photo.show_annotated_photo(content, name, key="home_picture", alt_text=_(_SAMPLE_ALT_TEXT))
