"""How the analysis of a video ended: the content of summary.json."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, TypedDict, cast

from emotion.storage import read_json, write_json

SUMMARY_FILE: Final = "summary.json"

VideoStatus = Literal["done", "stopped", "failed"]


class TrackSummary(TypedDict):
    """One face over the whole video."""

    first_seen: float  # seconds
    last_seen: float
    expression_shares: dict[str, float]  # of its frames, by displayed label


class VideoSummary(TypedDict, total=False):
    """How an analysis ended; empty until then."""

    status: VideoStatus
    error: str | None  # one sentence
    num_frames: int  # processed
    frames_decoded: int
    frames_written: int
    last_timestamp: float  # seconds
    corrupt_packets: int
    errors: int  # frames on which detection, classification or anonymization failed
    last_error: str | None
    audio_warning: str | None
    elapsed_seconds: float
    faces: dict[str, TrackSummary]  # by track id


def read_summary(folder: Path) -> VideoSummary:
    """Read the summary of the analysis in `folder`, {} where there is none yet."""
    return cast(VideoSummary, read_json(folder / SUMMARY_FILE) or {})


def write_summary(folder: Path, summary: VideoSummary) -> None:
    """Write the summary of the analysis in `folder`."""
    write_json(folder / SUMMARY_FILE, summary)
