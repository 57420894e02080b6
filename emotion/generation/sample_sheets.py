"""The sheets of sample images that a generator's training keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np

from emotion.storage import write_atomic
from emotion.training.runs.folder import SAMPLE_SHEETS_FILE

_MAX_SHEETS: Final = 24  # epochs whose sheets are kept with the model, spread evenly


def _save_sheets(folder: Path, epochs: int) -> list[int]:
    """Put the sheets of some epochs into one small picture, each below the one before; returns these epochs."""
    wanted = np.unique(np.linspace(1, epochs, min(epochs, _MAX_SHEETS)).round().astype(int)).tolist()
    sheets = {epoch: cv2.imread(str(sheet_path(folder, epoch)), cv2.IMREAD_GRAYSCALE) for epoch in wanted}
    there = {epoch: sheet for epoch, sheet in sheets.items() if sheet is not None}
    _, webp = cv2.imencode(".webp", np.concatenate(list(there.values())), [cv2.IMWRITE_WEBP_QUALITY, 80])
    write_atomic(folder / SAMPLE_SHEETS_FILE, webp.tobytes())
    return list(there)


def sheet_path(folder: Path, epoch: int) -> Path:
    """The sheet of an epoch (from 1) of a run: the seeds 0 to 7 side by side, an expression in each row."""
    return folder / "samples" / f"epoch-{epoch:03d}.png"
