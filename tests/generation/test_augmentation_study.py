"""Whether synthetic faces help: what is compared, what is held out, and the sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from emotion.cli.main import main
from emotion.datasets.dataset import Dataset
from emotion.errors import DataError, EmotionError
from emotion.generation import augmentation_study
from emotion.generation.augmentation_study import (
    CONDITIONS,
    StudyConfig,
    confidence_interval,
    run_augmentation_study,
    summarize_results,
)
from emotion.generation.sampler import Sampler
from emotion.model_store.store import ModelBundle, open_model
from emotion.recognition.classification import ExpressionClassifier

NAMES = ("disgust", "happy", "sad")


@pytest.fixture
def data() -> Dataset:
    """Noise: 20 of each expression to learn from, of disgust only four; ten and ten held out, one of them a copy."""
    rng = np.random.default_rng(0)
    labels = np.array([0] * 4 + [1, 2] * 20 + [0, 1] * 10, np.int8)
    images = rng.integers(0, 255, (len(labels), 48, 48)).astype(np.uint8)
    images[-1] = images[4]
    split = np.array([0] * 44 + [1] * 10 + [2] * 10, np.int8)
    return Dataset(images, labels, split, NAMES, source="noise")


@pytest.fixture
def learned(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Dataset, Dataset, str, int]]:
    """What was learned from, instead of learning."""
    calls: list[tuple[Dataset, Dataset, str, int]] = []

    def fake(
        data: Dataset, held_out: Dataset, condition: str, seed: int, config: StudyConfig, should_stop: Callable
    ) -> dict[str, Any]:
        calls.append((data, held_out, condition, seed))
        share = 0.5 + 0.01 * seed + (0.1 if condition == "synthetic" else 0)
        return {"accuracy": share, "recall": {"disgust": share, "happy": 0.9}}

    monkeypatch.setattr(augmentation_study, "_train_and_measure", fake)
    return calls


def ask(sampler: Sampler, judge_bundle: ModelBundle, data: Dataset, folder: Path, **changes: Any) -> dict[str, Any]:
    config = StudyConfig(**{"min_prob": 0.0, "num_seeds": 2, "epochs": 1} | changes)
    return run_augmentation_study(sampler, ExpressionClassifier(judge_bundle, num_threads=1), data, config, folder)


def test_every_way_has_as_many_faces_and_its_own_ones(
    sampler: Sampler, judge_bundle: ModelBundle, data: Dataset, learned: list, tmp_path: Path
) -> None:
    answer = ask(sampler, judge_bundle, data, tmp_path / "out")
    expected = [(condition, seed) for seed in range(2) for condition in CONDITIONS]
    assert [(condition, seed) for _, _, condition, seed in learned] == expected
    assert {len(one.rows_in("train")) for one, *_ in learned} == {42 + 12}
    assert {len(one.rows_in("validation")) for one, *_ in learned} == {2}
    real = {image.tobytes() for image in data.images[:44]}
    for one, held, condition, _ in learned:
        images = [one.images[i].tobytes() for i in one.rows_in("train")]
        strange = [i for i, image in zip(one.rows_in("train"), images, strict=True) if image not in real]
        assert len(strange) == (12 if condition == "synthetic" else 0)
        assert all(one.labels[i] == 0 for i in strange)
        assert len(held) == 19, "a copy of a training face is held out of the measure"
        assert not {image.tobytes() for image in held.images} & real
        rare = int((one.labels[one.rows_in("train")] == 0).sum())
        assert rare >= 12 if condition in ("oversampled", "synthetic") else rare < 12
    assert answer["differences"]["augmented"]["all faces"]["mean"] == pytest.approx(0.1)
    assert answer["filter_is_guidance_relative"] is False
    assert json.loads((tmp_path / "out" / "augmentation_study.json").read_text()) == answer


def test_it_goes_on_where_it_stopped_and_not_with_other_questions(
    sampler: Sampler, judge_bundle: ModelBundle, data: Dataset, learned: list, tmp_path: Path
) -> None:
    first = ask(sampler, judge_bundle, data, tmp_path)
    (tmp_path / "real-1.json").unlink()
    learned.clear()
    assert ask(sampler, judge_bundle, data, tmp_path) == first
    assert [(condition, seed) for _, _, condition, seed in learned] == [("real", 1)]
    learned.clear()
    ask(sampler, judge_bundle, data, tmp_path, epochs=2)
    assert len(learned) == 8


@pytest.mark.parametrize(
    "changes", [{"num_seeds": 1}, {"epochs": 0}, {"synthetic_ratio": 0}, {"synthetic_ratio": float("nan")}]
)
def test_questions_without_an_answer(changes: dict[str, Any]) -> None:
    with pytest.raises(EmotionError, match="one alone has no interval"):
        StudyConfig(**changes)


def test_what_cannot_be_asked_of_the_data(
    sampler: Sampler, judge_bundle: ModelBundle, data: Dataset, learned: list, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="no training faces of fear"):
        ask(sampler, judge_bundle, data, tmp_path / "out", target_class="fear")
    with pytest.raises(EmotionError, match="Only 0 of 240 synthetic faces pass as disgust; 12 are needed"):
        ask(sampler, judge_bundle, data, tmp_path / "out", min_prob=1.0)
    assert not (tmp_path / "out").exists()


def test_the_interval_is_students() -> None:
    values = [0.4, 0.5, 0.7]
    assert confidence_interval(values)[1:] == pytest.approx(
        stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values))
    )


def results(gain: Sequence[float], loss: float = 0.0) -> list[dict[str, Any]]:
    return [
        {
            "condition": condition,
            "seed": seed,
            "accuracy": 0.6 + 0.01 * seed + (loss if condition == "synthetic" else 0),
            "recall": {"disgust": 0.3 + 0.02 * seed + (more if condition == "synthetic" else 0)},
        }
        for seed, more in enumerate(gain)
        for condition in CONDITIONS
    ]


@pytest.mark.parametrize(
    ("gain", "loss", "words"),
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
def test_the_honest_sentence(gain: Sequence[float], loss: float, words: list[str]) -> None:
    told = summarize_results(results(gain, loss), "disgust")
    assert all(word in told["conclusion"] for word in words), told["conclusion"]
    assert {row["metric"] for row in told["rows"]} == {"all faces", "disgust"}
    assert [row["condition"] for row in told["rows"][:4]] == list(CONDITIONS.values())


@pytest.mark.slow
def test_small_networks_learn(sampler: Sampler, judge_bundle: ModelBundle, data: Dataset, tmp_path: Path) -> None:
    answer = ask(sampler, judge_bundle, data, tmp_path)
    names = [f"{condition}-{seed}.json" for seed in range(2) for condition in CONDITIONS]
    told = [json.loads((tmp_path / name).read_text()) for name in names]
    assert all(set(one["recall"]) == {"disgust", "happy"} for one in told), "nobody held out is sad"
    assert all(0 <= one["accuracy"] <= 1 for one in told)
    assert (answer["num_held_out"], answer["num_synthetic"]) == (19, 12)


def test_by_the_command_line(
    made: Path, judge_bundle: ModelBundle, learned: list, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(made, tmp_path / "waves"))
    images = np.random.default_rng(0).integers(0, 255, (40, 48, 48)).astype(np.uint8)
    np.savez(tmp_path / "n.npz", images=images, label=np.arange(40) % 2, usage=np.arange(40) // 14)
    arguments = ["gan-benefit", str(folder), "--data", str(tmp_path / "n.npz"), "--filter", str(judge_bundle.folder)]
    arguments += ["--seeds", "2", "--out", str(tmp_path / "out")]
    assert main(arguments) == 1
    assert "pass as disgust" in capsys.readouterr().err, "with the usual certainty not one of them does"
    assert main([*arguments, "--times", "0.1", "--least", "0", "--keep"]) == 0
    assert capsys.readouterr().out.startswith("To find disgust, synthetic faces ")
    assert (folder / "augmentation_study.json").read_bytes() == (
        tmp_path / "out" / "augmentation_study.json"
    ).read_bytes()
    assert "augmentation_study.json" in open_model(folder).card_fields["files"], "it goes along with the generator"
