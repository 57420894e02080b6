"""The card beside a file of weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emotion.errors import ModelError
from emotion.model_store.store import BUILTIN_MODELS
from emotion.training.classifier.networks.source_card import read_source_card


def test_a_file_of_weights_has_the_card_of_its_folder(tmp_path: Path, make_bundle: Callable[..., Path]) -> None:
    folder = make_bundle(tmp_path / "wide", lambda card: card.update(network="seresnet-wide"))
    card = read_source_card(folder / "model.keras")
    assert card is not None
    assert card.network == "seresnet-wide"
    assert read_source_card(tmp_path / "model.keras") is None


def test_the_card_of_another_kind_of_model_is_refused() -> None:
    with pytest.raises(ModelError, match="holds no classifier"):
        read_source_card(BUILTIN_MODELS / "generator" / "model.keras")
