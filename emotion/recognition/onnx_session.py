"""ONNX Runtime as this project uses it: on the CPU, quiet, still while nothing is asked; one core to measure on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import onnxruntime

from emotion.errors import ModelError
from emotion.model_store.store import ModelBundle


def load_session(
    bundle: ModelBundle, num_threads: int = 0, model_bytes: bytes | None = None
) -> onnxruntime.InferenceSession:
    """The network of a verified model; `num_threads` is how many cores one call may use, 0 takes all.

    `model_bytes` is a changed copy of it to run instead. Raises `ModelError` where it cannot be loaded.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.log_severity_level = 3
    # Otherwise its threads keep turning between two frames and take the camera's cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        source = str(bundle.onnx_path) if model_bytes is None else model_bytes
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has no public base class for what a bad file can raise
        raise ModelError(f"The network of the model {bundle.name} cannot be loaded: {error}") from error


@contextmanager
def single_core() -> Iterator[None]:
    """OpenCV on one thread and, where the system can, the process on one core; sessions want `threads=1`."""
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
