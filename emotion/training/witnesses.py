"""Measure how a detector and a recogniser together tell what is a face, on held-out photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from emotion.errors import DataError
from emotion.recognition.classification import Recogniser
from emotion.recognition.confirmation import Confirmation, logit
from emotion.recognition.crops import crop_faces, to_grey
from emotion.recognition.detection import Detector
from emotion.training.detector_evaluation import LEAST_FACE, THRESHOLD
from emotion.training.detector_scores import overlaps, sides
from emotion.training.labelled import LabelledPhoto

_OVERLAP: Final = 0.4  # IoU of a box that counts as right
_LEAST: Final = 0.2  # score of the boxes that are looked at: what the app reads at its usual threshold


def measure_confirmation(detector: Detector, recogniser: Recogniser, photos: Sequence[LabelledPhoto]) -> dict[str, Any]:
    """`detection`, `face` and `offset` of a `Confirmation`, fitted to the boxes on `photos` by logistic regression,
    with the `recogniser`'s sha256 and what it is good for at the threshold 0.6: `n` boxes, and the `found` true and
    `false` ones `before` (the detector alone) and after. Raises `DataError` where there are not both true and false
    boxes, or the recogniser's word is worth nothing.
    """
    none = np.empty((0, 2)), np.empty(0, bool)
    parts = [none, *(_witnessed(detector, recogniser, photo) for photo in photos)]
    logits, true = (np.concatenate(column) for column in zip(*parts, strict=True))
    if true.all() or not true.any():
        raise DataError(f"{true.sum()} of {len(true)} boxes are faces; use more photos, until there are both kinds.")
    fitted = LogisticRegression(C=10).fit(logits, true)
    (detection, face), offset = fitted.coef_[0], fitted.intercept_[0]
    if detection <= 0 or face <= 0:
        raise DataError("What the recogniser says of a box tells nothing about whether it is a face.")
    weights = {"detection": detection, "face": face, "offset": offset}
    fusion = Confirmation(*(round(float(weight), 3) for weight in weights.values()))
    scores = 1 / (1 + np.exp(-logits))
    together = np.array([fusion.probability(*pair) for pair in scores.tolist()])
    return {
        "recogniser": recogniser.bundle.sha256, **asdict(fusion), "n": len(true),
        "before": _counts(scores[:, 0], true), "after": _counts(together, true),
    }  # fmt: skip


def _witnessed(
    detector: Detector, recogniser: Recogniser, photo: LabelledPhoto
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Both logits (n, 2) of the boxes on a photo, and which are faces (n,); without what need not be found."""
    faces = detector.detect(photo.pixels, _LEAST, max(photo.pixels.shape))
    boxes = np.array([[f.box.x1, f.box.y1, f.box.x2, f.box.y2] for f in faces], np.float64).reshape(-1, 4)
    verdicts = recogniser.classify(crop_faces(to_grey(photo.pixels), faces, detector.geometry, recogniser.size))
    logits = [(logit(face.detection), logit(verdict.face)) for face, verdict in zip(faces, verdicts, strict=True)]
    true = np.any(overlaps(boxes, photo.boxes)[0] >= _OVERLAP, axis=1)
    ignored = np.any(overlaps(boxes, photo.ignore)[1] > 0.5, axis=1)
    counts = (sides(boxes) >= LEAST_FACE) & (true | ~ignored)
    return np.array(logits, np.float64).reshape(-1, 2)[counts], true[counts]


def _counts(score: NDArray[np.float64], true: NDArray[np.bool_]) -> dict[str, int]:
    shown = score >= THRESHOLD
    return {"found": int((shown & true).sum()), "false": int((shown & ~true).sum())}
