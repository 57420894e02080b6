"""Choose the classifier of face probabilities for a detector, and load the fusion of both scores."""

from __future__ import annotations

from emotion.model_store.store import get_default_model
from emotion.recognition.classification import ExpressionClassifier
from emotion.recognition.detectors.detection import FaceDetector
from emotion.recognition.detectors.onnx_detector import OnnxFaceDetector
from emotion.recognition.score_fusion import ScoreFusion


def choose_face_classifier(detector: FaceDetector, classifier: ExpressionClassifier) -> ExpressionClassifier:
    """Choose the classifier of face probabilities.

    It is the given one; it is the built-in one where the given one has no face head, or where only the built-in one was
    calibrated with the detector.
    """
    weights = detector.score_fusion if isinstance(detector, OnnxFaceDetector) else None
    if not isinstance(classifier, ExpressionClassifier) or (classifier.has_face_head and weights is None):
        return classifier
    built_in = get_default_model("classifier")
    is_calibrated = weights is not None and weights.classifier == built_in.sha256
    if classifier.bundle.sha256 == built_in.sha256 or (classifier.has_face_head and not is_calibrated):
        return classifier
    return ExpressionClassifier(built_in)


def load_score_fusion(detector: FaceDetector, classifier: ExpressionClassifier) -> ScoreFusion | None:
    """Return the fusion of both scores for a calibrated pair, or for a detector that needs verification; else None."""
    if detector.needs_verification:
        return ScoreFusion()
    weights = detector.score_fusion if isinstance(detector, OnnxFaceDetector) else None
    if weights and weights.classifier == classifier.bundle.sha256:
        return ScoreFusion(weights.detector_weight, weights.classifier_weight, weights.bias)
    return None
