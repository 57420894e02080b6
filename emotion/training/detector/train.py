"""Learn to find faces: load -> one style of boxes -> fit -> calibrate -> a finished run folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from sklearn.linear_model import LogisticRegression

from emotion.datasets.detection_dataset import AnnotatedImage, normalize_box_style
from emotion.errors import DataError, ModelError
from emotion.jobs.reporter import JobReporter
from emotion.model_store.card import CARD_FILE, parse_card
from emotion.model_store.store import ModelBundle, open_model
from emotion.recognition.onnx_detector import OnnxFaceDetector
from emotion.storage import read_json, write_json
from emotion.training.detector.evaluation import SCORE_THRESHOLD, run_detector
from emotion.training.detector.metrics import concat, precision_recall
from emotion.training.runs.folder import (
    CONFIG_FILE,
    REPORT_FILE,
    build_card,
    read_history,
    remove_card,
    selection_score,
    write_card,
    write_config,
)

# Until this detector is calibrated itself; boxes of the same style have about these.
_DEFAULT_CROP_GEOMETRY: Final = {"scale": 1.13, "y_offset": 0.02}


def train_detector(
    samples: Sequence[AnnotatedImage],
    config: Any,
    folder: Path,
    reporter: JobReporter,
    init_model: ModelBundle | None = None,
) -> ModelBundle:
    """Train a face detector into `folder` and finish it as a model folder; goes on where an earlier call ended.

    `init_model` is a finished detector that is taught further, `config.init_from` its sha256.

    The epoch and the meaning of the scores are chosen on the photos that are held out. Raises `DataError` where
    there is too little to learn or to measure.
    """
    # Keras takes three seconds and 600 MB: only a process that trains loads it.
    from emotion.training.detector.network import NETWORK_NAME
    from emotion.training.detector.trainer import fit_detector
    from emotion.training.export import export_detector

    # The name is for who looks while it learns; a training that goes on does not compare it.
    write_config(
        folder,
        {**asdict(config), "images": dict(Counter(photo.source for photo in samples))},
        {"network": NETWORK_NAME},
    )
    reporter.progress(len(read_history(folder)), config.epochs, "Loading")

    def on_epoch(epoch: int, seconds: float, row: dict[str, float]) -> bool:
        reporter.progress(epoch, config.epochs, f"epoch {epoch} of {config.epochs}, precision {row['val_ap']:.1%}")
        return reporter.stop_requested

    samples = normalize_box_style(samples)
    network = fit_detector(samples, config, folder, on_epoch, init_model.folder / "model.keras" if init_model else None)
    remove_card(folder)
    difference = export_detector(network, folder)
    held = [photo for photo in samples if photo.is_validation]
    facts: dict[str, Any] = {
        "kind": "detector",
        "name": folder.name,
        "network": network.name,
        "num_parameters": network.count_params(),
        "input": {"color_mode": "rgb", "range": [0, 255], "preprocessing": "none"},
        "score_calibration": {"slope": 1.0, "offset": 0.0},
        "crop_geometry": dict(_DEFAULT_CROP_GEOMETRY),
        "data": {"images": (read_json(folder / CONFIG_FILE) or {})["images"], "validation": len(held)},
        "metrics": {},
    }
    facts["score_calibration"] = _fit_score_calibration(_open_unfinished(folder, facts), held)
    history = read_history(folder)
    best = max(history, key=selection_score)
    facts["metrics"] = {
        "validation": {
            "n": len(held),
            "ap": float(best["val_ap"]),
            **_measure_precision_recall(_open_unfinished(folder, facts), held),
        }
    }
    write_json(
        folder / REPORT_FILE,
        {
            **facts["metrics"],
            "export_difference": difference,
            "epochs": len(history),
            "best_epoch": int(best["epoch"]),
            "train_minutes": sum(float(row["seconds"] or 0) for row in history) / 60,
        },
    )
    write_card(folder, facts)
    return open_model(folder)


def _open_unfinished(folder: Path, card_fields: dict[str, Any]) -> OnnxFaceDetector:
    """The network in `folder` as the detector that `card_fields` describe; its card comes last, when all is measured."""
    return OnnxFaceDetector(ModelBundle(folder, parse_card(folder / CARD_FILE, build_card(folder, card_fields))))


def _fit_score_calibration(
    detector: OnnxFaceDetector, validation_samples: Sequence[AnnotatedImage]
) -> dict[str, float]:
    """Slope and offset that turn score logits into the probability that a box is a face (Platt 1999,
    "Probabilistic outputs for support vector machines"), on held-out photos."""
    matched = concat(run_detector(detector, photo, 0.001).match(0.4) for photo in validation_samples)
    if matched.is_true_positive.all() or not matched.is_true_positive.any():
        raise DataError(
            f"Of {len(matched.is_true_positive)} boxes on {len(validation_samples)} held-out photos {matched.is_true_positive.sum()} are right; with both "
            "right and wrong ones the scores could be given a meaning. Use more photos or train longer."
        )
    scores = matched.scores.clip(1e-9, 1 - 1e-9)
    logits = np.log(scores / (1 - scores))
    fitted = LogisticRegression(C=1e6).fit(logits[:, None], matched.is_true_positive)
    slope, offset = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    if not slope > 0:
        raise DataError("The network's scores say nothing about where a face is; train it longer.")
    return {"slope": round(slope, 4), "offset": round(offset, 4)}


def _measure_precision_recall(
    detector: OnnxFaceDetector, validation_samples: Sequence[AnnotatedImage]
) -> dict[str, float]:
    matched = concat(run_detector(detector, photo, SCORE_THRESHOLD).match(0.4) for photo in validation_samples)
    precision, recall = precision_recall(matched, SCORE_THRESHOLD)
    return {"precision": round(precision, 4), "recall": round(recall, 4)}


def save_measurements(folder: Path, report: dict[str, Any] | None = None, **card_fields: Any) -> ModelBundle:
    """Write what was measured of a detector into its report and its card; `ModelError` where it is none of ours
    or what was measured cannot be right."""
    bundle = open_model(folder)
    if bundle.kind != "detector":
        raise ModelError(f"{folder} is a {bundle.kind}; only a detector can keep this.")
    parse_card(folder / CARD_FILE, {**bundle.card_fields, **card_fields})  # before a good card is lost
    if report is not None:
        write_json(folder / REPORT_FILE, {**(read_json(folder / REPORT_FILE) or {}), **report})
    write_card(folder, {**bundle.card_fields, **card_fields})
    return open_model(folder)
