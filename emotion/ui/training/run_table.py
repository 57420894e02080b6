"""What the Runs page needs of Streamlit: the table of all runs, what is chosen in it, runs laid over each other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import altair as alt
import pandas as pd
import streamlit as st

from emotion import charts
from emotion.errors import JobError
from emotion.model_store import store
from emotion.results import tables as results_tables
from emotion.storage import read_json
from emotion.training import manager, prediction_tables, run_listing, tables
from emotion.training.run_listing import RunSummary
from emotion.training.runs.folder import HISTORY_FILE, read_history
from emotion.training.runs.predictions import ROBUSTNESS_FILE
from emotion.training.tables import CurveMetric, Rows
from emotion.ui import components, messages, session

RunsByName = Mapping[str, RunSummary]
SELECTED_KEY: Final = "selected_runs"  # the names of the runs that are looked at
CORRUPTION_NAMES: Final = {
    "blur": "Blurred",
    "brightness": "Darker and lighter",
    "rotation": "Turned",
    "occlusion": "Partly covered",
    "downscale": "Small",
    "noise": "Noisy",
}
_METRICS: Final[Mapping[str, CurveMetric]] = {
    "Right answers": "accuracy",
    "Loss": "loss",
    "Learning rate": "learning_rate",
}
_ROW_PX: Final = 35  # pixels of a row of a table
_MAX_VISIBLE_ROWS: Final = 9  # that are seen at once
_MAX_CURVES: Final = 8  # runs: as many as there are colours that can be told apart

state = st.session_state


# ------------------------------------------------------------------ which runs


def list_runs() -> dict[str, RunSummary]:
    """All runs but generators of faces, each by a name that no other has: one's own first, then the shipped ones."""
    found = [run for run in run_listing.list_runs(manager.RUNS_FOLDER, store.BUILTIN_MODELS) if run.kind != "generator"]
    names = [run.name for run in found]
    by_name: dict[str, RunSummary] = {}
    for run in found:
        name = run.name if names.count(run.name) == 1 else f"{run.name} ({run.folder.parent.name}/{run.folder.name})"
        by_name[name] = run
    return by_name


def select_runs(*folders: Path) -> None:
    """Make these the runs that the page looks at, when it is drawn the next time."""
    state[SELECTED_KEY] = [str(folder) for folder in folders]
    state["runs_table_version"] = state.get("runs_table_version", 0) + 1


def choose_runs(runs: RunsByName) -> dict[str, RunSummary]:
    """The table of all runs; those that are chosen in it, or without a choice what tells most."""
    names, kept = list(runs), state.get(SELECTED_KEY, [])
    rows = [i for i, run in enumerate(runs.values()) if str(run.folder) in kept]
    # A run more or less moves the others: the table is another one then, and begins with what was chosen.
    words = "|".join([*names, str(state.get("runs_table_version", 0))])
    key = f"runs_table_{hashlib.sha256(words.encode()).hexdigest()[:12]}"

    def on_select() -> None:
        state[SELECTED_KEY] = [str(runs[names[i]].folder) for i in state[key].selection.rows if i < len(names)]

    table = tables.runs_table(runs, find_current_run(runs))
    st.dataframe(
        table.assign(accuracy=100 * table["accuracy"]),
        hide_index=True,
        key=key,
        on_select=on_select,
        selection_mode="multi-row",
        selection_default={"selection": {"rows": rows}},
        placeholder="",
        height=_ROW_PX * (1 + min(_MAX_VISIBLE_ROWS, max(1, len(runs)))) + 3,
        column_config={
            "in_use": st.column_config.TextColumn("", help="A star: the classifier that all pages use now.", width=30),
            "accuracy": st.column_config.ProgressColumn(
                "accuracy",
                format="%.1f %%",
                min_value=0,
                max_value=100,
                width=104,
                help="Share of right answers on faces held out, in the best epoch. Fewer labels are easier.",
            ),
            # All of them side by side on a usual screen, unless a name is long.
            "labels": st.column_config.TextColumn(width=86),
            "best_epoch": st.column_config.NumberColumn("best epoch", width=74),
            "epochs": st.column_config.TextColumn(width=60),
            "state": st.column_config.TextColumn(width=56),
            "train_minutes": st.column_config.NumberColumn("minutes", width=60),
            "created": st.column_config.DateColumn(width=84),
        },
    )
    return {names[i]: runs[names[i]] for i in rows} or _get_default_runs(runs)


def find_current_run(runs: RunsByName) -> str:
    """The name of the run that all pages use now, "" where none of these is it."""
    bundle = session.get_settings().bundle
    return next(
        (name for name, run in runs.items() if bundle and bundle.folder in (run.folder, *run.installed_models)), ""
    )


def _get_default_runs(runs: RunsByName) -> dict[str, RunSummary]:
    """The ladder from the simplest network to the shipped classifier; else what is in use, else the first."""
    ladder = {
        name: run
        for name, run in runs.items()
        if run.is_builtin and not run.source_run and run.best_accuracy is not None and not _is_four_class(run)
    }
    if len(ladder) > 1:
        return dict(list(ladder.items())[:_MAX_CURVES])
    first = find_current_run(runs) or next(iter(runs), "")
    return {first: runs[first]} if first else {}


