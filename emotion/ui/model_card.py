"""What the page about the classifier in use needs of Streamlit: its card in figures, charts and plain words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd
import streamlit as st

from emotion import charts
from emotion.errors import JobError
from emotion.formatting import format_percent
from emotion.model_store.store import ModelBundle
from emotion.results import serialization
from emotion.storage import read_json
from emotion.training import prediction_tables, tables
from emotion.training.classifier.zoo import list_architectures
from emotion.training.runs.folder import REPORT_FILE
from emotion.training.runs.predictions import ROBUSTNESS_FILE
from emotion.ui import components, messages
from emotion.ui.training import run_table

_CORRUPTION_TITLES: Final = {"downscale": "Small faces", "blur": "Blurred faces"}


def read_report(bundle: ModelBundle) -> dict[str, Any]:
    """What its training wrote at the end; {} where that is missing or damaged, since the rest is worth seeing."""
    try:
        return read_json(bundle.folder / REPORT_FILE) or {}
    except JobError:
        return {}


def show_metrics(bundle: ModelBundle, report: Mapping[str, Any]) -> None:
    """How often it is right, with what that means."""
    test, columns = report.get("test", {}), st.columns(3, gap="medium")
    shown = test.get("as_displayed") or test.get("ferplus")
    if shown:
        _show_metric(
            columns[0],
            "Faces that people agree on",
            shown,
            f"{shown['n']:,} test faces to which most of ten people gave the same of eight expressions (FER+).",
        )
    if "accuracy" in test:
        source = _format_source(bundle.card.data.get("source", "its data"))
        _show_metric(columns[1], "All test faces", test, f"{test['n']:,} test faces of {source}, with one label each.")
    ways = report.get("end_to_end") or []
    if ways:
        _show_metric(
            columns[2],
            "From picture to label",
            ways[0],
            f"{ways[0]['n']:,} of these faces, small and large, also "
            f"turned ones, somewhere in a picture: found by {ways[0]['detector']}, cut out and read.",
            "accuracy_all",
        )


def _format_source(name: Any) -> str:
    """The data set of a card as people call it."""
    return "FER-2013" if Path(str(name)).stem == "fer2013" else messages.escape_markdown(str(name))


def _show_metric(
    column: Any, title: str, scores: Mapping[str, Any], description: str, metric: str = "accuracy"
) -> None:
    low, high = (f"{100 * end:.1f}" for end in scores[f"{metric}_interval"])
    with column:
        st.metric(title, f"{scores[metric] * 100:.1f} % right", border=True, help=description)
        st.caption(f"{description} With other such faces most likely {low} to {high} %.")


def show_per_class_metrics(report: Mapping[str, Any]) -> None:
    """Which expressions it knows well, and which it does not."""
    test = report.get("test", {})
    scores = (test.get("as_displayed") or test.get("ferplus") or test).get("per_class")
    if not scores:
        return
    st.subheader("By expression", anchor=False)
    rows = [{"label": name, **one} for name, one in scores.items()]
    table = prediction_tables.class_metrics_table(rows)
    said = ", ".join(f"{one['label']} recall {format_percent(one['recall'])}" for one in rows)
    components.show_chart(charts.plot_class_metrics(table), key="card_classes", alt_text=said)
    rare = [f"{one['label']} ({one['n']})" for one in rows if one["n"] < 100]
    words = "Recall: how many of these faces it finds. Precision: how often it is right when it says this."
    st.caption(f"{words} So few test faces that their figures are rough: {', '.join(rare)}." if rare else words)
    run_table.show_table_download(table, "by-expression", "card_classes_save")


def show_calibration(report: Mapping[str, Any], min_confidence: float) -> None:
    """What its percents are worth, and what the unsure threshold does."""
    test = report.get("test", {})
    shown = test.get("as_displayed") or test.get("ferplus") or test
    if not shown.get("reliability"):
        return
    st.subheader("What its percents are worth", anchor=False)
    if shown.get("votes_reliability"):
        rows, off, right = shown["votes_reliability"], shown["votes_ece"], "people who say the same"
        words = "On the dashed line, of a face called happy at 80 % eight people in ten say that it looks happy."
    else:
        rows, off, right = shown["reliability"], shown["ece"], "how often it is right"
        words = "On the dashed line, a face called happy at 80 % is happy 8 times in 10."
    chart = charts.plot_reliability_diagram(pd.DataFrame(rows), right)
    components.show_chart(chart, key="card_reliability", alt_text=f"Certainty, and {right}")
    st.caption(f"{words} It is {off * 100:.1f} points off on average.")
    if shown.get("coverage"):
        st.subheader("When it says unsure", anchor=False)
        rows = pd.DataFrame(shown["coverage"])
        here = rows.iloc[(rows["threshold"] - min_confidence).abs().argmin()]
        components.show_chart(
            charts.plot_coverage(rows, min_confidence), key="card_coverage", alt_text="Labels and their rightness"
        )
        st.caption(
            f"At the threshold in the sidebar, {format_percent(min_confidence)}, "
            f"it names {format_percent(here['coverage'])} of these faces "
            f"and is right for {format_percent(here['accuracy'])} of them; the others are called unsure."
        )


def show_robustness(bundle: ModelBundle) -> None:
    """How much is lost on small and on blurred faces."""
    try:
        stress = read_json(bundle.folder / ROBUSTNESS_FILE)
    except JobError:
        return  # damaged, as good as not measured
    table = prediction_tables.robustness_table({bundle.name: stress})
    for kind, title in _CORRUPTION_TITLES.items():
        some = pd.DataFrame(table[table["corruption"] == kind])
        if len(some):
            st.subheader(title, anchor=False)
            unit = str(some["unit"].iloc[0])
            components.show_chart(
                charts.plot_robustness(some, unit), key=f"card_{kind}", alt_text=f"{title}: right answers by {unit}"
            )


def show_limitations(bundle: ModelBundle) -> None:
    """What it was taught, and what it cannot know."""
    data, facts = bundle.card.data, []
    parameters = bundle.card.num_parameters
    size = bundle.onnx_path.stat().st_size / 1e6
    if parameters:
        eight = ", in numbers of 8 bits" if bundle.classifier_card.quantization == "int8" else ""
        facts.append(
            f"A network of {parameters / 1e6:.1f} million numbers{eight}, "
            f"{size:.1f} MB{_format_initialization(bundle.card_fields)}."
        )
    voted = "ferplus" in bundle.heads
    if isinstance(data.get("rows"), int):
        source = _format_source(data.get("source", ""))
        facts.append(f"Its data are {data['rows']:,} faces ({source}); the test faces among them taught nothing.")
    if voted:
        facts.append(
            "They are small, grey and from a search of the web (FER-2013); ten people each labelled them anew (FER+)."
        )
    taught = bundle.card.teachers
    if taught:
        facts.append(f"{len(taught)} other networks of this program taught it, too.")
    st.subheader("What it was taught", anchor=False)
    st.markdown("\n".join(f"- {fact}" for fact in facts))
    st.subheader("What it does not know", anchor=False)
    unknown = [
        "**Who is on the photos.** They carry no age, sex or skin colour, so nobody could measure whether it is fair "
        "to all; people who were rare on these photos are most likely read worse.",
        "**What a person feels.** Its labels are what others saw in a single picture, not the moment before and after.",
        "**Other poses.** Turned, covered, dark and small faces are read worse than those that look at the camera.",
    ]
    if voted:
        unknown.append(
            "**Rare expressions.** Disgust, fear and contempt are one to three of a hundred it learned from."
        )
    st.markdown("\n".join(f"- {words}" for words in unknown))
    st.markdown("It must not decide anything about a person: not who is hired, trusted, treated or suspected.")


def _format_initialization(card: Mapping[str, Any]) -> str:
    """What its training began with, as the end of a sentence; "" where that is not known."""
    weights = card.get("weights")
    if weights is None:  # a card of before; most networks can only begin at random
        at_random = any(one.name == card.get("network") and one.pretrained_note is None for one in list_architectures())
        weights = "random" if at_random else ""
    if weights == "random":
        return ", trained from nothing"
    return ", trained on top of ImageNet weights" if weights else ""


def show_downloads(bundle: ModelBundle, report: Mapping[str, Any]) -> None:
    """The card and the report as files."""
    with st.container(horizontal=True):
        for key, label, facts in (("json", "Card (JSON)", bundle.card_fields), ("report", "All scores (JSON)", report)):
            st.download_button(
                label,
                json.dumps(dict(facts), indent=1),
                f"{serialization.sanitize_filename(bundle.name)}-{key}.json",
                on_click="ignore",
                icon=":material/download:",
                key=f"card_save_{key}",
            )
        run = next((run for run in run_table.list_runs().values() if run.folder == bundle.folder), None)
        if run is not None:
            st.download_button(
                "Card (Markdown)",
                lambda: tables.format_run_card(bundle.name, run, None),
                f"{serialization.sanitize_filename(bundle.name)}.md",
                on_click="ignore",
                icon=":material/download:",
                key="card_save_md",
            )
