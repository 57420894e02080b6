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
from emotion.model_store.card import CARD_FILE, parse_card
from emotion.model_store.store import ModelBundle
from emotion.results import serialization
from emotion.results import tables as results_tables
from emotion.storage import read_json
from emotion.training import install, manager, tables
from emotion.training.classifier.config import TrainingPlan
from emotion.training.classifier.zoo import list_architectures
from emotion.training.detector import tables as detector_tables
from emotion.training.run_listing import RunSummary
from emotion.training.runs.folder import REPORT_FILE
from emotion.training.runs.predictions import EXAMPLES_FILE, ROBUSTNESS_FILE, Predictions
from emotion.training.tables import CurveMetric
from emotion.ui import components, messages, models
from emotion.ui.training import detectors as training_detectors
from emotion.ui.training import end_to_end, form, predictions, run_table

state = st.session_state


def show_run(name: str, run: RunSummary) -> None:
    """Everything about one run."""
    st.subheader(messages.escape_markdown(name), anchor=False)
    st.caption(messages.escape_markdown(_format_summary(run)))
    if run.is_active:
        st.info("It is at work: the Training page shows how it goes on.", icon=":material/school:")
    if run.error:
        st.warning(messages.escape_markdown(run.error), icon=":material/info:")
    answers: Predictions | None = None
    with messages.error_box("the answers of this run"):
        answers = predictions.load_predictions(run)
    _show_actions(name, run, answers)
    parts = _make_views(name, run, answers)
    part = st.segmented_control(
        "What to look at",
        list(parts),
        default=next(iter(parts)),
        required=True,
        key=f"runs_part_{'-'.join(parts)}",
        label_visibility="collapsed",
    )
    run_table.run_fragment(parts[part or next(iter(parts))])
    if answers is None and run.kind == "classifier":
        st.caption(
            "What it said of each face was not kept. `emotion classifier evaluate RUN --data DATA --save-predictions` "
            "makes up for it; then there are the confusion matrix, the mistakes and more."
        )


def _make_views(name: str, run: RunSummary, preds: Predictions | None) -> Mapping[str, Any]:
    """What there is to see of a run: words and what draws them."""
    detectors = (_read_json(run, REPORT_FILE)).get("detectors")
    parts: dict[str, Any] = {}
    if isinstance(detectors, list) and detectors:
        parts["Beside others"] = lambda: training_detectors.show_detector_comparison(detectors)
    parts["How it learned"] = lambda: _show_training(run)
    if preds is not None:
        parts |= {
            "Confusion": lambda: predictions.show_confusion(run, preds),
            "By expression": lambda: predictions.show_per_class_metrics(preds),
            "Certainty": lambda: predictions.show_calibration(preds),
            "Mistakes": lambda: predictions.show_misclassifications(run, preds),
        }
    ways = _read_json(run, REPORT_FILE).get("end_to_end")
    if isinstance(ways, list) and ways:
        parts["From picture to label"] = lambda: end_to_end.show_end_to_end(ways)
    if (run.folder / ROBUSTNESS_FILE).is_file():
        parts["Hard pictures"] = lambda: run_table.show_robustness({name: run})
    if (run.folder / EXAMPLES_FILE).is_file() and get_class_names(run, preds):
        parts["Examples"] = lambda: predictions.show_tracked_examples(
            run.folder, get_class_names(run, preds), "runs_examples"
        )
    return parts


def get_class_names(run: RunSummary, preds: Predictions | None) -> list[str]:
    """What the answers of a run are called, in their order; empty where it does not say."""
    names = run.config.get("label_names")
    return list(preds.class_names) if preds else [str(name) for name in names] if isinstance(names, list) else []


