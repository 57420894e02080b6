"""Training: choose a network, its data and its duration, see the estimated cost, start it and watch it."""

import streamlit as st

from emotion.model_store import store
from emotion.training import manager, run_listing
from emotion.training.sweep import manager as sweep_manager
from emotion.translation.messages import gettext as _
from emotion.ui import page
from emotion.ui.training import form, progress, sweep_progress
from emotion.ui.training.builtin_runs import show_builtin_runs

with page.page_layout():
    st.title(_("Training"), anchor=False)
    st.write(_("Train a network and watch its curves. Training continues when this page is closed."))
    queue = progress.list_active_runs()
    progress.show_active_runs(queue)
    active_sweeps = sweep_progress.list_active_sweeps()
    sweep_progress.show_active_sweeps(active_sweeps)
    runs = run_listing.list_runs(manager.RUNS_FOLDER, store.BUILTIN_MODELS)
    progress.show_ended_runs(runs)
    sweep_progress.show_ended_sweeps(sweep_manager.list_sweeps(manager.RUNS_FOLDER))
    if queue or active_sweeps:
        with st.expander(_("Queue another run"), icon=":material/add:"):
            form.show_form()
    else:
        form.show_form()
        if not any(run.kind == "classifier" and not run.is_builtin for run in runs):
            show_builtin_runs(runs)
