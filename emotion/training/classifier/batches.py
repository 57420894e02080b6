"""Targets by head, augmented batches, and the soft targets of teachers for a classifier's training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.augmentation import augment, resize_images
from emotion.datasets.dataset import Dataset, expression_distribution, is_non_face, vote_distribution
from emotion.datasets.label_sets import check_teacher
from emotion.expressions import FERPLUS_LABELS
from emotion.model_store.store import ModelBundle
from emotion.recognition.classification import ExpressionClassifier, softmax
from emotion.training.classifier.config import TrainingConfig

WHOLE: Final = slice(None)  # all rows of a batch


@dataclass(frozen=True)
class Targets:
    """Target probabilities (n, classes) and sample weights (n,) by head; a weight of 0 excludes a row."""

    values: dict[str, NDArray[np.float32]]
    sample_weights: dict[str, NDArray[np.float32]]

    def prior(self, head: str) -> NDArray[np.float32]:
        """Return the mean (classes,) of a head's targets, each with its weight."""
        total = self.sample_weights[head] @ self.values[head]
        return total / np.maximum(total.sum(), 1e-9)


def get_head_sizes(data: Dataset, has_negatives: bool) -> dict[str, int]:
    """Return the heads that the data can train and their numbers of logits."""
    heads = {"fer2013": len(data.label_names)}
    if data.votes is not None:
        heads["ferplus"] = len(FERPLUS_LABELS)
        if set(data.label_names) <= set(FERPLUS_LABELS):
            heads["expression"] = len(FERPLUS_LABELS)
    if has_negatives:
        heads["face"] = 1
    return heads


def encode_targets(data: Dataset, config: TrainingConfig, heads: dict[str, int]) -> Targets:
    """Return smoothed labels, shares of the votes without and with the label, and whether a row shows a face."""
    classes = len(data.label_names)
    blank = is_non_face(data)
    values = {"fer2013": _smooth(np.eye(classes, dtype=np.float32)[data.labels], config.label_smoothing)}
    weights = {"fer2013": np.where(blank, 0, 1).astype(np.float32)}
    if "ferplus" in heads:
        shares = vote_distribution(data)
        values["ferplus"] = _smooth(shares, config.ferplus_label_smoothing)
        # Rows that most voters could not label, or that show no face, are excluded.
        weights["ferplus"] = np.asarray((shares > 0).any(1), np.float32)
    if "expression" in heads:
        shares = expression_distribution(data, config.expression_label_weight)
        values["expression"] = _smooth(shares, config.ferplus_label_smoothing)
        weights["expression"] = np.asarray((shares > 0).any(1), np.float32)
    if "face" in heads:
        values["face"] = (~blank).astype(np.float32)[:, None]
        weights["face"] = np.ones(len(data), np.float32)
    return Targets(values, weights)


def _smooth(shares: NDArray[np.float32], smoothing: float) -> NDArray[np.float32]:
    return (shares * (1 - smoothing) + smoothing / shares.shape[1]).astype(np.float32)


def make_negative_targets(num_negatives: int, heads: dict[str, int]) -> Targets:
    """Return targets for crops without a face, which train only the face head."""
    return Targets(
        {name: np.zeros((num_negatives, width), np.float32) for name, width in heads.items()},
        {name: np.full(num_negatives, name == "face", np.float32) for name in heads},
    )


