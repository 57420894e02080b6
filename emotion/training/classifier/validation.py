"""Measure a classifier on the validation faces during a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import Dataset, is_non_face, majority_vote
from emotion.training.metrics import cross_entropy


@dataclass(frozen=True)
class ValidationSet:
    """The validation split, and held-out crops that show no face, measured after every epoch."""

    faces: NDArray[np.uint8]  # (n + m, 48, 48), the last m show no face
    labels: NDArray[np.int8]  # (n,)
    ferplus_labels: NDArray[np.int8]  # (n,) FER+ label or -1
    is_face: NDArray[np.bool_]  # (n + m,)

    @classmethod
    def from_dataset(cls, data: Dataset, negative_crops: NDArray[np.uint8] | None) -> ValidationSet:
        """Make one of the validation rows of a data set and of crops uint8 (m, 48, 48) without a face."""
        validation = data.take(data.rows_in("validation"))
        more = np.empty((0, *validation.images.shape[1:]), np.uint8) if negative_crops is None else negative_crops
        return cls(
            np.concatenate([validation.images, more]),
            validation.labels,
            majority_vote(validation),
            np.concatenate([~is_non_face(validation), np.zeros(len(more), bool)]),
        )

    def predict_logits(self, network: keras.Model) -> dict[str, NDArray[np.float32]]:
        """Return the logits (n + m, classes) of a network by head."""
        return network.predict(self.faces[..., None].astype(np.float32), batch_size=512, verbose=0)  # pyright: ignore[reportArgumentType]

    def compute_metrics(self, logits: Mapping[str, NDArray[np.float32]]) -> dict[str, float]:
        """Return the `val_…` columns of the history."""
        n, row = len(self.labels), {}
        labels = {"fer2013": self.labels, "ferplus": self.ferplus_labels}
        for head in logits.keys() & labels.keys():
            rows = np.flatnonzero(labels[head] >= 0)
            if rows.size == 0:  # no validation row has a FER+ majority
                continue
            head_logits, expected = logits[head][:n][rows], labels[head][rows]
            row[f"val_{head}_accuracy"] = float((head_logits.argmax(1) == expected).mean())
            row[f"val_{head}_loss"] = cross_entropy(head_logits, expected)
        if "expression" in logits and (rows := np.flatnonzero(self.ferplus_labels >= 0)).size:
            head_logits, expected = logits["expression"][:n][rows], self.ferplus_labels[rows]
            row["val_expression_recall"] = _mean_recall(head_logits.argmax(1), expected)
            row["val_expression_loss"] = cross_entropy(head_logits, expected)
        if "face" in logits:
            predicted_face = logits["face"][:, 0] > 0
            row["val_face_recall"] = float(predicted_face[self.is_face].mean())
            if not self.is_face.all():
                row["val_nonface_specificity"] = float((~predicted_face[~self.is_face]).mean())
        return dict(sorted(row.items()))


def _mean_recall(predicted: NDArray[np.integer], expected: NDArray[np.integer]) -> float:
    return float(np.mean([(predicted[expected == label] == label).mean() for label in np.unique(expected)]))


def held_out_mask(negative_crops: NDArray[np.uint8] | None) -> NDArray[np.bool_]:
    """Return which crops without a face measure the face head instead of training it: every tenth."""
    return np.arange(0 if negative_crops is None else len(negative_crops)) % 10 == 9
