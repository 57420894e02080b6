"""The table of all runs, the selection in it, and charts that compare the selected runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import altair as alt
import pandas as pd
import streamlit as st

from emotion import charts
from emotion.errors import JobError
from emotion.formatting import format_list
from emotion.model_store import store
from emotion.results import tables as results_tables
from emotion.storage import read_json
from emotion.training import manager, prediction_tables, run_listing, tables
from emotion.training.run_listing import RunSummary
from emotion.training.runs.folder import HISTORY_FILE, read_history
from emotion.training.runs.predictions import ROBUSTNESS_FILE
from emotion.training.sweep.tables import describe_setting
from emotion.training.tables import CurveMetric, Rows
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop, pgettext
from emotion.ui import components, messages, session

RunsByName = Mapping[str, RunSummary]
SELECTED_KEY: Final = "selected_runs"  # session state: folders of the runs that the page shows
_CORRUPTION_NAMES: Final = {
    "blur": gettext_noop("Blur"),
    "brightness": gettext_noop("Brightness"),
    "rotation": gettext_noop("Rotation"),
    "occlusion": gettext_noop("Occlusion"),
    "downscale": gettext_noop("Downscaled"),
    "noise": gettext_noop("Noise"),
}
# English, and translated where they are shown.
CURVE_TITLES: Final[Mapping[CurveMetric, str]] = {"accuracy": gettext_noop("Accuracy"), "loss": gettext_noop("Loss")}
_METRICS: Final[Mapping[str, CurveMetric]] = {
    "Accuracy": "accuracy",
    "Loss": "loss",
    gettext_noop("Learning rate"): "learning_rate",
}
_ROW_PX: Final = 35  # height of a row of a Streamlit table
_BORDER_PX: Final = 3
_MAX_VISIBLE_ROWS: Final = 9
_MAX_CURVES: Final = 8  # more colors cannot be told apart
_HIDDEN_KINDS: Final = ("features", "generator", "upscaler")  # they have no expressions to compare

state = st.session_state


# ------------------------------------------------------------------ the table


def list_runs() -> dict[str, RunSummary]:
    """List the runs of classifiers and detectors by a unique name: first the user's, then the shipped ones."""
    listed = run_listing.list_runs(manager.RUNS_FOLDER, store.BUILTIN_MODELS)
    runs = [run for run in listed if run.kind not in _HIDDEN_KINDS]
    names = [run.name for run in runs]
    by_name: dict[str, RunSummary] = {}
    for run in runs:
        name = run.name if names.count(run.name) == 1 else f"{run.name} ({run.folder.parent.name}/{run.folder.name})"
        by_name[name] = run
    return by_name


def select_runs(*folders: Path) -> None:
    """Select the runs that the next run of the page shows."""
    state[SELECTED_KEY] = [str(folder) for folder in folders]
    state["runs_table_version"] = state.get("runs_table_version", 0) + 1


def choose_runs(runs: RunsByName) -> dict[str, RunSummary]:
    """Show the table of all runs; return the selected ones, or without a selection the default ones."""
    names, selected = list(runs), state.get(SELECTED_KEY, [])
    rows = [i for i, run in enumerate(runs.values()) if str(run.folder) in selected]
    # A new or deleted run shifts the rows: the table gets another key, and starts with the selected runs.
    version = "|".join([*names, str(state.get("runs_table_version", 0))])
    key = f"runs_table_{hashlib.sha256(version.encode()).hexdigest()[:12]}"

    def on_select() -> None:
        state[SELECTED_KEY] = [str(runs[names[i]].folder) for i in state[key].selection.rows if i < len(names)]

    table = tables.runs_table(runs, find_current_run(runs))
    st.dataframe(
        table.assign(
            accuracy=100 * table["accuracy"], state=[tables.describe_state(run.state) for run in runs.values()]
        ),
        hide_index=True,
        key=key,
        on_select=on_select,
        selection_mode="multi-row",
        selection_default={"selection": {"rows": rows}},
        placeholder="",
        height=_ROW_PX * (1 + min(_MAX_VISIBLE_ROWS, max(1, len(runs)))) + _BORDER_PX,
        column_config={
            "in_use": st.column_config.TextColumn("", help=_("★: the model in use."), width=30),
            "accuracy": st.column_config.ProgressColumn(
                _("accuracy"),
                format="%.1f%%",
                min_value=0,
                max_value=100,
                width=104,
                help=_("Accuracy on the validation faces, in the best epoch. Fewer labels are easier."),
            ),
            # Widths with which all columns fit into 1280 pixels, unless a name is long.
            "run": _("run"),
            "network": _("network"),
            "labels": st.column_config.TextColumn(_("labels"), width=86),
            "best_epoch": st.column_config.NumberColumn(pgettext("narrow column", "best epoch"), width=74),
            "epochs": st.column_config.TextColumn(_("epochs"), width=60),
            "state": st.column_config.TextColumn(pgettext("narrow column", "state"), width=56),
            "train_minutes": st.column_config.NumberColumn(_("minutes"), width=60),
            "created": st.column_config.DateColumn(_("created"), width=84),
        },
    )
    return {names[i]: runs[names[i]] for i in rows} or _get_default_runs(runs)


