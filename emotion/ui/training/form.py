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
from emotion.datasets.augmentation import NONE, Augmentation
from emotion.datasets.catalog import Entry, find_datasets
from emotion.datasets.label_sets import LABEL_SETS
from emotion.errors import EmotionError, ModelError
from emotion.model_store import store
from emotion.training import manager
from emotion.training.classifier.config import OPTIMISERS, SCHEDULES, LessonPlan
from emotion.training.classifier.cost_estimate import estimate
from emotion.training.classifier.zoo import NetworkCard, networks
from emotion.training.preflight import check_teachers, largest_batch
from emotion.ui import messages
from emotion.ui.training.data import OTHER, told_in

_SCHEDULE_WORDS: Final = {
    "constant": "Always the same", "cosine": "Falls as a cosine", "plateau": "Falls when it stalls",
}  # fmt: skip
_WEIGHTS: Final = {"random": "At random", "imagenet": "ImageNet, fetched by Keras", "file": "ImageNet, from a file"}
# Words, end and step of each change to the faces.
_CHANGES: Final[Mapping[str, tuple[str, float, float]]] = {
    "shift": ("Shift, of the side", 0.3, 0.01), "rotation": ("Turn, degrees", 45.0, 1.0),
    "brightness": ("Brightness, grey levels", 80.0, 5.0), "contrast": ("Contrast", 0.8, 0.05),
    "gamma": ("Gamma", 0.8, 0.05), "p_erase": ("One box erased, chance", 1.0, 0.05),
    "p_blur": ("Blur, chance", 0.5, 0.02), "p_noise": ("Noise, chance", 0.5, 0.02),
    "p_jpeg": ("JPEG, chance", 0.5, 0.02), "p_low_resolution": ("Low resolution, chance", 0.5, 0.02),
}  # fmt: skip

state = st.session_state


def fill(plan: LessonPlan) -> None:
    """Put the settings of a training into the form; it shows them when it is drawn the next time."""
    of = plan.network
    state.update({
        "train_network": of, "train_data": OTHER, "train_path": plan.data, "train_votes": plan.votes,
        f"train_labels_{of}": plan.labels, f"train_flip_{of}": plan.flip,
        f"train_zoom_{of}": (plan.augmentation.least_scale, plan.augmentation.most_scale),
    })  # fmt: skip
    given = Path(plan.data)
    known = [entry for entry in find_datasets() if entry.path == given]
    if not known and not given.exists():  # a shipped run was made elsewhere, from the same data set
        known = [entry for entry in find_datasets() if entry.path.name == given.name]
    if known:
        state["train_data"] = str(known[0].path)
    state[f"train_labels_of_{of}"] = str(known[0].path) if known else plan.data
    for name in ("epochs", "batch", "optimiser", "learning_rate", "schedule", "patience", "seed", "tensorboard"):
        state[f"train_{name}_{of}"] = getattr(plan, name)
    for name in _CHANGES:
        state[f"train_{name}_{of}"] = float(getattr(plan.augmentation, name))
    state[f"train_teaching_{of}"] = plan.teaching
    # What an older version kept of them are no folders.
    state[f"train_teachers_{of}"] = [os.path.abspath(one) for one in plan.teachers if Path(one).is_dir()]
    state[f"train_weights_{of}"] = plan.weights if plan.weights in _WEIGHTS else "file"
    if state[f"train_weights_{of}"] == "file":
        state[f"train_weights_path_{of}"] = plan.weights


# ------------------------------------------------------------------ what


def what() -> NetworkCard:
    """Choose a network by its card."""
    cards = {card.name: card for card in networks()}
    name = st.pills(
        "Network", list(cards), default=next(iter(cards)), required=True, key="train_network", wrap=True,
        label_visibility="collapsed",
    )  # fmt: skip
    card = cards[name or next(iter(cards))]
    with st.container(border=True):
        st.markdown(f"**{messages.plain(card.title)}**")
        st.markdown(
            f"{messages.plain(card.origin[:1].upper() + card.origin[1:])}.  \n"
            f"Reported: {messages.plain(card.reported)}.  \n"
            f"{card.parameters:,} parameters; reads {card.size} x {card.size} pixels, {messages.plain(card.colour)}."
        )
        if card.needs:
            st.caption(messages.plain(card.needs + "."))
    with st.expander("All networks beside each other", icon=":material/table_rows:"):
        st.dataframe(pd.DataFrame({
            "network": list(cards), "what it is": [one.title for one in cards.values()],
            "reported": [one.reported for one in cards.values()],
            "parameters": [one.parameters for one in cards.values()],
            "reads": [f"{one.size} x {one.size}" for one in cards.values()],
            "labels": [LABEL_SETS[one.label_set].title for one in cards.values()],
        }), hide_index=True, key="train_networks")  # fmt: skip
    return card


