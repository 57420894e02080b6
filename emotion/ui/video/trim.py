"""The choice of the part of a video that is analyzed."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Final

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from emotion.formatting import format_clock_tenths
from emotion.media.video_reader import VideoReader
from emotion.translation.messages import gettext as _
from emotion.ui import messages, session, streamlit_workarounds
from emotion.ui.video import frames
from emotion.video.analysis import VideoAnalysis
from emotion.video.time_range import TimeRange

_MIN_PART_SECONDS: Final = 0.2  # the slider needs a range
_PLAYER_PX: Final = 420  # width
_LONG_SECONDS: Final = 300.0  # from here on the slider has whole seconds


def show_uploads(files: Sequence[UploadedFile]) -> list[tuple[UploadedFile, TimeRange]]:
    """Let the user choose a part of each upload; after a click on the button, return the videos with their parts."""
    parts: list[tuple[UploadedFile, TimeRange]] = []
    for file in files:
        with st.container(border=True), messages.error_box(_('the video "{name}"').format(name=file.name)):
            st.markdown(f"**{messages.escape_markdown(file.name)}**")
            source = None if session.get_settings().anonymize else file
            part = _choose_part(_measure_upload(file.file_id, file), f"video_trim_{file.file_id}", source, TimeRange())
            parts.append((file, part))
    is_submitted = st.button(
        _("Analyze"), icon=":material/play_arrow:", key="video_trim_submit", type="primary", disabled=not parts
    )
    return parts if is_submitted else []


def show_part_again(analysis: VideoAnalysis) -> TimeRange | None:
    """Let the user choose another part of an analyzed video; return it after a click on the button, else None."""
    path = analysis.request.video_path
    key = f"video_part_{analysis.folder.name}"
    popover = st.popover(_("Analyze a part"), icon=":material/content_cut:", key=key, on_change="rerun")
    if popover.open:
        with popover, messages.error_box(_("this video")):
            can_watch = not analysis.settings.anonymize and not frames.should_anonymize(analysis)
            source = streamlit_workarounds.open_media_file(path) if can_watch else None
            part = _choose_part(_measure(path), f"{key}_range", source, analysis.settings.time_range)
            if st.button(_("Analyze"), icon=":material/play_arrow:", key="video_part_submit", type="primary"):
                return part
    return None


def format_part(time_range: TimeRange) -> str:
    """Format the analyzed part: "from 0:01.0 to 0:03.0", "from 0:01.0"; "" for the whole video."""
    if time_range.is_whole:
        return ""
    start = format_clock_tenths(time_range.start)
    if time_range.end is None:
        return _("from {start}").format(start=start)
    return _("from {start} to {end}").format(start=start, end=format_clock_tenths(time_range.end))


def _choose_part(duration: float, key: str, source: BytesIO | None, first: TimeRange) -> TimeRange:
    """Show a slider over `duration` seconds that begins with the part `first`, and a player where there is a source."""
    total = max(round(duration, 1), _MIN_PART_SECONDS)
    start, end = st.slider(
        _("From and to, in seconds"),
        0.0,
        total,
        (min(first.start, total), min(first.end or total, total)),
        1.0 if total > _LONG_SECONDS else 0.1,
        format="%.1f s",
        key=key,
    )
    if source is not None:
        st.video(source, start_time=start, end_time=end, width=_PLAYER_PX)
    end = max(end, start + _MIN_PART_SECONDS)
    return TimeRange(round(start, 3), None if end >= total else round(end, 3))


@st.cache_data(max_entries=100, show_spinner=False)
def _measure(path: Path) -> float:
    with VideoReader(path) as video:
        return video.info.duration or 0.0


@st.cache_data(max_entries=20, show_spinner=False)
def _measure_upload(file_id: str, _file: UploadedFile) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"upload{Path(_file.name).suffix}"
        path.write_bytes(_file.getbuffer())
        with VideoReader(path, _file.name) as video:
            return video.info.duration or 0.0
