"""Model card: what the classifier in use is, how good it is, which mistakes it makes, what it does not know."""

import streamlit as st

from emotion.storage import read_json_or_empty
from emotion.training.runs.folder import REPORT_FILE
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop
from emotion.ui import page, session
from emotion.ui.model_card import downloads, facts, measurements, mistakes
from emotion.ui.runs import end_to_end

VIEWS = [gettext_noop("Overview"), gettext_noop("Measurements"), gettext_noop("Typical mistakes")]

with page.page_layout() as settings:
    st.title(_("Model card"), anchor=False)
    bundle = session.get_bundle()
    report = read_json_or_empty(bundle.folder / REPORT_FILE)
    st.write(_("Accuracy, calibration and limits of the classifier in use."))
    measurements.show_metrics(bundle, report)
    view = st.segmented_control(
        _("View"),
        VIEWS,
        default=VIEWS[0],
        required=True,
        format_func=_,
        key="card_view",
        label_visibility="collapsed",
    )
    if view == "Typical mistakes":
        mistakes.show_mistakes(report)
        mistakes.show_misleading_conditions()
    else:
        left, right = st.columns(2, gap="large")
        if view == "Measurements":
            with left:
                measurements.show_per_class_metrics(report)
                end_to_end.show_end_to_end(report.get("end_to_end") or [])
            with right:
                measurements.show_calibration(report, settings.analyzer_settings.min_confidence)
                measurements.show_robustness(bundle)
        else:
            with left:
                facts.show_details(bundle)
                facts.show_intended_use()
            with right:
                facts.show_data(bundle, report)
                facts.show_limitations(bundle)
    downloads.show_downloads(bundle, report)
