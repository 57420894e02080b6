"""What is reported of a generator, on generators whose faults are known."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotion.cli.main import main
from emotion.datasets.dataset import Dataset
from emotion.errors import DataError, EmotionError, ModelError
from emotion.generation import evaluation
from emotion.generation.evaluation import evaluate_generator, save_evaluation
from emotion.generation.metrics import FeatureExtractor, frechet_distance
from emotion.generation.sampler import Sampler
from emotion.model_store.store import ModelBundle, open_model
from emotion.storage import read_json
from tests.generation.making import write_generator
from tests.training.making import dataset, write_fer2013, write_ferplus

Change = Callable[[dict[str, Any]], object]
WANTED = {
    "class_consistency",
    "class_consistency_per_class",
    "frechet",
    "frechet_floor",
    "precision",
    "recall",
    "nearest_ratio",
}


@pytest.fixture(scope="module")
def data() -> Dataset:
    return dataset(140, 84, 77, votes=False)


@pytest.fixture(scope="module")
def result(made: Path, data: Dataset, judge_bundle: ModelBundle) -> dict[str, Any]:
    return evaluate_generator(open_model(made), data, judge_bundle, num_per_class=20)


def test_everything_that_was_promised_is_there(
    result: dict[str, Any], data: Dataset, judge_bundle: ModelBundle
) -> None:
    assert result.keys() >= WANTED
    assert json.loads(json.dumps(result)) == json.loads(json.dumps(result, allow_nan=False))
    assert (result["split"], result["num_faces"], result["truncation"], result["feature_classifier"]) == (
        "validation",
        84,
        0.75,
        "judge",
    )
    assert list(result["class_consistency_per_class"]) == list(data.label_names)
    assert result["class_consistency"] == pytest.approx(np.mean(list(result["class_consistency_per_class"].values())))
    low, high = result["class_consistency_interval"]
    assert low <= result["class_consistency"] <= high
    assert result["frechet_ratio"] == pytest.approx(result["frechet"] / result["frechet_floor"])
    assert result["nearest_ratio"] == pytest.approx(result["nearest_distance"] / result["nearest_distance_held_out"])
    assert not {"trained_on_synthetic", "trained_on_real"} & result.keys()


def test_real_faces_are_the_measure(result: dict[str, Any], data: Dataset, judge_bundle: ModelBundle) -> None:
    judge = FeatureExtractor(judge_bundle, data.label_names)
    validation, test = (judge.extract(data.images[data.rows_in(name)]) for name in ("validation", "test"))
    labels = data.labels[data.rows_in("validation")]
    assert result["frechet_floor"] == pytest.approx(frechet_distance(test.features, validation.features))
    recalls = [(validation.predictions[labels == i] == i).mean() for i in range(7)]
    assert result["real_class_consistency"] == pytest.approx(np.mean(recalls))
    assert result["frechet"] > 5 * result["frechet_floor"]  # waves are no stripes
    assert result["frechet_untrained"] > 5 * result["frechet_untrained_floor"]


def test_the_same_again(result: dict[str, Any], made: Path, data: Dataset, judge_bundle: ModelBundle) -> None:
    assert evaluate_generator(open_model(made), data, judge_bundle, num_per_class=20) == result


class Copier(Sampler):
    """Draws real faces of the split that it is given, a little noisy."""

    source: Dataset

    def generate(self, latents: Any, weights: Any) -> Any:
        labels = np.argmax(weights, axis=1)
        rng = np.random.default_rng(0)
        images = np.empty((len(labels), 48, 48), np.uint8)
        for label in np.unique(labels):
            rows = np.flatnonzero(self.source.labels == label)
            images[labels == label] = self.source.images[rng.permutation(np.resize(rows, (labels == label).sum()))]
        return np.clip(images + rng.normal(0, 3, images.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("split", "learned_by_heart"), [("train", True), ("test", False)])
def test_a_generator_that_repeats_training_faces_is_found_out(
    made: Path,
    data: Dataset,
    judge_bundle: ModelBundle,
    monkeypatch: pytest.MonkeyPatch,
    split: str,
    learned_by_heart: bool,
) -> None:
    monkeypatch.setattr(Copier, "source", data.take(data.rows_in(split)), raising=False)
    monkeypatch.setattr(evaluation, "Sampler", Copier)
    result = evaluate_generator(open_model(made), data, judge_bundle, num_per_class=20)
    assert (result["nearest_ratio"] < 0.5) == learned_by_heart
    assert result["frechet"] < 3 * result["frechet_floor"]
    assert result["precision"] > 0.6
    assert result["recall"] > 0.6
    assert result["collapsed"] == []
    # The judge decides at random here, but of copies as of what they are copies of.
    assert result["class_consistency"] == pytest.approx(result["real_class_consistency"], abs=0.15)


def test_a_collapse_is_called_one(made: Path, data: Dataset, judge_bundle: ModelBundle) -> None:
    result = evaluate_generator(open_model(made), data, judge_bundle, num_per_class=2, truncation=0.0)
    assert result["truncation"] == 0
    assert result["collapsed"] == list(data.label_names)
    assert all(ratio == pytest.approx(0, abs=1e-4) for ratio in result["diversity_per_class"].values())
    assert result["recall"] < 0.1


@pytest.mark.parametrize(
    ("change", "taught"),
    [
        (lambda card, sha: card.update(guidance_classifier={"sha256": sha, "weight": 0.2}), True),
        (lambda card, sha: card.update(guidance_classifier={"sha256": sha, "weight": 0.0}), False),
        (lambda card, sha: card.update(guidance_classifier={"sha256": "0" * 64, "weight": 0.2}), False),
        (lambda card, sha: None, False),
    ],
    ids=["its teacher", "only chose", "another", "unknown"],
)
def test_it_is_said_whether_the_judge_has_taught(
    data: Dataset, judge_bundle: ModelBundle, tmp_path: Path, change: Callable[[dict, str], object], taught: bool
) -> None:
    folder = write_generator(tmp_path / "made", lambda card: change(card, judge_bundle.sha256))
    assert evaluate_generator(open_model(folder), data, judge_bundle, num_per_class=1)["is_guidance_relative"] is taught


@pytest.mark.parametrize("relation", ["derived_from", "teachers"])
def test_what_was_made_of_the_teacher_or_learned_from_it_is_no_stranger(
    data: Dataset, make_bundle: Callable[..., Path], tmp_path: Path, relation: str
) -> None:
    teacher = "7" * 64
    folder = write_generator(
        tmp_path / "made", lambda card: card.update(guidance_classifier={"sha256": teacher, "weight": 0.2})
    )
    judge = open_model(make_bundle(tmp_path / "judge", lambda card: card.update({relation: ["5" * 64, teacher]})))
    assert evaluate_generator(open_model(folder), data, judge, num_per_class=1)["is_guidance_relative"]


def test_blank_pictures_and_known_ones_do_not_count(made: Path, data: Dataset, judge_bundle: ModelBundle) -> None:
    images = data.images.copy()
    images[data.rows_in("validation")[:10]] = 90
    images[data.rows_in("test")[:5]] = 200
    images[data.rows_in("validation")[10:60]] = images[data.rows_in("train")[:50]]
    spoilt = replace(data, images=images)
    result = evaluate_generator(open_model(made), spoilt, judge_bundle, "test", num_per_class=2)
    assert (result["split"], result["num_faces"]) == ("test", 72)
    validation = evaluate_generator(open_model(made), spoilt, judge_bundle, num_per_class=2)
    assert validation["num_faces"] == 74
    # Most of them are in Training, at the distance 0.
    assert validation["nearest_distance_held_out"] > 0.1


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda d: replace(d, label_names=(*d.label_names[:6], "contempt")), r"labels angry, .*contempt, the gen"),
        (lambda d: d.take(d.rows_in("train")), "140 training, 0 validation and 0 other held-out faces; at least 8"),
        (lambda d: d.take(np.concatenate([d.rows_in("train"), d.rows_in("validation")])), "84 validation and 0 other"),
        (lambda d: d.take(np.concatenate([d.rows_in("validation"), d.rows_in("test")])), "0 training, 84 validation"),
    ],
    ids=["labels", "training only", "no test", "no training"],
)
def test_data_that_does_not_do_is_refused(
    made: Path, data: Dataset, judge_bundle: ModelBundle, spoil: Callable[[Dataset], Dataset], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        evaluate_generator(open_model(made), spoil(data), judge_bundle)


def test_wrong_questions_are_refused(made: Path, data: Dataset, judge_bundle: ModelBundle) -> None:
    with pytest.raises(EmotionError, match="0 faces of each expression"):
        evaluate_generator(open_model(made), data, judge_bundle, num_per_class=0)
    with pytest.raises(ModelError, match="is a classifier; faces are drawn by a generator"):
        evaluate_generator(judge_bundle, data, judge_bundle)


# --- keeping -----------------------------------------------------------------------------------------------


def test_the_card_keeps_what_was_measured(made: Path, result: dict[str, Any], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made, tmp_path / "made"))
    (folder / "report.json").write_text('{"epochs": 3}')
    measured = result | {"truncation": 0.5}
    bundle = save_evaluation(folder, measured)
    assert bundle.card_fields["metrics"]["evaluation"] == json.loads(json.dumps(measured))
    assert read_json(folder / "report.json") == {"epochs": 3, "evaluation": json.loads(json.dumps(measured))}
    assert Sampler(bundle).truncation == 0.5
    assert open_model(folder).card_fields["files"].keys() == {"model.onnx", "report.json"}


def test_only_a_generator_can_keep_it(
    judge_bundle: ModelBundle, made: Path, tmp_path: Path, result: dict[str, Any]
) -> None:
    with pytest.raises(ModelError, match="only a generator can keep this"):
        save_evaluation(judge_bundle.folder, result)
    folder = Path(shutil.copytree(made, tmp_path / "made"))
    before = (folder / "card.json").read_bytes()
    with pytest.raises(ModelError, match="is 7; expected a number of at most 1"):
        save_evaluation(folder, result | {"truncation": 7})
    assert (folder / "card.json").read_bytes() == before
    assert not (folder / "report.json").exists()


# --- the command -------------------------------------------------------------------------------------------


def test_the_command(made: Path, judge_bundle: ModelBundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = dataset(60, 40, 40)
    assert source.votes is not None
    source.votes[source.rows_in("test")[:4]] = [0] * 9 + [10]
    others = (source.votes[source.rows_in("test")[4:], 9] > 5).sum()
    data, votes = write_fer2013(tmp_path / "fer2013.csv", source), write_ferplus(tmp_path / "votes.csv", source)
    folder = Path(shutil.copytree(made, tmp_path / "run"))
    arguments = ["evaluate-gan", str(folder), "--data", str(data), "--judge", str(judge_bundle.folder)]
    assert main([*arguments, "--json", "--split", "test", "--truncation", "1", "--votes", str(votes), "--keep"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said.keys() >= WANTED
    assert (said["split"], said["truncation"]) == ("test", 1)
    assert said["num_faces"] == 36 - others  # the votes of the others say: not a face
    assert open_model(folder).card_fields["metrics"]["evaluation"] == said
    assert main(arguments) == 0
    text = capsys.readouterr()
    assert "recognised as asked: disgust" in text.out
    assert "emotion: drawing 40 faces\n" in text.err


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_small_classifiers_learn_from_both_kinds_of_faces(
    made: Path, data: Dataset, judge_bundle: ModelBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "_EPOCHS", 2)
    result = evaluate_generator(open_model(made), data, judge_bundle, num_per_class=1, should_train=True)
    assert 0 <= result["trained_on_synthetic"] <= 1
    assert 0 <= result["trained_on_real"] <= 1
