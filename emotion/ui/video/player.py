"""The player of an annotated video."""

from __future__ import annotations

from typing import Final

import streamlit as st

from emotion.translation.messages import gettext as _
from emotion.ui import streamlit_workarounds
from emotion.video.analysis import VideoAnalysis

_MAX_HEIGHT_PX: Final = 520


def show_player(analysis: VideoAnalysis) -> None:
    """Show the annotated video, not higher than a window."""
    info = analysis.video_info
    width = round(_MAX_HEIGHT_PX * info.width / info.height) if info else _MAX_HEIGHT_PX
    if analysis.annotated_video is not None:
        st.video(
            streamlit_workarounds.open_media_file(analysis.annotated_video),
            alt=_("The video {name} with its labels").format(name=analysis.name),
            width=width if width < _MAX_HEIGHT_PX else "stretch",
        )
