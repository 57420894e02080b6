"""Analyze images: detect faces, fuse the scores of detector and classifier, and classify expressions, without state."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotion.boxes import non_max_suppression, to_xyxy
from emotion.faces import Box, Face
from emotion.media.image_reader import ImageSource, as_rgb, rotate
from emotion.model_store.store import get_default_model, open_model
from emotion.recognition.classification import ExpressionClassifier
from emotion.recognition.cropping import crop_faces, to_gray, tta_crops
from emotion.recognition.detectors.detection import FaceDetector, min_face_size
from emotion.recognition.detectors.detector_factory import make_detector
from emotion.recognition.face_classifier import choose_face_classifier, load_score_fusion
from emotion.recognition.features.default_network import describe_classified
from emotion.recognition.features.straightening import reclassify_tilted
from emotion.recognition.labeling import ClassifiedFace, label_faces
from emotion.recognition.settings import AnalyzerSettings
from emotion.recognition.verification import combine_scores, is_certain, is_possible, make_mirrored_patch

Rotation = Literal[0, 90, 180, 270]
ColorOrder = Literal["rgb", "bgr"]

# The mean score of detector and classifier from which an image counts as upright, and the factor by which the sum of
# the scores of another rotation must be higher. Chosen on 360 photos, 120 of them not in the detector's training: of
# 104 of these with faces 102 stay as they are, and of 312 rotated copies 282 are rotated back.
_UPRIGHT_SCORE: Final = 0.8
_ROTATION_MARGIN: Final = 1.5
_OTHER_ROTATIONS: Final[tuple[Rotation, ...]] = (90, 270, 180)
_MIN_ROTATED_SCORE: Final = 0.5  # the least score of the most certain face of a rotation
_MAX_TRIAL_SIDE: Final = 1280  # pixels; the other rotations are searched reduced to this side until one is chosen
_MAX_FACE_IOU: Final = 0.3  # intersection over union of two boxes above which they are of one face
_CANDIDATE_RATIO: Final = 0.6  # share of the detection threshold from which a region is anonymized
_MIN_VERIFICATION_SCORE: Final = 0.01  # of a second detection; a lower one counts as none


class OrientedResult(NamedTuple):
    """An image in the rotation in which its faces are upright.

    Attributes:
        image: RGB uint8 (H, W, 3), rotated.
        faces: The faces in reading order, in pixels of `image`.
        rotation: The clockwise rotation in degrees.
        candidate_boxes: The regions that may show a face, see `Analyzer.candidate_boxes`.
    """

    image: NDArray[np.uint8]
    faces: tuple[Face, ...]
    rotation: Rotation
    candidate_boxes: tuple[Box, ...]


class Analyzer:
    """Image -> faces; without state, so one can be shared by all threads.

    All methods take an image as `as_rgb` does.

    Args:
        detector: The face detector.
        classifier: The classifier of expressions.
    """

    def __init__(self, detector: FaceDetector, classifier: ExpressionClassifier) -> None:
        self.detector = detector
        self.classifier = classifier
        self._face_classifier = choose_face_classifier(detector, classifier)
        self.score_fusion = load_score_fusion(detector, self._face_classifier)  # None where the detector alone decides
        self._lock = threading.Lock()  # the detectors of OpenCV are not thread-safe

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
        settings, image = settings or AnalyzerSettings(), as_rgb(image, order=order)
        return self._label(image, self.classify_all(image, settings, tta=True), settings)

    def _label(
        self, image: NDArray[np.uint8], classified: tuple[ClassifiedFace, ...], settings: AnalyzerSettings
    ) -> tuple[Face, ...]:
        if settings.features:
            classified = describe_classified(to_gray(image), classified, self.detector.crop_geometry)
        return label_faces(classified, settings.min_confidence)

    def classify_all(
        self, image: ImageSource, settings: AnalyzerSettings, *, tta: bool = False
    ) -> tuple[ClassifiedFace, ...]:
        """Detect and classify faces, the most certain first where scores are fused; `tta` as in `classify`."""
        image = as_rgb(image)
        faces = self.detect(image, self.min_proposal_score(settings.detection_threshold), settings.max_side)
        return self._classify_detections(image, faces, settings, tta)

    def _classify_detections(
        self, image: NDArray[np.uint8], faces: tuple[Face, ...], settings: AnalyzerSettings, tta: bool
    ) -> tuple[ClassifiedFace, ...]:
        gray, min_size = to_gray(image), min_face_size(image.shape, settings.max_side)
        classified = self.classify(gray, faces, settings.head, tta=tta)
        if tta and self.score_fusion is not None and self.score_fusion.detector_weight:
            classified = self._verify_uncertain(image, gray, classified, min_size)
        accepted = self.filter_by_fused_score(classified, settings.detection_threshold, min_size)
        classify = partial(self.classify, gray, head=settings.head, tta=tta)
        return reclassify_tilted(gray, accepted, self.detector.crop_geometry, classify)

    def _verify_uncertain(
        self, image: NDArray[np.uint8], gray: NDArray[np.uint8], classified: tuple[ClassifiedFace, ...], min_size: float
    ) -> tuple[ClassifiedFace, ...]:
        """Replace both scores of the uncertain faces of at least `min_size` by their means over several views."""
        indices = [
            index
            for index, (face, _, prediction) in enumerate(classified)
            if face.box.area >= min_size * min_size and not is_certain(self.fused_score(face, prediction.face_prob))
        ]
        if not indices:
            return classified
        verified, faces = list(classified), tuple(classified[index].face for index in indices)
        crops = tta_crops(gray, faces, self.detector.crop_geometry, self._face_classifier.input_size)
        face_probs = self._face_classifier.predict_face_probs(crops.reshape(-1, *crops.shape[2:]))
        for index, face, face_prob in zip(indices, faces, face_probs.reshape(len(crops), -1).mean(0), strict=True):
            prediction = classified[index].prediction
            fused_scores = [self.fused_score(face, prob) for prob in (prediction.face_prob, float(face_prob))]
            if is_possible(max(fused_scores)):
                verified[index] = classified[index]._replace(
                    face=replace(face, detection_score=self._verify_detection(image, face)),
                    prediction=replace(prediction, face_prob=float(face_prob)),
                )
        return tuple(verified)

    def _verify_detection(self, image: NDArray[np.uint8], face: Face) -> float:
        """Return the mean of the detector's score of a face and its score in a mirrored patch."""
        patch, box = make_mirrored_patch(image, face.box)
        detections = self.detect(patch, _MIN_VERIFICATION_SCORE, max(patch.shape[:2]))
        return combine_scores(face.detection_score, box, detections)

    def detect(self, image: ImageSource, threshold: float, max_side: int) -> tuple[Face, ...]:
        """Detect faces, see `FaceDetector.detect`; scores are not fused."""
        image = as_rgb(image)
        with self._lock:
            return self.detector.detect(image, threshold, max_side)

    def min_proposal_score(self, threshold: float) -> float:
        """Return the detector's score from which the fused score of a detection can reach `threshold`."""
        return self.score_fusion.min_proposal_score(threshold) if self.score_fusion else threshold

    def candidate_boxes(self, image: ImageSource, settings: AnalyzerSettings) -> tuple[Box, ...]:
        """Return the boxes of all regions that may show a face, for anonymizing; their scores may be low."""
        return tuple(face.box for face in self._detect_candidates(image, settings))

    def _detect_candidates(self, image: ImageSource, settings: AnalyzerSettings) -> tuple[Face, ...]:
        threshold = settings.detection_threshold
        min_score = min(_CANDIDATE_RATIO * threshold, self.min_proposal_score(threshold))
        return self.detect(image, min_score, settings.max_side)

    def filter_by_fused_score(
        self, classified_faces: tuple[ClassifiedFace, ...], threshold: float, min_size: float
    ) -> tuple[ClassifiedFace, ...]:
        """Select the faces whose fused score reaches a threshold.

        Args:
            classified_faces: The classified detections.
            threshold: The least fused score, 0 to 1.
            min_size: The least size of a face in pixels, the root of its area.

        Returns:
            The selected faces without duplicates, with the fused score as detection score, the highest first; all of
            `classified_faces` where scores are not fused.
        """
        if self.score_fusion is None:
            return classified_faces
        fused_scores = [self.fused_score(face, prediction.face_prob) for face, _, prediction in classified_faces]
        scored = [
            classified._replace(face=replace(classified.face, detection_score=score))
            for classified, score in zip(classified_faces, fused_scores, strict=True)
            if classified.face.box.area >= min_size * min_size
        ]
        certain = [classified for classified in scored if classified.face.detection_score >= threshold]
        scores = np.array([classified.face.detection_score for classified in certain])
        boxes = to_xyxy(classified.face.box for classified in certain)
        return tuple(certain[index] for index in non_max_suppression(boxes, scores, max_iou=_MAX_FACE_IOU))

    def fused_score(self, face: Face, face_prob: float) -> float:
        """Return the fused score of a detection, 0 to 1; the detector's where scores are not fused."""
        return self.score_fusion.fuse(face.detection_score, face_prob) if self.score_fusion else face.detection_score

    def classify(
        self, gray: NDArray[np.uint8], faces: tuple[Face, ...], head: str | None, *, tta: bool = False
    ) -> tuple[ClassifiedFace, ...]:
        """Classify faces of a gray image (H, W); with `tta` from three crops of each, in three times the time."""
        make_crops = tta_crops if tta else crop_faces
        crops = make_crops(gray, faces, self.detector.crop_geometry, self.classifier.input_size)
        predictions = self.classifier.predict(crops, head)
        if self._face_classifier is not self.classifier:
            face_probs = self._face_classifier.predict_face_probs(
                crop_faces(gray, faces, self.detector.crop_geometry, self._face_classifier.input_size)
            )
            predictions = tuple(
                replace(prediction, face_prob=float(face_prob))
                for prediction, face_prob in zip(predictions, face_probs, strict=True)
            )
        return tuple(map(ClassifiedFace, faces, crops[0] if tta else crops, predictions))

    def analyze_any_orientation(
        self, image: ImageSource, settings: AnalyzerSettings | None = None, *, order: ColorOrder = "rgb"
    ) -> OrientedResult:
        """Analyze an image in the rotation in which its faces are upright.

        Where the faces are not certain, the image is also analyzed rotated by 90, 180 and 270 degrees; a rotation is
        chosen where the scores of its faces are much higher.

        Args:
            image: As in `analyze`.
            settings: As in `analyze`.
            order: As in `analyze`.

        Returns:
            The rotated image and its faces.

        Raises:
            ImageError: The image cannot be read.
            SettingsError: The model does not have the head of the settings.
        """
        settings, image = settings or AnalyzerSettings(), as_rgb(image, order=order)
        best = self._analyze_rotated(image, 0, settings)
        if best.upright_score <= _UPRIGHT_SCORE * len(best.classified_faces):
            min_upright_score = _ROTATION_MARGIN * best.upright_score
            trial_settings = replace(settings, max_side=min(settings.max_side, _MAX_TRIAL_SIDE))
            for rotation in _OTHER_ROTATIONS:
                rotated = self._analyze_rotated(image, rotation, trial_settings)
                if (
                    rotated.upright_score > min_upright_score
                    and max(map(self._upright_score, rotated.classified_faces)) >= _MIN_ROTATED_SCORE
                ):
                    min_upright_score, best = rotated.upright_score, rotated
            if best.rotation and trial_settings != settings:
                best = self._analyze_rotated(image, best.rotation, settings)
        faces, candidates = self._label(best.image, best.classified_faces, settings), best.candidates
        return OrientedResult(best.image, faces, best.rotation, tuple(face.box for face in candidates))

    def _analyze_rotated(
        self, image: NDArray[np.uint8], rotation: Rotation, settings: AnalyzerSettings
    ) -> _RotatedAnalysis:
        rotated = rotate(image, rotation) if rotation else image
        # One search gives both: the detections above a threshold do not depend on those below it.
        candidates = self._detect_candidates(rotated, settings)
        min_score = self.min_proposal_score(settings.detection_threshold)
        faces = tuple(face for face in candidates if face.detection_score >= min_score)
        classified = self._classify_detections(rotated, faces, settings, tta=True)
        return _RotatedAnalysis(rotated, classified, rotation, candidates, sum(map(self._upright_score, classified)))

    def _upright_score(self, classified_face: ClassifiedFace) -> float:
        """Return the product of both scores, 0 to 1.

        The classifier was trained on upright faces only; the detector also accepts faces on their side. The score of a
        detector that needs verification is ignored.
        """
        detection_score = 1.0 if self.detector.needs_verification else classified_face.face.detection_score
        return classified_face.prediction.face_prob * detection_score


class _RotatedAnalysis(NamedTuple):
    """The faces of an image that was rotated clockwise."""

    image: NDArray[np.uint8]
    classified_faces: tuple[ClassifiedFace, ...]
    rotation: Rotation
    candidates: tuple[Face, ...]  # see `Analyzer.candidate_boxes`
    upright_score: float  # the sum over `classified_faces`


def load_analyzer(detector: str | None = None, model: Path | None = None) -> Analyzer:
    """Load a detector and a classifier.

    Args:
        detector: The name of a detector, see `available_detectors`; the best one of this machine for None.
        model: The folder of a classifier; the default one for None.

    Raises:
        ModelError: One of them is unknown, missing or damaged.
    """
    bundle = open_model(model) if model else get_default_model("classifier")
    return Analyzer(make_detector(detector), ExpressionClassifier(bundle))
