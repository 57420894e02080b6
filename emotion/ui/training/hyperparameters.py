"""The part of the Training form that chooses the hyperparameters and the augmentation."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import streamlit as st

from emotion.datasets.augmentation import Augmentation
from emotion.datasets.label_sets import LABEL_SETS
from emotion.errors import EmotionError, ModelError
from emotion.model_store import store
from emotion.training import manager, run_listing
from emotion.training.classifier.config import (
    LR_SCHEDULES,
    OPTIMIZERS,
    TrainingPlan,
    find_weights_file,
)
from emotion.training.classifier.networks.zoo import ArchitectureInfo, list_architectures
from emotion.training.classifier.plan_checks import FACTOR_BOUNDS
from emotion.training.preflight import check_teachers, max_batch_size
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop
from emotion.ui import augmentation_controls, messages
from emotion.ui.augmentation_controls import with_default
from emotion.ui.training.data import DatasetChoice, collect_errors

WEIGHT_SOURCES: Final = {
    "random": gettext_noop("Random"),
    "imagenet": gettext_noop("ImageNet (download)"),
    "file": gettext_noop("ImageNet (file)"),
}
_SCHEDULE_NAMES: Final = {
    "constant": gettext_noop("Constant"),
    "cosine": gettext_noop("Cosine decay"),
    "plateau": gettext_noop("Reduce on plateau"),
}

state = st.session_state


def choose_plan(architecture: ArchitectureInfo, dataset: DatasetChoice, errors: list[str]) -> TrainingPlan | None:
    """Choose all settings of a training but the network and the data set.

    Args:
        architecture: The network that learns.
        dataset: What it learns from.
        errors: As in `choose_source`.

    Returns:
        The plan; None, after showing the reason, where the settings cannot be combined.
    """
    defaults = TrainingPlan.from_defaults(architecture.name)
    left, middle, right = st.columns(3, gap="medium")
    with left:
        options = choose_duration(architecture.name, dataset, defaults)
    with middle:
        options |= _choose_optimization(architecture, defaults)
    with right:
        options |= _choose_initialization(architecture, dataset, defaults, errors)
    options |= _choose_augmentation(architecture, defaults)
    try:
        return replace(
            defaults, data=dataset.path, ferplus_csv=dataset.ferplus_csv, label_set=dataset.label_set, **options
        )
    except EmotionError as error:
        st.error(messages.escape_markdown(str(error)), icon=":material/error:")
        return None


def choose_duration(name: str, dataset: DatasetChoice, defaults: TrainingPlan) -> dict[str, Any]:
    """Choose the fields `epochs`, `batch_size` and `seed` of a plan; `name` is the end of the keys of the widgets."""
    epochs = st.number_input(
        _("Epochs"),
        1,
        10_000,
        **with_default(f"train_epochs_{name}", defaults.epochs),
        help=_("Passes over the training faces."),
    )
    batch_size = st.number_input(
        _("Batch size"),
        1,
        4096,
        **with_default(f"train_batch_size_{name}", defaults.batch_size),
        help=_("Faces per weight update."),
    )
    largest = max_batch_size(dataset.info, LABEL_SETS[dataset.label_set]) if dataset.info else batch_size
    if batch_size > largest:
        batch_size = largest
        st.caption(_("Only {largest:,} faces are for training, so a batch has {largest:,}.").format(largest=largest))
    seed = st.number_input(
        _("Seed"),
        0,
        2**31 - 1,
        **with_default(f"train_seed_{name}", defaults.seed),
        help=_("The same seed gives the same training."),
    )
    return {"epochs": epochs, "batch_size": batch_size, "seed": seed}


def _choose_optimization(architecture: ArchitectureInfo, defaults: TrainingPlan) -> dict[str, Any]:
    optimizer = _choose_option(_("Optimizer"), "optimizer", OPTIMIZERS, architecture, defaults)
    learning_rate = choose_learning_rate(architecture.name, defaults)
    lr_schedule = _choose_option(_("Learning rate schedule"), "lr_schedule", LR_SCHEDULES, architecture, defaults)
    return {"optimizer": optimizer, "learning_rate": learning_rate, "lr_schedule": lr_schedule}


def choose_learning_rate(name: str, defaults: TrainingPlan) -> float:
    """Choose the learning rate; `name` is the end of the key of the widget."""
    learning_rate = st.number_input(
        _("Learning rate"),
        1e-6,
        10.0,
        step=1e-4,
        format="%.6g",
        **with_default(f"train_learning_rate_{name}", float(defaults.learning_rate)),
        help=_("Step size: too small is slow, too large diverges."),
    )
    return float(learning_rate or defaults.learning_rate)


def _choose_initialization(
    architecture: ArchitectureInfo, dataset: DatasetChoice, defaults: TrainingPlan, errors: list[str]
) -> dict[str, Any]:
    """Choose early stopping, the initial weights or the teachers, the size of the network, and TensorBoard."""
    options: dict[str, Any] = {
        "early_stopping_patience": st.number_input(
            _("Early stopping patience"),
            0,
            1000,
            **with_default(f"train_early_stopping_patience_{architecture.name}", defaults.early_stopping_patience),
            disabled="early_stopping_patience" in architecture.locked_fields,
            help=_("Epochs without a smaller loss on the validation faces; 0 never ends early."),
        )
    }
    if architecture.pretrained_note:
        options["weights"] = _choose_weights(architecture, errors)
    if architecture.is_native:
        options |= _choose_teachers(architecture, defaults)
        options["init_from"] = _choose_init_from(architecture, errors)
        if dataset.info:
            teachers = [Path(folder) for folder in options["teachers"]]
            with collect_errors(errors):
                check_teachers(teachers, dataset.info, has_votes=bool(dataset.ferplus_csv))
    options |= _choose_network_size(architecture, defaults)
    options["tensorboard"] = st.toggle(
        _("Write TensorBoard files"),
        **with_default(f"train_tensorboard_{architecture.name}", defaults.tensorboard),
        help=_("In the folder of the run, for those who look at their trainings with TensorBoard."),
    )
    return options


def _choose_network_size(architecture: ArchitectureInfo, defaults: TrainingPlan) -> dict[str, Any]:
    """Choose the factors of width and dropout that the network does not lock."""
    titles = {
        "width_factor": (
            _("Width factor"),
            _("Of the number of filters and units; 1 is the network as it is described."),
        ),
        "dropout_factor": (_("Dropout factor"), _("Of the dropout rates; 0 trains without dropout.")),
    }
    return {
        name: st.number_input(
            title,
            *FACTOR_BOUNDS[name],
            step=0.1,
            **with_default(f"train_{name}_{architecture.name}", float(getattr(defaults, name))),
            help=help_text,
        )
        for name, (title, help_text) in titles.items()
        if name not in architecture.locked_fields
    }


def _choose_option(
    label: str, field: str, options: tuple[str, ...], architecture: ArchitectureInfo, defaults: TrainingPlan
) -> str:
    key = f"train_{field}_{architecture.name}"
    return st.selectbox(
        label,
        options,
        key=key,
        disabled=field in architecture.locked_fields,
        help=_("The update rule.") if field == "optimizer" else None,
        format_func=lambda option: _(str(_SCHEDULE_NAMES.get(option, option))),
        index=0 if key in state else options.index(getattr(defaults, field)),
    )


def _choose_weights(architecture: ArchitectureInfo, errors: list[str]) -> str:
    key = f"train_weights_{architecture.name}"
    source = st.selectbox(
        _("Initial weights"), list(WEIGHT_SOURCES), key=key, index=1, format_func=lambda name: _(WEIGHT_SOURCES[name])
    )
    if source == "imagenet":
        st.caption(_("They are downloaded from keras.io once. Without a connection choose other weights."))
    if source != "file":
        return source
    path = st.text_input(_("File of the weights (.h5)"), key=f"train_weights_path_{architecture.name}").strip()
    with collect_errors(errors):
        if not Path(path).is_file():
            text = _("There is no file {path}; give the ImageNet weights without top.")
            raise ModelError(
                text.format(path=path) if path else _("Give the file of the ImageNet weights without top.")
            )
    return path


def _choose_init_from(architecture: ArchitectureInfo, errors: list[str]) -> str:
    """Enter the classifier or the file whose weights a native network begins with; "" for random ones."""
    path = st.text_input(
        _("Start from"),
        key=f"train_init_from_{architecture.name}",
        placeholder=_("random weights"),
        help=_("The folder of a trained classifier with the same network, or a file of weights."),
    ).strip()
    if path:
        with collect_errors(errors):
            find_weights_file(Path(path), architecture.name)
    return path


def _choose_teachers(architecture: ArchitectureInfo, defaults: TrainingPlan) -> dict[str, Any]:
    """Choose the folders of finished native classifiers, and the share of their predictions in the loss."""
    native = {info.name for info in list_architectures() if info.is_native}
    runs = run_listing.list_runs(manager.RUNS_FOLDER, store.BUILTIN_MODELS)
    run_names = {os.path.abspath(run.folder): run.name for run in runs if run.has_model and run.network in native}
    key = f"train_teachers_{architecture.name}"
    names = {folder: run_names.get(folder, Path(folder).name) for folder in [*run_names, *state.get(key, [])]}
    counts = Counter(names.values())
    # Streamlit identifies the options by their texts.
    texts = {folder: name if counts[name] == 1 else f"{name} ({Path(folder).parent})" for folder, name in names.items()}
    teachers = st.multiselect(
        _("Teachers"),
        list(texts),
        key=key,
        format_func=texts.__getitem__,
        placeholder=_("none"),
        help=_("Classifiers to distill from; each makes an epoch longer."),
    )
    weight = defaults.distillation_weight
    if teachers:
        weight = st.slider(
            _("Distillation weight"),
            0.0,
            1.0,
            step=0.05,
            **with_default(f"train_distillation_weight_{architecture.name}", weight),
            help=_("1 is the teachers alone, 0 the labels alone."),
        )
    return {"teachers": tuple(teachers), "distillation_weight": weight}


def _choose_augmentation(architecture: ArchitectureInfo, defaults: TrainingPlan) -> dict[str, Any]:
    name = architecture.name
    with st.expander(_("Data augmentation"), icon=":material/auto_awesome:"):
        flip = st.toggle(
            _("Mirror"),
            **with_default(f"train_horizontal_flip_{name}", defaults.horizontal_flip),
            disabled="horizontal_flip" in architecture.locked_fields,
        )
        columns = st.columns(3, gap="medium")
        fields = [*augmentation_controls.COMMON, *augmentation_controls.DEGRADATIONS]
        strengths: dict[str, float] = {}
        for i, field in enumerate(fields):
            with columns[i % 3]:
                strengths[field] = augmentation_controls.choose_strength(
                    field, f"train_{field}_{name}", defaults.augmentation
                )
        with columns[len(fields) % 3]:
            min_scale, max_scale = augmentation_controls.choose_scale(f"train_zoom_{name}", defaults.augmentation)
    augmentation = Augmentation(**strengths, min_scale=min_scale, max_scale=max_scale)
    return {"horizontal_flip": flip, "augmentation": augmentation}
