"""A group of one worker trains as the network alone; `test_parallel_training` has several workers."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from emotion.training.classifier.config import TrainingConfig
from emotion.training.parallel.group import GroupEnded, WorkerGroup
from tests.training.making import dataset

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras' variables and NumPy 2
]

NUM_STEPS = 4


def make_training(trainer: ModuleType, folder: Path, group: WorkerGroup | None) -> Any:
    config = TrainingConfig(epochs=3, batch_size=16, learning_rate=0.01)
    return trainer.MultiHeadTraining(dataset(140, 56, 28), config, folder, group=group)


def test_it_has_the_losses_and_the_variables_of_the_network_alone(trainer: ModuleType, tmp_path: Path) -> None:
    trainings = [make_training(trainer, tmp_path, group) for group in (None, WorkerGroup(0, [], 1))]
    steps = [list(map(training.start_epoch(0).__getitem__, range(NUM_STEPS))) for training in trainings]
    for index in range(NUM_STEPS):
        alone, together = (
            training.train_step(batches[index], index) for training, batches in zip(trainings, steps, strict=True)
        )
        assert together == pytest.approx(alone, rel=1e-5)
    alone, together = (training.variables() for training in trainings)
    assert len(alone) == len(together)
    for variable, expected in zip(together, alone, strict=True):
        np.testing.assert_allclose(np.array(variable), np.array(expected), atol=1e-5, err_msg=expected.path)


def test_batch_normalization_in_a_nested_network_is_of_the_whole_batch() -> None:
    import keras

    from emotion.training.parallel.layers import SynchronizedBatchNormalization, with_parallel_layers

    inner_faces, faces = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    inner = keras.Model(inner_faces, keras.layers.BatchNormalization(axis=3)(inner_faces))
    outputs = {"head": keras.layers.Dense(2)(keras.layers.Flatten()(inner(faces)))}
    copy = with_parallel_layers(keras.Model(faces, outputs), WorkerGroup(0, [], 1), 4)
    (nested,) = [layer for layer in copy.layers if isinstance(layer, keras.Model)]
    assert [type(layer) for layer in nested.layers[1:]] == [SynchronizedBatchNormalization]


def test_the_end_of_the_training_arrives_as_it_is(trainer: ModuleType, tmp_path: Path) -> None:
    class EndedGroup(WorkerGroup):
        def all_reduce(self, values: Any) -> Any:
            self.failure = GroupEnded("No room.")
            raise self.failure

    training = make_training(trainer, tmp_path, EndedGroup(0, [], 1))
    with pytest.raises(GroupEnded, match="No room"):
        training.train_step(training.start_epoch(0)[0], 0)
