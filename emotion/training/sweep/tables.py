"""Tables of the trials of a sweep."""

from __future__ import annotations

import math
from typing import Final

import pandas as pd

from emotion.storage import BYTE_ORDER_MARK
from emotion.training.sweep.records import BASELINE_NUMBER, SweepRecord

TRIAL_COLUMNS: Final = ("trial", "state", "accuracy", "best_epoch", "epochs", "seconds")


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
                "default" if trial.number == BASELINE_NUMBER and trial.state == "complete" else trial.state,
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
    """Return columns `trial`, `accuracy`, `state` and `best`, the highest accuracy up to that trial, without trial 0."""
    rows, best = list[tuple[int, float, str, float]](), 0.0
    for trial in record.trials:
        if trial.number != BASELINE_NUMBER and trial.best_accuracy is not None:
            best = max(best, trial.best_accuracy)
            rows.append((trial.number, trial.best_accuracy, trial.state, best))
    return pd.DataFrame(rows, columns=["trial", "accuracy", "state", "best"])
