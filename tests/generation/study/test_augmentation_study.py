"""Augmentation study: conditions, held-out faces, resuming, intervals and the conclusion."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from emotion.cli.main import main
from emotion.datasets.dataset import Dataset
from emotion.datasets.label_sets import TaskDataset
from emotion.errors import DataError, EmotionError
from emotion.generation.sampler import Sampler
from emotion.generation.study import augmentation_study
from emotion.generation.study.augmentation_study import (
    StudyConfig,
    run_augmentation_study,
)
from emotion.generation.study.summary import confidence_interval, summarize_runs
from emotion.generation.study.wording import CONDITIONS
from emotion.model_store.store import ModelBundle, open_model
from emotion.recognition.classification import ExpressionClassifier
from emotion.training.classifier.config import TrainingPlan
from emotion.training.runs.run_context import RunContext
from tests.training.making import RecordingReporter

LABELS = ("disgust", "happy", "sad")


@pytest.fixture
def data() -> Dataset:
    """Noise: 44 training faces, four of them disgust, and 20 held-out ones, of which one copies a training face."""
    rng = np.random.default_rng(0)
    labels = np.array([0] * 4 + [1, 2] * 20 + [0, 1] * 10, np.int8)
    images = rng.integers(0, 255, (len(labels), 48, 48)).astype(np.uint8)
    images[-1] = images[4]
    split = np.array([0] * 44 + [1] * 10 + [2] * 10, np.int8)
    return Dataset(images, labels, split, LABELS, source="noise")


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Dataset, Dataset, str, int]]:
    """Arguments of the trainings, which are replaced by fixed results."""
    calls: list[tuple[Dataset, Dataset, str, int]] = []

    def record(
        data: Dataset, held_out: Dataset, condition: str, seed: int, config: StudyConfig, reporter: object
    ) -> dict[str, Any]:
        calls.append((data, held_out, condition, seed))
        share = 0.5 + 0.01 * seed + (0.1 if condition == "synthetic" else 0)
        return {"condition": condition, "seed": seed, "accuracy": share, "recall": {"disgust": share, "happy": 0.9}}

    monkeypatch.setattr(augmentation_study, "_train_and_measure", record)
    return calls


def run_study(
    sampler: Sampler, classifier_bundle: ModelBundle, data: Dataset, folder: Path, **changes: Any
) -> dict[str, Any]:
    config = StudyConfig(**{"min_prob": 0.0, "num_seeds": 2, "epochs": 1} | changes)
    classifier = ExpressionClassifier(classifier_bundle, num_threads=1)
    return dict(run_augmentation_study(sampler, classifier, data, config, folder, RecordingReporter()))


def test_every_condition_trains_on_as_many_faces_and_on_its_own_extra_ones(
    sampler: Sampler, classifier_bundle: ModelBundle, data: Dataset, trainings: list, tmp_path: Path
) -> None:
    result = run_study(sampler, classifier_bundle, data, tmp_path / "out")
    expected = [(condition, seed) for seed in range(2) for condition in CONDITIONS]
    assert [(condition, seed) for _, _, condition, seed in trainings] == expected
    assert {len(train_data.rows_in("train")) for train_data, *_ in trainings} == {42 + 12}
    assert {len(train_data.rows_in("validation")) for train_data, *_ in trainings} == {2}
    real = {image.tobytes() for image in data.images[:44]}
    for train_data, held_out, condition, _ in trainings:
        rows = train_data.rows_in("train")
        synthetic_rows = [i for i in rows if train_data.images[i].tobytes() not in real]
        assert len(synthetic_rows) == (12 if condition == "synthetic" else 0)
        assert all(train_data.labels[i] == 0 for i in synthetic_rows)
        assert len(held_out) == 19, "the copy of a training face is left out"
        assert not {image.tobytes() for image in held_out.images} & real
        num_target = int((train_data.labels[rows] == 0).sum())
        assert num_target >= 12 if condition in ("oversampled", "synthetic") else num_target < 12
    assert result["differences"]["augmented"]["all faces"]["mean"] == pytest.approx(0.1)
    assert result["filter_is_guidance_relative"] is False
    assert json.loads((tmp_path / "out" / "augmentation_study.json").read_text()) == result


def test_a_study_resumes_only_with_the_same_config(
    sampler: Sampler, classifier_bundle: ModelBundle, data: Dataset, trainings: list, tmp_path: Path
) -> None:
    first = run_study(sampler, classifier_bundle, data, tmp_path)
    (tmp_path / "real-1.json").unlink()
    trainings.clear()
    assert run_study(sampler, classifier_bundle, data, tmp_path) == first
    assert [(condition, seed) for _, _, condition, seed in trainings] == [("real", 1)]
    trainings.clear()
    run_study(sampler, classifier_bundle, data, tmp_path, epochs=2)
    assert len(trainings) == 8


@pytest.mark.parametrize(
    "changes", [{"num_seeds": 1}, {"epochs": 0}, {"synthetic_ratio": 0}, {"synthetic_ratio": float("nan")}]
)
def test_an_invalid_config_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(EmotionError, match="one alone has no interval"):
        StudyConfig(**changes)


def test_too_few_real_or_accepted_faces_are_refused(
    sampler: Sampler, classifier_bundle: ModelBundle, data: Dataset, trainings: list, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="no training faces of fear"):
        run_study(sampler, classifier_bundle, data, tmp_path / "out", target_class="fear")
    with pytest.raises(DataError, match="no validation or test faces of sad"):
        run_study(sampler, classifier_bundle, data, tmp_path / "out", target_class="sad")
    with pytest.raises(EmotionError, match="Only 0 of 240 synthetic faces pass as disgust, and 12 are needed"):
        run_study(sampler, classifier_bundle, data, tmp_path / "out", min_prob=1.0)
    assert not (tmp_path / "out").exists()


def test_the_confidence_interval_is_that_of_students_t_distribution() -> None:
    values = [0.4, 0.5, 0.7]
    assert confidence_interval(values)[1:] == pytest.approx(
        stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values))
    )


def make_runs(recall_gains: Sequence[float], accuracy_gain: float = 0.0) -> list[dict[str, Any]]:
    return [
        {
            "condition": condition,
            "seed": seed,
            "accuracy": 0.6 + 0.01 * seed + (accuracy_gain if condition == "synthetic" else 0),
            "recall": {"disgust": 0.3 + 0.02 * seed + (gain if condition == "synthetic" else 0)},
        }
        for seed, gain in enumerate(recall_gains)
        for condition in CONDITIONS
    ]


@pytest.mark.parametrize(
    ("recall_gains", "accuracy_gain", "parts"),
    [
        (
            (0.1, 0.11, 0.12),
            0.0,
            [
                "To find disgust, synthetic faces help, compared with real faces alone: +11.0 points (+8.5 to +13.5)",
                "Over all faces they make no difference",
            ],
        ),
        ((0.1, -0.1, 0.05), 0.0, ["make no difference that can be told from chance, compared", "often, they make no"]),
        ((-0.1, -0.11, -0.12), -0.02, ["faces harm, compared", "often, they harm: -11.0", "faces they harm: -2.0"]),
    ],
)
def test_the_conclusion_follows_the_intervals(
    recall_gains: Sequence[float], accuracy_gain: float, parts: list[str]
) -> None:
    summary = summarize_runs(make_runs(recall_gains, accuracy_gain), "disgust")
    assert all(part in summary["conclusion"] for part in parts), summary["conclusion"]
    assert {row["metric"] for row in summary["rows"]} == {"all faces", "disgust"}
    assert [row["condition"] for row in summary["rows"][:4]] == list(CONDITIONS.values())


@pytest.mark.slow
def test_small_networks_are_trained_and_measured(
    sampler: Sampler, classifier_bundle: ModelBundle, data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All conditions are trained with the first seed; the networks of the second one are the same."""
    from emotion.training.classifier import zoo_trainer

    train, networks = zoo_trainer.fit_zoo_classifier, list[Any]()

    def fit(task: TaskDataset, plan: TrainingPlan, run: RunContext) -> Any:
        networks.append(networks[-len(CONDITIONS)] if plan.seed else train(task, plan, run))
        return networks[-1]

    monkeypatch.setattr(zoo_trainer, "fit_zoo_classifier", fit)
    result = run_study(sampler, classifier_bundle, data, tmp_path)
    assert len(networks) == 2 * len(CONDITIONS)
    names = [f"{condition}-{seed}.json" for seed in range(2) for condition in CONDITIONS]
    runs = [json.loads((tmp_path / name).read_text())["run"] for name in names]
    assert all(set(run["recall"]) == {"disgust", "happy"} for run in runs), "no held-out face is sad"
    assert all(0 <= run["accuracy"] <= 1 for run in runs)
    assert (result["num_held_out"], result["num_synthetic"]) == (19, 12)


