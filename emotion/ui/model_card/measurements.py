"""What was measured of a classifier: accuracy, scores by expression, calibration, robustness."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd
import streamlit as st

from emotion import charts
from emotion.errors import JobError
from emotion.expressions import translate_label
from emotion.formatting import format_list, format_percent
from emotion.model_store.store import ModelBundle
from emotion.storage import read_json
from emotion.training import prediction_tables
from emotion.training.runs.predictions import ROBUSTNESS_FILE
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop
from emotion.ui import components
from emotion.ui.model_card.facts import format_source
from emotion.ui.runs import run_table

_RARE_FACES: Final = 100  # test faces below which figures are rough
_CORRUPTION_TITLES: Final = {"downscale": gettext_noop("Small faces"), "blur": gettext_noop("Blurred faces")}


def show_metrics(bundle: ModelBundle, report: Mapping[str, Any]) -> None:
    """Show the accuracies with their confidence intervals and their test faces."""
    test, columns = report.get("test", {}), st.columns(3, gap="medium")
    displayed = test.get("as_displayed") or test.get("ferplus")
    if displayed:
        _show_metric(
            columns[0],
            _("Faces with a majority (FER+)"),
            displayed,
            _("{count:,} test faces with a majority of ten votes for one of eight expressions.").format(
                count=displayed["n"]
            ),
        )
    if "accuracy" in test:
        text = _("{count:,} test faces of {source}, one label each.")
        text = text.format(count=test["n"], source=format_source(bundle.card.data.get("source", _("its data"))))
        _show_metric(columns[1], _("All test faces"), test, text)
    end_to_end = report.get("end_to_end") or []
    if end_to_end:
        _show_metric(
            columns[2],
            _("End-to-end accuracy"),
            end_to_end[0],
            _(
                "{count:,} of these faces, of different sizes and rotations, placed in images: detected by {detector}, "
                "cropped and classified."
            ).format(count=end_to_end[0]["n"], detector=end_to_end[0]["detector"]),
            "accuracy_all",
        )


def _show_metric(
    column: Any, title: str, scores: Mapping[str, Any], description: str, metric: str = "accuracy"
) -> None:
    low, high = (f"{100 * end:.1f}" for end in scores[f"{metric}_interval"])
    with column:
        st.metric(title, f"{scores[metric] * 100:.1f}%", border=True, help=description)
        st.caption(description + " " + _("95% CI: {low} to {high}%.").format(low=low, high=high))


def show_per_class_metrics(report: Mapping[str, Any]) -> None:
    """Show precision and recall of each expression."""
    test = report.get("test", {})
    scores = (test.get("as_displayed") or test.get("ferplus") or test).get("per_class")
    if not scores:
        return
    st.header(_("By expression"), anchor=False)
    rows = [{"label": name, **metrics} for name, metrics in scores.items()]
    table = prediction_tables.class_metrics_table(rows)
    alt_text = format_list(
        _("{label} recall {recall}").format(label=translate_label(row["label"]), recall=format_percent(row["recall"]))
        for row in rows
    )
    components.show_chart(charts.plot_class_metrics(table), key="card_classes", alt_text=alt_text)
    rare = [f"{translate_label(row['label'])} ({row['n']})" for row in rows if row["n"] < _RARE_FACES]
    caption = _("Recall: share of these faces that are found. Precision: share of these predictions that are correct.")
    if rare:
        caption += " " + _("Few test faces, so wide intervals: {labels}.").format(labels=format_list(rare))
    st.caption(caption)
    run_table.show_table_download(table, "by-expression", "card_classes_save")


def show_calibration(report: Mapping[str, Any], min_confidence: float) -> None:
    """Show the reliability of the confidence, and the effect of the unsure threshold."""
    test = report.get("test", {})
    displayed = test.get("as_displayed") or test.get("ferplus") or test
    if not displayed.get("reliability"):
        return
    st.header(_("Calibration"), anchor=False)
    if displayed.get("votes_reliability"):
        rows, ece, quantity = displayed["votes_reliability"], displayed["votes_ece"], _("share of people who agree")
        explanation = _(
            "Dashed line: perfect calibration, the label's confidence equals the share of people who agree."
        )
    else:
        rows, ece, quantity = displayed["reliability"], displayed["ece"], _("accuracy")
        explanation = _("Dashed line: perfect calibration.")
    chart = charts.plot_reliability_diagram(pd.DataFrame(rows), quantity)
    alt_text = _("Confidence, and {quantity}").format(quantity=quantity)
    components.show_chart(chart, key="card_reliability", alt_text=alt_text)
    st.caption(explanation + " " + _("Calibration error: {points:.1f} points.").format(points=ece * 100))
    if displayed.get("coverage"):
        st.header(_("Coverage and accuracy"), anchor=False)
        rows = pd.DataFrame(displayed["coverage"])
        current = rows.iloc[(rows["threshold"] - min_confidence).abs().argmin()]
        components.show_chart(
            charts.plot_coverage(rows, min_confidence),
            key="card_coverage",
            alt_text=_("Share of the faces with a label, and its accuracy"),
        )
        st.caption(
            _(
                "At a minimum confidence of {confidence}, {coverage} of these faces get a label, and {accuracy} of "
                "these labels are correct; the others are unsure."
            ).format(
                confidence=format_percent(min_confidence),
                coverage=format_percent(current["coverage"]),
                accuracy=format_percent(current["accuracy"]),
            )
        )


def show_robustness(bundle: ModelBundle) -> None:
    """Show the accuracy on small and on blurred faces."""
    try:
        robustness = read_json(bundle.folder / ROBUSTNESS_FILE)
    except JobError:
        return  # damaged, treated as not measured
    table = prediction_tables.robustness_table({bundle.name: robustness})
    for corruption, title in _CORRUPTION_TITLES.items():
        rows = pd.DataFrame(table[table["corruption"] == corruption])
        if len(rows):
            st.header(_(title), anchor=False)
            unit = str(rows["unit"].iloc[0])
            unit = _(unit) if unit else ""
            alt_text = _("{title}: accuracy by {unit}").format(title=_(title), unit=unit)
            components.show_chart(charts.plot_robustness(rows, unit), key=f"card_{corruption}", alt_text=alt_text)
