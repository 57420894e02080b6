"""The settings of fine-tuning, and the classifiers that it can begin with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emotion.errors import ModelError
from emotion.model_store import store
from emotion.training.classifier.config import TrainingPlan
from emotion.training.classifier.fine_tuning import make_fine_tuning_plan, select_sources
from tests.training.classifier.test_config import parse_plan

MakeBundle = Callable[..., Path]


@pytest.fixture
def models(tmp_path: Path, make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three classifiers: one without the weights of Keras, one of the zoo, and one that can be fine-tuned."""
    for name, network in {"bare": "seresnet", "course": "mlp", "wide": "seresnet-wide"}.items():
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True)
        (folder / "model.keras").write_bytes(b"weights")
        digest = store.compute_sha256(folder / "model.keras")
        files = {} if name == "bare" else {"model.keras": {"bytes": 7, "sha256": digest}}

        def describe(card: dict[str, Any], network: str = network, files: dict[str, Any] = files) -> None:
            card.update(network=network, files=card["files"] | files)

        make_bundle(folder, describe)
    monkeypatch.setattr(store, "BUILTIN_MODELS", tmp_path / "models")
    return tmp_path / "models"


def test_native_classifiers_with_their_weights_can_be_fine_tuned(models: Path) -> None:
    assert [bundle.name for bundle in select_sources(store.list_models("classifier", models).models)] == ["wide"]


def test_fine_tuning_is_shorter_and_more_careful_than_a_training_from_random_weights(models: Path) -> None:
    plan, plain = make_fine_tuning_plan(models / "wide"), TrainingPlan.from_defaults("seresnet-wide")
    assert (plan.network, plan.init_from) == ("seresnet-wide", str(models / "wide"))
    assert plan.epochs < plain.epochs
    assert plan.batch_size < plain.batch_size
    assert plan.learning_rate < plain.learning_rate
    assert plan.augmentation == plain.augmentation


@pytest.mark.parametrize("name", ["course", "nowhere"])
def test_another_model_is_refused(models: Path, name: str) -> None:
    with pytest.raises(ModelError, match=rf"{name} is no classifier that can be fine-tuned; choose one whose network"):
        make_fine_tuning_plan(models / name)


def test_without_a_classifier_to_begin_with_a_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "BUILTIN_MODELS", tmp_path)
    with pytest.raises(ModelError, match="No installed classifier can be fine-tuned"):
        make_fine_tuning_plan()


def test_the_command_line_fine_tunes_with_the_settings_that_are_given(models: Path) -> None:
    plan = parse_plan("--data", "mine", "--fine-tune", "--init-from", models / "wide", "--epochs", 3, "--out", "run")
    assert (plan.network, plan.data, plan.epochs) == ("seresnet-wide", "mine", 3)
    assert plan.learning_rate == make_fine_tuning_plan(models / "wide").learning_rate
