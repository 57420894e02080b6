"""Sample sheets of a generator's training: fixed seeds with every expression, one sheet after each epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np

from emotion.storage import write_atomic
from emotion.training.runs.folder import SAMPLE_SHEETS_FILE

MAX_SHEETS: Final = 24  # spread evenly over the epochs; about what a slider shows
_WEBP_QUALITY: Final = 80


def sheet_path(folder: Path, epoch: int) -> Path:
    """Return the path of the sheet of an epoch (from 1): seeds 0 to 7 side by side, one expression per row."""
    return folder / "samples" / f"epoch-{epoch:03d}.png"


def save_sheets(folder: Path, num_epochs: int) -> list[int]:
    """Stack the sheets of some epochs into one WebP file, top to bottom, and return these epochs."""
    selected = np.unique(np.linspace(1, num_epochs, min(num_epochs, MAX_SHEETS)).round().astype(int)).tolist()
    sheets = {epoch: cv2.imread(str(sheet_path(folder, epoch)), cv2.IMREAD_GRAYSCALE) for epoch in selected}
    readable = {epoch: sheet for epoch, sheet in sheets.items() if sheet is not None}
    _, webp = cv2.imencode(".webp", np.concatenate(list(readable.values())), [cv2.IMWRITE_WEBP_QUALITY, _WEBP_QUALITY])
    write_atomic(folder / SAMPLE_SHEETS_FILE, webp.tobytes())
    return list(readable)
