"""Training plans: their options, their configuration file, and the estimate of their cost."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.cli.commands.classifiers import training as classifier_training
from emotion.datasets.augmentation import NO_AUGMENTATION, Augmentation
from emotion.datasets.label_sets import LABEL_SETS
from emotion.errors import EmotionError
from emotion.training.classifier.config import LR_SCHEDULES, OPTIMIZERS, TrainingPlan, parse_augmentation
from emotion.training.classifier.networks.zoo import list_architectures

NAMES = [card.name for card in list_architectures()]
OTHERS = [card.name for card in list_architectures() if not card.is_native]

amounts = st.builds(
    lambda rotation, shift, least: replace(NO_AUGMENTATION, rotation=rotation, shift=shift, min_scale=least),
    st.floats(0, 90),
    st.floats(0, 1),
    st.floats(0.5, 1),
)
plans = st.builds(
    TrainingPlan,
    network=st.sampled_from(OTHERS),
    data=st.just("faces.npz"),
    label_set=st.sampled_from(list(LABEL_SETS)),
    epochs=st.integers(1, 500),
    batch_size=st.integers(1, 512),
    optimizer=st.sampled_from(OPTIMIZERS),
    learning_rate=st.floats(1e-7, 1),
    lr_schedule=st.sampled_from(LR_SCHEDULES),
    early_stopping_patience=st.integers(0, 50),
    augmentation=amounts,
    horizontal_flip=st.booleans(),
    seed=st.integers(0, 2**31 - 1),
    tensorboard=st.booleans(),
    ferplus_csv=st.sampled_from(["", "votes.csv"]),
)


def parse_plan(*arguments: object) -> TrainingPlan:
    """The plan that `emotion classifier train` makes of its arguments."""
    context = classifier_training.train.make_context("train", [str(argument) for argument in arguments])
    options = classifier_training.TrainOptions.from_values(**context.params)
    return classifier_training.make_plan(options.config, options.plan, fine_tune=options.fine_tune)


@given(plan=plans)
def test_config_json_holds_the_whole_plan(plan: TrainingPlan) -> None:
    assert TrainingPlan.from_config(json.loads(json.dumps(plan.to_config()))) == plan


def test_teachers_are_part_of_the_config(tmp_path: Path) -> None:
    """Also after the start, when config.json holds their sha256 instead."""
    plan = replace(
        TrainingPlan.from_defaults("seresnet"), data="x.npz", teachers=("runs/a", "runs/b"), distillation_weight=0.25
    )
    teachers = ("--teacher", "runs/a", "--teacher", "runs/b", "--distillation-weight", 0.25)
    assert parse_plan("--data", "x.npz", *teachers, "--out", "run") == plan
    config = json.loads(json.dumps(plan.to_config()))
    assert TrainingPlan.from_config(config) == plan
    assert (
        TrainingPlan.from_config(config | {"teachers": ["0123"] * 2, "teacher_folders": ["runs/a", "runs/b"]}) == plan
    )
    with pytest.raises(EmotionError, match="mlp learns from labels alone; leave the teachers out"):
        replace(TrainingPlan.from_defaults("mlp"), teachers=("runs/a",))


@pytest.mark.parametrize("name", NAMES)
def test_without_settings_the_networks_own_are_used(name: str) -> None:
    plan = parse_plan("--network", name, "--data", "x.npz", "--out", "run")
    assert plan == replace(TrainingPlan.from_defaults(name), data="x.npz")


def test_options_change_the_plan_of_a_config_file(tmp_path: Path) -> None:
    plan = replace(
        TrainingPlan.from_defaults("mlp"), data="faces.npz", horizontal_flip=True, tensorboard=True, epochs=7
    )
    config = tmp_path / "config.json"
    config.write_text(json.dumps(plan.to_config()))
    assert parse_plan("--config", config, "--out", "run") == plan
    changes = ("--epochs", 3, "--no-horizontal-flip", "--no-tensorboard", "--augmentation", "rotation=10", "--seed", 0)
    changed = parse_plan("--config", config, "--out", "run", *changes)
    assert changed == replace(
        plan,
        epochs=3,
        horizontal_flip=False,
        tensorboard=False,
        augmentation=replace(NO_AUGMENTATION, rotation=10),
        seed=0,
    )
    with pytest.raises(EmotionError, match=r"There is no nowhere\.json; give the config\.json of a run"):
        parse_plan("--config", "nowhere.json", "--out", "run")


def test_a_config_of_the_native_network() -> None:
    """Missing fields have their defaults; unknown ones are left out."""
    config = {
        "network": "seresnet",
        "epochs": 7,
        "has_ferplus_votes": True,
        "num_negatives": 1689,
        "data": "x.npz",
        "progressive_sizes": [32, 48],
        "ferplus_csv": "votes.csv",
        "augmentation": {"rotation": 5.0},
    }
    plan = TrainingPlan.from_config(config)
    assert (plan.epochs, plan.ferplus_csv, plan.negatives_dir, plan.optimizer, plan.data) == (
        7,
        "votes.csv",
        "",
        "sgd",
        "x.npz",
    )
    assert plan.augmentation == Augmentation(rotation=5.0)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"epochs": "7"}, "epochs is '7'; expected a whole number."),
        ({"epochs": 7.0}, "epochs is 7.0; expected a whole number."),
        ({"epochs": True}, "epochs is True; expected a whole number."),
        ({"epochs": None}, "epochs is None; expected a whole number."),
        ({"learning_rate": "0.5"}, "learning_rate is '0.5'; expected a number."),
        ({"horizontal_flip": 1}, "horizontal_flip is 1; expected true or false."),
        ({"data": 3}, "data is 3; expected text."),
        ({"label_set": ["happy"]}, "label_set is ['happy']; expected text."),
        ({"teachers": "runs/a"}, "teachers is 'runs/a'; expected a list, each text."),
        ({"teachers": [1]}, "teachers is (1,); expected a list, each text."),
        ({"ferplus_csv": True}, "ferplus_csv is True; expected text."),
        ({"augmentation": "full"}, "augmentation is 'full'; expected settings of Augmentation."),
        ({"augmentation": {"rotation": "5"}}, "rotation is '5'; expected a number."),
        ({"augmentation": {"moustache": 1}}, "augmentation has the field 'moustache'; expected shift, "),
        ({"network": None}, "network is None; expected the name of a network."),
        ({"network": ["mlp"]}, "network is ['mlp']; expected the name of a network."),
        ({"optimizer": 3 * ["y" * 99]}, f"optimizer is ['{'y' * 58}…; expected text."),
    ],
)
def test_a_setting_of_a_wrong_type_is_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(EmotionError) as caught:
        TrainingPlan.from_config({"network": "mlp", "data": "x.npz"} | change)
    assert str(caught.value).startswith(sentence)


@given(value=st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())))
@pytest.mark.parametrize("name", [field.name for field in fields(TrainingPlan)])
def test_no_setting_is_replaced_in_silence(name: str, value: object) -> None:
    try:
        plan = TrainingPlan.from_config({"network": "mlp", name: value})
    except EmotionError:
        return
    assert getattr(plan, name) == (tuple(value) if isinstance(value, list) else value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": "alexnet"}, "There is no network 'alexnet'"),
        ({"label_set": "five"}, "There is no label set 'five'"),
        ({"optimizer": "lion"}, "There is no optimizer 'lion'; choose one of adam, adamw, sgd, rmsprop"),
        ({"lr_schedule": "steps"}, "There is no learning rate schedule 'steps'"),
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_size": 5000}, "batch_size is 5000"),
        ({"early_stopping_patience": -1}, "early_stopping_patience is -1"),
        ({"seed": -1}, "seed is -1"),
        ({"learning_rate": 0.0}, "The learning rate is 0.0"),
        ({"learning_rate": float("inf")}, "The learning rate is inf"),
        ({"weights": "imagenet"}, "mlp begins at random"),
        ({"negatives_dir": "photos"}, "mlp has no face head"),
        ({"augmentation": replace(NO_AUGMENTATION, erase_prob=1.5)}, "The augmentation is not valid"),
        ({"augmentation": replace(NO_AUGMENTATION, rotation=float("nan"))}, "is not a number of at least 0"),
        ({"augmentation": replace(NO_AUGMENTATION, min_scale=2.0)}, "The augmentation is not valid"),
    ],
)
def test_settings_that_make_no_sense(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(EmotionError, match=words):
        replace(TrainingPlan.from_defaults("mlp"), **changes)


def test_the_own_classifier_keeps_its_recipe() -> None:
    plan = TrainingPlan.from_defaults("seresnet")
    assert replace(plan, epochs=3, learning_rate=0.05, negatives_dir="photos")
    with pytest.raises(EmotionError, match="fixed recipe: optimizer, early_stopping_patience cannot be changed"):
        replace(plan, optimizer="adam", early_stopping_patience=5)
    with pytest.raises(EmotionError, match="cannot learn the labels 'four'; choose one of fer2013, own"):
        replace(plan, label_set="four")


def test_augmentation_is_described() -> None:
    assert parse_augmentation(["none"]) == NO_AUGMENTATION
    assert parse_augmentation(["full"]) == Augmentation()
    assert parse_augmentation(["rotation=10", "blur_prob=0.5"]) == replace(
        NO_AUGMENTATION, rotation=10.0, blur_prob=0.5
    )
    for wrong in ("rotation", "rotation=x", "moustache=1", "rotation=inf"):
        with pytest.raises(EmotionError, match="is no augmentation"):
            parse_augmentation([wrong])


@pytest.mark.parametrize("change", [{"width_factor": 0.0}, {"width_factor": 9.0}, {"dropout_factor": -0.1}])
def test_factors_outside_of_their_range_are_named(change: dict[str, float]) -> None:
    (name,) = change
    with pytest.raises(EmotionError, match=f"{name} is .*; expected a number from"):
        replace(TrainingPlan.from_defaults("cnn-4conv"), **change)


@pytest.mark.parametrize(("name", "factor"), [("seresnet", "width_factor"), ("mlp", "dropout_factor")])
def test_a_network_without_a_factor_refuses_it(name: str, factor: str) -> None:
    with pytest.raises(EmotionError, match=f"fixed recipe: {factor} cannot be changed"):
        replace(TrainingPlan.from_defaults(name), **{factor: 0.5})


def test_every_setting_is_in_the_plan() -> None:
    assert {f.name for f in fields(TrainingPlan)} <= set(TrainingPlan.from_defaults("mlp").to_config())
