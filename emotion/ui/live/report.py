"""The report of a recording of the Live page."""

from __future__ import annotations

import json
from datetime import datetime

from emotion.errors import EmotionError
from emotion.live.recording import Recording


def render_recording_report(recording: Recording) -> str:
    """Render the report of a recording with frames as an HTML document.

    Raises:
        EmotionError: The recording has no frame.
    """
    # These imports take half a second, which the page does not need.
    from emotion.video.outputs.stream_report import RecordedStream, render_stream_report
    from emotion.video.settings import VideoProvenance

    provenance = recording.provenance
    if provenance is None:
        raise EmotionError("There is no recording with frames to report on; record again.")
    # The first settings; the JSON file has the later ones.
    settings = json.loads(recording.json)["settings"][0]["values"]
    origin = VideoProvenance(
        program=provenance["program"],
        model=provenance["model"],
        detector={"name": provenance["detector"], "sha256": None},
        settings={"recognition": settings["stream"].pop("recognition"), **settings.pop("stream"), **settings},
    )
    if provenance["features_model"] is not None:
        origin["features"] = {"name": "features", "sha256": provenance["features_model"]}
    created_at = datetime.fromisoformat(provenance["created_at"])
    return render_stream_report(
        RecordedStream(
            name=f"Recording of {created_at:%Y-%m-%d %H:%M}",
            frames=recording.frames,
            markers=recording.markers,
            thumbnails=recording.thumbnails,
            is_anonymized=recording.is_anonymized,
            provenance=origin,
        )
    )
