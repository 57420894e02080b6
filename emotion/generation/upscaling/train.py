"""Train an upscaler and finish its run folder: cut the faces, fit, export, measure, write report and card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from emotion.datasets.readers.detection_dataset import AnnotatedImage
from emotion.generation.upscaling.config import LARGE_SIDE, NETWORK_NAME, SMALL_SIDE, UpscalerConfig
from emotion.generation.upscaling.evaluation import UpscalerMetrics, evaluate_upscaler
from emotion.generation.upscaling.faces import LargeFaces, cut_large_faces
from emotion.generation.upscaling.upscaler import Upscaler
from emotion.jobs.reporter import JobReporter
from emotion.model_store.card import CARD_FILE, parse_card
from emotion.model_store.store import ModelBundle, open_model
from emotion.recognition.classification import ExpressionClassifier
from emotion.recognition.cropping import CropGeometry
from emotion.storage import write_json
from emotion.training.runs.folder import (
    REPORT_FILE,
    TrainingSummary,
    build_card,
    read_history,
    remove_card,
    summarize_history,
    write_card,
    write_config,
)
from emotion.training.runs.run_context import RunContext


class UpscalerReport(TrainingSummary):
    """The report of an upscaler's training."""

    validation: UpscalerMetrics
    export_difference: float


def train_upscaler(
    photos: Sequence[AnnotatedImage],
    geometry: CropGeometry,
    config: UpscalerConfig,
    folder: Path,
    reporter: JobReporter,
    feature_classifier: ModelBundle,
) -> ModelBundle:
    """Train an upscaler into `folder`, resuming an earlier call, and finish the folder as a model.

    Args:
        photos: Photos with annotated faces; their validation split chooses the epoch and gives the metrics.
        geometry: That of the detector whose crops the faces shall resemble.
        config: Hyperparameters; `config.feature_classifier` is the sha256 of `feature_classifier`.
        folder: The run folder.
        reporter: Gets the progress and requests the stop.
        feature_classifier: Its early features are compared, and it tells whether the expression stays.

    Raises:
        DataError: The photos have too few large faces.
        ModelError: `feature_classifier` is no suitable classifier.
        TrainingStopped: The reporter requested a stop; the same call resumes.
    """
    # Keras takes three seconds and 600 MB: only a process that trains loads it.
    from emotion.generation.upscaling.trainer import fit_upscaler
    from emotion.training.export import export_upscaler

    counts = dict(Counter(photo.source for photo in photos))
    write_config(folder, "upscaler", {**asdict(config), "images": counts}, {"network": NETWORK_NAME})
    reporter.progress(len(read_history(folder)), config.epochs, "Loading")
    faces = cut_large_faces(photos, geometry, config.min_side)
    network = fit_upscaler(faces, config, RunContext.from_job(folder, reporter, config.epochs), feature_classifier)
    remove_card(folder)
    difference = export_upscaler(network, folder)
    card_fields: dict[str, Any] = {
        "kind": "upscaler",
        "name": folder.name,
        "network": NETWORK_NAME,
        "num_parameters": network.count_params(),
        "input": {"size": SMALL_SIDE, "color_mode": "grayscale", "range": [0, 255]},
        "output": {"size": LARGE_SIDE, "color_mode": "grayscale", "range": [0, 255]},
        "feature_classifier": {"name": feature_classifier.name, "sha256": feature_classifier.sha256},
        "data": {"images": counts, "training": len(faces.training), "validation": len(faces.validation)},
        "metrics": {},
    }
    return _finalize_run(folder, card_fields, faces, ExpressionClassifier(feature_classifier), difference)


def _finalize_run(
    folder: Path,
    card_fields: dict[str, Any],
    faces: LargeFaces,
    classifier: ExpressionClassifier,
    export_difference: float,
) -> ModelBundle:
    """Measure the exported network in `folder`, and write its report and its card."""
    card = parse_card(folder / CARD_FILE, build_card(folder, card_fields))
    metrics = evaluate_upscaler(Upscaler(ModelBundle(folder, card)), faces.validation, classifier)
    history = read_history(folder)
    best = min(history, key=lambda row: float(row["val_loss"]))
    summary = summarize_history(history, int(best["epoch"]))
    write_json(folder / REPORT_FILE, UpscalerReport(validation=metrics, export_difference=export_difference, **summary))
    write_card(folder, {**card_fields, "metrics": {"validation": metrics}})
    return open_model(folder)