def _format_summary(run: RunSummary) -> str:
    made = datetime.fromtimestamp(run.created, UTC).date().isoformat() if run.created else ""
    card = _read_json(run, CARD_FILE)
    network = run.folder / "model.onnx"
    parts = [
        f"made {str(card.get('created') or made)[:10]}" if card.get("created") or made else "",
        run.state if run.state != "done" else "",
        f"{network.stat().st_size / 1e6:.1f} MB" if network.is_file() else "",
        f"{tables.format_epochs(run)} epochs" if run.epochs else "",
        f"learned for {run.train_minutes:.0f} minutes" if run.train_minutes >= 1 else "",
        f"right on {formatting.format_accuracy(run.best_accuracy)} of faces held out" if run.best_accuracy else "",
    ]
    return " · ".join(filter(None, parts))


def _read_json(run: RunSummary, file_name: str) -> dict[str, Any]:
    """What a file of a run holds; a damaged one counts as missing, since the run is to be seen all the same."""
    try:
        return read_json(run.folder / file_name) or {}
    except EmotionError:
        return {}


# ------------------------------------------------------------------ what can be done with it


def _show_actions(name: str, run: RunSummary, preds: Predictions | None) -> None:
    with st.container(horizontal=True):
        if run.has_model and run.kind == "classifier" and run.folder.parent not in store.get_model_folders():
            _show_install(run)
        for model in (run.folder,) if run.source_run else run.installed_models:
            _show_remove(model)
        with messages.error_box("these settings"):
            _show_repeat(run)
        with st.popover("Take away", icon=":material/download:"):
            _show_downloads(name, run, preds)
        if not run.is_builtin:
            _show_delete(run)
    message = state.pop("runs_message", None)
    if message:
        st.success(messages.escape_markdown(message), icon=":material/check:")
    error = state.pop("runs_error", None)
    if error:
        st.error(messages.escape_markdown(error), icon=":material/error:")


def _show_install(run: RunSummary) -> None:
    """Copy it to the models, where all pages find it."""
    with st.popover("Use this model", icon=":material/check_circle:"):
        st.text_input("Name", run.folder.name, max_chars=60, key=f"runs_name_{run.folder.name}")
        st.toggle(
            "Begin with it",
            key=f"runs_default_{run.folder.name}",
            help="The app begins with this classifier, for everybody. Otherwise it can be chosen in the sidebar.",
        )
        st.toggle(
            "Replace a model of this name",
            key=f"runs_replace_{run.folder.name}",
            help="If this name belongs to a model made from a run, this run takes its place. Built-in models stay.",
        )
        st.button("Use it in all pages", key=f"runs_use_{run.folder.name}", on_click=_on_install, args=(run,))


def _on_install(run: RunSummary) -> None:
    # What was typed just before the click is only here.
    name = state[f"runs_name_{run.folder.name}"].strip()
    default, replace = (state[f"runs_{word}_{run.folder.name}"] for word in ("default", "replace"))
    try:
        bundle = install.install_model(run.folder, store.get_user_models(), name, default=default, overwrite=replace)
    except EmotionError as error:
        state["runs_error"] = str(error)
        return
    state["side_classifier"] = bundle.name  # who uses it wants to see it
    state["runs_message"] = f"All pages use {bundle.name} now; the sidebar has the others."


def _show_remove(model_folder: Path) -> None:
    """Ask, then remove a model that was copied from a run."""
    with st.popover(
        f"Remove {messages.escape_markdown(model_folder.name)} from the models", icon=":material/remove_circle:"
    ):
        st.write(
            "All pages stop using this model, and the built-in default takes its place where it was chosen. "
            "Its run stays, if it still exists."
        )
        st.button(
            "Remove this model", key=f"runs_remove_{model_folder.name}", on_click=_on_remove, args=(model_folder,)
        )


def _on_remove(model_folder: Path) -> None:
    try:
        install.remove_model(model_folder, store.get_user_models())
    except EmotionError as error:
        state["runs_error"] = str(error)
        return
    if state.get("side_classifier") == model_folder.name:
        del state["side_classifier"]
    state["runs_message"] = f"{model_folder.name} was removed from the models."


