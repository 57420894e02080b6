"""Measure a finished generator in every way that the project has, each beside what real faces reach."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import Dataset, not_faces
from emotion.datasets.duplicates import seen_in_training
from emotion.errors import DataError, EmotionError, ModelError
from emotion.generation.filtering import taught_by
from emotion.generation.metrics import (
    Faces,
    Features,
    Judge,
    diversity_ratios,
    frechet,
    kid,
    nearest,
    precision_recall,
    untrained,
)
from emotion.generation.sampler import Sampler
from emotion.model_store.card import CARD, check_facts
from emotion.model_store.store import Bundle, open_bundle
from emotion.storage import read_json, write_json
from emotion.training.metrics import wilson_interval
from emotion.training.runs.folder import REPORT, read_history, write_card

COLLAPSED: Final = 0.5  # of the diversity of real faces: below it an expression shows a few faces over and over
_LEAST: Final = 8  # real faces of each split
_FIRST_SEED: Final = 1_000_000  # far from the seeds that people try first
_EPOCHS: Final = 8  # of the small trainings


def evaluate_generator(
    bundle: Bundle,
    data: Dataset,
    judge_bundle: Bundle,
    split: str = "public",
    each: int = 512,
    truncation: float | None = None,
    train: bool = False,
    tell: Callable[[str], None] = lambda part: None,
) -> dict[str, Any]:
    """Everything that is reported of a generator, as plain values; it is held against a split that it never saw.

    Distances are between as many synthetic faces as the split has, with the same labels, and the split; the floors
    are the same between the two held-out splits. `each` faces of every expression are shown to the judge, a
    recogniser. `train` adds two small trainings, on synthetic and on as many real faces. `tell` hears what is done.
    """
    sampler = Sampler(bundle)
    if tuple(data.label_names) != sampler.labels:
        raise DataError(
            f"{data.source} has the labels {', '.join(data.label_names)}, the generator {bundle.name} "
            f"{', '.join(sampler.labels)}; measure it on the data set that it learned from."
        )
    if each < 1:
        raise EmotionError(f"{each} faces of each expression were asked for; expected at least 1.")
    faces = data.take(np.flatnonzero(~not_faces(data)))
    real, other = (faces.take(faces.rows(name)) for name in (split, "private" if split == "public" else "public"))
    training = faces.take(faces.rows("training"))
    if min(len(real), len(other), len(training)) < _LEAST:
        raise DataError(
            f"{data.source} has {len(training)} training, {len(real)} {split} and {len(other)} other held-out faces; "
            f"at least {_LEAST} of each are needed."
        )
    tell(f"drawing {len(real)} faces")
    fake = _drawn(sampler, real.labels, _FIRST_SEED, truncation)
    judge = Judge(judge_bundle, sampler.labels)
    seen, known, others = judge.look(fake), judge.look(real.images), judge.look(other.images)
    tell(f"drawing {each} faces of each expression")
    result = {
        "split": split, "n": len(real), "truncation": sampler.truncation if truncation is None else truncation,
        "judge": judge.name, "judge_sha256": judge_bundle.sha256,
        "judge_taught": taught_by(bundle, judge_bundle),
        **_consistency(sampler, judge, each, truncation),
        **_real_consistency(sampler.labels, known.answers, real.labels),
        **_distances(seen.features, known.features, others.features),
        **_plain_distances(fake, real.images, other.images),
        **_variety(sampler.labels, seen.features, known.features, real.labels),
    }  # fmt: skip
    tell("looking for the nearest training faces")
    fresh = ~seen_in_training(faces)[faces.rows(split)]
    result |= _memory(fake, real.images[fresh], training.images)
    if train:
        tell("training on synthetic and on real faces")
        result |= _teaching(sampler, training, real, truncation)
    return result


def _drawn(sampler: Sampler, labels: NDArray[np.integer], first_seed: int, truncation: float | None) -> Faces:
    """A face of its own seed for each label (n,), an index into the generator's labels."""
    asked = np.eye(len(sampler.labels), dtype=np.float32)[labels]
    places = [sampler.place(first_seed + i, truncation) for i in range(len(labels))]
    return sampler.draw(places, list(asked))


