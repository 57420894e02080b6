"""Render the report of a recorded stream: the one of a video, without a video file."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from emotion.storage import write_atomic
from emotion.video.analysis import VideoAnalysis
from emotion.video.edits.markers import set_marker
from emotion.video.outputs.html_report import render_report
from emotion.video.pipeline import FRAMES_FILE
from emotion.video.rendering.thumbnails import THUMBNAILS_FOLDER
from emotion.video.settings import VideoProvenance, VideoRequest, VideoSettings
from emotion.video.summary import write_summary


@dataclass(frozen=True)
class RecordedStream:
    """A recorded stream.

    Attributes:
        name: The title of the report.
        frames: JSON texts of `serialization.frame_to_dict`.
        markers: Seconds of the markers that a person set.
        thumbnails: JPEG of each person by track id.
        is_anonymized: Whether faces are pixelated in the thumbnails.
        provenance: What made it, with the settings.
    """

    name: str
    frames: Sequence[str]
    markers: Sequence[float]
    thumbnails: Mapping[int, bytes]
    is_anonymized: bool
    provenance: VideoProvenance


def render_stream_report(stream: RecordedStream) -> str:
    """Render the report as an HTML document of about a megabyte, see `render_report`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_folder(stream, folder)
        return render_report(VideoAnalysis.open(folder))


def _write_folder(stream: RecordedStream, folder: Path) -> None:
    """Write a stream as the result of an analysis."""
    provenance = stream.provenance
    VideoRequest(
        name=stream.name,
        video_path=folder,
        settings=VideoSettings(anonymize=stream.is_anonymized, write_video=False),
        detector=provenance["detector"]["name"],
        model=folder,
        provenance=provenance,
    ).write(folder)
    lines = (f'{{"index": {index}, {text.removeprefix("{")}\n' for index, text in enumerate(stream.frames))
    write_atomic(folder / FRAMES_FILE, "".join(lines))
    write_summary(folder, {"status": "done"})
    for seconds in stream.markers:
        set_marker(folder, seconds)
    thumbnails = folder / THUMBNAILS_FOLDER
    thumbnails.mkdir()
    for track_id, jpeg in stream.thumbnails.items():
        write_atomic(thumbnails / f"{track_id}.jpg", jpeg)
