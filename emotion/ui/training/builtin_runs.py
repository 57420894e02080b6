"""Shipped runs, offered on the Training page to open or to repeat."""

from __future__ import annotations

import streamlit as st

from emotion.errors import EmotionError
from emotion.training.classifier.config import TrainingPlan
from emotion.training.run_listing import RunSummary
from emotion.translation.messages import gettext as _
from emotion.translation.messages import ngettext
from emotion.ui import messages
from emotion.ui.runs import run_table
from emotion.ui.training import form


def show_builtin_runs(runs: list[RunSummary]) -> None:
    """Show the shipped classifier runs; the page offers them until the first training."""
    builtin = [run for run in runs if run.is_builtin and not run.source_run and run.kind == "classifier"]
    if not builtin:
        return
    st.markdown("## " + _("Included runs"), anchors=False)
    columns = st.columns(3, gap="medium")
    for i, run in enumerate(builtin):
        with columns[i % 3], st.container(border=True):
            _show_card(run)


def _show_card(run: RunSummary) -> None:
    parts = list[str]()
    if run.best_accuracy:
        accuracy = _("{accuracy:.1f}% accuracy, epoch {epoch}")
        parts.append(accuracy.format(accuracy=run.best_accuracy * 100, epoch=run.best_epoch))
    if run.train_minutes >= 1:
        minutes = round(run.train_minutes)
        parts.append(ngettext("{count} minute", "{count} minutes", minutes).format(count=minutes))
    st.markdown(f"**{messages.escape_markdown(run.name)}**  \n{messages.escape_markdown(' · '.join(parts))}")
    with st.container(horizontal=True):
        if st.button(_("View"), icon=":material/monitoring:", key=f"train_look_{run.folder.name}"):
            run_table.select_runs(run.folder)
            st.switch_page("pages/runs.py")
        st.button(
            _("Repeat"),
            icon=":material/replay:",
            key=f"train_repeat_{run.folder.name}",
            on_click=_on_repeat,
            args=(run,),
        )


def _on_repeat(run: RunSummary) -> None:
    """Fill the form with the settings of a run."""
    try:
        form.fill_form(TrainingPlan.from_config(run.config))
    except EmotionError as error:
        st.session_state["train_error"] = str(error)
