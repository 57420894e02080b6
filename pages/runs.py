"""Runs: every training beside the others, and one of them in all that it says."""

import streamlit as st

from emotion import ui, ui_duel, ui_run, ui_runs

with ui.page():
    st.title("Runs", anchor=False)
    st.write("How the networks of this program learned, and how well they do.")
    runs = ui_runs.all_runs()
    if not runs:
        st.info(
            "There is no run yet. Train a network on the Training page; what it writes is shown here.",
            icon=":material/info:",
        )
        st.stop()
    chosen = ui_runs.choose(runs)
    if len(chosen) == 1:
        st.caption("Choose several in the table to lay them over each other.")
        ui_run.show(*next(iter(chosen.items())))
        st.stop()
    parts = {
        "Curves": ui_runs.compare,
        "Where they disagree": ui_duel.disagreement,
        "On a photo": ui_duel.on_photo,
        "Hard pictures": ui_runs.stress,
    }
    part = st.segmented_control(
        "What to look at", list(parts), default="Curves", required=True, key="runs_together",
        label_visibility="collapsed",
    )  # fmt: skip
    ui_runs.apart(lambda: parts[part or "Curves"](chosen))
    st.caption("Choose one in the table to look into it.")
