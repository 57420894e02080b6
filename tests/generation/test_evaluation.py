"""Evaluation of generators with known faults; saving it; the command."""

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
from emotion.generation.evaluation import EvaluationConfig, evaluate_generator, save_evaluation
from emotion.generation.metrics import FeatureExtractor, frechet_distance
from emotion.generation.sampler import Sampler
from emotion.model_store.store import ModelBundle, open_model
from emotion.storage import read_json
from tests.generation.making import write_classifier, write_generator
from tests.training.making import dataset, tiny, write_fer2013, write_ferplus

Change = Callable[[dict[str, Any]], object]
EXPECTED_KEYS = {
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
def result(generator_folder: Path, data: Dataset, classifier_bundle: ModelBundle) -> dict[str, Any]:
    return evaluate_generator(open_model(generator_folder), data, classifier_bundle, EvaluationConfig(num_per_class=20))


def test_the_evaluation_has_all_metrics_and_is_consistent(
    result: dict[str, Any], data: Dataset, classifier_bundle: ModelBundle
) -> None:
    assert result.keys() >= EXPECTED_KEYS
    assert json.loads(json.dumps(result)) == json.loads(json.dumps(result, allow_nan=False))
    assert (result["split"], result["num_faces"], result["truncation"], result["feature_classifier"]) == (
        "validation",
        84,
        0.75,
        "classifier",
    )
    assert list(result["class_consistency_per_class"]) == list(data.label_names)
    assert result["class_consistency"] == pytest.approx(np.mean(list(result["class_consistency_per_class"].values())))
    low, high = result["class_consistency_interval"]
    assert low <= result["class_consistency"] <= high
    assert result["frechet_ratio"] == pytest.approx(result["frechet"] / result["frechet_floor"])
    assert result["nearest_ratio"] == pytest.approx(result["nearest_distance"] / result["nearest_distance_held_out"])
    assert not {"trained_on_synthetic", "trained_on_real"} & result.keys()


def test_floors_and_consistency_of_real_faces_are_those_of_the_held_out_splits(
    result: dict[str, Any], data: Dataset, classifier_bundle: ModelBundle
) -> None:
    extractor = FeatureExtractor(classifier_bundle, data.label_names)
    validation, test = (extractor.extract(data.images[data.rows_in(name)]) for name in ("validation", "test"))
    labels = data.labels[data.rows_in("validation")]
    assert result["frechet_floor"] == pytest.approx(frechet_distance(test.features, validation.features))
    recalls = [(validation.predictions[labels == i] == i).mean() for i in range(7)]
    assert result["real_class_consistency"] == pytest.approx(np.mean(recalls))
    assert result["frechet"] > 5 * result["frechet_floor"]
    assert result["frechet_untrained"] > 5 * result["frechet_untrained_floor"]


def test_an_evaluation_is_repeatable(
    result: dict[str, Any], generator_folder: Path, data: Dataset, classifier_bundle: ModelBundle
) -> None:
    assert (
        evaluate_generator(open_model(generator_folder), data, classifier_bundle, EvaluationConfig(num_per_class=20))
        == result
    )


class CopyingSampler(Sampler):
    """Draws slightly noisy copies of real faces."""

    source: Dataset

    def generate(self, latents: Any, weights: Any) -> Any:
        labels = np.argmax(weights, axis=1)
        rng = np.random.default_rng(0)
        images = np.empty((len(labels), 48, 48), np.uint8)
        for label in np.unique(labels):
            rows = np.flatnonzero(self.source.labels == label)
            images[labels == label] = self.source.images[rng.permutation(np.resize(rows, (labels == label).sum()))]
        return np.clip(images + rng.normal(0, 3, images.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("split", "memorizes"), [("train", True), ("test", False)])
def test_a_low_nearest_ratio_reveals_memorized_training_faces(
    generator_folder: Path,
    data: Dataset,
    classifier_bundle: ModelBundle,
    monkeypatch: pytest.MonkeyPatch,
    split: str,
    memorizes: bool,
) -> None:
    monkeypatch.setattr(CopyingSampler, "source", data.take(data.rows_in(split)), raising=False)
    monkeypatch.setattr(evaluation, "Sampler", CopyingSampler)
    result = evaluate_generator(
        open_model(generator_folder), data, classifier_bundle, EvaluationConfig(num_per_class=20)
    )
    assert (result["nearest_ratio"] < 0.5) == memorizes
    assert result["frechet"] < 3 * result["frechet_floor"]
    assert result["precision"] > 0.6
    assert result["recall"] > 0.6
    assert result["collapsed"] == []
    # The classifier's predictions are random here, but the same for copies as for their originals.
    assert result["class_consistency"] == pytest.approx(result["real_class_consistency"], abs=0.15)


def test_collapsed_labels_are_listed(generator_folder: Path, data: Dataset, classifier_bundle: ModelBundle) -> None:
    result = evaluate_generator(
        open_model(generator_folder), data, classifier_bundle, EvaluationConfig(num_per_class=2, truncation=0.0)
    )
    assert result["truncation"] == 0
    assert result["collapsed"] == list(data.label_names)
    assert all(ratio == pytest.approx(0, abs=1e-4) for ratio in result["diversity_per_class"].values())
    assert result["recall"] < 0.1


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda card, sha: card.update(guidance_classifier={"sha256": sha, "weight": 0.2}), True),
        (lambda card, sha: card.update(guidance_classifier={"sha256": sha, "weight": 0.0}), False),
        (lambda card, sha: card.update(guidance_classifier={"sha256": "0" * 64, "weight": 0.2}), False),
        (lambda card, sha: None, False),
    ],
    ids=["guided", "selected only", "another", "unknown"],
)
def test_an_evaluation_by_the_guidance_classifier_is_marked(
    data: Dataset, classifier_bundle: ModelBundle, tmp_path: Path, change: Callable[[dict, str], object], expected: bool
) -> None:
    folder = write_generator(tmp_path / "made", lambda card: change(card, classifier_bundle.sha256))
    assert (
        evaluate_generator(open_model(folder), data, classifier_bundle, EvaluationConfig(num_per_class=1))[
            "is_guidance_relative"
        ]
        is expected
    )


