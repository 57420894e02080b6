"""What all engines have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from emotion.archive.pieces import Piece, PieceResult

MAX_START_FAILURES: Final = 3  # in a row, of workers that end before they are ready
START_ADVICE: Final = "give fewer workers, or free memory"


@dataclass(frozen=True)
class LostPiece:
    """A piece whose worker ended while it worked on it: killed, out of memory, or on a machine that is gone."""

    piece: Piece


Outcome = PieceResult | LostPiece


class Engine(Protocol):
    """Runs pieces on workers, one piece at a time on each; lost workers are replaced."""

    @property
    def num_idle(self) -> int:
        """How many workers are ready and have nothing to do."""
        ...

    def submit(self, piece: Piece) -> None:
        """Start a piece on an idle worker."""
        ...

    def wait(self, seconds: float) -> Sequence[Outcome]:
        """Return the outcomes of the pieces that ended, none after at most `seconds` or when a worker becomes ready.

        Raises:
            EmotionError: A worker cannot be started, or has another version of the program or of a model.
        """
        ...

    def close(self) -> None:
        """End all workers and what they work on."""
        ...