# ------------------------------------------------------------------ how long


def how_long(card: NetworkCard, labels: str, votes: str, entry: Entry | None, problems: list[str]) -> dict[str, Any]:
    """Choose everything else: fields of a `LessonPlan`. `problems` as in `on_what`."""
    plan, of = LessonPlan.defaults(card.name), card.name
    chosen: dict[str, Any] = {}
    left, middle, right = st.columns(3, gap="medium")
    with left:
        chosen["epochs"] = st.number_input(
            "Epochs", 1, 10_000, **_given(f"train_epochs_{of}", plan.epochs),
            help="How often it sees every face.",
        )  # fmt: skip
        chosen["batch"] = st.number_input(
            "Batch", 1, 4096, **_given(f"train_batch_{of}", plan.batch),
            help="How many faces it looks at before it changes itself.",
        )  # fmt: skip
        most = largest_batch(entry, LABEL_SETS[labels]) if entry else chosen["batch"]
        if chosen["batch"] > most:
            chosen["batch"] = most
            st.caption(f"Only {most:,} faces are for training, so a batch has {most:,}.")
        chosen["seed"] = st.number_input(
            "Seed", 0, 2**31 - 1, **_given(f"train_seed_{of}", plan.seed), help="The same seed, the same training."
        )
    with middle:
        chosen["optimiser"] = _select("Optimiser", OPTIMISERS, card, "optimiser", plan, "How it changes itself.")
        chosen["learning_rate"] = st.number_input(
            "Learning rate", 1e-6, 10.0, step=1e-4, format="%.6g",
            **_given(f"train_learning_rate_{of}", float(plan.learning_rate)),
            help="How large its changes are: too small takes for ever, too large learns nothing.",
        )  # fmt: skip
        chosen["schedule"] = _select("Learning rate over time", SCHEDULES, card, "schedule", plan, "")
    with right:
        chosen["patience"] = st.number_input(
            "End early after", 0, 1000, **_given(f"train_patience_{of}", plan.patience),
            disabled="patience" in card.fixed,
            help="Epochs without a smaller loss on the faces held out; 0 never ends early.",
        )  # fmt: skip
        if card.needs:
            chosen["weights"] = _weights(card, problems)
        if card.own:
            chosen |= _teachers(card, plan)
            if entry:
                with told_in(problems):
                    check_teachers([Path(one) for one in chosen["teachers"]], entry, votes=bool(votes))
        chosen["tensorboard"] = st.toggle(
            "TensorBoard files, too", **_given(f"train_tensorboard_{of}", plan.tensorboard),
            help="In the folder of the run, for those who look at their trainings with TensorBoard.",
        )  # fmt: skip
    chosen |= _augmentation(card, plan)
    return chosen


def _given(key: str, value: Any) -> dict[str, Any]:
    """A widget's key, and its first value unless the form was filled."""
    return {"key": key} if key in state else {"key": key, "value": value}


def _select(label: str, options: tuple[str, ...], card: NetworkCard, name: str, plan: LessonPlan, tip: str) -> str:
    key = f"train_{name}_{card.name}"
    return st.selectbox(
        label, options, key=key, disabled=name in card.fixed, help=tip or None,
        format_func=lambda one: str(_SCHEDULE_WORDS.get(one, one)),
        index=0 if key in state else options.index(getattr(plan, name)),
    )  # fmt: skip


def _weights(card: NetworkCard, problems: list[str]) -> str:
    key = f"train_weights_{card.name}"
    kind = st.selectbox("Begins", list(_WEIGHTS), key=key, index=1, format_func=lambda one: _WEIGHTS[one])
    if kind == "imagenet":
        st.caption("They are fetched from keras.io once. Without a network choose another beginning.")
    if kind != "file":
        return kind
    path = st.text_input("File of the weights (.h5)", key=f"train_weights_path_{card.name}").strip()
    with told_in(problems):
        if not Path(path).is_file():
            raise ModelError(f"There is no file {path or 'named yet'}; give the ImageNet weights without top.")
    return path


