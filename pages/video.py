"""Videos: analyze the faces of a video over time, look at any moment of it, save the results."""

import streamlit as st

from emotion.translation.messages import gettext as _
from emotion.ui import messages, page
from emotion.ui.video import result, selection
from emotion.ui.video.charts.comparison import show_comparison
from emotion.ui.video.header import show_header
from emotion.ui.video.running import show_running
from emotion.ui.video.upload import show_empty, show_upload
from emotion.ui.video.video_list import show_videos
from emotion.ui.visitors import spaces
from emotion.video import library

with page.page_layout():
    st.title(_("Videos"), anchor=False)
    st.write(_("Expressions over time."))
    analysis, is_damaged = None, True
    with messages.error_box(_("this video")):
        analysis, is_damaged = selection.get_selected_video(), False
    if analysis is None:
        if "video" in st.query_params and not is_damaged:
            st.info(_("There is no such video; it may have been deleted."), icon=":material/movie:")
        show_upload()
        videos = library.list_videos(spaces.get_video_space())
        is_busy = any(video.state.is_running for video in videos)
        if videos:
            show_comparison(videos)
            st.fragment(show_videos, run_every=2 if is_busy else None)(is_busy)
        else:
            show_empty()
        st.stop()
    show_header(analysis)
    if not analysis.is_finished:
        show_running(analysis)
        st.stop()
    result.show_status(analysis)
    result.show_result(analysis)
