"""The two recipes by which a classifier is trained: what is learned, which settings decide it, what its card holds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import Dataset, expression_distribution, hash_split, is_non_face
from emotion.datasets.duplicates import duplicate_report
from emotion.datasets.label_sets import (
    TaskDataset,
    check_classes,
    check_labels,
    check_splits,
    count_labels,
    get_label_set,
    map_labels,
)
from emotion.expressions import EXPRESSIONS, FERPLUS_LABELS
from emotion.model_store.store import ModelBundle, compute_sha256
from emotion.training.classifier.batches import TeacherEnsemble, get_head_sizes
from emotion.training.classifier.config import TrainingConfig, TrainingPlan, find_weights_file
from emotion.training.classifier.evaluation.scoring import wrap_dataset
from emotion.training.classifier.networks.source_card import read_source_card
from emotion.training.classifier.networks.zoo import get_architecture
from emotion.training.runs.run_context import RunContext

# These may change between a stop and a resume.
_MUTABLE_SETTINGS: Final = ("data", "ferplus_csv", "negatives_dir", "tensorboard")
_FACE_THRESHOLD: Final = 0.5  # before it is fitted on the validation split


class Recipe(ABC):
    """A way to train a classifier; `task` has the faces with the labels to learn."""

    task: TaskDataset

    @cached_property
    def duplicates(self) -> dict[str, int]:
        """The duplicates across the splits of `task`."""
        return duplicate_report(self.task.data)

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return what decides the result."""

    @abstractmethod
    def metadata(self) -> dict[str, Any]:
        """Return what config.json holds, too, but may change before a resume."""

    @abstractmethod
    def fit(self, run: RunContext) -> Any:
        """Train and return a Keras model with the weights of the best epoch."""

    @abstractmethod
    def card_fields(self, heads: list[str]) -> dict[str, Any]:
        """Return what the card has besides the fields that all classifiers have; `heads` are those of the network."""


class MultiHeadRecipe(Recipe):
    """Networks of this project: heads for labels, FER+ votes, both together, and faces, where the data has them."""

    def __init__(
        self,
        data: Dataset,
        plan: TrainingPlan,
        teachers: list[ModelBundle],
        negative_crops: NDArray[np.uint8] | None = None,
    ) -> None:
        check_splits(data.source, count_labels(data))
        check_labels(data.source, data.label_names)
        self.task, self._plan, self._negative_crops = wrap_dataset(data), plan, negative_crops
        self._init_file = find_weights_file(Path(plan.init_from), plan.network) if plan.init_from else None
        self._init_card = read_source_card(self._init_file) if self._init_file else None
        self._config = TrainingConfig.from_plan(
            plan,
            tuple(bundle.sha256 for bundle in teachers),
            compute_sha256(self._init_file) if self._init_file else "",
            self._find_kept_heads(),
        )
        labels = {head: self._labels(head) for head in get_head_sizes(data, has_negatives=False)}
        self._teachers = TeacherEnsemble(teachers, labels) if teachers else None

    def _find_kept_heads(self) -> tuple[str, ...]:
        """Return the face head of the initial weights where neither data nor photos without faces can train it."""
        has_face_head = self._init_card is not None and self._init_card.face_head is not None
        has_negatives = self._negative_crops is not None or bool(is_non_face(self.task.data).any())
        return ("face",) if has_face_head and not has_negatives else ()

    def _labels(self, head: str) -> tuple[str, ...]:
        return FERPLUS_LABELS if head in ("ferplus", "expression") else self.task.data.label_names

    def settings(self) -> dict[str, Any]:
        """Return what decides the result."""
        data = self.task.data
        return {
            **asdict(self._config),
            "source": data.source,
            "rows": len(data),
            "has_ferplus_votes": data.votes is not None,
            "num_negatives": 0 if self._negative_crops is None else len(self._negative_crops),
            "duplicates": self.duplicates,
            "split": hash_split(data),
        }

    def metadata(self) -> dict[str, Any]:
        """Return the plan and what describes the data."""
        data = self.task.data
        return {
            **self._plan.to_config(),
            "teacher_folders": list(self._plan.teachers),
            "init_from_path": self._plan.init_from,
            "size": data.images.shape[1],
            "label_names": list(data.label_names),
        }

    def fit(self, run: RunContext) -> Any:
        """Train the network."""
        from emotion.training.classifier.trainer import fit_classifier  # loads Keras

        return fit_classifier(self.task.data, self._config, run, self._negative_crops, self._teachers, self._init_file)

    def card_fields(self, heads: list[str]) -> dict[str, Any]:
        """Return the fields that only this recipe has."""
        data = self.task.data
        fields = {
            "input": _describe_input(
                get_architecture(self._plan.network).input_size,
                "normalized inside the network",
            ),
            "default_head": next(head for head in ("expression", "ferplus", "fer2013") if head in heads),
            "heads": self._describe_heads(heads),
            "face_head": {"output": "face", "threshold": self._face_threshold()} if "face" in heads else None,
            "teachers": list(self._config.teachers),
            "initialized_from": self._config.init_from or None,
        }
        # A card with other labels than the known expressions has to declare them.
        return fields if set(data.label_names) <= set(EXPRESSIONS) else {**fields, "label_set": "own"}

    def _face_threshold(self) -> float:
        """Return the probability of a face before calibration."""
        face_head = self._init_card.face_head if self._init_card and self._config.kept_heads else None
        return face_head.threshold if face_head else _FACE_THRESHOLD

    def _describe_heads(self, names: list[str]) -> dict[str, Any]:
        heads = _describe_heads({head: self._labels(head) for head in names if head != "face"})
        if "expression" in heads:
            train_data = self.task.data.take(self.task.data.rows_in("train"))
            prior = expression_distribution(train_data, self._config.expression_label_weight).mean(0)
            heads["expression"]["prior"] = [round(float(share), 4) for share in prior / prior.sum()]
        return heads


