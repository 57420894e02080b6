"""Small data sets, the files that hold them, and a network that learns in no time."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.faces import FER2013_LABELS, FERPLUS_LABELS
from emotion.training.augmentation import Augmentation
from emotion.training.datasets import Dataset

USAGES = ("Training", "PublicTest", "PrivateTest")
VOTE_COLUMNS = (
    "neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF",
)  # fmt: skip
UNCHANGED = Augmentation(
    shift=0, least_scale=1, most_scale=1, rotation=0, brightness=0, contrast=0, gamma=0,
    p_erase=0, p_blur=0, p_noise=0, p_jpeg=0, p_low_resolution=0,
)  # fmt: skip


def pictures(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """`count` different pictures uint8 (count, 48, 48), none of them blank."""
    return np.random.default_rng(seed).integers(0, 256, (count, 48, 48)).astype(np.uint8)


def dataset(training: int, public: int = 0, private: int = 0, votes: bool = True, seed: int = 0) -> Dataset:
    """Every label in turn; the votes mostly agree, but some rows are unnamed, unknown or not a face."""
    rng = np.random.default_rng(seed)
    count = training + public + private
    labels = np.arange(count) % 7
    stripes = np.sin(np.arange(48) / (1 + labels[:, None]))[:, :, None] * 60  # (n, 48, 1), what can be learned
    images = np.clip(128 + stripes + rng.normal(0, 25, (count, 48, 48)), 0, 255).astype(np.uint8)
    split = np.repeat([0, 1, 2], [training, public, private])
    return Dataset(
        images, labels.astype(np.int8), split.astype(np.int8), source="fer2013.csv",
        votes=some_votes(labels, rng) if votes else None,
        named=rng.random(count) > 0.05 if votes else None,
    )  # fmt: skip


def some_votes(labels: NDArray[np.integer], rng: np.random.Generator) -> NDArray[np.int8]:
    votes = np.zeros((len(labels), 10), np.int8)
    for row, label in zip(votes, labels, strict=True):
        likely = FERPLUS_LABELS.index(FER2013_LABELS[label])
        chosen = rng.choice([likely, int(rng.integers(0, 8)), 8, 9], p=[0.85, 0.07, 0.04, 0.04])
        row[chosen] = rng.integers(5, 9)
        row[rng.integers(0, 10)] += 10 - row[chosen]
    return votes


# --- files -------------------------------------------------------------------------------------------------


def pixels_text(image: NDArray[np.uint8]) -> str:
    return " ".join(map(str, image.ravel().tolist()))


def csv_lines(data: Dataset) -> list[str]:
    rows = zip(data.labels, data.images, data.split, strict=True)
    return ["emotion,pixels,Usage", *(f"{label},{pixels_text(image)},{USAGES[s]}" for label, image, s in rows)]


def write_fer2013(path: Path, data: Dataset) -> Path:
    path.write_text("\n".join(csv_lines(data)) + "\n")
    return path


def write_ferplus(path: Path, data: Dataset) -> Path:
    """As published: rows that FER+ leaves out have no name."""
    assert data.votes is not None
    assert data.named is not None
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Usage", "Image name", *VOTE_COLUMNS])
        for row, (split, named, votes) in enumerate(zip(data.split, data.named, data.votes, strict=True)):
            writer.writerow([USAGES[split], f"fer{row:07d}.png" if named else "", *votes])
    return path


def write_picture(path: Path, image: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)
    return path


def arrays_of(data: Dataset) -> dict[str, Any]:
    """What an .npz of the same rows holds."""
    arrays = {"images": data.images, "label": data.labels, "usage": data.split}
    return arrays if data.votes is None else arrays | {"ferplus": data.votes, "ferplus_named": data.named}


def write_npz(path: Path, arrays: Mapping[str, Any]) -> Path:
    np.savez(path, allow_pickle=True, **arrays)
    return path


# --- what needs TensorFlow ---------------------------------------------------------------------------------


def tiny(heads: Mapping[str, int]) -> Any:
    """A network with everything that a resume must bring back: moving averages and the state of a dropout."""
    import keras

    from emotion.training.networks import standardise

    faces = keras.Input((None, None, 1), name="faces")
    x = keras.layers.Conv2D(8, 3, strides=4)(standardise(faces))
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    x = keras.layers.Dropout(0.3)(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(faces, {name: keras.layers.Dense(width, name=name)(x) for name, width in heads.items()})


def use_tiny() -> None:
    """Offer only `tiny` in this process; the tests of one process do so with monkeypatch."""
    from emotion.training import trainer

    trainer.NETWORKS = {"tiny": tiny}  # type: ignore[assignment]
