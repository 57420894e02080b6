"""The settings that a sweep varies, with their ranges; read from a file and checked against the plan, without Keras."""

from __future__ import annotations

import json
import reprlib
import tomllib
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from emotion.datasets.augmentation import NO_AUGMENTATION, Augmentation, scale_augmentation
from emotion.errors import EmotionError
from emotion.storage import read_file
from emotion.training.classifier.config import LR_SCHEDULES, OPTIMIZERS, TrainingPlan
from emotion.training.classifier.networks.zoo import get_architecture
from emotion.translation.messages import get_message
from emotion.translation.messages import gettext as _

Value = bool | int | float | str

AUGMENTATION_STRENGTH: Final = "augmentation_strength"
_AUGMENTATION_PREFIX: Final = "augmentation."
_WHOLE_SETTINGS: Final = ("batch_size",)
_CHOICE_SETTINGS: Final = ("optimizer", "lr_schedule", "horizontal_flip")
_NUMBER_SETTINGS: Final = (
    "learning_rate",
    "width_factor",
    "dropout_factor",
    "distillation_weight",
    AUGMENTATION_STRENGTH,
    *(_AUGMENTATION_PREFIX + field.name for field in fields(Augmentation)),
)
SETTINGS: Final = (*_NUMBER_SETTINGS, *_WHOLE_SETTINGS, *_CHOICE_SETTINGS)
_LEARNING_RATE_SPAN: Final = 10.0  # times and parts of the plan's learning rate in a suggested range
_MAX_SPACE_BYTES: Final = 1_000_000


