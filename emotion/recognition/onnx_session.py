"""ONNX Runtime sessions on the CPU: load them, run them on many crops, restrict the process to one core to measure."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from emotion.errors import ModelError
from emotion.model_store.store import ModelBundle
from emotion.recognition.trial_run import check_network
from emotion.translation.messages import gettext as _

_BATCH_SIZE: Final = 32  # crops; larger batches take as much time for each crop


def load_session(
    bundle: ModelBundle, num_threads: int = 0, model_bytes: bytes | None = None
) -> onnxruntime.InferenceSession:
    """Load the network of a model.

    Args:
        bundle: The verified model.
        num_threads: Number of threads per call, 0 for one per core.
        model_bytes: A modified ONNX model to load in place of the file of `bundle`.

    Raises:
        ModelError: The network cannot be loaded, or one from elsewhere fails its trial run.
    """
    check_network(bundle)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.log_severity_level = 3  # errors
    # Spinning threads would use the cores between two frames of a camera.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        source = str(bundle.onnx_path) if model_bytes is None else model_bytes
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has no public base class of its exceptions for invalid files
        raise ModelError(
            _("The network of the model {model} cannot be loaded: {reason}").format(model=bundle.name, reason=error)
        ) from error


def run_in_batches(
    session: onnxruntime.InferenceSession, outputs: Sequence[str], crops: NDArray[np.uint8]
) -> list[NDArray[np.float32]]:
    """Run a network on gray crops of one size.

    ONNX Runtime keeps the memory of its largest batch: those of one crowd would take hundreds of megabytes for good.

    Args:
        session: The network; its only input has the shape (n, size, size, 1).
        outputs: The names of n-row outputs.
        crops: uint8 (n, size, size).

    Returns:
        Each output for all crops, with n rows.
    """
    name = session.get_inputs()[0].name
    parts = [
        session.run(outputs, {name: crops[i : i + _BATCH_SIZE, ..., None].astype(np.float32)})
        for i in range(0, max(1, len(crops)), _BATCH_SIZE)
    ]
    return [np.concatenate([np.asarray(part) for part in output]) for output in zip(*parts, strict=True)]


@contextmanager
def single_core() -> Iterator[None]:
    """Restrict OpenCV to one thread and, on systems that support it, the process to one core.

    Sessions need `num_threads=1` in addition.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    if cores:
        os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
        if cores:
            os.sched_setaffinity(0, cores)
