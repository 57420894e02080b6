"""How the movements of faces with a label differ from those of other faces, measured on labeled faces."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from emotion.faces import Face
from emotion.movements import MOVEMENT_GROUPS, average_sides

TABLE_FILE: Final = Path(__file__).with_name("label_movements.json")
_MAX_REASONS: Final = 3
# A difference of 0.4 standard deviations lies between what Cohen 1988 calls a small and a medium effect. Below it the
# table also has movements that a person would not name, such as puckered lips for neutral.
_MIN_EFFECT: Final = 0.4
_MIN_STRENGTH: Final = 0.5  # standard deviations above the mean of all faces, from which a movement is one to name


class MovementStatistics(BaseModel):
    """One movement over many faces, the mean of both sides.

    Attributes:
        mean: Over all faces, 0 to 1.
        deviation: The standard deviation over all faces.
        neutral: The mean over the faces with the label neutral.
        strong: The 95th percentile over all faces.
        effects: By label, the mean of its faces minus the mean of the others, in standard deviations (Cohen's d).
    """

    model_config = ConfigDict(frozen=True)

    mean: float
    deviation: float
    neutral: float
    strong: float
    effects: dict[str, float]


class LabelMovements(BaseModel):
    """Statistics by the name of a `MovementGroup`, measured on `num_faces` faces."""

    model_config = ConfigDict(frozen=True)

    num_faces: int
    movements: dict[str, MovementStatistics]


@lru_cache(maxsize=1)
def load_label_movements() -> LabelMovements:
    """Return the shipped table; `emotion features explain-labels` computes it."""
    return LabelMovements.model_validate_json(TABLE_FILE.read_bytes())


def explain_label(face: Face) -> tuple[str, ...]:
    """Return up to three movements of a face that speak for its label, in words, the most telling first.

    A movement speaks for a label where it is stronger than in most faces, and stronger in faces with that label than in
    others. It counts by the product of both differences.

    Returns:
        Plain names; () where no movement speaks for the label, or the movements are not known.
    """
    if face.features is None or face.label is None:
        return ()
    table = load_label_movements().movements
    weights: dict[str, float] = {}
    for name, value in average_sides(face.features.movements).items():
        if name in table:
            strength = (value - table[name].mean) / table[name].deviation
            effect = table[name].effects.get(face.label, 0.0)
            if strength >= _MIN_STRENGTH and effect >= _MIN_EFFECT:
                weights[name] = strength * effect
    chosen = sorted(weights, key=weights.__getitem__, reverse=True)[:_MAX_REASONS]
    return tuple(MOVEMENT_GROUPS[name].plain_name for name in chosen)
