"""The player of an annotated video, and the buttons below it."""

from __future__ import annotations

from typing import Final

import streamlit as st

from emotion.translation.messages import gettext as _
from emotion.ui import components, messages, streamlit_workarounds
from emotion.video.analysis import VideoAnalysis
from emotion.video.edits.markers import set_marker

_MAX_HEIGHT_PX: Final = 520
_DEFAULT_FPS: Final = 25.0  # of a video that states none
_KEY: Final = "video_player_controls"
_CONTROLS: Final = components.load_component("player_controls")


def show_player(analysis: VideoAnalysis) -> None:
    """Show the annotated video, not higher than a window, with buttons for its speed, single frames and markers."""
    info = analysis.video_info
    width = round(_MAX_HEIGHT_PX * info.width / info.height) if info else _MAX_HEIGHT_PX
    if analysis.annotated_video is not None:
        st.video(
            streamlit_workarounds.open_media_file(analysis.annotated_video),
            alt=_("The video {name} with its labels").format(name=analysis.name),
            width=width if width < _MAX_HEIGHT_PX else "stretch",
        )
        _show_controls(analysis)


def _show_controls(analysis: VideoAnalysis) -> None:
    info = analysis.video_info
    texts = {
        "label": _("Player"),
        "play": _("Play"),
        "pause": _("Pause"),
        "previous_frame": _("Previous frame"),
        "next_frame": _("Next frame"),
        "speed": _("Speed"),
        "add_marker": _("Add marker"),
    }
    _CONTROLS(
        key=_KEY,
        data={"texts": texts, "frame_seconds": 1 / (info.fps if info and info.fps else _DEFAULT_FPS)},
        on_marked_change=lambda: _set_marker(analysis),
    )


def _set_marker(analysis: VideoAnalysis) -> None:
    """Set a marker at the second that the component sends; the browser may send any value."""
    seconds = st.session_state[_KEY].get("marked")
    if isinstance(seconds, (int, float)) and 0 <= seconds <= analysis.duration:
        with messages.error_box(_("this marker")):
            set_marker(analysis.folder, seconds)
