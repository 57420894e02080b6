"""Evaluation of a finished generator on a held-out split: every metric beside what real faces reach in it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import Dataset, is_non_face
from emotion.datasets.duplicates import is_train_duplicate
from emotion.errors import DataError, EmotionError, ModelError
from emotion.generation.filtering import is_guidance_relative
from emotion.generation.metrics import (
    FeatureArray,
    FeatureExtractor,
    diversity_ratios,
    frechet_distance,
    kid,
    nearest_training_faces,
    precision_recall,
    random_conv_features,
)
from emotion.generation.reports import (
    Consistency,
    Distances,
    Diversity,
    GeneratorEvaluation,
    Memorization,
    RealConsistency,
    UntrainedDistances,
)
from emotion.generation.sampler import FaceImages, Sampler
from emotion.model_store.card import CARD_FILE, parse_card
from emotion.model_store.store import ModelBundle, open_model
from emotion.storage import read_json, write_json
from emotion.training.metrics import wilson_interval
from emotion.training.runs.folder import REPORT_FILE, read_history, write_card

COLLAPSE_THRESHOLD: Final = 0.5  # of real diversity; below it an expression repeats few faces
_MIN_FACES: Final = 8  # real faces of each split; fewer have no covariance worth the name
_FIRST_SEED: Final = 1_000_000  # far from the seeds that people try first; each evaluation step has its own million
_MIN_DISTANCE: Final = 1e-12  # avoids a division by 0
TRAIN_EPOCHS: Final = 8  # of the small classifiers
_TRAIN_BATCH_SIZE: Final = 128
_TRAIN_IMAGE_SIZE: Final = 32


@dataclass(frozen=True)
class EvaluationConfig:
    """What a generator is evaluated on."""

    split: Literal["validation", "test"] = "validation"
    num_per_class: int = 512  # synthetic faces of each expression for the class consistency
    truncation: float | None = None  # None: the generator's default
    trains_classifiers: bool = False  # also compares small classifiers trained on synthetic and on real faces; slow

    def __post_init__(self) -> None:
        if self.num_per_class < 1:
            raise EmotionError(f"{self.num_per_class} faces of each expression were requested; expected at least 1.")


def evaluate_generator(
    bundle: ModelBundle,
    data: Dataset,
    feature_classifier: ModelBundle,
    config: EvaluationConfig | None = None,
    on_progress: Callable[[str], None] = lambda message: None,
) -> GeneratorEvaluation:
    """Compute all metrics of a generator against a split that it was not trained on.

    Distances compare the split with as many synthetic faces with the same labels. Their floors compare the two held-out
    splits with each other.

    Args:
        bundle: The generator.
        data: The data set that it was trained on.
        feature_classifier: Extracts features and predicts labels; best one that did not guide the training.
        config: Split, number of faces and truncation.
        on_progress: Called with a message before each step.

    Raises:
        DataError: The data has other labels than the generator, or too few faces.
        ModelError: A bundle is of another kind, or the classifier lacks a label.
    """
    config = config or EvaluationConfig()
    sampler = Sampler(bundle)
    training, real, other_real, is_new = _split_faces(data, sampler, config.split)
    on_progress(f"drawing {len(real)} faces")
    fake = _generate_faces(sampler, real.labels, _FIRST_SEED, config.truncation)
    extractor = FeatureExtractor(feature_classifier, sampler.labels)
    fake_seen, real_seen = extractor.extract(fake), extractor.extract(real.images)
    other_features = extractor.extract(other_real.images).features
    on_progress(f"drawing {config.num_per_class} faces of each expression")
    consistency = _measure_consistency(sampler, extractor, config)
    on_progress("searching the nearest training faces")
    evaluation: GeneratorEvaluation = {
        "split": config.split,
        "num_faces": len(real),
        "truncation": sampler.truncation if config.truncation is None else config.truncation,
        "feature_classifier": extractor.name,
        "feature_classifier_sha256": feature_classifier.sha256,
        "is_guidance_relative": is_guidance_relative(bundle, feature_classifier),
        **consistency,
        **_measure_real_consistency(sampler.labels, real_seen.predictions, real.labels),
        **_measure_distances(fake_seen.features, real_seen.features, other_features),
        **_measure_untrained_distances(fake, real.images, other_real.images),
        **_measure_diversity(sampler.labels, fake_seen.features, real_seen.features, real.labels),
        **_measure_memorization(fake, real.images[is_new], training.images),
    }
    if config.trains_classifiers:
        on_progress("training on synthetic and on real faces")
        accuracies = _compare_training_faces(sampler, training, real, config.truncation)
        evaluation["trained_on_synthetic"], evaluation["trained_on_real"] = accuracies
    return evaluation


def _compare_training_faces(
    sampler: Sampler, training: Dataset, real: Dataset, truncation: float | None
) -> tuple[float, float]:
    """Return the accuracies on `real` of a classifier trained on synthetic faces, and of one trained on real ones."""
    synthetic = _generate_faces(sampler, training.labels, 3 * _FIRST_SEED, truncation)
    return _train_and_test(synthetic, training, real), _train_and_test(training.images, training, real)


class _Splits(NamedTuple):
    training: Dataset
    real: Dataset  # the split that the generator is evaluated on
    other_real: Dataset  # the other held-out split
    is_new: NDArray[np.bool_]  # rows of `real` without a pixel-identical training face


def _split_faces(data: Dataset, sampler: Sampler, split: str) -> _Splits:
    if tuple(data.label_names) != sampler.labels:
        raise DataError(
            f"{data.source} has the labels {', '.join(data.label_names)}, the generator {sampler.bundle.name} "
            f"{', '.join(sampler.labels)}; evaluate it on the data set that it was trained on."
        )
    faces = data.take(np.flatnonzero(~is_non_face(data)))
    other_split = "test" if split == "validation" else "validation"
    training, real, other_real = (faces.take(faces.rows_in(name)) for name in ("train", split, other_split))
    if min(len(training), len(real), len(other_real)) < _MIN_FACES:
        raise DataError(
            f"{data.source} has {len(training)} training, {len(real)} {split} and {len(other_real)} {other_split} "
            f"faces; at least {_MIN_FACES} of each are needed."
        )
    return _Splits(training, real, other_real, ~is_train_duplicate(faces)[faces.rows_in(split)])


def _generate_faces(
    sampler: Sampler, labels: NDArray[np.integer], first_seed: int, truncation: float | None
) -> FaceImages:
    """Return a face of its own seed for each label (n,), an index of the generator's labels."""
    weights = np.eye(len(sampler.labels), dtype=np.float32)[labels]
    latents = [sampler.latent_for(first_seed + i, truncation) for i in range(len(labels))]
    return sampler.generate(latents, list(weights))


