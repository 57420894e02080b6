"""Augmentation study: train small classifiers with and without synthetic faces of a rare expression, and compare."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from emotion.datasets.augmentation import NO_AUGMENTATION
from emotion.datasets.dataset import Dataset, is_non_face
from emotion.datasets.duplicates import is_train_duplicate
from emotion.datasets.label_sets import get_label_set, map_labels
from emotion.errors import DataError, EmotionError
from emotion.generation.filtering import FaceFilter, is_guidance_relative, sample_accepted
from emotion.generation.reports import StudyResult, StudyRun
from emotion.generation.sampler import FaceImages, Sampler
from emotion.generation.study.summary import summarize_runs
from emotion.generation.study.wording import CONDITIONS
from emotion.recognition.classification import ExpressionClassifier
from emotion.storage import read_json, write_json
from emotion.training.classifier.config import TrainingPlan
from emotion.training.classifier.networks.zoo import get_architecture
from emotion.training.runs.folder import STUDY_FILE
from emotion.training.runs.run_context import RunContext
from emotion.training.runs.step_monitor import ProgressReporter, StepMonitor
from emotion.translation.messages import gettext as _

_FIRST_SEED: Final = 4_000_000  # apart from the seeds of an evaluation
_NETWORK: Final = "cnn-4conv"
_LABEL_SET: Final = "own"
_AUGMENTATION: Final = replace(NO_AUGMENTATION, shift=0.1, rotation=12.0, min_scale=0.9, max_scale=1.1)
_BATCH_SIZE: Final = 64  # of the training
_PREDICT_BATCH_SIZE: Final = 512  # bounds the memory
_SELECTION_SHARE: Final = 20  # one in so many training faces selects the epoch
_SPLIT_SEED: Final = 77  # beside the seed of the run


@dataclass(frozen=True)
class StudyConfig:
    """What is compared.

    Each condition adds `synthetic_ratio` times as many faces as there are real ones of `target_class`: synthetic ones,
    repeated ones, or ones drawn from all real faces, so that every condition trains for the same number of steps.
    """

    target_class: str = "disgust"
    synthetic_ratio: float = 3.0
    min_prob: float = 0.7  # of `target_class`, by the classifier that filters
    epochs: int = 12
    num_seeds: int = 5

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.num_seeds < 2 or not self.synthetic_ratio > 0:
            raise EmotionError(
                f"A study of {self.num_seeds} seeds, {self.epochs} epochs and {self.synthetic_ratio} times as many "
                "faces was requested; expected at least 2 seeds, because one alone has no interval, at least 1 epoch, "
                "and more than 0 times."
            )


def run_augmentation_study(
    sampler: Sampler,
    classifier: ExpressionClassifier,
    data: Dataset,
    config: StudyConfig,
    folder: Path,
    reporter: ProgressReporter,
) -> StudyResult:
    """Train and measure all networks, and write the result into `folder`/augmentation_study.json.

    Every network is selected on a twentieth of the training faces and measured on validation and test together. Each
    run is kept in `folder`, so that the same call resumes after a stop.

    Args:
        sampler: Draws the synthetic faces.
        classifier: Filters them.
        data: Real faces with the splits train, validation and test.
        config: What is compared.
        folder: Gets a JSON file for each run, and the result.
        reporter: Gets the progress and requests the stop.

    Raises:
        DataError: The data has no training face or no held-out face of the target class.
        EmotionError: Too few synthetic faces pass the filter.
        TrainingStopped: The reporter requested a stop.
    """
    faces = data.take(np.flatnonzero(~is_non_face(data)))
    real, held_out = faces.take(faces.rows_in("train")), _select_held_out(faces)
    _check_target(real, held_out, config.target_class)
    synthetic, num_drawn = _draw_synthetic(sampler, FaceFilter(classifier, config.min_prob), real, config)
    inputs = {
        "config": asdict(config),
        "rows": len(data),
        "source": data.source,
        "generator": sampler.bundle.sha256,
        "filter_classifier": classifier.bundle.sha256,
    }
    folder.mkdir(parents=True, exist_ok=True)

    def run_condition(condition: str, seed: int) -> StudyRun:
        path = folder / f"{condition}-{seed}.json"
        saved = read_json(path)
        if saved is not None and saved.get("inputs") == inputs:
            return saved["run"]
        train_data = _add_extra_faces(real, config.target_class, synthetic, condition, seed)
        run = _train_and_measure(train_data, held_out, condition, seed, config, reporter)
        write_json(path, {"inputs": inputs, "run": run})
        return run

    runs = _run_conditions(run_condition, config.num_seeds, reporter)
    result: StudyResult = {
        "config": inputs["config"],
        "network": _NETWORK,
        "num_held_out": len(held_out),
        "num_synthetic": len(synthetic),
        "num_drawn": num_drawn,
        "generator": sampler.bundle.name,
        "filter_classifier": classifier.bundle.name,
        "filter_is_guidance_relative": is_guidance_relative(sampler.bundle, classifier.bundle),
        **summarize_runs(runs, config.target_class),
    }
    write_json(folder / STUDY_FILE, result)
    return result


def _run_conditions(
    run_condition: Callable[[str, int], StudyRun], num_seeds: int, reporter: ProgressReporter
) -> list[StudyRun]:
    runs: list[StudyRun] = []
    for seed in range(num_seeds):
        for condition, description in CONDITIONS.items():
            message = f"seed {seed + 1} of {num_seeds}: {description}"
            reporter.progress(len(runs), num_seeds * len(CONDITIONS), message)
            runs.append(run_condition(condition, seed))
    return runs


def _count_faces(faces: Dataset, label: str) -> int:
    return int((faces.labels == faces.label_names.index(label)).sum()) if label in faces.label_names else 0


def _check_target(real: Dataset, held_out: Dataset, label: str) -> None:
    if not _count_faces(real, label):
        problem = _("{source} has no training faces of {label}; choose another one of its labels.")
        raise DataError(problem.format(source=real.source, label=label))
    if not _count_faces(held_out, label):
        problem = _("{source} has no validation or test faces of {label}; choose another one of its labels.")
        raise DataError(problem.format(source=real.source, label=label))


def _draw_synthetic(
    sampler: Sampler, face_filter: FaceFilter, real: Dataset, config: StudyConfig
) -> tuple[FaceImages, int]:
    """Return accepted faces of the target class, and how many faces were drawn for them."""
    target = config.target_class
    num_real = _count_faces(real, target)
    count = round(config.synthetic_ratio * num_real)
    accepted = sample_accepted(sampler, face_filter, target, count, first_seed=_FIRST_SEED)
    if len(accepted.seeds) < count:
        raise EmotionError(
            _(
                "Only {passed} of {drawn} synthetic faces pass as {label}, and {needed} are needed; choose a "
                "smaller minimum probability or ratio."
            ).format(passed=len(accepted.seeds), drawn=accepted.num_drawn, label=target, needed=count)
        )
    return accepted.faces, accepted.num_drawn


def _select_held_out(faces: Dataset) -> Dataset:
    """Return validation and test together, without faces that are pixel-identical to a training face."""
    is_new = ~is_train_duplicate(faces)
    rows = np.concatenate([faces.rows_in("validation"), faces.rows_in("test")])
    return faces.take(rows[is_new[rows]])


def _add_extra_faces(real: Dataset, target_class: str, synthetic: FaceImages, condition: str, seed: int) -> Dataset:
    """Return the training faces with the extra ones of the condition; the validation split selects the epoch."""
    target_index = real.label_names.index(target_class)
    rng = np.random.default_rng((seed, _SPLIT_SEED))
    order = rng.permutation(len(real))
    num_selecting = len(order) // _SELECTION_SHARE
    selecting, training = order[:num_selecting], order[num_selecting:]
    pool = training[real.labels[training] == target_index] if condition == "oversampled" else training
    extra = rng.choice(pool, len(synthetic))
    images, labels = real.images[extra], real.labels[extra]
    if condition == "synthetic":
        images, labels = synthetic, np.full(len(synthetic), target_index, np.int8)
    num_training = len(training) + len(images)
    return Dataset(
        np.concatenate([real.images[training], images, real.images[selecting]]),
        np.concatenate([real.labels[training], labels, real.labels[selecting]]),
        np.concatenate([np.zeros(num_training, np.int8), np.ones(len(selecting), np.int8)]),
        real.label_names,
        source=real.source,
    )


def _train_and_measure(
    data: Dataset, held_out: Dataset, condition: str, seed: int, config: StudyConfig, reporter: ProgressReporter
) -> StudyRun:
    # Keras takes three seconds and 600 MB: only a process that trains loads it.
    from emotion.training.classifier.zoo_trainer import fit_zoo_classifier, preprocess_input

    is_augmented = condition != "real"
    plan = replace(
        TrainingPlan.from_defaults(_NETWORK),
        label_set=_LABEL_SET,
        epochs=config.epochs,
        early_stopping_patience=0,
        batch_size=min(_BATCH_SIZE, len(data.rows_in("train"))),
        seed=seed,
        horizontal_flip=is_augmented,
        augmentation=_AUGMENTATION if is_augmented else NO_AUGMENTATION,
    )
    task_data = map_labels(data, get_label_set(_LABEL_SET))
    with tempfile.TemporaryDirectory() as folder:
        monitor = StepMonitor(Path(folder), stop_requested=lambda: reporter.stop_requested)
        network = fit_zoo_classifier(task_data, plan, replace(RunContext.from_folder(Path(folder)), monitor=monitor))
    size = get_architecture(_NETWORK).input_size
    batches: list[Any] = [
        network.predict_on_batch(preprocess_input(held_out.images[i : i + _PREDICT_BATCH_SIZE], size))
        for i in range(0, len(held_out), _PREDICT_BATCH_SIZE)
    ]
    predicted = np.concatenate([np.asarray(batch[_LABEL_SET]).argmax(1) for batch in batches])
    is_correct = predicted == held_out.labels
    rows_of = {name: held_out.labels == i for i, name in enumerate(held_out.label_names)}
    recall = {name: float(is_correct[rows].mean()) for name, rows in rows_of.items() if rows.any()}
    return {"condition": condition, "seed": seed, "accuracy": float(is_correct.mean()), "recall": recall}
