"""Train a classifier and finish its run folder as a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import Dataset
from emotion.datasets.label_sets import TaskDataset
from emotion.datasets.readers.hard_negatives import mine_hard_negatives
from emotion.datasets.readers.loaders import load_dataset
from emotion.errors import DivergenceError, EmotionError
from emotion.jobs.reporter import JobReporter
from emotion.model_store.store import ModelBundle, open_model
from emotion.training.classifier.config import TrainingPlan
from emotion.training.classifier.evaluation.scoring import finalize_run
from emotion.training.classifier.networks.zoo import get_architecture
from emotion.training.classifier.recipes import MultiHeadRecipe, Recipe, SingleHeadRecipe
from emotion.training.parallel.group import WorkerGroup
from emotion.training.runs.folder import read_history, remove_card, write_config
from emotion.training.runs.run_context import RunContext
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop


def train_plan(plan: TrainingPlan, folder: Path, reporter: JobReporter) -> ModelBundle:
    """Do what `train_classifier` does with the data set and the images without faces that a plan names."""
    data = load_dataset(
        Path(plan.data), Path(plan.ferplus_csv) if plan.ferplus_csv else None, get_architecture(plan.network).input_size
    )
    crops = mine_hard_negatives(Path(plan.negatives_dir)) if plan.negatives_dir else None
    return train_classifier(data, plan, folder, reporter, negative_crops=crops)


def train_classifier(
    data: Dataset,
    plan: TrainingPlan,
    folder: Path,
    reporter: JobReporter,
    *,
    negative_crops: NDArray[np.uint8] | None = None,
    export_only: bool = False,
) -> ModelBundle:
    """Train a classifier and finish its run folder as a model, from its checkpoint on where there is one.

    The epoch, the temperatures and the face threshold are chosen on the validation split; the test split is scored
    once, at the end. Where the training diverges, the best epoch before becomes the model, and the error is raised
    after that.

    Args:
        data: The faces, in the size that the network reads.
        plan: The settings.
        folder: The run folder.
        reporter: The job of `folder`.
        negative_crops: uint8 (m, 48, 48) without a face, for networks with a face head.
        export_only: Train no further epoch, make a model of the best one so far.

    Returns:
        The model in `folder`.

    Raises:
        DataError: A split or a label has too few faces.
        DivergenceError: A loss is not a finite number.
        TrainingStopped: Somebody asked for it; the same call continues after the last whole epoch.
        EmotionError: `folder` holds a training with other settings, or no epoch to export.
    """
    return train_recipe(make_recipe(data, plan, negative_crops), plan, folder, reporter, export_only=export_only)


def train_recipe(
    recipe: Recipe,
    plan: TrainingPlan,
    folder: Path,
    reporter: JobReporter,
    *,
    export_only: bool = False,
    group: WorkerGroup | None = None,
) -> ModelBundle:
    """Do what `train_classifier` does, as worker 0 of a group where there is one."""
    write_config(folder, "classifier", recipe.settings(), recipe.metadata())
    reporter.progress(len(read_history(folder)), plan.epochs, gettext_noop("Loading"))

    def train_and_export(export_only: bool) -> ModelBundle:
        run = RunContext.from_job(
            folder, reporter, plan.epochs, export_only=export_only, tensorboard=plan.tensorboard, group=group
        )
        network = recipe.fit(run)
        return export_model(network, recipe.task, folder, _make_card_fields(plan, recipe, folder, list(network.output)))

    return recover_if_diverged(train_and_export, folder, export_only=export_only)


def make_recipe(data: Dataset, plan: TrainingPlan, negative_crops: NDArray[np.uint8] | None) -> Recipe:
    """Return what is learned of the data by the settings of a plan; arguments and errors as of `train_classifier`."""
    if get_architecture(plan.network).is_native:
        return MultiHeadRecipe(data, plan, [open_model(Path(path)) for path in plan.teachers], negative_crops)
    return SingleHeadRecipe(data, plan)


def recover_if_diverged(train_fn: Callable[[bool], ModelBundle], folder: Path, *, export_only: bool) -> ModelBundle:
    """Return `train_fn(export_only)`; where it diverges after a whole epoch, make a model of the best one and raise."""
    if export_only and not read_history(folder):
        raise EmotionError(_("{folder} has no whole epoch yet; train at least one.").format(folder=folder))
    try:
        return train_fn(export_only)
    except DivergenceError:
        if read_history(folder):
            train_fn(True)
        raise


def export_model(network: Any, task: TaskDataset, folder: Path, card_fields: dict[str, Any]) -> ModelBundle:
    """Make a model folder of a trained Keras model: export, calibration, scores, card.

    `card_fields` are the fields of its card before calibration.
    """
    # Keras takes three seconds and 600 MB: only a process that trains loads it.
    from emotion.training.export import export_classifier, has_cam

    remove_card(folder)
    difference = export_classifier(network, folder, card_fields["input"]["size"])
    card_fields |= {"num_parameters": int(network.count_params())}
    if has_cam(network):
        card_fields["heads"] = {
            name: head | {"cam_output": f"{name}_map"} for name, head in card_fields["heads"].items()
        }
    return finalize_run(task, folder, card_fields, {"export_difference": difference})


def _make_card_fields(plan: TrainingPlan, recipe: Recipe, folder: Path, heads: list[str]) -> dict[str, Any]:
    """Return the fields of the card before calibration."""
    data = recipe.task.data
    return {
        "kind": "classifier",
        "name": folder.name,
        "network": plan.network,
        **recipe.card_fields(heads),
        "data": {"source": data.source, "rows": len(data), "duplicates": recipe.duplicates},
        "metrics": {},
    }
