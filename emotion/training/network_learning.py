"""The flow Learn for a network of the zoo: load -> labels -> split check -> fit -> calibrate -> evaluate -> a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from emotion.bundles import Bundle
from emotion.reporting import Reporter
from emotion.training.datasets import Dataset, split_mark
from emotion.training.duplicates import duplicate_report
from emotion.training.labels import Lesson, apply, check_classes, check_splits, count_table, label_set
from emotion.training.learning import best_of, finished
from emotion.training.plans import LessonPlan
from emotion.training.runs import check_settings, read_history
from emotion.training.watching import Watch
from emotion.training.zoo import card_of

_PLACES: Final = ("data", "votes", "not_faces", "tensorboard")  # may change between a stop and going on


def learn_network(data: Dataset, plan: LessonPlan, folder: Path, report: Reporter, *, finish: bool = False) -> Bundle:
    """Train the network of `plan` into `folder` and finish it as a model folder, as `learning.learn` does it.

    Raises `DataError` where a split or a label has no face.
    """
    # Keras takes three seconds and 600 MB: only a process that trains loads it.
    from emotion.training.classifier import train_network

    lesson = apply(data, label_set(plan.labels))
    counts = count_table(lesson.data)
    check_splits(data.source, counts)
    check_classes(data.source, lesson.data.label_names, counts)
    settings = plan.settings() | {
        "label_names": list(lesson.data.label_names),
        "source": data.source,
        "rows": len(lesson.rows),
        "left_out": dict(lesson.left_out),
        "duplicates": duplicate_report(lesson.data),
        "split": split_mark(lesson.data),
        "parameters": card_of(plan.network).parameters_for(len(lesson.data.label_names)),
    }
    # Only a cosine depends on how many epochs are to come; any other training can be given more of them.
    free = _PLACES if plan.schedule == "cosine" else (*_PLACES, "epochs")
    check_settings(folder, settings, {name: settings.pop(name) for name in free})
    report.progress(len(read_history(folder)), plan.epochs, "Loading")

    def on_epoch(epoch: int, seconds: float, row: dict[str, float]) -> bool:
        text = f"epoch {epoch} of {plan.epochs}, right on {row['val_accuracy']:.1%}"
        report.progress(epoch, plan.epochs, text)
        return report.stopping

    def taught(finish: bool) -> Bundle:
        watch = Watch.of_job(folder, report, plan.epochs)
        network = train_network(lesson, plan, folder, watch, on_epoch, finish=finish)
        return finished(network, lesson, folder, _facts(plan, lesson, folder))

    return best_of(taught, folder, finish=finish)


def _facts(plan: LessonPlan, lesson: Lesson, folder: Path) -> dict[str, Any]:
    """The card before it is calibrated."""
    card, data = card_of(plan.network), lesson.data
    return {
        "kind": "recogniser",
        "name": folder.name,
        "network": plan.network,
        "weights": plan.weights,
        "label_set": plan.labels,
        "input": {"size": card.size, "colour": "grey", "range": [0, 255],
                  "preprocessing": "scaled inside the network"},
        "shown": plan.labels,
        "heads": {plan.labels: {"output": plan.labels, "labels": list(data.label_names), "temperature": 1.0}},
        "face": None,
        "data": {"source": data.source, "rows": len(data), "duplicates": duplicate_report(data)},
        "metrics": {},
    }  # fmt: skip
