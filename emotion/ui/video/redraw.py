"""Below the player: whether the video still shows old names, hidden or unmerged faces, and the job that redraws it."""

from __future__ import annotations

import streamlit as st

from emotion.jobs import job
from emotion.recognition.label_rendering import is_drawable
from emotion.translation.messages import gettext as _
from emotion.translation.messages import translate_text
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
        st.error(
            messages.escape_markdown(
                translate_text(state.error or "") or _("The video could not be redrawn; see log.txt in its folder.")
            )
        )
    st.info(
        _(
            "The video was drawn before these changes: it still shows the faces as they were. This also holds for its "
            "download and the GIF."
        )
        + _format_undrawable_names(analysis),
        icon=":material/brush:",
    )
    if st.button(_("Redraw the video"), icon=":material/brush:", key="video_redraw", type="primary"):
        with messages.error_box(_("the redrawing")):
            library.submit_redraw(analysis.folder)
            st.rerun()


def _format_undrawable_names(analysis: VideoAnalysis) -> str:
    """Format which names the font of the video cannot draw; "" for none."""
    names = [person.name for person in analysis.people() if not person.is_hidden and not is_drawable(person.name)]
    if not names:
        return ""
    text = _("No font of this machine has all letters of {names}: numbers are drawn instead.")
    return " " + messages.escape_markdown(text.format(names=", ".join(names)))


@st.fragment(run_every=1)
def _show_progress(analysis: VideoAnalysis) -> None:
    """Show the progress of the job; rerun the page when it ends."""
    with messages.error_box(_("the redrawing")):
        state = redraw.get_state(analysis.folder)
        if state is None or not state.is_running:
            st.rerun()
        st.progress(
            state.fraction,
            messages.escape_markdown(
                _("Redrawing the video: {progress}").format(progress=selection.format_progress(state))
            ),
        )
        if st.button(_("Stop and keep the old video"), icon=":material/stop:", key="video_redraw_stop"):
            with st.spinner(_("Stopping")):
                job.open_job(analysis.folder / redraw.REDRAW_FOLDER).stop()
            st.rerun()
