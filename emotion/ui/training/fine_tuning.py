"""The part of the Training form that adapts a finished classifier to a small data set."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Final

import streamlit as st

from emotion.datasets.catalog import DatasetInfo
from emotion.errors import EmotionError
from emotion.model_store.store import ModelBundle
from emotion.training.classifier.config import TrainingPlan
from emotion.training.classifier.fine_tuning import make_fine_tuning_plan, select_sources
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop
from emotion.ui import messages, models
from emotion.ui.training.data import DatasetChoice
from emotion.ui.training.hyperparameters import choose_duration, choose_learning_rate

FINE_TUNE: Final = "fine-tune"
NETWORK: Final = "network"
_METHODS: Final = {FINE_TUNE: gettext_noop("Fine-tune a classifier"), NETWORK: gettext_noop("Train a network")}
_MAX_FACES: Final = 5000  # up to which fine-tuning is preselected: more faces can train a network from random weights
_KEY: Final = "fine"  # the end of the keys of the widgets
_FIELDS: Final = ("epochs", "batch_size", "learning_rate", "seed")

state = st.session_state


def _list_sources() -> list[ModelBundle]:
    return select_sources(models.list_classifiers().models)


def choose_method(path: str, info: DatasetInfo | None) -> str:
    """Choose between `FINE_TUNE` and `NETWORK`; another data set starts with the one that suits its size."""
    if not _list_sources():
        return NETWORK
    if state.get("train_method") not in _METHODS or state.get("train_method_of") != path:
        state["train_method"] = FINE_TUNE if info and info.num_faces <= _MAX_FACES else NETWORK
    state["train_method_of"] = path
    method = st.segmented_control(
        _("Method"),
        list(_METHODS),
        key="train_method",
        required=True,
        format_func=lambda name: _(_METHODS[name]),
        label_visibility="collapsed",
    )
    return method or NETWORK


def choose_source() -> TrainingPlan:
    """Choose the classifier that is fine-tuned, and return the settings of that, without a data set."""
    names = {str(bundle.folder): bundle.name for bundle in _list_sources()}
    counts = Counter(names.values())
    texts = {folder: name if counts[name] == 1 else f"{name} ({folder})" for folder, name in names.items()}
    if state.get("train_source") not in texts:
        state.pop("train_source", None)
    folder = st.selectbox(
        _("Start from"),
        list(texts),
        key="train_source",
        format_func=texts.__getitem__,
        help=_("An installed classifier, whose weights are the start."),
    )
    st.caption(_("It keeps what it knows of faces and learns your labels. With few photos this beats a new network."))
    return make_fine_tuning_plan(Path(folder))


def choose_plan(plan: TrainingPlan, dataset: DatasetChoice) -> TrainingPlan | None:
    """Choose how long and how fast is learned.

    Args:
        plan: The settings of `choose_source`.
        dataset: What is learned from.

    Returns:
        The whole plan; None, after showing the reason, where the settings cannot be combined.
    """
    with st.expander(_("Options"), icon=":material/tune:"):
        left, right = st.columns(2, gap="large")
        with left:
            options = choose_duration(_KEY, dataset, plan)
        with right:
            options["learning_rate"] = choose_learning_rate(_KEY, plan)
    try:
        return replace(
            plan,
            data=dataset.path,
            ferplus_csv=dataset.ferplus_csv,
            label_set=dataset.label_set,
            **options,
        )
    except EmotionError as error:
        st.error(messages.escape_markdown(str(error)), icon=":material/error:")
        return None


def fill_form(plan: TrainingPlan) -> bool:
    """Put the settings of a run into this form; return False where it was not a fine-tuning that the form can show."""
    sources = {str(bundle.folder): bundle for bundle in _list_sources()}
    if plan.init_from not in sources:
        return False
    fields = ("data", "ferplus_csv", "label_set", *_FIELDS)
    same = {name: getattr(plan, name) for name in fields}
    if replace(make_fine_tuning_plan(Path(plan.init_from)), **same) != plan:
        return False
    state.update({f"train_{name}_{_KEY}": getattr(plan, name) for name in _FIELDS})
    state["train_source"] = plan.init_from
    return True
