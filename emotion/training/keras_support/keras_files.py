"""Load .keras files, those from elsewhere after a trial run in a process of its own with little memory and time.

This module is also the program of that process.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from emotion.errors import ModelError
from emotion.jobs.limited_process import limit_process, print_problem
from emotion.model_store.store import compute_sha256
from emotion.recognition.trial_run import describe_failure, find_odd_answer, try_once
from emotion.translation.messages import gettext as _


def load_keras_file(path: Path) -> Any:
    """Load the network of a .keras file, which may come from elsewhere.

    Args:
        path: The file.

    Returns:
        The `keras.Model`, not compiled.

    Raises:
        ModelError: There is no such file, it is damaged, has code in it, takes too long or too much memory, or its
            answers are no finite numbers.
    """
    try:
        problem = try_once("emotion.training.keras_support.keras_files", path, compute_sha256(path))
        network = None if problem else _load(path)
    except Exception as error:  # also of the file system: Keras promises no type for damaged bytes
        raise ModelError(_describe(path, describe_failure(error))) from error
    if network is None:
        raise ModelError(_describe(path, problem))
    return network


def _describe(path: Path, problem: str) -> str:
    text = _("{path} cannot be read as a network of Keras ({problem}); give another one.")
    return text.format(path=path, problem=problem)


def _load(path: Path) -> Any:
    import keras  # a process that only reads has no Keras

    # `safe_mode` refuses layers that are Python code.
    return keras.models.load_model(path, compile=False, safe_mode=True)


def try_keras_file(path: Path) -> str:
    """Load a network and run it on a black, a white and a random input; return what is wrong, "" where nothing is."""
    import keras

    try:
        network = _load(path)

        def run(inputs: list[Any]) -> list[Any]:
            return keras.tree.flatten(network(inputs if len(inputs) > 1 else inputs[0], training=False))

        return find_odd_answer(run, [value.shape for value in network.inputs])
    except Exception as error:  # Keras promises no type for what a network does
        return describe_failure(error)


if __name__ == "__main__":
    import keras
    import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.ops.zeros(1)  # TensorFlow starts its threads, which count among the addresses
    limit_process(int(sys.argv[2]))
    print_problem(try_keras_file(Path(sys.argv[1])))
