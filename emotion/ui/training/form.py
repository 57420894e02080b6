"""The form of the Training page: what is trained, on what, how long, and what it will cost."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import pandas as pd
import streamlit as st

from emotion import formatting
from emotion.datasets.augmentation import NO_AUGMENTATION, Augmentation
from emotion.datasets.catalog import DatasetInfo, list_datasets
from emotion.datasets.label_sets import LABEL_SETS
from emotion.errors import EmotionError, ModelError
from emotion.model_store import store
from emotion.training import manager, run_listing
from emotion.training.classifier.config import LR_SCHEDULES, OPTIMIZERS, TrainingPlan
from emotion.training.classifier.cost_estimate import estimate_cost
from emotion.training.classifier.zoo import ArchitectureInfo, list_architectures
from emotion.training.preflight import check_teachers, max_batch_size
from emotion.ui import messages
from emotion.ui.training.data import CUSTOM_PATH, collect_errors

_SCHEDULE_NAMES: Final = {
    "constant": "Always the same",
    "cosine": "Falls as a cosine",
    "plateau": "Falls when it stalls",
}
_WEIGHT_SOURCES: Final = {
    "random": "At random",
    "imagenet": "ImageNet, fetched by Keras",
    "file": "ImageNet, from a file",
}
# Words, end and step of each change to the faces.
_AUGMENTATIONS: Final[Mapping[str, tuple[str, float, float]]] = {
    "shift": ("Shift, of the side", 0.3, 0.01),
    "rotation": ("Turn, degrees", 45.0, 1.0),
    "brightness": ("Brightness, grey levels", 80.0, 5.0),
    "contrast": ("Contrast", 0.8, 0.05),
    "gamma": ("Gamma", 0.8, 0.05),
    "erase_prob": ("One box erased, chance", 1.0, 0.05),
    "blur_prob": ("Blur, chance", 0.5, 0.02),
    "noise_prob": ("Noise, chance", 0.5, 0.02),
    "jpeg_prob": ("JPEG, chance", 0.5, 0.02),
    "low_resolution_prob": ("Low resolution, chance", 0.5, 0.02),
}

state = st.session_state


def fill_form(plan: TrainingPlan) -> None:
    """Put the settings of a training into the form; it shows them when it is drawn the next time."""
    of = plan.network
    state.update(
        {
            "train_network": of,
            "train_data": CUSTOM_PATH,
            "train_path": plan.data,
            "train_ferplus_csv": plan.ferplus_csv,
            f"train_label_set_{of}": plan.label_set,
            f"train_horizontal_flip_{of}": plan.horizontal_flip,
            f"train_zoom_{of}": (plan.augmentation.min_scale, plan.augmentation.max_scale),
        }
    )
    given = Path(plan.data)
    known = [entry for entry in list_datasets().datasets if entry.path == given]
    if not known and not given.exists():  # a shipped run was made elsewhere, from the same data set
        known = [entry for entry in list_datasets().datasets if entry.path.name == given.name]
    if known:
        state["train_data"] = str(known[0].path)
    state[f"train_label_set_of_{of}"] = str(known[0].path) if known else plan.data
    names = ("epochs", "batch_size", "optimizer", "learning_rate", "lr_schedule", "early_stopping_patience", "seed")
    for name in (*names, "tensorboard"):
        state[f"train_{name}_{of}"] = getattr(plan, name)
    for name in _AUGMENTATIONS:
        state[f"train_{name}_{of}"] = float(getattr(plan.augmentation, name))
    state[f"train_distillation_weight_{of}"] = plan.distillation_weight
    state[f"train_teachers_{of}"] = [os.path.abspath(one) for one in plan.teachers if Path(one).is_dir()]
    state[f"train_weights_{of}"] = plan.weights if plan.weights in _WEIGHT_SOURCES else "file"
    if state[f"train_weights_{of}"] == "file":
        state[f"train_weights_path_{of}"] = plan.weights


# ------------------------------------------------------------------ what


def choose_architecture() -> ArchitectureInfo:
    """Choose a network by its card."""
    cards = {card.name: card for card in list_architectures()}
    name = st.pills(
        "Network",
        list(cards),
        default=next(iter(cards)),
        required=True,
        key="train_network",
        wrap=True,
        label_visibility="collapsed",
    )
    card = cards[name or next(iter(cards))]
    with st.container(border=True):
        st.markdown(f"**{messages.escape_markdown(card.title)}**")
        st.markdown(
            f"{messages.escape_markdown(card.origin[:1].upper() + card.origin[1:])}.  \n"
            f"Reported: {messages.escape_markdown(card.reported_accuracy)}.  \n"
            f"{card.num_parameters:,} parameters; reads {card.input_size} x {card.input_size} pixels, "
            f"{messages.escape_markdown(card.color_mode)}."
        )
        if card.pretrained_note:
            st.caption(messages.escape_markdown(card.pretrained_note + "."))
    with st.expander("All networks beside each other", icon=":material/table_rows:"):
        st.dataframe(
            pd.DataFrame(
                {
                    "network": list(cards),
                    "what it is": [one.title for one in cards.values()],
                    "reported": [one.reported_accuracy for one in cards.values()],
                    "parameters": [one.num_parameters for one in cards.values()],
                    "reads": [f"{one.input_size} x {one.input_size}" for one in cards.values()],
                    "labels": [LABEL_SETS[one.label_set].title for one in cards.values()],
                }
            ),
            hide_index=True,
            key="train_networks",
        )
    return card


# ------------------------------------------------------------------ how long


def choose_hyperparameters(
    architecture: ArchitectureInfo,
    label_set_name: str,
    ferplus_csv: str,
    dataset_info: DatasetInfo | None,
    errors: list[str],
) -> dict[str, Any]:
    """Choose everything else: fields of a `TrainingPlan`. `errors` as in `on_what`."""
    plan, of = TrainingPlan.from_defaults(architecture.name), architecture.name
    chosen: dict[str, Any] = {}
    left, middle, right = st.columns(3, gap="medium")
    with left:
        chosen["epochs"] = st.number_input(
            "Epochs",
            1,
            10_000,
            **_make_widget_args(f"train_epochs_{of}", plan.epochs),
            help="How often it sees every face.",
        )
        chosen["batch_size"] = st.number_input(
            "Batch",
            1,
            4096,
            **_make_widget_args(f"train_batch_size_{of}", plan.batch_size),
            help="How many faces it looks at before it changes itself.",
        )
        most = max_batch_size(dataset_info, LABEL_SETS[label_set_name]) if dataset_info else chosen["batch_size"]
        if chosen["batch_size"] > most:
            chosen["batch_size"] = most
            st.caption(f"Only {most:,} faces are for training, so a batch has {most:,}.")
        chosen["seed"] = st.number_input(
            "Seed",
            0,
            2**31 - 1,
            **_make_widget_args(f"train_seed_{of}", plan.seed),
            help="The same seed, the same training.",
        )
    with middle:
        chosen["optimizer"] = _choose_option(
            "Optimizer", OPTIMIZERS, architecture, "optimizer", plan, "How it changes itself."
        )
        chosen["learning_rate"] = st.number_input(
            "Learning rate",
            1e-6,
            10.0,
            step=1e-4,
            format="%.6g",
            **_make_widget_args(f"train_learning_rate_{of}", float(plan.learning_rate)),
            help="How large its changes are: too small takes for ever, too large learns nothing.",
        )
        chosen["lr_schedule"] = _choose_option(
            "Learning rate over time", LR_SCHEDULES, architecture, "lr_schedule", plan, ""
        )
    with right:
        chosen["early_stopping_patience"] = st.number_input(
            "End early after",
            0,
            1000,
            **_make_widget_args(f"train_early_stopping_patience_{of}", plan.early_stopping_patience),
            disabled="early_stopping_patience" in architecture.locked_fields,
            help="Epochs without a smaller loss on the faces held out; 0 never ends early.",
        )
        if architecture.pretrained_note:
            chosen["weights"] = _choose_weights(architecture, errors)
        if architecture.is_native:
            chosen |= _choose_teachers(architecture, plan)
            if dataset_info:
                with collect_errors(errors):
                    check_teachers([Path(one) for one in chosen["teachers"]], dataset_info, has_votes=bool(ferplus_csv))
        chosen["tensorboard"] = st.toggle(
            "TensorBoard files, too",
            **_make_widget_args(f"train_tensorboard_{of}", plan.tensorboard),
            help="In the folder of the run, for those who look at their trainings with TensorBoard.",
        )
    chosen |= _choose_augmentation(architecture, plan)
    return chosen


def _make_widget_args(key: str, default: Any) -> dict[str, Any]:
    """A widget's key, and its first value unless the form was filled."""
    return {"key": key} if key in state else {"key": key, "value": default}


