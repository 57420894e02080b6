"""Read run folders: what a training left there, whether it ended well or not. Nothing here learns."""

from __future__ import annotations

from pathlib import Path
from typing import Final

CHECKPOINT: Final = "checkpoint.npz"
HISTORY: Final = "history.csv"
CONFIG: Final = "config.json"
REPORT: Final = "report.json"


def read_history(folder: Path) -> list[dict[str, str]]:
    """The rows of history.csv as text, a number or nothing in every column; a missing file is no rows.

    Damaged lines are left out, and so is a last one without its line break, which may lack half a number.
    """
    try:
        text = (folder / HISTORY).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    lines = [line.split(",") for line in text[: text.rfind("\n") + 1].splitlines()]
    return [
        dict(zip(lines[0], cells, strict=True))
        for cells in lines[1:]
        if len(cells) == len(lines[0]) and any(cells) and all(map(_number_or_nothing, cells))
    ]


def _number_or_nothing(cell: str) -> bool:
    try:
        float(cell or 0)
    except ValueError:
        return False
    return True