@pytest.mark.parametrize("relation", ["derived_from", "teachers"])
def test_an_evaluation_by_a_relative_of_the_guidance_classifier_is_marked(
    data: Dataset, tmp_path: Path, relation: str
) -> None:
    sha256 = "7" * 64
    folder = write_generator(
        tmp_path / "made", lambda card: card.update(guidance_classifier={"sha256": sha256, "weight": 0.2})
    )
    classifier = open_model(
        write_classifier(tmp_path / "classifier", lambda card: card.update({relation: ["5" * 64, sha256]}))
    )
    assert evaluate_generator(open_model(folder), data, classifier, EvaluationConfig(num_per_class=1))[
        "is_guidance_relative"
    ]


def test_blank_faces_and_copies_of_training_faces_do_not_count(
    generator_folder: Path, data: Dataset, classifier_bundle: ModelBundle
) -> None:
    images = data.images.copy()
    images[data.rows_in("validation")[:10]] = 90
    images[data.rows_in("test")[:5]] = 200
    images[data.rows_in("validation")[10:60]] = images[data.rows_in("train")[:50]]
    modified = replace(data, images=images)
    result = evaluate_generator(
        open_model(generator_folder), modified, classifier_bundle, EvaluationConfig("test", num_per_class=2)
    )
    assert (result["split"], result["num_faces"]) == ("test", 72)
    validation = evaluate_generator(
        open_model(generator_folder), modified, classifier_bundle, EvaluationConfig(num_per_class=2)
    )
    assert validation["num_faces"] == 74
    # Copies have the distance 0.
    assert validation["nearest_distance_held_out"] > 0.1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: replace(d, label_names=(*d.label_names[:6], "contempt")), r"labels angry, .*contempt, the gen"),
        (lambda d: d.take(d.rows_in("train")), "140 training, 0 validation and 0 test faces; at least 8"),
        (lambda d: d.take(np.concatenate([d.rows_in("train"), d.rows_in("validation")])), "84 validation and 0 test"),
        (lambda d: d.take(np.concatenate([d.rows_in("validation"), d.rows_in("test")])), "0 training, 84 validation"),
    ],
    ids=["labels", "training only", "no test", "no training"],
)
def test_unsuitable_data_is_refused(
    generator_folder: Path,
    data: Dataset,
    classifier_bundle: ModelBundle,
    change: Callable[[Dataset], Dataset],
    message: str,
) -> None:
    with pytest.raises(DataError, match=message):
        evaluate_generator(open_model(generator_folder), change(data), classifier_bundle)


