"""Read and write the arrays of a run folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotion.errors import DataError
from emotion.storage import atomic_path
from emotion.translation.messages import gettext as _


def read_npz(path: Path) -> dict[str, NDArray] | None:
    """Read the arrays of a file, None without one; `DataError` where it is damaged."""
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except FileNotFoundError:
        return None
    except Exception as error:
        # NumPy documents no types: damaged bytes raise zlib.error, TokenError and others.
        raise DataError(damaged_message(path)) from error


def write_npz(path: Path, arrays: dict[str, NDArray | np.generic]) -> None:
    """Replace a file by one with these arrays."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)  # pyright: ignore[reportArgumentType]


def damaged_message(path: Path) -> str:
    """Return the message about a damaged file in a run folder."""
    text = _("{path} is damaged; write it again with emotion classifier evaluate {folder} --save-predictions.")
    return text.format(path=path, folder=path.parent)
