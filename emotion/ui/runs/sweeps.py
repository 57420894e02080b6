"""Sweeps on the Runs page: settings against accuracy, the best trial so far, what matters, and the runs of trials."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from emotion import charts
from emotion.errors import EmotionError
from emotion.formatting import format_accuracy
from emotion.training import manager
from emotion.training.run_listing import load_run
from emotion.training.sweep import manager as sweep_manager
from emotion.training.sweep import tables
from emotion.training.sweep.manager import SweepSummary
from emotion.training.sweep.records import SweepRecord
from emotion.training.sweep.space import Dimension, Range
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop, ngettext, translate_text
from emotion.ui import components, messages
from emotion.ui.runs import run_detail
from emotion.ui.runs.run_actions import FillForm

VIEW_KEY: Final = "runs_or_sweeps"
RUNS_VIEW: Final = gettext_noop("Runs")
SWEEPS_VIEW: Final = gettext_noop("Sweeps")
_SELECTED_KEY: Final = "selected_sweep"  # session state: the folder of the sweep that the page shows

state = st.session_state


def select_sweep(folder: Path) -> None:
    """Let the next run of the page show a sweep."""
    state[VIEW_KEY], state[_SELECTED_KEY] = SWEEPS_VIEW, str(folder)


def list_sweeps() -> list[SweepSummary]:
    """List the user's sweeps and the shipped ones."""
    return sweep_manager.list_sweeps(manager.RUNS_FOLDER, sweep_manager.BUILTIN_SWEEPS)


def show_sweeps(listed: Sequence[SweepSummary], fill_form: FillForm) -> None:
    """Choose a sweep and show it; `fill_form` repeats one of its runs."""
    by_folder = {str(sweep.folder): sweep for sweep in listed}
    if state.get(_SELECTED_KEY) not in by_folder:
        state.pop(_SELECTED_KEY, None)
    folder = st.selectbox(
        _("Sweep"),
        list(by_folder),
        key=_SELECTED_KEY,
        format_func=lambda path: _format_name(by_folder[path]),
        width=420,
    )
    sweep = by_folder[folder]
    if sweep.error:
        st.warning(messages.escape_markdown(translate_text(sweep.error)), icon=":material/info:")
    if sweep.record is not None:
        with messages.error_box("showing the sweep"):  # whatever it is, the sweep can still be deleted
            _show_record(sweep, sweep.record, fill_form)
    if not sweep.is_builtin:
        _show_delete(sweep)


def _format_name(sweep: SweepSummary) -> str:
    return _("{name} (included)").format(name=sweep.name) if sweep.is_builtin else sweep.name


def _show_record(sweep: SweepSummary, record: SweepRecord, fill_form: FillForm) -> None:
    _show_metrics(sweep, record)
    table = tables.best_so_far_table(record)
    if table.empty:
        st.write(_("No trial has a whole epoch yet."))
        return
    st.markdown("## " + _("Settings and accuracy"), anchors=False)
    chart = charts.plot_parallel_coordinates(tables.coordinates_table(record), tables.axis_ends_table(record))
    components.show_chart(
        chart,
        key="sweep_coordinates",
        alt_text=_("A line for each trial across the axes of its settings and its accuracy"),
    )
    st.caption(_("Each line is a trial. Point at it for its values."))
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("## " + _("Best so far"), anchors=False)
        baseline = record.baseline
        best_chart = charts.plot_best_so_far(table, baseline.best_accuracy if baseline else None)
        components.show_chart(
            best_chart, key="sweep_best", alt_text=_("Accuracy of each trial, and the best one so far")
        )
        st.caption(_("Dashed: the settings as they were given."))
    with right:
        _show_importance(record)
    st.markdown("## " + _("Trials"), anchors=False)
    _show_trials(sweep, record, fill_form)