def test_invalid_arguments_are_refused(generator_folder: Path, data: Dataset, classifier_bundle: ModelBundle) -> None:
    with pytest.raises(EmotionError, match="0 faces of each expression"):
        EvaluationConfig(num_per_class=0)
    with pytest.raises(ModelError, match="is a classifier; faces are drawn by a generator"):
        evaluate_generator(classifier_bundle, data, classifier_bundle)


# --- saving ------------------------------------------------------------------------------------------------


def test_card_and_report_keep_the_evaluation(generator_folder: Path, result: dict[str, Any], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(generator_folder, tmp_path / "made"))
    (folder / "report.json").write_text('{"epochs": 3}')
    measured = result | {"truncation": 0.5}
    bundle = save_evaluation(folder, measured)
    assert bundle.card_fields["metrics"]["evaluation"] == json.loads(json.dumps(measured))
    assert read_json(folder / "report.json") == {"epochs": 3, "evaluation": json.loads(json.dumps(measured))}
    assert Sampler(bundle).truncation == 0.5
    assert open_model(folder).card_fields["files"].keys() == {"model.onnx", "report.json"}


def test_only_a_generator_keeps_a_valid_evaluation(
    classifier_bundle: ModelBundle, generator_folder: Path, tmp_path: Path, result: dict[str, Any]
) -> None:
    with pytest.raises(ModelError, match="only a generator can keep an evaluation"):
        save_evaluation(classifier_bundle.folder, result)
    folder = Path(shutil.copytree(generator_folder, tmp_path / "made"))
    before = (folder / "card.json").read_bytes()
    with pytest.raises(ModelError, match="is 7; expected a number of at most 1"):
        save_evaluation(folder, result | {"truncation": 7})
    assert (folder / "card.json").read_bytes() == before
    assert not (folder / "report.json").exists()


# --- the command -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_command_evaluates_and_saves(
    generator_folder: Path, classifier_bundle: ModelBundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = dataset(60, 40, 40)
    assert source.votes is not None
    source.votes[source.rows_in("test")[:4]] = [0] * 9 + [10]
    num_other_non_faces = (source.votes[source.rows_in("test")[4:], 9] > 5).sum()
    data, votes = write_fer2013(tmp_path / "fer2013.csv", source), write_ferplus(tmp_path / "votes.csv", source)
    folder = Path(shutil.copytree(generator_folder, tmp_path / "run"))
    arguments = [
        "generator",
        "evaluate",
        str(folder),
        "--data",
        str(data),
        "--feature-classifier",
        str(classifier_bundle.folder),
    ]
    assert (
        main([*arguments, "--json", "--split", "test", "--truncation", "1", "--ferplus-csv", str(votes), "--save"]) == 0
    )
    evaluation = json.loads(capsys.readouterr().out)
    assert evaluation.keys() >= EXPECTED_KEYS
    assert (evaluation["split"], evaluation["truncation"]) == ("test", 1)
    assert evaluation["num_faces"] == 36 - num_other_non_faces
    assert open_model(folder).card_fields["metrics"]["evaluation"] == evaluation
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert "classified as requested: disgust" in captured.out
    assert "emotion: drawing 40 faces\n" in captured.err


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_small_classifiers_are_trained_on_both_kinds_of_faces(
    generator_folder: Path, data: Dataset, classifier_bundle: ModelBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emotion.training.classifier.networks import multi_head

    monkeypatch.setattr(multi_head, "CLASSIFIER_NETWORKS", {"seresnet": tiny})
    monkeypatch.setattr(evaluation, "TRAIN_EPOCHS", 2)
    result = evaluate_generator(
        open_model(generator_folder),
        data,
        classifier_bundle,
        EvaluationConfig(num_per_class=1, trains_classifiers=True),
    )
    assert 0 <= result["trained_on_synthetic"] <= 1
    assert 0 <= result["trained_on_real"] <= 1