def _choose_option(
    label: str, options: tuple[str, ...], architecture: ArchitectureInfo, name: str, plan: TrainingPlan, help_text: str
) -> str:
    key = f"train_{name}_{architecture.name}"
    return st.selectbox(
        label,
        options,
        key=key,
        disabled=name in architecture.locked_fields,
        help=help_text or None,
        format_func=lambda one: str(_SCHEDULE_NAMES.get(one, one)),
        index=0 if key in state else options.index(getattr(plan, name)),
    )


def _choose_weights(architecture: ArchitectureInfo, errors: list[str]) -> str:
    key = f"train_weights_{architecture.name}"
    kind = st.selectbox("Begins", list(_WEIGHT_SOURCES), key=key, index=1, format_func=lambda one: _WEIGHT_SOURCES[one])
    if kind == "imagenet":
        st.caption("They are fetched from keras.io once. Without a network choose another beginning.")
    if kind != "file":
        return kind
    path = st.text_input("File of the weights (.h5)", key=f"train_weights_path_{architecture.name}").strip()
    with collect_errors(errors):
        if not Path(path).is_file():
            raise ModelError(f"There is no file {path or 'named yet'}; give the ImageNet weights without top.")
    return path


def _choose_teachers(architecture: ArchitectureInfo, plan: TrainingPlan) -> dict[str, Any]:
    """Finished classifiers of this program, as folders, and what share their answers have in what it learns."""
    own = {one.name for one in list_architectures() if one.is_native}
    runs = run_listing.list_runs(manager.RUNS_FOLDER, store.BUILTIN_MODELS)
    known = {os.path.abspath(run.folder): run.name for run in runs if run.has_model and run.network in own}
    key = f"train_teachers_{architecture.name}"
    names = {one: known.get(one, Path(one).name) for one in [*known, *state.get(key, [])]}
    given = Counter(names.values())
    # Streamlit tells them apart by their words.
    words = {one: name if given[name] == 1 else f"{name}, in {Path(one).parent}" for one, name in names.items()}
    chosen = st.multiselect(
        "Taught by",
        list(words),
        key=key,
        format_func=words.__getitem__,
        placeholder="nobody but the labels",
        help="Classifiers whose answers count, too, in what it learns; each makes an epoch longer.",
    )
    share = plan.distillation_weight
    if chosen:
        share = st.slider(
            "Their share",
            0.0,
            1.0,
            step=0.05,
            **_make_widget_args(f"train_distillation_weight_{architecture.name}", plan.distillation_weight),
            help="1 is the teachers alone, 0 the labels alone.",
        )
    return {"teachers": tuple(chosen), "distillation_weight": share}


