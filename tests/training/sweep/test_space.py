"""The settings of a sweep are read, checked with one sentence for each mistake, and put into a plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emotion.datasets.augmentation import NO_AUGMENTATION, Augmentation
from emotion.errors import EmotionError
from emotion.training.classifier.config import TrainingPlan
from emotion.training.classifier.networks.zoo import list_architectures
from emotion.training.sweep.space import (
    SETTINGS,
    Choices,
    Range,
    apply_settings,
    parse_space,
    read_space,
    suggest_space,
)

PLAN = replace(TrainingPlan.from_defaults("cnn-4conv"), data="faces.npz")


def test_json_and_toml_files_hold_the_same_space(tmp_path: Path) -> None:
    (tmp_path / "space.json").write_text(
        '{"learning_rate": {"low": 1e-4, "high": 1e-2, "log": true}, "batch_size": {"choices": [32, 64]}}'
    )
    (tmp_path / "space.toml").write_text(
        "[learning_rate]\nlow = 1e-4\nhigh = 1e-2\nlog = true\n[batch_size]\nchoices = [32, 64]\n"
    )
    space = read_space(tmp_path / "space.json", PLAN)
    assert space == {"learning_rate": Range(low=1e-4, high=1e-2, log=True), "batch_size": Choices(choices=[32, 64])}
    assert read_space(tmp_path / "space.toml", PLAN) == space


@pytest.mark.parametrize("text", ["", "{", "[1]", "NaN"])
def test_a_file_that_holds_no_space_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "space.json"
    path.write_text(text)
    with pytest.raises(EmotionError, match=r"space\.json"):
        read_space(path, PLAN)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmotionError, match=r"none\.json cannot be read"):
        read_space(tmp_path / "none.json", PLAN)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, "no setting"),
        ({"momentum": {"low": 0, "high": 1}}, "'momentum'; expected one of learning_rate"),
        ({"learning_rate": 0.1}, r"learning_rate = 0\.1; expected"),
        ({"learning_rate": {"low": 0.1}}, "learning_rate high"),
        ({"learning_rate": {"low": 0.1, "high": 1, "steps": 3}}, "learning_rate steps"),
        ({"learning_rate": {"low": "a", "high": 1}}, "learning_rate low = 'a'"),
        ({"learning_rate": {"low": 0.2, "high": 0.1}}, r"from 0\.2 to 0\.1"),
        ({"augmentation_strength": {"low": 0, "high": 1, "log": True}}, "above 0 where log is true"),
        ({"learning_rate": {"low": 0.1, "high": 100}}, r"learning_rate = 100\.0: The learning rate"),
        ({"batch_size": {"low": 16.5, "high": 64}}, "whole numbers"),
        ({"batch_size": {"choices": ["many"]}}, "batch_size = 'many'"),
        ({"batch_size": {"choices": []}}, "batch_size choices"),
        ({"optimizer": {"low": 0, "high": 1}}, "optimizer has no range"),
        ({"optimizer": {"choices": ["adam", "lion"]}}, "no optimizer 'lion'"),
        ({"augmentation.shift": {"low": 0, "high": 3}}, r"augmentation\.shift = 3\.0: The augmentation is not valid"),
        ({"dropout_factor": {"low": 0, "high": 5}}, r"dropout_factor = 5\.0"),
    ],
)
def test_a_mistake_in_the_space_is_one_sentence(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(EmotionError, match=reason) as caught:
        parse_space(values, PLAN)
    assert "\n" not in str(caught.value)


def test_what_a_network_locks_cannot_be_varied() -> None:
    with pytest.raises(EmotionError, match="fixed recipe"):
        parse_space({"width_factor": {"low": 0.5, "high": 2}}, TrainingPlan.from_defaults("seresnet"))


def test_settings_reach_the_plan() -> None:
    values = {
        "learning_rate": 0.01,
        "batch_size": 32.0,
        "optimizer": "sgd",
        "augmentation.rotation": 9,
        "width_factor": 2.0,
    }
    plan = apply_settings(PLAN, values)
    assert (plan.learning_rate, plan.batch_size, plan.optimizer, plan.width_factor) == (0.01, 32, "sgd", 2.0)
    assert plan.augmentation == replace(NO_AUGMENTATION, rotation=9.0)


def test_the_strength_scales_the_augmentation_of_the_plan_or_else_the_full_one() -> None:
    mild = replace(PLAN, augmentation=replace(NO_AUGMENTATION, rotation=10.0))
    assert apply_settings(mild, {"augmentation_strength": 0.5}).augmentation == replace(NO_AUGMENTATION, rotation=5.0)
    assert apply_settings(PLAN, {"augmentation_strength": 1.0}).augmentation == Augmentation()
    assert apply_settings(PLAN, {"augmentation_strength": 0.0}).augmentation == NO_AUGMENTATION


@pytest.mark.parametrize("name", [info.name for info in list_architectures()])
def test_the_suggested_space_is_valid_for_each_network(name: str) -> None:
    plan = TrainingPlan.from_defaults(name)
    space = suggest_space(plan)
    assert set(space) <= set(SETTINGS)
    assert parse_space({setting: dimension.model_dump() for setting, dimension in space.items()}, plan) == space
