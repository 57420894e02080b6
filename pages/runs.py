"""Runs: the trainings beside each other, and one of them in detail."""

import streamlit as st

from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop
from emotion.ui import page
from emotion.ui.runs import comparison, curves, run_detail, run_table, sweeps
from emotion.ui.training import form

with page.page_layout():
    st.title(_("Runs"), anchor=False)
    st.write(_("Compare trained networks."))
    listed_sweeps = sweeps.list_sweeps()
    if listed_sweeps:
        kinds = [sweeps.RUNS_VIEW, sweeps.SWEEPS_VIEW]
        st.session_state.setdefault(sweeps.VIEW_KEY, sweeps.RUNS_VIEW)
        st.segmented_control(
            _("Show"), kinds, required=True, format_func=_, key=sweeps.VIEW_KEY, label_visibility="collapsed"
        )
        if st.session_state[sweeps.VIEW_KEY] == sweeps.SWEEPS_VIEW:
            sweeps.show_sweeps(listed_sweeps, form.fill_form)
            st.stop()
    runs = run_table.list_runs()
    if not runs:
        st.info(
            _("There is no run yet. Train a network on the Training page; its results are shown here."),
            icon=":material/info:",
        )
        st.stop()
    selected_runs = run_table.choose_runs(runs)
    if len(selected_runs) == 1:
        st.caption(_("Choose several in the table to compare them."))
        run_detail.show_run(*next(iter(selected_runs.items())), form.fill_form)
        st.stop()
    views = {
        gettext_noop("Curves"): curves.show_comparison,
        gettext_noop("Settings"): curves.show_settings,
        gettext_noop("Disagreements"): comparison.show_disagreement,
        gettext_noop("Try on a photo"): comparison.show_photo_comparison,
        gettext_noop("Robustness"): curves.show_robustness,
    }
    view = st.segmented_control(
        _("View"),
        list(views),
        default="Curves",
        required=True,
        format_func=_,
        key="runs_together",
        label_visibility="collapsed",
    )
    run_table.run_fragment(lambda: views[view or "Curves"](selected_runs))
    st.caption(_("Choose one in the table to look into it."))