def _measure_consistency(sampler: Sampler, extractor: FeatureExtractor, config: EvaluationConfig) -> Consistency:
    labels = np.repeat(np.arange(len(sampler.labels)), config.num_per_class)
    faces = _generate_faces(sampler, labels, 2 * _FIRST_SEED, config.truncation)
    is_correct = extractor.extract(faces).predictions == labels
    return {
        "class_consistency": float(is_correct.mean()),
        "class_consistency_interval": wilson_interval(int(is_correct.sum()), len(is_correct)),
        "class_consistency_per_class": {
            name: float(is_correct[labels == i].mean()) for i, name in enumerate(sampler.labels)
        },
    }


def _measure_real_consistency(
    label_names: tuple[str, ...], predictions: NDArray[np.integer], labels: NDArray[np.integer]
) -> RealConsistency:
    shares = {
        name: float((predictions[labels == i] == i).mean()) for i, name in enumerate(label_names) if (labels == i).any()
    }
    return {"real_class_consistency": float(np.mean(list(shares.values()))), "real_class_consistency_per_class": shares}


def _measure_distances(fake: FeatureArray, real: FeatureArray, other_real: FeatureArray) -> Distances:
    distance, floor = frechet_distance(fake, real), frechet_distance(other_real, real)
    precision, recall = precision_recall(fake, real)
    real_precision, real_recall = precision_recall(other_real, real)
    return {
        "frechet": distance,
        "frechet_floor": floor,
        "frechet_ratio": distance / max(floor, _MIN_DISTANCE),
        "kid": kid(fake, real),
        "kid_floor": kid(other_real, real),
        "precision": precision,
        "recall": recall,
        "real_precision": real_precision,
        "real_recall": real_recall,
    }


