"""The video track of the demo, whose frames are drawn in a thread, and skipped where the machine is too slow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import av
import streamlit_webrtc as webrtc
from aiortc import MediaStreamTrack
from aiortc.mediastreams import VIDEO_CLOCK_RATE, VIDEO_TIME_BASE, MediaStreamError

from emotion.media.image_array import ImageArray

FPS: Final = 30
_KEY: Final = "live_demo_track"

DrawFrame = Callable[[float], ImageArray]  # seconds since the start -> RGB uint8 (H, W, 3)


def create_demo_track(draw_frame: DrawFrame) -> MediaStreamTrack:
    """Return the track of this visitor, which ends with its stream or page.

    streamlit-webrtc calls the function of a source in the event loop that serves all visitors, and where that takes
    longer than a frame lasts, it makes up for the delay with one frame after the other, without a pause.

    Upstream: no issue is known. Remove when `create_video_source_track` (0.79) draws in a thread and skips frames.

    Args:
        draw_frame: Called in a thread.
    """
    track = webrtc.create_video_source_track(lambda pts, _time_base: _make_frame(draw_frame, pts), key=_KEY, fps=FPS)
    pacer = getattr(track.recv, "__self__", None)
    if isinstance(pacer, FramePacer):
        pacer.draw_frame = draw_frame
    else:
        track.recv = FramePacer(track, draw_frame).receive  # type: ignore[method-assign]
    return track


class FramePacer:
    """Draws the frames of a track at `FPS`, or at the rate of the machine where that is lower.

    Args:
        track: The track whose end ends the frames.
        draw_frame: Called in a thread, for one frame at a time.
    """

    def __init__(self, track: MediaStreamTrack, draw_frame: DrawFrame) -> None:
        self.draw_frame = draw_frame
        self._track = track
        self._start_time: float | None = None  # of time.monotonic, as the next one
        self._due_time = 0.0

    async def receive(self) -> av.VideoFrame:
        """Wait for the next frame.

        Raises:
            MediaStreamError: The track has ended.
        """
        now = time.monotonic()
        if self._start_time is None:
            self._start_time = self._due_time = now
        else:
            self._due_time = max(self._due_time + 1 / FPS, now)
        await asyncio.sleep(self._due_time - now)
        pts = round((self._due_time - self._start_time) * VIDEO_CLOCK_RATE)
        frame = await asyncio.to_thread(_make_frame, self.draw_frame, pts)
        if self._track.readyState != "live":
            raise MediaStreamError
        return frame


def _make_frame(draw_frame: DrawFrame, pts: int) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(draw_frame(float(pts * VIDEO_TIME_BASE)), format="rgb24")
    frame.pts, frame.time_base = pts, VIDEO_TIME_BASE
    return frame
