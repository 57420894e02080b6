"""Train a features network and finish its run folder: export, 8 bits, calibration, metrics, card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.augmentation import resize_images
from emotion.datasets.dataset import SPLITS
from emotion.datasets.readers.feature_targets import FeatureTargets
from emotion.jobs.reporter import JobReporter
from emotion.model_store.card import CARD_FILE, parse_card
from emotion.model_store.store import ModelBundle, open_model
from emotion.movements import MOVEMENT_NAMES, MOVEMENTS
from emotion.recognition.features.network import FeaturesNetwork
from emotion.storage import write_atomic, write_json
from emotion.training.features.config import NETWORK_NAME, FeaturesConfig
from emotion.training.features.evaluation import CERTAIN_FACES, FeaturesReport, calibrate_errors, evaluate_network
from emotion.training.runs.folder import (
    REPORT_FILE,
    build_card,
    features_score,
    read_history,
    remove_card,
    summarize_history,
    write_card,
    write_config,
)
from emotion.training.runs.run_context import RunContext

_NUM_CALIBRATION_FACES: Final = 512  # training faces from which the ranges of the activations are estimated
# The correlation with the teacher, on certain validation faces, from which both sides of a movement are shown.
MIN_CORRELATION: Final = 0.7


def train_features(
    data: Sequence[FeatureTargets],
    config: FeaturesConfig,
    folder: Path,
    reporter: JobReporter,
    *,
    export_only: bool = False,
) -> ModelBundle:
    """Train a features network and finish its run folder as a model, from its checkpoint on where there is one.

    The epoch, the calibration of the expected errors and the shown movements are chosen on the validation faces.

    Args:
        data: The targets of one or several files.
        config: The settings.
        folder: The run folder.
        reporter: The job of `folder`.
        export_only: Train no further epoch; finish with the best one so far.

    Returns:
        The model in `folder`.

    Raises:
        DataError: There are too few faces.
        TrainingStopped: Somebody asked for it; the same call continues after the last whole epoch.
    """
    # Keras takes three seconds and 600 MB: only a process that trains loads it.
    from emotion.training.export import export_features
    from emotion.training.features.trainer import fit_features

    counts = {targets.source: _count_splits(targets) for targets in data}
    write_config(folder, "features", {**asdict(config), "faces": counts}, {"network": NETWORK_NAME})
    reporter.progress(len(read_history(folder)), config.epochs, "Loading")
    network = fit_features(data, config, RunContext.from_job(folder, reporter, config.epochs, export_only=export_only))
    remove_card(folder)
    difference = export_features(network, folder, config.input_size)
    _quantize(folder, data, config)
    card_fields: dict[str, Any] = {
        "kind": "features",
        "name": folder.name,
        "network": network.name,
        "num_parameters": network.count_params(),
        "input": {
            "size": config.input_size,
            "color_mode": "grayscale",
            "range": [0, 255],
            "preprocessing": "each image is standardized to mean 0 and standard deviation 1 inside the network",
        },
        "movements": MOVEMENT_NAMES,
        "shown_movements": (),
        "error_calibration": {"points": 1.0, "pose": 1.0, "movements": 1.0},
        "quantization": "int8",
        "data": counts,
        "metrics": {},
    }
    return finalize_run(folder, card_fields, data, difference)


def finalize_run(
    folder: Path, card_fields: dict[str, Any], data: Sequence[FeatureTargets], export_difference: float
) -> ModelBundle:
    """Calibrate and measure the exported network in `folder`, and write its report and its card."""
    card_fields["error_calibration"] = calibrate_errors(_open_unfinished(folder, card_fields), data)
    network = _open_unfinished(folder, card_fields)
    metrics = {split: evaluate_network(network, data, split) for split in ("validation", "test")}
    certain = metrics["validation"].get(CERTAIN_FACES)
    card_fields["shown_movements"] = _select_movements(certain["correlation"]) if certain else []
    history = read_history(folder)
    best = max(history, key=features_score)
    summary = summarize_history(history, int(best["epoch"]))
    report = FeaturesReport(**metrics, export_difference=export_difference, **summary)
    write_json(folder / REPORT_FILE, report)
    brief = {
        split: {
            source: {"n": row["n"], "point_error": row["point_error"], "pose_error": row["pose_error"]}
            for source, row in rows.items()
        }
        for split, rows in metrics.items()
    }
    write_card(folder, {**card_fields, "metrics": brief})
    return open_model(folder)


def _select_movements(correlation: Mapping[str, float]) -> list[str]:
    """Return the movements whose correlation, in the mean over both sides of the face, is large enough."""
    return [
        movement.name
        for movement in MOVEMENTS
        if (correlation[movement.name] + correlation[movement.mirrored_name]) / 2 >= MIN_CORRELATION
    ]


def _open_unfinished(folder: Path, card_fields: dict[str, Any]) -> FeaturesNetwork:
    """Return the network in `folder`, whose card is written when all is measured."""
    card = parse_card(folder / CARD_FILE, build_card(folder, card_fields))
    return FeaturesNetwork(ModelBundle(folder, card), num_threads=1)


def _count_splits(targets: FeatureTargets) -> dict[str, int]:
    counts = Counter(targets.split.tolist())
    return {name: counts[index] for index, name in enumerate(SPLITS)}


def _quantize(folder: Path, data: Sequence[FeatureTargets], config: FeaturesConfig) -> None:
    """Replace model.onnx by a network of 8 bits."""
    from emotion.training.classifier.quantization import quantize_onnx

    path = folder / "model.onnx"
    write_atomic(path, quantize_onnx(path, _select_calibration_faces(data, config)))


def _select_calibration_faces(data: Sequence[FeatureTargets], config: FeaturesConfig) -> NDArray[np.uint8]:
    """Return training faces (n, size, size) of all files, the same ones on each call."""
    selected = []
    for targets in data:
        rows = np.random.default_rng(config.seed).permutation(targets.rows_in("train"))
        chosen = rows[: _NUM_CALIBRATION_FACES // len(data)]
        selected.append(resize_images(targets.crops[chosen], config.input_size))
    return np.concatenate(selected)
