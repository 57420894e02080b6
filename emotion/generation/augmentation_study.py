"""Do synthetic faces help a classifier to learn? Small networks that learn in different ways, several seeds each."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from emotion.datasets.augmentation import NO_AUGMENTATION
from emotion.datasets.dataset import Dataset, is_non_face
from emotion.datasets.duplicates import is_train_duplicate
from emotion.datasets.label_sets import get_label_set, map_labels
from emotion.errors import DataError, EmotionError
from emotion.generation.filtering import is_guidance_relative, sample_accepted
from emotion.generation.sampler import Sampler
from emotion.recognition.classification import ExpressionClassifier
from emotion.storage import read_json, write_json
from emotion.training.classifier.config import TrainingPlan
from emotion.training.classifier.zoo import get_architecture
from emotion.training.runs.folder import STUDY_FILE
from emotion.training.runs.run_context import RunContext
from emotion.training.runs.step_monitor import StepMonitor

CONDITIONS: Final = {
    "real": "real faces as they are",
    "augmented": "real faces, mirrored, shifted and turned",
    "oversampled": "the same, the rare ones repeated",
    "synthetic": "the same, with synthetic rare ones",
}
_FIRST_SEED: Final = 4_000_000  # far from the seeds that are measured elsewhere
_NETWORK: Final = "cnn-4conv"
_LABEL_SET: Final = "own"
_AUGMENTATION: Final = replace(NO_AUGMENTATION, shift=0.1, rotation=12.0, min_scale=0.9, max_scale=1.1)


@dataclass(frozen=True)
class StudyConfig:
    """What is compared: `synthetic_ratio` times as many extra faces of `target_class` as there are real ones, or faces
    drawn at random from all real ones where a condition has none, so that every condition trains for the same number
    of steps."""

    target_class: str = "disgust"
    synthetic_ratio: float = 3.0
    min_prob: float = 0.7  # probability of the rare expression, by the classifier that filters
    epochs: int = 12
    num_seeds: int = 5

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.num_seeds < 2 or not self.synthetic_ratio > 0:
            raise EmotionError(
                f"{self.num_seeds} seeds of {self.epochs} epochs with {self.synthetic_ratio} times as many faces were asked for; "
                "expected 2 or more seeds, for one alone has no interval, 1 or more epochs, and more than 0 times."
            )


def run_augmentation_study(
    sampler: Sampler,
    classifier: ExpressionClassifier,
    data: Dataset,
    config: StudyConfig,
    folder: Path,
    on_progress: Callable[[int, int, str], None] = lambda done, total, message: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """The result as plain values, also in `folder`/augmentation_study.json: `conclusion`, `rows` (`metric`,
    `condition`, `mean`, `low`, `high`), `differences` of the synthetic condition to the two before it.

    Every network is chosen on a twentieth of the training rows and measured on both other splits together, which
    nothing else looks at. What is measured stands in `folder`, so that the same call goes on after a stop. Raises
    `TrainingStopped` then, and `DataError` where the data has not what it takes.
    """
    faces = data.take(np.flatnonzero(~is_non_face(data)))
    real, held = faces.take(faces.rows_in("train")), _select_held_out(faces)
    if (
        config.target_class not in real.label_names
        or not (real.labels == real.label_names.index(config.target_class)).any()
    ):
        raise DataError(
            f"{data.source} has no training faces of {config.target_class}; ask for one of its expressions."
        )
    rare = real.label_names.index(config.target_class)
    count = round(config.synthetic_ratio * int((real.labels == rare).sum()))
    passed = sample_accepted(
        sampler, classifier, config.target_class, count, min_prob=config.min_prob, first_seed=_FIRST_SEED
    )
    if len(passed.seeds) < count:
        raise EmotionError(
            f"Only {len(passed.seeds)} of {passed.num_drawn} synthetic faces pass as {config.target_class}; {count} are needed."
        )
    folder.mkdir(parents=True, exist_ok=True)
    inputs = {
        "config": dict(vars(config)),
        "rows": len(data),
        "source": data.source,
        "generator": sampler.bundle.sha256,
        "filter_classifier": classifier.bundle.sha256,
    }
    results: list[dict[str, Any]] = []
    for seed in range(config.num_seeds):
        for condition in CONDITIONS:
            on_progress(
                len(results),
                config.num_seeds * len(CONDITIONS),
                f"seed {seed + 1} of {config.num_seeds}: {CONDITIONS[condition]}",
            )
            path = folder / f"{condition}-{seed}.json"
            kept = read_json(path)
            if kept is None or kept.get("inputs") != inputs:
                lesson = _add_extra_faces(real, rare, passed.faces, condition, seed)
                learned = _train_and_measure(lesson, held, condition, seed, config, should_stop)
                kept = {"inputs": inputs, "condition": condition, "seed": seed, **learned}
                write_json(path, kept)
            results.append(kept)
    answer = {
        "config": inputs["config"],
        "network": _NETWORK,
        "num_held_out": len(held),
        "num_synthetic": len(passed.seeds),
        "num_drawn": passed.num_drawn,
        "generator": sampler.bundle.name,
        "filter_classifier": classifier.bundle.name,
        "filter_is_guidance_relative": is_guidance_relative(sampler.bundle, classifier.bundle),
        **summarize_results(results, config.target_class),
    }
    write_json(folder / STUDY_FILE, answer)
    return answer


def _select_held_out(faces: Dataset) -> Dataset:
    """Both splits that nobody learns from, without those whose very pixels are in training."""
    fresh = ~is_train_duplicate(faces)
    rows = np.concatenate([faces.rows_in("validation"), faces.rows_in("test")])
    return faces.take(rows[fresh[rows]])


def _add_extra_faces(
    real: Dataset, target_index: int, synthetic_faces: NDArray[np.uint8], condition: str, seed: int
) -> Dataset:
    """The training rows, a twentieth of them as the validation split that chooses the epoch, and the extra faces."""
    rng = np.random.default_rng((seed, 77))
    order = rng.permutation(len(real))
    chosen, learned = order[: len(order) // 20], order[len(order) // 20 :]
    among = learned[real.labels[learned] == target_index] if condition == "oversampled" else learned
    more = rng.choice(among, len(synthetic_faces))
    images, labels = real.images[more], real.labels[more]
    if condition == "synthetic":
        images, labels = synthetic_faces, np.full(len(synthetic_faces), target_index, np.int8)
    split = np.zeros(len(learned) + len(images), np.int8)
    return Dataset(
        np.concatenate([real.images[learned], images, real.images[chosen]]),
        np.concatenate([real.labels[learned], labels, real.labels[chosen]]),
        np.concatenate([split, np.ones(len(chosen), np.int8)]),
        real.label_names,
        source=real.source,
    )


def _train_and_measure(
    data: Dataset, held_out: Dataset, condition: str, seed: int, config: StudyConfig, should_stop: Callable[[], bool]
) -> dict[str, Any]:
    """Train one small network and measure it: `accuracy` and `recall` by expression."""
    # Keras takes three seconds and 600 MB: only a process that trains loads it.
    from emotion.training.classifier.zoo_trainer import fit_zoo_classifier, preprocess_input

    changed = condition != "real"
    plan = replace(
        TrainingPlan.from_defaults(_NETWORK),
        label_set=_LABEL_SET,
        epochs=config.epochs,
        early_stopping_patience=0,
        batch_size=min(64, len(data.rows_in("train"))),
        seed=seed,
        horizontal_flip=changed,
        augmentation=_AUGMENTATION if changed else NO_AUGMENTATION,
    )
    lesson = map_labels(data, get_label_set(_LABEL_SET))
    with tempfile.TemporaryDirectory() as scratch:
        run = replace(
            RunContext.from_folder(Path(scratch)), monitor=StepMonitor(Path(scratch), stop_requested=should_stop)
        )
        network = fit_zoo_classifier(lesson, plan, run)
    size = get_architecture(_NETWORK).input_size
    parts: list[Any] = [
        network.predict_on_batch(preprocess_input(held_out.images[i : i + 512], size))
        for i in range(0, len(held_out), 512)
    ]
    right = np.concatenate([np.asarray(part[_LABEL_SET]).argmax(1) for part in parts]) == held_out.labels
    places = {name: held_out.labels == i for i, name in enumerate(held_out.label_names)}
    recall = {name: float(right[rows].mean()) for name, rows in places.items() if rows.any()}
    return {"accuracy": float(right.mean()), "recall": recall}


def summarize_results(results: Sequence[Mapping[str, Any]], target_class: str) -> dict[str, Any]:
    """Means and 95 % intervals (Student's t over the seeds) of what `run_augmentation_study` measured, the differences of the
    same seeds, and what they mean in a sentence."""
    labels = list(results[0]["recall"])
    rows = []
    for metric in ("all faces", *labels):
        for condition, words in CONDITIONS.items():
            values = [_get_metric(result, metric) for result in results if result["condition"] == condition]
            mean, low, high = confidence_interval(values)
            row = {"metric": metric, "condition": words, "mean": mean, "low": max(0.0, low), "high": min(1.0, high)}
            rows.append(row)
    differences: dict[str, dict[str, dict[str, float]]] = {
        baseline: {
            metric: dict(
                zip(
                    ("mean", "low", "high"),
                    confidence_interval(_paired_differences(results, baseline, metric)),
                    strict=True,
                )
            )
            for metric in ("all faces", target_class)
        }
        for baseline in ("augmented", "oversampled")
    }
    return {"conclusion": _format_conclusion(differences, target_class), "rows": rows, "differences": differences}


def _get_metric(result: Mapping[str, Any], metric: str) -> float:
    return float(result["accuracy"] if metric == "all faces" else result["recall"][metric])


def _paired_differences(results: Sequence[Mapping[str, Any]], baseline: str, metric: str) -> list[float]:
    values = {(result["condition"], result["seed"]): _get_metric(result, metric) for result in results}
    return [values["synthetic", seed] - values[baseline, seed] for condition, seed in values if condition == baseline]


def confidence_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean, and the ends of its 95 % interval."""
    mean, n = float(np.mean(values)), len(values)
    reach = float(student.ppf(0.975, n - 1)) * float(np.std(values, ddof=1)) / math.sqrt(n)
    return mean, mean - reach, mean + reach


def _format_conclusion(differences: Mapping[str, Mapping[str, Mapping[str, float]]], target_class: str) -> str:
    """The honest one, whichever it is."""
    augmented, oversampled = differences["augmented"], differences["oversampled"]

    def points(part: Mapping[str, float]) -> str:
        mean, low, high = (100 * part[name] for name in ("mean", "low", "high"))
        return f"{mean:+.1f} points ({low:+.1f} to {high:+.1f})"

    def verdict(part: Mapping[str, float]) -> str:
        if part["low"] > 0:
            return "help"
        return "harm" if part["high"] < 0 else "make no difference that can be told from chance"

    return (
        f"To find {target_class}, synthetic faces {verdict(augmented[target_class])}, compared with real faces alone: "
        f"{points(augmented[target_class])}; compared with the same real ones repeated as often, they "
        f"{verdict(oversampled[target_class])}: {points(oversampled[target_class])}. "
        f"Over all faces they {verdict(augmented['all faces'])}: {points(augmented['all faces'])}."
    )
