"""A camera session: frames in, annotated frames out, and everything that a page shows and saves of them.

Three threads use a session: the camera's calls `process_frame`, which must neither wait long nor fail, a worker
analyzes frames, and pages read the state at any time.
"""

from __future__ import annotations

import logging
import math
import threading
import time
import weakref
from collections import deque
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from emotion.faces import FrameResult
from emotion.live.frame_analysis import AnalyzedFrame, FrameAnalyzer
from emotion.live.latest_worker import LatestItemWorker
from emotion.live.recording import EMPTY_RECORDING, LiveProvenance, LiveRecorder, Recording
from emotion.live.state import CalibrationState, LiveCounters, LiveFace, LiveOptions, LiveState
from emotion.live.stream_metrics import MonotonicFrameClock, StreamMetrics
from emotion.media.image_array import ImageArray
from emotion.media.image_reader import encode_png
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.anonymizer import pixelate_all
from emotion.recognition.features.default_network import find_default_bundle
from emotion.results import serialization
from emotion.results.photos import remove_features
from emotion.tracking.stream import Stream

HISTORY_SECONDS: Final = 30.0
_SAMPLE_INTERVAL_SECONDS: Final = 0.18  # keeps five results per second of a camera with 30 frames per second
RESULT_TIMEOUT_SECONDS: Final = 0.5  # that a frame waits for its result; a browser drops the stream at 10

log = logging.getLogger(__name__)
_now = time.monotonic


@dataclass(eq=False)
class _FrameTask:
    """A frame on its way through the worker."""

    image: ImageArray
    timestamp: float
    arrival_time: float
    options: LiveOptions
    done: threading.Event = field(default_factory=threading.Event)
    annotated_image: ImageArray | None = None


