from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pytest

from emotion.datasets.building.config import DatasetBuildConfig
from emotion.errors import EmotionError
from emotion.field_types import check_types


@dataclass(frozen=True)
class Inner:
    share: float = 0.5


@dataclass(frozen=True)
class Config:
    count: int = 1
    several: Literal["largest", "none"] = "largest"
    shares: tuple[float, float, float] = (0.8, 0.1, 0.1)
    names: tuple[str, ...] = ()
    inner: Inner = field(default_factory=Inner)


@pytest.mark.parametrize(
    "fine", [{}, {"count": np.int64(3)}, {"shares": (1, 0, 0.0)}, {"names": ("a", "b")}, {"inner": Inner(1)}]
)
def test_values_of_their_type_pass(fine: dict[str, Any]) -> None:
    check_types(Config(**fine))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"count": 1.5}, "count is 1.5; expected a whole number."),
        ({"several": "all"}, "several is 'all'; expected one of largest, none."),
        ({"several": []}, "several is []; expected one of largest, none."),
        ({"shares": (1, 0)}, "shares is (1, 0); expected 3 values, each a number."),
        ({"shares": "801"}, "shares is '801'; expected 3 values, each a number."),
        ({"names": ["a"]}, "names is ['a']; expected a list, each text."),
        ({"inner": {"share": 1}}, "inner is {'share': 1}; expected settings of Inner."),
        ({"inner": Inner("1")}, "share is '1'; expected a number."),  # type: ignore[arg-type]
    ],
)
def test_another_type_is_refused_with_field_value_and_what_was_expected(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(EmotionError) as caught:
        check_types(Config(**wrong))
    assert str(caught.value) == sentence


def test_the_settings_of_a_preparation_are_checked() -> None:
    for wrong in (
        {"size": "48"},
        {"seed": 1.0},
        {"pre_cropped": "yes"},
        {"multi_face_policy": "some"},
        {"split_ratios": None},
    ):
        with pytest.raises(EmotionError, match=f"{next(iter(wrong))} is .*; expected"):
            DatasetBuildConfig(**wrong)  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_settings_of_every_training_are_checked() -> None:
    detector = pytest.importorskip("emotion.training.detector.config")
    classifier = pytest.importorskip("emotion.training.classifier.config")
    generator = pytest.importorskip("emotion.generation.config")
    for kind in (detector.DetectorConfig, classifier.TrainingConfig, generator.GanConfig):
        with pytest.raises(EmotionError, match="epochs is '7'; expected a whole number"):
            kind(epochs="7")
