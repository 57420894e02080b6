"""Train in bfloat16 where the processor computes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import tensorflow as tf

_OPTION: Final = "auto_mixed_precision_onednn_bfloat16"


@contextmanager
def computed_in_bfloat16() -> Iterator[None]:
    """Let TensorFlow compute convolutions and matrix products in bfloat16 within the block.

    TensorFlow rewrites the graph of each `tf.function` that is called within the block; weights, losses and updates
    stay float32. The Keras policy `mixed_bfloat16` casts more often and is slower than float32 on a CPU. A processor
    without bfloat16 computes in float32 as before.
    """
    previous = tf.config.optimizer.get_experimental_options().get(_OPTION, False)
    tf.config.optimizer.set_experimental_options({_OPTION: True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({_OPTION: previous})