def _measure_untrained_distances(fake: FaceImages, real: FaceImages, other_real: FaceImages) -> UntrainedDistances:
    real_features = random_conv_features(real)
    return {
        "frechet_untrained": frechet_distance(random_conv_features(fake), real_features),
        "frechet_untrained_floor": frechet_distance(random_conv_features(other_real), real_features),
    }


def _measure_diversity(
    label_names: tuple[str, ...], fake: FeatureArray, real: FeatureArray, labels: NDArray[np.integer]
) -> Diversity:
    ratios = {label_names[i]: ratio for i, ratio in diversity_ratios(fake, real, labels).items()}
    return {
        "diversity_per_class": ratios,
        "collapsed": [name for name, ratio in ratios.items() if ratio < COLLAPSE_THRESHOLD],
    }


def _measure_memorization(fake: FaceImages, held_out: FaceImages, train_faces: FaceImages) -> Memorization:
    fake_median, held_out_median = (
        float(np.median(nearest_training_faces(faces, train_faces)[1])) for faces in (fake, held_out)
    )
    return {
        "nearest_distance": fake_median,
        "nearest_distance_held_out": held_out_median,
        "nearest_ratio": fake_median / max(held_out_median, _MIN_DISTANCE),
    }


def _train_and_test(images: FaceImages, train_data: Dataset, test_data: Dataset) -> float:
    """Return the accuracy on `test_data` of a small classifier trained on `images` with the labels of `train_data`."""
    # Keras takes three seconds and 600 MB: only a process that trains loads it.
    from emotion.training.classifier.config import TrainingConfig
    from emotion.training.classifier.trainer import fit_classifier
    from emotion.training.runs.run_context import RunContext

    data = Dataset(
        np.concatenate([images, test_data.images]),
        np.concatenate([train_data.labels, test_data.labels]),
        np.repeat(np.array([0, 1], np.int8), [len(images), len(test_data)]),
        train_data.label_names,
    )
    config = TrainingConfig(
        epochs=TRAIN_EPOCHS,
        batch_size=min(_TRAIN_BATCH_SIZE, len(images)),
        progressive_sizes=(_TRAIN_IMAGE_SIZE,),
    )
    with tempfile.TemporaryDirectory() as folder:
        fit_classifier(data, config, RunContext.from_folder(Path(folder)))
        # The last epoch, not the best one: nothing is selected on the test faces.
        return float(read_history(Path(folder))[-1]["val_fer2013_accuracy"])


def save_evaluation(folder: Path, evaluation: GeneratorEvaluation) -> ModelBundle:
    """Write an evaluation into the report and the card of a generator; its truncation becomes the default.

    Raises:
        ModelError: `folder` is no generator, or the card would be invalid.
    """
    bundle = open_model(folder)
    if bundle.kind != "generator":
        raise ModelError(f"{folder} is a {bundle.kind}; only a generator can keep an evaluation of faces.")
    card = {
        **bundle.card_fields,
        "truncation": evaluation["truncation"],
        "metrics": {**bundle.card.metrics, "evaluation": dict(evaluation)},
    }
    parse_card(folder / CARD_FILE, card)
    write_json(folder / REPORT_FILE, {**(read_json(folder / REPORT_FILE) or {}), "evaluation": evaluation})
    write_card(folder, card)
    return open_model(folder)
