"""A training has the names and the random numbers of a new process."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from emotion.training.keras_support.reproducibility import start_reproducibly

pytestmark = pytest.mark.slow


def test_names_and_weights_do_not_depend_on_networks_built_before() -> None:
    start_reproducibly(5)
    first, other = keras.layers.Dense(2), keras.layers.Dense(2)
    assert first.name != other.name
    first.build((None, 3))
    start_reproducibly(5)
    again = keras.layers.Dense(2)
    again.build((None, 3))
    assert again.name == first.name
    np.testing.assert_array_equal(again.get_weights()[0], first.get_weights()[0])
