"""Upscaler: enlarged faces, and refused faces and models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotion.errors import ModelError
from emotion.generation.upscaling.upscaler import Upscaler
from emotion.model_store.store import open_model
from tests.generation.making import write_generator
from tests.generation.upscaling.making import write_upscaler

FACES = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)


def test_faces_are_enlarged_four_times(upscaler: Upscaler) -> None:
    enlarged = upscaler.enlarge(FACES)
    assert enlarged.dtype == np.uint8
    np.testing.assert_array_equal(enlarged, FACES.repeat(4, 1).repeat(4, 2))


def test_no_face_is_an_empty_array(upscaler: Upscaler) -> None:
    assert upscaler.enlarge(FACES[:0]).shape == (0, 192, 192)


def test_faces_of_another_size_are_refused(upscaler: Upscaler) -> None:
    with pytest.raises(ModelError, match=r"have \(24, 48\) pixels; the model repeat enlarges those of 48 a side"):
        upscaler.enlarge(FACES[:, :24])


@pytest.mark.parametrize(
    "change",
    [lambda card: card["output"].update(size=96), lambda card: card["input"].update(size=24)],
)
def test_a_card_that_does_not_match_the_network_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    bundle = open_model(write_upscaler(tmp_path / "other", change))
    with pytest.raises(ModelError, match=r"the network has \[48, 48, 1\] and \[192, 192, 1\]"):
        Upscaler(bundle)


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is a generator; expected an upscaler"):
        Upscaler(open_model(write_generator(tmp_path / "waves")))
