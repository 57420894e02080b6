"""The video of the page: selection, submission, and texts about it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import streamlit as st
from babel.dates import format_datetime
from streamlit.runtime.uploaded_file_manager import UploadedFile

from emotion.demo import sample_video
from emotion.expressions import translate_label
from emotion.formatting import format_clock, format_list, format_percent, format_time_left
from emotion.jobs.job import Job, JobState
from emotion.translation.languages import get_language
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop, pgettext
from emotion.ui import session
from emotion.ui.photos import photo_cache
from emotion.ui.video import trim
from emotion.ui.visitors import spaces
from emotion.video import library
from emotion.video.analysis import VideoAnalysis
from emotion.video.people import Person
from emotion.video.settings import VideoSettings
from emotion.video.time_range import TimeRange

ILLUSTRATION: Final = str(photo_cache.SAMPLE_PHOTO.with_name("video.svg"))

EVERY_FRAME: Final = gettext_noop("Every frame")
FAST: Final = gettext_noop("Fast")
FRAME_STRIDES: Final = {EVERY_FRAME: 1, FAST: library.FAST_STRIDE}  # as `VideoSettings.frame_stride`


_FOLDER_PATTERN: Final = re.compile(r"[0-9]{8}-[0-9]{6}-[a-z0-9]{4}")  # as `jobs.create_job_folder` makes


_STATUS_TEXT: Final = {
    "stopped": gettext_noop("Stopped early"),
    "failed": gettext_noop("Could not be analyzed"),
    "interrupted": gettext_noop("Interrupted"),
}

_MIN_SHARE: Final = 0.005  # rounds to 1%

state = st.session_state


class VideoChoices(NamedTuple):
    """What is chosen beside the upload: a key of `FRAME_STRIDES`, whether faces have features, and the part."""

    speed: str = EVERY_FRAME
    features: bool = False
    time_range: TimeRange = TimeRange()


def get_selected_video() -> VideoAnalysis | None:
    """Return the video in the URL of the page; None without one, or where it is no video that this visitor may see.

    Raises:
        EmotionError: If its folder is damaged, or the visitor is unknown.
    """
    name = str(st.query_params.get("video", ""))
    # The URL is untrusted: only the plain name of a folder becomes a path.
    if not _FOLDER_PATTERN.fullmatch(name):
        return None
    space = spaces.get_video_space()
    folder = space.folder / name
    if not space.includes(folder):
        return None
    analysis: VideoAnalysis | None = state.get("video_open")  # kept, since it caches what it has read
    if analysis is None or analysis.folder != folder:
        analysis = state["video_open"] = VideoAnalysis.open(folder)
        with st.spinner(_("Opening the video")):
            analysis.refresh()
    return analysis


def select_video(folder: Path | None) -> None:
    """Put a video into the URL of the page; None shows the list of all."""
    state.pop("video_open", None)
    if folder is None:
        st.query_params.pop("video", None)
    else:
        st.query_params["video"] = folder.name


def submit_video(video: UploadedFile | Path, name: str, choices: VideoChoices) -> Job:
    """Submit a video for analysis with the settings of the sidebar.

    Raises:
        EmotionError: If it is rejected.
    """
    settings, model = session.get_settings(), session.get_bundle().folder
    recognition = replace(settings.analyzer_settings, features=choices.features and not settings.anonymize)
    video_settings = VideoSettings(
        recognition, FRAME_STRIDES[choices.speed], settings.anonymize, time_range=choices.time_range
    )
    space = spaces.get_video_space()
    return library.submit(video, name, video_settings, detector=settings.detector, model=model, space=space)


def get_sample_video() -> Path:
    """Return the path of the sample video, which the first call writes.

    Raises:
        EmotionError: If it cannot be written.
    """
    path = library.VIDEOS_FOLDER.parent / "samples" / "one-face.mp4"
    if not path.is_file():
        sample_video.write_sample_video(path)
    return path


def format_status(analysis: VideoAnalysis) -> str:
    """Format the progress of an analysis, or how it ended; "" where it completed."""
    job_state = analysis.state
    if job_state.is_running:
        return format_progress(job_state)
    return _(_STATUS_TEXT[job_state.status]) if job_state.status in _STATUS_TEXT else ""


def format_progress(job_state: JobState) -> str:
    """Format the progress of a running job: "42%, about 12 s left"."""
    if job_state.total <= 0:
        return _(job_state.message or "Starting")
    time_left = format_time_left(job_state.seconds_left)
    return format_list(filter(None, [format_percent(job_state.fraction), time_left]))


def format_position(analysis: VideoAnalysis) -> str:
    """Format how far a running analysis is: "0:05 of 0:12"; the message of the job before the first frame."""
    if not analysis.num_frames:
        return _(analysis.state.message or "Starting")
    position, duration = format_clock(analysis.last_timestamp), format_duration(analysis)
    return _("{position} of {duration}").format(position=position, duration=duration) if duration else position


def format_duration(analysis: VideoAnalysis) -> str:
    """Format the duration of the video: "0:12"; "" where it is not known."""
    seconds = analysis.video_info.duration if analysis.video_info else None
    return format_clock(seconds) if seconds else ""


def format_summary(analysis: VideoAnalysis) -> str:
    """Format an analysis: "0:12 · from 0:01.0 to 0:13.0 · 480 x 360 · every frame · glance · 3 Nov 2026, 12:00"."""
    info, settings, provenance = analysis.video_info, analysis.settings, analysis.provenance
    frame_rate = {library.FAST_STRIDE: _("about eight frames a second"), 1: _("every frame")}.get(
        settings.frame_stride, _("one of {count} frames").format(count=settings.frame_stride)
    )
    size = f"{info.width} x {info.height}" if info else ""
    if info and info.reduction > 1:
        size = _("{size} (reduced)").format(size=size)
    tools = f"{provenance['detector']['name']}, {provenance['model']['name']}"
    parts = [
        format_duration(analysis),
        trim.format_part(settings.time_range),
        size,
        frame_rate,
        pgettext("faces of a video", "blurred") if settings.anonymize else "",
        _("facial features") if settings.recognition.features else "",
        tools,
        format_date(analysis),
    ]
    return " · ".join(filter(None, parts))


def format_date(analysis: VideoAnalysis) -> str:
    """Format when the analysis was submitted: "3 Nov 2026, 12:00"."""
    # Translators: the order of day, month and year, in letters of Unicode (CLDR); text stands in single quotes.
    pattern = _("d MMM y, HH:mm")
    return format_datetime(analysis.created_at, pattern, locale=get_language().replace("-", "_"))


def format_shares(shares: Mapping[str, float]) -> str:
    """Format shares of expressions: "happy 60%, sad 30%, unsure 10%"; shares that round to 0% are omitted."""
    texts = [
        f"{translate_label(label)} {format_percent(share)}" for label, share in shares.items() if share >= _MIN_SHARE
    ]
    return format_list(texts) or _("not analyzed")


def keep_choice(key: str, names: dict[int, str]) -> None:
    """Set the choice of a select box anew where names have changed: the browser names an option by its text.

    Call it before the select box, with the name of each option.
    """
    names_key = f"{key}_names"
    if key in state and state.get(names_key) != names:
        state[key] = state[key]
    state[names_key] = names


def choose_face(label: str, everyone: str, people: Sequence[Person], key: str) -> int | None:
    """Choose one of several people of a video by a select box.

    Args:
        label: Of the select box.
        everyone: The name of the first option, which stands for all people.
        people: The people to choose from; a single one is no choice.
        key: Of the select box.

    Returns:
        The track of the person, None for all of them.
    """
    names = {person.track_id: person.name for person in people}
    if len(names) < 2:
        return None
    keep_choice(key, names)
    return st.selectbox(
        label,
        [None, *names],
        key=key,
        width=240,
        format_func=lambda track_id: everyone if track_id is None else names.get(track_id, str(track_id)),
    )
