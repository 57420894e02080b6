"""Charts that compare the selected runs: training curves, accuracy on corrupted images, settings that differ."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import pandas as pd
import streamlit as st

from emotion import charts
from emotion.charts.style import SERIES_COLORS
from emotion.errors import JobError
from emotion.formatting import format_list
from emotion.storage import read_json
from emotion.training import prediction_tables, tables
from emotion.training.finished_runs import groups as run_groups
from emotion.training.run_listing import RunSummary
from emotion.training.runs.predictions import ROBUSTNESS_FILE
from emotion.training.sweep.run_coordinates import make_coordinates
from emotion.training.sweep.tables import describe_setting
from emotion.training.tables import CurveMetric
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop
from emotion.ui import components, messages
from emotion.ui.runs.run_table import (
    MAX_CURVES,
    RunsByName,
    load_history,
    show_downloads,
    show_table_download,
)

_METRICS: Final[Mapping[str, CurveMetric]] = {
    "Accuracy": "accuracy",
    "Loss": "loss",
    gettext_noop("Learning rate"): "learning_rate",
}
CORRUPTION_NAMES: Final = {
    "blur": gettext_noop("Blur"),
    "brightness": gettext_noop("Brightness"),
    "rotation": gettext_noop("Rotation"),
    "occlusion": gettext_noop("Occlusion"),
    "downscale": gettext_noop("Downscaled"),
    "noise": gettext_noop("Noise"),
}
_COLORS_KEY: Final = "run_colors"  # session state: the color of each run folder that was drawn

state = st.session_state


# ------------------------------------------------------------------ which runs, in which colors


def choose_comparable(runs: RunsByName) -> RunsByName:
    """Return the runs of one group that can be compared, and say why the others are left out.

    Several groups can be chosen from; the largest one is the default.
    """
    groups = list(run_groups.group_runs(runs).values())
    if len(groups) == 1:
        return runs
    titles = [run_groups.describe_group(group) for group in groups]
    number = st.selectbox(
        _("Compare on"),
        range(len(groups)),
        format_func=lambda i: f"{titles[i]} ({len(groups[i])})",
        key=f"runs_group_{_hash('|'.join(runs))}",
        width=420,
    )
    chosen = groups[number]
    reference = next(iter(chosen.values()))
    reasons = [
        _("{name} ({reason})").format(name=name, reason=run_groups.explain_difference(run, reference))
        for name, run in runs.items()
        if name not in chosen
    ]
    st.caption(
        messages.escape_markdown(
            _("Not comparable, so not drawn: {runs}.").format(runs=format_list(reasons)),
        )
    )
    return chosen


def get_colors(runs: RunsByName) -> dict[str, str]:
    """Return a color for each run: it keeps that of its folder while the session lasts, unless another one has it."""
    known: dict[str, int] = state.setdefault(_COLORS_KEY, {})
    taken: set[int] = set()
    for run in sorted(runs.values(), key=lambda run: str(run.folder) not in known):
        folder = str(run.folder)
        preferred = known.get(folder, int(_hash(run.folder.name), 16) % len(SERIES_COLORS))
        order = [(preferred + i) % len(SERIES_COLORS) for i in range(len(SERIES_COLORS))]
        known[folder] = next((i for i in order if i not in taken), preferred)
        taken.add(known[folder])
    return {name: SERIES_COLORS[known[str(run.folder)]] for name, run in runs.items()}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


# ------------------------------------------------------------------ comparison


def show_comparison(runs: RunsByName) -> None:
    """Show the curves of the comparable runs, and the settings that differ."""
    runs = choose_comparable(runs)
    if len(runs) > MAX_CURVES:
        st.caption(
            _("The first {num_shown} of {count} selected runs are drawn.").format(num_shown=MAX_CURVES, count=len(runs))
        )
    drawn = dict(list(runs.items())[:MAX_CURVES])
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        title = st.segmented_control(
            _("Curve"), list(_METRICS), default="Accuracy", required=True, format_func=_, key="runs_measure"
        )
        smoothing = st.slider(
            _("Smoothing"),
            0.0,
            0.95,
            0.0,
            0.05,
            key="runs_smoothing",
            width=220,
            help=_("0 shows what was measured. Above it each point is a mean with the ones before it."),
        )
        log = st.toggle(_("Logarithmic"), key="runs_log", help=_("Equal distances for equal factors."))
    metric = _METRICS[title or "Accuracy"]
    table = tables.curves_table({name: load_history(run) for name, run in drawn.items()}, metric, smoothing)
    if table.empty:
        st.write(_("None of these runs has recorded this metric."))
    else:
        chart = charts.plot_run_curves(
            table,
            get_colors(drawn),
            as_percent=metric == "accuracy",
            log_scale=log and bool((table["value"] > 0).all()),
        )
        components.show_chart(
            chart,
            key="runs_curves",
            alt_text=_("{metric} by epoch of {names}").format(metric=_(title or "Accuracy"), names=format_list(drawn)),
        )
        st.caption(
            _(
                "Full lines: validation; dashed: training; a ring: the best epoch. Drag moves, Ctrl with "
                "the wheel zooms, a double click goes back; click a name to isolate that run."
            )
        )
        show_downloads(chart, table, file_stem="curves", key="runs_curves_save")
    _show_differing_settings(runs)


def _show_differing_settings(runs: RunsByName) -> None:
    # Some configurations lack the network; the card has it.
    settings = tables.diff_settings({name: {"network": run.network, **run.config} for name, run in runs.items()})
    st.markdown("## " + _("Settings that differ"), anchors=False)
    if settings.empty:
        st.write(_("None that these runs recorded."))
    else:
        settings = settings.replace({"yes": _("yes"), "no": _("no"), "none": _("none")})
        st.dataframe(
            settings.assign(setting=settings["setting"].map(describe_setting)),
            hide_index=True,
            key="runs_differences",
            column_config={"setting": _("setting")},
        )


def show_settings(runs: RunsByName) -> None:
    """Show the settings of the comparable runs against their accuracy."""
    runs = dict(list(choose_comparable(runs).items())[:MAX_CURVES])
    points, ends = make_coordinates(runs)
    if len(set(ends["axis"])) < 2:
        st.write(_("None that these runs recorded."))
        return
    chart = charts.plot_run_coordinates(points, ends, get_colors(runs))
    components.show_chart(
        chart, key="runs_settings", alt_text=_("A line for each run across the axes of its settings and its accuracy")
    )
    st.caption(_("Each line is a run. Point at it for its values."))
    show_downloads(chart, points, file_stem="settings", key="runs_settings_save")


def _read_robustness(run: RunSummary) -> dict[str, Any] | None:
    try:
        return read_json(run.folder / ROBUSTNESS_FILE)
    except JobError:
        return None  # damaged, treated as not measured


def show_robustness(runs: RunsByName) -> None:
    """Show the accuracy of the comparable runs on corrupted images."""
    runs = choose_comparable(runs)
    colors = get_colors(runs)
    table = prediction_tables.robustness_table({name: _read_robustness(run) for name, run in runs.items()})
    missing = [name for name in runs if name not in set(table["run"])]
    if missing:
        st.caption(
            messages.escape_markdown(
                _("Not measured for {names}: choose one alone in the table, and compute it there.").format(
                    names=format_list(missing)
                )
            )
        )
    columns = st.columns(2, gap="large")
    corruptions = list(dict.fromkeys(table["corruption"]))
    for i, corruption in enumerate(corruptions):
        rows = pd.DataFrame(table[table["corruption"] == corruption])
        title = _(CORRUPTION_NAMES.get(str(corruption), str(corruption)))
        with columns[i % 2]:
            st.markdown(f"## {messages.escape_markdown(title)}", anchors=False)
            unit = str(rows["unit"].iloc[0])
            unit = _(unit) if unit else ""
            components.show_chart(
                charts.plot_robustness(rows, unit, colors),
                key=f"runs_robustness_{corruption}",
                alt_text=_("{corruption}: accuracy by {unit}").format(corruption=title, unit=unit),
            )
    if corruptions:
        show_table_download(table, file_stem="robustness", key="runs_robustness_save")
