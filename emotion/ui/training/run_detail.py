"""One run on the Runs page: what it is, what can be done with it, how it learned, how well it does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from emotion import charts, formatting
from emotion.errors import EmotionError
from emotion.model_store import store
from emotion.model_store.card import CARD
from emotion.model_store.store import Bundle
from emotion.results import serialization
from emotion.results import tables as results_tables
from emotion.storage import read_json
from emotion.training import install, manager, tables
from emotion.training.classifier.config import LessonPlan
from emotion.training.classifier.zoo import networks
from emotion.training.detector import tables as detector_tables
from emotion.training.manager import RunView
from emotion.training.runs.folder import REPORT
from emotion.training.runs.predictions import EXAMPLES, STRESS, Answers
from emotion.training.tables import Measure
from emotion.ui import components, messages, models
from emotion.ui.training import detectors as training_detectors
from emotion.ui.training import end_to_end, form, predictions, run_table

state = st.session_state


def show(name: str, run: RunView) -> None:
    """Everything about one run."""
    st.subheader(messages.plain(name), anchor=False)
    st.caption(messages.plain(_facts(run)))
    if run.active:
        st.info("It is at work: the Training page shows how it goes on.", icon=":material/school:")
    if run.error:
        st.warning(messages.plain(run.error), icon=":material/info:")
    answers: Answers | None = None
    with messages.error_box("the answers of this run"):
        answers = predictions.answers_of(run)
    _actions(name, run, answers)
    parts = _parts(name, run, answers)
    part = st.segmented_control(
        "What to look at", list(parts), default=next(iter(parts)), required=True, key=f"runs_part_{'-'.join(parts)}",
        label_visibility="collapsed",
    )  # fmt: skip
    run_table.apart(parts[part or next(iter(parts))])
    if answers is None and run.kind == "recogniser":
        st.caption(
            "What it said of each face was not kept. `python -m emotion evaluate RUN --data DATA --answers` makes up "
            "for it; then there are the confusion matrix, the mistakes and more."
        )


def _parts(name: str, run: RunView, answers: Answers | None) -> Mapping[str, Any]:
    """What there is to see of a run: words and what draws them."""
    detectors = (_object(run, REPORT)).get("detectors")
    parts: dict[str, Any] = {}
    if isinstance(detectors, list) and detectors:
        parts["Beside others"] = lambda: training_detectors.beside_others(detectors)
    parts["How it learned"] = lambda: _learning(run)
    if answers is not None:
        parts |= {
            "Confusion": lambda: predictions.confusion(run, answers),
            "By expression": lambda: predictions.by_expression(answers),
            "Certainty": lambda: predictions.certainty(answers),
            "Mistakes": lambda: predictions.mistakes(run, answers),
        }
    ways = _object(run, REPORT).get("pipeline")
    if isinstance(ways, list) and ways:
        parts["From picture to label"] = lambda: end_to_end.whole_way(ways)
    if (run.folder / STRESS).is_file():
        parts["Hard pictures"] = lambda: run_table.stress({name: run})
    if (run.folder / EXAMPLES).is_file() and label_names(run, answers):
        parts["Examples"] = lambda: predictions.examples(run.folder, label_names(run, answers), "runs_examples")
    return parts


def label_names(run: RunView, answers: Answers | None) -> list[str]:
    """What the answers of a run are called, in their order; empty where it does not say."""
    names = run.config.get("label_names")
    return list(answers.names) if answers else [str(name) for name in names] if isinstance(names, list) else []


def _facts(run: RunView) -> str:
    made = datetime.fromtimestamp(run.created, UTC).date().isoformat() if run.created else ""
    card = _object(run, CARD)
    network = run.folder / "model.onnx"
    parts = [
        f"made {str(card.get('created') or made)[:10]}" if card.get("created") or made else "",
        run.state if run.state != "done" else "",
        f"{network.stat().st_size / 1e6:.1f} MB" if network.is_file() else "",
        f"{tables.epochs_sentence(run)} epochs" if run.epochs else "",
        f"learned for {run.minutes:.0f} minutes" if run.minutes >= 1 else "",
        f"right on {formatting.right_sentence(run.best_accuracy)} of faces held out" if run.best_accuracy else "",
    ]
    return " · ".join(filter(None, parts))


def _object(run: RunView, file: str) -> dict[str, Any]:
    """What a file of a run holds; a damaged one counts as missing, since the run is to be seen all the same."""
    try:
        return read_json(run.folder / file) or {}
    except EmotionError:
        return {}


# ------------------------------------------------------------------ what can be done with it


def _actions(name: str, run: RunView, answers: Answers | None) -> None:
    with st.container(horizontal=True):
        if run.finished and run.kind == "recogniser" and run.folder.parent != store.SHIPPED:
            _use(run)
        for model in (run.folder,) if run.used_from else run.models:
            _remove(model)
        with messages.error_box("these settings"):
            _repeat(run)
        with st.popover("Take away", icon=":material/download:"):
            _take_away(name, run, answers)
        if not run.shipped:
            _delete(run)
    said = state.pop("runs_said", None)
    if said:
        st.success(messages.plain(said), icon=":material/check:")
    refused = state.pop("runs_refused", None)
    if refused:
        st.error(messages.plain(refused), icon=":material/error:")


def _use(run: RunView) -> None:
    """Copy it to the models, where all pages find it."""
    with st.popover("Use this model", icon=":material/check_circle:"):
        st.text_input("Name", run.folder.name, max_chars=60, key=f"runs_name_{run.folder.name}")
        st.toggle(
            "Begin with it", key=f"runs_default_{run.folder.name}",
            help="The app begins with this recogniser, for everybody. Otherwise it can be chosen in the sidebar.",
        )  # fmt: skip
        st.toggle(
            "Replace a model of this name",
            key=f"runs_replace_{run.folder.name}",
            help="If this name belongs to a model made from a run, this run takes its place. Built-in models stay.",
        )
        st.button("Use it in all pages", key=f"runs_use_{run.folder.name}", on_click=_used, args=(run,))


def _used(run: RunView) -> None:
    # What was typed just before the click is only here.
    name = state[f"runs_name_{run.folder.name}"].strip()
    default, replace = (state[f"runs_{word}_{run.folder.name}"] for word in ("default", "replace"))
    try:
        bundle = install.use(run.folder, store.SHIPPED, name, default=default, overwrite=replace)
    except EmotionError as error:
        state["runs_refused"] = str(error)
        return
    state["side_recogniser"] = bundle.name  # who uses it wants to see it
    state["runs_said"] = f"All pages use {bundle.name} now; the sidebar has the others."


def _remove(model: Path) -> None:
    """Ask, then remove a model that was copied from a run."""
    with st.popover(f"Remove {messages.plain(model.name)} from the models", icon=":material/remove_circle:"):
        st.write(
            "All pages stop using this model, and the built-in default takes its place where it was chosen. "
            "Its run stays, if it still exists."
        )
        st.button("Remove this model", key=f"runs_remove_{model.name}", on_click=_removed, args=(model,))


def _removed(model: Path) -> None:
    try:
        install.remove_model(model, store.SHIPPED)
    except EmotionError as error:
        state["runs_refused"] = str(error)
        return
    if state.get("side_recogniser") == model.name:
        del state["side_recogniser"]
    state["runs_said"] = f"{model.name} was removed from the models."


def _repeat(run: RunView) -> None:
    """Fill the form of the Training page with its settings."""
    if run.network not in {card.name for card in networks()}:
        return  # a detector, or a run of another program: there is no form for it
    plan, refused = None, ""
    try:
        plan = LessonPlan.of(run.config)
    except EmotionError as error:
        refused = str(error)
    clicked = st.button(
        "Repeat this one",
        icon=":material/replay:",
        key=f"runs_repeat_{run.folder.name}",
        disabled=plan is None,
        help=refused or None,
    )
    if clicked and plan is not None:
        form.fill(plan)
        st.switch_page("pages/train.py")


def _take_away(name: str, run: RunView, answers: Answers | None) -> None:
    stem = serialization.file_label(run.folder.name)

    def save(label: str, content: Any, file: str) -> None:
        st.download_button(
            label, content, f"{stem}{file}", on_click="ignore", icon=":material/download:", key=f"runs_take_{file}"
        )

    rows = run_table.history_of(run)
    history = pd.DataFrame([{name: float(cell or "nan") for name, cell in row.items()} for row in rows])
    save("Card (Markdown)", lambda: tables.card_text(name, run, answers), "-card.md")
    save("Settings (JSON)", json.dumps(dict(run.config), indent=2), "-settings.json")
    if len(history):
        save("History (CSV)", results_tables.to_csv(history), "-history.csv")


def _delete(run: RunView) -> None:
    """Ask, then remove it."""
    with st.popover("Delete", icon=":material/delete:"):
        st.write("Deletes this run with all that it learned. A copy among the models stays. This cannot be undone.")
        st.button("Delete for good", key=f"runs_delete_{run.folder.name}", on_click=_deleted, args=(run,))


def _deleted(run: RunView) -> None:
    try:
        manager.delete_run(run.folder, manager.RUNS)
    except EmotionError as error:
        state["runs_refused"] = str(error)
        return
    run_table.show()


# ------------------------------------------------------------------ how it learned


def _learning(run: RunView) -> None:
    rows = run_table.history_of(run)
    left, right = st.columns([3, 2], gap="large")
    with left:
        _curves(rows)
    with right:
        _scores(run)


def _curves(rows: tables.Rows) -> None:
    several = detector_tables.history_table(rows)  # of a network with several answers, each measured for itself
    if not several.empty:
        components.chart(
            charts.learning_curves(several), key="runs_learning", alt_text="Share of right answers by epoch"
        )
        return
    drawn = False
    measures: tuple[tuple[str, Measure], ...] = (("Right answers", "right"), ("Loss", "loss"))
    for title, measure in measures:
        table = tables.lesson_table(rows, (), measure)
        if len(table):
            drawn = True
            st.markdown(f"##### {title}", anchors=False)
            chart = charts.lesson_curve(table, shares=measure == "right")
            components.chart(chart, key=f"runs_learning_{measure}", alt_text=f"{title} by epoch")
    if not drawn:
        st.write("There is no history of its epochs, or none yet.")


def _scores(run: RunView) -> None:
    """What a recogniser scored on the test faces, as its card says."""
    card = _object(run, CARD)
    if run.kind != "recogniser" or not card:
        return
    with messages.error_box("the scores of this run"):
        bundle = Bundle(run.folder, card)  # not verified: its weights may not be here, its scores are
        private = card.get("metrics", {}).get("private", {})
        for head, scores in [(head, private[head]) for head in bundle.heads if head in private]:
            low, high = (f"{100 * end:.1f}" for end in scores["accuracy_interval"])
            st.metric(
                models.answer_name(bundle, head), f"{scores['accuracy'] * 100:.1f} %", border=True,
                help="Share of the test faces that it named right. These faces were looked at once, at the end.",
            )  # fmt: skip
            st.caption(f"With another {scores['n']:,} such faces it would be between {low} and {high} %, most likely.")
