"""The flow from frame after frame to faces with identity: the only part that remembers."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotion.checks import check_count, check_number, check_timestamp
from emotion.errors import EmotionError, SettingsError
from emotion.faces import Face, FrameResult
from emotion.media.image_reader import ImageSource, as_rgb
from emotion.recognition.analyzer import Analyzer, AnalyzerSettings, ColorOrder, load_analyzer, min_face_size
from emotion.recognition.cropping import to_gray
from emotion.tracking.label_smoothing import NEUTRAL, TrackInfo, TrackState
from emotion.tracking.region_search import WINDOW_PX, MotionGate, detect_near, search_cost
from emotion.tracking.tracker import Track, Tracker

_TRACKED_SCORE_RATIO: Final = 0.6  # share of the least score that is enough for a face that is known
_MIN_INTERVAL_RATIO: Final = (
    0.75  # frames do not fall on the beat: a reading a little early is better than one much too late
)
_MAX_GAP_SECONDS: Final = 0.3  # seconds after which a face that comes back may look quite different
_MIN_MATCH_IOU: Final = 0.3  # overlap (IoU) from which a proposal is taken for the face that is known there

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StreamSettings:
    """What can be chosen for a stream; seconds are those of the frames."""

    recognition: AnalyzerSettings = field(
        default_factory=lambda: AnalyzerSettings(max_side=640)
    )  # a camera's picture is searched whole
    half_life: float = 0.5  # seconds after which a reading counts half; 0 shows every reading as it is
    switch_margin: float = 0.2  # lead (a probability) by which another label is shown at once
    switch_delay: float = (
        0.6  # seconds for which another label must lead by less; at 0.4 noise changed labels twice as often
    )
    classify_hz: float = (
        12.0  # readings of each face in a second; expressions last longer than 1/25 s, and each costs 2 ms
    )
    detect_interval: float = 0.5  # seconds between two searches of the whole picture: how late a new face may be seen
    min_detect_interval: float = (
        0.1  # the same while nobody is there, somebody was just lost or the picture has changed
    )
    max_roi_searches: int = 4  # faces looked for near their places in one frame, the longest unseen first
    max_faces_per_frame: int = 8  # faces read in one frame, the longest unread first
    max_lost_seconds: float = 1.0  # seconds for which a lost face is waited for under its number

    def __post_init__(self) -> None:
        if not isinstance(self.recognition, AnalyzerSettings):
            raise SettingsError(f"The setting recognition is {self.recognition!r}; expected AnalyzerSettings.")
        for name in (
            "half_life",
            "switch_delay",
            "classify_hz",
            "detect_interval",
            "min_detect_interval",
            "max_lost_seconds",
        ):
            check_number(name, getattr(self, name), 0)
        check_number("switch_margin", self.switch_margin, 0, 1)
        check_count("max_roi_searches", self.max_roi_searches, 0)
        check_count("max_faces_per_frame", self.max_faces_per_frame, 1)


@dataclass(frozen=True)
class StreamStats:
    """What a stream did so far, and the milliseconds that its last frame took."""

    frames: int = 0
    full_searches: int = 0  # of the whole picture
    roi_searches: int = 0  # windows around known faces
    classifications: int = 0  # faces read by the classifier
    errors: int = 0  # exceptions of detector and classifier that were caught
    last_error: str | None = None  # what the last one said
    detect_ms: float = 0.0
    classify_ms: float = 0.0
    total_ms: float = 0.0


class _Frame(NamedTuple):
    image: NDArray[np.uint8]  # RGB (H, W, 3)
    gray: NDArray[np.uint8]  # (H, W)
    timestamp: float
    settings: StreamSettings  # as they were when it came


class Stream:
    """Frame and time -> faces with numbers, calm labels and reasons. One for each camera session or film.

    May be used from many threads; the calls of `process` wait for each other, nothing else waits for them. `settings`
    may be replaced at any time. What is kept of a face goes with its track, so the memory stays bounded.
    """

    def __init__(self, analyzer: Analyzer | None = None, settings: StreamSettings | None = None) -> None:
        self.settings = settings or StreamSettings()
        self.stats = StreamStats()
        self.last_result = FrameResult(-1, 0.0)
        self.track_info: Mapping[int, TrackInfo] = MappingProxyType(
            {}
        )  # of the faces in `last_result`, by their numbers
        self._analyzer = analyzer or load_analyzer()
        self._tracker = Tracker()
        self._motion_gate = MotionGate()
        self._track_states: dict[int, TrackState] = {}
        self._frame_shape: tuple[int, int] = (0, 0)  # height, width of the last frame
        self._last_search = -math.inf  # seconds of the last search of a whole picture
        self._pending_calibration: float | None = None  # seconds of a calibration to begin, 0 to end all
        self._calibration_end: float | None = None
        self.calibration_succeeded: bool | None = (
            None  # whether the last calibration took a resting face; None where none ended
        )
        self._lock = threading.Lock()

    def process(self, image: ImageSource, timestamp: float, *, order: ColorOrder = "rgb") -> FrameResult:
        """The faces of the next frame by number; `timestamp` is the frame's own time.

        The frame may be all that `as_rgb` takes, the colors of an array in the `order` "rgb" or "bgr".

        Where detector or classifier raise, the fault is counted in `stats`, and the faces known so far are shown
        where they should be, for at most `max_lost_seconds` seconds. Everybody is new where the time goes backwards or jumps by
        over 3 seconds, at a cut, and where the picture gets another shape (not where it only gets another size).
        Raises `ImageError` for what is no image, and `SettingsError` for a time that is no number and for a head that
        the model does not have.
        """
        image = as_rgb(image, order=order)
        check_timestamp(timestamp)
        with self._lock:
            started = time.perf_counter()
            frame = _Frame(image, to_gray(image), timestamp, self.settings)
            self._handle_scene_change(frame)
            self._update_calibration(timestamp)
            with self._catch_errors():
                self._detect(frame)
            searched = time.perf_counter()
            faces = self._tracker.predict(timestamp)
            self._update_states(faces, timestamp)
            with self._catch_errors():
                self._classify(frame, faces)
            read = time.perf_counter()
            self._publish(frame, faces)
            self._increment_stats(frames=1)
            stages = {
                "detect_ms": searched - started,
                "classify_ms": read - searched,
                "total_ms": time.perf_counter() - started,
            }
            self.stats = replace(self.stats, **{name: round(1e3 * passed, 3) for name, passed in stages.items()})
            return self.last_result

    def calibrate(self, duration: float = 3.0) -> None:
        """From the next frame on and for that long, what the visible faces show is their resting face; then their
        scores are read against it, see `neutral_calibration_shift`. `EmotionError` where no face was read in the last frame or
        the labels have no "neutral"."""
        shown = [face.scores for face in self.last_result.faces if face.scores is not None]
        if not shown:
            raise EmotionError("No face is visible that could rest; look into the camera and start again.")
        if NEUTRAL not in shown[0]:
            raise EmotionError(
                f"The chosen answer has the labels {', '.join(shown[0])}; a resting face needs one with {NEUTRAL!r}."
            )
        self._pending_calibration = duration

    def clear_calibration(self) -> None:
        """From the next frame on, show all scores as the classifier gives them."""
        self._pending_calibration = 0.0

    @property
    def calibration_seconds_left(self) -> float | None:
        """Seconds that the resting faces are still looked at; None while they are not."""
        until = self._calibration_end  # read once: the next frame may end it
        return self._pending_calibration or (until and max(0.0, until - self.last_result.timestamp))

    def _handle_scene_change(self, frame: _Frame) -> None:
        """Bring what is known of places in line with a picture of another size, another shape or another shot."""
        (height, width), (height0, width0) = frame.gray.shape, self._frame_shape
        self._tracker.max_lost_seconds = frame.settings.max_lost_seconds
        alike = abs(width * height0 - height * width0) < 0.02 * width * height0
        if self._motion_gate.update(frame.gray) or not alike:
            self._tracker.clear()
            self._last_search = -math.inf
        elif width != width0:
            self._tracker.rescale(width / width0)
        self._frame_shape = height, width

    def _update_calibration(self, timestamp: float) -> None:
        """Begin or end what `calibrate` and `clear_calibration` asked for."""
        wish, self._pending_calibration = self._pending_calibration, None
        if wish is not None:
            self.calibration_succeeded = None
        if wish == 0:
            self._calibration_end = None
            for memory in self._track_states.values():
                memory.clear_calibration()
        elif wish is not None:
            self._calibration_end = timestamp + wish
            for face in self.last_result.faces:
                self._get_state(face).start_calibration()
        elif self._calibration_end is not None and timestamp >= self._calibration_end:
            self._calibration_end = None
            ended = [memory.finish_calibration() for memory in self._track_states.values()]
            self.calibration_succeeded = any(ended)

    def _detect(self, frame: _Frame) -> None:
        """Search near the known faces or the whole picture; also the whole where one of them is not in its place."""
        recognition, seconds = frame.settings.recognition, frame.timestamp
        least = self._analyzer.min_proposal_score(_TRACKED_SCORE_RATIO * recognition.detection_threshold)
        near = self._select_roi_tracks(frame)
        if near:
            self._increment_stats(roi_searches=len(near))
            boxes = [track.predict(seconds).box for track in near]
            self._update_tracks(frame, detect_near(self._analyzer, frame.image, boxes, least), near)
        missed = any(track.is_lost for track in near or ())
        if near is None or (missed and self._seconds_since_search(seconds) >= frame.settings.min_detect_interval):
            self._increment_stats(full_searches=1)
            self._last_search = seconds
            self._motion_gate.mark_searched()
            self._update_tracks(frame, self._analyzer.detect(frame.image, least, recognition.max_side), None)

    def _select_roi_tracks(self, frame: _Frame) -> list[Track] | None:
        """The tracks to look for near their places in this frame, perhaps none; None: search the whole picture."""
        (height, width), settings, passed = (
            self._frame_shape,
            frame.settings,
            self._seconds_since_search(frame.timestamp),
        )
        self._tracker.predict(frame.timestamp)  # forgets them all where the time jumped
        present = self._tracker.active
        boxes = [track.predict(frame.timestamp).box for track in present]
        restless = not present or len(present) < len(self._tracker.tracks)
        if passed >= settings.detect_interval:
            return None
        if passed >= settings.min_detect_interval and (restless or self._motion_gate.has_motion(boxes, width, height)):
            return None
        near = sorted(present, key=lambda track: track.last_seen)[: settings.max_roi_searches]
        dearer = len(near) * WINDOW_PX**2 >= search_cost(width, height, settings.recognition.max_side)
        return None if near and dearer else near

    def _seconds_since_search(self, timestamp: float) -> float:
        """Seconds since the last search of a whole picture; endless where the time went backwards."""
        return timestamp - self._last_search if timestamp >= self._last_search else math.inf

    def _update_tracks(self, frame: _Frame, faces: tuple[Face, ...], searched: list[Track] | None) -> None:
        """Give what was found to the tracker; what lies where no face is known must be confirmed first."""
        recognition = frame.settings.recognition
        if self._analyzer.score_fusion:
            places = [track.predict(frame.timestamp).box for track in self._tracker.active]
            known = [face for face in faces if any(face.box.iou(place) >= _MIN_MATCH_IOU for place in places)]
            new = tuple(face for face in faces if face not in known)
            readings = self._analyzer.classify(frame.gray, new, recognition.head) if new else ()
            least = min_face_size(frame.gray.shape, recognition.max_side)
            readings = self._analyzer.filter_by_fused_score(readings, recognition.detection_threshold, least)
            faces = (*known, *(reading.face for reading in readings))
        self._tracker.update(faces, frame.timestamp, searched, recognition.detection_threshold)

    def _update_states(self, faces: tuple[Face, ...], timestamp: float) -> None:
        """One for each track, and none besides; what was away for long is read anew."""
        known = {track.track_id for track in self._tracker.tracks}
        self._track_states = {number: memory for number, memory in self._track_states.items() if number in known}
        present = {face.track_id for face in faces if face.track_id is not None}
        for number in present:
            self._track_states.setdefault(number, TrackState()).mark_seen(timestamp, _MAX_GAP_SECONDS)
        for number in self._track_states.keys() - present:
            self._track_states[number].mark_lost(self.last_result.timestamp)

    def _get_state(self, face: Face) -> TrackState:
        """What is remembered of a face that the tracker gave."""
        return self._track_states[face.track_id or 0]

    def _classify(self, frame: _Frame, faces: tuple[Face, ...]) -> None:
        """Read the faces that are due, all in one call."""
        settings, recognition = frame.settings, frame.settings.recognition
        due = [
            face
            for face in faces
            if frame.timestamp - self._get_state(face).last_updated >= _MIN_INTERVAL_RATIO / settings.classify_hz
        ]
        due = tuple(sorted(due, key=lambda face: self._get_state(face).last_updated)[: settings.max_faces_per_frame])
        if due:
            self._increment_stats(classifications=len(due))
            for reading in self._analyzer.classify(frame.gray, due, recognition.head):
                self._get_state(reading.face).update(reading, frame.timestamp, settings.half_life)

    def _publish(self, frame: _Frame, faces: tuple[Face, ...]) -> None:
        """Make the result; where the classifier has a say, those stay that it goes on to take for faces."""
        if self._analyzer.score_fusion:
            least = _TRACKED_SCORE_RATIO * frame.settings.recognition.detection_threshold
            judged = [
                replace(face, detection_score=self._analyzer.fused_score(face, self._get_state(face).face_prob))
                for face in faces
            ]
            for face in judged:
                if face.detection_score < least:
                    self._tracker.remove(face.track_id)
            faces = tuple(face for face in judged if face.detection_score >= least)
        settings = frame.settings
        rule = frame.timestamp, settings.recognition.min_confidence, settings.switch_margin, settings.switch_delay
        shown = tuple(self._get_state(face).apply_to(face, *rule) for face in faces)
        notes = {
            face.track_id: note for face in faces if face.track_id is not None and (note := self._get_state(face).info)
        }
        self.last_result, self.track_info = (
            FrameResult(self.last_result.index + 1, frame.timestamp, shown),
            MappingProxyType(notes),
        )

    def _increment_stats(self, **counts: int) -> None:
        self.stats = replace(self.stats, **{name: getattr(self.stats, name) + n for name, n in counts.items()})

    @contextmanager
    def _catch_errors(self) -> Iterator[None]:
        """What a stage raises is counted, and written to the log when it is not the same as before."""
        try:
            yield
        except SettingsError:  # no fault of this frame: it would be the same for all
            raise
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            if text != self.stats.last_error:
                log.exception("a frame could not be read wholly")
            self._increment_stats(errors=1)
            self.stats = replace(self.stats, last_error=text)
