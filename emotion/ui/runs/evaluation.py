"""The offer to compute predictions and robustness of a run, and the progress of the job that does."""

from __future__ import annotations

import streamlit as st

from emotion.errors import EmotionError
from emotion.training.finished_runs import evaluation as run_evaluation
from emotion.training.run_listing import RunSummary
from emotion.translation.messages import gettext as _
from emotion.translation.messages import translate_text
from emotion.ui import messages


def show_evaluation(run: RunSummary) -> None:
    """Show the job that computes what the run lacks, or offer to start it, or say why that is not possible."""
    state = run_evaluation.read_evaluation(run.folder)
    if state is not None and state.is_running:
        _show_progress(run)
        return
    if run.is_builtin or run.is_active or not run.has_model:
        st.caption(_("Its predictions were not saved."))
        return
    if state is not None and state.status == "failed":
        st.error(
            messages.escape_markdown(translate_text(state.error or "") or _("It failed; see log.txt in its folder."))
        )
    try:
        run_evaluation.find_dataset(run)
    except EmotionError as error:
        st.caption(messages.escape_markdown(_("Its predictions cannot be computed. {reason}").format(reason=error)))
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(_("Compute now"), icon=":material/calculate:", key=f"runs_compute_{run.folder.name}"):
            with messages.error_box(_("this run")):
                run_evaluation.start_evaluation(run)
                st.rerun()
        st.caption(_("Confusion matrix, mistakes, calibration and robustness: one or two minutes."))


@st.fragment(run_every=1)
def _show_progress(run: RunSummary) -> None:
    """Show the progress of the job; rerun the page when it ends."""
    with messages.error_box(_("this run")):
        state = run_evaluation.read_evaluation(run.folder)
        if state is None or not state.is_running:
            st.rerun()
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.progress(state.fraction, _(state.message) if state.message else _("Starting"))
            if st.button(_("Stop"), icon=":material/stop:", key=f"runs_compute_stop_{run.folder.name}"):
                run_evaluation.stop_evaluation(run.folder)
                st.rerun()
        st.caption(_("You can close this page; the work continues."))