class LiveSession:
    """The session of one camera; thread-safe. `options` may be replaced at any time."""

    def __init__(self, analyzer: Analyzer, options: LiveOptions | None = None) -> None:
        self.options = options or LiveOptions()
        self._analyzer = analyzer
        self._stream = Stream(analyzer, self.options.stream)
        self._frame_analyzer = FrameAnalyzer(analyzer, self._stream, self.record_error)
        self._clock = MonotonicFrameClock()
        self._metrics = StreamMetrics()
        self._counters = LiveCounters()
        self._last_frame: AnalyzedFrame | None = None
        self._history: deque[tuple[float, FrameResult]] = deque(
            maxlen=math.ceil(HISTORY_SECONDS / _SAMPLE_INTERVAL_SECONDS)
        )
        self._recorder: LiveRecorder | None = None
        self._recording = EMPTY_RECORDING
        self._lock = threading.Lock()  # of counters, metrics and history; held for microseconds
        self._recording_lock = threading.Lock()  # of starting and stopping
        self._worker = LatestItemWorker(self._run_task, "live")

    # ------------------------------------------------------------------ the camera

    def process_frame(self, image: ImageArray, timestamp: float | None, *, wait: bool = True) -> ImageArray:
        """Analyze the next frame of the camera; never raises.

        Args:
            image: RGB uint8 (H, W, 3).
            timestamp: Seconds on the camera's clock, None where it has none.
            wait: Whether to wait for the result of this frame, for half a second at most. Otherwise the newest result
                that is ready and at most as old is returned, which shows an earlier frame.

        Returns:
            The frame with boxes and labels, which must not be modified. A frame that is late or fails is returned
            without them (mirrored), or pixelated as a whole with `anonymize`.
        """
        options = self.options
        try:
            task = self._make_task(image, timestamp, options)
            annotated = None
            if not options.is_paused:
                annotated = self._wait_for_image(task) if wait else self._get_latest_image(task)
            if annotated is not None:
                return annotated
            return pixelate_all(task.image) if options.anonymize else task.image
        except Exception as error:  # an exception would end the stream of the camera
            self.record_error(error)
            return np.zeros_like(image, np.uint8) if options.anonymize else image

    def _make_task(self, image: ImageArray, timestamp: float | None, options: LiveOptions) -> _FrameTask:
        """Check, mirror, count and timestamp a frame."""
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise ValueError(f"received a frame {image.shape} of {image.dtype}, expected (height, width, 3) of uint8")
        mirrored = np.ascontiguousarray(image[:, ::-1]) if options.mirror else image.copy()
        now = _now()
        with self._lock:
            self._metrics.record_arrival(now)
            self._counters.num_frames += 1
            return _FrameTask(mirrored, self._clock.timestamp(timestamp, now), now, options)

    def _wait_for_image(self, task: _FrameTask) -> ImageArray | None:
        """Return the annotated frame, None where that takes too long or fails."""
        if self._submit_task(task) and not task.done.wait(RESULT_TIMEOUT_SECONDS):
            self._count_late_frame()
        return task.annotated_image

    def _get_latest_image(self, task: _FrameTask) -> ImageArray | None:
        """Submit the frame and return the newest annotated one, None where that is too old."""
        self._submit_task(task)
        last = self._last_frame
        if last is not None and task.arrival_time - last.arrival_time <= RESULT_TIMEOUT_SECONDS:
            return last.display_image(task.options.anonymize)
        if last is not None:
            self._count_late_frame()
        return None

    def _count_late_frame(self) -> None:
        with self._lock:
            self._counters.late_frames += 1

    def _submit_task(self, task: _FrameTask) -> bool:
        """Queue a frame for the worker; False after `close`."""
        replaced = self._worker.put(task)
        if replaced is not None:
            replaced.done.set()
            with self._lock:
                self._counters.dropped_frames += 1
        return replaced is not task

    # ------------------------------------------------------------------ the worker

    def _run_task(self, task: _FrameTask) -> None:
        try:
            frame = self._frame_analyzer.analyze(
                task.image, task.timestamp, task.options, arrival_time=task.arrival_time
            )
            self._store_frame(frame)
            recorder = self._recorder
            if recorder is not None:
                recorder.append(frame, asdict(task.options))
            task.annotated_image = frame.annotated_image
        except Exception as error:  # the frame passes without its result
            self.record_error(error)
        finally:
            task.done.set()

    def _store_frame(self, frame: AnalyzedFrame) -> None:
        now = _now()
        with self._lock:
            previous_errors = self._last_frame.stats.errors if self._last_frame is not None else 0
            if frame.stats.errors > previous_errors:
                self._counters.last_error = frame.stats.last_error
            self._last_frame = frame
            self._metrics.record_result(now, now - frame.arrival_time)
            if not self._history or frame.arrival_time - self._history[-1][0] >= _SAMPLE_INTERVAL_SECONDS:
                self._history.append((frame.arrival_time, frame.result))

    # ------------------------------------------------------------------ the page

    def state(self, *, max_saliency_faces: int = 0) -> LiveState:
        """Return the current state without waiting for an analysis.

        Args:
            max_saliency_faces: How many thumbnails show a class activation map, see `faces_with_saliency`.
        """
        now, options, recorder = _now(), self.options, self._recorder
        with self._lock:
            last, counters, history = self._last_frame, replace(self._counters), list(self._history)
            rates = self._metrics.measure(now)
        state = LiveState(
            is_paused=options.is_paused,
            counters=counters,
            rates=rates,
            recording=recorder.describe(now) if recorder is not None else None,
        )
        if last is None:
            return state
        counters.errors += last.stats.errors
        if history[-1][1] is not last.result:
            history.append((last.arrival_time, last.result))
        age = now - last.arrival_time
        faces: tuple[LiveFace, ...] = ()
        if not options.is_paused:
            faces = last.faces_with_saliency(self._analyzer, options.anonymize, max_saliency_faces)
        seconds_left = last.calibration.seconds_left
        return replace(
            state,
            faces=faces,
            recent_results=tuple((time - now, result) for time, result in history if now - time <= HISTORY_SECONDS),
            frame_size=last.frame_size,
            result_age_seconds=age,
            stats=last.stats,
            draw_ms=last.draw_ms,
            calibration=CalibrationState(
                None if seconds_left is None else max(0.0, seconds_left - age), last.calibration.succeeded
            ),
        )

    def calibrate(self) -> None:
        """Calibrate to the visible faces as neutral ones within three seconds, see `Stream.calibrate`.

        Raises:
            EmotionError: That is not possible.
        """
        self._stream.calibrate()

    def clear_calibration(self) -> None:
        """Remove the calibration, so that all scores are those of the classifier."""
        self._stream.clear_calibration()

    def snapshot(self) -> tuple[bytes, dict[str, Any]] | None:
        """Return the last annotated frame as PNG and its faces and provenance as JSON values, None before it."""
        last, options = self._last_frame, self.options
        if last is None:
            return None
        width, height = last.frame_size
        shown_faces = remove_features(last.result.faces) if options.anonymize else last.result.faces
        faces = serialization.frame_to_dict(last.result.timestamp, shown_faces)["faces"]
        provenance = self._make_provenance(_now() - last.arrival_time)
        record = {**provenance, "width": width, "height": height, "settings": asdict(options), "faces": faces}
        return encode_png(last.display_image(options.anonymize)), record

    # ------------------------------------------------------------------ recording

    def start_recording(self, video_path: Path | None = None, *, delay: float = 0.0) -> None:
        """Record the faces of every frame, and the annotated frames as an MP4 file where `video_path` is given.

        Does nothing while a recording is in progress. It ends by itself, see `LiveRecorder`.

        Args:
            video_path: The MP4 file.
            delay: Seconds until the first frame is recorded.
        """
        with self._recording_lock:
            if self._recorder is None:
                self._recorder = LiveRecorder(video_path, start_time=_now() + delay)
                self._finalizer = weakref.finalize(self, self._recorder.close)  # finishes the video in any case

    def stop_recording(self) -> Recording:
        """Finish the recording and return it, or the last one where none is in progress; waits for its video."""
        with self._recording_lock:
            recorder, self._recorder = self._recorder, None
            if recorder is not None:
                self._finalizer.detach()
                self._recording = recorder.finish(self._make_provenance())
            return self._recording

    def add_marker(self) -> None:
        """Mark the current moment of the recording in progress; does nothing without one."""
        recorder = self._recorder
        if recorder is not None:
            recorder.add_marker()

    def close(self) -> None:
        """End the worker and finish the video; `stop_recording` still returns the recording.

        May be called repeatedly. Frames that arrive later pass as in a pause.
        """
        self._worker.close()
        recorder = self._recorder
        if recorder is not None:
            recorder.close()

    def _make_provenance(self, age_seconds: float = 0.0) -> LiveProvenance:
        """Describe how something was made that is `age_seconds` old."""
        bundle, features = self._analyzer.classifier.bundle, find_default_bundle()
        return {
            "program": serialization.PROGRAM,
            "created_at": (datetime.now().astimezone() - timedelta(seconds=age_seconds)).isoformat(timespec="seconds"),
            "model": {"name": bundle.name, "sha256": bundle.sha256},
            "features_model": features and features.sha256,
            "detector": self._analyzer.detector.name,
        }

    def record_error(self, error: Exception) -> None:
        """Count an error, and log it where it differs from the previous one."""
        message = f"{type(error).__name__}: {error}"
        with self._lock:
            is_new = message != self._counters.last_error
            self._counters.errors += 1
            self._counters.last_error = message
        if is_new:
            log.error("a frame could not be shown", exc_info=error)
