"""Read run folders: what a training left there, whether it ended well or not. Nothing here learns."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

CHECKPOINT: Final = "checkpoint.npz"
HISTORY: Final = "history.csv"
CONFIG: Final = "config.json"
REPORT: Final = "report.json"


def read_history(folder: Path) -> list[dict[str, str]]:
    """The rows of history.csv as text; a torn last line is left out, a missing file is no rows."""
    path = folder / HISTORY
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if None not in row.values() and None not in row]
