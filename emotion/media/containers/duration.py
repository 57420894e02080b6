"""The duration of a video that does not state it, such as a recording of a browser."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from emotion.media.containers.video_container import (
    DECODE_ERRORS,
    discard_other_streams,
    open_video,
    to_seconds,
    video_stream,
)


def measure_duration(path: Path, max_side: int) -> float:
    """Return the seconds at which the last packet of a video is displayed; no frame is decoded.

    Packets behind damage do not count.

    Args:
        path: The file.
        max_side: The most pixels on a side of its frames.

    Raises:
        VideoError: It is no video.
    """
    end = 0.0
    with open_video(path, None, max_side) as container:
        stream = video_stream(container, path.name)
        discard_other_streams(stream)
        with suppress(*DECODE_ERRORS):
            for packet in container.demux(stream):
                end = max(end, to_seconds(packet.pts, stream) or 0.0)
    return end
