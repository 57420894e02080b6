"""Measure a finished generator in every way that the project has, each beside what real faces reach."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import Dataset, is_non_face
from emotion.datasets.duplicates import is_train_duplicate
from emotion.errors import DataError, EmotionError, ModelError
from emotion.generation.filtering import is_guidance_relative
from emotion.generation.metrics import (
    FaceImages,
    FeatureArray,
    FeatureExtractor,
    diversity_ratios,
    frechet_distance,
    kid,
    nearest_training_faces,
    precision_recall,
    random_conv_features,
)
from emotion.generation.sampler import Sampler
from emotion.model_store.card import CARD_FILE, parse_card
from emotion.model_store.store import ModelBundle, open_model
from emotion.storage import read_json, write_json
from emotion.training.metrics import wilson_interval
from emotion.training.runs.folder import REPORT_FILE, read_history, write_card

COLLAPSE_THRESHOLD: Final = (
    0.5  # of the diversity of real faces: below it an expression shows a few faces over and over
)
_MIN_FACES: Final = 8  # real faces of each split
_FIRST_SEED: Final = 1_000_000  # far from the seeds that people try first
_EPOCHS: Final = 8  # of the small trainings


def evaluate_generator(
    bundle: ModelBundle,
    data: Dataset,
    feature_classifier: ModelBundle,
    split: str = "validation",
    num_per_class: int = 512,
    truncation: float | None = None,
    should_train: bool = False,
    on_progress: Callable[[str], None] = lambda message: None,
) -> dict[str, Any]:
    """Everything that is reported of a generator, as plain values; it is held against a split that it never saw.

    Distances are between as many synthetic faces as the split has, with the same labels, and the split; the floors
    are the same between the two held-out splits. `num_per_class` faces of every expression are shown to the judge, a
    classifier. `should_train` adds two small trainings, on synthetic and on as many real faces. `on_progress` hears what is done.
    """
    sampler = Sampler(bundle)
    if tuple(data.label_names) != sampler.labels:
        raise DataError(
            f"{data.source} has the labels {', '.join(data.label_names)}, the generator {bundle.name} "
            f"{', '.join(sampler.labels)}; measure it on the data set that it learned from."
        )
    if num_per_class < 1:
        raise EmotionError(f"{num_per_class} faces of each expression were asked for; expected at least 1.")
    faces = data.take(np.flatnonzero(~is_non_face(data)))
    real, other = (
        faces.take(faces.rows_in(name)) for name in (split, "test" if split == "validation" else "validation")
    )
    training = faces.take(faces.rows_in("train"))
    if min(len(real), len(other), len(training)) < _MIN_FACES:
        raise DataError(
            f"{data.source} has {len(training)} training, {len(real)} {split} and {len(other)} other held-out faces; "
            f"at least {_MIN_FACES} of each are needed."
        )
    on_progress(f"drawing {len(real)} faces")
    fake = _generate_faces(sampler, real.labels, _FIRST_SEED, truncation)
    judge = FeatureExtractor(feature_classifier, sampler.labels)
    seen, known, others = judge.extract(fake), judge.extract(real.images), judge.extract(other.images)
    on_progress(f"drawing {num_per_class} faces of each expression")
    result = {
        "split": split,
        "num_faces": len(real),
        "truncation": sampler.truncation if truncation is None else truncation,
        "feature_classifier": judge.name,
        "feature_classifier_sha256": feature_classifier.sha256,
        "is_guidance_relative": is_guidance_relative(bundle, feature_classifier),
        **_measure_consistency(sampler, judge, num_per_class, truncation),
        **_measure_real_consistency(sampler.labels, known.predictions, real.labels),
        **_measure_distances(seen.features, known.features, others.features),
        **_measure_untrained_distances(fake, real.images, other.images),
        **_measure_diversity(sampler.labels, seen.features, known.features, real.labels),
    }
    on_progress("looking for the nearest training faces")
    fresh = ~is_train_duplicate(faces)[faces.rows_in(split)]
    result |= _measure_memorization(fake, real.images[fresh], training.images)
    if should_train:
        on_progress("training on synthetic and on real faces")
        result |= _compare_training_data(sampler, training, real, truncation)
    return result


def _generate_faces(
    sampler: Sampler, labels: NDArray[np.integer], first_seed: int, truncation: float | None
) -> FaceImages:
    """A face of its own seed for each label (n,), an index into the generator's labels."""
    asked = np.eye(len(sampler.labels), dtype=np.float32)[labels]
    places = [sampler.latent_for(first_seed + i, truncation) for i in range(len(labels))]
    return sampler.generate(places, list(asked))


