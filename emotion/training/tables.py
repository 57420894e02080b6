"""Runs -> tidy tables and sentences: what trainings wrote while they went on, and what their answers tell."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

import pandas as pd
from numpy.typing import NDArray

from emotion.datasets.label_sets import LABEL_SETS
from emotion.expressions import named
from emotion.formatting import percent
from emotion.training.manager import RunView
from emotion.training.runs.folder import best_row
from emotion.training.runs.predictions import Answers

Rows = Sequence[Mapping[str, str]]
Measure = Literal["right", "loss", "rate"]

LEARNS: Final = "faces it learns"
HELD_OUT: Final = "faces held out"
WITHIN: Final = "within the epoch"
_GAP: Final = 0.10  # between training and validation: less than that is what every network has
_TIRED: Final = 3  # epochs without a better one before it is worth a word
# Where the columns of a history stand that compare with each other; the first pair that is there counts.
_COLUMNS: Final[dict[Measure, tuple[tuple[str, str], ...]]] = {
    "right": (
        ("accuracy", "val_accuracy"),
        ("fer2013_accuracy", "val_fer2013_accuracy"),
        ("accuracy", "val_fer2013_accuracy"),  # with one answer alone Keras does not name it
        ("", "val_ap"),
    ),
    "loss": (("loss", "val_loss"), ("loss", "val_fer2013_loss")),
    "rate": (("learning_rate", ""),),
}
# They follow from others.
_NO_SETTINGS: Final = {"duplicates", "split", "label_names", "source", "rows", "version", "created"}


# ------------------------------------------------------------------ all runs


def runs_table(runs: Mapping[str, RunView], in_use: str = "") -> pd.DataFrame:
    """A row a run, in the order given: `in use` (a star), `run`, `right` (0 to 1, of the best epoch on the faces held
    out, NaN unknown; third, since a narrow screen shows only the first), `network`, `labels`, `best epoch`,
    `epochs`, `state`, `minutes`, `made` (a date)."""
    lines = [
        (
            "★" if name == in_use else "", name, math.nan if run.best_accuracy is None else run.best_accuracy,
            run.network or run.kind or "unknown", labels_of(run.config), run.best_epoch, epochs_sentence(run),
            run.state, round(run.minutes), datetime.fromtimestamp(run.created, UTC).date() if run.created else None,
        )
        for name, run in runs.items()
    ]  # fmt: skip
    columns = ["in use", "run", "right", "network", "labels", "best epoch", "epochs", "state", "minutes", "made"]
    return pd.DataFrame(lines, columns=columns).astype({"best epoch": "Int64"})


def epochs_sentence(run: RunView) -> str:
    """ "12 of 40", or "40" where it learned all of them."""
    return str(run.epoch) if run.epoch >= run.epochs else f"{run.epoch} of {run.epochs}"


def labels_of(config: Mapping[str, Any]) -> str:
    """The labels of a run in a few words; "" where it does not say."""
    chosen = config.get("labels")
    if chosen == "own":
        names = config.get("label_names")
        return f"{len(names)} of its data" if isinstance(names, list) else "of its data"
    if chosen in (None, "fer2013") and config.get("votes") is True:  # the project's own network gives both answers
        return "7, 8 (FER+)"
    title = LABEL_SETS[chosen].title if isinstance(chosen, str) and chosen in LABEL_SETS else ""
    return title.replace(" expressions", "")


def card_text(name: str, run: RunView, answers: Answers | None) -> str:
    """What a run is and how well it does, as Markdown to keep."""
    lines = [f"# {name}", "", f"- Network: {run.network or 'unknown'}", f"- State: {run.state}"]
    lines += [f"- Epochs: {epochs_sentence(run)}", f"- Minutes: {run.minutes:.0f}"]
    if run.best_accuracy is not None:
        right = f"{run.best_accuracy * 100:.1f} % (epoch {run.best_epoch}, which was chosen on them)"
        lines.append(f"- Right on faces held out: {right}")
    lines += ["", "## Settings", "", *(f"- {key}: {value}" for key, value in settings_of(run.config).items())]
    if answers is not None:
        lines += ["", f"## Answers on the split {answers.split}, {len(answers.rows):,} faces, epoch {answers.best}", ""]
        lines += [f"Calibration error (ECE): {answers.ece():.3f}", ""]
        lines += ["| label | precision | recall | F1 | faces |", "|---|---|---|---|---|"]
        for one in answers.per_class():
            shares = (percent(one[key]) for key in ("precision", "recall", "f1"))
            lines.append(f"| {' | '.join([one['label'], *shares, str(one['n'])])} |")
    lines += ["", "An expression is what a face shows; it is not what a person feels.", ""]
    return "\n".join(lines)


# ------------------------------------------------------------------ curves


def columns_of(rows: Rows, measure: Measure) -> tuple[str, str]:
    """The names of the training and of the validation column of a history; "" where it has none."""
    there = set[str]().union(*rows) if rows else set[str]()
    whole = [pair for pair in _COLUMNS[measure] if {*pair} - {""} <= there]
    if whole:
        return whole[0]
    for learns, held_out in _COLUMNS[measure]:
        if held_out in there or (not held_out and learns in there):
            return learns if learns in there else "", held_out
    return "", ""


def series(rows: Rows, column: str) -> list[tuple[int, float]]:
    """(epoch, value) of a column, without what is missing or no number any more."""
    found = []
    for row in rows:
        epoch, value = _number(row.get("epoch")), _number(row.get(column))
        if column and epoch is not None and value is not None:
            found.append((int(epoch), value))
    return found


def _number(cell: str | None) -> float | None:
    try:
        value = float(cell or "nan")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def smoothed(values: Sequence[float], weight: float) -> list[float]:
    """Exponential means that begin at the first value, not at 0; weight 0 (none) to below 1."""
    out, total, norm = [], 0.0, 0.0
    for value in values:
        total, norm = weight * total + (1 - weight) * value, weight * norm + 1 - weight
        out.append(total / norm)
    return out


def best_epoch(rows: Rows) -> int | None:
    """The epoch that is kept, see `runs.best_row`; None where none was measured."""
    best = best_row(rows)
    return int(float(best["epoch"])) if best else None


def curves_table(histories: Mapping[str, Rows], measure: Measure, smoothing: float = 0.0) -> pd.DataFrame:
    """Columns `run`, `part`, `epoch`, `value` (smoothed), `raw`, `best` (the epoch to keep), for every run."""
    lines = []
    for run, rows in histories.items():
        best = best_epoch(rows)
        for part, column in zip((LEARNS, HELD_OUT), columns_of(rows, measure), strict=True):
            found = series(rows, column)
            values = smoothed([value for _, value in found], smoothing)
            lines += [
                (run, part, epoch, value, raw, epoch == best and part == HELD_OUT)
                for (epoch, raw), value in zip(found, values, strict=True)
            ]
    return pd.DataFrame(lines, columns=["run", "part", "epoch", "value", "raw", "best"]).astype({"best": bool})


def lesson_table(history: Rows, steps: Rows, measure: Measure) -> pd.DataFrame:
    """Columns `part`, `at` (epochs; 1.5 is half through the second), `value`, `best`: a training by step and epoch."""
    learns, held_out = columns_of(history, measure)
    best = best_epoch(history)
    lines = [(LEARNS, float(epoch), value, False) for epoch, value in series(history, learns)]
    lines += [(HELD_OUT, float(epoch), value, epoch == best) for epoch, value in series(history, held_out)]
    column = {"right": "accuracy", "loss": "loss", "rate": "learning_rate"}[measure]
    for row in steps:
        epoch, step, total = (_number(row.get(name)) for name in ("epoch", "step", "steps"))
        value = _number(row.get(column))
        if None not in (epoch, step, value) and total:
            lines.append((WITHIN, epoch - 1 + min(1.0, step / total), value, False))  # type: ignore[operator]
    return pd.DataFrame(lines, columns=["part", "at", "value", "best"]).astype({"best": bool})


def advice(history: Rows, epochs: int) -> str | None:
    """A word when a training learns its faces by heart: "Best epoch 14 of 23, gap 31 points: stop?"; else None."""
    learns, held_out = (dict(series(history, column)) for column in columns_of(history, "right"))
    both = sorted(learns.keys() & held_out.keys())
    best = best_epoch(history)
    if not both or best is None or both[-1] >= epochs:
        return None
    last, gap = both[-1], learns[both[-1]] - held_out[both[-1]]
    if last - best < _TIRED or gap < _GAP:
        return None
    return f"Best epoch {best} of {last}, gap {gap * 100:.0f} points: stop?"


# ------------------------------------------------------------------ settings


def settings_of(config: Mapping[str, Any]) -> dict[str, str]:
    """The settings of a training in words: nested ones with the name of what they belong to."""
    found: dict[str, str] = {}
    for name, value in config.items():
        words = name.replace("_", " ")
        if name in _NO_SETTINGS:
            continue
        if isinstance(value, Mapping):
            found |= {f"{words}: {inner}": said for inner, said in settings_of(value).items()}
        else:
            found[words] = _said(value)
    return found


def _said(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value)


def differences(configs: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Columns `setting` and one for each run: only the settings that are not the same in all; "" where one has none."""
    said = {run: settings_of(config) for run, config in configs.items()}
    names = list(dict.fromkeys(name for settings in said.values() for name in settings))
    differ = [name for name in names if len({settings.get(name, "") for settings in said.values()}) > 1]
    lines = [[name, *(settings.get(name, "") for settings in said.values())] for name in differ]
    return pd.DataFrame(lines, columns=["setting", *said])


