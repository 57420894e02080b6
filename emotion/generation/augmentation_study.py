"""Do synthetic faces help a recogniser to learn? Small networks that learn in different ways, several seeds each."""

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

from emotion.datasets.augmentation import NONE
from emotion.datasets.dataset import Dataset, not_faces
from emotion.datasets.duplicates import seen_in_training
from emotion.datasets.label_sets import apply, label_set
from emotion.errors import DataError, EmotionError
from emotion.generation.filtering import accepted, taught_by
from emotion.generation.sampler import Sampler
from emotion.recognition.classification import Recogniser
from emotion.storage import read_json, write_json
from emotion.training.classifier.config import LessonPlan
from emotion.training.classifier.zoo import card_of
from emotion.training.runs.folder import BENEFIT
from emotion.training.runs.step_monitor import Watch

WAYS: Final = {
    "plain": "real faces as they are",
    "changed": "real faces, mirrored, shifted and turned",
    "repeated": "the same, the rare ones repeated",
    "synthetic": "the same, with synthetic rare ones",
}
_FIRST_SEED: Final = 4_000_000  # far from the seeds that are measured elsewhere
_NETWORK: Final = "cnn-4conv"
_LABELS: Final = "own"
_CHANGES: Final = replace(NONE, shift=0.1, rotation=12.0, least_scale=0.9, most_scale=1.1)


@dataclass(frozen=True)
class Question:
    """What is tried: `times` as many extra faces of the `rare` expression as there are real ones, or faces drawn at
    random from all real ones where a way has no extra ones, so that every way learns the same number of steps."""

    rare: str = "disgust"
    times: float = 3.0
    least: float = 0.7  # probability of the rare expression, by the recogniser that filters
    epochs: int = 12
    seeds: int = 5

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.seeds < 2 or not self.times > 0:
            raise EmotionError(
                f"{self.seeds} seeds of {self.epochs} epochs with {self.times} times as many faces were asked for; "
                "expected 2 or more seeds, for one alone has no interval, 1 or more epochs, and more than 0 times."
            )


