"""Runs: every training beside the others, and one of them in all that it says."""

import streamlit as st

from emotion.ui import page
from emotion.ui.training import comparison, run_detail, run_table

with page.page():
    st.title("Runs", anchor=False)
    st.write("How the networks of this program learned, and how well they do.")
    runs = run_table.all_runs()
    if not runs:
        st.info(
            "There is no run yet. Train a network on the Training page; what it writes is shown here.",
            icon=":material/info:",
        )
        st.stop()
    chosen = run_table.choose(runs)
    if len(chosen) == 1:
        st.caption("Choose several in the table to lay them over each other.")
        run_detail.show(*next(iter(chosen.items())))
        st.stop()
    parts = {
        "Curves": run_table.compare,
        "Where they disagree": comparison.disagreement,
        "On a photo": comparison.on_photo,
        "Hard pictures": run_table.stress,
    }
    part = st.segmented_control(
        "What to look at", list(parts), default="Curves", required=True, key="runs_together",
        label_visibility="collapsed",
    )  # fmt: skip
    run_table.apart(lambda: parts[part or "Curves"](chosen))
    st.caption("Choose one in the table to look into it.")
