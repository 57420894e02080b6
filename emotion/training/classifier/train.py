"""Train a classifier from a data set to a finished run folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import Dataset, hash_split
from emotion.datasets.duplicates import duplicate_report
from emotion.datasets.label_sets import (
    TaskDataset,
    check_classes,
    check_labels,
    check_splits,
    count_labels,
    get_label_set,
    map_labels,
)
from emotion.errors import DivergenceError, EmotionError
from emotion.expressions import EXPRESSIONS, FERPLUS_LABELS
from emotion.jobs.reporter import JobReporter
from emotion.model_store.store import ModelBundle
from emotion.storage import read_json
from emotion.training.classifier.config import TrainingPlan
from emotion.training.classifier.scoring import finalize_run, wrap_dataset
from emotion.training.classifier.zoo import get_architecture
from emotion.training.runs.folder import CONFIG_FILE, read_history, remove_card, write_config
from emotion.training.runs.step_monitor import StepMonitor

_MUTABLE_SETTINGS: Final = (
    "data",
    "ferplus_csv",
    "negatives_dir",
    "tensorboard",
)  # may change between a stop and going on


def train_classifier(
    data: Dataset,
    config: Any,
    folder: Path,
    reporter: JobReporter,
    negative_crops: NDArray[np.uint8] | None = None,
    metadata: Mapping[str, Any] | None = None,
    *,
    teachers: Sequence[ModelBundle] = (),
    export_only: bool = False,
    tensorboard: bool = False,
) -> ModelBundle:
    """Train a classifier into `folder` and finish it as a model folder; goes on where an earlier call ended.

    The duplicates across splits are counted before the first step. The epoch, the temperatures and the face
    threshold are chosen on the validation split; the test split is scored once, at the end. Where the training
    diverges, a model is made of the best epoch before, and `DivergenceError` is raised. `metadata`: where the files lie, for
    config.json. `teachers`: classifiers that teach it, too. `export_only`: learn no more, make a model of the best epoch
    so far. `tensorboard`: write event files, too.
    """
    # Keras takes three seconds and 600 MB: only a process that trains loads it.
    from emotion.training.classifier.batches import TeacherEnsemble, get_head_sizes
    from emotion.training.classifier.trainer import fit_classifier

    check_splits(data.source, count_labels(data))
    check_labels(data.source, data.label_names)
    config = replace(config, teachers=tuple(bundle.sha256 for bundle in teachers))
    head_labels = {name: _get_head_labels(name, data) for name in get_head_sizes(data, has_negatives=False)}
    ensemble = TeacherEnsemble(teachers, head_labels) if teachers else None
    settings = {
        **asdict(config),
        "source": data.source,
        "rows": len(data),
        "has_ferplus_votes": data.votes is not None,
        "num_negatives": 0 if negative_crops is None else len(negative_crops),
        "duplicates": duplicate_report(data),
        "split": hash_split(data),
    }
    shape = {"size": data.images.shape[1], "label_names": list(data.label_names)}
    write_config(folder, settings, {"data": data.source, **(metadata or {}), **shape})
    reporter.progress(len(read_history(folder)), config.epochs, "Loading")

    def on_epoch(epoch: int, seconds: float, row: dict[str, float]) -> bool:
        accuracy = row.get("val_fer2013_accuracy", float("nan"))
        reporter.progress(epoch, config.epochs, f"epoch {epoch} of {config.epochs}, right on {accuracy:.1%}")
        return reporter.stop_requested

    def train_and_export(export_only: bool) -> ModelBundle:
        monitor = StepMonitor.from_job(folder, reporter, config.epochs)
        network = fit_classifier(
            data,
            config,
            folder,
            negative_crops,
            on_epoch,
            monitor,
            teachers=ensemble,
            export_only=export_only,
            tensorboard=tensorboard,
        )
        return export_model(network, wrap_dataset(data), folder, _make_card_fields(data, folder, list(network.output)))

    return recover_if_diverged(train_and_export, folder, export_only=export_only)


def recover_if_diverged(train_fn: Callable[[bool], ModelBundle], folder: Path, *, export_only: bool) -> ModelBundle:
    """`train_fn(export_only)`; where that diverges after a whole epoch, its best is made a model before the error goes on."""
    if export_only and not read_history(folder):
        raise EmotionError(f"{folder} has no whole epoch yet; there is nothing to make a model of.")
    try:
        return train_fn(export_only)
    except DivergenceError:
        if read_history(folder):
            train_fn(True)
        raise


def export_model(network: Any, task: TaskDataset, folder: Path, card_fields: dict[str, Any]) -> ModelBundle:
    """Make a model folder of a trained network: export it, calibrate and score it, keep what it says.

    `card_fields` are its card before it is calibrated.
    """
    from emotion.training.export import export_classifier, has_cam

    remove_card(folder)
    difference = export_classifier(network, folder, card_fields["input"]["size"])
    card_fields |= {"num_parameters": int(network.count_params())}
    if has_cam(network):
        card_fields["heads"] = {
            name: head | {"cam_output": f"{name}_map"} for name, head in card_fields["heads"].items()
        }
    return finalize_run(task, folder, card_fields, {"export_difference": difference})


def _make_card_fields(data: Dataset, folder: Path, heads: list[str]) -> dict[str, Any]:
    """The card before it is calibrated."""
    config = read_json(folder / CONFIG_FILE) or {}
    return {
        "kind": "classifier",
        "name": folder.name,
        "network": config.get("network"),
        "input": {
            "size": data.images.shape[1],
            "color_mode": "grayscale",
            "range": [0, 255],
            "preprocessing": "each image is standardized to mean 0 and standard deviation 1 inside the network",
        },
        "default_head": "ferplus" if "ferplus" in heads else "fer2013",
        "heads": {
            name: {"output": name, "labels": list(_get_head_labels(name, data)), "temperature": 1.0}
            for name in heads
            if name != "face"
        },
        "face_head": {"output": "face", "threshold": 0.5} if "face" in heads else None,
        "data": {"source": data.source, "rows": len(data), "duplicates": config.get("duplicates")},
        "teachers": config.get("teachers", []),
        "metrics": {},
        # Labels that are none of this program's are allowed to a card that says so.
        **({} if set(data.label_names) <= set(EXPRESSIONS) else {"label_set": "own"}),
    }


def _get_head_labels(head: str, data: Dataset) -> tuple[str, ...]:
    return FERPLUS_LABELS if head == "ferplus" else data.label_names


def train_zoo_classifier(
    data: Dataset, plan: TrainingPlan, folder: Path, reporter: JobReporter, *, export_only: bool = False
) -> ModelBundle:
    """Train the network of `plan` into `folder` and finish it as a model folder, as `train_classifier` does.

    Raises `DataError` where a split or a label has no face.
    """
    # Keras takes three seconds and 600 MB: only a process that trains loads it.
    from emotion.training.classifier.zoo_trainer import fit_zoo_classifier

    task = map_labels(data, get_label_set(plan.label_set))
    counts = count_labels(task.data)
    check_splits(data.source, counts)
    check_classes(data.source, task.data.label_names, counts)
    settings = plan.to_config() | {
        "label_names": list(task.data.label_names),
        "source": data.source,
        "rows": len(task.rows),
        "excluded_labels": dict(task.excluded_counts),
        "duplicates": duplicate_report(task.data),
        "split": hash_split(task.data),
        "num_parameters": get_architecture(plan.network).count_parameters(len(task.data.label_names)),
    }
    # Only a cosine depends on how many epochs are to come; any other training can be given more of them.
    free = _MUTABLE_SETTINGS if plan.lr_schedule == "cosine" else (*_MUTABLE_SETTINGS, "epochs")
    write_config(folder, settings, {name: settings.pop(name) for name in free})
    reporter.progress(len(read_history(folder)), plan.epochs, "Loading")

    def on_epoch(epoch: int, seconds: float, row: dict[str, float]) -> bool:
        text = f"epoch {epoch} of {plan.epochs}, right on {row['val_accuracy']:.1%}"
        reporter.progress(epoch, plan.epochs, text)
        return reporter.stop_requested

    def train_and_export(export_only: bool) -> ModelBundle:
        monitor = StepMonitor.from_job(folder, reporter, plan.epochs)
        network = fit_zoo_classifier(task, plan, folder, monitor, on_epoch, export_only=export_only)
        return export_model(network, task, folder, _make_zoo_card_fields(plan, task, folder))

    return recover_if_diverged(train_and_export, folder, export_only=export_only)


def _make_zoo_card_fields(plan: TrainingPlan, task: TaskDataset, folder: Path) -> dict[str, Any]:
    """The card before it is calibrated."""
    architecture, data = get_architecture(plan.network), task.data
    return {
        "kind": "classifier",
        "name": folder.name,
        "network": plan.network,
        "weights": plan.weights,
        "label_set": plan.label_set,
        "input": {
            "size": architecture.input_size,
            "color_mode": "grayscale",
            "range": [0, 255],
            "preprocessing": "scaled inside the network",
        },
        "default_head": plan.label_set,
        "heads": {plan.label_set: {"output": plan.label_set, "labels": list(data.label_names), "temperature": 1.0}},
        "face_head": None,
        "data": {"source": data.source, "rows": len(data), "duplicates": duplicate_report(data)},
        "metrics": {},
    }
