"""The same training with the same seed, whatever the process has built before."""

from __future__ import annotations

import keras


def start_reproducibly(seed: int) -> None:
    """Seed all random numbers and name layers as in a new process.

    TensorFlow rewrites a graph by the names of its nodes, and other names change the last digits of the weights.
    """
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(seed)
