"""Trainings that are at work, as the Training page shows them: curves that grow, time left, pause, stop, the queue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import streamlit as st

from emotion import charts, formatting
from emotion.errors import EmotionError
from emotion.training import manager, tables
from emotion.training.manager import RunView
from emotion.training.runs.step_monitor import read_steps
from emotion.training.tables import Measure, Rows
from emotion.ui import components, messages
from emotion.ui.training import predictions, run_table

_EVERY: Final = 2  # seconds between two looks at the files
_ENDED: Final = {
    "done": "Done", "stopped": "Stopped", "interrupted": "Broken off", "failed": "Failed",
    "diverged": "Ended: the loss was no number any more; the best epoch before is kept",
}  # fmt: skip
_LATEST: Final = 3  # ended trainings that are named; the Runs page has all

state = st.session_state


def at_work() -> list[RunView]:
    """The trainings that are at work or wait, in their turns; detectors and generators are trained elsewhere."""
    return [run for run in manager.queue_of(manager.RUNS) if run.kind == "recogniser"]


def show(queue: list[RunView]) -> None:
    """The training in work with its curves, and those that wait; it reads files only, again and again."""
    if queue:
        st.fragment(_live, run_every=_EVERY)([run.folder.name for run in queue])
    _said()


def _live(names: list[str]) -> None:
    queue = list[RunView]()
    with messages.error_box("the trainings"):
        queue = at_work()
    if [run.folder.name for run in queue] != names:
        st.rerun()  # one has ended: the whole page looks different now
    for run in queue:
        with st.container(border=True), messages.error_box("this training"):
            if run.state == "waiting":
                _waits(run)
            else:
                _runs(run)


def _waits(run: RunView) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f":material/hourglass_empty: **{messages.plain(run.name)}** waits for its turn", width="stretch")
        _button("Take it out", ":material/close:", "out", run, manager.stop)


def _runs(run: RunView) -> None:
    history, steps = run_table.history_of(run), read_steps(run.folder)
    st.markdown(f"#### {messages.plain(run.name)}", anchors=False)
    st.progress(_share(run, steps), messages.plain(_now(run, steps)))
    with st.container(horizontal=True):
        if run.state == "paused":
            _button("Go on", ":material/play_arrow:", "go", run, manager.go_on)
        else:
            _button("Pause", ":material/pause:", "pause", run, manager.pause)
        _button("Stop and keep", ":material/done:", "keep", run, _stop_and_keep)
        _button("Stop for now", ":material/stop:", "stop", run, manager.stop)
    word = tables.advice(history, run.epochs)
    if word:
        st.warning(word, icon=":material/trending_down:")
    _curves(run, history, steps)
    names = run.config.get("label_names")
    if isinstance(names, list):
        predictions.examples(run.folder, [str(name) for name in names], f"train_examples_{run.folder.name}")
    st.caption("This page may be closed: the training goes on, and after a stop it can be resumed.")


def _now(run: RunView, steps: Rows) -> str:
    """ "Epoch 3 of 20, step 40 of 400 · right on 35 % · about 4 min left"."""
    epoch = f"Epoch {min(run.epoch + 1, run.epochs)} of {run.epochs}" if run.epochs else run.text or "Begins"
    step, total = _within(run, steps)
    epoch += f", step {step} of {total}" if step else ""
    right = formatting.right_sentence(run.best_accuracy)
    best = f"best so far {right} in epoch {run.best_epoch}" if right else ""
    paused = "paused" if run.state == "paused" else formatting.waiting(run.seconds_left)
    return " · ".join(filter(None, [epoch, best, paused]))


def _within(run: RunView, steps: Rows) -> tuple[int, int]:
    """The step of the epoch in work and how many it has; 0 of 1 before its first row."""
    last = steps[-1] if steps else {}
    if float(last.get("epoch") or 0) != run.epoch + 1:
        return 0, 1
    return int(float(last.get("step") or 0)), max(1, int(float(last.get("steps") or 1)))


def _share(run: RunView, steps: Rows) -> float:
    """How much of it is done, 0 to 1."""
    step, total = _within(run, steps)
    return min(1.0, (run.epoch + min(1.0, step / total)) / max(1, run.epochs))


def _curves(run: RunView, history: Rows, steps: Rows) -> None:
    if not history and not steps:
        st.write(messages.plain(run.text or "It begins; the first figures come in a moment."))
        return
    columns = st.columns(2, gap="large")
    measures: tuple[tuple[str, Measure], ...] = (("Right answers", "right"), ("Loss", "loss"))
    for column, (title, measure) in zip(columns, measures, strict=True):
        with column:
            st.markdown(f"##### {title}", anchors=False)
            chart = charts.lesson_curve(tables.lesson_table(history, steps, measure), shares=measure == "right")
            components.chart(chart, key=f"train_{measure}", alt_text=f"{title} by step and epoch")
    with st.expander("Learning rate", icon=":material/show_chart:"):
        rates = tables.lesson_table(history, steps, "rate")
        components.chart(charts.rate_curve(rates), key="train_rate", alt_text="Learning rate by epoch")


# ------------------------------------------------------------------ what can be done


def _button(label: str, icon: str, key: str, run: RunView, act: Callable[[Path], Any]) -> None:
    """Its action is a callback: a fragment that is drawn anew every two seconds would lose the click."""
    st.button(label, icon=icon, key=f"train_{key}_{run.folder.name}", on_click=_do, args=(act, run.folder))


def _do(act: Callable[[Path], Any], folder: Path) -> None:
    try:
        act(folder)
    except EmotionError as error:
        state["train_refused"] = str(error)


def _stop_and_keep(folder: Path) -> None:
    manager.stop(folder, keep=True)


def _said() -> None:
    """Why the last thing that was asked for was refused."""
    refused = state.pop("train_refused", None)
    if refused:
        st.error(messages.plain(refused), icon=":material/error:")


def ended(runs: list[RunView]) -> None:
    """The newest trainings that are over: how they ended, resume them, look into them."""
    rest = [run for run in runs if not (run.shipped or run.active or run.dismissed) and run.kind == "recogniser"]
    for run in rest[:_LATEST]:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            right = formatting.right_sentence(run.best_accuracy)
            said = f" Right on {right} in epoch {run.best_epoch}." if right else ""
            how = f"{_ENDED.get(run.state, run.state)} after {tables.epochs_sentence(run)} epochs."
            st.markdown(
                f"**{messages.plain(run.name)}**  \n{messages.plain(how + said)} {messages.plain(run.error or '')}",
                width="stretch",
            )
            if run.can_resume:
                _button("Resume", ":material/play_arrow:", "resume", run, manager.resume)
            _button("Dismiss", ":material/close:", "dismiss", run, manager.dismiss)
            if st.button("Look into it", icon=":material/monitoring:", key=f"train_look_{run.folder.name}"):
                run_table.show(run.folder)
                st.switch_page("pages/runs.py")
