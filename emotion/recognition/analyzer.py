"""The flow from a picture to labelled faces. It forgets everything between two pictures."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.boxes import non_max_suppression, to_xyxy
from emotion.checks import check_count, check_number
from emotion.errors import SettingsError
from emotion.faces import Box, Face
from emotion.media.image_reader import ImageSource, as_rgb, rotate
from emotion.model_store.store import get_default_model, open_model
from emotion.recognition.classification import ExpressionClassifier, Prediction
from emotion.recognition.cropping import crop_faces, to_gray, tta_crops
from emotion.recognition.detection import FaceDetector, max_search_scale, search_scale
from emotion.recognition.detector_factory import make_detector
from emotion.recognition.onnx_detector import OnnxFaceDetector
from emotion.recognition.score_fusion import ScoreFusion

# An `AnalyzerSettings.max_side` with which no image is reduced and those of at most 4096 pixels are searched enlarged twice: faces
# from 12 pixels are found. The network reads at most 171 million pixels, 99 of an image of 4000 x 3000.
FULL_RESOLUTION_SIDE: Final = 16384
Rotation = Literal[0, 90, 180, 270]
ColorOrder = Literal["rgb", "bgr"]

# How sure detector and classifier together must be of the faces, on average, for the photo to be taken as upright; and
# how many times more all faces of another turn must weigh. Chosen on 360 photos, 120 of them unknown to the detector:
# of 104 of these with faces 102 stay as they are, and turned wrong 282 of 312 are turned back.
_UPRIGHT_SCORE: Final = 0.8
_ROTATION_MARGIN: Final = 1.5
_MIN_ROTATED_SCORE: Final = 0.5  # the same of the surest face of a turn that may be taken
_MAX_TRIAL_SIDE: Final = 1280  # pixels, the most that other turns are searched with until one is taken
_MIN_FACE_PROB: Final = 0.1  # the classifier's face score below which a face is not named
_MIN_RIVAL_RATIO: Final = 0.5  # share of the highest probability from which the second label is named beside the first
_MAX_FACE_IOU: Final = 0.3  # intersection over union of two boxes above which they are of one face
_CANDIDATE_RATIO: Final = 0.6  # share of the least score of a face that is enough to hide what may be one
_MIN_SEARCHED_PX: Final = 20.0  # pixels where it is searched; a smaller face comes out in a finer search
_MIN_FACE_PX: Final = 12.0  # pixels of the image itself, with `FULL_RESOLUTION_SIDE`


@dataclass(frozen=True)
class AnalyzerSettings:
    """What a person can choose for an analysis."""

    detection_threshold: float = 0.6  # least score of a face, 0 to 1
    # A label with less confidence is shown as unsure, 0 to 1. Of the validation faces on which most people agree, the
    # shipped classifier names nine of ten from there on, and is right for nine of ten of those.
    min_confidence: float = 0.5
    max_side: int = 1280  # larger images are searched reduced to this long side in pixels, see `search_scale`
    head: str | None = None  # the classifier's answer to show; None takes the one of its card

    def __post_init__(self) -> None:
        check_number("detection_threshold", self.detection_threshold, 0, 1)
        check_number("min_confidence", self.min_confidence, 0, 1)
        check_count("max_side", self.max_side, 1)
        if not isinstance(self.head, str | None):
            raise SettingsError(
                f"The setting head is {self.head!r}; expected the name of a head of the model, or None."
            )


class ClassifiedFace(NamedTuple):
    """What the classifier says of a face, and the grey uint8 square that it read."""

    face: Face
    crop: NDArray[np.uint8]
    prediction: Prediction


class OrientedResult(NamedTuple):
    """A picture as it was read, whichever way up it came: RGB uint8 (H, W, 3), turned clockwise by the degrees
    `rotation`; its faces; and the boxes of all that may be one, see `Analyzer.candidate_boxes`."""

    image: NDArray[np.uint8]
    faces: tuple[Face, ...]
    rotation: Rotation
    candidate_boxes: tuple[Box, ...]


class Analyzer:
    """Image -> faces. Shared by all sessions; safe to call from many threads.

    An image may be all that `as_rgb` takes, by default with the colors of an array in the order RGB.
    """

    def __init__(self, detector: FaceDetector, classifier: ExpressionClassifier) -> None:
        self.detector = detector
        self.classifier = classifier
        self._face_classifier = _choose_face_classifier(detector, classifier)
        self.score_fusion = _load_score_fusion(detector, self._face_classifier)  # None where the detector alone decides
        self._lock = threading.Lock()  # OpenCV's detectors keep state while they search

    def analyze(
        self, image: ImageSource, settings: AnalyzerSettings | None = None, *, order: ColorOrder = "rgb"
    ) -> tuple[Face, ...]:
        """Find the faces of an image and score their expressions.

        Args:
            image: A path, the bytes of a file, a Pillow image or an array, as `as_rgb` takes them.
            settings: What to search for; the default settings for None.
            order: The order of the colors of an array, "rgb", or "bgr" as OpenCV has it.

        Returns:
            The faces in reading order; () where there is none.

        Raises:
            ImageError: Where the image cannot be read.
            SettingsError: Where the model does not have the head of the settings.
        """
        settings = settings or AnalyzerSettings()
        return _label_faces(self.classify_all(as_rgb(image, order=order), settings, tta=True), settings.min_confidence)

    def classify_all(
        self, image: ImageSource, settings: AnalyzerSettings, *, tta: bool = False
    ) -> tuple[ClassifiedFace, ...]:
        """The faces of an image as they were read, surest first where detector and classifier decide together;
        `tta` as in `classify`."""
        image = as_rgb(image)
        found = self.detect(image, self.min_proposal_score(settings.detection_threshold), settings.max_side)
        return self._classify_detections(image, found, settings, tta)

    def _classify_detections(
        self, image: NDArray[np.uint8], faces: tuple[Face, ...], settings: AnalyzerSettings, tta: bool
    ) -> tuple[ClassifiedFace, ...]:
        readings = self.classify(to_gray(image), faces, settings.head, tta=tta)
        return self.filter_by_fused_score(
            readings, settings.detection_threshold, min_face_size(image.shape, settings.max_side)
        )

    def detect(self, image: ImageSource, threshold: float, max_side: int) -> tuple[Face, ...]:
        """What the detector finds, see `FaceDetector.detect`; not `filter_by_fused_score` yet."""
        image = as_rgb(image)
        with self._lock:
            return self.detector.detect(image, threshold, max_side)

    def min_proposal_score(self, threshold: float) -> float:
        """The detector's least score of what may turn out to be a face, where `min_confidence` is that of a face."""
        return self.score_fusion.min_proposal_score(threshold) if self.score_fusion else threshold

    def candidate_boxes(self, image: ImageSource, settings: AnalyzerSettings) -> tuple[Box, ...]:
        """The boxes in an image of all that may be a face, also where that is not sure enough to be shown
        as one: what is to be hidden where faces are."""
        return tuple(face.box for face in self._detect_candidates(image, settings))

    def _detect_candidates(self, image: ImageSource, settings: AnalyzerSettings) -> tuple[Face, ...]:
        least = min(
            _CANDIDATE_RATIO * settings.detection_threshold, self.min_proposal_score(settings.detection_threshold)
        )
        return self.detect(image, least, settings.max_side)

    def filter_by_fused_score(
        self, classified_faces: tuple[ClassifiedFace, ...], threshold: float, min_size: float
    ) -> tuple[ClassifiedFace, ...]:
        """The readings of faces, surest first, with what detector and classifier together say as detection score;
        without those that lie on a better one or are smaller than `least` (pixels, the root of the area). All of them
        where the detector alone decides."""
        if self.score_fusion is None:
            return classified_faces
        judged = [
            reading._replace(
                face=replace(reading.face, detection_score=self.fused_score(reading.face, reading.prediction.face_prob))
            )
            for reading in classified_faces
            if reading.face.box.area >= min_size * min_size
        ]
        certain = [classified for classified in judged if classified.face.detection_score >= threshold]
        scores = np.array([classified.face.detection_score for classified in certain])
        boxes = to_xyxy(classified.face.box for classified in certain)
        return tuple(certain[index] for index in non_max_suppression(boxes, scores, max_iou=_MAX_FACE_IOU))

    def fused_score(self, face: Face, face_prob: float) -> float:
        """How likely a found face is one, where the classifier says `verdict`, 0 to 1."""
        return self.score_fusion.fuse(face.detection_score, face_prob) if self.score_fusion else face.detection_score

    def classify(
        self, gray: NDArray[np.uint8], faces: tuple[Face, ...], head: str | None, *, tta: bool = False
    ) -> tuple[ClassifiedFace, ...]:
        """What one call of the classifier says of faces in a grey picture (H, W), in their order. `tta`: after
        three looks at each, which takes three times as long."""
        cut = tta_crops if tta else crop_faces
        crops = cut(gray, faces, self.detector.crop_geometry, self.classifier.input_size)
        verdicts = self.classifier.predict(crops, head)
        if self._face_classifier is not self.classifier:
            seen = self._face_classifier.predict_face_probs(
                crop_faces(gray, faces, self.detector.crop_geometry, self._face_classifier.input_size)
            )
            verdicts = [replace(verdict, face_prob=float(face)) for verdict, face in zip(verdicts, seen, strict=True)]
        return tuple(ClassifiedFace(*parts) for parts in zip(faces, crops[0] if tta else crops, verdicts, strict=True))

    def analyze_any_orientation(
        self, image: ImageSource, settings: AnalyzerSettings | None = None, *, order: ColorOrder = "rgb"
    ) -> OrientedResult:
        """As `analyze`; where the faces are not plain, the image turned clockwise by 90, 180 and 270 degrees is
        tried, and taken where its faces are much plainer and one of them is sure."""
        settings, image = settings or AnalyzerSettings(), as_rgb(image, order=order)
        best = self._analyze_rotated(image, 0, settings)
        if best.upright_score <= _UPRIGHT_SCORE * len(best.classified_faces):
            most = _ROTATION_MARGIN * best.upright_score
            trial = replace(settings, max_side=min(settings.max_side, _MAX_TRIAL_SIDE))
            quarters: tuple[Rotation, ...] = (90, 270, 180)
            for quarter in quarters:
                turned = self._analyze_rotated(image, quarter, trial)
                if (
                    turned.upright_score > most
                    and max(map(self._upright_score, turned.classified_faces)) >= _MIN_ROTATED_SCORE
                ):
                    most, best = turned.upright_score, turned
            if best.rotation and trial != settings:
                best = self._analyze_rotated(image, best.rotation, settings)
        suspected = tuple(face.box for face in best.candidates)
        return OrientedResult(
            best.image, _label_faces(best.classified_faces, settings.min_confidence), best.rotation, suspected
        )

    def _analyze_rotated(
        self, image: NDArray[np.uint8], rotation: Rotation, settings: AnalyzerSettings
    ) -> _RotatedAnalysis:
        turned = rotate(image, rotation) if rotation else image
        # One search gives both: a detector's surer finds are the same whatever less sure ones are asked for.
        suspects = self._detect_candidates(turned, settings)
        found = tuple(
            face for face in suspects if face.detection_score >= self.min_proposal_score(settings.detection_threshold)
        )
        readings = self._classify_detections(turned, found, settings, tta=True)
        return _RotatedAnalysis(turned, readings, rotation, suspects, sum(map(self._upright_score, readings)))

    def _upright_score(self, classified_face: ClassifiedFace) -> float:
        """How sure both are that it is a face the right way up, 0 to 1: the classifier learned upright ones only, the
        detector takes a face on its side, or the knot of a tie, for one as well. One that only proposes has no say."""
        return classified_face.prediction.face_prob * (
            1.0 if self.detector.needs_verification else classified_face.face.detection_score
        )


