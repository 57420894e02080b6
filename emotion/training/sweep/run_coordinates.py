"""Settings and accuracy of runs as positions on parallel axes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import pandas as pd

from emotion.formatting import format_percent
from emotion.training.run_listing import RunSummary
from emotion.training.sweep.tables import ACCURACY_AXIS, describe_setting, format_setting
from emotion.translation.messages import gettext as _

MAX_SETTINGS: Final = 6  # more axes cannot be read
_MIN_LOG_RATIO: Final = 20.0  # between the ends of an axis, from which on it is logarithmic
_COLUMNS: Final = ["run", "axis", "position", "value"]
# They follow from others, name files, or have no order that could matter.
_NO_SETTINGS: Final = frozenset(
    {
        *("data", "source", "ferplus_csv", "negatives_dir", "init_from", "init_from_path", "kind", "label_set", "rows"),
        *("seed", "size", "tensorboard", "version", "created", "duplicates", "split", "excluded_labels"),
    }
)

Value = bool | int | float | str


class CoordinateTables(NamedTuple):
    """Tables for a chart of parallel axes.

    Attributes:
        points: Columns `run`, `axis` (name for people), `position` (0 to 1 between the ends of the axis) and `value`
            (text), a row for each run and axis.
        ends: Columns `axis`, `position`, `value`: the ends of the axis of a number, all values of another one.
    """

    points: pd.DataFrame
    ends: pd.DataFrame


def make_coordinates(runs: Mapping[str, RunSummary]) -> CoordinateTables:
    """Return the settings that differ between runs, the first `MAX_SETTINGS` of them, and the best accuracy of each."""
    measured = {name: run for name, run in runs.items() if run.best_accuracy is not None}
    settings = {name: _flatten({"network": run.network, **run.config}) for name, run in measured.items()}
    names = list(dict.fromkeys(name for values in settings.values() for name in values))
    columns = {name: {run: values[name] for run, values in settings.items() if name in values} for name in names}
    different = [name for name, values in columns.items() if len(set(values.values())) > 1][:MAX_SETTINGS]
    points, ends = list[tuple[str, str, float, str]](), list[tuple[str, float, str]]()
    for name in different:
        axis, positions = describe_setting(name), _find_positions([*columns[name].values()])
        texts = {value: format_setting(value) for value in positions}
        points += [(run, axis, positions[value], texts[value]) for run, value in columns[name].items()]
        is_number = not any(isinstance(value, bool | str) for value in positions)
        ends += [
            (axis, position, texts[value])
            for value, position in positions.items()
            if not is_number or position in (0.0, 1.0)
        ]
    accuracies = {name: run.best_accuracy or 0.0 for name, run in measured.items()}
    positions = _find_positions([*accuracies.values()])
    axis = _(ACCURACY_AXIS)
    points += [(run, axis, positions[value], format_percent(value)) for run, value in accuracies.items()]
    if accuracies:
        ends += [
            (axis, positions[value], format_percent(value))
            for value in sorted({min(accuracies.values()), max(accuracies.values())})
        ]
    return CoordinateTables(
        pd.DataFrame(points, columns=_COLUMNS), pd.DataFrame(ends, columns=["axis", "position", "value"])
    )


def _flatten(config: Mapping[str, Any], group: str = "") -> dict[str, Value]:
    """Return the settings that are numbers, texts or switches, those of a group as "group.name"."""
    flat: dict[str, Value] = {}
    for name, value in config.items():
        if name in _NO_SETTINGS:
            continue
        if isinstance(value, Mapping) and not group:
            flat |= _flatten(value, f"{name}.")
        elif isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
            flat[group + name] = value
    return flat


def _find_positions(values: Sequence[Value]) -> dict[Value, float]:
    """Return where each value is on its axis: a number between the smallest and the largest, others in equal steps."""
    numbers = [float(value) for value in values if not isinstance(value, bool | str)]
    if len(numbers) < len(values):
        choices = sorted(set(values), key=str)
        return {value: i / max(1, len(choices) - 1) for i, value in enumerate(choices)}
    low, high = min(numbers, default=0.0), max(numbers, default=0.0)
    if low == high:
        return dict.fromkeys(values, 0.5)
    is_log = low > 0 and high / low >= _MIN_LOG_RATIO
    start, end = (math.log(low), math.log(high)) if is_log else (low, high)
    return {
        value: ((math.log(number) if is_log else number) - start) / (end - start)
        for value, number in zip(values, numbers, strict=True)
    }
