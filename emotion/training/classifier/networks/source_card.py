"""The card of the classifier that a training begins with; without Keras."""

from __future__ import annotations

from pathlib import Path

from emotion.errors import ModelError
from emotion.model_store.card import CARD_FILE, ClassifierCard, parse_card
from emotion.storage import read_json
from emotion.translation.messages import gettext as _


def read_source_card(weights_file: Path) -> ClassifierCard | None:
    """Return the card beside a file of weights, None where there is none; `ModelError` where it is not valid."""
    path = weights_file.parent / CARD_FILE
    fields = read_json(path)
    if fields is None:
        return None
    card = parse_card(path, fields)
    if not isinstance(card, ClassifierCard):
        raise ModelError(_("{folder} holds no classifier; choose another model.").format(folder=path.parent))
    return card
