"""Below the player: whether the video still shows old names, hidden or unmerged faces, and the job that redraws it."""

from __future__ import annotations

import streamlit as st

from emotion.jobs import job
from emotion.recognition.label_rendering import is_drawable
from emotion.ui import messages
from emotion.ui.video import selection
from emotion.video import library, redraw
from emotion.video.analysis import VideoAnalysis


def show_redraw(analysis: VideoAnalysis) -> None:
    """Show the progress of the job that redraws, or offer it where the video is outdated; else nothing."""
    state = redraw.get_state(analysis.folder)
    if state is not None and state.is_running:
        _show_progress(analysis)
        return
    if not redraw.is_outdated(analysis):
        return
    failed = state is not None and state.status not in ("done", "stopped")
    if state is not None and failed:
        st.error(messages.escape_markdown(state.error or "The video could not be redrawn; see log.txt in its folder."))
    st.info(
        "The video was drawn before these changes: it still shows the faces as they were. This also holds for its "
        f"download and the GIF.{_format_undrawable_names(analysis)}",
        icon=":material/brush:",
    )
    if st.button("Redraw the video", icon=":material/brush:", key="video_redraw", type="primary"):
        with messages.error_box("the redrawing"):
            library.submit_redraw(analysis.folder)
            st.rerun()


def _format_undrawable_names(analysis: VideoAnalysis) -> str:
    """Format which names the font of the video cannot draw; "" for none."""
    names = [person.name for person in analysis.people() if not person.is_hidden and not is_drawable(person.name)]
    if not names:
        return ""
    return messages.escape_markdown(
        f" No font of this machine has all letters of {', '.join(names)}: numbers are drawn instead."
    )


@st.fragment(run_every=1)
def _show_progress(analysis: VideoAnalysis) -> None:
    """Show the progress of the job; rerun the page when it ends."""
    with messages.error_box("the redrawing"):
        state = redraw.get_state(analysis.folder)
        if state is None or not state.is_running:
            st.rerun()
        st.progress(
            state.fraction, messages.escape_markdown(f"Redrawing the video: {selection.format_progress(state)}")
        )
        if st.button("Stop and keep the old video", icon=":material/stop:", key="video_redraw_stop"):
            with st.spinner("Stopping"):
                job.open_job(analysis.folder / redraw.REDRAW_FOLDER).stop()
            st.rerun()
