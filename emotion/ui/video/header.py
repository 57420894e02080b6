"""Title, summary and actions of one video."""

from __future__ import annotations

import streamlit as st

from emotion.translation.messages import gettext as _
from emotion.ui import messages
from emotion.ui.video import selection, trim
from emotion.ui.video.upload import show_rejected, submit_videos
from emotion.ui.video.video_list import show_delete
from emotion.video.analysis import VideoAnalysis


def show_header(analysis: VideoAnalysis) -> None:
    """Show the name and the summary of a video, and the buttons to go back, analyze it again or delete it."""
    st.header(messages.escape_markdown(analysis.name), anchor=False)
    st.caption(messages.escape_markdown(selection.format_summary(analysis)))
    time_range = None
    with st.container(horizontal=True):
        if st.button(_("All videos"), icon=":material/arrow_back:", key="video_back"):
            selection.select_video(None)
            st.rerun()
        if analysis.is_finished:
            if st.button(
                _("Analyze again"),
                icon=":material/replay:",
                key="video_again",
                help=_("With the current settings; the old result is kept."),
            ):
                time_range = analysis.settings.time_range
            time_range = trim.show_part_again(analysis) or time_range
            show_delete(analysis)
    if time_range is not None:
        submit_videos(
            [(analysis.request.video_path, analysis.name)],
            [
                selection.VideoChoices(
                    selection.EVERY_FRAME if analysis.settings.frame_stride else selection.FAST,
                    analysis.settings.recognition.features,
                    time_range,
                )
            ],
        )
    show_rejected()