def _show_repeat(run: RunSummary) -> None:
    """Fill the form of the Training page with its settings."""
    if run.network not in {card.name for card in list_architectures()}:
        return  # a detector, or a run of another program: there is no form for it
    plan, refused = None, ""
    try:
        plan = TrainingPlan.from_config(run.config)
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
        form.fill_form(plan)
        st.switch_page("pages/train.py")


def _show_downloads(name: str, run: RunSummary, preds: Predictions | None) -> None:
    stem = serialization.sanitize_filename(run.folder.name)

    def show_download(label: str, content: Any, file: str) -> None:
        st.download_button(
            label, content, f"{stem}{file}", on_click="ignore", icon=":material/download:", key=f"runs_take_{file}"
        )

    rows = run_table.load_history(run)
    history = pd.DataFrame([{name: float(cell or "nan") for name, cell in row.items()} for row in rows])
    show_download("Card (Markdown)", lambda: tables.format_run_card(name, run, preds), "-card.md")
    show_download("Settings (JSON)", json.dumps(dict(run.config), indent=2), "-settings.json")
    if len(history):
        show_download("History (CSV)", results_tables.to_csv(history), "-history.csv")


def _show_delete(run: RunSummary) -> None:
    """Ask, then remove it."""
    with st.popover("Delete", icon=":material/delete:"):
        st.write("Deletes this run with all that it learned. A copy among the models stays. This cannot be undone.")
        st.button("Delete for good", key=f"runs_delete_{run.folder.name}", on_click=_on_delete, args=(run,))


def _on_delete(run: RunSummary) -> None:
    try:
        manager.delete_run(run.folder, manager.RUNS_FOLDER)
    except EmotionError as error:
        state["runs_error"] = str(error)
        return
    run_table.select_runs()


# ------------------------------------------------------------------ how it learned


def _show_training(run: RunSummary) -> None:
    rows = run_table.load_history(run)
    left, right = st.columns([3, 2], gap="large")
    with left:
        _show_curves(rows)
    with right:
        _show_test_scores(run)


def _show_curves(rows: tables.Rows) -> None:
    several = detector_tables.history_table(rows)  # of a network with several answers, each measured for itself
    if not several.empty:
        components.show_chart(
            charts.plot_accuracy_history(several), key="runs_learning", alt_text="Share of right answers by epoch"
        )
        return
    drawn = False
    measures: tuple[tuple[str, CurveMetric], ...] = (("Right answers", "accuracy"), ("Loss", "loss"))
    for title, measure in measures:
        table = tables.step_curves_table(rows, (), measure)
        if len(table):
            drawn = True
            st.markdown(f"##### {title}", anchors=False)
            chart = charts.plot_training_curve(table, as_percent=measure == "accuracy")
            components.show_chart(chart, key=f"runs_learning_{measure}", alt_text=f"{title} by epoch")
    if not drawn:
        st.write("There is no history of its epochs, or none yet.")


def _show_test_scores(run: RunSummary) -> None:
    """What a classifier scored on the test faces, as its card says."""
    card = _read_json(run, CARD_FILE)
    if run.kind != "classifier" or not card:
        return
    with messages.error_box("the scores of this run"):
        bundle = ModelBundle(
            run.folder, parse_card(run.folder / CARD_FILE, card)
        )  # not verified: its weights may not be here, its scores are
        test = bundle.card.metrics.get("test", {})
        for head, scores in [(head, test[head]) for head in bundle.heads if head in test]:
            low, high = (f"{100 * end:.1f}" for end in scores["accuracy_interval"])
            st.metric(
                models.describe_head(bundle, head),
                f"{scores['accuracy'] * 100:.1f} %",
                border=True,
                help="Share of the test faces that it named right. These faces were looked at once, at the end.",
            )
            st.caption(f"With another {scores['n']:,} such faces it would be between {low} and {high} %, most likely.")
