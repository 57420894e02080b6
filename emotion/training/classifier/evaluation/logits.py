"""The logits of a classifier for a data set, and the head that has the labels of the data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.augmentation import resize_images
from emotion.datasets.dataset import Dataset
from emotion.errors import DataError
from emotion.translation.messages import gettext as _


class LogitsModel(Protocol):
    """A classifier of gray uint8 faces (n, size, size)."""

    input_size: int

    def logits(self, crops: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Return logits (n, classes) by head."""
        ...


def split_logits(
    classifier: LogitsModel, data: Dataset, split: str, batch_size: int = 256
) -> dict[str, NDArray[np.float32]]:
    """Return the logits by head for every row of a split; `DataError` where it has none."""
    images = data.images[data.rows_in(split)]
    if len(images) == 0:
        text = _("The data set {source} has no {split} rows.")
        raise DataError(text.format(source=data.source, split=_(split)))
    return predict_logits(classifier, images, batch_size)


def predict_logits(
    classifier: LogitsModel, images: NDArray[np.uint8], batch_size: int = 256
) -> dict[str, NDArray[np.float32]]:
    """Return the logits by head for gray faces uint8 (n, h, w) of any size, n at least 1."""
    parts = [
        classifier.logits(resize_images(images[i : i + batch_size], classifier.input_size))
        for i in range(0, len(images), batch_size)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def matching_head(card: Mapping[str, Any], data: Dataset) -> str:
    """Return the name of the head with the labels of a data set; `DataError` where the model has none."""
    for name, head in card["heads"].items():
        if tuple(head["labels"]) == data.label_names:
            return name
    raise make_head_error(data)


def make_head_error(data: Dataset) -> DataError:
    """Return the error of a model that has no head with the labels of a data set."""
    text = _("No head of this model has the labels of {source}: {labels}.")
    return DataError(text.format(source=data.source, labels=", ".join(data.label_names)))
