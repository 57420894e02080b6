"""The state of a training between two epochs, in one file, so that one rename makes it whole."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from emotion.errors import EmotionError
from emotion.storage import atomic_path
from emotion.training.runs.folder import CHECKPOINT_FILE

Arrays = list[NDArray[Any]]


def copy_values(variables: Sequence[Any]) -> Arrays:
    """Copies of Keras variables' values."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def save_checkpoint(folder: Path, variables: Sequence[Any], best_weights: Arrays, progress: Sequence[float]) -> None:
    """Write the variables' values, the best weights so far and a few numbers."""
    arrays = {f"v{i}": value for i, value in enumerate(copy_values(variables))}
    arrays |= {f"b{i}": value for i, value in enumerate(best_weights)}
    arrays["progress"] = np.array(progress, np.float64)
    with atomic_path(folder / CHECKPOINT_FILE) as path, path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_checkpoint(
    folder: Path, variables: Sequence[Any], best_weights: Arrays, num_progress: int
) -> tuple[Arrays, list[float]] | None:
    """Set the variables as they were and return the best weights and the `num_progress` numbers; None without a file.

    Raises `EmotionError` where the file is damaged or of another training.
    """
    path = folder / CHECKPOINT_FILE
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            saved = {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise EmotionError(f"{path} is damaged; remove it to train again from the beginning.") from error
    wanted = {f"v{i}": v.shape for i, v in enumerate(variables)}
    wanted |= {f"b{i}": v.shape for i, v in enumerate(best_weights)} | {"progress": (num_progress,)}
    if {key: value.shape for key, value in saved.items()} != wanted:
        raise EmotionError(f"{path} belongs to another network or other data; choose another folder.")
    for i, variable in enumerate(variables):
        variable.assign(saved[f"v{i}"])
    return [saved[f"b{i}"] for i in range(len(best_weights))], saved["progress"].tolist()