def measure_benefit(
    sampler: Sampler, recogniser: Recogniser, data: Dataset, question: Question, folder: Path,
    tell: Callable[[int, int, str], None] = lambda done, of, text: None,
    stopping: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:  # fmt: skip
    """The answer as plain values, also in `folder`/benefit.json: `sentence`, `rows` (`measure`, `way`, `mean`, `low`,
    `high`), `differences` of the synthetic way to the two before it.

    Every network is chosen on a twentieth of the training rows and measured on both other splits together, which
    nothing else looks at. What is measured stands in `folder`, so that the same call goes on after a stop. Raises
    `watching.Stopped` then, and `DataError` where the data has not what it takes.
    """
    faces = data.take(np.flatnonzero(~not_faces(data)))
    real, held = faces.take(faces.rows("training")), _held_out(faces)
    if question.rare not in real.label_names or not (real.labels == real.label_names.index(question.rare)).any():
        raise DataError(f"{data.source} has no training faces of {question.rare}; ask for one of its expressions.")
    rare = real.label_names.index(question.rare)
    count = round(question.times * int((real.labels == rare).sum()))
    passed = accepted(sampler, recogniser, question.rare, count, least=question.least, first_seed=_FIRST_SEED)
    if len(passed.seeds) < count:
        raise EmotionError(
            f"Only {len(passed.seeds)} of {passed.tried} synthetic faces pass as {question.rare}; {count} are needed."
        )
    folder.mkdir(parents=True, exist_ok=True)
    asked = {
        "question": dict(vars(question)), "rows": len(data), "source": data.source,
        "generator": sampler.bundle.sha256, "filter": recogniser.bundle.sha256,
    }  # fmt: skip
    results: list[dict[str, Any]] = []
    for seed in range(question.seeds):
        for way in WAYS:
            tell(len(results), question.seeds * len(WAYS), f"seed {seed + 1} of {question.seeds}: {WAYS[way]}")
            path = folder / f"{way}-{seed}.json"
            kept = read_json(path)
            if kept is None or kept.get("asked") != asked:
                lesson = _with_extra(real, rare, passed.faces, way, seed)
                learned = _learned(lesson, held, way, seed, question, stopping)
                kept = {"asked": asked, "way": way, "seed": seed, **learned}
                write_json(path, kept)
            results.append(kept)
    answer = {
        "question": asked["question"], "network": _NETWORK, "held_out": len(held), "synthetic": len(passed.seeds),
        "tried": passed.tried, "generator": sampler.bundle.name, "filter": recogniser.bundle.name,
        "filter_taught": taught_by(sampler.bundle, recogniser.bundle), **summary(results, question.rare),
    }  # fmt: skip
    write_json(folder / BENEFIT, answer)
    return answer


def _held_out(faces: Dataset) -> Dataset:
    """Both splits that nobody learns from, without those whose very pixels are in training."""
    fresh = ~seen_in_training(faces)
    rows = np.concatenate([faces.rows("public"), faces.rows("private")])
    return faces.take(rows[fresh[rows]])


def _with_extra(real: Dataset, rare: int, synthetic: NDArray[np.uint8], way: str, seed: int) -> Dataset:
    """The training rows, a twentieth of them as the public split that chooses the epoch, and the extra faces."""
    rng = np.random.default_rng((seed, 77))
    order = rng.permutation(len(real))
    chosen, learned = order[: len(order) // 20], order[len(order) // 20 :]
    among = learned[real.labels[learned] == rare] if way == "repeated" else learned
    more = rng.choice(among, len(synthetic))
    images, labels = real.images[more], real.labels[more]
    if way == "synthetic":
        images, labels = synthetic, np.full(len(synthetic), rare, np.int8)
    split = np.zeros(len(learned) + len(images), np.int8)
    return Dataset(
        np.concatenate([real.images[learned], images, real.images[chosen]]),
        np.concatenate([real.labels[learned], labels, real.labels[chosen]]),
        np.concatenate([split, np.ones(len(chosen), np.int8)]), real.label_names, source=real.source,
    )  # fmt: skip


def _learned(
    data: Dataset, held: Dataset, way: str, seed: int, question: Question, stopping: Callable[[], bool]
) -> dict[str, Any]:
    """Train one small network and measure it: `accuracy` and `recall` by expression."""
    # Keras takes three seconds and 600 MB: only a process that trains loads it.
    from emotion.training.classifier.zoo_trainer import faces_of, train_network

    changed = way != "plain"
    plan = replace(
        LessonPlan.defaults(_NETWORK), labels=_LABELS, epochs=question.epochs, patience=0,
        batch=min(64, len(data.rows("training"))), seed=seed, flip=changed,
        augmentation=_CHANGES if changed else NONE,
    )  # fmt: skip
    lesson = apply(data, label_set(_LABELS))
    with tempfile.TemporaryDirectory() as scratch:
        network = train_network(lesson, plan, Path(scratch), Watch(Path(scratch), stopping))
    size = card_of(_NETWORK).size
    parts: list[Any] = [
        network.predict_on_batch(faces_of(held.images[i : i + 512], size)) for i in range(0, len(held), 512)
    ]
    right = np.concatenate([np.asarray(part[_LABELS]).argmax(1) for part in parts]) == held.labels
    places = {name: held.labels == i for i, name in enumerate(held.label_names)}
    recall = {name: float(right[rows].mean()) for name, rows in places.items() if rows.any()}
    return {"accuracy": float(right.mean()), "recall": recall}


def summary(results: Sequence[Mapping[str, Any]], rare: str) -> dict[str, Any]:
    """Means and 95 % intervals (Student's t over the seeds) of what `measure_benefit` measured, the differences of the
    same seeds, and what they mean in a sentence."""
    labels = list(results[0]["recall"])
    rows = []
    for measure in ("all faces", *labels):
        for way, words in WAYS.items():
            mean, low, high = interval([_value(one, measure) for one in results if one["way"] == way])
            rows.append({"measure": measure, "way": words, "mean": mean, "low": max(0.0, low), "high": min(1.0, high)})
    differences: dict[str, dict[str, dict[str, float]]] = {
        other: {
            measure: dict(zip(("mean", "low", "high"), interval(_apart(results, other, measure)), strict=True))
            for measure in ("all faces", rare)
        }
        for other in ("changed", "repeated")
    }
    return {"sentence": _sentence(differences, rare), "rows": rows, "differences": differences}


def _value(result: Mapping[str, Any], measure: str) -> float:
    return float(result["accuracy"] if measure == "all faces" else result["recall"][measure])


def _apart(results: Sequence[Mapping[str, Any]], other: str, measure: str) -> list[float]:
    values = {(one["way"], one["seed"]): _value(one, measure) for one in results}
    return [values["synthetic", seed] - values[other, seed] for way, seed in values if way == other]


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean, and the ends of its 95 % interval."""
    mean, n = float(np.mean(values)), len(values)
    reach = float(student.ppf(0.975, n - 1)) * float(np.std(values, ddof=1)) / math.sqrt(n)
    return mean, mean - reach, mean + reach


def _sentence(differences: Mapping[str, Mapping[str, Mapping[str, float]]], rare: str) -> str:
    """The honest one, whichever it is."""
    changed, repeated = differences["changed"], differences["repeated"]

    def points(part: Mapping[str, float]) -> str:
        mean, low, high = (100 * part[name] for name in ("mean", "low", "high"))
        return f"{mean:+.1f} points ({low:+.1f} to {high:+.1f})"

    def verdict(part: Mapping[str, float]) -> str:
        if part["low"] > 0:
            return "help"
        return "harm" if part["high"] < 0 else "make no difference that can be told from chance"

    return (
        f"To find {rare}, synthetic faces {verdict(changed[rare])}, compared with real faces alone: "
        f"{points(changed[rare])}; compared with the same real ones repeated as often, they "
        f"{verdict(repeated[rare])}: {points(repeated[rare])}. "
        f"Over all faces they {verdict(changed['all faces'])}: {points(changed['all faces'])}."
    )
