"""Train a classifier with one head for each kind of label, by the recipe of this project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from emotion.datasets.augmentation import resize_images
from emotion.datasets.dataset import Dataset, is_non_face
from emotion.errors import EmotionError
from emotion.expressions import FERPLUS_LABELS
from emotion.training.classifier.batches import (
    WHOLE,
    ClassifierBatches,
    Targets,
    TeacherEnsemble,
    encode_targets,
    get_head_sizes,
    make_negative_targets,
)
from emotion.training.classifier.classifier_training import ClassifierTraining, check_split_sizes
from emotion.training.classifier.config import TrainingConfig
from emotion.training.classifier.evaluation.scoring import wrap_dataset
from emotion.training.classifier.losses import BalancedCrossentropy
from emotion.training.classifier.networks import multi_head
from emotion.training.classifier.networks.initial_weights import load_initial_weights
from emotion.training.classifier.networks.mobilenet import load_face_recognition_weights
from emotion.training.classifier.validation import ValidationSet, held_out_mask
from emotion.training.keras_support.fused_batch_norm import with_fused_batch_norm
from emotion.training.keras_support.optimizers import NOT_DECAYED, warmup_cosine
from emotion.training.loop import train_epochs
from emotion.training.parallel.group import WorkerGroup
from emotion.training.parallel.layers import with_parallel_layers
from emotion.training.runs.run_context import RunContext
from emotion.translation.messages import gettext as _

_MOMENTUM: Final = 0.9
_NUM_PROBE_FACES: Final = 1024  # from which the moments of the activations are measured


def fit_classifier(
    data: Dataset,
    config: TrainingConfig,
    run: RunContext,
    negative_crops: NDArray[np.uint8] | None = None,
    teachers: TeacherEnsemble | None = None,
    init_file: Path | None = None,
) -> keras.Model:
    """Train a classifier in `run.folder`, from its checkpoint on where there is one.

    The best epoch has the highest mean of the heads' accuracies on the validation split.

    Args:
        data: The faces, uint8 grayscale.
        config: The settings.
        run: Where to write, and who follows it.
        negative_crops: uint8 (m, 48, 48) without a face; they train the face head, a tenth of them measures it.
        teachers: Classifiers whose probabilities have the share `config.distillation_weight` in the loss.
        init_file: The file of the initial weights, see `recipes.find_weights_file`; None for random weights.

    Returns:
        The network with the weights of the best epoch.

    Raises:
        DataError: A split has too few faces.
        ModelError: `init_file` is damaged or holds another network.
        TrainingStopped, DivergenceError, EmotionError: See `train_epochs`.
    """
    check_split_sizes(wrap_dataset(data), config.batch_size)
    training = MultiHeadTraining(data, config, run.folder, negative_crops, teachers, run.group)
    if init_file is not None:
        training.load_initial_weights(init_file)
    return train_epochs(training, run)


class MultiHeadTraining(ClassifierTraining[TrainingConfig]):
    """A network with the heads `fer2013`, `ferplus`, `expression` and `face`, as far as the data can train them."""

    uses_bfloat16 = True

    def __init__(
        self,
        data: Dataset,
        config: TrainingConfig,
        folder: Path,
        negative_crops: NDArray[np.uint8] | None = None,
        teachers: TeacherEnsemble | None = None,
        group: WorkerGroup | None = None,
    ) -> None:
        super().__init__(wrap_dataset(data), folder, "fer2013")
        self.config, self._teachers = config, teachers
        keras.utils.set_random_seed(config.seed)
        train_data = data.take(data.rows_in("train"))
        has_negatives = negative_crops is not None or bool(is_non_face(train_data).any())
        self.heads = get_head_sizes(data, has_negatives or "face" in config.kept_heads)
        self.images, self.targets = train_data.images, encode_targets(train_data, config, self.heads)
        held_out = held_out_mask(negative_crops)
        if negative_crops is not None:
            self._add_negatives(negative_crops[~held_out])
        self._validation = ValidationSet.from_dataset(
            data, negative_crops[held_out] if negative_crops is not None else None
        )
        self.export_network = multi_head.CLASSIFIER_NETWORKS[config.network](self.heads)
        if config.trained_heads:
            self._freeze_except(config.trained_heads)
        for head in config.kept_heads:
            self.export_network.get_layer(head).trainable = False
        self.network = with_fused_batch_norm(self.export_network)
        self._part = WHOLE
        if group is not None:
            self.network = with_parallel_layers(self.network, group, config.batch_size)
            self._part = group.rows(config.batch_size)
        self._compile()

    def _freeze_except(self, heads: Sequence[str]) -> None:
        unknown = [head for head in heads if head not in self.heads]
        if unknown:
            raise EmotionError(
                _("The data cannot train the head {head!r}; choose of {heads}.").format(
                    head=unknown[0], heads=", ".join(self.heads)
                )
            )
        for layer in self.export_network.layers:
            layer.trainable = layer.name in heads

    def _add_negatives(self, crops: NDArray[np.uint8]) -> None:
        targets, negatives = self.targets, make_negative_targets(len(crops), self.heads)
        self.images = np.concatenate([self.images, crops])
        self.targets = Targets(
            {head: np.concatenate([value, negatives.values[head]]) for head, value in targets.values.items()},
            {
                head: np.concatenate([weight, negatives.sample_weights[head]])
                for head, weight in targets.sample_weights.items()
            },
        )

    def _compile(self) -> None:
        config = self.config
        schedule = warmup_cosine(config, config.epochs * (len(self.images) // config.batch_size))
        options: dict[str, Any] = {"learning_rate": schedule, "weight_decay": config.weight_decay}
        optimizer = (
            keras.optimizers.AdamW(**options)
            if config.optimizer == "adamw"
            else keras.optimizers.SGD(momentum=_MOMENTUM, nesterov=True, **options)
        )
        optimizer.exclude_from_weight_decay(var_names=NOT_DECAYED)
        loss_weights = {
            "fer2013": 1.0,
            "ferplus": config.ferplus_loss_weight,
            "expression": config.expression_loss_weight,
            "face": config.face_loss_weight,
        }
        entropy = keras.losses.CategoricalCrossentropy(from_logits=True)
        losses: dict[str, keras.losses.Loss] = dict.fromkeys(self.heads, entropy)
        if "expression" in self.heads:
            losses["expression"] = BalancedCrossentropy(self.targets.prior("expression"))
        if "face" in self.heads:
            losses["face"] = keras.losses.BinaryCrossentropy(from_logits=True)
        self.network.compile(
            optimizer,
            loss=losses,
            loss_weights={head: 0.0 if head in config.kept_heads else loss_weights[head] for head in self.heads},
            weighted_metrics={
                head: keras.metrics.CategoricalAccuracy(name="accuracy") for head in self.heads if head != "face"
            },
        )
        optimizer.build(self.network.trainable_variables)

    def load_initial_weights(self, path: Path) -> None:
        """Copy the weights of a trained network of the same architecture, or those of face recognition."""
        if path.suffix == ".json":
            rows = np.random.default_rng(self.config.seed).permutation(len(self.images))[:_NUM_PROBE_FACES]
            faces = resize_images(self.images[rows], self.config.progressive_sizes[-1])
            load_face_recognition_weights(self.export_network, path, faces)
        else:
            load_initial_weights(self.export_network, path, {head: self._labels(head) for head in self.heads})
        self.network.set_weights(self.export_network.get_weights())

    def _labels(self, head: str) -> tuple[str, ...]:
        labels = {"fer2013": self._task.data.label_names, "face": ()}
        return labels.get(head, FERPLUS_LABELS)

    def start_epoch(self, epoch: int) -> ClassifierBatches:
        """Return the batches in the image size of the epoch."""
        if self.config.image_size_at(epoch) != self.config.image_size_at(max(0, epoch - 1)):
            # Otherwise TensorFlow would compile one graph for several sizes, and a training that is resumed at a
            # later size another one, whose results differ in the last bit.
            self.network.train_function = None
        return ClassifierBatches(self.images, self.targets, self.config, epoch, self._teachers, self._part)

    def scheduled_values(self, epoch: int) -> dict[str, float]:
        """Return the learning rate after the last step and the image size."""
        return {**super().scheduled_values(epoch), "size": self.config.image_size_at(epoch)}

    def score(self, metrics: Mapping[str, float]) -> float:
        """Return the mean accuracy of the heads, or the mean recall where only the expression head is trained."""
        if self.config.trained_heads == ("expression",):
            return metrics["val_expression_recall"]
        return super().score(metrics)

    def predict_validation(self) -> dict[str, NDArray[np.float32]]:
        """Return the logits of all heads for validation faces and held-out crops without a face."""
        return self._validation.predict_logits(self.network)

    def measure(self, logits: Mapping[str, NDArray[np.float32]]) -> dict[str, float]:
        """Return accuracy and loss by head."""
        return self._validation.compute_metrics(logits)