class _RotatedAnalysis(NamedTuple):
    """What was found in a picture that was turned by `rotation` degrees clockwise."""

    image: NDArray[np.uint8]
    classified_faces: tuple[ClassifiedFace, ...]
    rotation: Rotation
    candidates: tuple[Face, ...]  # all that may be a face
    upright_score: float  # of the readings, together


def _label_faces(classified_faces: tuple[ClassifiedFace, ...], min_confidence: float) -> tuple[Face, ...]:
    """The faces with their scores, and a reason where those are below `min_confidence`, in reading order."""
    labelled = (
        face.with_scores(verdict.scores, explain_uncertainty(face, crop, verdict, min_confidence))
        for face, crop, verdict in classified_faces
    )
    return sort_reading_order(tuple(labelled))


def load_analyzer(detector: str | None = None, model: Path | None = None) -> Analyzer:
    """An analyzer with a detector by name and a model folder; None takes the best detector here and the
    shipped classifier. Raises `ModelError` where one of them is not to be had."""
    bundle = open_model(model) if model else get_default_model("classifier")
    return Analyzer(make_detector(detector), ExpressionClassifier(bundle))


def min_face_size(shape: tuple[int, ...], max_side: int) -> float:
    """Pixels of the smallest face (the root of its area) in an image (H, W, ...) that is searched with `max_side`.

    In a smaller one the classifier sees nothing, and to a detector the dot of an i looks like a head.
    """
    height, width = shape[:2]
    if max_side >= FULL_RESOLUTION_SIDE:
        return max(_MIN_FACE_PX, _MIN_SEARCHED_PX / max_search_scale(height, width, max_side))
    return _MIN_SEARCHED_PX / search_scale(height, width, max_side)


