"""Filters and order of the runs in the table of the Runs page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import streamlit as st

from emotion.training.finished_runs import groups as run_groups
from emotion.training.run_listing import RunSummary
from emotion.training.tables import describe_labels, get_data_name
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop

_MIN_RUNS: Final = 4  # fewer are seen at once
_FIELD_PX: Final = 190
# English, and translated where they are shown.
_ORDERS: Final[Mapping[str, Callable[[RunSummary], tuple]]] = {
    gettext_noop("Newest first"): lambda run: (),  # as they are listed, then the shipped ones by name
    gettext_noop("Best accuracy"): lambda run: (run.best_accuracy is None, -(run.best_accuracy or 0.0)),
    gettext_noop("Name"): lambda run: (run.name.casefold(),),
}
_GROUPED: Final = gettext_noop("Data and labels")


def choose_visible(runs: Mapping[str, RunSummary]) -> dict[str, RunSummary]:
    """Show filters by data, labels and tag, and the order; return the runs to list.

    "Data and labels" puts runs that can be compared beside each other, the best of each group first.
    """
    if len(runs) < _MIN_RUNS:
        return dict(runs)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        order = st.selectbox(_("Order"), [*_ORDERS, _GROUPED], format_func=_, key="runs_order", width=_FIELD_PX)
        visible = _filter(runs, _("Data"), "runs_data", lambda run: [get_data_name(run.config)])
        visible = _filter(visible, _("Labels"), "runs_labels", lambda run: [describe_labels(run.config)])
        visible = _filter(visible, _("Tag"), "runs_tag", lambda run: list(run.tags))
    if order != _GROUPED:
        return dict(sorted(visible.items(), key=lambda item: _ORDERS[order or next(iter(_ORDERS))](item[1])))
    by_accuracy = _ORDERS["Best accuracy"]
    groups = run_groups.group_runs(visible).values()
    return {name: run for group in groups for name, run in sorted(group.items(), key=lambda item: by_accuracy(item[1]))}


def _filter(
    runs: Mapping[str, RunSummary], title: str, key: str, get_values: Callable[[RunSummary], list[str]]
) -> dict[str, RunSummary]:
    """Show a filter where the runs differ; return the runs that have one of the chosen values."""
    values = {name: set(filter(None, get_values(run))) for name, run in runs.items()}
    options = sorted(set[str]().union(*values.values()))
    if not options or all(options == sorted(found) for found in values.values()):
        return dict(runs)
    chosen = st.multiselect(title, options, key=key, width=_FIELD_PX, placeholder=_("All"))
    return {name: run for name, run in runs.items() if not chosen or values[name] & set(chosen)}