def _consistency(sampler: Sampler, judge: Judge, each: int, truncation: float | None) -> dict[str, Any]:
    """How often the judge calls a face what was asked; every expression counts the same."""
    labels = np.repeat(np.arange(len(sampler.labels)), each)
    faces = _drawn(sampler, labels, 2 * _FIRST_SEED, truncation)
    right = judge.look(faces).answers == labels
    return {
        "consistency": float(right.mean()),
        "consistency_interval": wilson_interval(int(right.sum()), len(right)),
        "consistency_per_class": {
            label: float(right[labels == i].mean()) for i, label in enumerate(sampler.labels)
        },
    }  # fmt: skip


def _real_consistency(
    names: tuple[str, ...], answers: NDArray[np.integer], labels: NDArray[np.integer]
) -> dict[str, Any]:  # fmt: skip
    """The same for real faces and their labels: `real_consistency` over the expressions, and by expression."""
    shares = {
        name: float((answers[labels == i] == i).mean()) for i, name in enumerate(names) if (labels == i).any()
    }  # fmt: skip
    return {"real_consistency": float(np.mean(list(shares.values()))), "real_consistency_per_class": shares}


def _distances(fake: Features, real: Features, other: Features) -> dict[str, float]:
    distance, floor = frechet(fake, real), frechet(other, real)
    precision, recall = precision_recall(fake, real)
    real_precision, real_recall = precision_recall(other, real)
    return {
        "frechet": distance, "frechet_floor": floor, "frechet_ratio": distance / max(floor, 1e-12),
        "kid": kid(fake, real), "kid_floor": kid(other, real),
        "precision": precision, "recall": recall, "real_precision": real_precision, "real_recall": real_recall,
    }  # fmt: skip


def _plain_distances(fake: Faces, real: Faces, other: Faces) -> dict[str, float]:
    eyes = untrained(real)
    return {
        "frechet_untrained": frechet(untrained(fake), eyes), "frechet_untrained_floor": frechet(untrained(other), eyes),
    }  # fmt: skip


def _variety(
    names: tuple[str, ...], fake: Features, real: Features, labels: NDArray[np.integer]
) -> dict[str, Any]:  # fmt: skip
    ratios = {names[i]: ratio for i, ratio in diversity_ratios(fake, real, labels).items()}
    return {"diversity_per_class": ratios, "collapsed": [name for name, ratio in ratios.items() if ratio < COLLAPSED]}


def _memory(fake: Faces, held_out: Faces, training: Faces) -> dict[str, float]:
    """Median distances to the nearest training face; a ratio far below 1 means that training faces are repeated."""
    medians = [float(np.median(nearest(faces, training)[1])) for faces in (fake, held_out)]
    return {
        "nearest": medians[0], "nearest_held_out": medians[1], "nearest_ratio": medians[0] / max(medians[1], 1e-12),
    }  # fmt: skip


def _teaching(sampler: Sampler, training: Dataset, real: Dataset, truncation: float | None) -> dict[str, float]:
    """Share of a real split that a small recogniser gets right which learned from synthetic faces only, and from the
    real ones with the same labels."""
    synthetic = _drawn(sampler, training.labels, 3 * _FIRST_SEED, truncation)
    return {
        f"trained_on_{name}": _taught(images, training, real)
        for name, images in (("synthetic", synthetic), ("real", training.images))
    }


def _taught(images: Faces, training: Dataset, real: Dataset) -> float:
    from emotion.training.classifier.config import TrainingConfig
    from emotion.training.classifier.trainer import train

    data = Dataset(
        np.concatenate([images, real.images]), np.concatenate([training.labels, real.labels]),
        np.repeat(np.array([0, 1], np.int8), [len(images), len(real)]), training.label_names,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        train(data, TrainingConfig(epochs=_EPOCHS, batch=min(128, len(images)), sizes=(32,)), Path(scratch))
        return float(read_history(Path(scratch))[-1]["val_fer2013_accuracy"])  # the last, for nothing is chosen here


def keep(folder: Path, result: Mapping[str, Any]) -> Bundle:
    """Write what `evaluate_generator` gave into the report and the card of a generator, which from now on draws with
    the truncation that was measured."""
    bundle = open_bundle(folder)
    if bundle.kind != "generator":
        raise ModelError(f"{folder} is a {bundle.kind}; only a generator can keep this.")
    card = {
        **bundle.card, "truncation": result["truncation"],
        "metrics": {**bundle.card.get("metrics", {}), "quality": dict(result)},
    }  # fmt: skip
    check_facts(folder / CARD, card)
    write_json(folder / REPORT, {**(read_json(folder / REPORT) or {}), "quality": result})
    write_card(folder, card)
    return open_bundle(folder)
