"""The camera or demo of one visitor: its session, and what was saved from it."""

from __future__ import annotations

import shutil
import threading
import time
import weakref
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import streamlit as st

from emotion.errors import EmotionError
from emotion.jobs.temporary_folder import create_temporary_folder
from emotion.live.recording import Recording
from emotion.live.session import LiveSession
from emotion.live.state import LiveOptions
from emotion.media.image_reader import read_image
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.settings import AnalyzerSettings
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop, translate_error
from emotion.ui import session as ui_session
from emotion.ui.language import translate_spinner
from emotion.ui.live.report import render_recording_report
from emotion.ui.photos import photo_cache

CAMERA_SIZES: Final = {
    gettext_noop("Small"): (320, 240),
    gettext_noop("Normal"): (640, 480),
    gettext_noop("Large"): (1280, 720),
}  # ideal width and height in pixels
COUNTDOWN_SECONDS: Final = 3.0  # before a recording


@dataclass(eq=False)
class LiveController:
    """The session of one visitor's camera or demo, and what was saved from it."""

    source: str
    analyzer: Analyzer
    session: LiveSession
    requested_timestamp: float | None = None  # time.monotonic of the request of the stream
    num_earlier_frames: int = 0  # frames received before the request
    is_connected: bool = False
    recording: Recording | None = None  # the last one
    report: str = ""  # of the recording, HTML; "" for none
    is_finishing: bool = False  # whether a recording is being finalized
    snapshot: tuple[bytes, dict[str, Any]] | None = None
    message: str = ""  # why the last action had no effect

    @property
    def is_used(self) -> bool:
        """Whether a stream was requested or received, or something was saved."""
        return bool(
            self.requested_timestamp is not None
            or self.session.state().counters.num_frames
            or self.recording
            or self.snapshot
        )

    @property
    def saved_items(self) -> tuple[object, object]:
        """The recording and the snapshot that can be downloaded; compared to detect new ones."""
        return self.recording, self.snapshot

    @cached_property
    def folder(self) -> Path:
        """Temporary folder of recorded videos; deleted with the controller."""
        folder = create_temporary_folder("live")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder

    def restart_session(self, source: str, analyzer: Analyzer, options: LiveOptions) -> None:
        """Start a new session; end a running recording, and keep what was saved."""
        if self.session.state().recording is not None:
            self._keep(self.session.stop_recording())
        self.session.close()
        self.source, self.analyzer, self.session = source, analyzer, LiveSession(analyzer, options)
        self.requested_timestamp, self.num_earlier_frames, self.is_connected, self.message = None, 0, False, ""

    def update_connection(self, *, is_requested: bool, is_connected: bool) -> None:
        """Store whether the browser requests a stream, and whether it is connected."""
        if is_requested and self.requested_timestamp is None:
            self.requested_timestamp, self.num_earlier_frames = (
                time.monotonic(),
                self.session.state().counters.num_frames,
            )
        elif not is_requested:
            self.requested_timestamp = None
        self.is_connected = is_connected

    # The actions of the buttons are callbacks, which run before the page: the next refresh of a fragment can interrupt
    # a run of the page.

    def take_snapshot(self) -> None:
        """Save the current image and its faces."""
        self.snapshot = self.session.snapshot()

    def start_recording(self, write_video: bool) -> None:
        """Start a recording after a countdown, with a video if requested; not while paused."""
        if self.session.options.is_paused:
            self.message = _(
                "Nothing can be recorded while the stream is paused; end the pause and press Record again."
            )
            return
        if self.recording is not None and self.recording.video_path is not None:
            self.recording.video_path.unlink(missing_ok=True)
        self.recording = None
        try:
            video_path = self.folder / f"{time.time_ns()}.mp4" if write_video else None
            self.message = ""
        except OSError as error:
            video_path = None
            self.message = _("The video cannot be written ({problem}); the scores are recorded.").format(
                problem=error.strerror
            )
        self.session.start_recording(video_path, delay=COUNTDOWN_SECONDS)

    def stop_recording(self) -> None:
        """Stop the recording, which is in `recording` when its video is finalized; keep nothing before its start."""
        session = self.session  # it may be replaced before the thread runs
        running = session.state().recording
        if running is not None and running.seconds_to_start > 0:
            session.stop_recording()
            return

        def finish_recording() -> None:
            try:
                self._keep(session.stop_recording())
            finally:
                self.is_finishing = False

        if not self.is_finishing:
            self.is_finishing = True
            threading.Thread(target=finish_recording, name="live-stop", daemon=True).start()

    def _keep(self, recording: Recording) -> None:
        """Keep a finished recording with its report."""
        try:
            self.report = render_recording_report(recording) if recording.num_frames else ""
        except (EmotionError, OSError) as error:
            self.report = ""
            self.message = _("There is no report: {problem}").format(problem=error)
        finally:
            self.recording = recording

    def add_marker(self) -> None:
        """Mark the current moment of the recording."""
        self.session.add_marker()

    def calibrate(self) -> None:
        """Calibrate to the faces of the next seconds as neutral ones."""
        try:
            self.session.calibrate()
            self.message = ""
        except EmotionError as error:
            self.message = translate_error(error)


def get_controller(source: str, options: LiveOptions) -> LiveController:
    """Return the controller of this visitor; another source or analyzer starts a new session.

    Args:
        source: "Camera" or "Demo".
        options: Options for the next frames.
    """
    analyzer = ui_session.get_analyzer()
    controller: LiveController | None = st.session_state.get("live_controller")
    if controller is None or controller.source != source or controller.analyzer is not analyzer:
        _warm_up(analyzer.detector.name, analyzer.classifier.bundle.sha256, analyzer)
        if controller is None:
            controller = st.session_state["live_controller"] = LiveController(
                source, analyzer, LiveSession(analyzer, options)
            )
        else:
            controller.restart_session(source, analyzer, options)
    controller.session.options = options
    return controller


@translate_spinner(st.cache_resource, gettext_noop("Getting ready"), max_entries=8)
def _warm_up(detector: str, sha256: str, _analyzer: Analyzer) -> bool:
    """Analyze the sample photo: the first two analyses are slow, which would delay the camera."""
    for _time in range(2):
        _analyzer.analyze(read_image(photo_cache.SAMPLE_PHOTO), AnalyzerSettings(max_side=max(CAMERA_SIZES["Normal"])))
    return True