class ClassifierBatches:
    """The augmented batches of one epoch, or `part` of each; they depend on seed, epoch and index alone."""

    def __init__(
        self,
        images: NDArray[np.uint8],
        targets: Targets,
        config: TrainingConfig,
        epoch: int,
        teachers: TeacherEnsemble | None = None,
        part: slice = WHOLE,
    ) -> None:
        self._images, self._targets, self._config, self._epoch = images, targets, config, epoch
        self._teachers, self._part = teachers, part
        self._expression_prior = targets.prior("expression") if "expression" in targets.values else None
        self._order = np.random.default_rng((config.seed, epoch)).permutation(len(images))
        # Drawn once for all epochs and then alternated, so that each face is seen from both sides in turn.
        self._flip_mask = (np.random.default_rng(config.seed).integers(0, 2, len(images)) + epoch) % 2 == 1
        is_tail = epoch >= round(config.epochs * (1 - config.no_erasing_tail))
        self._augmentation = replace(config.augmentation, erase_prob=0.0) if is_tail else config.augmentation

    def __len__(self) -> int:
        return len(self._images) // self._config.batch_size

    def __getitem__(self, index: int) -> tuple[NDArray, dict[str, NDArray], dict[str, NDArray]]:
        rows = self._order[index * self._config.batch_size : (index + 1) * self._config.batch_size]
        rng = np.random.default_rng((self._config.seed, self._epoch, index))
        size = self._config.image_size_at(self._epoch)
        # The whole batch, so that each row is changed as it is without `part`.
        faces = augment(self._images[rows], size, self._flip_mask[rows], self._augmentation, rng)[self._part]
        rows = rows[self._part]
        targets = Targets(
            {name: value[rows] for name, value in self._targets.values.items()},
            {name: weight[rows] for name, weight in self._targets.sample_weights.items()},
        )
        if self._teachers is not None:
            probs = self._teachers.predict(faces)
            if self._expression_prior is not None:
                # Teachers, too, learned it as if all expressions were equally frequent, see `BalancedCrossentropy`.
                joint = probs["expression"] * self._expression_prior
                probs["expression"] = joint / joint.sum(1, keepdims=True)
            targets = mix_soft_targets(targets, probs, self._config.distillation_weight)
        return faces[..., None].astype(np.float32), targets.values, targets.sample_weights


class TeacherEnsemble:
    """The mean of the calibrated probabilities of trained classifiers.

    They get the same augmented images as the trained network (Beyer et al. 2022, "Knowledge distillation: a good
    teacher is patient and consistent"). Raises `ModelError` where one of them lacks a head of `heads` or its labels.
    """

    def __init__(self, bundles: Sequence[ModelBundle], heads: Mapping[str, Sequence[str]]) -> None:
        self._classifiers = [ExpressionClassifier(bundle, num_threads=1) for bundle in bundles]
        self._heads = tuple(heads)
        for bundle in bundles:
            check_teacher(bundle, heads)

    def predict(self, faces: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Return probabilities (n, classes) by head for gray faces uint8 (n, s, s) of any size."""
        probs: dict[str, list[NDArray[np.float64]]] = {name: [] for name in self._heads}
        for classifier in self._classifiers:
            logits, heads = classifier.logits(resize_images(faces, classifier.input_size)), classifier.bundle.heads
            for name, values in probs.items():
                values.append(softmax(logits[name], heads[name].temperature))
        return {name: np.mean(values, axis=0).astype(np.float32) for name, values in probs.items()}


def mix_soft_targets(
    targets: Targets, teacher_probs: Mapping[str, NDArray[np.float32]], distillation_weight: float
) -> Targets:
    """Return targets in which `teacher_probs` have the share `distillation_weight`, 0 to 1, of the loss.

    Teachers also count for faces without usable votes, but not for rows that show no face.
    """
    values: dict[str, Any] = dict(targets.values)
    weights: dict[str, Any] = dict(targets.sample_weights)
    is_face = (targets.sample_weights["fer2013"] > 0).astype(np.float32)
    for name, probabilities in teacher_probs.items():
        own, theirs = (1 - distillation_weight) * targets.sample_weights[name], distillation_weight * is_face
        # The cross-entropy is linear in its targets: one of their mean is the mean of two.
        weights[name] = own + theirs
        total = np.maximum(weights[name], 1e-9)[:, None]
        mean = (own[:, None] * targets.values[name] + theirs[:, None] * probabilities) / total
        values[name] = mean.astype(np.float32)
    return Targets(values, weights)
