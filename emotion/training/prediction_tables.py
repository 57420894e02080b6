"""Build tables of classifier predictions: confusion, metrics per class, robustness, end-to-end rates, votes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotion.expressions import symbol_and_name, translate_label
from emotion.formatting import format_list
from emotion.translation.messages import gettext as _


def confusion_table(matrix: NDArray, class_names: Sequence[str]) -> pd.DataFrame:
    """Build a table with one row for each cell of a confusion matrix.

    Args:
        matrix: Counts (k, k), rows by true and columns by predicted class.
        class_names: The names (k) of the classes.

    Returns:
        Columns `true` and `predicted` (labels), `count`, `share` (of the faces of the true class, 0 if there
        are none), `row` and `column`.
    """
    totals = matrix.sum(axis=1)
    table_rows = [
        (
            true,
            predicted,
            int(matrix[row, column]),
            float(matrix[row, column] / max(1, totals[row])),
            row,
            column,
        )
        for row, true in enumerate(class_names)
        for column, predicted in enumerate(class_names)
    ]
    return pd.DataFrame(table_rows, columns=["true", "predicted", "count", "share", "row", "column"])


class Confusion(NamedTuple):
    """A mistake: of `num_faces` faces with the label, `num_predicted` were predicted as another one."""

    label: str
    predicted: str
    num_predicted: int
    num_faces: int


def list_confusions(scores: Mapping[str, Any], num_confusions: int) -> list[Confusion]:
    """List the most frequent mistakes of a classifier.

    Args:
        scores: Scores of a head in a report, with `per_class` and `confusion`.
        num_confusions: How many are listed at most.

    Returns:
        The mistakes by falling count; none where the scores lack a valid confusion matrix.
    """
    names, matrix = list(scores.get("per_class") or ()), scores.get("confusion")
    try:
        counts = np.array(matrix, np.int64).reshape(len(names), len(names))
    except (TypeError, ValueError, OverflowError):
        return []
    confusions = [
        Confusion(label, predicted, int(counts[i, j]), int(counts[i].sum()))
        for i, label in enumerate(names)
        for j, predicted in enumerate(names)
        if i != j and counts[i, j] > 0
    ]
    return sorted(confusions, key=lambda confusion: -confusion.num_predicted)[:num_confusions]


def class_metrics_table(per_class: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Build a table of recall, precision and F1 per class.

    Args:
        per_class: The metrics of `Predictions.per_class`.

    Returns:
        Columns `label`, `metric`, `value` (0 to 1) and `n` (number of faces).
    """
    table_rows = [
        (scores["label"], title, scores[key], int(scores["n"]))
        for scores in per_class
        for key, title in (("recall", "recall"), ("precision", "precision"), ("f1", "F1"))
    ]
    return pd.DataFrame(table_rows, columns=["label", "metric", "value", "n"])


def robustness_table(results: Mapping[str, Mapping[str, Any] | None]) -> pd.DataFrame:
    """Build a table of robustness results; malformed rows and missing results are left out.

    Args:
        results: The contents of robustness.json by run, None where a run has no such file.

    Returns:
        Columns `run`, `corruption`, `severity`, `unit`, `accuracy` and `macro_recall`.
    """
    columns = ["run", "corruption", "severity", "unit", "accuracy", "macro_recall"]
    table_rows = []
    for run, result in results.items():
        rows = (result or {}).get("rows")
        for row in rows if isinstance(rows, list) else ():
            try:
                numbers = float(row["severity"]), float(row["accuracy"]), float(row.get("macro_recall", "nan"))
                table_rows.append((run, str(row["corruption"]), numbers[0], str(row.get("unit", "")), *numbers[1:]))
            except (TypeError, KeyError, ValueError, AttributeError):
                continue
    return pd.DataFrame(table_rows, columns=columns)


def end_to_end_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Build a table of end-to-end rates.

    Args:
        rows: Rows of `evaluate_end_to_end`.

    Returns:
        Columns `detector`, `faces` (their number) and the rates `found`, `right of found`, `right of all` and
        `right on crops`.
    """
    titles = {
        "detection_rate": "found",
        "accuracy_detected": "right of found",
        "accuracy_all": "right of all",
        "accuracy_crops": "right on crops",
    }
    table_rows = [
        {"detector": row["detector"], "faces": row["n"], **{title: row[name] for name, title in titles.items()}}
        for row in rows
    ]
    return pd.DataFrame(table_rows, columns=["detector", "faces", *titles.values()])


def end_to_end_intervals(rows: Sequence[Mapping[str, Any]], metric_names: Mapping[str, str]) -> pd.DataFrame:
    """Build a table of end-to-end rates with their confidence intervals.

    Args:
        rows: Rows of `evaluate_end_to_end`.
        metric_names: Titles of the rates by key, in display order.

    Returns:
        Columns `metric`, `condition` (the detector), `mean`, `low` and `high`.
    """
    table_rows = [
        (title, row["detector"], row[name], *row[f"{name}_interval"])
        for name, title in metric_names.items()
        for row in rows
        if row[name] is not None
    ]
    return pd.DataFrame(table_rows, columns=["metric", "condition", "mean", "low", "high"])


def end_to_end_by_size(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Build a table with columns `run` (detector), `severity` (face size in pixels) and `accuracy` (detection rate)."""
    table_rows = [
        (row["detector"], group["value"], group["detection_rate"]) for row in rows for group in row["by_face_size"]
    ]
    return pd.DataFrame(table_rows, columns=["run", "severity", "accuracy"])


def epoch_probabilities_table(
    probabilities: NDArray, epochs: Sequence[int], class_names: Sequence[str]
) -> pd.DataFrame:
    """Build a table of the class probabilities of one face by epoch.

    Args:
        probabilities: Probabilities (e, k) by epoch and class.
        epochs: The epochs (e) of the rows.
        class_names: The names (k) of the classes.

    Returns:
        Columns `epoch`, `expression`, `name` (symbol and name in the language of the page) and `probability`.
    """
    table_rows = [
        (int(epoch), name, symbol_and_name(name), float(probability))
        for epoch, row in zip(epochs, probabilities, strict=True)
        for name, probability in zip(class_names, row, strict=True)
    ]
    return pd.DataFrame(table_rows, columns=["epoch", "expression", "name", "probability"])


def format_votes(votes: NDArray | None, class_names: Sequence[str]) -> str:
    """Format the FER+ votes (10,) of a face in descending order, as "happy 7, neutral 2" in the language of the page.

    Without votes it is "".
    """
    if votes is None or not votes.any():
        return ""
    vote_names = [*map(translate_label, class_names), _("unknown"), _("not a face")]
    order = sorted(range(len(vote_names)), key=lambda index: -int(votes[index]))
    return format_list(f"{vote_names[index]} {int(votes[index])}" for index in order if votes[index])
