"""Running and ended sweeps on the Training page: progress, best trial so far, stop, resume."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import streamlit as st

from emotion import charts, formatting
from emotion.errors import EmotionError
from emotion.training import manager
from emotion.training.sweep import manager as sweep_manager
from emotion.training.sweep import tables
from emotion.training.sweep.manager import SweepSummary
from emotion.training.sweep.records import SweepRecord
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop, translate_text
from emotion.ui import components, messages
from emotion.ui.runs import sweeps

_REFRESH_SECONDS: Final = 2
_ERROR_KEY: Final = "sweep_error"
_MAX_ENDED_SWEEPS: Final = 2  # the Runs page has all
_STATUS_TEXT: Final = {
    "done": gettext_noop("Done: {progress}."),
    "stopped": gettext_noop("Stopped: {progress}."),
    "interrupted": gettext_noop("Interrupted: {progress}."),
    "failed": gettext_noop("Failed: {progress}."),
    "diverged": gettext_noop("Failed: {progress}."),
}

state = st.session_state


def list_active_sweeps() -> list[SweepSummary]:
    """List the sweeps that run or wait."""
    return [sweep for sweep in sweep_manager.list_sweeps(manager.RUNS_FOLDER) if sweep.is_active]


def show_active_sweeps(active: Sequence[SweepSummary]) -> None:
    """Show the sweeps that run or wait, refreshed from their files, and why the last action failed."""
    if active:
        st.fragment(_show_live, run_every=_REFRESH_SECONDS)([sweep.folder for sweep in active])
    else:
        _show_error()


def _show_error() -> None:
    error = state.pop(_ERROR_KEY, None)
    if error:
        st.error(messages.escape_markdown(error), icon=":material/error:")


def _show_live(folders: Sequence[Path]) -> None:
    _show_error()
    active = list[SweepSummary]()
    with messages.error_box(_("the sweeps")):
        active = list_active_sweeps()
    if [sweep.folder for sweep in active] != list(folders):
        st.rerun()  # one has ended, which changes the whole page
    for sweep in active:
        with st.container(border=True), messages.error_box(_("this sweep")):
            _show_running(sweep)


def _show_running(sweep: SweepSummary) -> None:
    st.markdown(f"## {messages.escape_markdown(sweep.name)}", anchors=False)
    if sweep.is_waiting or sweep.record is None:
        st.markdown(":material/hourglass_empty: " + _("Waits for its turn."))
    else:
        time_left = formatting.format_time_left(sweep.state.seconds_left)
        text = " · ".join(filter(None, [format_status(sweep.record), time_left]))
        st.progress(sweep.state.fraction, messages.escape_markdown(text))
    _show_button(_("Stop (resumable)"), ":material/stop:", "stop", sweep, sweep_manager.stop_sweep)
    table = tables.best_so_far_table(sweep.record) if sweep.record else None
    if sweep.record is not None and table is not None and len(table):
        baseline = sweep.record.baseline
        chart = charts.plot_best_so_far(table, baseline.best_accuracy if baseline else None)
        components.show_chart(chart, key="sweep_best", alt_text=_("Accuracy of each trial, and the best one so far"))
    st.caption(_("You can close this page; the sweep continues."))


def format_status(record: SweepRecord) -> str:
    """Format the status: "7 of 24 trials done · best 43% in trial 5 · 40% with the settings as they are"."""
    num_finished, num_trials = record.num_finished, record.request.num_trials
    parts = [_("{num_finished} of {count} trials done").format(num_finished=num_finished, count=num_trials)]
    best, baseline = record.best_trial, record.baseline
    if best is not None and best is not baseline:
        parts.append(
            _("best {accuracy} in trial {number}").format(
                accuracy=formatting.format_accuracy(best.best_accuracy), number=best.number
            )
        )
    if baseline is not None and baseline.best_accuracy is not None:
        parts.append(
            _("{accuracy} with the settings as they are").format(
                accuracy=formatting.format_accuracy(baseline.best_accuracy)
            )
        )
    return " · ".join(parts)


def show_ended_sweeps(listed: Sequence[SweepSummary]) -> None:
    """Show the newest sweeps that have ended: how, and whether they can be resumed."""
    ended = [sweep for sweep in listed if not (sweep.is_builtin or sweep.is_active or sweep.is_dismissed)]
    for sweep in ended[:_MAX_ENDED_SWEEPS]:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            status = _(_STATUS_TEXT[sweep.state.status])
            text = status.format(progress=format_status(sweep.record)) if sweep.record else ""
            reason = translate_text(sweep.error or "")
            st.markdown(
                f"**{messages.escape_markdown(sweep.name)}**  \n{messages.escape_markdown(' '.join([text, reason]))}",
                width="stretch",
            )
            if sweep.can_resume:
                _show_button(_("Resume"), ":material/play_arrow:", "resume", sweep, sweep_manager.resume_sweep)
            _show_button(_("Dismiss"), ":material/close:", "dismiss", sweep, manager.dismiss)
            if st.button(_("View"), icon=":material/monitoring:", key=f"sweep_view_{sweep.folder.name}"):
                sweeps.select_sweep(sweep.folder)
                st.switch_page("pages/runs.py")


def _show_button(label: str, icon: str, key: str, sweep: SweepSummary, action: Callable[[Path], Any]) -> None:
    """Show a button whose action is a callback: a fragment that refreshes itself can lose a click."""
    st.button(
        label, icon=icon, key=f"sweep_{key}_{sweep.folder.name}", on_click=_run_action, args=(action, sweep.folder)
    )


def _run_action(action: Callable[[Path], Any], folder: Path) -> None:
    try:
        action(folder)
    except EmotionError as error:
        state[_ERROR_KEY] = str(error)
