"""Batches of crops on ONNX Runtime."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.recognition.onnx_session import run_in_batches


class RecordingSession:
    """Stands in for a session: returns the mean and the first row of each crop, and records the batches."""

    def __init__(self) -> None:
        self.batch_sizes: list[int] = []

    def get_inputs(self) -> list[Any]:
        """Return the only input."""
        return [SimpleNamespace(name="faces")]

    def run(self, outputs: list[str], inputs: dict[str, NDArray]) -> list[NDArray]:
        """Return two outputs."""
        faces = inputs["faces"]
        assert faces.dtype == np.float32
        self.batch_sizes.append(len(faces))
        return [faces.mean((1, 2)), faces[:, 0, :, 0]]


@pytest.mark.parametrize(("count", "batch_sizes"), [(0, [0]), (1, [1]), (32, [32]), (33, [32, 1]), (70, [32, 32, 6])])
def test_many_crops_run_in_bounded_batches(count: int, batch_sizes: list[int]) -> None:
    session = RecordingSession()
    crops = np.random.default_rng(1).integers(0, 256, (count, 6, 6), np.uint8)
    means, rows = run_in_batches(session, ["mean", "row"], crops)  # pyright: ignore[reportArgumentType]
    assert session.batch_sizes == batch_sizes
    assert means.shape == (count, 1)
    assert np.allclose(means[:, 0], crops.reshape(count, -1).mean(1) if count else 0)
    assert np.array_equal(rows, crops[:, 0])
