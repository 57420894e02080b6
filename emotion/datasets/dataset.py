"""Labeled faces in memory, and the labels that FER+ votes give them."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.expressions import FER2013_LABELS, FERPLUS_LABELS
from emotion.translation.messages import gettext_noop

IMAGE_SIZE: Final = 48
SPLITS: Final = (gettext_noop("train"), gettext_noop("validation"), gettext_noop("test"))
# The columns of fer2013new.csv: `FERPLUS_LABELS` in their order, then unknown and not a face.
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
_MIN_SPREAD: Final = 1.0  # gray levels, of an image that shows something
_NUM_EXPRESSIONS: Final = len(FERPLUS_LABELS)  # the first columns of the votes
_NON_FACE_COLUMN: Final = FERPLUS_COLUMNS.index("NF")


@dataclass(frozen=True)
class Dataset:
    """Labeled faces; row i of every array is the same face.

    Attributes:
        images: Gray uint8 (n, size, size).
        labels: int8 (n,), indices into `label_names`.
        split: int8 (n,), indices into `SPLITS`; validation chooses a model, test scores it once.
        label_names: The labels.
        votes: FER+ votes, int8 (n, 10) in the order of `FERPLUS_COLUMNS`; 0 in rows that FER+ leaves out.
        has_votes: bool (n,), False in rows that FER+ leaves out.
        source: Name of the file or folder.
        notes: Sentences about files that were left out.
        files: The names of the image files, of a folder only.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int8]
    split: NDArray[np.int8]
    label_names: tuple[str, ...] = FER2013_LABELS
    votes: NDArray[np.int8] | None = None
    has_votes: NDArray[np.bool_] | None = None
    source: str = ""
    notes: tuple[str, ...] = field(default=())
    files: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.images)

    def rows_in(self, split: str) -> NDArray[np.intp]:
        """Return the row numbers of a split."""
        return np.flatnonzero(self.split == SPLITS.index(split))

    def take(self, rows: NDArray[np.intp]) -> Dataset:
        """Return a data set of these rows only."""
        return replace(
            self,
            images=self.images[rows],
            labels=self.labels[rows],
            split=self.split[rows],
            votes=None if self.votes is None else self.votes[rows],
            has_votes=None if self.has_votes is None else self.has_votes[rows],
            files=tuple(self.files[row] for row in rows) if self.files else (),
        )


def clean_votes(votes: NDArray[np.int8]) -> NDArray[np.int8]:
    """Set single FER+ votes of (n, 10) to 0, as outliers.

    After Barsoum et al. 2016, "Training deep networks for facial expression recognition with crowd-sourced label
    distribution".
    """
    return np.where(votes > 1, votes, 0).astype(np.int8)


def majority_vote(data: Dataset) -> NDArray[np.int8]:
    """Return the FER+ label (n,) of each row, an index into `FERPLUS_LABELS`, or -1.

    A row has a label where, single votes aside, one of the eight expressions has more than half of all votes, those
    for "unknown" and "not a face" included.
    """
    if data.votes is None or data.has_votes is None:
        return np.full(len(data), -1, np.int8)
    votes = clean_votes(data.votes)
    best = votes[:, :_NUM_EXPRESSIONS].argmax(1)
    has_majority = votes[np.arange(len(votes)), best] > votes.sum(1) / 2
    return np.where(has_majority & data.has_votes, best, -1).astype(np.int8)


def vote_distribution(data: Dataset) -> NDArray[np.float32]:
    """Return the shares (n, 8) of `FERPLUS_LABELS` in the votes for an expression, single votes aside.

    A row is 0 where most voters chose no expression, or where FER+ leaves it out.
    """
    if data.votes is None or data.has_votes is None:
        return np.zeros((len(data), len(FERPLUS_LABELS)), np.float32)
    votes = clean_votes(data.votes).astype(np.float32)
    expressions, others = votes[:, :_NUM_EXPRESSIONS], votes[:, _NUM_EXPRESSIONS:]
    total = expressions.sum(1, keepdims=True)
    is_known = data.has_votes[:, None] & (total > others.sum(1, keepdims=True))
    return np.where(is_known, expressions / np.maximum(total, 1), 0).astype(np.float32)


def expression_distribution(data: Dataset, label_weight: float) -> NDArray[np.float32]:
    """Return `vote_distribution` (n, 8) with the label of each row as a further vote.

    FER+ voters call many angry, frightened and sad faces of FER-2013 neutral, which its labels do not.

    Args:
        data: A data set whose labels are all in `FERPLUS_LABELS`.
        label_weight: The weight of the label relative to all votes together; rows without votes have the label alone.

    Returns:
        The shares; 0 for rows that show no face.
    """
    columns = [FERPLUS_LABELS.index(name) for name in data.label_names]
    labels = np.eye(_NUM_EXPRESSIONS, dtype=np.float32)[columns][data.labels]
    shares = vote_distribution(data) + label_weight * labels
    total = np.where(is_non_face(data), 0, shares.sum(1))[:, None]
    return np.where(total > 0, shares / np.maximum(total, 1e-9), 0).astype(np.float32)


def is_non_face(data: Dataset) -> NDArray[np.bool_]:
    """Mark the rows (n,) without a face: most FER+ votes are for "not a face", or the image is blank."""
    blank = is_blank(data.images)
    if data.votes is None:
        return blank
    return blank | (data.votes[:, _NON_FACE_COLUMN] > data.votes.sum(1) / 2)


def hash_split(data: Dataset) -> str:
    """Return eight hexadecimal digits of all splits: a row that trained a model must not test it later."""
    return f"{zlib.crc32(data.split.tobytes()):08x}"


def is_blank(images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Mark the images (n,) of a single shade of gray."""
    # Image by image: a single call would take eight times the memory of all images.
    return np.fromiter((image.std() < _MIN_SPREAD for image in images), bool, len(images))
