"""Train a face detector and finish its run folder: box style, training, export, calibration, card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from sklearn.linear_model import LogisticRegression

from emotion.datasets.readers.detection_dataset import AnnotatedImage, normalize_box_style
from emotion.errors import DataError, ModelError
from emotion.jobs.reporter import JobReporter
from emotion.model_store.card import CARD_FILE, parse_card
from emotion.model_store.store import ModelBundle, open_model
from emotion.recognition.detectors.onnx_detector import OnnxFaceDetector
from emotion.storage import read_json, write_json
from emotion.training.detector.config import NETWORK_NAME, DetectorConfig
from emotion.training.detector.evaluation import SCORE_THRESHOLD, run_detector
from emotion.training.detector.metrics import MATCH_IOU, concat, precision_recall
from emotion.training.detector.reports import DetectorMetrics, DetectorReport
from emotion.training.runs.folder import (
    REPORT_FILE,
    build_card,
    read_history,
    remove_card,
    selection_score,
    summarize_history,
    write_card,
    write_config,
)
from emotion.training.runs.run_context import RunContext
from emotion.translation.messages import gettext as _

_MIN_SCORE: Final = 0.001  # of the boxes that calibrate the scores: nearly all there are
_EPSILON: Final = 1e-9  # keeps the logit of a score finite
_WEAK_REGULARIZATION: Final = 1e6  # so that two numbers are fitted as if there were none
# Until this detector is calibrated itself; boxes of the same style have about these.
_DEFAULT_CROP_GEOMETRY: Final = {"scale": 1.13, "y_offset": 0.02}


def train_detector(
    samples: Sequence[AnnotatedImage],
    config: DetectorConfig,
    folder: Path,
    reporter: JobReporter,
    init_model: ModelBundle | None = None,
) -> ModelBundle:
    """Train a face detector and finish its run folder as a model, from its checkpoint on where there is one.

    The epoch and the calibration of the scores are chosen on the validation images.

    Args:
        samples: The training and validation images.
        config: The settings.
        folder: The run folder.
        reporter: The job of `folder`.
        init_model: The detector that the training starts from; `config.init_from` is its sha256.

    Returns:
        The model in `folder`.

    Raises:
        DataError: There are too few images, or the trained detector finds no face or nothing but faces.
        TrainingStopped: Somebody asked for it; the same call continues after the last whole epoch.
    """
    # Keras takes three seconds and 600 MB: only a process that trains loads it.
    from emotion.training.detector.trainer import fit_detector
    from emotion.training.export import export_detector

    counts = dict(Counter(sample.source for sample in samples))
    # A detector's network has no setting: its name is for people and not compared on a resume.
    write_config(folder, "detector", {**asdict(config), "images": counts}, {"network": NETWORK_NAME})
    reporter.progress(len(read_history(folder)), config.epochs, "Loading")
    samples = normalize_box_style(samples)
    run = RunContext.from_job(folder, reporter, config.epochs)
    network = fit_detector(samples, config, run, init_model.keras_path if init_model else None)
    remove_card(folder)
    difference = export_detector(network, folder)
    validation_samples = [sample for sample in samples if sample.is_validation]
    card_fields: dict[str, Any] = {
        "kind": "detector",
        "name": folder.name,
        "network": network.name,
        "num_parameters": network.count_params(),
        "input": {"color_mode": "rgb", "range": [0, 255], "preprocessing": "none"},
        "score_calibration": {"slope": 1.0, "offset": 0.0},
        "crop_geometry": dict(_DEFAULT_CROP_GEOMETRY),
        "data": {"images": counts, "validation": len(validation_samples)},
        "metrics": {},
    }
    return _finalize_run(folder, card_fields, validation_samples, difference)


def _finalize_run(
    folder: Path, card_fields: dict[str, Any], validation_samples: Sequence[AnnotatedImage], export_difference: float
) -> ModelBundle:
    """Calibrate and measure the exported detector in `folder`, and write its report and its card."""
    card_fields["score_calibration"] = fit_score_calibration(_open_unfinished(folder, card_fields), validation_samples)
    history = read_history(folder)
    best = max(history, key=selection_score)
    precision, recall = _measure_precision_recall(_open_unfinished(folder, card_fields), validation_samples)
    metrics = DetectorMetrics(
        n=len(validation_samples), ap=float(best["val_ap"]), precision=round(precision, 4), recall=round(recall, 4)
    )
    summary = summarize_history(history, int(best["epoch"]))
    write_json(folder / REPORT_FILE, DetectorReport(validation=metrics, export_difference=export_difference, **summary))
    write_card(folder, {**card_fields, "metrics": {"validation": metrics}})
    return open_model(folder)


def _open_unfinished(folder: Path, card_fields: dict[str, Any]) -> OnnxFaceDetector:
    """Return the detector in `folder`, whose card is written when all is measured."""
    return OnnxFaceDetector(ModelBundle(folder, parse_card(folder / CARD_FILE, build_card(folder, card_fields))))


def fit_score_calibration(detector: OnnxFaceDetector, validation_samples: Sequence[AnnotatedImage]) -> dict[str, float]:
    """Return slope and offset that turn score logits into the probability that a box is a face (Platt 1999,
    "Probabilistic outputs for support vector machines")."""
    matched = concat(run_detector(detector, sample, _MIN_SCORE).match(MATCH_IOU) for sample in validation_samples)
    num_boxes, num_faces = len(matched.is_true_positive), int(matched.is_true_positive.sum())
    if num_faces in (0, num_boxes):
        raise DataError(
            _(
                "{faces} of {boxes} boxes on {images} validation images are faces; calibration needs right and "
                "wrong ones. Use more images or train longer."
            ).format(faces=num_faces, boxes=num_boxes, images=len(validation_samples))
        )
    scores = matched.scores.clip(_EPSILON, 1 - _EPSILON)
    logits = np.log(scores / (1 - scores))
    fitted = LogisticRegression(C=_WEAK_REGULARIZATION).fit(logits[:, None], matched.is_true_positive)
    slope, offset = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    if not slope > 0:
        raise DataError(_("The scores of the network do not rise with the share of faces; train it longer."))
    return {"slope": round(slope, 4), "offset": round(offset, 4)}


def _measure_precision_recall(
    detector: OnnxFaceDetector, validation_samples: Sequence[AnnotatedImage]
) -> tuple[float, float]:
    matched = concat(run_detector(detector, sample, SCORE_THRESHOLD).match(MATCH_IOU) for sample in validation_samples)
    return precision_recall(matched, SCORE_THRESHOLD)


def save_measurements(folder: Path, report: Mapping[str, Any] | None = None, **card_fields: Any) -> ModelBundle:
    """Write measurements into the report and the card of a detector.

    Args:
        folder: A detector that was trained by `train_detector`.
        report: Fields of its report.json.
        **card_fields: Fields of its card.

    Raises:
        ModelError: `folder` is another kind of model, or its card would not be valid.
    """
    bundle = open_model(folder)
    if bundle.kind != "detector":
        raise ModelError(f"{folder} is a {bundle.kind}; measurements of a detector need a detector.")
    parse_card(folder / CARD_FILE, {**bundle.card_fields, **card_fields})  # before a valid card is replaced
    if report is not None:
        write_json(folder / REPORT_FILE, {**(read_json(folder / REPORT_FILE) or {}), **report})
    write_card(folder, {**bundle.card_fields, **card_fields})
    return open_model(folder)
