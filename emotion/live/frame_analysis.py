"""Analyze one frame of a camera: faces, annotated image, thumbnails and saliency."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from emotion.faces import Face, FrameResult, HeadPose, Scores
from emotion.live.state import CalibrationState, LiveFace, LiveOptions
from emotion.media.image_array import ImageArray, downscale
from emotion.movements import swap_sides
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.annotation import annotate
from emotion.recognition.anonymizer import Anonymizer, pixelate_all
from emotion.recognition.cropping import crop_faces, to_gray
from emotion.recognition.saliency import overlay_class_activation
from emotion.results import serialization
from emotion.results.photos import remove_features
from emotion.tracking.settings import StreamSettings, StreamStats
from emotion.tracking.stream import Stream

THUMBNAIL_SIDE_PX: Final = 160


@dataclass(frozen=True)
class AnalyzedFrame:
    """One frame that was analyzed.

    Attributes:
        result: The faces and the timestamp.
        clean_image: The frame, RGB uint8 (H, W, 3).
        annotated_image: The frame with boxes and labels.
        is_anonymized: Whether faces are pixelated in both images.
        arrival_time: When the frame arrived, in seconds of the session's clock.
        head: The head of the classifier that was used.
        raw_scores: Scores before calibration of the calibrated faces, by track id.
        stats: Statistics of the stream.
        draw_ms: Duration of the annotation.
        calibration: The calibration when the frame was analyzed.
    """

    result: FrameResult
    clean_image: ImageArray
    annotated_image: ImageArray
    is_anonymized: bool
    arrival_time: float
    head: str | None
    raw_scores: Mapping[int, Scores]
    stats: StreamStats
    draw_ms: float
    calibration: CalibrationState

    @property
    def frame_size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        height, width = self.clean_image.shape[:2]
        return width, height

    def faces(self, anonymize: bool) -> tuple[LiveFace, ...]:
        """Return its faces; with `anonymize` pixelated, even if they were not when the frame arrived."""
        faces = remove_features(self.result.faces) if anonymize else self.result.faces
        return tuple(
            LiveFace(face, self.make_thumbnail(face, anonymize), self.raw_scores.get(face.track_id or 0))
            for face in faces
        )

    def faces_with_saliency(self, analyzer: Analyzer, anonymize: bool, max_faces: int) -> tuple[LiveFace, ...]:
        """Return `faces` with class activation maps in the thumbnails of the first `max_faces`.

        Without them where faces are anonymized or the classifier provides none.
        """
        faces, classifier = self.faces(anonymize), analyzer.classifier
        if anonymize or self.is_anonymized or not max_faces or not classifier.has_cam(self.head):
            return faces
        labels = classifier.bundle.heads[self.head or classifier.bundle.default_head].labels
        selected = faces[:max_faces]
        crops = crop_faces(
            to_gray(self.clean_image),
            tuple(live_face.face for live_face in selected),
            analyzer.detector.crop_geometry,
            classifier.input_size,
        )
        explained = list[LiveFace]()
        for live_face, crop in zip(selected, crops, strict=True):
            label = live_face.face.label
            # A face that was not classified since the head changed has a label of the previous head.
            if label is not None and label in labels:
                thumbnail = overlay_class_activation(classifier, crop, label, self.head, THUMBNAIL_SIDE_PX)
                live_face = replace(live_face, thumbnail=thumbnail)
            explained.append(live_face)
        return (*explained, *faces[max_faces:])

    def display_image(self, anonymize: bool) -> ImageArray:
        """Return the annotated image; with `anonymize` pixelated, even if it was not when the frame arrived."""
        return pixelate_all(self.annotated_image) if anonymize and not self.is_anonymized else self.annotated_image

    def make_thumbnail(self, face: Face, anonymize: bool) -> ImageArray:
        """Return the part of the frame around one of its faces, of at most `THUMBNAIL_SIDE_PX`."""
        crop = downscale(serialization.crop_with_margin(self.clean_image, face), THUMBNAIL_SIDE_PX)
        return pixelate_all(crop) if anonymize else crop.copy()


class FrameAnalyzer:
    """Analyzes the frames of one camera in time order; `on_error` receives errors that cost only anonymization."""

    def __init__(self, analyzer: Analyzer, stream: Stream, on_error: Callable[[Exception], None]) -> None:
        self._stream = stream
        self._anonymizer = Anonymizer(analyzer)
        self._on_error = on_error

    def analyze(
        self, image: ImageArray, timestamp: float, options: LiveOptions, *, arrival_time: float
    ) -> AnalyzedFrame:
        """Find the faces in a frame and annotate it."""
        stream = self._stream
        stream.settings = _hide_features(options.stream) if options.anonymize else options.stream
        result = stream.process(image, timestamp)
        if options.mirror:
            result = replace(result, faces=tuple(map(_name_own_sides, result.faces)))
        started = time.perf_counter()
        clean = self._anonymize(image, timestamp, result, options) if options.anonymize else image
        annotated = annotate(clean, result.faces, points=options.draw_points)
        return AnalyzedFrame(
            result=result,
            clean_image=clean,
            annotated_image=annotated,
            is_anonymized=options.anonymize,
            arrival_time=arrival_time,
            head=options.stream.recognition.head,
            raw_scores={track: info.raw_scores for track, info in stream.track_info.items() if info.is_calibrated},
            stats=stream.stats,
            draw_ms=round(1e3 * (time.perf_counter() - started), 3),
            calibration=CalibrationState(stream.calibration_seconds_left, stream.calibration_succeeded),
        )

    def _anonymize(self, image: ImageArray, timestamp: float, result: FrameResult, options: LiveOptions) -> ImageArray:
        """Pixelate the faces; the whole image where their places are unknown because of an error."""
        try:
            boxes = [face.box for face in result.faces]
            return self._anonymizer.apply(image, boxes, timestamp, options.stream.recognition)
        except Exception as error:  # whatever fails, no recognizable face may leave the session
            self._on_error(error)
            return pixelate_all(image)


def _hide_features(settings: StreamSettings) -> StreamSettings:
    return replace(settings, recognition=replace(settings.recognition, features=False))


def _name_own_sides(face: Face) -> Face:
    """Return a face of a mirrored frame with the sides of the person in the names of movements and in the head pose."""
    features = face.features
    if features is None:
        return face
    pose = features.pose and HeadPose(-features.pose.yaw, features.pose.pitch, -features.pose.roll)
    return replace(face, features=replace(features, pose=pose, movements=swap_sides(features.movements)))
