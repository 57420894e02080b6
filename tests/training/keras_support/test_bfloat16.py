"""The block in which TensorFlow computes in bfloat16 ends with it, also by an error."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow
OPTION = "auto_mixed_precision_onednn_bfloat16"


def is_on() -> bool:
    import tensorflow as tf

    return bool(tf.config.optimizer.get_experimental_options().get(OPTION, False))


def test_the_option_is_on_within_the_block_only() -> None:
    from emotion.training.keras_support.bfloat16 import computed_in_bfloat16

    assert not is_on()
    with computed_in_bfloat16():
        assert is_on()
    assert not is_on()
    with pytest.raises(ZeroDivisionError), computed_in_bfloat16():
        _ = 1 / 0
    assert not is_on()
