"""The flow Learn: load -> split check -> augment -> fit -> calibrate -> evaluate -> a finished run folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion.bundles import CARD, Bundle, find_bundles, open_bundle
from emotion.errors import DataError, Diverged, EmotionError
from emotion.faces import EXPRESSIONS, FERPLUS_LABELS
from emotion.files import read_json, write_json
from emotion.reporting import Reporter
from emotion.result_folder import MODEL, new_result
from emotion.training.answers import ANSWERS, EXAMPLES, STRESS
from emotion.training.datasets import SPLITS, Dataset, split_mark
from emotion.training.duplicates import duplicate_report
from emotion.training.labels import Lesson, check_labels
from emotion.training.rating import rated, whole
from emotion.training.runs import CONFIG, check_settings, drop_card, read_history
from emotion.training.watching import STEPS, Watch


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
    from emotion.training.batches import Teachers, heads_of
    from emotion.training.trainer import train

    check_splits(data)
    check_labels(data)
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


def check_splits(data: Dataset) -> None:
    """`DataError` where a split is empty: said now, not after hours of training."""
    for split in SPLITS:
        if len(data.rows(split)) == 0:
            raise DataError(f"The data set {data.source} has no {split} rows; all of {', '.join(SPLITS)} are needed.")


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


def use(run: Path, models: Path, name: str, *, default: bool = False, overwrite: bool = False) -> Bundle:
    """Copy a finished run into `models` under `name`, where the app finds it; `default`: as the one that it uses;
    `overwrite`: in the place of the model of that name."""
    bundle = open_bundle(run)
    if not name.strip() or Path(name).name != name or name.startswith("."):
        raise EmotionError(f"{name!r} cannot name a model; choose a plain word.")
    target = models / name
    with new_result(target, MODEL, inputs=[run], overwrite=overwrite) as place:
        shown = [name for name in (ANSWERS, EXAMPLES, STRESS, STEPS) if (run / name).is_file()]
        for file in (*bundle.card["files"], *shown):
            shutil.copy2(run / file, place / file)
        write_json(place / CARD, {**bundle.card, "name": name})  # last: without it the folder is no model yet
    if default:
        for other in (*find_bundles(bundle.kind, models)[0], open_bundle(target)):
            write_json(other.folder / CARD, {**other.card, "default": other.folder == target})
    return open_bundle(target)
