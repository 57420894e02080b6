"""One person's camera: frames in, annotated frames out, and all that a page shows and saves of them.

Three threads meet here: the one of the camera calls `frame` and must never wait long nor fail, a worker
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
from emotion.live.latest_worker import Mailbox
from emotion.live.recording import NOTHING, Recorder, Recording
from emotion.live.state import LiveFace, LiveOptions, LiveView, Picture, Shown
from emotion.live.stream_metrics import FrameClock, Pulse
from emotion.media.image_reader import encode_png
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.annotation import annotate
from emotion.recognition.anonymizer import Veil, hidden
from emotion.results import serialization
from emotion.tracking.stream import Stream

__all__ = ["LiveFace", "LiveOptions", "LiveSession", "LiveView"]

HISTORY: Final = 30.0  # seconds that are remembered
_SAMPLE: Final = 0.18  # seconds between two of them at least: five in a second where frames come at 30
_PATIENCE: Final = 0.5  # seconds that a frame waits for its result; the stream of a browser dies at 10

log = logging.getLogger(__name__)
_now = time.monotonic


@dataclass(eq=False)
class _Job:
    """A frame on its way through the worker."""

    image: Picture
    seconds: float
    arrived: float
    options: LiveOptions
    done: threading.Event = field(default_factory=threading.Event)
    picture: Picture | None = None


class LiveSession:
    """One camera. `options` may be replaced at any time; every method may be called from any thread."""

    def __init__(self, analyzer: Analyzer, options: LiveOptions | None = None) -> None:
        self.options = options or LiveOptions()
        self._analyzer = analyzer
        self._stream = Stream(analyzer, self.options.stream)
        self._veil = Veil(analyzer)
        self._clock = FrameClock()
        self._pulse = Pulse()
        self._counts = LiveView()  # of which only the counters are used
        self._shown: Shown | None = None
        self._past: deque[tuple[float, FrameResult]] = deque(maxlen=math.ceil(HISTORY / _SAMPLE))
        self._recorder: Recorder | None = None
        self._recording = NOTHING
        self._lock = threading.Lock()  # of the counters and what is remembered, held for microseconds
        self._buttons = threading.Lock()  # of starting and stopping
        self._worker = Mailbox(self._work, "live")

    # ------------------------------------------------------------------ the camera

    def frame(self, image: Picture, seconds: float | None, *, wait: bool = True) -> Picture:
        """The next frame of the camera, RGB uint8 (H, W, 3), with boxes and labels; `seconds` is its own time, None
        where it has none.

        Waits for its result for half a second at most; without `wait` not at all, and gives the newest result that
        is ready and not older than that, which shows an earlier frame. Never raises: a frame that is late or fails
        comes back as it came (mirrored), or with `blur` as one coarse mosaic. The picture must not be written to.
        """
        options = self.options
        try:
            job = self._received(image, seconds, options)
            found = None if options.paused else self._wait_for(job) if wait else self._newest(job)
            if found is not None:
                return found
            return hidden(job.image) if options.blur else job.image
        except Exception as error:
            self.fault(error)
            return np.zeros_like(image, np.uint8) if options.blur else image

    def _received(self, image: Picture, seconds: float | None, options: LiveOptions) -> _Job:
        """A frame that came, mirrored, with its time; counted."""
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise ValueError(f"received a frame {image.shape} of {image.dtype}, expected (height, width, 3) of uint8")
        picture = np.ascontiguousarray(image[:, ::-1]) if options.mirror else image.copy()
        now = _now()
        with self._lock:
            self._pulse.come(now)
            self._count(frames=1)
            return _Job(picture, self._clock.at(seconds, now), now, options)

    def _wait_for(self, job: _Job) -> Picture | None:
        """Have a frame analysed; its picture, or None where that takes too long or failed."""
        if self._leave(job) and not job.done.wait(_PATIENCE):
            self._add(late=1)
        return job.picture

    def _newest(self, job: _Job) -> Picture | None:
        """Leave a frame to be analysed; the newest picture, or None where none is fresh."""
        self._leave(job)
        shown = self._shown
        if shown is not None and job.arrived - shown.arrived <= _PATIENCE:
            return shown.picture(job.options.blur)
        if shown is not None:
            self._add(late=1)
        return None

    def _leave(self, job: _Job) -> bool:
        """Leave a frame for the worker; False where it takes none any more."""
        replaced = self._worker.put(job)
        if replaced is not None:
            replaced.done.set()
            self._add(dropped=1)
        return replaced is not job

    # ------------------------------------------------------------------ the worker

    def _work(self, job: _Job) -> None:
        try:
            shown = self._look(job)
            self._keep(shown)
            recorder = self._recorder
            if recorder is not None:
                recorder.add(shown.result.seconds, shown.result.faces, shown.annotated, asdict(job.options))
            job.picture = shown.annotated
        except Exception as error:
            self.fault(error)
        finally:
            job.done.set()

    def _look(self, job: _Job) -> Shown:
        stream, options = self._stream, job.options
        stream.settings, faults = options.stream, stream.stats.faults
        result = stream.look(job.image, job.seconds)
        if stream.stats.faults > faults:
            with self._lock:
                self._counts = replace(self._counts, last_fault=stream.stats.last_fault)
        started = _now()
        clean = self._hide(job, result) if options.blur else job.image
        annotated = annotate(clean, result.faces)
        return Shown(
            result=result,
            clean=clean,
            annotated=annotated,
            hidden=options.blur,
            arrived=job.arrived,
            head=options.stream.recognition.head,
            raw={number: note.raw for number, note in stream.notes.items() if note.calibrated},
            stats=stream.stats,
            draw_ms=round(1e3 * (_now() - started), 3),
            calibrating=stream.calibrating,
            rested=stream.rested,
        )

    def _hide(self, job: _Job, result: FrameResult) -> Picture:
        """The picture without recognisable faces; without anything where nobody can tell where they are."""
        try:
            known = [face.box for face in result.faces]
            return self._veil.over(job.image, known, job.seconds, job.options.stream.recognition)
        except Exception as error:
            self.fault(error)
            return hidden(job.image)

    def _keep(self, shown: Shown) -> None:
        now = _now()
        with self._lock:
            self._shown = shown
            self._pulse.ready(now, now - shown.arrived)
            if not self._past or shown.arrived - self._past[-1][0] >= _SAMPLE:
                self._past.append((shown.arrived, shown.result))

    # ------------------------------------------------------------------ the page

    def view(self, *, explained: int = 0) -> LiveView:
        """What is known now; never waits for an analysis. In the thumbnails of the first `explained` faces stands what
        speaks for their labels."""
        now, options, recorder = _now(), self.options, self._recorder
        with self._lock:
            shown, view, past = self._shown, self._counts, list(self._past)
            (fps_in, fps_out), age_p95 = self._pulse.rates(now), self._pulse.age_p95(now)
            silent = self._pulse.silent(now)
        view = replace(view, fps_in=fps_in, fps_out=fps_out, age_p95=age_p95, silent=silent, paused=options.paused)
        if recorder is not None:
            view = replace(view, recording=recorder.seconds, notice=recorder.notice)
        if shown is None:
            return view
        if past[-1][1] is not shown.result:
            past.append((shown.arrived, shown.result))
        height, width = shown.clean.shape[:2]
        return replace(
            view,
            faces=() if options.paused else shown.explained(self._analyzer, options.blur, explained),
            past=tuple((at - now, result) for at, result in past if now - at <= HISTORY),
            size=(width, height),
            age=now - shown.arrived,
            faults=view.faults + shown.stats.faults,
            search_ms=shown.stats.search_ms,
            read_ms=shown.stats.read_ms,
            draw_ms=shown.draw_ms,
            calibrating=None if shown.calibrating is None else max(0.0, shown.calibrating - (now - shown.arrived)),
            rested=shown.rested,
        )

    def calibrate(self) -> None:
        """Take what the visible faces show in the next three seconds for their resting faces, see
        `Stream.calibrate`. `EmotionError` where that is not possible."""
        self._stream.calibrate()

    def uncalibrate(self) -> None:
        """Show all scores as the recogniser gives them."""
        self._stream.uncalibrate()

    def snapshot(self) -> tuple[bytes, dict[str, Any]] | None:
        """The last annotated frame as PNG, and its faces and the receipt, of when it came, as plain JSON values; None
        before the first one."""
        shown, options = self._shown, self.options
        if shown is None:
            return None
        faces = serialization.frame_json(shown.result.seconds, shown.result.faces)["faces"]
        height, width = shown.annotated.shape[:2]
        receipt = self._receipt(_now() - shown.arrived)
        record = {**receipt, "width": width, "height": height, "settings": asdict(options), "faces": faces}
        return encode_png(shown.picture(options.blur)), record

    # ------------------------------------------------------------------ recording

    def start_recording(self, film: Path | None = None) -> None:
        """Keep what is said of every frame from now on, and the annotated frames in the MP4 file `film` if one is
        named; goes on where that was done before. Ends by itself, see `Recorder`."""
        with self._buttons:
            if self._recorder is None:
                self._recorder = Recorder(film)
                self._forgotten = weakref.finalize(self, self._recorder.close)  # the film is finished in any case

    def stop_recording(self) -> Recording:
        """What was recorded; the same again where nothing was recorded since. Waits for the end of the film."""
        with self._buttons:
            recorder, self._recorder = self._recorder, None
            if recorder is not None:
                self._forgotten.detach()
                self._recording = recorder.stop(self._receipt())
            return self._recording

    def close(self) -> None:
        """End the worker and finish the film; what was recorded stays to be stopped. May be called again; frames that
        still come pass as in a pause."""
        self._worker.close()
        recorder = self._recorder
        if recorder is not None:
            recorder.close()

    def _receipt(self, age: float = 0.0) -> dict[str, Any]:
        """What made something that was there so many seconds ago."""
        bundle = self._analyzer.recogniser.bundle
        return {
            "program": serialization.PROGRAM,
            "made": (datetime.now().astimezone() - timedelta(seconds=age)).isoformat(timespec="seconds"),
            "model": {"name": bundle.name, "sha256": bundle.sha256},
            "detector": self._analyzer.detector.name,
        }

    # ------------------------------------------------------------------ counting

    def _add(self, **more: int) -> None:
        """Add to counters."""
        with self._lock:
            self._count(**more)

    def _count(self, **more: int) -> None:
        """Add to counters; only with the lock."""
        self._counts = replace(self._counts, **{name: getattr(self._counts, name) + n for name, n in more.items()})

    def fault(self, error: Exception) -> None:
        """Count what went wrong with a frame, and log it where it is not the same as before."""
        text = f"{type(error).__name__}: {error}"
        with self._lock:
            new = text != self._counts.last_fault
            self._count(faults=1)
            self._counts = replace(self._counts, last_fault=text)
        if new:
            log.error("a frame could not be shown", exc_info=error)