def _choose_face_classifier(detector: FaceDetector, classifier: ExpressionClassifier) -> ExpressionClassifier:
    """The classifier that says whether a crop shows a face: the given one, or the built-in one where the given one
    cannot tell or was not measured with the detector and the built-in one was."""
    known = detector.score_fusion if isinstance(detector, OnnxFaceDetector) else None
    if not isinstance(classifier, ExpressionClassifier) or (classifier.has_face_head and known is None):
        return classifier
    built_in = get_default_model("classifier")
    measured = known is not None and known.classifier == built_in.sha256
    if classifier.bundle.sha256 == built_in.sha256 or (classifier.has_face_head and not measured):
        return classifier
    return ExpressionClassifier(built_in)


def _load_score_fusion(detector: FaceDetector, classifier: ExpressionClassifier) -> ScoreFusion | None:
    """How a detector and a classifier judge together; only for a pair that was measured, or if it must be."""
    if detector.needs_verification:
        return ScoreFusion()
    known = detector.score_fusion if isinstance(detector, OnnxFaceDetector) else None
    if known and known.classifier == classifier.bundle.sha256:
        return ScoreFusion(known.detector_weight, known.classifier_weight, known.bias)
    return None


def explain_uncertainty(
    face: Face, crop: NDArray[np.uint8], prediction: Prediction, min_confidence: float
) -> str | None:
    """Why the label is not to be trusted, in words for a person; None where its confidence reaches `min_confidence` and the
    crop looks like a face.

    `crop` is the grey uint8 square that the classifier read. The causes are looked at from the most to the
    least certain to have spoiled the answer. Two labels are named where the second one is at least half as probable
    as the first.
    """
    if prediction.face_prob < _MIN_FACE_PROB:
        return "hardly a face"
    if prediction.scores.confidence >= min_confidence:
        return None
    if min(face.box.width, face.box.height) < 24:
        return f"small: {min(face.box.width, face.box.height):.0f} pixels wide"
    if face.landmarks is not None and abs(face.landmarks.yaw_ratio) > 0.35:
        return "turned to the side"
    if crop.mean() < 45:
        return "dark"
    if measure_sharpness(crop) < 0.02:
        return "blurred"
    (first, p), (second, q) = sorted(prediction.scores.items(), key=lambda item: -item[1])[:2]
    return f"between {first} and {second}" if q >= _MIN_RIVAL_RATIO * p else "low confidence"


def measure_sharpness(crop: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian of a grey crop over the variance of its grey levels; sharp faces have over 0.1.

    Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy"; divided by the contrast so that
    a pale picture is not taken for a blurred one.
    """
    return float(cv2.Laplacian(crop, cv2.CV_64F).var() / max(1.0, float(crop.var())))


def sort_reading_order(faces: tuple[Face, ...]) -> tuple[Face, ...]:
    """Faces by rows from top to bottom, in each row from left to right.

    A row holds the faces whose centre lies above the lower edge of its topmost face.
    """
    rest = sorted(faces, key=lambda face: face.box.center[1])
    ordered: list[Face] = []
    while rest:
        row = [face for face in rest if face.box.center[1] <= rest[0].box.y2]
        ordered += sorted(row, key=lambda face: face.box.x1)
        rest = [face for face in rest if face.box.center[1] > row[0].box.y2]
    return tuple(ordered)