class SingleHeadRecipe(Recipe):
    """Networks of the zoo: one head for one set of labels."""

    def __init__(self, data: Dataset, plan: TrainingPlan) -> None:
        self.task, self._plan = map_labels(data, get_label_set(plan.label_set)), plan
        counts = count_labels(self.task.data)
        check_splits(data.source, counts)
        check_classes(data.source, self.task.data.label_names, counts)

    def _all_settings(self) -> dict[str, Any]:
        task = self.task
        return self._plan.to_config() | {
            "label_names": list(task.data.label_names),
            "source": task.data.source,
            "rows": len(task.rows),
            "excluded_labels": dict(task.excluded_counts),
            "duplicates": self.duplicates,
            "split": hash_split(task.data),
        }

    @property
    def _mutable(self) -> tuple[str, ...]:
        # Only a cosine depends on the number of epochs; any other training can be continued with more of them.
        return _MUTABLE_SETTINGS if self._plan.lr_schedule == "cosine" else (*_MUTABLE_SETTINGS, "epochs")

    def settings(self) -> dict[str, Any]:
        """Return what decides the result."""
        return {name: value for name, value in self._all_settings().items() if name not in self._mutable}

    def metadata(self) -> dict[str, Any]:
        """Return the plan and what describes the data."""
        return {name: value for name, value in self._all_settings().items() if name in self._mutable}

    def fit(self, run: RunContext) -> Any:
        """Train the network."""
        from emotion.training.classifier.zoo_trainer import fit_zoo_classifier  # loads Keras

        return fit_zoo_classifier(self.task, self._plan, run)

    def card_fields(self, heads: list[str]) -> dict[str, Any]:
        """Return the fields that only this recipe has."""
        plan = self._plan
        return {
            "weights": plan.weights,
            "label_set": plan.label_set,
            "input": _describe_input(get_architecture(plan.network).input_size, "scaled inside the network"),
            "default_head": plan.label_set,
            "heads": _describe_heads(dict.fromkeys(heads, self.task.data.label_names)),
            "face_head": None,
        }


def _describe_input(size: int, preprocessing: str) -> dict[str, Any]:
    return {"size": size, "color_mode": "grayscale", "range": [0, 255], "preprocessing": preprocessing}


def _describe_heads(labels: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    return {
        head: {"output": head, "labels": list(names), "temperature": 1.0}  # not calibrated
        for head, names in labels.items()
    }
