"""Model card: how good the recogniser in use is, what it was taught, what it does not know."""

import streamlit as st

from emotion import ui, ui_card

with ui.page() as set_up:
    st.title("How good is it?", anchor=False)
    bundle = ui.bundle()
    report = ui_card.report_of(bundle)
    st.write("The recogniser that all pages use now: how often it is right, and what it cannot know.")
    ui_card.figures(bundle, report)
    left, right = st.columns(2, gap="large")
    with left:
        ui_card.by_expression(report)
        ui_card.whole_way(report.get("pipeline") or [])
        ui_card.hard(bundle)
    with right:
        ui_card.certainty(report, set_up.settings.unsure)
        ui_card.knowledge(bundle)
    ui_card.take_away(bundle, report)
