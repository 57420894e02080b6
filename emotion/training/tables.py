"""Tables of runs: their list, the curves of their history, their settings."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import PurePath, PureWindowsPath
from typing import Any, Final, Literal

import pandas as pd

from emotion.formatting import format_percent
from emotion.training.run_listing import RunState, RunSummary
from emotion.training.runs.folder import best_epoch_row, parse_number
from emotion.training.runs.predictions import Predictions
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop

Rows = Sequence[Mapping[str, str]]
CurveMetric = Literal["accuracy", "loss", "learning_rate"]

# English, and translated by the charts.
TRAIN_SERIES: Final = gettext_noop("training")
VALIDATION_SERIES: Final = gettext_noop("validation")
STEP_SERIES: Final = gettext_noop("batches")
_MIN_OVERFIT_GAP: Final = 0.10  # between training and validation accuracy; every network has a smaller one
_MIN_STALE_EPOCHS: Final = 3  # epochs without a better one before overfitting is reported
# Pairs of training and validation columns of a history; the first pair that a history has is used.
_METRIC_COLUMNS: Final[dict[CurveMetric, tuple[tuple[str, str], ...]]] = {
    "accuracy": (
        ("accuracy", "val_accuracy"),
        ("fer2013_accuracy", "val_fer2013_accuracy"),
        ("accuracy", "val_fer2013_accuracy"),  # Keras does not name the head of a network with one
        ("", "val_ap"),
    ),
    "loss": (("loss", "val_loss"), ("loss", "val_fer2013_loss")),
    "learning_rate": (("learning_rate", ""),),
}
_SHORT_LABELS: Final[Mapping[str, str]] = {  # by label set
    "fer2013": gettext_noop("7 (FER-2013)"),
    "ferplus": gettext_noop("8 (FER+)"),
    "four": gettext_noop("4: angry, fear, happy, sad"),
    "four-normal": gettext_noop("4: happy, sad, angry, normal"),
}
_STATE_TITLES: Final[Mapping[RunState, str]] = {
    "waiting": gettext_noop("waiting"),
    "running": gettext_noop("running"),
    "paused": gettext_noop("paused"),
    "done": gettext_noop("done"),
    "stopped": gettext_noop("stopped"),
    "interrupted": gettext_noop("interrupted"),
    "failed": gettext_noop("failed"),
    "diverged": gettext_noop("diverged"),
    "damaged": gettext_noop("damaged"),
}
# They follow from other settings.
_NON_SETTING_KEYS: Final = {"duplicates", "split", "label_names", "source", "rows", "version", "created", "kind"}


# ------------------------------------------------------------------ all runs


def runs_table(runs: Mapping[str, RunSummary], current_run: str = "") -> pd.DataFrame:
    """Return a row for each run, in the given order.

    Columns: `in_use` (a star), `run`, `accuracy` (0 to 1, of the best epoch on the validation split, NaN unknown;
    third, since a narrow screen shows only the first ones), `data`, `labels`, `network`, `epochs`, `state`, `created`
    (a date), `best_epoch`, `train_minutes`, `tags` (a list), `note`."""
    lines = [
        (
            "★" if name == current_run else "",
            name,
            math.nan if run.best_accuracy is None else run.best_accuracy,
            get_data_name(run.config),
            describe_labels(run.config),
            run.network or run.kind or "unknown",
            format_epochs(run),
            run.state,
            datetime.fromtimestamp(run.created, UTC).date() if run.created else None,
            run.best_epoch,
            round(run.train_minutes),
            list(run.tags),
            run.note,
        )
        for name, run in runs.items()
    ]
    columns = [
        "in_use",
        "run",
        "accuracy",
        "data",
        "labels",
        "network",
        "epochs",
        "state",
        "created",
        "best_epoch",
        "train_minutes",
        "tags",
        "note",
    ]
    return pd.DataFrame(lines, columns=columns).astype({"best_epoch": "Int64"})


def format_epochs(run: RunSummary) -> str:
    """Return the epochs as "12 of 40" in the language of the page, or "40" where all are done."""
    text = str(run.epoch) if run.epoch >= run.epochs else _("{epoch} of {epochs}")
    return text.format(epoch=run.epoch, epochs=run.epochs)


def describe_state(state: RunState) -> str:
    """Return the state of a run in the language of the page."""
    return _(_STATE_TITLES[state])


def get_data_name(config: Mapping[str, Any]) -> str:
    """Return the name of the data set of a run without its folder and suffix, "" where it is unknown."""
    source = config.get("source") or config.get("data")
    if not isinstance(source, str):
        return ""
    name = PureWindowsPath(source).name  # separates folders by both kinds of slashes
    return PurePath(name).stem if PurePath(name).suffix in (".npz", ".csv") else name


def describe_labels(config: Mapping[str, Any]) -> str:
    """Return the labels of a run in a few words in the language of the page, "" where they are unknown."""
    chosen = config.get("label_set")
    if chosen == "own":
        names = config.get("label_names")
        return _("{count} of its data").format(count=len(names)) if isinstance(names, list) else _("of its data")
    if chosen in (None, "fer2013") and config.get("has_ferplus_votes") is True:  # such a network has both heads
        return "7, 8 (FER+)"
    if not isinstance(chosen, str) or chosen not in _SHORT_LABELS:
        return ""
    return _(_SHORT_LABELS[chosen])


def format_run_card(name: str, run: RunSummary, predictions: Predictions | None) -> str:
    """Return settings and scores of a run as Markdown."""
    lines = [f"# {name}", "", f"- Network: {run.network or 'unknown'}", f"- State: {run.state}"]
    lines += [f"- Epochs: {format_epochs(run)}", f"- Minutes: {run.train_minutes:.0f}"]
    if run.best_accuracy is not None:
        right = f"{run.best_accuracy * 100:.1f} % (epoch {run.best_epoch}, which was chosen on them)"
        lines.append(f"- Right on faces held out: {right}")
    lines += ["", "## Settings", "", *(f"- {key}: {value}" for key, value in format_settings(run.config).items())]
    if predictions is not None:
        lines += [
            "",
            f"## Predictions on the split {predictions.split}, {len(predictions.rows):,} faces, "
            f"epoch {predictions.best_epoch}",
            "",
        ]
        lines += [f"Calibration error (ECE): {predictions.ece():.3f}", ""]
        lines += ["| label | precision | recall | F1 | faces |", "|---|---|---|---|---|"]
        for one in predictions.per_class():
            shares = (format_percent(one[key]) for key in ("precision", "recall", "f1"))
            lines.append(f"| {' | '.join([one['label'], *shares, str(one['n'])])} |")
    lines += ["", "An expression is what a face shows; it is not what a person feels.", ""]
    return "\n".join(lines)


# ------------------------------------------------------------------ curves


def find_metric_columns(rows: Rows, metric: CurveMetric) -> tuple[str, str]:
    """Return the training and the validation column of a history, "" where it has none."""
    there = set[str]().union(*rows) if rows else set[str]()
    whole = [pair for pair in _METRIC_COLUMNS[metric] if {*pair} - {""} <= there]
    if whole:
        return whole[0]
    for learns, held_out in _METRIC_COLUMNS[metric]:
        if held_out in there or (not held_out and learns in there):
            return learns if learns in there else "", held_out
    return "", ""


def extract_series(rows: Rows, column: str) -> list[tuple[int, float]]:
    """Return (epoch, value) of a column, without missing and damaged values."""
    found = []
    for row in rows:
        epoch, value = parse_number(row.get("epoch")), parse_number(row.get(column))
        if column and epoch is not None and value is not None:
            found.append((int(epoch), value))
    return found


def smooth_values(values: Sequence[float], weight: float) -> list[float]:
    """Return exponentially weighted means; `weight` of the values before is 0 (no smoothing) to below 1."""
    return pd.Series(values, dtype=float).ewm(alpha=1 - weight, adjust=True).mean().tolist()


def find_best_epoch(rows: Rows) -> int | None:
    """Return the epoch of `best_epoch_row`, None without one."""
    best = best_epoch_row(rows)
    return int(float(best["epoch"])) if best else None


def curves_table(histories: Mapping[str, Rows], metric: CurveMetric, smoothing: float = 0.0) -> pd.DataFrame:
    """Return columns `run`, `split`, `epoch`, `value` (smoothed), `raw`, `best` (whether it is the best epoch)."""
    lines = []
    for run, rows in histories.items():
        best = find_best_epoch(rows)
        for split, column in zip((TRAIN_SERIES, VALIDATION_SERIES), find_metric_columns(rows, metric), strict=True):
            found = extract_series(rows, column)
            values = smooth_values([value for _, value in found], smoothing)
            lines += [
                (run, split, epoch, value, raw, epoch == best and split == VALIDATION_SERIES)
                for (epoch, raw), value in zip(found, values, strict=True)
            ]
    return pd.DataFrame(lines, columns=["run", "split", "epoch", "value", "raw", "best"]).astype({"best": bool})


def step_curves_table(history: Rows, steps: Rows, metric: CurveMetric) -> pd.DataFrame:
    """Return columns `split`, `epoch` (1.5 is the middle of the second), `value`, `best` of a training by step and
    epoch."""
    learns, held_out = find_metric_columns(history, metric)
    best = find_best_epoch(history)
    lines = [(TRAIN_SERIES, float(epoch), value, False) for epoch, value in extract_series(history, learns)]
    lines += [
        (VALIDATION_SERIES, float(epoch), value, epoch == best) for epoch, value in extract_series(history, held_out)
    ]
    for row in steps:
        epoch, step, total = (parse_number(row.get(name)) for name in ("epoch", "step", "num_steps"))
        value = parse_number(row.get(metric))
        if None not in (epoch, step, value) and total:
            lines.append((STEP_SERIES, epoch - 1 + min(1.0, step / total), value, False))  # type: ignore[operator]
    return pd.DataFrame(lines, columns=["split", "epoch", "value", "best"]).astype({"best": bool})


def detect_overfitting(history: Rows, epochs: int) -> str | None:
    """Return a warning about overfitting, such as "Best epoch 14 of 23, gap 31 points: stop?", else None."""
    learns, held_out = (dict(extract_series(history, column)) for column in find_metric_columns(history, "accuracy"))
    both = sorted(learns.keys() & held_out.keys())
    best = find_best_epoch(history)
    if not both or best is None or both[-1] >= epochs:
        return None
    last, gap = both[-1], learns[both[-1]] - held_out[both[-1]]
    if last - best < _MIN_STALE_EPOCHS or gap < _MIN_OVERFIT_GAP:
        return None
    text = _("Best epoch {best} of {last}, gap {points:.0f} points: stop?")
    return text.format(best=best, last=last, points=gap * 100)


# ------------------------------------------------------------------ settings


def format_settings(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings of a training in words, nested ones with the name of their group."""
    formatted: dict[str, str] = {}
    for name, value in remove_folders(config).items():
        words = name.replace("_", " ")
        if name in _NON_SETTING_KEYS:
            continue
        if isinstance(value, Mapping):
            formatted |= {f"{words}: {inner}": text for inner, text in format_settings(value).items()}
        else:
            formatted[words] = _format_value(value)
    return formatted


def remove_folders(value: Any) -> Any:
    """Return a setting, or settings in mappings and lists, with only the names of files that have absolute paths."""
    if isinstance(value, Mapping):
        return {name: remove_folders(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [remove_folders(inner) for inner in value]
    if isinstance(value, str) and (PurePath(value).is_absolute() or PureWindowsPath(value).is_absolute()):
        return PureWindowsPath(value).name  # separates folders by both kinds of slashes
    return value


def _format_value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value)


def diff_settings(configs: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Return columns `setting` and one for each run with the settings that differ; "" where a run has none."""
    formatted = {run: format_settings(config) for run, config in configs.items()}
    names = list(dict.fromkeys(name for settings in formatted.values() for name in settings))
    differ = [name for name in names if len({settings.get(name, "") for settings in formatted.values()}) > 1]
    lines = [[name, *(settings.get(name, "") for settings in formatted.values())] for name in differ]
    return pd.DataFrame(lines, columns=["setting", *formatted])
