"""Tables of the trials of a sweep."""

from __future__ import annotations

import math
from typing import Final

import pandas as pd

from emotion.formatting import format_percent
from emotion.storage import BYTE_ORDER_MARK
from emotion.training.sweep.records import BASELINE_NUMBER, SweepRecord
from emotion.training.sweep.space import Dimension, Range, Value
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop

TRIAL_COLUMNS: Final = ("trial", "state", "accuracy", "best_epoch", "epochs", "seconds")

ACCURACY_AXIS: Final = gettext_noop("Accuracy")
# Names of states for people, in English.
STATE_TITLES: Final = {
    "running": gettext_noop("running"),
    "complete": gettext_noop("complete"),
    "pruned": gettext_noop("stopped early"),
    "failed": gettext_noop("failed"),
}
BEST_STATE: Final = gettext_noop("best")
_SETTING_TITLES: Final = frozenset(
    {
        gettext_noop("Augmentation strength"),
        gettext_noop("Augmentation: blur prob"),
        gettext_noop("Augmentation: brightness"),
        gettext_noop("Augmentation: contrast"),
        gettext_noop("Augmentation: erase prob"),
        gettext_noop("Augmentation: gamma"),
        gettext_noop("Augmentation: jpeg prob"),
        gettext_noop("Augmentation: low resolution prob"),
        gettext_noop("Augmentation: max scale"),
        gettext_noop("Augmentation: min scale"),
        gettext_noop("Augmentation: noise prob"),
        gettext_noop("Augmentation: rotation"),
        gettext_noop("Augmentation: shift"),
        gettext_noop("Batch size"),
        gettext_noop("Box loss weight"),
        gettext_noop("Data"),
        gettext_noop("Distillation weight"),
        gettext_noop("Dropout factor"),
        gettext_noop("Early stopping patience"),
        gettext_noop("Epochs"),
        gettext_noop("Excluded labels"),
        gettext_noop("Expression label weight"),
        gettext_noop("Expression loss weight"),
        gettext_noop("Face loss weight"),
        gettext_noop("Ferplus csv"),
        gettext_noop("Ferplus label smoothing"),
        gettext_noop("Ferplus loss weight"),
        gettext_noop("Has ferplus votes"),
        gettext_noop("Horizontal flip"),
        gettext_noop("Images"),
        gettext_noop("Init from"),
        gettext_noop("Label set"),
        gettext_noop("Label smoothing"),
        gettext_noop("Labels"),
        gettext_noop("Landmark loss weight"),
        gettext_noop("Learning rate"),
        gettext_noop("Learning rate schedule"),
        gettext_noop("Mosaic"),
        gettext_noop("Negatives dir"),
        gettext_noop("Network"),
        gettext_noop("No erasing tail"),
        gettext_noop("Num negatives"),
        gettext_noop("Num parameters"),
        gettext_noop("Optimizer"),
        gettext_noop("Progressive sizes"),
        gettext_noop("Seed"),
        gettext_noop("Size"),
        gettext_noop("Teachers"),
        gettext_noop("Tensorboard"),
        gettext_noop("Trained heads"),
        gettext_noop("Warmup ratio"),
        gettext_noop("Weight decay"),
        gettext_noop("Weights"),
        gettext_noop("Width factor"),
    }
)


def describe_setting(name: str) -> str:
    """Return the name of a setting in the language of the page; one that only files name is in English."""
    words = name.replace("_", " ").replace(".", ": ").replace("lr ", "learning rate ")
    title = words[:1].upper() + words[1:]
    return _(title) if title in _SETTING_TITLES else title


def trials_table(record: SweepRecord) -> pd.DataFrame:
    """Return a row for each trial, by number.

    Columns: `TRIAL_COLUMNS` (`accuracy` 0 to 1 on the validation split in the best epoch, NaN before the first one),
    then one for each setting of the space, empty for trial 0, which has the settings of the plan.
    """
    names = list(record.request.space)
    rows = []
    for trial in record.trials:
        best = trial.best_accuracy
        rows.append(
            [
                trial.number,
                trial.state,
                math.nan if best is None else best,
                0 if best is None else trial.accuracies.index(best) + 1,
                len(trial.accuracies),
                trial.seconds,
                *(trial.settings.get(name) for name in names),
            ]
        )
    return pd.DataFrame(rows, columns=[*TRIAL_COLUMNS, *names])


