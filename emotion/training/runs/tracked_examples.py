"""The predictions of a classifier for a few fixed validation faces by epoch, with their images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.errors import DataError
from emotion.training.runs.npz_files import damaged_message, read_npz, write_npz

EXAMPLES_FILE: Final = "tracked_examples.npz"


@dataclass(frozen=True)
class TrackedExamples:
    """Fixed validation faces `images` uint8 (m, size, size) with `labels` int8 (m,), and their `probabilities` float16
    (e, m, k) after each of `epochs` int32 (e,)."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int8]
    epochs: NDArray[np.int32]
    probabilities: NDArray[np.float16]

    @classmethod
    def load(cls, folder: Path) -> TrackedExamples | None:
        """Read the file of a run, None without one; `DataError` where it is damaged."""
        path = folder / EXAMPLES_FILE
        arrays = read_npz(path)
        if arrays is None:
            return None
        try:
            examples = cls(arrays["images"], arrays["labels"], arrays["epochs"], arrays["probabilities"])
            m = len(examples.images)
            shape = (examples.probabilities.shape[:2], examples.labels.shape, examples.images.ndim)
            if shape != ((len(examples.epochs), m), (m,), 3):
                raise ValueError("shapes")
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(damaged_message(path)) from error
        return examples

    def save(self, folder: Path) -> None:
        """Replace the file of a run."""
        write_npz(
            folder / EXAMPLES_FILE,
            {
                "images": self.images,
                "labels": self.labels,
                "epochs": self.epochs,
                "probabilities": self.probabilities.astype(np.float16),
            },
        )

    def with_epoch(self, epoch: int, probabilities: NDArray) -> TrackedExamples:
        """Return a copy with an epoch instead of it and later ones."""
        kept = self.epochs < epoch
        return replace(
            self,
            epochs=np.append(self.epochs[kept], np.int32(epoch)).astype(np.int32),
            probabilities=np.concatenate([self.probabilities[kept], probabilities[None].astype(np.float16)]),
        )
