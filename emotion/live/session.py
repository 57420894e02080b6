"""One person's camera: frames in, annotated frames out, and all that a page shows and saves of them.

Three threads meet here: the one of the camera calls `process_frame` and must never wait long nor fail, a worker
looks for faces, and pages ask for views at any time.
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
from emotion.live.latest_worker import LatestItemWorker
from emotion.live.recording import EMPTY_RECORDING, LiveRecorder, Recording
from emotion.live.state import AnalyzedFrame, LiveFace, LiveOptions, LiveState
from emotion.live.stream_metrics import MonotonicFrameClock, StreamMetrics
from emotion.media.image_array import ImageArray
from emotion.media.image_reader import encode_png
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.annotation import annotate
from emotion.recognition.anonymizer import Anonymizer, pixelate_all
from emotion.results import serialization
from emotion.tracking.stream import Stream

__all__ = ["LiveFace", "LiveOptions", "LiveSession", "LiveState"]

HISTORY_SECONDS: Final = 30.0  # seconds that are remembered
_SAMPLE_INTERVAL_SECONDS: Final = 0.18  # seconds between two of them at least: five in a second where frames come at 30
_RESULT_TIMEOUT_SECONDS: Final = 0.5  # seconds that a frame waits for its result; the stream of a browser dies at 10

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
    """One camera. `options` may be replaced at any time; every method may be called from any thread."""

    def __init__(self, analyzer: Analyzer, options: LiveOptions | None = None) -> None:
        self.options = options or LiveOptions()
        self._analyzer = analyzer
        self._stream = Stream(analyzer, self.options.stream)
        self._anonymizer = Anonymizer(analyzer)
        self._clock = MonotonicFrameClock()
        self._metrics = StreamMetrics()
        self._counters = LiveState()  # of which only the counters are used
        self._last_frame: AnalyzedFrame | None = None
        self._history: deque[tuple[float, FrameResult]] = deque(
            maxlen=math.ceil(HISTORY_SECONDS / _SAMPLE_INTERVAL_SECONDS)
        )
        self._recorder: LiveRecorder | None = None
        self._recording = EMPTY_RECORDING
        self._lock = threading.Lock()  # of the counters and what is remembered, held for microseconds
        self._recording_lock = threading.Lock()  # of starting and stopping
        self._worker = LatestItemWorker(self._run_task, "live")

    # ------------------------------------------------------------------ the camera

    def process_frame(self, image: ImageArray, timestamp: float | None, *, wait: bool = True) -> ImageArray:
        """The next frame of the camera, RGB uint8 (H, W, 3), with boxes and labels; `timestamp` is its own time, None
        where it has none.

        Waits for its result for half a second at most; without `wait` not at all, and gives the newest result that
        is ready and not older than that, which shows an earlier frame. Never raises: a frame that is late or fails
        comes back as it came (mirrored), or with `anonymize` as one coarse mosaic. The picture must not be written to.
        """
        options = self.options
        try:
            job = self._make_task(image, timestamp, options)
            found = None if options.is_paused else self._wait_for_image(job) if wait else self._get_latest_image(job)
            if found is not None:
                return found
            return pixelate_all(job.image) if options.anonymize else job.image
        except Exception as error:
            self.record_error(error)
            return np.zeros_like(image, np.uint8) if options.anonymize else image

    def _make_task(self, image: ImageArray, timestamp: float | None, options: LiveOptions) -> _FrameTask:
        """A frame that came, mirrored, with its time; counted."""
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise ValueError(f"received a frame {image.shape} of {image.dtype}, expected (height, width, 3) of uint8")
        picture = np.ascontiguousarray(image[:, ::-1]) if options.mirror else image.copy()
        now = _now()
        with self._lock:
            self._metrics.record_arrival(now)
            self._increment_locked(num_frames=1)
            return _FrameTask(picture, self._clock.timestamp(timestamp, now), now, options)

    def _wait_for_image(self, task: _FrameTask) -> ImageArray | None:
        """Have a frame analysed; its picture, or None where that takes too long or failed."""
        if self._submit_task(task) and not task.done.wait(_RESULT_TIMEOUT_SECONDS):
            self._increment(late_frames=1)
        return task.annotated_image

    def _get_latest_image(self, task: _FrameTask) -> ImageArray | None:
        """Leave a frame to be analysed; the newest picture, or None where none is fresh."""
        self._submit_task(task)
        shown = self._last_frame
        if shown is not None and task.arrival_time - shown.arrival_time <= _RESULT_TIMEOUT_SECONDS:
            return shown.display_image(task.options.anonymize)
        if shown is not None:
            self._increment(late_frames=1)
        return None

    def _submit_task(self, task: _FrameTask) -> bool:
        """Leave a frame for the worker; False where it takes none any more."""
        replaced = self._worker.put(task)
        if replaced is not None:
            replaced.done.set()
            self._increment(dropped_frames=1)
        return replaced is not task

    # ------------------------------------------------------------------ the worker

    def _run_task(self, task: _FrameTask) -> None:
        try:
            shown = self._analyze(task)
            self._store_frame(shown)
            recorder = self._recorder
            if recorder is not None:
                recorder.append(shown.result.timestamp, shown.result.faces, shown.annotated_image, asdict(task.options))
            task.annotated_image = shown.annotated_image
        except Exception as error:
            self.record_error(error)
        finally:
            task.done.set()

    def _analyze(self, task: _FrameTask) -> AnalyzedFrame:
        stream, options = self._stream, task.options
        stream.settings, faults = options.stream, stream.stats.errors
        result = stream.process(task.image, task.timestamp)
        if stream.stats.errors > faults:
            with self._lock:
                self._counters = replace(self._counters, last_error=stream.stats.last_error)
        started = _now()
        clean = self._anonymize(task, result) if options.anonymize else task.image
        annotated = annotate(clean, result.faces)
        return AnalyzedFrame(
            result=result,
            clean_image=clean,
            annotated_image=annotated,
            is_anonymized=options.anonymize,
            arrival_time=task.arrival_time,
            head=options.stream.recognition.head,
            raw_scores={number: note.raw_scores for number, note in stream.track_info.items() if note.is_calibrated},
            stats=stream.stats,
            draw_ms=round(1e3 * (_now() - started), 3),
            calibration_seconds_left=stream.calibration_seconds_left,
            calibration_succeeded=stream.calibration_succeeded,
        )

    def _anonymize(self, task: _FrameTask, result: FrameResult) -> ImageArray:
        """The picture without recognisable faces; without anything where nobody can tell where they are."""
        try:
            known = [face.box for face in result.faces]
            return self._anonymizer.apply(task.image, known, task.timestamp, task.options.stream.recognition)
        except Exception as error:
            self.record_error(error)
            return pixelate_all(task.image)

    def _store_frame(self, frame: AnalyzedFrame) -> None:
        now = _now()
        with self._lock:
            self._last_frame = frame
            self._metrics.record_result(now, now - frame.arrival_time)
            if not self._history or frame.arrival_time - self._history[-1][0] >= _SAMPLE_INTERVAL_SECONDS:
                self._history.append((frame.arrival_time, frame.result))

    # ------------------------------------------------------------------ the page

    def state(self, *, max_saliency_faces: int = 0) -> LiveState:
        """What is known now; never waits for an analysis. In the thumbnails of the first `max_saliency_faces` faces stands what
        speaks for their labels."""
        now, options, recorder = _now(), self.options, self._recorder
        with self._lock:
            shown, view, past = self._last_frame, self._counters, list(self._history)
            (fps_in, fps_out), age_p95 = self._metrics.frame_rates(now), self._metrics.latency_p95(now)
            silent = self._metrics.seconds_since_last(now)
        view = replace(
            view,
            fps_in=fps_in,
            fps_out=fps_out,
            latency_p95_seconds=age_p95,
            idle_seconds=silent,
            is_paused=options.is_paused,
        )
        if recorder is not None:
            view = replace(view, recording_seconds=recorder.duration, recording_warning=recorder.warning)
        if shown is None:
            return view
        if past[-1][1] is not shown.result:
            past.append((shown.arrival_time, shown.result))
        height, width = shown.clean_image.shape[:2]
        return replace(
            view,
            faces=()
            if options.is_paused
            else shown.faces_with_saliency(self._analyzer, options.anonymize, max_saliency_faces),
            recent_results=tuple((at - now, result) for at, result in past if now - at <= HISTORY_SECONDS),
            frame_size=(width, height),
            result_age_seconds=now - shown.arrival_time,
            errors=view.errors + shown.stats.errors,
            detect_ms=shown.stats.detect_ms,
            classify_ms=shown.stats.classify_ms,
            draw_ms=shown.draw_ms,
            calibration_seconds_left=None
            if shown.calibration_seconds_left is None
            else max(0.0, shown.calibration_seconds_left - (now - shown.arrival_time)),
            calibration_succeeded=shown.calibration_succeeded,
        )

    def calibrate(self) -> None:
        """Take what the visible faces show in the next three seconds for their resting faces, see
        `Stream.calibrate`. `EmotionError` where that is not possible."""
        self._stream.calibrate()

    def clear_calibration(self) -> None:
        """Show all scores as the classifier gives them."""
        self._stream.clear_calibration()

    def snapshot(self) -> tuple[bytes, dict[str, Any]] | None:
        """The last annotated frame as PNG, and its faces and the receipt, of when it came, as plain JSON values; None
        before the first one."""
        shown, options = self._last_frame, self.options
        if shown is None:
            return None
        faces = serialization.frame_to_dict(shown.result.timestamp, shown.result.faces)["faces"]
        height, width = shown.annotated_image.shape[:2]
        receipt = self._make_provenance(_now() - shown.arrival_time)
        record = {**receipt, "width": width, "height": height, "settings": asdict(options), "faces": faces}
        return encode_png(shown.display_image(options.anonymize)), record

    # ------------------------------------------------------------------ recording

    def start_recording(self, video_path: Path | None = None) -> None:
        """Keep what is said of every frame from now on, and the annotated frames in the MP4 file `video_path` if one is
        named; goes on where that was done before. Ends by itself, see `LiveRecorder`."""
        with self._recording_lock:
            if self._recorder is None:
                self._recorder = LiveRecorder(video_path)
                self._finalizer = weakref.finalize(self, self._recorder.close)  # the film is finished in any case

    def stop_recording(self) -> Recording:
        """What was recorded; the same again where nothing was recorded since. Waits for the end of the film."""
        with self._recording_lock:
            recorder, self._recorder = self._recorder, None
            if recorder is not None:
                self._finalizer.detach()
                self._recording = recorder.finish(self._make_provenance())
            return self._recording

    def close(self) -> None:
        """End the worker and finish the film; what was recorded stays to be stopped. May be called again; frames that
        still come pass as in a pause."""
        self._worker.close()
        recorder = self._recorder
        if recorder is not None:
            recorder.close()

    def _make_provenance(self, age_seconds: float = 0.0) -> dict[str, Any]:
        """What made something that was there so many seconds ago."""
        bundle = self._analyzer.classifier.bundle
        return {
            "program": serialization.PROGRAM,
            "created_at": (datetime.now().astimezone() - timedelta(seconds=age_seconds)).isoformat(timespec="seconds"),
            "model": {"name": bundle.name, "sha256": bundle.sha256},
            "detector": self._analyzer.detector.name,
        }

    # ------------------------------------------------------------------ counting

    def _increment(self, **counts: int) -> None:
        """Add to counters."""
        with self._lock:
            self._increment_locked(**counts)

    def _increment_locked(self, **counts: int) -> None:
        """Add to counters; only with the lock."""
        self._counters = replace(
            self._counters, **{name: getattr(self._counters, name) + n for name, n in counts.items()}
        )

    def record_error(self, error: Exception) -> None:
        """Count what went wrong with a frame, and log it where it is not the same as before."""
        text = f"{type(error).__name__}: {error}"
        with self._lock:
            new = text != self._counters.last_error
            self._increment_locked(errors=1)
            self._counters = replace(self._counters, last_error=text)
        if new:
            log.error("a frame could not be shown", exc_info=error)
