"""Train a classifier from a data set to a finished run folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import Dataset, split_mark
from emotion.datasets.duplicates import duplicate_report
from emotion.datasets.label_sets import Lesson, apply, check_classes, check_labels, check_splits, count_table, label_set
from emotion.errors import Diverged, EmotionError
from emotion.expressions import EXPRESSIONS, FERPLUS_LABELS
from emotion.jobs.reporter import Reporter
from emotion.model_store.store import Bundle
from emotion.storage import read_json
from emotion.training.classifier.config import LessonPlan
from emotion.training.classifier.scoring import rated, whole
from emotion.training.classifier.zoo import card_of
from emotion.training.runs.folder import CONFIG, check_settings, drop_card, read_history
from emotion.training.runs.step_monitor import Watch

_PLACES: Final = ("data", "votes", "not_faces", "tensorboard")  # may change between a stop and going on


def learn(
    data: Dataset,
    config: Any,
    folder: Path,
    report: Reporter,
    not_face_crops: NDArray[np.uint8] | None = None,
    beside: Mapping[str, Any] | None = None,
    *,
    teachers: Sequence[Bundle] = (),
    finish: bool = False,
    tensorboard: bool = False,
) -> Bundle:
    """Train a recogniser into `folder` and finish it as a model folder; goes on where an earlier call ended.

    The duplicates across splits are counted before the first step. The epoch, the temperatures and the face
    threshold are chosen on the public split; the private split is scored once, at the end. Where the training
    diverges, a model is made of the best epoch before, and `Diverged` is raised. `beside`: where the files lie, for
    config.json. `teachers`: recognisers that teach it, too. `finish`: learn no more, make a model of the best epoch
    so far. `tensorboard`: write event files, too.
    """
    # Keras takes three seconds and 600 MB: only a process that trains loads it.
    from emotion.training.classifier.batches import Teachers, heads_of
    from emotion.training.classifier.trainer import train

    check_splits(data.source, count_table(data))
    check_labels(data.source, data.label_names)
    config = replace(config, teachers=tuple(bundle.sha256 for bundle in teachers))
    answers = {name: _labels_of(name, data) for name in heads_of(data, has_not_faces=False)}
    taught_by = Teachers(teachers, answers) if teachers else None
    settings = {
        **asdict(config),
        "source": data.source,
        "rows": len(data),
        "votes": data.votes is not None,
        "not_faces": 0 if not_face_crops is None else len(not_face_crops),
        "duplicates": duplicate_report(data),
        "split": split_mark(data),
    }
    shape = {"size": data.images.shape[1], "label_names": list(data.label_names)}
    check_settings(folder, settings, {"data": data.source, **(beside or {}), **shape})
    report.progress(len(read_history(folder)), config.epochs, "Loading")

    def on_epoch(epoch: int, seconds: float, row: dict[str, float]) -> bool:
        accuracy = row.get("val_fer2013_accuracy", float("nan"))
        report.progress(epoch, config.epochs, f"epoch {epoch} of {config.epochs}, right on {accuracy:.1%}")
        return report.stopping

    def taught(finish: bool) -> Bundle:
        watch = Watch.of_job(folder, report, config.epochs)
        network = train(
            data, config, folder, not_face_crops, on_epoch, watch, teachers=taught_by, finish=finish,
            tensorboard=tensorboard,
        )  # fmt: skip
        return finished(network, whole(data), folder, _facts(data, folder, list(network.output)))

    return best_of(taught, folder, finish=finish)


def best_of(taught: Callable[[bool], Bundle], folder: Path, *, finish: bool) -> Bundle:
    """`taught(finish)`; where that diverges after a whole epoch, its best is made a model before the error goes on."""
    if finish and not read_history(folder):
        raise EmotionError(f"{folder} has no whole epoch yet; there is nothing to make a model of.")
    try:
        return taught(finish)
    except Diverged:
        if read_history(folder):
            taught(True)
        raise


def finished(network: Any, lesson: Lesson, folder: Path, facts: dict[str, Any]) -> Bundle:
    """Make a model folder of a trained network: export it, calibrate and score it, keep what it says.

    `facts` are its card before it is calibrated.
    """
    from emotion.training.export import export_network, has_maps

    drop_card(folder)
    difference = export_network(network, folder, facts["input"]["size"])
    facts |= {"parameters": int(network.count_params())}
    if has_maps(network):
        facts["heads"] = {name: head | {"map": f"{name}_map"} for name, head in facts["heads"].items()}
    return rated(lesson, folder, facts, {"export_difference": difference})


def _facts(data: Dataset, folder: Path, heads: list[str]) -> dict[str, Any]:
    """The card before it is calibrated."""
    config = read_json(folder / CONFIG) or {}
    return {
        "kind": "recogniser",
        "name": folder.name,
        "network": config.get("network"),
        "input": {"size": data.images.shape[1], "colour": "grey", "range": [0, 255],
                  "preprocessing": "each picture is set to mean 0 and deviation 1 inside the network"},
        "shown": "ferplus" if "ferplus" in heads else "fer2013",
        "heads": {
            name: {"output": name, "labels": list(_labels_of(name, data)), "temperature": 1.0}
            for name in heads if name != "face"
        },
        "face": {"output": "face", "threshold": 0.5} if "face" in heads else None,
        "data": {"source": data.source, "rows": len(data), "duplicates": config.get("duplicates")},
        "teachers": config.get("teachers", []),
        "metrics": {},
        # Labels that are none of this program's are allowed to a card that says so.
        **({} if set(data.label_names) <= set(EXPRESSIONS) else {"label_set": "own"}),
    }  # fmt: skip


def _labels_of(name: str, data: Dataset) -> tuple[str, ...]:
    return FERPLUS_LABELS if name == "ferplus" else data.label_names


def learn_network(data: Dataset, plan: LessonPlan, folder: Path, report: Reporter, *, finish: bool = False) -> Bundle:
    """Train the network of `plan` into `folder` and finish it as a model folder, as `learning.learn` does it.

    Raises `DataError` where a split or a label has no face.
    """
    # Keras takes three seconds and 600 MB: only a process that trains loads it.
    from emotion.training.classifier.zoo_trainer import train_network

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
        return finished(network, lesson, folder, _network_facts(plan, lesson, folder))

    return best_of(taught, folder, finish=finish)


def _network_facts(plan: LessonPlan, lesson: Lesson, folder: Path) -> dict[str, Any]:
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