def _measure_consistency(
    sampler: Sampler, extractor: FeatureExtractor, num_per_class: int, truncation: float | None
) -> dict[str, Any]:
    """How often the judge calls a face what was asked; every expression counts the same."""
    labels = np.repeat(np.arange(len(sampler.labels)), num_per_class)
    faces = _generate_faces(sampler, labels, 2 * _FIRST_SEED, truncation)
    right = extractor.extract(faces).predictions == labels
    return {
        "class_consistency": float(right.mean()),
        "class_consistency_interval": wilson_interval(int(right.sum()), len(right)),
        "class_consistency_per_class": {
            label: float(right[labels == i].mean()) for i, label in enumerate(sampler.labels)
        },
    }


def _measure_real_consistency(
    label_names: tuple[str, ...], predictions: NDArray[np.integer], labels: NDArray[np.integer]
) -> dict[str, Any]:
    """The same for real faces and their labels: `real_class_consistency` over the expressions, and by expression."""
    shares = {
        name: float((predictions[labels == i] == i).mean()) for i, name in enumerate(label_names) if (labels == i).any()
    }
    return {"real_class_consistency": float(np.mean(list(shares.values()))), "real_class_consistency_per_class": shares}


def _measure_distances(fake: FeatureArray, real: FeatureArray, other_real: FeatureArray) -> dict[str, float]:
    distance, floor = frechet_distance(fake, real), frechet_distance(other_real, real)
    precision, recall = precision_recall(fake, real)
    real_precision, real_recall = precision_recall(other_real, real)
    return {
        "frechet": distance,
        "frechet_floor": floor,
        "frechet_ratio": distance / max(floor, 1e-12),
        "kid": kid(fake, real),
        "kid_floor": kid(other_real, real),
        "precision": precision,
        "recall": recall,
        "real_precision": real_precision,
        "real_recall": real_recall,
    }


def _measure_untrained_distances(fake: FaceImages, real: FaceImages, other_real: FaceImages) -> dict[str, float]:
    eyes = random_conv_features(real)
    return {
        "frechet_untrained": frechet_distance(random_conv_features(fake), eyes),
        "frechet_untrained_floor": frechet_distance(random_conv_features(other_real), eyes),
    }


def _measure_diversity(
    label_names: tuple[str, ...], fake: FeatureArray, real: FeatureArray, labels: NDArray[np.integer]
) -> dict[str, Any]:
    ratios = {label_names[i]: ratio for i, ratio in diversity_ratios(fake, real, labels).items()}
    return {
        "diversity_per_class": ratios,
        "collapsed": [name for name, ratio in ratios.items() if ratio < COLLAPSE_THRESHOLD],
    }


def _measure_memorization(fake: FaceImages, held_out: FaceImages, train_faces: FaceImages) -> dict[str, float]:
    """Median distances to the nearest training face; a ratio far below 1 means that training faces are repeated."""
    medians = [float(np.median(nearest_training_faces(faces, train_faces)[1])) for faces in (fake, held_out)]
    return {
        "nearest_distance": medians[0],
        "nearest_distance_held_out": medians[1],
        "nearest_ratio": medians[0] / max(medians[1], 1e-12),
    }


def _compare_training_data(
    sampler: Sampler, train_data: Dataset, test_data: Dataset, truncation: float | None
) -> dict[str, float]:
    """Share of a real split that a small classifier gets right which learned from synthetic faces only, and from the
    real ones with the same labels."""
    synthetic = _generate_faces(sampler, train_data.labels, 3 * _FIRST_SEED, truncation)
    return {
        f"trained_on_{name}": _train_and_test(images, train_data, test_data)
        for name, images in (("synthetic", synthetic), ("real", train_data.images))
    }


def _train_and_test(images: FaceImages, train_data: Dataset, test_data: Dataset) -> float:
    from emotion.training.classifier.config import TrainingConfig
    from emotion.training.classifier.trainer import fit_classifier

    data = Dataset(
        np.concatenate([images, test_data.images]),
        np.concatenate([train_data.labels, test_data.labels]),
        np.repeat(np.array([0, 1], np.int8), [len(images), len(test_data)]),
        train_data.label_names,
    )
    with tempfile.TemporaryDirectory() as scratch:
        fit_classifier(
            data,
            TrainingConfig(epochs=_EPOCHS, batch_size=min(128, len(images)), progressive_sizes=(32,)),
            Path(scratch),
        )
        return float(read_history(Path(scratch))[-1]["val_fer2013_accuracy"])  # the last, for nothing is chosen here


def save_evaluation(folder: Path, result: Mapping[str, Any]) -> ModelBundle:
    """Write what `evaluate_generator` gave into the report and the card of a generator, which from now on draws with
    the truncation that was measured."""
    bundle = open_model(folder)
    if bundle.kind != "generator":
        raise ModelError(f"{folder} is a {bundle.kind}; only a generator can keep this.")
    card = {
        **bundle.card_fields,
        "truncation": result["truncation"],
        "metrics": {**bundle.card.metrics, "evaluation": dict(result)},
    }
    parse_card(folder / CARD_FILE, card)
    write_json(folder / REPORT_FILE, {**(read_json(folder / REPORT_FILE) or {}), "evaluation": result})
    write_card(folder, card)
    return open_model(folder)