def test_the_command_writes_the_result_beside_the_generator(
    generator_folder: Path,
    classifier_bundle: ModelBundle,
    trainings: list,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = Path(shutil.copytree(generator_folder, tmp_path / "waves"))
    images = np.random.default_rng(0).integers(0, 255, (40, 48, 48)).astype(np.uint8)
    np.savez(tmp_path / "n.npz", images=images, label=np.arange(40) % 2, usage=np.arange(40) // 14)
    arguments = [
        "generator",
        "study",
        str(folder),
        "--data",
        str(tmp_path / "n.npz"),
        "--filter-classifier",
        str(classifier_bundle.folder),
    ]
    arguments += ["--seeds", "2", "--out", str(tmp_path / "out")]
    assert main(arguments) == 1
    assert "pass as disgust" in capsys.readouterr().err, "no face reaches the default probability"
    assert main([*arguments, "--ratio", "0.1", "--min-prob", "0", "--save"]) == 0
    assert capsys.readouterr().out.startswith("To find disgust, synthetic faces ")
    assert (folder / "augmentation_study.json").read_bytes() == (
        tmp_path / "out" / "augmentation_study.json"
    ).read_bytes()
    assert "augmentation_study.json" in open_model(folder).card_fields["files"], "it belongs to the generator's files"
