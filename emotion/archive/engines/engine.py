"""What all engines have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from emotion.archive.pieces import Piece, PieceResult


@dataclass(frozen=True)
class LostPiece:
    """A piece whose worker ended while it worked on it: killed, out of memory, or on a machine that is gone."""

    piece: Piece


Outcome = PieceResult | LostPiece


class Engine(Protocol):
    """Runs pieces on workers, one piece at a time on each; lost workers are replaced."""

    @property
    def num_workers(self) -> int:
        """How many pieces may be submitted and not yet returned."""
        ...

    def submit(self, piece: Piece) -> None:
        """Start a piece on an idle worker."""
        ...

    def wait(self, seconds: float) -> Sequence[Outcome]:
        """Return the outcomes of the pieces that ended, after at most `seconds`.

        Raises:
            EmotionError: A worker cannot be started, or has another version of the program or of a model.
        """
        ...

    def close(self) -> None:
        """End all workers and what they work on."""
        ...
