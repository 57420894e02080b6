"""The end of the Training form: the estimated cost, the name of the run, the start."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from emotion.datasets.catalog import DatasetInfo
from emotion.formatting import format_duration
from emotion.training import manager
from emotion.training.classifier.config import TrainingPlan
from emotion.training.classifier.cost_estimate import estimate_cost
from emotion.training.preflight import count_rows
from emotion.translation.messages import gettext as _
from emotion.ui import messages


def show_cost_estimate(plan: TrainingPlan, info: DatasetInfo | None) -> None:
    """Show the number of parameters, the time and the memory that a training takes."""
    if info is None:
        st.caption(_("Pick a data set to see time and memory."))
        return
    num_rows = count_rows(info, plan.network, plan.label_set)
    cost = estimate_cost(plan, num_rows, num_classes=len(info.labels), runs_folder=manager.RUNS_FOLDER)
    columns = st.columns(3)
    columns[0].metric(_("Parameters"), f"{cost.num_parameters:,}", border=True, help=_("Weights of the network."))
    columns[1].metric(
        _("Time, about"),
        format_duration(cost.total_seconds(plan.epochs)),
        border=True,
        help=(
            _("{duration} an epoch, as an earlier run took here, and {overhead} to start and to finish.")
            if cost.is_measured
            else _("{duration} an epoch by the speed and load of this machine, and {overhead} to start and to finish.")
        ).format(duration=format_duration(cost.seconds_per_epoch), overhead=format_duration(cost.overhead_seconds)),
    )
    columns[2].metric(_("Memory, about"), f"{cost.memory_bytes / 1e9:.1f} GB", border=True, help=_("During training."))


def show_start(plan: TrainingPlan, errors: list[str], stem: str) -> None:
    """Show the name of the run, `stem` or one like it, and the start, which is disabled while the form has errors."""
    suggested = suggest_run_name(stem)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(_("Name of the run"), suggested, max_chars=60, key=f"train_name_{suggested}", width=320)
        clicked = st.button(
            _("Start training"),
            icon=":material/school:",
            key="train_start",
            type="primary",
            disabled=not plan.data or bool(errors),
            help=explain_disabled(plan, errors),
        )
    if clicked and _start_training(plan, name):
        st.rerun()


def explain_disabled(plan: TrainingPlan, errors: Sequence[str]) -> str | None:
    """Return why a plan cannot be started, as Markdown; None where it can be."""
    if errors:
        return messages.escape_markdown(errors[0])
    return None if plan.data else _("Choose a data set first.")


def suggest_run_name(stem: str) -> str:
    """Return a name that no run has: "mlp", "mlp-2"."""
    runs_folder = Path(manager.RUNS_FOLDER)
    taken = {folder.name for folder in runs_folder.iterdir()} if runs_folder.is_dir() else set[str]()
    names = (stem if n == 1 else f"{stem}-{n}" for n in range(1, len(taken) + 3))
    return next(name for name in names if name not in taken)


def _start_training(plan: TrainingPlan, name: str) -> bool:
    """Start or queue a training; return False, after showing the reason, where that fails."""
    with messages.error_box(_("starting the training")):
        manager.start_training(plan, name, manager.RUNS_FOLDER)
        return True
    return False
