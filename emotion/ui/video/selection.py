"""Choose, upload and start a video on its page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from emotion.demo import sample_video
from emotion.formatting import format_clock, format_percent
from emotion.jobs.job import Job, JobState
from emotion.ui import photo_cache, session
from emotion.video import library
from emotion.video.analysis import VideoAnalysis
from emotion.video.settings import VideoSettings

ILLUSTRATION: Final = str(photo_cache.SAMPLE_PHOTO.with_name("video.svg"))


EVERY_FRAME: Final = "Every frame"


FAST: Final = "Fast"


FRAME_STRIDES: Final = {EVERY_FRAME: 1, FAST: library.FAST_STRIDE}  # as `VideoSettings.frame_stride`


_FOLDER_PATTERN: Final = re.compile(r"[0-9]{8}-[0-9]{6}-[a-z0-9]{4}")  # as `jobs.create_job_folder` names


_STATUS_TEXT: Final = {
    "stopped": "Stopped before its end",
    "failed": "Could not be read",
    "interrupted": "Was broken off",
}


state = st.session_state


def get_selected_video() -> VideoAnalysis | None:
    """The film that the address of the page names; None where it names none, or one that is not here. Raises
    `JobError` where it is damaged."""
    name = str(st.query_params.get("video", ""))
    # Anybody can write an address: nothing but the plain name of a folder becomes a path.
    if not _FOLDER_PATTERN.fullmatch(name) or not (library.VIDEOS_FOLDER / name).is_dir():
        return None
    kept: VideoAnalysis | None = state.get("video_open")  # it remembers what it has read
    if kept is None or kept.folder != library.VIDEOS_FOLDER / name:
        kept = state["video_open"] = VideoAnalysis.open(library.VIDEOS_FOLDER / name)
        with st.spinner("Opening the film"):
            kept.refresh()
    return kept


def select_video(folder: Path | None) -> None:
    """Make that film the one of the page; None shows the list of all."""
    state.pop("video_open", None)
    if folder is None:
        st.query_params.pop("video", None)
    else:
        st.query_params["video"] = folder.name


def submit_video(video: UploadedFile | Path, name: str, speed: str) -> Job:
    """Have a film read with what is chosen in the sidebar. Raises `EmotionError`."""
    settings, model = session.get_settings(), session.get_bundle().folder
    video_settings = VideoSettings(settings.analyzer_settings, FRAME_STRIDES[speed], settings.anonymize)
    return library.submit(video, name, video_settings, detector=settings.detector, model=model)


def get_sample_video() -> Path:
    """The film to try the program with, made when it is asked for the first time. Raises `EmotionError`."""
    path = library.VIDEOS_FOLDER.parent / "samples" / "one-face.mp4"
    if not path.is_file():
        sample_video.write_sample_video(path)
    return path


def format_status(analysis: VideoAnalysis) -> str:
    """How far a film is, or how it ended: "42 %, about 12 s left"; "" where it is simply done."""
    now = analysis.state
    return format_progress(now) if now.is_running else _STATUS_TEXT.get(now.status, "")


def format_progress(job_state: JobState) -> str:
    """How far a job is that runs: "42 %, about 12 s left"."""
    left = f", about {_format_time_left(job_state.seconds_left)} left" if job_state.seconds_left is not None else ""
    return f"{format_percent(job_state.fraction)}{left}" if job_state.total > 0 else job_state.message or "Begins"


def _format_time_left(seconds: float) -> str:
    return f"{round(seconds)} s" if seconds < 90 else f"{round(seconds / 60)} min"


def format_duration(analysis: VideoAnalysis) -> str:
    """How long the film is, as far as it is known without reading what was found: "0:12", else ""."""
    seconds = analysis.video_info.duration if analysis.video_info else None
    return format_clock(seconds) if seconds else ""


def format_summary(analysis: VideoAnalysis) -> str:
    """What the film is and what read it: "0:12 · 480 x 360 · every frame · glance, classifier · 3 Nov 2026, 12:00"."""
    info, settings, provenance = analysis.video_info, analysis.settings, analysis.provenance
    pace = {library.FAST_STRIDE: "about eight frames a second", 1: "every frame"}.get(
        settings.frame_stride, f"one of {settings.frame_stride} frames"
    )
    size = f"{info.width} x {info.height}" if info else ""
    tools = f"{provenance['detector']['name']}, {provenance['model']['name']}"
    parts = [
        format_duration(analysis),
        size,
        pace,
        "blurred" if settings.anonymize else "",
        tools,
        format_date(analysis),
    ]
    return " · ".join(filter(None, parts))


def format_date(analysis: VideoAnalysis) -> str:
    """When it was asked for: "3 Nov 2026, 12:00"."""
    return f"{analysis.created_at.day} {analysis.created_at:%b %Y, %H:%M}"


def format_shares(shares: Mapping[str, float]) -> str:
    """ "happy 60 %, sad 30 %, unsure 10 %"; the smallest are left out."""
    return (
        ", ".join(f"{word} {format_percent(share)}" for word, share in shares.items() if share >= 0.005) or "not read"
    )
