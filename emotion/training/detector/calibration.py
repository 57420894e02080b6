"""Calibrate a detector: how its boxes relate to the classifier's crops, and what both scores say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from emotion.datasets.detection_dataset import LabelledPhoto
from emotion.errors import DataError
from emotion.recognition.classification import Recogniser
from emotion.recognition.cropping import crop_faces, to_grey
from emotion.recognition.detection import Detector
from emotion.recognition.score_fusion import Confirmation, logit
from emotion.training.detector.evaluation import LEAST_FACE, THRESHOLD
from emotion.training.detector.metrics import overlaps, sides

_OVERLAP: Final = 0.4  # IoU of a box that counts as right
_LEAST: Final = 0.2  # score of the boxes that are looked at: what the app reads at its usual threshold

_ENLARGED = 4
_BORDER = 0.5  # of the picture's side


def measure_geometry(detector: Detector, images: NDArray[np.uint8], threshold: float = 0.7) -> dict[str, Any]:
    """Run a detector on faces uint8 (n, 48, 48), enlarged four times with a border that repeats the edge.

    Returns `n`, `found`, the median `scale` (side of the FER-2013 crop over sqrt(width * height) of the box)
    and `down` (how far the middle of the crop lies below that of the box, in sides of the crop), which are to be
    frozen in the detector's `geometry`, and `scale_spread`, `down_spread`: their median absolute deviations.
    """
    side = images.shape[1] * _ENLARGED
    margin = round(side * _BORDER)
    ratios, offsets = [], []
    for image in images:
        large = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)
        scene = cv2.copyMakeBorder(large, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
        faces = detector.detect(cv2.cvtColor(scene, cv2.COLOR_GRAY2RGB), threshold, max(scene.shape))  # type: ignore[arg-type]
        if faces:
            box = max(faces, key=lambda face: face.box.area).box
            ratios.append(side / np.sqrt(box.area))
            offsets.append((margin + side / 2 - box.centre[1]) / side)
    if not ratios:
        raise DataError(f"The detector {detector.name} found none of {len(images)} faces; nothing was measured.")
    scale, down = float(np.median(ratios)), float(np.median(offsets))
    return {
        "detector": detector.name,
        "n": len(images),
        "found": len(ratios),
        "scale": scale,
        "scale_spread": float(np.median(np.abs(np.array(ratios) - scale))),
        "down": down,
        "down_spread": float(np.median(np.abs(np.array(offsets) - down))),
    }


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
