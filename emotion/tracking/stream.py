"""Analyze a camera or a video frame by frame: faces with identities and smoothed labels."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotion.checks import check_timestamp
from emotion.errors import EmotionError, SettingsError
from emotion.faces import Face, FrameResult
from emotion.media.image_reader import ImageSource, as_rgb
from emotion.recognition.analyzer import Analyzer, ColorOrder, load_analyzer
from emotion.recognition.cropping import to_gray
from emotion.recognition.detectors.detection import min_face_size
from emotion.recognition.features.default_network import add_features
from emotion.recognition.features.straightening import reclassify_tilted
from emotion.tracking.calibration import Calibration
from emotion.tracking.label_smoothing import NEUTRAL, TrackInfo, TrackState
from emotion.tracking.region_search import WINDOW_PX, MotionGate, detect_near, search_cost
from emotion.tracking.settings import StreamSettings, StreamStats
from emotion.tracking.tracker import Track, Tracker
from emotion.translation.messages import gettext as _

_TRACKED_SCORE_RATIO: Final = 0.6  # share of the detection threshold that a tracked face needs
_MIN_INTERVAL_RATIO: Final = 0.75  # of the classification interval: frames rarely come exactly when one is due
_MAX_GAP_SECONDS: Final = 0.3  # seconds without a face after which its expression may be another one
_MIN_MATCH_IOU: Final = 0.3  # intersection over union of a detection and the predicted box of its track
_MAX_ASPECT_CHANGE: Final = 0.02  # relative difference of the aspect ratios of two frames of one shot

log = logging.getLogger(__name__)


class _Frame(NamedTuple):
    image: NDArray[np.uint8]  # RGB (H, W, 3)
    gray: NDArray[np.uint8]  # (H, W)
    timestamp: float
    settings: StreamSettings  # of the stream when the frame came


class Stream:
    """Frames in the order of time -> faces with track IDs, smoothed labels and reasons of uncertainty.

    There is one stream for each camera session or video. It may be called from many threads: calls of `process` wait
    for each other. `settings` may be replaced at any time. The state of a face is kept with its track, so memory is
    bounded. Where the settings ask for features, faces have them, smoothed as their scores.

    Args:
        analyzer: The detector and the classifier; the default ones for None.
        settings: The settings; the default ones for None.

    Attributes:
        last_result: The result of the last frame.
        track_info: More about the faces of `last_result`, by track ID.
    """

    def __init__(self, analyzer: Analyzer | None = None, settings: StreamSettings | None = None) -> None:
        self.settings = settings or StreamSettings()
        self.last_result = FrameResult(-1, 0.0)
        self.track_info: Mapping[int, TrackInfo] = MappingProxyType({})
        self._analyzer = analyzer or load_analyzer()
        self._stats = StreamStats()
        self._tracker = Tracker()
        self._motion_gate = MotionGate()
        self._track_states: dict[int, TrackState] = {}
        self._frame_shape: tuple[int, int] = (0, 0)  # height, width of the last frame
        self._last_search = -math.inf  # timestamp of the last search of a whole frame
        self._calibration = Calibration()
        self._lock = threading.Lock()

    @property
    def stats(self) -> StreamStats:
        """A copy of the counters."""
        return replace(self._stats)

    def process(self, image: ImageSource, timestamp: float, *, order: ColorOrder = "rgb") -> FrameResult:
        """Detect, track and classify the faces of the next frame.

        An exception of detector or classifier is counted in `stats`; the tracked faces are then shown at their
        predicted positions for at most `max_lost_seconds`. All tracks end where the time goes backwards or jumps by
        over three seconds, at a cut, and where the aspect ratio changes.

        Args:
            image: The frame, as `as_rgb` takes it.
            timestamp: The time of the frame in seconds.
            order: The order of the colors of an array, "rgb" or "bgr".

        Returns:
            The faces, ordered by track ID.

        Raises:
            ImageError: The frame cannot be read.
            SettingsError: The timestamp is not a finite number, or the model does not have the head of the settings.
        """
        image = as_rgb(image, order=order)
        check_timestamp(timestamp)
        with self._lock:
            frame = _Frame(image, to_gray(image), timestamp, self.settings)
            start = time.perf_counter()
            self._handle_scene_change(frame)
            self._calibration.update(timestamp, self._track_states, self.last_result.faces)
            with self._catch_errors():
                self._detect(frame)
            detected = time.perf_counter()
            faces = self._tracker.predict(timestamp)
            self._update_states(faces, timestamp)
            with self._catch_errors():
                self._classify(frame, faces)
            classified = time.perf_counter()
            self._publish(frame, faces)
            self._stats.frames += 1
            self._stats.detect_ms = _to_ms(detected - start)
            self._stats.classify_ms = _to_ms(classified - detected)
            self._stats.total_ms = _to_ms(time.perf_counter() - start)
            return self.last_result

    def calibrate(self, duration: float = 3.0) -> None:
        """Take what the visible faces show from the next frame on as their neutral expression.

        Afterwards their scores are shifted by it, see `neutral_calibration_shift`, and their movements are those beyond
        the neutral face.

        Args:
            duration: The length of the calibration in seconds.

        Raises:
            EmotionError: No face was classified in the last frame, or the head has no label "neutral".
        """
        scores = next((face.scores for face in self.last_result.faces if face.scores is not None), None)
        if scores is None:
            raise EmotionError(_("No face is visible that could rest; look into the camera and start again."))
        if NEUTRAL not in scores:
            problem = _("The head has the labels {labels}; choose one with {neutral!r} to calibrate.")
            raise EmotionError(problem.format(labels=", ".join(scores), neutral=NEUTRAL))
        self._calibration.start(duration)

    def clear_calibration(self) -> None:
        """Show the scores without a shift from the next frame on."""
        self._calibration.clear()

    @property
    def calibration_seconds_left(self) -> float | None:
        """Seconds until the calibration ends; None while there is none."""
        return self._calibration.seconds_left(self.last_result.timestamp)

    @property
    def calibration_succeeded(self) -> bool | None:
        """Whether the last calibration found a neutral face; None before the first one ends."""
        return self._calibration.succeeded

    def _handle_scene_change(self, frame: _Frame) -> None:
        """Remove the tracks at a cut and where the aspect ratio changes; rescale them where only the size changes."""
        (height, width), (height0, width0) = frame.gray.shape, self._frame_shape
        self._tracker.max_lost_seconds = frame.settings.max_lost_seconds
        has_same_aspect = abs(width * height0 - height * width0) < _MAX_ASPECT_CHANGE * width * height0
        if self._motion_gate.update(frame.gray) or not has_same_aspect:
            self._tracker.clear()
            self._last_search = -math.inf
        elif width != width0:
            self._tracker.rescale(width / width0)
        self._frame_shape = height, width

    def _detect(self, frame: _Frame) -> None:
        """Search near the tracked faces or the whole frame, and the whole frame where a tracked face is not found."""
        recognition, timestamp = frame.settings.recognition, frame.timestamp
        min_score = self._analyzer.min_proposal_score(_TRACKED_SCORE_RATIO * recognition.detection_threshold)
        tracks = self._select_roi_tracks(frame)
        if tracks:
            self._stats.roi_searches += len(tracks)
            boxes = [track.predict(timestamp).box for track in tracks]
            self._update_tracks(frame, detect_near(self._analyzer, frame.image, boxes, min_score), tracks)
        is_any_lost = any(track.is_lost for track in tracks or ())
        is_search_due = self._seconds_since_search(timestamp) >= frame.settings.min_detect_interval
        if tracks is None or (is_any_lost and is_search_due):
            self._stats.full_searches += 1
            self._last_search = timestamp
            self._motion_gate.mark_searched()
            self._update_tracks(frame, self._analyzer.detect(frame.image, min_score, recognition.max_side), None)

    def _select_roi_tracks(self, frame: _Frame) -> list[Track] | None:
        """Select the tracks to search near their positions, perhaps none; None where the whole frame is searched."""
        (height, width), settings = self._frame_shape, frame.settings
        elapsed = self._seconds_since_search(frame.timestamp)
        self._tracker.predict(frame.timestamp)  # removes the tracks where the time jumps
        active = self._tracker.active
        boxes = [track.predict(frame.timestamp).box for track in active]
        is_any_missing = not active or len(active) < len(self._tracker.tracks)
        if elapsed >= settings.detect_interval:
            return None
        if elapsed >= settings.min_detect_interval and (
            is_any_missing or self._motion_gate.has_motion(boxes, width, height)
        ):
            return None
        selected = sorted(active, key=lambda track: track.last_seen)[: settings.max_roi_searches]
        is_full_cheaper = len(selected) * WINDOW_PX**2 >= search_cost(width, height, settings.recognition.max_side)
        return None if selected and is_full_cheaper else selected

    def _seconds_since_search(self, timestamp: float) -> float:
        """Seconds since the last search of a whole frame; infinite where the time goes backwards."""
        return timestamp - self._last_search if timestamp >= self._last_search else math.inf

    def _update_tracks(self, frame: _Frame, faces: tuple[Face, ...], searched: list[Track] | None) -> None:
        """Pass detections to the tracker; where scores are fused, new faces are classified first."""
        recognition = frame.settings.recognition
        if self._analyzer.score_fusion:
            boxes = [track.predict(frame.timestamp).box for track in self._tracker.active]
            tracked = [face for face in faces if any(face.box.iou(box) >= _MIN_MATCH_IOU for box in boxes)]
            new = tuple(face for face in faces if face not in tracked)
            classified = self._analyzer.classify(frame.gray, new, recognition.head) if new else ()
            min_size = min_face_size(frame.gray.shape, recognition.max_side)
            confirmed = self._analyzer.filter_by_fused_score(classified, recognition.detection_threshold, min_size)
            faces = (*tracked, *(classified_face.face for classified_face in confirmed))
        self._tracker.update(faces, frame.timestamp, searched, recognition.detection_threshold)

    def _update_states(self, faces: tuple[Face, ...], timestamp: float) -> None:
        """Keep one state for each track."""
        track_ids = {track.track_id for track in self._tracker.tracks}
        self._track_states = {key: state for key, state in self._track_states.items() if key in track_ids}
        visible = {face.track_id for face in faces if face.track_id is not None}
        for track_id in visible:
            self._track_states.setdefault(track_id, TrackState()).mark_seen(timestamp, _MAX_GAP_SECONDS)
        for track_id in self._track_states.keys() - visible:
            self._track_states[track_id].mark_lost(self.last_result.timestamp)

    def _get_state(self, face: Face) -> TrackState:
        return self._track_states[face.track_id or 0]

    def _classify(self, frame: _Frame, faces: tuple[Face, ...]) -> None:
        """Classify the faces that are due in one call."""
        settings, recognition = frame.settings, frame.settings.recognition
        due = [
            face
            for face in faces
            if frame.timestamp - self._get_state(face).last_updated >= _MIN_INTERVAL_RATIO / settings.classify_hz
        ]
        due = tuple(sorted(due, key=lambda face: self._get_state(face).last_updated)[: settings.max_faces_per_frame])
        if due:
            self._stats.classifications += len(due)
            classify = partial(self._analyzer.classify, frame.gray, head=recognition.head)
            geometry = self._analyzer.detector.crop_geometry
            classified = reclassify_tilted(frame.gray, classify(due), geometry, classify)
            for item in classified:
                self._get_state(item.face).update(item, frame.timestamp, settings.half_life)
            if recognition.features:
                due = tuple(item.face for item in classified)  # tilted ones with the landmarks of their points
                for face in add_features(frame.gray, due, geometry):
                    self._get_state(face).features.update(face, frame.timestamp, settings.half_life)

    def _publish(self, frame: _Frame, faces: tuple[Face, ...]) -> None:
        """Set `last_result` and `track_info`."""
        faces, settings = self._remove_rejected(frame, faces), frame.settings
        limits = settings.recognition.min_confidence, settings.switch_margin, settings.switch_delay
        displayed = tuple(self._get_state(face).apply_to(face, frame.timestamp, *limits) for face in faces)
        if settings.recognition.features:
            displayed = tuple(self._get_state(face).features.apply_to(face) for face in displayed)
        self.last_result = FrameResult(self.last_result.index + 1, frame.timestamp, displayed)
        infos = ((face.track_id, self._get_state(face).info) for face in faces)
        self.track_info = MappingProxyType({key: info for key, info in infos if key is not None and info is not None})

    def _remove_rejected(self, frame: _Frame, faces: tuple[Face, ...]) -> tuple[Face, ...]:
        """Remove the tracks whose fused score is too low, where scores are fused; return the others with that score."""
        if not self._analyzer.score_fusion:
            return faces
        min_score = _TRACKED_SCORE_RATIO * frame.settings.recognition.detection_threshold
        scored = [
            replace(face, detection_score=self._analyzer.fused_score(face, self._get_state(face).face_prob))
            for face in faces
        ]
        for face in scored:
            if face.detection_score < min_score:
                self._tracker.remove(face.track_id)
        return tuple(face for face in scored if face.detection_score >= min_score)

    @contextmanager
    def _catch_errors(self) -> Iterator[None]:
        """Count the exceptions of a stage, and log each one that differs from the last one."""
        try:
            yield
        except SettingsError:  # it would be the same for each frame
            raise
        except Exception as error:  # one bad frame must not end a stream
            text = f"{type(error).__name__}: {error}"
            if text != self._stats.last_error:
                log.exception("detection or classification of a frame failed")
            self._stats.errors += 1
            self._stats.last_error = text


def _to_ms(seconds: float) -> float:
    return round(1e3 * seconds, 3)