# ------------------------------------------------------------------ answers


def confusion_table(matrix: NDArray, names: Sequence[str]) -> pd.DataFrame:
    """Columns `true`, `said` (words with signs), `count`, `share` (of the faces that are `true`, 0 where there are
    none), `row`, `column`: every cell of a confusion matrix (k, k), rows what a face is."""
    totals = matrix.sum(axis=1)
    lines = [
        (named(true), named(said), int(matrix[i, j]), float(matrix[i, j] / max(1, totals[i])), i, j)
        for i, true in enumerate(names)
        for j, said in enumerate(names)
    ]
    return pd.DataFrame(lines, columns=["true", "said", "count", "share", "row", "column"])


def classes_table(per_class: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Columns `name` (word with sign), `measure`, `value` (0 to 1), `n` (faces): precision, recall and F1 by label, as
    `Answers.per_class` gives them."""
    lines = [
        (named(scores["label"]), said, scores[key], int(scores["n"]))
        for scores in per_class
        for key, said in (("recall", "recall"), ("precision", "precision"), ("f1", "F1"))
    ]
    return pd.DataFrame(lines, columns=["name", "measure", "value", "n"])


def stress_table(runs: Mapping[str, Mapping[str, Any] | None]) -> pd.DataFrame:
    """Columns `run`, `kind`, `amount`, `unit`, `accuracy`, `macro_recall` of what stress.json holds; a damaged line,
    like a missing file, is none."""
    columns = ["run", "kind", "amount", "unit", "accuracy", "macro_recall"]
    lines = []
    for run, stress in runs.items():
        rows = (stress or {}).get("rows")
        for row in rows if isinstance(rows, list) else ():
            try:
                numbers = float(row["amount"]), float(row["accuracy"]), float(row.get("macro_recall", "nan"))
                lines.append((run, str(row["kind"]), numbers[0], str(row.get("unit", "")), *numbers[1:]))
            except (TypeError, KeyError, ValueError, AttributeError):
                continue
    return pd.DataFrame(lines, columns=columns)


def pipeline_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """What became of test faces in scenes: `detector`, `faces`, and the shares `found`, `right of found`,
    `right of all`, `right on crops`."""
    names = {"found": "found", "accuracy_found": "right of found", "accuracy_all": "right of all",
             "accuracy_crops": "right on crops"}  # fmt: skip
    shares = [{"detector": row["detector"], "faces": row["n"], **{word: row[name] for name, word in names.items()}}
              for row in rows]  # fmt: skip
    return pd.DataFrame(shares, columns=["detector", "faces", *names.values()])


def pipeline_intervals(rows: Sequence[Mapping[str, Any]], words: Mapping[str, str]) -> pd.DataFrame:
    """Columns `measure`, `way` (the detector), `mean`, `low`, `high` of shares of `evaluate_pipeline`; `words`: what to
    call them, by name, in the order to show."""
    lines = [
        (said, row["detector"], row[name], *row[f"{name}_interval"])
        for name, said in words.items()
        for row in rows
        if row[name] is not None
    ]
    return pd.DataFrame(lines, columns=["measure", "way", "mean", "low", "high"])


def pipeline_sides(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Columns `run` (the detector), `amount` (pixels) and `accuracy` (the share found), for a stress curve."""
    lines = [(row["detector"], one["value"], one["found"]) for row in rows for one in row["by_side"]]
    return pd.DataFrame(lines, columns=["run", "amount", "accuracy"])


def epochs_table(probabilities: NDArray, epochs: Sequence[int], names: Sequence[str]) -> pd.DataFrame:
    """Columns `epoch`, `expression`, `name` (with sign), `probability` of one face, from probabilities (e, k)."""
    lines = [
        (int(epoch), name, named(name), float(p))
        for epoch, row in zip(epochs, probabilities, strict=True)
        for name, p in zip(names, row, strict=True)
    ]
    return pd.DataFrame(lines, columns=["epoch", "expression", "name", "probability"])


def votes_sentence(votes: NDArray | None, names: Sequence[str]) -> str:
    """The FER+ votes (10,) of a face in words, most first: "happy 7, neutral 2, unknown 1"; "" without votes."""
    if votes is None or not votes.any():
        return ""
    words = [*names, "unknown", "not a face"]
    order = sorted(range(len(words)), key=lambda i: -int(votes[i]))
    return ", ".join(f"{words[i]} {int(votes[i])}" for i in order if votes[i])
