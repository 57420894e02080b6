"""One run on the Runs page: its summary, its actions, its training curves and its scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from emotion import charts, formatting
from emotion.model_store.card import CARD_FILE, parse_card
from emotion.model_store.store import ModelBundle
from emotion.storage import read_json_or_empty
from emotion.training import tables
from emotion.training.detector import tables as detector_tables
from emotion.training.run_listing import RunSummary
from emotion.training.runs.folder import REPORT_FILE
from emotion.training.runs.predictions import ROBUSTNESS_FILE, Predictions
from emotion.training.runs.tracked_examples import EXAMPLES_FILE
from emotion.training.tables import CurveMetric
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop, ngettext, translate_text
from emotion.ui import components, messages, models
from emotion.ui.runs import annotations, curves, end_to_end, evaluation, predictions, run_actions, run_table
from emotion.ui.runs import detectors as training_detectors
from emotion.ui.runs.run_actions import FillForm
from emotion.ui.runs.run_table import CURVE_TITLES
from emotion.ui.runs.tracked_examples import show_tracked_examples

state = st.session_state


def show_run(name: str, run: RunSummary, fill_form: FillForm) -> None:
    """Show one run; `fill_form` repeats it."""
    st.header(messages.escape_markdown(name), anchor=False)
    st.caption(messages.escape_markdown(_format_summary(run)))
    annotations.show_annotations(run)
    if run.is_active:
        st.info(_("It is running: the Training page shows its progress."), icon=":material/school:")
    if run.error:
        st.warning(messages.escape_markdown(translate_text(run.error)), icon=":material/info:")
    if run.is_damaged:
        run_actions.show_actions(name, run, None, fill_form)
        return
    preds: Predictions | None = None
    with messages.error_box(_("the predictions of this run")):
        preds = predictions.load_predictions(run)
    run_actions.show_actions(name, run, preds, fill_form)
    views = _make_views(name, run, preds)
    view = st.segmented_control(
        _("View"),
        list(views),
        default=next(iter(views)),
        required=True,
        format_func=_,
        key=f"runs_part_{'-'.join(views)}",
        label_visibility="collapsed",
    )
    run_table.run_fragment(views[view or next(iter(views))])
    if run.kind == "classifier" and (preds is None or not (run.folder / ROBUSTNESS_FILE).is_file()):
        evaluation.show_evaluation(run)


def _make_views(name: str, run: RunSummary, preds: Predictions | None) -> Mapping[str, Callable[[], object]]:
    """Map the English title of each view that the files of a run allow to the function that draws it."""
    report = read_json_or_empty(run.folder / REPORT_FILE)
    detectors = report.get("detectors")
    views: dict[str, Callable[[], object]] = {}
    if isinstance(detectors, list) and detectors:
        views[gettext_noop("Comparison")] = lambda: training_detectors.show_detector_comparison(detectors)
    views[gettext_noop("Training history")] = lambda: _show_training(run)
    if preds is not None:
        views |= {
            gettext_noop("Confusion"): lambda: predictions.show_confusion(run, preds),
            gettext_noop("By expression"): lambda: predictions.show_per_class_metrics(preds),
            gettext_noop("Calibration"): lambda: predictions.show_calibration(preds),
            gettext_noop("Mistakes"): lambda: predictions.show_misclassifications(run, preds),
        }
    results = report.get("end_to_end")
    if isinstance(results, list) and results:
        views[gettext_noop("End-to-end accuracy")] = lambda: end_to_end.show_end_to_end(results)
    if (run.folder / ROBUSTNESS_FILE).is_file():
        views[gettext_noop("Robustness")] = lambda: curves.show_robustness({name: run})
    class_names = _get_class_names(run, preds)
    if (run.folder / EXAMPLES_FILE).is_file() and class_names:
        views[gettext_noop("Examples")] = lambda: show_tracked_examples(run.folder, class_names, key="runs_examples")
    return views


def _get_class_names(run: RunSummary, preds: Predictions | None) -> list[str]:
    """Return the labels of a run in the order of its scores; empty where they are not known."""
    names = run.config.get("label_names")
    return list(preds.class_names) if preds else [str(name) for name in names] if isinstance(names, list) else []


def _format_summary(run: RunSummary) -> str:
    created = datetime.fromtimestamp(run.created, UTC).date().isoformat() if run.created else ""
    created = str(read_json_or_empty(run.folder / CARD_FILE).get("created") or created)[:10]
    onnx_path = run.folder / "model.onnx"
    minutes, accuracy = round(run.train_minutes), formatting.format_accuracy(run.best_accuracy)
    trained = ngettext("trained for {count} minute", "trained for {count} minutes", minutes)
    parts = [
        _("created {date}").format(date=created) if created else "",
        tables.describe_state(run.state) if run.state != "done" else "",
        f"{onnx_path.stat().st_size / 1e6:.1f} MB" if onnx_path.is_file() else "",
        _("{epochs} epochs").format(epochs=tables.format_epochs(run)) if run.epochs else "",
        trained.format(count=minutes) if minutes else "",
        _("validation accuracy {accuracy}").format(accuracy=accuracy) if run.best_accuracy else "",
    ]
    return " · ".join(filter(None, parts))


def _show_training(run: RunSummary) -> None:
    rows = run_table.load_history(run)
    left, right = st.columns([3, 2], gap="large")
    with left:
        _show_curves(rows)
    with right:
        _show_test_scores(run)


def _show_curves(rows: tables.Rows) -> None:
    per_head = detector_tables.history_table(rows)  # empty for a network with a single head
    if not per_head.empty:
        components.show_chart(
            charts.plot_accuracy_history(per_head), key="runs_learning", alt_text=_("Accuracy of each head by epoch")
        )
        return
    curves: dict[CurveMetric, pd.DataFrame] = {
        metric: tables.step_curves_table(rows, (), metric) for metric in CURVE_TITLES
    }
    for metric, table in curves.items():
        if len(table):
            title = _(CURVE_TITLES[metric])
            st.markdown(f"### {title}", anchors=False)
            chart = charts.plot_training_curve(table, as_percent=metric == "accuracy")
            components.show_chart(
                chart, key=f"runs_learning_{metric}", alt_text=_("{metric} by epoch").format(metric=title)
            )
    if not any(map(len, curves.values())):
        st.write(_("There is no history of its epochs, or none yet."))


def _show_test_scores(run: RunSummary) -> None:
    """Show the test accuracy of a classifier from its card."""
    card = read_json_or_empty(run.folder / CARD_FILE)
    if run.kind != "classifier" or not card or not run.has_model:  # a card without a network is not valid
        return
    with messages.error_box(_("the scores of this run")):
        bundle = ModelBundle(
            run.folder, parse_card(run.folder / CARD_FILE, card)
        )  # not verified: the weights may be missing, the scores are not
        test = bundle.card.metrics.get("test", {})
        for head, scores in [(head, test[head]) for head in bundle.heads if head in test]:
            low, high = (f"{100 * end:.1f}" for end in scores["accuracy_interval"])
            st.metric(
                models.describe_head(bundle, head),
                f"{scores['accuracy'] * 100:.1f}%",
                border=True,
                help=_("Share of correct predictions. The test faces were used once, after training."),
            )
            st.caption(_("95% CI: {low} to {high}%, {count:,} faces.").format(low=low, high=high, count=scores["n"]))
