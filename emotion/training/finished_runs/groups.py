"""Groups of runs whose accuracies can be compared: of one kind, measured on the same faces with the same labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from emotion.training.run_listing import RunSummary
from emotion.training.tables import describe_labels, get_data_name
from emotion.translation.messages import gettext as _


class RunGroup(NamedTuple):
    """What the runs of a group share.

    Attributes:
        kind: The kind of model.
        data: Name of the data set, "" where it is unknown.
        labels: The label set, or the labels themselves where the data set names them.
        num_rows: Number of faces of the data set with these labels, None where it is unknown.
    """

    kind: str
    data: str
    labels: str | tuple[str, ...]
    num_rows: int | None


def get_group(run: RunSummary) -> RunGroup:
    """Return the group of a run."""
    config, rows = run.config, run.config.get("rows")
    names = config.get("label_names")
    label_set = config.get("label_set")
    labels: str | tuple[str, ...] = label_set if isinstance(label_set, str) else ""
    if run.kind == "classifier" and not labels:
        labels = "fer2013"  # the classifier of this program with several heads is measured on these
    if labels == "own" and isinstance(names, list):
        labels = tuple(sorted(map(str, names)))
    return RunGroup(run.kind, get_data_name(config), labels, rows if isinstance(rows, int) else None)


def group_runs(runs: Mapping[str, RunSummary]) -> dict[RunGroup, dict[str, RunSummary]]:
    """Return the runs by group: the largest group first, of equally large ones that with the first run."""
    groups: dict[RunGroup, dict[str, RunSummary]] = {}
    for name, run in runs.items():
        groups.setdefault(get_group(run), {})[name] = run
    return dict(sorted(groups.items(), key=lambda item: -len(item[1])))


def describe_group(runs: Mapping[str, RunSummary]) -> str:
    """Return data and labels of the runs of one group in the language of the page: "fer2013 · 7 (FER-2013)"."""
    run = next(iter(runs.values()))
    group = get_group(run)
    if group.kind == "detector":
        return _("Detectors")
    return " · ".join(filter(None, (group.data or _("unknown data"), describe_labels(run.config))))


def explain_difference(run: RunSummary, reference: RunSummary) -> str:
    """Return why a run cannot be compared with another one, in the language of the page; "" where it can be."""
    group, other = get_group(run), get_group(reference)
    if group == other:
        return ""
    if group.kind != other.kind:
        return _("another kind of model")
    if group.data != other.data:
        return _("other data: {data}").format(data=group.data or _("unknown data"))
    if group.labels != other.labels:
        return _("other labels: {labels}").format(labels=describe_labels(run.config) or _("unknown labels"))
    return _("another number of faces in {data}").format(data=group.data)
