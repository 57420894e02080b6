"""The part of the Training page that starts a sweep over settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import streamlit as st

from emotion.datasets.catalog import DatasetInfo
from emotion.formatting import format_duration
from emotion.training import manager
from emotion.training.classifier.config import TrainingPlan
from emotion.training.classifier.cost_estimate import estimate_cost
from emotion.training.preflight import count_rows
from emotion.training.sweep import manager as sweep_manager
from emotion.training.sweep.records import SweepRequest
from emotion.training.sweep.space import AUGMENTATION_STRENGTH, Choices, Dimension, Range, parse_space, suggest_space
from emotion.training.sweep.tables import describe_setting
from emotion.translation.messages import gettext as _
from emotion.translation.messages import ngettext
from emotion.ui import messages
from emotion.ui.augmentation_controls import with_default
from emotion.ui.training.data import collect_errors
from emotion.ui.training.start import explain_disabled, suggest_run_name

_DEFAULT_TRIALS: Final = 24
_MAX_TRIALS: Final = 500
_DEFAULT_SETTINGS: Final = ("learning_rate", AUGMENTATION_STRENGTH)


def show_sweep_form(plan: TrainingPlan, info: DatasetInfo | None, errors: Sequence[str]) -> None:
    """Offer to train the network of the form with many settings."""
    with st.expander(_("Try settings"), icon=":material/tune:"):
        st.caption(
            _(
                "Trains the network above again and again, each time with other values of the chosen "
                "settings, stops poor trials early, and shows which settings matter. The first run has "
                "the settings as they are above."
            )
        )
        suggested = suggest_space(plan)
        names = st.multiselect(
            _("Settings to vary"),
            list(suggested),
            default=[name for name in _DEFAULT_SETTINGS if name in suggested],
            format_func=describe_setting,
            key=f"sweep_settings_{plan.network}",
        )
        space_errors: list[str] = []
        dimensions = {name: _choose_dimension(name, suggested[name], plan.network) for name in names}
        with collect_errors(space_errors):
            parse_space({name: dimension.model_dump() for name, dimension in dimensions.items()}, plan)
        num_trials = st.number_input(
            _("Trials"), 1, _MAX_TRIALS, **with_default("sweep_trials", _DEFAULT_TRIALS), width=160
        )
        if info is not None:
            width = dimensions.get("width_factor")
            widest = max(plan.width_factor, width.high) if isinstance(width, Range) else plan.width_factor
            largest = replace(plan, width_factor=widest)
            num_rows = count_rows(info, plan.network, plan.label_set)
            cost = estimate_cost(largest, num_rows, num_classes=len(info.labels), runs_folder=manager.RUNS_FOLDER)
            seconds = cost.total_seconds(plan.epochs) * (num_trials + 1)
            st.caption(
                _("At most about {duration}; trials that are stopped early save a part of it.").format(
                    duration=format_duration(seconds)
                )
            )
        _show_start(plan, dimensions, num_trials, [*errors, *space_errors])


def _choose_dimension(name: str, suggested: Dimension, network: str) -> Dimension:
    """Choose the ends of a range, or the values to choose from."""
    key, title = f"sweep_{name}_{network}", describe_setting(name)
    if isinstance(suggested, Choices):
        choices = st.multiselect(title, suggested.choices, default=suggested.choices, key=key)
        return Choices.model_construct(choices=choices)  # checked with all others
    left, right = st.columns(2, gap="small")
    step = suggested.low if suggested.log else 0.1
    with left:
        low = st.number_input(
            _("{setting}, from").format(setting=title), value=suggested.low, step=step, format="%.6g", key=f"{key}_low"
        )
    with right:
        high = st.number_input(
            _("{setting}, to").format(setting=title), value=suggested.high, step=step, format="%.6g", key=f"{key}_high"
        )
    return Range(low=low, high=high, log=suggested.log)


def _show_start(plan: TrainingPlan, space: dict[str, Dimension], num_trials: int, errors: Sequence[str]) -> None:
    suggested = suggest_run_name(f"{plan.network}-settings")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(_("Name of the sweep"), suggested, max_chars=60, key=f"sweep_name_{suggested}", width=320)
        clicked = st.button(
            ngettext("Try {count} setting", "Try {count} settings", num_trials).format(count=num_trials),
            icon=":material/tune:",
            key="sweep_start",
            disabled=not plan.data or bool(errors),
            help=explain_disabled(plan, errors),
        )
    if clicked:
        with messages.error_box(_("starting the sweep")):
            sweep_manager.start_sweep(SweepRequest.from_plan(plan, space, num_trials), name, manager.RUNS_FOLDER)
            st.rerun()
