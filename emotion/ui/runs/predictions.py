"""The predictions of a run for its validation faces: confusion, per-class metrics, calibration, mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from emotion import charts
from emotion.expressions import symbol_and_name
from emotion.formatting import format_percent
from emotion.training import prediction_tables
from emotion.training.run_listing import RunSummary
from emotion.training.runs.predictions import PREDICTIONS_FILE, Predictions
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
                "After epoch",
                epochs,
                value=preds.best_epoch,
                key=f"runs_epoch_{run.folder.name}",
                help=f"The best one is {preds.best_epoch}.",
            )
        matrix = preds.confusion_matrix(epoch)
        st.caption(f"Epoch {epoch}: {format_percent(preds.accuracy(epoch))} of {len(preds.rows):,} faces correct.")
        table = prediction_tables.confusion_table(matrix, preds.class_names)
        chart = charts.plot_confusion_matrix(table, dark=st.context.theme.type == "dark")
        alt_text = f"Confusion matrix of epoch {epoch}, accuracy {format_percent(preds.accuracy(epoch))}"
        components.show_chart(chart, key=key, alt_text=alt_text, on_select=lambda: _on_cell_click(key))
        run_table.show_downloads(chart, table, f"confusion-{epoch}", "runs_confusion_save")
    with right:
        _show_cell(run, preds, epoch, key)


def _show_cell(run: RunSummary, preds: Predictions, epoch: int, key: str) -> None:
    """Show the faces of the selected cell of the confusion matrix."""
    cell = state.get(f"{key}_chosen")
    if cell is None or max(cell) >= len(preds.class_names):
        st.info("Click a cell to see its faces.", icon=":material/touch_app:")
        return
    true_label, predicted_label = (preds.class_names[i] for i in cell)
    indices = preds.confusion_cell(cell[0], cell[1], epoch)
    st.markdown(
        f"##### {messages.escape_markdown(symbol_and_name(true_label))}, predicted "
        f"{messages.escape_markdown(symbol_and_name(predicted_label))}: {len(indices)}",
        anchors=False,
    )
    if len(indices):
        show_faces(run, preds, indices.tolist(), f"{key}_face", preds.at_epoch(epoch))


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
    alt_text = ", ".join(f"{row['label']} recall {format_percent(row['recall'])}" for row in scores)
    components.show_chart(chart, key="runs_classes", alt_text=alt_text)
    st.caption(
        "Recall: share of these faces that are found. Precision: share of these predictions that are correct. "
        "F1: harmonic mean of both."
    )
    metric_names = {"recall": "recall", "precision": "precision", "f1": "F1"}
    rows = pd.DataFrame(
        [
            {"expression": symbol_and_name(row["label"])}
            | {name: format_percent(row[key]) for key, name in metric_names.items()}
            | {"faces": row["n"]}
            for row in scores
        ]
    )
    st.dataframe(rows, hide_index=True, key="runs_classes_table")
    run_table.show_downloads(chart, table, "by-expression", "runs_classes_save")


def show_calibration(preds: Predictions) -> None:
    """Compare the confidence of a run with its accuracy."""
    table = pd.DataFrame(preds.reliability_bins(), columns=["low", "high", "n", "confidence", "accuracy"])
    left, right = st.columns([3, 2], gap="large")
    with left:
        chart = charts.plot_reliability_diagram(table)
        components.show_chart(chart, key="runs_reliability", alt_text="Accuracy by confidence")
        run_table.show_downloads(chart, table, "calibration", "runs_reliability_save")
    with right:
        ece = preds.ece()
        st.metric(
            "Calibration error (ECE)",
            f"{ece * 100:.1f} points",
            border=True,
            help=("Mean gap between confidence and accuracy; 0 is perfect."),
        )
        counts = table["n"].to_numpy(dtype=float)
        mean_confidence = float((table["confidence"].to_numpy(dtype=float) * counts).sum() / max(1.0, counts.sum()))
        verdict = "overconfident" if mean_confidence > preds.accuracy() else "underconfident"
        st.write(
            f"Mean confidence {format_percent(mean_confidence)}, accuracy {format_percent(preds.accuracy())}: "
            f"{verdict}. "
            "Above the dashed line the model is underconfident, below it overconfident."
        )


def show_misclassifications(run: RunSummary, preds: Predictions) -> None:
    """Show the wrong predictions with the highest scores."""
    mistakes = preds.misclassifications(MAX_FACES)
    if not mistakes:
        st.write("No wrong prediction.")
        return
    st.write("The most confident wrong predictions.")
    predicted = preds.probabilities.argmax(1).astype(np.int8)
    show_faces(run, preds, [mistake.index for mistake in mistakes], f"runs_mistake_{run.folder.name}", predicted)
