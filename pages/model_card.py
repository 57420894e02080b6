"""Model card: how good the classifier in use is, what it learned from, what it does not know."""

import streamlit as st

from emotion.storage import read_json_or_empty
from emotion.training.runs.folder import REPORT_FILE
from emotion.translation.messages import gettext as _
from emotion.ui import model_card, page, session
from emotion.ui.runs import end_to_end

with page.page_layout() as settings:
    st.title(_("Model card"), anchor=False)
    bundle = session.get_bundle()
    report = read_json_or_empty(bundle.folder / REPORT_FILE)
    st.write(_("Accuracy, calibration and limits of the classifier in use."))
    model_card.show_metrics(bundle, report)
    left, right = st.columns(2, gap="large")
    with left:
        model_card.show_per_class_metrics(report)
        end_to_end.show_end_to_end(report.get("end_to_end") or [])
        model_card.show_robustness(bundle)
    with right:
        model_card.show_calibration(report, settings.analyzer_settings.min_confidence)
        model_card.show_limitations(bundle)
    model_card.show_downloads(bundle, report)
