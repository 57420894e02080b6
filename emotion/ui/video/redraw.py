"""Below the player: whether the video still shows old names, hidden or unmerged faces, and the job that redraws it."""

from __future__ import annotations

import streamlit as st

from emotion.jobs import job
from emotion.recognition.annotation import is_drawable
from emotion.ui import messages
from emotion.ui.video import selection
from emotion.video import library, redraw
from emotion.video.analysis import Analysis


def show(analysis: Analysis) -> None:
    """Show the progress of the job that redraws, or offer it where the video is outdated; else nothing."""
    state = redraw.state_of(analysis.folder)
    if state is not None and state.running:
        _show_progress(analysis)
        return
    if not redraw.is_outdated(analysis):
        return
    failed = state is not None and state.state not in ("done", "stopped")
    if state is not None and failed:
        st.error(messages.plain(state.error or "The video could not be redrawn; see log.txt in its folder."))
    st.info(
        "The video was drawn before these changes: it still shows the faces as they were. This also holds for its "
        f"download and the GIF.{_numbered(analysis)}", icon=":material/brush:",
    )  # fmt: skip
    if st.button("Redraw the video", icon=":material/brush:", key="film_redraw", type="primary"):
        with messages.error_box("the redrawing"):
            library.start_redraw(analysis.folder)
            st.rerun()


def _numbered(analysis: Analysis) -> str:
    """Which names the font of the video cannot draw, as a sentence; "" for none."""
    names = [person.name for person in analysis.people() if not person.hidden and not is_drawable(person.name)]
    if not names:
        return ""
    return messages.plain(f" No font of this machine has all letters of {', '.join(names)}: numbers are drawn instead.")


@st.fragment(run_every=1)
def _show_progress(analysis: Analysis) -> None:
    """How far the job is; the whole page is drawn when it ends."""
    with messages.error_box("the redrawing"):
        state = redraw.state_of(analysis.folder)
        if state is None or not state.running:
            st.rerun()
        st.progress(state.fraction, messages.plain(f"Redrawing the video: {selection.progress_sentence(state)}"))
        if st.button("Stop and keep the old video", icon=":material/stop:", key="film_redraw_stop"):
            with st.spinner("Stopping"):
                job.find(analysis.folder / redraw.REDRAW).stop()
            st.rerun()
