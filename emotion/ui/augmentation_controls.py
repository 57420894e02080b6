"""Sliders for the augmentation of training faces, shared by the Data and the Training page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import streamlit as st

from emotion.datasets.augmentation import Augmentation
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop

state = st.session_state


class Strength(NamedTuple):
    """A slider from 0 to `max_value` for one field of `Augmentation`; its label is translated where it is shown."""

    label: str
    max_value: float
    step: float


COMMON: Final[Mapping[str, Strength]] = {
    "shift": Strength(gettext_noop("Shift, of the side"), 0.3, 0.01),
    "rotation": Strength(gettext_noop("Turn, degrees"), 45.0, 1.0),
    "brightness": Strength(gettext_noop("Brightness, gray levels"), 80.0, 5.0),
    "contrast": Strength(gettext_noop("Contrast"), 0.8, 0.05),
    "gamma": Strength(gettext_noop("Gamma"), 0.8, 0.05),
    "erase_prob": Strength(gettext_noop("One box erased, chance"), 1.0, 0.05),
}
DEGRADATIONS: Final[Mapping[str, Strength]] = {  # as webcams degrade images
    "blur_prob": Strength(gettext_noop("Blur, chance"), 1.0, 0.02),
    "noise_prob": Strength(gettext_noop("Noise, chance"), 1.0, 0.02),
    "jpeg_prob": Strength(gettext_noop("JPEG, chance"), 1.0, 0.02),
    "low_resolution_prob": Strength(gettext_noop("Low resolution, chance"), 1.0, 0.02),
}
_SCALE_RANGE: Final = (0.5, 2.0)
_SCALE_STEP: Final = 0.01


def choose_strength(name: str, key: str, default: Augmentation) -> float:
    """Choose the field `name` of an `Augmentation`; `default` is the value until `key` is in the session state."""
    strength = {**COMMON, **DEGRADATIONS}[name]
    if key in state:  # the settings of a run from the command line may exceed the slider
        state[key] = min(strength.max_value, max(0.0, float(state[key])))
    value = float(getattr(default, name))
    return st.slider(_(strength.label), 0.0, strength.max_value, step=strength.step, **with_default(key, value))


def choose_scale(key: str, default: Augmentation) -> tuple[float, float]:
    """Choose `min_scale` and `max_scale`; `default` is the value until `key` is in the session state."""
    if key in state:
        low, high = _SCALE_RANGE
        state[key] = tuple(min(high, max(low, float(end))) for end in state[key])
    scale = (default.min_scale, default.max_scale)
    return st.slider(_("Size, smallest and largest"), *_SCALE_RANGE, step=_SCALE_STEP, **with_default(key, scale))


def with_default(key: str, default: Any) -> dict[str, Any]:
    """Return the arguments `key` and, unless the session state has a value for it, `value` of a widget."""
    return {"key": key} if key in state else {"key": key, "value": default}
