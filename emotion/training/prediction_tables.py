"""Tables of what trained classifiers predict: confusion, scores by label, robustness, end-to-end rates, votes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from emotion.expressions import symbol_and_name


def confusion_table(matrix: NDArray, class_names: Sequence[str]) -> pd.DataFrame:
    """Columns `true`, `predicted` (words with symbols), `count`, `share` (of the faces that are `true`, 0 where there
    are none), `row`, `column`: every cell of a confusion matrix (k, k), rows what a face is."""
    totals = matrix.sum(axis=1)
    lines = [
        (
            symbol_and_name(true),
            symbol_and_name(predicted),
            int(matrix[i, j]),
            float(matrix[i, j] / max(1, totals[i])),
            i,
            j,
        )
        for i, true in enumerate(class_names)
        for j, predicted in enumerate(class_names)
    ]
    return pd.DataFrame(lines, columns=["true", "predicted", "count", "share", "row", "column"])


def class_metrics_table(per_class: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Columns `name` (word with sign), `metric`, `value` (0 to 1), `n` (faces): precision, recall and F1 by label, as
    `Predictions.per_class` gives them."""
    lines = [
        (symbol_and_name(scores["label"]), said, scores[key], int(scores["n"]))
        for scores in per_class
        for key, said in (("recall", "recall"), ("precision", "precision"), ("f1", "F1"))
    ]
    return pd.DataFrame(lines, columns=["name", "metric", "value", "n"])


def robustness_table(results: Mapping[str, Mapping[str, Any] | None]) -> pd.DataFrame:
    """Columns `run`, `corruption`, `severity`, `unit`, `accuracy`, `macro_recall` of what robustness.json holds; a
    damaged row, like a missing file, is left out."""
    columns = ["run", "corruption", "severity", "unit", "accuracy", "macro_recall"]
    lines = []
    for run, result in results.items():
        rows = (result or {}).get("rows")
        for row in rows if isinstance(rows, list) else ():
            try:
                numbers = float(row["severity"]), float(row["accuracy"]), float(row.get("macro_recall", "nan"))
                lines.append((run, str(row["corruption"]), numbers[0], str(row.get("unit", "")), *numbers[1:]))
            except (TypeError, KeyError, ValueError, AttributeError):
                continue
    return pd.DataFrame(lines, columns=columns)


def end_to_end_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """What became of test faces in scenes: `detector`, `faces`, and the shares `found`, `right of found`,
    `right of all`, `right on crops`."""
    names = {
        "detection_rate": "found",
        "accuracy_detected": "right of found",
        "accuracy_all": "right of all",
        "accuracy_crops": "right on crops",
    }
    shares = [
        {"detector": row["detector"], "faces": row["n"], **{word: row[name] for name, word in names.items()}}
        for row in rows
    ]
    return pd.DataFrame(shares, columns=["detector", "faces", *names.values()])


def end_to_end_intervals(rows: Sequence[Mapping[str, Any]], metric_names: Mapping[str, str]) -> pd.DataFrame:
    """Columns `metric`, `condition` (the detector), `mean`, `low`, `high` of rates that `evaluate_end_to_end` gives;
    `metric_names`: their titles by key, in the order to show."""
    lines = [
        (said, row["detector"], row[name], *row[f"{name}_interval"])
        for name, said in metric_names.items()
        for row in rows
        if row[name] is not None
    ]
    return pd.DataFrame(lines, columns=["metric", "condition", "mean", "low", "high"])


def end_to_end_by_size(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Columns `run` (the detector), `severity` (pixels) and `accuracy` (the detection rate), for a robustness curve."""
    lines = [(row["detector"], one["value"], one["detection_rate"]) for row in rows for one in row["by_face_size"]]
    return pd.DataFrame(lines, columns=["run", "severity", "accuracy"])


def epoch_probabilities_table(
    probabilities: NDArray, epochs: Sequence[int], class_names: Sequence[str]
) -> pd.DataFrame:
    """Columns `epoch`, `expression`, `name` (with sign), `probability` of one face, from probabilities (e, k)."""
    lines = [
        (int(epoch), name, symbol_and_name(name), float(p))
        for epoch, row in zip(epochs, probabilities, strict=True)
        for name, p in zip(class_names, row, strict=True)
    ]
    return pd.DataFrame(lines, columns=["epoch", "expression", "name", "probability"])


def format_votes(votes: NDArray | None, class_names: Sequence[str]) -> str:
    """The FER+ votes (10,) of a face in words, most first: "happy 7, neutral 2, unknown 1"; "" without votes."""
    if votes is None or not votes.any():
        return ""
    words = [*class_names, "unknown", "not a face"]
    order = sorted(range(len(words)), key=lambda i: -int(votes[i]))
    return ", ".join(f"{words[i]} {int(votes[i])}" for i in order if votes[i])
