"""The form of the Training page, and filling it with the settings of a run."""

from __future__ import annotations

import os
from pathlib import Path

import streamlit as st

from emotion.datasets.catalog import list_datasets
from emotion.training.classifier.config import TrainingPlan
from emotion.training.classifier.networks.zoo import get_architecture
from emotion.translation.messages import gettext as _
from emotion.ui import augmentation_controls, messages
from emotion.ui.training import data, fine_tuning, start, sweep_form
from emotion.ui.training.architecture import choose_architecture
from emotion.ui.training.data import CUSTOM_PATH
from emotion.ui.training.hyperparameters import WEIGHT_SOURCES, choose_plan

state = st.session_state


def show_form() -> None:
    """Show the three steps, the estimated cost, and the start."""
    errors: list[str] = []
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("## " + _("Data"), anchors=False)
        source = data.choose_source(errors)
    with right:
        st.markdown("## " + _("Model"), anchors=False)
        is_fine_tuning = fine_tuning.choose_method(source.path, source.info) == fine_tuning.FINE_TUNE
        template = fine_tuning.choose_source() if is_fine_tuning else None
        architecture = get_architecture(template.network) if template else choose_architecture()
    with left:
        dataset = data.choose_labels(source, architecture, errors)
    if template is None:
        st.markdown("## " + _("Settings"), anchors=False)
    plan = fine_tuning.choose_plan(template, dataset) if template else choose_plan(architecture, dataset, errors)
    if plan is None:
        return
    with messages.error_box(_("the estimate")):
        start.show_cost_estimate(plan, dataset.info)
    start.show_start(plan, errors, stem="fine-tuned" if is_fine_tuning else plan.network)
    if not is_fine_tuning:
        sweep_form.show_sweep_form(plan, dataset.info, errors)


def fill_form(plan: TrainingPlan) -> None:
    """Put the settings of a training into the form; the next run of the page shows them."""
    name = plan.network
    state.update(
        {
            "train_network": name,
            "train_data": CUSTOM_PATH,
            "train_path": plan.data,
            "train_ferplus_csv": plan.ferplus_csv,
            f"train_label_set_{name}": plan.label_set,
            f"train_horizontal_flip_{name}": plan.horizontal_flip,
            f"train_zoom_{name}": (plan.augmentation.min_scale, plan.augmentation.max_scale),
            f"train_distillation_weight_{name}": plan.distillation_weight,
            f"train_teachers_{name}": [os.path.abspath(folder) for folder in plan.teachers if Path(folder).is_dir()],
            f"train_weights_{name}": plan.weights if plan.weights in WEIGHT_SOURCES else "file",
            f"train_init_from_{name}": plan.init_from,
        }
    )
    state["train_method"] = fine_tuning.FINE_TUNE if fine_tuning.fill_form(plan) else fine_tuning.NETWORK
    path = Path(plan.data)
    matches = [info for info in list_datasets().datasets if info.path == path]
    if not matches and not path.exists():  # a shipped run was trained elsewhere, on a copy of the same data set
        matches = [info for info in list_datasets().datasets if info.path.name == path.name]
    if matches:
        state["train_data"] = str(matches[0].path)
    chosen = str(matches[0].path) if matches else plan.data
    state.update({f"train_label_set_of_{name}": chosen, "train_method_of": chosen})
    fields = ("epochs", "batch_size", "optimizer", "learning_rate", "lr_schedule", "early_stopping_patience", "seed")
    for field in (*fields, "width_factor", "dropout_factor", "tensorboard"):
        state[f"train_{field}_{name}"] = getattr(plan, field)
    for field in (*augmentation_controls.COMMON, *augmentation_controls.DEGRADATIONS):
        state[f"train_{field}_{name}"] = float(getattr(plan.augmentation, field))
    if state[f"train_weights_{name}"] == "file":
        state[f"train_weights_path_{name}"] = plan.weights