def _show_metrics(sweep: SweepSummary, record: SweepRecord) -> None:
    best, baseline, plan = record.best_trial, record.baseline, record.request.plan
    given, reached = (trial.best_accuracy if trial else None for trial in (baseline, best))
    columns = st.columns(3)
    columns[0].metric(_("Settings as given"), format_accuracy(given) or "–", border=True, help=_("Trial 0."))
    columns[1].metric(
        _("Best, trial {number}").format(number=best.number) if best else _("Best"),
        format_accuracy(reached) or "–",
        _("{points:+.1f} points").format(points=100 * (reached - given))
        if reached is not None and given is not None
        else None,
        border=True,
        help=_("It was chosen on the validation faces, which makes it look a little better than it is."),
    )
    progress = _("{num_finished} of {count}").format(num_finished=record.num_finished, count=record.request.num_trials)
    columns[2].metric(_("Trials"), progress, border=True)
    st.caption(
        messages.escape_markdown(
            _(
                "{network} on {dataset}, at most {epochs} epochs; accuracy on the validation split, in the best "
                "epoch of each trial."
            ).format(network=plan.get("network"), dataset=Path(str(plan.get("data"))).name, epochs=plan.get("epochs"))
        )
    )
    if sweep.is_active:
        st.info(_("It is running: the Training page shows its progress."), icon=":material/school:")


def _show_importance(record: SweepRecord) -> None:
    st.markdown("## " + _("What matters"), anchors=False)
    if record.importance is None:
        st.write(_("It is measured at the end, from at least four trials."))
        return
    chart = charts.plot_importance(tables.importance_table(record))
    components.show_chart(chart, key="sweep_importance", alt_text=_("Share of each setting in the differences"))
    text = ngettext(
        "Share of each setting in the differences between {num_trials} trials after {epoch} epoch, which all of them "
        "reached (fANOVA).",
        "Share of each setting in the differences between {num_trials} trials after {epoch} epochs, which all of them "
        "reached (fANOVA).",
        record.importance.epoch,
    )
    st.caption(text.format(num_trials=record.importance.num_trials, epoch=record.importance.epoch))


def _show_trials(sweep: SweepSummary, record: SweepRecord, fill_form: FillForm) -> None:
    """Show the table of all trials, and the run of the selected one."""
    table = tables.trials_table(record)
    event = st.dataframe(
        table.assign(
            accuracy=100 * table["accuracy"], state=[_(tables.STATE_TITLES[state]) for state in table["state"]]
        ),
        hide_index=True,
        key=f"sweep_trials_{sweep.folder.name}",
        on_select="rerun",
        selection_mode="single-row",
        placeholder="",
        column_config={
            "accuracy": st.column_config.ProgressColumn(_("accuracy"), format="%.1f%%", min_value=0, max_value=100),
            "trial": _("trial"),
            "state": _("state"),
            "epochs": _("epochs"),
            "best_epoch": st.column_config.NumberColumn(_("best epoch")),
            "seconds": st.column_config.NumberColumn(_("seconds"), format="%.0f"),
            **{name: _make_column(name, dimension) for name, dimension in record.request.space.items()},
        },
    )
    components.download_button(
        "CSV", lambda: tables.to_csv(record), f"{sweep.folder.name}-trials.csv", "sweep_trials_csv"
    )
    rows = event["selection"]["rows"]
    if not rows:
        if not sweep.is_builtin:
            st.caption(_("Choose a trial in the table to look into its run."))
        return
    trial = record.trials[rows[0]]
    run = load_run(sweep.folder / trial.folder_name)
    if run is not None:
        title = _("{sweep}, trial {number}").format(sweep=sweep.name, number=trial.number)
        run_detail.show_run(title, run, fill_form)
    elif trial.error:
        st.warning(messages.escape_markdown(translate_text(trial.error)), icon=":material/info:")


def _make_column(name: str, dimension: Dimension) -> ColumnConfig:
    title = tables.describe_setting(name).lower()
    if isinstance(dimension, Range):
        return st.column_config.NumberColumn(title, format="%.3g")
    return st.column_config.Column(title)


def _show_delete(sweep: SweepSummary) -> None:
    """Offer to delete a sweep."""
    with st.popover(_("Delete this sweep"), icon=":material/delete:", key=f"sweep_delete_menu_{sweep.folder.name}"):
        st.write(_("Deletes it with the runs of all its trials. Copies among the models stay. This cannot be undone."))
        st.button(
            _("Delete for good"), key=f"sweep_delete_{sweep.folder.name}", on_click=_on_delete, args=(sweep.folder,)
        )
    error = state.pop("runs_sweep_error", None)
    if error:
        st.error(messages.escape_markdown(error), icon=":material/error:")


def _on_delete(folder: Path) -> None:
    try:
        sweep_manager.delete_sweep(folder, manager.RUNS_FOLDER)
    except EmotionError as error:
        state["runs_sweep_error"] = str(error)
