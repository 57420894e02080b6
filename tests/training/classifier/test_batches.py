"""Soft targets of teachers: how they are mixed with labels, and for which images."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.cli.main import main
from emotion.errors import ModelError
from emotion.expressions import FER2013_LABELS, FERPLUS_LABELS
from emotion.model_store.store import ModelBundle, open_model
from emotion.recognition.classification import ExpressionClassifier, softmax
from emotion.training.classifier.batches import Targets, TeacherEnsemble, mix_soft_targets
from tests.training.making import random_images

HEADS = {"fer2013": FER2013_LABELS, "ferplus": FERPLUS_LABELS}


def targets(count: int, seed: int = 0) -> Targets:
    """Random probabilities; row 0 is no face, row 1 has no votes."""
    rng = np.random.default_rng(seed)
    values = {name: rng.dirichlet(np.ones(len(labels)), count).astype(np.float32) for name, labels in HEADS.items()}
    weights = {name: np.ones(count, np.float32) for name in HEADS}
    for weight in weights.values():
        weight[0] = 0
    weights["ferplus"][1] = 0
    face = np.ones((count, 1), np.float32)
    face[0] = 0
    return Targets(values | {"face": face}, weights | {"face": np.ones(count, np.float32)})


def teacher_probabilities(count: int) -> dict[str, NDArray[np.float32]]:
    return {name: targets(count, seed=7).values[name] for name in HEADS}


def loss(one: Targets, logits: dict[str, NDArray], name: str) -> NDArray[np.float64]:
    """The weighted cross-entropy of each row."""
    return -(one.values[name] * np.log(softmax(logits[name]))).sum(1) * one.sample_weights[name]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_loss_is_that_of_labels_and_teachers_by_their_shares(share: float) -> None:
    plain, soft = targets(6), teacher_probabilities(6)
    logits = {name: np.random.default_rng(2).normal(0, 2, soft[name].shape) for name in HEADS}
    mixed = mix_soft_targets(plain, soft, share)
    is_face = plain.sample_weights["fer2013"]
    for name in HEADS:
        theirs = -(soft[name] * np.log(softmax(logits[name]))).sum(1) * is_face
        expected = (1 - share) * loss(plain, logits, name) + share * theirs
        np.testing.assert_allclose(loss(mixed, logits, name), expected, rtol=1e-5, atol=1e-6)
        assert mixed.values[name].dtype == mixed.sample_weights[name].dtype == np.float32


def test_rows_without_a_face_have_no_soft_targets() -> None:
    plain = targets(6)
    mixed = mix_soft_targets(plain, teacher_probabilities(6), 0.5)
    assert mixed.sample_weights["fer2013"][0] == mixed.sample_weights["ferplus"][0] == 0
    assert mixed.sample_weights["ferplus"][1] == 0.5  # without votes there are only soft targets
    np.testing.assert_array_equal(mixed.values["face"], plain.values["face"])
    np.testing.assert_array_equal(mixed.sample_weights["face"], plain.sample_weights["face"])


@pytest.fixture(scope="module")
def two_teachers(make_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> list[ModelBundle]:
    folder = tmp_path_factory.mktemp("teachers")

    def sharper(card: dict) -> None:
        for head in card["heads"].values():
            head["temperature"] = 0.25

    return [open_model(make_bundle(folder / "one")), open_model(make_bundle(folder / "other", sharper))]


@pytest.mark.parametrize("side", [48, 32])
def test_soft_targets_are_the_mean_of_the_calibrated_probabilities_of_teachers(
    two_teachers: list[ModelBundle], side: int
) -> None:
    from emotion.datasets.augmentation import resize_images

    faces = random_images(5)[:, :side, :side]
    mixed = TeacherEnsemble(two_teachers, HEADS).predict(faces)
    for name in HEADS:
        logits = ExpressionClassifier(two_teachers[0], num_threads=1).logits(resize_images(faces, 48))[name]
        np.testing.assert_allclose(mixed[name], (softmax(logits) + softmax(logits, 0.25)) / 2, atol=1e-5)
        np.testing.assert_allclose(mixed[name].sum(1), 1, atol=1e-5)


def test_a_teacher_without_the_head_is_refused(two_teachers: list[ModelBundle]) -> None:
    with pytest.raises(ModelError, match="has no head four with the labels happy, sad"):
        TeacherEnsemble(two_teachers, {"four": ("happy", "sad")})
    with pytest.raises(ModelError, match="has no head ferplus"):
        TeacherEnsemble(two_teachers, {"ferplus": FERPLUS_LABELS[::-1]})


@pytest.mark.slow
def test_teachers_predict_the_augmented_images() -> None:
    from emotion.training.classifier.batches import ClassifierBatches
    from emotion.training.classifier.config import TrainingConfig

    class RecordingTeacher:
        def predict(self, faces: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
            self.faces = faces
            return teacher_probabilities(len(faces))

    teacher = RecordingTeacher()
    config = TrainingConfig(batch_size=6, epochs=9, distillation_weight=1.0)
    faces, values, weights = ClassifierBatches(random_images(12), targets(12), config, 3, teacher)[0]  # pyright: ignore[reportArgumentType]
    np.testing.assert_array_equal(faces[..., 0], teacher.faces)
    assert faces.shape[1] == 40  # a third of the epochs each at 32, 40 and 48
    known = weights["fer2013"] > 0
    np.testing.assert_allclose(values["fer2013"][known], teacher_probabilities(6)["fer2013"][known])


@pytest.mark.slow
def test_a_distilled_model_names_its_teachers(finished: Path, files: Path, tmp_path: Path, trainer: ModuleType) -> None:
    """The tiny network of `trainer` is trained with the native one as its teacher."""
    arguments = [
        "classifier",
        "train",
        "--data",
        files / "fer2013.csv",
        "--ferplus-csv",
        files / "fer2013new.csv",
        "--epochs",
        "1",
        "--teacher",
        finished,
        "--distillation-weight",
        "0.7",
        "--out",
        tmp_path / "pupil",
    ]
    assert main([str(a) for a in arguments]) == 0
    config = json.loads((tmp_path / "pupil" / "config.json").read_text())
    assert (config["teachers"], config["distillation_weight"]) == ([open_model(finished).sha256], 0.7)
    assert open_model(tmp_path / "pupil").card_fields["teachers"] == [open_model(finished).sha256]


@pytest.mark.slow
def test_single_head_networks_have_no_teachers(
    finished: Path, files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "classifier",
        "train",
        "--network",
        "mlp",
        "--data",
        files / "fer2013.csv",
        "--teacher",
        finished,
        "--out",
        tmp_path / "mlp",
    ]
    assert main([str(a) for a in arguments]) != 0
    assert "mlp learns from labels alone" in capsys.readouterr().err