def find_current_run(runs: RunsByName) -> str:
    """Return the name of the run whose classifier all pages use; "" where it is none of these."""
    bundle = session.get_settings().bundle
    return next(
        (name for name, run in runs.items() if bundle and bundle.folder in (run.folder, *run.installed_models)), ""
    )


def _get_default_runs(runs: RunsByName) -> dict[str, RunSummary]:
    """Return the shipped runs, from the simplest network up; else the run in use; else the first."""
    builtin = {
        name: run
        for name, run in runs.items()
        if run.is_builtin and not run.source_run and run.best_accuracy is not None and not _is_four_class(run)
    }
    if len(builtin) > 1:
        return dict(list(builtin.items())[:_MAX_CURVES])
    first = find_current_run(runs) or next(iter(runs), "")
    return {first: runs[first]} if first else {}


def _is_four_class(run: RunSummary) -> bool:
    return str(run.config.get("label_set", "")).startswith("four")


def load_history(run: RunSummary) -> Rows:
    """Read the history of a run, from the cache unless the file has changed."""
    try:
        file_stat = (run.folder / HISTORY_FILE).stat()
    except OSError:
        return []
    return _load_history(str(run.folder), file_stat.st_mtime_ns, file_stat.st_size)


@st.cache_data(max_entries=300, show_spinner=False)
def _load_history(folder: str, mtime_ns: int, size: int) -> list[dict[str, str]]:
    return read_history(Path(folder))


@st.fragment
def run_fragment(draw: Callable[[], object]) -> None:
    """Draw a part of the page that reruns alone."""
    with messages.error_box(_("this part of the page")):  # a rerun of the fragment is outside the box of the page
        draw()


# ------------------------------------------------------------------ comparison


def show_comparison(runs: RunsByName) -> None:
    """Show the curves of the runs, and the settings that differ."""
    if len(runs) > _MAX_CURVES:
        st.caption(
            _("The first {num_shown} of {count} selected runs are drawn.").format(
                num_shown=_MAX_CURVES, count=len(runs)
            )
        )
    drawn = dict(list(runs.items())[:_MAX_CURVES])
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
            table, as_percent=metric == "accuracy", log_scale=log and bool((table["value"] > 0).all())
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
    # Some configurations lack the network; the card has it.
    settings = tables.diff_settings({name: {"network": run.network, **run.config} for name, run in runs.items()})
    st.markdown("##### " + _("Settings that differ"), anchors=False)
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


def _read_robustness(run: RunSummary) -> dict[str, Any] | None:
    try:
        return read_json(run.folder / ROBUSTNESS_FILE)
    except JobError:
        return None  # damaged, treated as not measured


def show_robustness(runs: RunsByName) -> None:
    """Show the accuracy of the runs on corrupted images."""
    table = prediction_tables.robustness_table({name: _read_robustness(run) for name, run in runs.items()})
    missing = [name for name in runs if name not in set(table["run"])]
    if missing:
        st.caption(
            messages.escape_markdown(
                _("Not measured for {names}; run emotion classifier evaluate RUN --data DATA --robustness.").format(
                    names=format_list(missing)
                )
            )
        )
    columns = st.columns(2, gap="large")
    corruptions = list(dict.fromkeys(table["corruption"]))
    for i, corruption in enumerate(corruptions):
        rows = pd.DataFrame(table[table["corruption"] == corruption])
        title = _(_CORRUPTION_NAMES.get(str(corruption), str(corruption)))
        with columns[i % 2]:
            st.markdown(f"##### {messages.escape_markdown(title)}", anchors=False)
            unit = str(rows["unit"].iloc[0])
            unit = _(unit) if unit else ""
            components.show_chart(
                charts.plot_robustness(rows, unit),
                key=f"runs_robustness_{corruption}",
                alt_text=_("{corruption}: accuracy by {unit}").format(corruption=title, unit=unit),
            )
    if corruptions:
        show_table_download(table, file_stem="robustness", key="runs_robustness_save")


# ------------------------------------------------------------------ downloads


def show_downloads(chart: alt.Chart | alt.LayerChart, table: pd.DataFrame, file_stem: str, key: str) -> None:
    """Show buttons that save a chart as an image, and its table."""
    with st.container(horizontal=True):
        kinds: tuple[Literal["png", "svg"], ...] = ("png", "svg")
        for kind in kinds:
            components.download_button(
                kind.upper(), partial(charts.export_chart, chart, kind), f"{file_stem}.{kind}", f"{key}_{kind}"
            )
        show_table_download(table, file_stem=file_stem, key=key)


def show_table_download(table: pd.DataFrame, file_stem: str, key: str) -> None:
    """Show a button that saves a table."""
    components.download_button("CSV", lambda: results_tables.to_csv(table), f"{file_stem}.csv", f"{key}_csv")
