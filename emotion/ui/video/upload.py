"""Upload of videos, and what the page offers before the first one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from emotion.errors import EmotionError
from emotion.jobs.job import Job
from emotion.translation.messages import gettext as _
from emotion.ui import messages, session, streamlit_workarounds
from emotion.ui.video import selection, trim
from emotion.ui.visitors import link
from emotion.video.time_range import TimeRange

_REJECTED_KEY: Final = "video_rejected"  # session state: names of videos, and why they were not submitted

state = st.session_state


def show_upload() -> None:
    """Show the upload of videos and the sample."""
    uploader_id = state.setdefault("video_uploader_id", 0)
    files = st.file_uploader(
        _("Drop videos of people here"),
        accept_multiple_files=True,
        key=f"video_uploader_{uploader_id}",
        help=_("MP4, MOV, WebM, MKV, AVI or an animated GIF, up to 200 MB, 30 minutes and 4096 pixels a side each.")
        + " "
        + link.format_retention(),
    )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        speed = st.segmented_control(
            _("Analyzed frames"),
            list(selection.FRAME_STRIDES),
            default=selection.EVERY_FRAME,
            format_func=_,
            required=True,
            key="video_speed",
            help=_("Fast analyzes about eight frames per second and misses shorter expressions."),
        )
        features = show_features_toggle()
        should_trim = st.toggle(
            _("Trim first"), key="video_trim", help=_("Choose the part to analyze before the analysis starts.")
        )
        sample = st.button(
            _("Sample video"),
            icon=":material/movie:",
            key="video_sample",
            help=_("Twelve seconds made of one photo: one face, moved about."),
        )
    choices = selection.VideoChoices(speed or selection.EVERY_FRAME, features)
    parts = trim.show_uploads(files) if files and should_trim else [(file, TimeRange()) for file in files]
    if parts:
        state["video_uploader_id"] = uploader_id + 1  # or the next run would submit them again
        submit_videos(
            [(file, file.name) for file, _part in parts], [choices._replace(time_range=part) for _file, part in parts]
        )
    if sample:
        with messages.error_box(_("the sample video")):
            submit_videos([(selection.get_sample_video(), _("Sample: one face, moved about"))], [choices])
    show_rejected()


def show_features_toggle() -> bool:
    """Let the user choose whether faces have features; not while faces are blurred."""
    anonymize = session.get_settings().anonymize
    return (
        st.toggle(
            _("Facial features"),
            key="video_features",
            disabled=anonymize,
            help=_('Not with "Blur faces".')
            if anonymize
            else _(
                "Draws 68 points on each face, and adds smiles and curves of movements: estimates of a network that "
                "was taught by another network."
            ),
        )
        and not anonymize
    )


def submit_videos(videos: Sequence[tuple[UploadedFile | Path, str]], choices: Sequence[selection.VideoChoices]) -> None:
    """Submit videos for analysis; `show_rejected` shows those that are rejected, in a new run of the page.

    This run still shows the uploader whose files it has taken: files that are dropped there would be lost.

    Args:
        videos: Upload or path, and name, of each video.
        choices: How each is analyzed.
    """
    jobs, rejected = list[Job](), list[tuple[str, EmotionError]]()
    for (video, name), choice in zip(videos, choices, strict=True):
        with messages.error_box(_('the video "{name}"').format(name=name)), st.spinner(_("Copying the video")):
            try:
                jobs.append(selection.submit_video(video, name, choice))
            except EmotionError as error:
                rejected.append((name, error))
        if isinstance(video, UploadedFile):
            streamlit_workarounds.release_upload(video.file_id)
    if len(jobs) == len(videos):
        selection.select_video(jobs[0].folder if len(jobs) == 1 else None)
    if len(jobs) + len(rejected) == len(videos):  # else the box of a defect is shown
        state[_REJECTED_KEY] = rejected
        st.rerun()


def show_rejected() -> None:
    """Show why videos that were submitted in the run before are rejected."""
    for name, error in state.pop(_REJECTED_KEY, ()):
        with messages.error_box(_('the video "{name}"').format(name=name)):
            raise error


def show_empty() -> None:
    """Show what the page does, before there is a video."""
    left, right = st.columns([2, 3], gap="large", vertical_alignment="center")
    left.image(
        selection.ILLUSTRATION,
        width="stretch",
        alt=_("Three faces as ribbons of expressions over time, and a playhead"),
    )
    right.markdown(
        _(
            "- The video with a box and an expression on every face\n"
            "- A timeline for each face, and the highlights; click to seek\n"
            "- Names, statistics, tables, subtitles and a report"
        )
    )
