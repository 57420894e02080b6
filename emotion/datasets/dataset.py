"""Data sets of labelled faces, and what the votes of FER+ say about each of them."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.expressions import FER2013_LABELS, FERPLUS_LABELS

IMAGE_SIZE: Final = 48
SPLITS: Final = ("train", "validation", "test")
# The columns of fer2013new.csv: those of `FERPLUS_LABELS` in their order, then unknown and not a face.
FERPLUS_COLUMNS: Final = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
)
_NON_FACE_COLUMN: Final = FERPLUS_COLUMNS.index("NF")


@dataclass(frozen=True)
class Dataset:
    """Labelled faces; row i of every array is the same face.

    `images` uint8 (n, size, size) grey, size 48 unless another was asked for; `labels` int8 (n,) index into
    `label_names`; `split` int8 (n,) index into `SPLITS` (validation chooses, test is scored once); `votes` int8
    (n, 10) FER+ votes in the order of `FERPLUS_COLUMNS`, or all 0 where FER+ leaves the row out; `has_votes` bool (n,) False
    there. `notes`: what was left out while reading, in sentences.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int8]
    split: NDArray[np.int8]
    label_names: tuple[str, ...] = FER2013_LABELS
    votes: NDArray[np.int8] | None = None
    has_votes: NDArray[np.bool_] | None = None
    source: str = ""
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.images)

    def rows_in(self, split: str) -> NDArray[np.intp]:
        """The row numbers of a split."""
        return np.flatnonzero(self.split == SPLITS.index(split))

    def take(self, rows: NDArray[np.intp]) -> Dataset:
        """Only these rows."""
        return replace(
            self,
            images=self.images[rows],
            labels=self.labels[rows],
            split=self.split[rows],
            votes=None if self.votes is None else self.votes[rows],
            has_votes=None if self.has_votes is None else self.has_votes[rows],
        )


def clean_votes(votes: NDArray[np.int8]) -> NDArray[np.int8]:
    """FER+ votes (n, 10) with single votes set to 0, as outliers (Barsoum et al. 2016, "Training deep networks
    for facial expression recognition with crowd-sourced label distribution")."""
    return np.where(votes > 1, votes, 0).astype(np.int8)


def majority_vote(data: Dataset) -> NDArray[np.int8]:
    """The FER+ label (n,), index into `FERPLUS_LABELS`; -1 without one.

    A named row has a label where, single votes aside, one of the eight expressions has more than half of the
    votes, those for "unknown" and "not a face" counted in.
    """
    if data.votes is None or data.has_votes is None:
        return np.full(len(data), -1, np.int8)
    votes = clean_votes(data.votes)
    best = votes[:, :8].argmax(1)
    enough = votes[np.arange(len(votes)), best] > votes.sum(1) / 2
    return np.where(enough & data.has_votes, best, -1).astype(np.int8)


def vote_distribution(data: Dataset) -> NDArray[np.float32]:
    """The share (n, 8) of each of `FERPLUS_LABELS` in the votes for an expression, single votes aside; a row of 0 where
    most voters could name none, and where FER+ leaves the row out."""
    if data.votes is None or data.has_votes is None:
        return np.zeros((len(data), len(FERPLUS_LABELS)), np.float32)
    votes = clean_votes(data.votes).astype(np.float32)
    total = votes[:, :8].sum(1, keepdims=True)
    known = data.has_votes[:, None] & (total > votes[:, 8:].sum(1, keepdims=True))
    return np.where(known, votes[:, :8] / np.maximum(total, 1), 0).astype(np.float32)


def is_non_face(data: Dataset) -> NDArray[np.bool_]:
    """Rows (n,) that show no face: most FER+ votes say so, or the picture is blank."""
    flat = is_blank(data.images)
    if data.votes is None:
        return flat
    return flat | (data.votes[:, _NON_FACE_COLUMN] > data.votes.sum(1) / 2)


def hash_split(data: Dataset) -> str:
    """Eight digits that change where a row is in another split: what was learned must not be held out later."""
    return f"{zlib.crc32(data.split.tobytes()):08x}"


def is_blank(images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pictures (n,) of a single grey; one by one, for all at once would take eight times their memory."""
    return np.fromiter((image.std() < 1.0 for image in images), bool, len(images))
