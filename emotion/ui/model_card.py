"""What the page about the recogniser in use needs of Streamlit: its card in figures, charts and plain words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd
import streamlit as st

from emotion import charts
from emotion.errors import JobError
from emotion.formatting import percent
from emotion.model_store.store import Bundle
from emotion.results import serialization
from emotion.storage import read_json
from emotion.training import tables
from emotion.training.classifier.zoo import networks
from emotion.training.runs.folder import REPORT
from emotion.training.runs.predictions import STRESS
from emotion.ui import components, messages
from emotion.ui.training import run_table

_PARTS: Final = {"size": "Small faces", "blur": "Blurred faces"}


def report_of(bundle: Bundle) -> dict[str, Any]:
    """What its training wrote at the end; {} where that is missing or damaged, since the rest is worth seeing."""
    try:
        return read_json(bundle.folder / REPORT) or {}
    except JobError:
        return {}


def figures(bundle: Bundle, report: Mapping[str, Any]) -> None:
    """How often it is right, with what that means."""
    test, columns = report.get("private", {}), st.columns(3, gap="medium")
    shown = test.get("shown") or test.get("ferplus")
    if shown:
        _figure(
            columns[0], "Faces that people agree on", shown,
            f"{shown['n']:,} test faces to which most of ten people gave the same of eight expressions (FER+).",
        )  # fmt: skip
    if "accuracy" in test:
        source = _source(bundle.card.get("data", {}).get("source", "its data"))
        _figure(columns[1], "All test faces", test, f"{test['n']:,} test faces of {source}, with one label each.")
    ways = report.get("pipeline") or []
    if ways:
        _figure(
            columns[2], "From picture to label", ways[0], f"{ways[0]['n']:,} of these faces, small and large, also "
            f"turned ones, somewhere in a picture: found by {ways[0]['detector']}, cut out and read.", "accuracy_all",
        )  # fmt: skip


def _source(name: Any) -> str:
    """The data set of a card as people call it."""
    return "FER-2013" if Path(str(name)).stem == "fer2013" else messages.plain(str(name))


def _figure(column: Any, title: str, scores: Mapping[str, Any], text: str, name: str = "accuracy") -> None:
    low, high = (f"{100 * end:.1f}" for end in scores[f"{name}_interval"])
    with column:
        st.metric(title, f"{scores[name] * 100:.1f} % right", border=True, help=text)
        st.caption(f"{text} With other such faces most likely {low} to {high} %.")


def by_expression(report: Mapping[str, Any]) -> None:
    """Which expressions it knows well, and which it does not."""
    test = report.get("private", {})
    scores = (test.get("shown") or test.get("ferplus") or test).get("per_class")
    if not scores:
        return
    st.subheader("By expression", anchor=False)
    rows = [{"label": name, **one} for name, one in scores.items()]
    table = tables.classes_table(rows)
    said = ", ".join(f"{one['label']} recall {percent(one['recall'])}" for one in rows)
    components.chart(charts.class_dots(table), key="card_classes", alt_text=said)
    rare = [f"{one['label']} ({one['n']})" for one in rows if one["n"] < 100]
    words = "Recall: how many of these faces it finds. Precision: how often it is right when it says this."
    st.caption(f"{words} So few test faces that their figures are rough: {', '.join(rare)}." if rare else words)
    run_table.save_table(table, "by-expression", "card_classes_save")


def certainty(report: Mapping[str, Any], unsure: float) -> None:
    """What its percents are worth, and what the unsure threshold does."""
    test = report.get("private", {})
    shown = test.get("shown") or test.get("ferplus") or test
    if not shown.get("reliability"):
        return
    st.subheader("What its percents are worth", anchor=False)
    if shown.get("votes_reliability"):
        rows, off, right = shown["votes_reliability"], shown["votes_ece"], "people who say the same"
        words = "On the dashed line, of a face called happy at 80 % eight people in ten say that it looks happy."
    else:
        rows, off, right = shown["reliability"], shown["ece"], "how often it is right"
        words = "On the dashed line, a face called happy at 80 % is happy 8 times in 10."
    chart = charts.reliability_curve(pd.DataFrame(rows), right)
    components.chart(chart, key="card_reliability", alt_text=f"Certainty, and {right}")
    st.caption(f"{words} It is {off * 100:.1f} points off on average.")
    if shown.get("coverage"):
        st.subheader("When it says unsure", anchor=False)
        rows = pd.DataFrame(shown["coverage"])
        here = rows.iloc[(rows["threshold"] - unsure).abs().argmin()]
        components.chart(
            charts.coverage_curve(rows, unsure), key="card_coverage", alt_text="Labels and their rightness"
        )
        st.caption(
            f"At the threshold in the sidebar, {percent(unsure)}, it names {percent(here['answered'])} of these faces "
            f"and is right for {percent(here['accuracy'])} of them; the others are called unsure."
        )


def hard(bundle: Bundle) -> None:
    """How much is lost on small and on blurred faces."""
    try:
        stress = read_json(bundle.folder / STRESS)
    except JobError:
        return  # damaged, as good as not measured
    table = tables.stress_table({bundle.name: stress})
    for kind, title in _PARTS.items():
        some = pd.DataFrame(table[table["kind"] == kind])
        if len(some):
            st.subheader(title, anchor=False)
            unit = str(some["unit"].iloc[0])
            components.chart(
                charts.stress_curve(some, unit), key=f"card_{kind}", alt_text=f"{title}: right answers by {unit}"
            )


def knowledge(bundle: Bundle) -> None:
    """What it was taught, and what it cannot know."""
    data, facts = bundle.card.get("data", {}), []
    parameters = bundle.card.get("parameters")
    size = bundle.network.stat().st_size / 1e6
    if parameters:
        eight = ", in numbers of 8 bits" if bundle.card.get("bits") == 8 else ""
        facts.append(f"A network of {parameters / 1e6:.1f} million numbers{eight}, {size:.1f} MB{_start(bundle.card)}.")
    voted = "ferplus" in bundle.heads
    if isinstance(data.get("rows"), int):
        source = _source(data.get("source", ""))
        facts.append(f"Its data are {data['rows']:,} faces ({source}); the test faces among them taught nothing.")
    if voted:
        facts.append(
            "They are small, grey and from a search of the web (FER-2013); ten people each labelled them anew (FER+)."
        )
    taught = bundle.card.get("teachers") or []
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


def _start(card: Mapping[str, Any]) -> str:
    """What its training began with, as the end of a sentence; "" where that is not known."""
    weights = card.get("weights")
    if weights is None:  # a card of before; most networks can only begin at random
        at_random = any(one.name == card.get("network") and one.needs is None for one in networks())
        weights = "random" if at_random else ""
    if weights == "random":
        return ", trained from nothing"
    return ", trained on top of ImageNet weights" if weights else ""


def take_away(bundle: Bundle, report: Mapping[str, Any]) -> None:
    """The card and the report as files."""
    with st.container(horizontal=True):
        for key, label, facts in (("json", "Card (JSON)", bundle.card), ("report", "All scores (JSON)", report)):
            st.download_button(
                label, json.dumps(dict(facts), indent=1), f"{serialization.file_label(bundle.name)}-{key}.json",
                on_click="ignore", icon=":material/download:", key=f"card_save_{key}",
            )  # fmt: skip
        run = next((run for run in run_table.all_runs().values() if run.folder == bundle.folder), None)
        if run is not None:
            st.download_button(
                "Card (Markdown)", lambda: tables.card_text(bundle.name, run, None),
                f"{serialization.file_label(bundle.name)}.md", on_click="ignore", icon=":material/download:",
                key="card_save_md",
            )  # fmt: skip
