"""Enlarge gray faces by an exported network on the CPU: the same face gives the same pixels on every machine."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from emotion.errors import ModelError
from emotion.generation.sampler import FaceImages
from emotion.model_store.store import ModelBundle
from emotion.recognition.onnx_session import load_session
from emotion.translation.messages import gettext as _


class Upscaler:
    """A verified upscaler on ONNX Runtime; thread-safe.

    Every face is a run of its own on one core, see `Sampler`.

    Args:
        bundle: An upscaler.

    Raises:
        ModelError: The bundle is no upscaler, or its card does not match its network.
    """

    def __init__(self, bundle: ModelBundle) -> None:
        card = bundle.upscaler_card
        self.bundle, self.input_size, self.output_size = bundle, card.input.size, card.output.size
        self._session = load_session(bundle, num_threads=1)
        self._pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="upscaler")  # its threads start when needed
        (network_input,), (network_output,) = self._session.get_inputs(), self._session.get_outputs()
        self._input_name = network_input.name
        sizes = network_input.shape[1:], network_output.shape[1:]
        expected = [self.input_size, self.input_size, 1], [self.output_size, self.output_size, 1]
        if sizes != expected:
            raise ModelError(
                _(
                    "The card of the model {model} gives faces of {input_size} and {output_size} pixels; the network "
                    "has {actual_input} and {actual_output}."
                ).format(
                    model=bundle.name,
                    input_size=self.input_size,
                    output_size=self.output_size,
                    actual_input=sizes[0],
                    actual_output=sizes[1],
                )
            )

    def enlarge(self, faces: FaceImages) -> FaceImages:
        """Return gray faces uint8 (n, input_size, input_size) as (n, output_size, output_size).

        Raises:
            ModelError: The faces have another size.
        """
        if faces.shape[1:] != (self.input_size, self.input_size):
            raise ModelError(
                f"The faces have {faces.shape[1:]} pixels; the model {self.bundle.name} enlarges those of "
                f"{self.input_size} a side."
            )
        enlarged = list(self._pool.map(self._enlarge_face, faces))
        return np.stack(enlarged) if enlarged else np.empty((0, self.output_size, self.output_size), np.uint8)

    def _enlarge_face(self, face: NDArray[np.uint8]) -> NDArray[np.uint8]:
        (enlarged,) = self._session.run(None, {self._input_name: face[None, ..., None].astype(np.float32)})
        return np.rint(np.asarray(enlarged)[0, ..., 0]).clip(0, 255).astype(np.uint8)
