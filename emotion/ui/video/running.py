"""A video whose analysis is running."""

from __future__ import annotations

import streamlit as st

from emotion.jobs import job
from emotion.translation.messages import gettext as _
from emotion.ui import messages
from emotion.ui.video import frames, selection
from emotion.ui.video.charts import timeline
from emotion.video.analysis import VideoAnalysis


def show_running(analysis: VideoAnalysis) -> None:
    """Show the progress of a running analysis; rerun the page when it ends."""
    st.fragment(_show_progress, run_every=1)(analysis)


def _show_progress(analysis: VideoAnalysis) -> None:
    with messages.error_box(_("this video")):
        job_state, anonymize = analysis.state, frames.should_anonymize(analysis)
        if not job_state.is_running:
            st.rerun()
        position = selection.format_position(analysis)
        left, right = st.columns([3, 2], gap="medium")
        with left:
            frames.show_frame(
                frames.get_latest_frame(analysis, anonymize),
                _("The last processed frame: {position}").format(position=position),
            )
        with right:
            st.progress(job_state.fraction, messages.escape_markdown(selection.format_status(analysis)))
            st.markdown(messages.escape_markdown(position))
            if st.button(_("Stop and keep results so far"), icon=":material/stop:", key="video_stop"):
                with st.spinner(_("Stopping")):
                    job.open_job(analysis.folder).stop()
                st.rerun()
            st.caption(_("You can close this page; the analysis continues."))
        timeline.show_timeline(analysis, analysis.people(), anonymize=anonymize, is_live=True)
