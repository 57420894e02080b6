"""The list of all videos."""

from __future__ import annotations

import streamlit as st

from emotion.translation.messages import gettext as _
from emotion.ui import messages
from emotion.ui.video import frames, selection
from emotion.ui.visitors import spaces
from emotion.video import library
from emotion.video.analysis import VideoAnalysis


def show_videos(is_busy: bool) -> None:
    """Show a card for each video.

    Args:
        is_busy: Whether an analysis was running when the page was drawn; the page reruns when none is.
    """
    videos = library.list_videos(spaces.get_video_space())
    if is_busy and not any(analysis.state.is_running for analysis in videos):
        st.rerun()
    for start in range(0, len(videos), 3):
        for column, analysis in zip(st.columns(3, gap="medium"), videos[start : start + 3], strict=False):
            with column, st.container(border=True), messages.error_box(_("this video")):
                _show_card(analysis)


def _show_card(analysis: VideoAnalysis) -> None:
    """Show a video with thumbnail, name, duration, date and status, to open or to delete it."""
    with messages.error_box(_("this video")):
        frames.show_frame(
            frames.get_video_thumbnail(analysis, frames.should_anonymize(analysis)),
            _("A frame of {name}").format(name=analysis.name),
        )
        st.markdown(f"**{messages.escape_markdown(analysis.name)}**")
        details = [
            selection.format_duration(analysis),
            selection.format_date(analysis),
            selection.format_status(analysis),
        ]
        st.caption(messages.escape_markdown(" · ".join(filter(None, details))))
    with st.container(horizontal=True):
        if st.button(_("Open"), icon=":material/play_arrow:", key=f"video_open_{analysis.folder.name}"):
            selection.select_video(analysis.folder)
            st.rerun()
        show_delete(analysis)


def show_delete(analysis: VideoAnalysis) -> None:
    """Offer to delete a video and its analysis."""
    # Without a key an open one would become that of another video where the list changes.
    with st.popover(_("Delete"), icon=":material/delete:", key=f"video_delete_menu_{analysis.folder.name}"):
        text = _("Deletes the video **{name}** and its analysis. This cannot be undone.")
        st.write(text.format(name=messages.escape_markdown(analysis.name)))
        if st.button(_("Delete for good"), key=f"video_delete_{analysis.folder.name}"):
            with messages.error_box(_("deleting the video")):
                library.delete(analysis.folder)
                selection.select_video(None)
                st.rerun()
