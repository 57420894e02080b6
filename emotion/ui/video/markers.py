"""The markers that a person sets at moments of a video."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from emotion.formatting import format_clock_tenths
from emotion.translation.messages import gettext as _
from emotion.ui import messages, streamlit_workarounds
from emotion.ui.video.charts import timeline
from emotion.video.analysis import VideoAnalysis
from emotion.video.edits.markers import MAX_NOTE_LENGTH, Marker, remove_marker, set_marker

state = st.session_state


def show_markers(analysis: VideoAnalysis, markers: Sequence[Marker]) -> None:
    """Show the markers with their notes, to change, to remove and to seek to; nothing without one."""
    if not markers:
        return
    st.markdown("### " + _("Markers"), anchors=False)
    for marker in markers:
        key = f"{analysis.folder.name}_{marker.timestamp}"
        note_key = f"video_note_{key}"
        state.setdefault(note_key, marker.note)  # set in each run, it could replace what is being typed
        with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="small"):
            st.button(
                format_clock_tenths(marker.timestamp),
                icon=":material/flag:",
                key=f"video_marker_{key}",
                help=_("Jumps to this moment."),
                on_click=timeline.seek,
                args=(marker.timestamp,),
            )
            st.text_input(
                _("Note at {time}").format(time=format_clock_tenths(marker.timestamp)),
                key=note_key,
                placeholder=_("Add a note"),
                max_chars=MAX_NOTE_LENGTH,
                label_visibility="collapsed",
                on_change=_make_note_callback(analysis, marker, note_key),
            )
            st.button(
                _("Remove marker"),
                icon=":material/delete:",
                key=f"video_unmark_{key}{streamlit_workarounds.ICON_ONLY}",
                type="tertiary",
                help=_("Remove marker"),
                on_click=_make_callback(remove_marker, analysis.folder, marker.timestamp),
            )


def _make_note_callback(analysis: VideoAnalysis, marker: Marker, note_key: str) -> Callable[[], None]:
    return lambda: _make_callback(set_marker, analysis.folder, marker.timestamp, state[note_key])()


def _make_callback(change: Callable[..., None], *args: Any) -> Callable[[], None]:
    """Make a callback that changes the markers; its error is shown at the top of the page."""

    def on_change() -> None:
        with messages.error_box(_("this marker")):
            change(*args)

    return on_change
