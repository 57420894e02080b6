"""Save and load the state of a training between two epochs, in one file, so that one rename completes it."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion.errors import EmotionError
from emotion.storage import atomic_path
from emotion.training.runs.folder import CHECKPOINT_FILE
from emotion.translation.messages import gettext as _

Arrays = list[NDArray[Any]]


def copy_values(variables: Sequence[Any]) -> Arrays:
    """Return copies of the values of Keras variables."""
    return [np.array(variable) for variable in variables]


def save_checkpoint(folder: Path, variables: Sequence[Any], best_weights: Arrays, progress: Sequence[float]) -> None:
    """Write the values of all variables, the best weights so far and the numbers of `progress`."""
    arrays = {f"v{i}": value for i, value in enumerate(copy_values(variables))}
    arrays |= {f"b{i}": value for i, value in enumerate(best_weights)}
    arrays["progress"] = np.array(progress, np.float64)
    with atomic_path(folder / CHECKPOINT_FILE) as path, path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_checkpoint(
    folder: Path, variables: Sequence[Any], best_weights: Arrays, num_progress: int
) -> tuple[Arrays, list[float]] | None:
    """Restore the variables from the checkpoint of a run.

    Args:
        folder: The run folder.
        variables: The variables to set.
        best_weights: Arrays in the shapes of the best weights.
        num_progress: How many numbers `progress` has.

    Returns:
        The best weights and `progress`, None without a file.

    Raises:
        EmotionError: The file is damaged or of another training.
    """
    path = folder / CHECKPOINT_FILE
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            saved = {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise EmotionError(_("{path} is damaged; remove it to train from the beginning.").format(path=path)) from error
    expected = {f"v{i}": v.shape for i, v in enumerate(variables)}
    expected |= {f"b{i}": v.shape for i, v in enumerate(best_weights)} | {"progress": (num_progress,)}
    if {key: value.shape for key, value in saved.items()} != expected:
        raise EmotionError(
            _("{path} belongs to another network or other data; choose another folder.").format(path=path)
        )
    for i, variable in enumerate(variables):
        variable.assign(saved[f"v{i}"])
    return [saved[f"b{i}"] for i in range(len(best_weights))], saved["progress"].tolist()