class _Dimension(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Range(_Dimension):
    """Numbers from `low` to `high`, evenly distributed, or with `log` their logarithms."""

    low: FiniteFloat
    high: FiniteFloat
    log: bool = False

    @property
    def is_valid(self) -> bool:
        """Whether there are numbers between its ends, and their logarithms with `log`."""
        return self.low < self.high and (self.low > 0 or not self.log)

    def contains(self, value: Value) -> bool:
        """Return whether a value is within the range."""
        return not isinstance(value, str) and self.low <= value <= self.high


class Choices(_Dimension):
    """One of several values."""

    choices: Annotated[list[Value], Field(min_length=1)]

    def contains(self, value: Value) -> bool:
        """Return whether a value is one of the choices."""
        return value in self.choices


Dimension = Range | Choices
Space = Mapping[str, Dimension]


def read_space(path: Path, plan: TrainingPlan) -> Space:
    """Read a .json or .toml file such as `{"learning_rate": {"low": 1e-4, "high": 1e-2, "log": true}}`.

    Args:
        path: The file: an object with a setting of `SETTINGS` for each name.
        plan: The training whose settings are varied.

    Raises:
        EmotionError: The file cannot be read, or the plan does not have or allow a setting or value.
    """
    try:
        text = read_file(path, _MAX_SPACE_BYTES).decode()
        values = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except OSError as error:
        raise EmotionError(f"{path} cannot be read ({error.strerror}); give a .json or .toml file.") from error
    except (ValueError, RecursionError) as error:
        raise EmotionError(
            f"{path} is neither valid JSON nor, with the ending .toml, valid TOML; repair it."
        ) from error
    if not isinstance(values, dict):
        raise EmotionError(f"{path} holds no object; expected a range or choices for each setting.")
    return parse_space(values, plan)


def parse_space(values: Mapping[str, Any], plan: TrainingPlan) -> Space:
    """Return the space of plain values; raises as `read_space` does."""
    if not values:
        text = _("The space has no setting; give at least one of {names}.")
        raise EmotionError(text.format(names=", ".join(SETTINGS)))
    return {name: _parse_dimension(name, value, plan) for name, value in values.items()}


def _parse_dimension(name: str, value: Any, plan: TrainingPlan) -> Dimension:
    if name not in SETTINGS:
        raise EmotionError(
            _("The space has the setting {name!r}; expected one of {names}.").format(
                name=name, names=", ".join(SETTINGS)
            )
        )
    kind = Choices if isinstance(value, dict) and "choices" in value else Range
    try:
        dimension = kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = " ".join([name, *map(str, first["loc"][:1])])
        raise EmotionError(
            _(
                'The space has {setting} = {value}; expected {{"low": NUMBER, "high": NUMBER, "log": true or '
                'false}} or {{"choices": [VALUE, ...]}}.'
            ).format(setting=field, value=reprlib.repr(first["input"]))
        ) from error
    _check_dimension(name, dimension, plan)
    return dimension


def _check_dimension(name: str, dimension: Dimension, plan: TrainingPlan) -> None:
    if isinstance(dimension, Range):
        if name in _CHOICE_SETTINGS:
            raise EmotionError(_("{name} has no range; give its choices.").format(name=name))
        if not dimension.is_valid:
            text = _(
                "The range of {name} goes from {low:g} to {high:g}; expected a smaller number first, above 0 where log "
                "is true."
            )
            raise EmotionError(text.format(name=name, low=dimension.low, high=dimension.high))
        if name in _WHOLE_SETTINGS and not (dimension.low.is_integer() and dimension.high.is_integer()):
            text = _("The range of {name} goes from {low:g}; expected whole numbers.")
            raise EmotionError(text.format(name=name, low=dimension.low))
        ends: list[Value] = [dimension.low, dimension.high]
    else:
        ends = dimension.choices
    for value in ends:
        try:
            apply_settings(plan, {name: value})
        except (EmotionError, TypeError) as error:
            text, problem = _("The space has {setting} = {value}: {problem}"), get_message(error)
            raise EmotionError(text.format(setting=name, value=repr(value), problem=problem)) from error


def apply_settings(plan: TrainingPlan, values: Mapping[str, Value]) -> TrainingPlan:
    """Return a plan with the values of settings.

    `augmentation_strength` scales the augmentation of the plan, or the full one where the plan has none.

    Raises:
        EmotionError: The network does not allow a value.
    """
    changes: dict[str, Any] = {}
    augmentation = plan.augmentation
    if AUGMENTATION_STRENGTH in values:
        base = Augmentation() if augmentation == NO_AUGMENTATION else augmentation
        augmentation = scale_augmentation(base, _to_number(AUGMENTATION_STRENGTH, values[AUGMENTATION_STRENGTH]))
    for name, value in values.items():
        if name.startswith(_AUGMENTATION_PREFIX):
            augmentation = replace(augmentation, **{name.removeprefix(_AUGMENTATION_PREFIX): _to_number(name, value)})
        elif name in _WHOLE_SETTINGS:
            changes[name] = int(_to_number(name, value))
        elif name != AUGMENTATION_STRENGTH:
            changes[name] = value
    return replace(plan, augmentation=augmentation, **changes)


def _to_number(name: str, value: Value) -> float:
    if isinstance(value, bool | str):
        raise EmotionError(_("{name} is {value!r}; expected a number.").format(name=name, value=value))
    return float(value)


def is_whole(name: str) -> bool:
    """Return whether a setting is a whole number."""
    return name in _WHOLE_SETTINGS


def suggest_space(plan: TrainingPlan) -> Space:
    """Return the settings that are worth varying for a plan, with ranges around common values."""
    rate = plan.learning_rate
    space: dict[str, Dimension] = {
        "learning_rate": Range(
            low=float(f"{rate / _LEARNING_RATE_SPAN:.3g}"), high=min(10.0, rate * _LEARNING_RATE_SPAN), log=True
        ),
        AUGMENTATION_STRENGTH: Range(low=0.0, high=1.5),
        "width_factor": Range(low=0.5, high=2.0, log=True),
        "dropout_factor": Range(low=0.0, high=1.6),
        "batch_size": Choices(choices=[32, 64, 128]),
        "optimizer": Choices(choices=list(OPTIMIZERS)),
        "lr_schedule": Choices(choices=list(LR_SCHEDULES)),
        "horizontal_flip": Choices(choices=[False, True]),
    }
    locked = get_architecture(plan.network).locked_fields
    return {name: dimension for name, dimension in space.items() if name not in locked}
