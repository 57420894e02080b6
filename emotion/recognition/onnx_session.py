"""Create ONNX Runtime sessions on the CPU, and restrict the process to one core for measurements."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import onnxruntime

from emotion.errors import ModelError
from emotion.model_store.store import ModelBundle
from emotion.recognition.trial_run import check_network
from emotion.translation.messages import gettext as _


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
