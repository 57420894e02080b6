"""Running, queued and ended trainings on the Training page: progress, curves, pause, stop, resume."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import streamlit as st

from emotion import charts, formatting
from emotion.errors import EmotionError
from emotion.training import manager, run_listing, tables
from emotion.training.run_listing import RunSummary
from emotion.training.runs.step_monitor import read_steps
from emotion.training.tables import Rows
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop, translate_text
from emotion.ui import components, messages
from emotion.ui.runs import run_table
from emotion.ui.runs.run_table import CURVE_TITLES
from emotion.ui.runs.tracked_examples import show_tracked_examples

_REFRESH_SECONDS: Final = 2
_STATUS_TEXT: Final = {
    "done": gettext_noop("Done after {epochs} epochs."),
    "stopped": gettext_noop("Stopped after {epochs} epochs."),
    "interrupted": gettext_noop("Interrupted after {epochs} epochs."),
    "failed": gettext_noop("Failed after {epochs} epochs."),
    "diverged": gettext_noop("Ended after {epochs} epochs: the loss was not a number; the best epoch before is kept."),
    "damaged": gettext_noop("Damaged after {epochs} epochs."),
}
_MAX_ENDED_RUNS: Final = 3  # the Runs page has all

state = st.session_state


def list_active_runs() -> list[RunSummary]:
    """List the running and queued trainings of classifiers in the order of the queue."""
    return [run for run in run_listing.active_runs(manager.RUNS_FOLDER) if run.kind == "classifier"]


def show_active_runs(queue: list[RunSummary]) -> None:
    """Show the running training with its curves, and the queue; refreshed from the files of the runs."""
    if queue:
        st.fragment(_show_live, run_every=_REFRESH_SECONDS)([run.folder.name for run in queue])
    _show_last_error()


def _show_live(folder_names: list[str]) -> None:
    queue = list[RunSummary]()
    with messages.error_box(_("the trainings")):
        queue = list_active_runs()
    if [run.folder.name for run in queue] != folder_names:
        st.rerun()  # one has ended, which changes the whole page
    for run in queue:
        with st.container(border=True), messages.error_box(_("this training")):
            if run.state == "waiting":
                _show_waiting(run)
            else:
                _show_running(run)


def _show_waiting(run: RunSummary) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            ":material/hourglass_empty: "
            + _("**{name}** waits for its turn").format(name=messages.escape_markdown(run.name)),
            width="stretch",
        )
        _show_button(_("Remove from queue"), ":material/close:", "out", run, manager.stop)


def _show_running(run: RunSummary) -> None:
    history, steps = run_table.load_history(run), read_steps(run.folder)
    st.markdown(f"## {messages.escape_markdown(run.name)}", anchors=False)
    st.progress(_compute_progress(run, steps), messages.escape_markdown(_format_status(run, steps)))
    _show_controls(run)
    warning = tables.detect_overfitting(history, run.epochs)
    if warning:
        st.warning(warning, icon=":material/trending_down:")
    _show_curves(run, history, steps)
    label_names = run.config.get("label_names")
    if isinstance(label_names, list):
        show_tracked_examples(run.folder, [str(name) for name in label_names], key=f"train_examples_{run.folder.name}")
    st.caption(_("You can close this page; training continues."))


def _show_controls(run: RunSummary) -> None:
    """Show the buttons of a training, or what it was asked for until that is done."""
    if manager.ensure_stop(run.folder):
        st.caption(":material/hourglass_empty: " + _("Stopping. Resume it later from its last whole epoch."))
        return
    if manager.is_finishing(run.folder):
        st.caption(":material/hourglass_empty: " + _("Finishing. The best epoch becomes the model and is evaluated."))
        return
    with st.container(horizontal=True):
        # One key for both: two buttons are side by side for a moment, so that those beside them move away from a click.
        if run.state == "paused":
            _show_button(_("Resume"), ":material/play_arrow:", "pause", run, manager.unpause)
        else:
            _show_button(_("Pause"), ":material/pause:", "pause", run, manager.pause)
        _show_button(
            _("Finish now"),
            ":material/done:",
            "finish",
            run,
            manager.finish,
            help_text=_("Keeps the best epoch as a model and evaluates it."),
        )
        _show_button(
            _("Stop, resume later"),
            ":material/stop:",
            "stop",
            run,
            manager.request_stop,
            help_text=_("Makes no model; whole epochs are kept."),
        )


def _format_status(run: RunSummary, steps: Rows) -> str:
    """Format the status: "Epoch 3 of 20, step 40 of 400 · best so far 35% in epoch 2 · about 4 min left"."""
    accuracy = formatting.format_accuracy(run.best_accuracy)
    best = _("best so far {accuracy} in epoch {epoch}").format(accuracy=accuracy, epoch=run.best_epoch)
    time_left = _("paused") if run.state == "paused" else formatting.format_time_left(run.seconds_left)
    return " · ".join(filter(None, [_format_position(run, steps), best if accuracy else "", time_left]))


def _format_position(run: RunSummary, steps: Rows) -> str:
    """Format where a training is: "Epoch 3 of 20, step 40 of 400"."""
    if not run.epochs:
        return _(run.status_text) if run.status_text else _("Starting")
    epoch, (step, num_steps) = min(run.epoch + 1, run.epochs), _get_current_step(run, steps)
    if not step:
        return _("Epoch {epoch} of {epochs}").format(epoch=epoch, epochs=run.epochs)
    text = _("Epoch {epoch} of {epochs}, step {step} of {num_steps}")
    return text.format(epoch=epoch, epochs=run.epochs, step=step, num_steps=num_steps)


def _get_current_step(run: RunSummary, steps: Rows) -> tuple[int, int]:
    """Return the step of the current epoch and its number of steps; 0 of 1 before its first row."""
    last = steps[-1] if steps else {}
    if float(last.get("epoch") or 0) != run.epoch + 1:
        return 0, 1
    return int(float(last.get("step") or 0)), max(1, int(float(last.get("num_steps") or 1)))


def _compute_progress(run: RunSummary, steps: Rows) -> float:
    """Return the completed fraction of a training, 0 to 1."""
    step, total = _get_current_step(run, steps)
    return min(1.0, (run.epoch + min(1.0, step / total)) / max(1, run.epochs))


def _show_curves(run: RunSummary, history: Rows, steps: Rows) -> None:
    if not history and not steps:
        text = _(run.status_text) if run.status_text else _("Starting; the first values appear in a moment.")
        st.write(messages.escape_markdown(text))
        return
    columns = st.columns(2, gap="large")
    for column, metric in zip(columns, CURVE_TITLES, strict=True):
        title = _(CURVE_TITLES[metric])
        with column:
            st.markdown(f"### {title}", anchors=False)
            chart = charts.plot_training_curve(
                tables.step_curves_table(history, steps, metric), as_percent=metric == "accuracy"
            )
            components.show_chart(
                chart, key=f"train_{metric}", alt_text=_("{metric} by step and epoch").format(metric=title)
            )
    with st.expander(_("Learning rate"), icon=":material/show_chart:"):
        rates = tables.step_curves_table(history, steps, "learning_rate")
        components.show_chart(charts.plot_learning_rate(rates), key="train_rate", alt_text=_("Learning rate by epoch"))


# ------------------------------------------------------------------ actions


def _show_button(
    label: str, icon: str, key: str, run: RunSummary, action: Callable[[Path], Any], *, help_text: str | None = None
) -> None:
    """Show a button whose action is a callback: a fragment that refreshes itself can lose a click."""
    st.button(
        label,
        icon=icon,
        key=f"train_{key}_{run.folder.name}",
        on_click=_run_action,
        args=(action, run.folder),
        help=help_text,
    )


def _run_action(action: Callable[[Path], Any], folder: Path) -> None:
    try:
        action(folder)
    except EmotionError as error:
        state["train_error"] = str(error)


def _show_last_error() -> None:
    """Show why the last action failed."""
    error = state.pop("train_error", None)
    if error:
        st.error(messages.escape_markdown(error), icon=":material/error:")


def show_ended_runs(runs: list[RunSummary]) -> None:
    """Show the newest trainings that have ended: how, and whether they can be resumed."""
    ended = [
        run for run in runs if not (run.is_builtin or run.is_active or run.is_dismissed) and run.kind == "classifier"
    ]
    for run in ended[:_MAX_ENDED_RUNS]:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            accuracy = formatting.format_accuracy(run.best_accuracy)
            best = _("Accuracy {accuracy} in epoch {epoch}.").format(accuracy=accuracy, epoch=run.best_epoch)
            status = _(_STATUS_TEXT[run.state]).format(epochs=tables.format_epochs(run))
            text = " ".join(filter(None, [status, best if accuracy else "", translate_text(run.error or "")]))
            st.markdown(
                f"**{messages.escape_markdown(run.name)}**  \n{messages.escape_markdown(text)}", width="stretch"
            )
            if run.can_resume:
                _show_button(_("Resume"), ":material/play_arrow:", "resume", run, manager.resume)
                if run.epoch and not run.has_model:
                    _show_button(_("Finish now"), ":material/done:", "finish", run, manager.finish)
            if manager.can_extend(run):
                _show_extension(run)
            _show_button(_("Dismiss"), ":material/close:", "dismiss", run, manager.dismiss)
            if st.button(_("View"), icon=":material/monitoring:", key=f"train_look_{run.folder.name}"):
                run_table.select_runs(run.folder)
                st.switch_page("pages/runs.py")


def _show_extension(run: RunSummary) -> None:
    with st.popover(_("More epochs"), icon=":material/add:", key=f"train_extension_{run.folder.name}"):
        count = st.number_input(_("Epochs"), 1, 10_000, max(1, run.epochs // 2), key=f"train_more_{run.folder.name}")
        action = partial(manager.extend, num_epochs=int(count))
        _show_button(_("Train further"), ":material/play_arrow:", "extend", run, action)
