"""The predictions of a run for its validation faces: confusion, per-class metrics, calibration, mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from emotion import charts
from emotion.expressions import symbol_and_name, translate_label
from emotion.formatting import format_list, format_percent
from emotion.training import prediction_tables
from emotion.training.run_listing import RunSummary
from emotion.training.runs.predictions import PREDICTIONS_FILE, Predictions
from emotion.translation.messages import gettext as _
from emotion.ui import components, messages
from emotion.ui.runs import run_table
from emotion.ui.runs.validation_faces import MAX_FACES, show_faces

state = st.session_state


def load_predictions(run: RunSummary) -> Predictions | None:
    """Load the predictions of a run from the cache or its file; None where it has none.

    Raises:
        DataError: If the file is damaged.
    """
    try:
        file_stat = (run.folder / PREDICTIONS_FILE).stat()
    except OSError:
        return None
    return _load_predictions(str(run.folder), file_stat.st_mtime_ns, file_stat.st_size)


@st.cache_resource(max_entries=12, show_spinner=False)
def _load_predictions(folder: str, mtime_ns: int, size: int) -> Predictions | None:
    return Predictions.load(Path(folder))


def show_confusion(run: RunSummary, preds: Predictions) -> None:
    """Show the confusion matrix of an epoch; a click in a cell shows its faces."""
    key = f"runs_cell_{run.folder.name}"
    epochs = preds.epochs.tolist()
    left, right = st.columns([3, 2], gap="large")
    with left:
        epoch = preds.best_epoch
        if len(epochs) > 1:
            epoch = st.select_slider(
                _("After epoch"),
                epochs,
                value=preds.best_epoch,
                key=f"runs_epoch_{run.folder.name}",
                help=_("The best one is {best_epoch}.").format(best_epoch=preds.best_epoch),
            )
        matrix = preds.confusion_matrix(epoch)
        st.caption(
            _("Epoch {epoch}: {percent} of {count:,} faces correct.").format(
                epoch=epoch, percent=format_percent(preds.accuracy(epoch)), count=len(preds.rows)
            )
        )
        table = prediction_tables.confusion_table(matrix, preds.class_names)
        chart = charts.plot_confusion_matrix(table, dark=st.context.theme.type == "dark")
        alt_text = _("Confusion matrix of epoch {epoch}, accuracy {percent}").format(
            epoch=epoch, percent=format_percent(preds.accuracy(epoch))
        )
        components.show_chart(chart, key=key, alt_text=alt_text, on_select=lambda: _on_cell_click(key))
        run_table.show_downloads(chart, table, file_stem=f"confusion-{epoch}", key="runs_confusion_save")
    with right:
        _show_cell(run, preds, epoch, key)


def _show_cell(run: RunSummary, preds: Predictions, epoch: int, key: str) -> None:
    """Show the faces of the selected cell of the confusion matrix."""
    cell = state.get(f"{key}_chosen")
    if cell is None or max(cell) >= len(preds.class_names):
        st.info(_("Click a cell to see its faces."), icon=":material/touch_app:")
        return
    true_label, predicted_label = (preds.class_names[i] for i in cell)
    indices = preds.confusion_cell(cell[0], cell[1], epoch)
    title = _("{label}, predicted {predicted}: {count}").format(
        label=symbol_and_name(true_label), predicted=symbol_and_name(predicted_label), count=len(indices)
    )
    st.markdown(f"### {messages.escape_markdown(title)}", anchors=False)
    if len(indices):
        show_faces(run, preds, indices.tolist(), key=f"{key}_face", predicted=preds.at_epoch(epoch))


def _on_cell_click(key: str) -> None:
    """Store the clicked cell; the browser may send any value."""
    try:
        point = state[key].selection[charts.CELL_SELECTION][0]
        cell = int(point["row"]), int(point["column"])
    except (AttributeError, KeyError, IndexError, TypeError, ValueError):
        return
    if min(cell) >= 0:
        state[f"{key}_chosen"] = cell


def show_per_class_metrics(preds: Predictions) -> None:
    """Show precision, recall and F1 of each label."""
    scores = preds.per_class()
    table = prediction_tables.class_metrics_table(scores)
    chart = charts.plot_class_metrics(table)
    alt_text = format_list(
        _("{label} recall {percent}").format(label=translate_label(row["label"]), percent=format_percent(row["recall"]))
        for row in scores
    )
    components.show_chart(chart, key="runs_classes", alt_text=alt_text)
    st.caption(
        _(
            "Recall: share of these faces that are found. Precision: share of these predictions that "
            "are correct. F1: harmonic mean of both."
        )
    )
    metric_names = {"recall": _("recall"), "precision": _("precision"), "f1": "F1"}
    rows = pd.DataFrame(
        [
            {"expression": symbol_and_name(row["label"])}
            | {key: format_percent(row[key]) for key in metric_names}
            | {"faces": row["n"]}
            for row in scores
        ]
    )
    column_names = {"expression": _("expression"), **metric_names, "faces": _("faces")}
    st.dataframe(rows, hide_index=True, key="runs_classes_table", column_config=column_names)
    run_table.show_downloads(chart, table, file_stem="by-expression", key="runs_classes_save")


def show_calibration(preds: Predictions) -> None:
    """Compare the confidence of a run with its accuracy."""
    table = pd.DataFrame(preds.reliability_bins(), columns=["low", "high", "n", "confidence", "accuracy"])
    left, right = st.columns([3, 2], gap="large")
    with left:
        chart = charts.plot_reliability_diagram(table)
        components.show_chart(chart, key="runs_reliability", alt_text=_("Accuracy by confidence"))
        run_table.show_downloads(chart, table, file_stem="calibration", key="runs_reliability_save")
    with right:
        ece = preds.ece()
        st.metric(
            _("Calibration error (ECE)"),
            _("{points:.1f} points").format(points=ece * 100),
            border=True,
            help=_("Mean gap between confidence and accuracy; 0 is perfect."),
        )
        counts = table["n"].to_numpy(dtype=float)
        mean_confidence = float((table["confidence"].to_numpy(dtype=float) * counts).sum() / max(1.0, counts.sum()))
        verdict = (
            _("Mean confidence {confidence}, accuracy {accuracy}: overconfident.")
            if mean_confidence > preds.accuracy()
            else _("Mean confidence {confidence}, accuracy {accuracy}: underconfident.")
        )
        explanation = _("Above the dashed line the model is underconfident, below it overconfident.")
        accuracy = format_percent(preds.accuracy())
        st.write(f"{verdict.format(confidence=format_percent(mean_confidence), accuracy=accuracy)} {explanation}")


def show_misclassifications(run: RunSummary, preds: Predictions) -> None:
    """Show the wrong predictions with the highest scores."""
    mistakes = preds.misclassifications(MAX_FACES)
    if not mistakes:
        st.write(_("No wrong prediction."))
        return
    st.write(_("The most confident wrong predictions."))
    predicted = preds.probabilities.argmax(1).astype(np.int8)
    show_faces(
        run, preds, [mistake.index for mistake in mistakes], key=f"runs_mistake_{run.folder.name}", predicted=predicted
    )