def _teachers(card: NetworkCard, plan: LessonPlan) -> dict[str, Any]:
    """Finished recognisers of this program, as folders, and what share their answers have in what it learns."""
    own = {one.name for one in networks() if one.own}
    runs = manager.all_runs(manager.RUNS, store.SHIPPED)
    known = {os.path.abspath(run.folder): run.name for run in runs if run.finished and run.network in own}
    key = f"train_teachers_{card.name}"
    names = {one: known.get(one, Path(one).name) for one in [*known, *state.get(key, [])]}
    given = Counter(names.values())
    # Streamlit tells them apart by their words.
    words = {one: name if given[name] == 1 else f"{name}, in {Path(one).parent}" for one, name in names.items()}
    chosen = st.multiselect(
        "Taught by", list(words), key=key, format_func=words.__getitem__, placeholder="nobody but the labels",
        help="Recognisers whose answers count, too, in what it learns; each makes an epoch longer.",
    )  # fmt: skip
    share = plan.teaching
    if chosen:
        share = st.slider(
            "Their share", 0.0, 1.0, step=0.05, **_given(f"train_teaching_{card.name}", plan.teaching),
            help="1 is the teachers alone, 0 the labels alone.",
        )  # fmt: skip
    return {"teachers": tuple(chosen), "teaching": share}


def _augmentation(card: NetworkCard, plan: LessonPlan) -> dict[str, Any]:
    """How the faces are changed while they are learned."""
    of, amount = card.name, asdict(plan.augmentation)
    with st.expander("Change the faces a little, differently in every epoch", icon=":material/auto_awesome:"):
        flip = st.toggle(
            "From both sides in turn", **_given(f"train_flip_{of}", plan.flip), disabled="flip" in card.fixed
        )
        columns = st.columns(3, gap="medium")
        values: dict[str, Any] = {}
        for i, (name, (words, most, step)) in enumerate(_CHANGES.items()):
            with columns[i % 3]:
                key = f"train_{name}_{of}"
                if key in state:  # a run of the command line may have more than the slider
                    state[key] = min(most, max(0.0, float(state[key])))
                values[name] = st.slider(words, 0.0, most, step=step, **_given(key, float(amount[name])))
        with columns[len(_CHANGES) % 3]:
            zoom = st.slider(
                "Size, from and to", 0.5, 1.5, step=0.01,
                **_given(f"train_zoom_{of}", (amount["least_scale"], amount["most_scale"])),
            )  # fmt: skip
    change = replace(Augmentation(**values, least_scale=zoom[0], most_scale=zoom[1]))
    return {"flip": flip, "augmentation": NONE if change == NONE else change}


# ------------------------------------------------------------------ what it costs, and the start


def planned(card: NetworkCard, path: str, votes: str, labels: str, chosen: Mapping[str, Any]) -> LessonPlan | None:
    """The plan of the form; None, with its sentence, where it makes none."""
    try:
        return replace(LessonPlan.defaults(card.name), data=path, votes=votes, labels=labels, **chosen)
    except EmotionError as error:
        st.error(messages.plain(str(error)), icon=":material/error:")
        return None


def costs(plan: LessonPlan, entry: Entry | None) -> None:
    """How much it has to learn, how long that takes and what memory."""
    if entry is None:
        st.caption("Time and memory are told for a data set that is found.")
        return
    told = estimate(plan, entry.rows, classes=len(entry.labels), runs=manager.RUNS)
    columns = st.columns(3)
    columns[0].metric("Parameters", f"{told.parameters:,}", border=True, help="Numbers that it learns.")
    columns[1].metric(
        "Time, about", formatting.duration(told.seconds_an_epoch * plan.epochs), border=True,
        help=f"{formatting.duration(told.seconds_an_epoch)} an epoch, "
        + ("as an earlier run took here." if told.measured else "guessed from the speed of this machine."),
    )  # fmt: skip
    columns[2].metric("Memory, about", f"{told.bytes / 1e9:.1f} GB", border=True, help="While it learns.")


def suggested_name(network: str) -> str:
    """A name for a new run that no run has yet: "mlp", "mlp-2"."""
    taken = {folder.name for folder in Path(manager.RUNS).iterdir()} if Path(manager.RUNS).is_dir() else set()
    names = (network if n == 1 else f"{network}-{n}" for n in range(1, len(taken) + 3))
    return next(name for name in names if name not in taken)


def start(plan: LessonPlan, name: str) -> bool:
    """Begin, or join the queue; False where it was refused, with its sentence."""
    with messages.error_box("starting the training"):
        manager.start_training(plan, name, manager.RUNS)
        return True
    return False
