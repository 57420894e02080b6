"""The table of all runs, the selection in it, and the downloads of charts and tables."""

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
from emotion.model_store import store
from emotion.results import tables as results_tables
from emotion.training import manager, run_listing, tables
from emotion.training.finished_runs import groups as run_groups
from emotion.training.run_listing import RunSummary
from emotion.training.runs.folder import HISTORY_FILE, read_history
from emotion.training.tables import CurveMetric, Rows
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop, pgettext
from emotion.ui import components, messages, session
from emotion.ui.runs import run_filter

RunsByName = Mapping[str, RunSummary]
SELECTED_KEY: Final = "selected_runs"  # session state: folders of the runs that the page shows
# English, and translated where they are shown.
CURVE_TITLES: Final[Mapping[CurveMetric, str]] = {"accuracy": gettext_noop("Accuracy"), "loss": gettext_noop("Loss")}
_ROW_PX: Final = 35  # height of a row of a Streamlit table
_BORDER_PX: Final = 3
_MAX_VISIBLE_ROWS: Final = 9
MAX_CURVES: Final = 8  # more colors cannot be told apart
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
    visible = run_filter.choose_visible(runs)
    names, selected = list(visible), state.get(SELECTED_KEY, [])
    rows = [i for i, run in enumerate(visible.values()) if str(run.folder) in selected]
    # A new or deleted run shifts the rows: the table gets another key, and starts with the selected runs.
    version = "|".join([*names, str(state.get("runs_table_version", 0))])
    key = f"runs_table_{hashlib.sha256(version.encode()).hexdigest()[:12]}"

    def on_select() -> None:
        hidden = [folder for folder in selected if folder not in {str(run.folder) for run in visible.values()}]
        chosen = [str(visible[names[i]].folder) for i in state[key].selection.rows if i < len(names)]
        state[SELECTED_KEY] = [*hidden, *chosen]

    table = tables.runs_table(visible, find_current_run(runs))
    shown = table.assign(
        accuracy=100 * table["accuracy"], state=[tables.describe_state(run.state) for run in visible.values()]
    )
    st.dataframe(
        shown.drop(columns=[name for name in ("tags", "note") if not any(table[name])]),
        hide_index=True,
        key=key,
        on_select=on_select,
        selection_mode="multi-row",
        selection_default={"selection": {"rows": rows}},
        placeholder="",
        height=_ROW_PX * (1 + min(_MAX_VISIBLE_ROWS, max(1, len(visible)))) + _BORDER_PX,
        column_config=_make_columns(),
    )
    show_table_download(table, file_stem="runs", key="runs_table_save")
    return {name: run for name, run in runs.items() if str(run.folder) in selected} or _get_default_runs(runs)


def _make_columns() -> dict[str, Any]:
    """Return the titles and widths of the columns of the table of runs."""
    return {
        "in_use": st.column_config.TextColumn("", help=_("★: the model in use."), width=30),
        "accuracy": st.column_config.ProgressColumn(
            _("accuracy"),
            format="%.1f%%",
            min_value=0,
            max_value=100,
            width=96,
            help=_("Accuracy on the validation faces, in the best epoch. Fewer labels are easier."),
        ),
        # Widths with which all columns fit into 1280 pixels, unless a name is long.
        "run": _("run"),
        "network": _("network"),
        "data": st.column_config.TextColumn(_("data"), width=76),
        "labels": st.column_config.TextColumn(_("labels"), width=168),
        "best_epoch": st.column_config.NumberColumn(pgettext("narrow column", "best epoch"), width=74),
        "epochs": st.column_config.TextColumn(_("epochs"), width=60),
        "state": st.column_config.TextColumn(pgettext("narrow column", "state"), width=66),
        "train_minutes": st.column_config.NumberColumn(_("minutes"), width=60),
        "created": st.column_config.DateColumn(_("created"), width=84),
        "tags": st.column_config.ListColumn(_("tags")),
        "note": _("note"),
    }


def find_current_run(runs: RunsByName) -> str:
    """Return the name of the run whose classifier all pages use; "" where it is none of these."""
    bundle = session.get_settings().bundle
    return next(
        (name for name, run in runs.items() if bundle and bundle.folder in (run.folder, *run.installed_models)), ""
    )


def _get_default_runs(runs: RunsByName) -> dict[str, RunSummary]:
    """Return the newest run of the user, or else the simplest shipped one, with those that can be compared with it."""
    measured = {name: run for name, run in runs.items() if run.best_accuracy is not None and not run.source_run}
    own = [run for run in measured.values() if not run.is_builtin]
    groups = run_groups.group_runs({name: run for name, run in measured.items() if own or run.is_builtin})
    if groups:
        group = groups[run_groups.get_group(own[0])] if own else next(iter(groups.values()))
        if own or len(group) > 1:
            return dict(list(group.items())[:MAX_CURVES])
    first = find_current_run(runs) or next(iter(runs), "")
    return {first: runs[first]} if first else {}


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