def _choose_augmentation(architecture: ArchitectureInfo, plan: TrainingPlan) -> dict[str, Any]:
    """How the faces are changed while they are learned."""
    of, amount = architecture.name, asdict(plan.augmentation)
    with st.expander("Change the faces a little, differently in every epoch", icon=":material/auto_awesome:"):
        flip = st.toggle(
            "From both sides in turn",
            **_make_widget_args(f"train_horizontal_flip_{of}", plan.horizontal_flip),
            disabled="horizontal_flip" in architecture.locked_fields,
        )
        columns = st.columns(3, gap="medium")
        values: dict[str, Any] = {}
        for i, (name, (words, most, step)) in enumerate(_AUGMENTATIONS.items()):
            with columns[i % 3]:
                key = f"train_{name}_{of}"
                if key in state:  # a run of the command line may have more than the slider
                    state[key] = min(most, max(0.0, float(state[key])))
                values[name] = st.slider(words, 0.0, most, step=step, **_make_widget_args(key, float(amount[name])))
        with columns[len(_AUGMENTATIONS) % 3]:
            zoom = st.slider(
                "Size, from and to",
                0.5,
                1.5,
                step=0.01,
                **_make_widget_args(f"train_zoom_{of}", (amount["min_scale"], amount["max_scale"])),
            )
    change = Augmentation(**values, min_scale=zoom[0], max_scale=zoom[1])
    return {"horizontal_flip": flip, "augmentation": NO_AUGMENTATION if change == NO_AUGMENTATION else change}


# ------------------------------------------------------------------ what it costs, and the start


def make_plan(
    architecture: ArchitectureInfo, path: str, ferplus_csv: str, label_set_name: str, options: Mapping[str, Any]
) -> TrainingPlan | None:
    """The plan of the form; None, with its sentence, where it makes none."""
    try:
        return replace(
            TrainingPlan.from_defaults(architecture.name),
            data=path,
            ferplus_csv=ferplus_csv,
            label_set=label_set_name,
            **options,
        )
    except EmotionError as error:
        st.error(messages.escape_markdown(str(error)), icon=":material/error:")
        return None


def show_cost_estimate(plan: TrainingPlan, dataset_info: DatasetInfo | None) -> None:
    """How much it has to learn, how long that takes and what memory."""
    if dataset_info is None:
        st.caption("Time and memory are told for a data set that is found.")
        return
    told = estimate_cost(
        plan, dataset_info.num_faces, num_classes=len(dataset_info.labels), runs_folder=manager.RUNS_FOLDER
    )
    columns = st.columns(3)
    columns[0].metric("Parameters", f"{told.num_parameters:,}", border=True, help="Numbers that it learns.")
    columns[1].metric(
        "Time, about",
        formatting.format_duration(told.seconds_per_epoch * plan.epochs),
        border=True,
        help=f"{formatting.format_duration(told.seconds_per_epoch)} an epoch, "
        + ("as an earlier run took here." if told.is_measured else "guessed from the speed of this machine."),
    )
    columns[2].metric("Memory, about", f"{told.memory_bytes / 1e9:.1f} GB", border=True, help="While it learns.")


def suggest_run_name(network: str) -> str:
    """A name for a new run that no run has yet: "mlp", "mlp-2"."""
    taken = (
        {folder.name for folder in Path(manager.RUNS_FOLDER).iterdir()} if Path(manager.RUNS_FOLDER).is_dir() else set()
    )
    names = (network if n == 1 else f"{network}-{n}" for n in range(1, len(taken) + 3))
    return next(name for name in names if name not in taken)


def start_training(plan: TrainingPlan, name: str) -> bool:
    """Begin, or join the queue; False where it was refused, with its sentence."""
    with messages.error_box("starting the training"):
        manager.start_training(plan, name, manager.RUNS_FOLDER)
        return True
    return False