def to_csv(record: SweepRecord) -> str:
    """Return `trials_table` as the text of a CSV file, with as many digits as small learning rates need."""
    return BYTE_ORDER_MARK + trials_table(record).to_csv(index=False, float_format="%.6g", lineterminator="\n")


def best_so_far_table(record: SweepRecord) -> pd.DataFrame:
    """Return columns `trial`, `accuracy`, `state` (for people) and `best`, the highest accuracy up to that trial.

    Trial 0 is left out.
    """
    rows, best = list[tuple[int, float, str, float]](), 0.0
    for trial in record.trials:
        if trial.number != BASELINE_NUMBER and trial.best_accuracy is not None:
            best = max(best, trial.best_accuracy)
            rows.append((trial.number, trial.best_accuracy, STATE_TITLES[trial.state], best))
    return pd.DataFrame(rows, columns=["trial", "accuracy", "state", "best"])


def coordinates_table(record: SweepRecord) -> pd.DataFrame:
    """Return a row for each trial and setting, and one for its accuracy.

    Columns: `trial`, `state` (for people, "best" for the best trial), `axis` (name for people), `position` (0 to 1
    between the ends of the axis), `value` (text), `accuracy`.
    """
    trials = [t for t in record.trials if t.number != BASELINE_NUMBER and t.best_accuracy is not None]
    best = max(trials, key=lambda trial: trial.best_accuracy or 0.0, default=None)
    accuracies = [trial.best_accuracy or 0.0 for trial in trials]
    low, high = min(accuracies, default=0.0), max(accuracies, default=1.0)
    rows = []
    for trial, accuracy in zip(trials, accuracies, strict=True):
        state = BEST_STATE if trial is best else STATE_TITLES[trial.state]
        for name, dimension in record.request.space.items():
            value = trial.settings[name]
            cells = describe_setting(name), _find_position(dimension, value), format_setting(value)
            rows.append((trial.number, state, *cells, accuracy))
        position = (accuracy - low) / (high - low) if high > low else 0.5
        rows.append((trial.number, state, _(ACCURACY_AXIS), position, format_percent(accuracy), accuracy))
    return pd.DataFrame(rows, columns=["trial", "state", "axis", "position", "value", "accuracy"])


def axis_ends_table(record: SweepRecord) -> pd.DataFrame:
    """Return columns `axis`, `position`, `value` with the ends of each range and all choices, and of the accuracy."""
    rows = []
    for name, dimension in record.request.space.items():
        values = [dimension.low, dimension.high] if isinstance(dimension, Range) else dimension.choices
        rows += [(describe_setting(name), _find_position(dimension, value), format_setting(value)) for value in values]
    accuracies = [t.best_accuracy for t in record.trials if t.number != BASELINE_NUMBER and t.best_accuracy is not None]
    if accuracies:
        rows += [
            (_(ACCURACY_AXIS), 0.0, format_percent(min(accuracies))),
            (_(ACCURACY_AXIS), 1.0, format_percent(max(accuracies))),
        ]
    return pd.DataFrame(rows, columns=["axis", "position", "value"])


def _find_position(dimension: Dimension, value: Value) -> float:
    """Return where a value is between the ends of its axis, 0 to 1."""
    if not isinstance(dimension, Range):
        return dimension.choices.index(value) / max(1, len(dimension.choices) - 1)
    low, high, number = dimension.low, dimension.high, float(value)
    if dimension.log:
        low, high, number = math.log(low), math.log(high), math.log(number)
    return (number - low) / (high - low)


def format_setting(value: Value) -> str:
    """Return the value of a setting in the language of the page."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def importance_table(record: SweepRecord) -> pd.DataFrame:
    """Return columns `setting` (for people) and `share` (0 to 1), the most important first; empty without one."""
    shares = record.importance.shares if record.importance else {}
    rows = sorted(((describe_setting(name), share) for name, share in shares.items()), key=lambda row: -row[1])
    return pd.DataFrame(rows, columns=["setting", "share"])