def _is_four_class(run: RunSummary) -> bool:
    return str(run.config.get("label_set", "")).startswith("four")


def load_history(run: RunSummary) -> Rows:
    """The rows of its epochs, read again only when they have changed."""
    try:
        changed = (run.folder / HISTORY_FILE).stat()
    except OSError:
        return []
    return _load_history(str(run.folder), changed.st_mtime_ns, changed.st_size)


@st.cache_data(max_entries=300, show_spinner=False)
def _load_history(folder: str, mtime_ns: int, size: int) -> list[dict[str, str]]:
    return read_history(Path(folder))


@st.fragment
def run_fragment(draw: Callable[[], Any]) -> None:
    """A part of the page that is drawn anew alone where something in it was clicked."""
    with messages.error_box("this part of the page"):  # an error would leave a fragment without passing a box around it
        draw()


# ------------------------------------------------------------------ laid over each other


def show_comparison(runs: RunsByName) -> None:
    """Curves of some runs, and only the settings that differ."""
    if len(runs) > _MAX_CURVES:
        st.caption(f"The first {_MAX_CURVES} of {len(runs)} chosen runs are drawn.")
    drawn = dict(list(runs.items())[:_MAX_CURVES])
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        measure = st.segmented_control(
            "Curve", list(_METRICS), default="Right answers", required=True, key="runs_measure"
        )
        smoothing = st.slider(
            "Smoothing",
            0.0,
            0.95,
            0.0,
            0.05,
            key="runs_smoothing",
            width=220,
            help="0 shows what was measured. Above it each point is a mean with the ones before it.",
        )
        log = st.toggle("Logarithmic", key="runs_log", help="Equal distances for equal factors.")
    of = _METRICS[measure or "Right answers"]
    table = tables.curves_table({name: load_history(run) for name, run in drawn.items()}, of, smoothing)
    if table.empty:
        st.write("None of these runs has written such a figure.")
    else:
        chart = charts.plot_run_curves(
            table, as_percent=of == "accuracy", log_scale=log and bool((table["value"] > 0).all())
        )
        components.show_chart(chart, key="runs_curves", alt_text=f"{measure} by epoch of {', '.join(drawn)}")
        st.caption(
            "Full lines: faces held out; dashed: faces it learns; a ring: the best epoch. Drag moves, Ctrl with the "
            "wheel zooms, a double click goes back; a click on a name leaves that run."
        )
        show_downloads(chart, table, "curves", "runs_curves_save")
    # Not every configuration names its network; the card does.
    settings = tables.diff_settings({name: {"network": run.network, **run.config} for name, run in runs.items()})
    st.markdown("##### Settings that differ", anchors=False)
    if settings.empty:
        st.write("None that these runs wrote down.")
    else:
        st.dataframe(settings, hide_index=True, key="runs_differences")


def _read_robustness(run: RunSummary) -> dict[str, Any] | None:
    try:
        return read_json(run.folder / ROBUSTNESS_FILE)
    except JobError:
        return None  # as good as not measured


def show_robustness(runs: RunsByName) -> None:
    """How often runs are right while pictures get worse."""
    table = prediction_tables.robustness_table({name: _read_robustness(run) for name, run in runs.items()})
    lacking = [name for name in runs if name not in set(table["run"])]
    if lacking:
        st.caption(
            messages.escape_markdown(
                f"Not measured for {', '.join(lacking)}: emotion classifier evaluate RUN --robustness does it."
            )
        )
    columns = st.columns(2, gap="large")
    kinds = list(dict.fromkeys(table["corruption"]))
    for i, kind in enumerate(kinds):
        some = pd.DataFrame(table[table["corruption"] == kind])
        title = CORRUPTION_NAMES.get(str(kind), str(kind))
        with columns[i % 2]:
            st.markdown(f"##### {messages.escape_markdown(title)}", anchors=False)
            said = f"{title} pictures, right answers by {some['unit'].iloc[0]}"
            components.show_chart(
                charts.plot_robustness(some, some["unit"].iloc[0]), key=f"runs_robustness_{kind}", alt_text=said
            )
    if kinds:
        show_table_download(table, "robustness", "runs_robustness_save")


# ------------------------------------------------------------------ to take away


def show_downloads(chart: alt.Chart | alt.LayerChart, table: pd.DataFrame, file_stem: str, key: str) -> None:
    """Buttons that save a chart as a picture, and its numbers."""
    with st.container(horizontal=True):
        for kind in ("png", "svg"):
            st.download_button(
                kind.upper(),
                _make_renderer(chart, kind),
                f"{file_stem}.{kind}",
                on_click="ignore",
                icon=":material/download:",
                key=f"{key}_{kind}",
            )
        show_table_download(table, file_stem, key)


def _make_renderer(chart: alt.Chart | alt.LayerChart, file_format: Any) -> Any:
    return lambda: charts.export_chart(chart, file_format)


def show_table_download(table: pd.DataFrame, file_stem: str, key: str) -> None:
    """A button that saves a table."""
    st.download_button(
        "CSV",
        lambda: results_tables.to_csv(table),
        f"{file_stem}.csv",
        on_click="ignore",
        icon=":material/download:",
        key=f"{key}_csv",
    )
