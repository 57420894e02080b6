"""Model card: how good the recogniser in use is, what it was taught, what it does not know."""

import streamlit as st

from emotion.ui import model_card, page, session
from emotion.ui.training import end_to_end

with page.page() as set_up:
    st.title("How good is it?", anchor=False)
    bundle = session.bundle()
    report = model_card.report_of(bundle)
    st.write("The recogniser that all pages use now: how often it is right, and what it cannot know.")
    model_card.figures(bundle, report)
    left, right = st.columns(2, gap="large")
    with left:
        model_card.by_expression(report)
        end_to_end.whole_way(report.get("pipeline") or [])
        model_card.hard(bundle)
    with right:
        model_card.certainty(report, set_up.settings.unsure)
        model_card.knowledge(bundle)
    model_card.take_away(bundle, report)
