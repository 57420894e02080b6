"""Small data sets, their files, annotated photos, and tiny networks."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.datasets.augmentation import Augmentation
from emotion.datasets.dataset import Dataset
from emotion.datasets.readers.detection_dataset import AnnotatedImage
from emotion.expressions import FER2013_LABELS, FERPLUS_LABELS
from emotion.training.runs.run_context import RunContext

USAGES = ("Training", "PublicTest", "PrivateTest")
VOTE_COLUMNS = (
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
UNCHANGED = Augmentation(
    shift=0,
    min_scale=1,
    max_scale=1,
    rotation=0,
    brightness=0,
    contrast=0,
    gamma=0,
    erase_prob=0,
    blur_prob=0,
    noise_prob=0,
    jpeg_prob=0,
    low_resolution_prob=0,
)


def random_images(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return `count` different images uint8 (count, 48, 48), none of them blank."""
    return np.random.default_rng(seed).integers(0, 256, (count, 48, 48)).astype(np.uint8)


def dataset(training: int, validation: int = 0, test: int = 0, votes: bool = True, seed: int = 0) -> Dataset:
    """Return faces with every label in turn; most votes agree, but some rows are unnamed, unknown or not a face."""
    rng = np.random.default_rng(seed)
    count = training + validation + test
    labels = np.arange(count) % 7
    stripes = np.sin(np.arange(48) / (1 + labels[:, None]))[:, :, None] * 60  # (n, 48, 1), the features of a label
    images = np.clip(128 + stripes + rng.normal(0, 25, (count, 48, 48)), 0, 255).astype(np.uint8)
    split = np.repeat([0, 1, 2], [training, validation, test])
    return Dataset(
        images,
        labels.astype(np.int8),
        split.astype(np.int8),
        source="fer2013.csv",
        votes=make_votes(labels, rng) if votes else None,
        has_votes=rng.random(count) > 0.05 if votes else None,
    )


def make_votes(labels: NDArray[np.integer], rng: np.random.Generator) -> NDArray[np.int8]:
    votes = np.zeros((len(labels), 10), np.int8)
    for row, label in zip(votes, labels, strict=True):
        likely = FERPLUS_LABELS.index(FER2013_LABELS[label])
        chosen = rng.choice([likely, int(rng.integers(0, 8)), 8, 9], p=[0.85, 0.07, 0.04, 0.04])
        row[chosen] = rng.integers(5, 9)
        row[rng.integers(0, 10)] += 10 - row[chosen]
    return votes


# --- files -------------------------------------------------------------------------------------------------


def format_pixels(image: NDArray[np.uint8]) -> str:
    return " ".join(map(str, image.ravel().tolist()))


def csv_lines(data: Dataset) -> list[str]:
    rows = zip(data.labels, data.images, data.split, strict=True)
    return ["emotion,pixels,Usage", *(f"{label},{format_pixels(image)},{USAGES[s]}" for label, image, s in rows)]


def write_fer2013(path: Path, data: Dataset) -> Path:
    path.write_text("\n".join(csv_lines(data)) + "\n")
    return path


def write_ferplus(path: Path, data: Dataset) -> Path:
    """Write the votes as FER+ publishes them: rows without votes have no name."""
    assert data.votes is not None
    assert data.has_votes is not None
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Usage", "Image name", *VOTE_COLUMNS])
        for row, (split, named, votes) in enumerate(zip(data.split, data.has_votes, data.votes, strict=True)):
            writer.writerow([USAGES[split], f"fer{row:07d}.png" if named else "", *votes])
    return path


def write_image(path: Path, image: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)
    return path


def to_arrays(data: Dataset) -> dict[str, Any]:
    """Return the arrays of an .npz file of the same rows."""
    arrays = {"images": data.images, "label": data.labels, "usage": data.split}
    return arrays if data.votes is None else arrays | {"ferplus": data.votes, "ferplus_named": data.has_votes}


def write_npz(path: Path, arrays: Mapping[str, Any]) -> Path:
    np.savez(path, allow_pickle=True, **arrays)
    return path


# --- runs --------------------------------------------------------------------------------------------------


class RecordingReporter:
    """Records its messages and requests a stop after the epoch `stop_after`, 0 for never."""

    def __init__(self, stop_after: int = 0) -> None:
        self._stop_after = stop_after
        self.messages: list[tuple[float, float, str]] = []

    @property
    def stop_requested(self) -> bool:
        return bool(self.messages) and self.messages[-1][0] == self._stop_after

    def progress(self, done: float, total: float, message: str = "", *, counts_time: bool = True) -> None:
        self.messages.append((done, total, message))


class CopyingReporter(RecordingReporter):
    """Copies the folder of the run after its first epoch, as a stop would leave it."""

    def __init__(self, folder: Path, copy: Path) -> None:
        super().__init__()
        self._folder, self._copy = folder, copy

    def progress(self, done: float, total: float, message: str = "", *, counts_time: bool = True) -> None:
        super().progress(done, total, message, counts_time=counts_time)
        if done == 1:
            shutil.copytree(self._folder, self._copy)


def run_context(folder: Path, stop_after: int = 0, **changes: Any) -> RunContext:
    """Return the context of a training outside of a job."""
    return replace(RunContext.from_folder(folder, RecordingReporter(stop_after)), **changes)


# --- what needs TensorFlow ---------------------------------------------------------------------------------


def tiny(heads: Mapping[str, int]) -> Any:
    """Return a network with all state that a resume must restore: moving averages and the state of a dropout."""
    import keras

    from emotion.training.classifier.networks.multi_head import standardize

    faces = keras.Input((None, None, 1), name="faces")
    x = keras.layers.Conv2D(8, 3, strides=4)(standardize(faces))
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    x = keras.layers.Dropout(0.3)(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(faces, {name: keras.layers.Dense(width, name=name)(x) for name, width in heads.items()})


def use_tiny_network() -> None:
    """Offer only `tiny` in this process; the tests of one process do so with monkeypatch."""
    from emotion.training.classifier import trainer

    trainer.multi_head.CLASSIFIER_NETWORKS = {"seresnet": tiny}  # type: ignore[assignment]


# --- photos with faces -------------------------------------------------------------------------------------


def draw_face(pixels: NDArray[np.uint8], box: NDArray[np.floating]) -> NDArray[np.float32]:
    """Draw a pale oval with two eyes, a nose and a mouth into `box` and return its landmarks (5, 2)."""
    x, y, width, height = *box[:2], *(box[2:] - box[:2])
    shares = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.78], [0.65, 0.78]])
    points = np.array([x, y]) + shares * [width, height]
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    cv2.ellipse(pixels, (tuple(middle.tolist()), tuple((2 * half).tolist()), 0.0), (225, 190, 165), -1)
    for point in points:
        cv2.circle(pixels, tuple(point.round().astype(int).tolist()), max(1, round(width / 12)), (60, 30, 30), -1)
    return points.astype(np.float32)


def annotated_photo(
    name: str,
    *,
    source: str = "wider",
    truth: bool = True,
    faces: int = 1,
    seed: int = 0,
    size_wh: tuple[int, int] = (80, 64),
) -> AnnotatedImage:
    """Return a noisy photo with up to three faces side by side and all their landmarks."""
    width, height = size_wh
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 90, (height, width, 3)).astype(np.uint8)
    step = width / max(1, faces)
    boxes, landmarks = np.empty((faces, 4), np.float32), np.empty((faces, 5, 2), np.float32)
    for i in range(faces):
        wide = min(step, height) * rng.uniform(0.6, 0.8)
        x, y = i * step + rng.uniform(0, step - wide), rng.uniform(0, height - 1.2 * wide)
        boxes[i] = x, y, x + wide, y + 1.2 * wide
        landmarks[i] = draw_face(pixels, boxes[i])
    return AnnotatedImage(name, source, truth, pixels, boxes, landmarks, np.empty((0, 4), np.float32))


def write_annotated(folder: Path, part: str, photos: Sequence[AnnotatedImage]) -> None:
    """Write the photos as a data set: images in `folder`/`part`/ and `folder`/`part`.json beside it."""
    entries = {}
    for photo in photos:
        write_image(folder / part / photo.name, photo.image[..., ::-1])  # type: ignore[arg-type]
        corners_to_sides = np.concatenate([photo.boxes[:, :2], photo.boxes[:, 2:] - photo.boxes[:, :2]], axis=1)
        entries[photo.name] = {
            "source": photo.source,
            "state": "gt" if photo.is_hand_labeled else "pseudo",
            "boxes": corners_to_sides.tolist(),
            "landmarks": photo.landmarks.reshape(-1, 10).tolist(),
            "ignore": [],
        }
    (folder / f"{part}.json").write_text(json.dumps(entries))


def photos_of_splits(held: int, learned: int) -> list[AnnotatedImage]:
    """Return that many photos with faces of the validation and of the training split."""
    names = [f"{i}.png" for i in range(64 * (held + learned))]
    measuring = [name for name in names if annotated_photo(name, faces=0, size_wh=(1, 1)).is_validation]
    teaching = [name for name in names if name not in measuring]
    chosen = measuring[:held] + teaching[:learned]
    return [annotated_photo(name, faces=1 + i % 2, seed=i) for i, name in enumerate(chosen)]


def tiny_detector() -> Any:
    """Return a tiny network with the output cells of the native detector."""
    import keras

    from emotion.recognition.detectors.onnx_detector import VALUES_PER_CELL

    photos = keras.Input((None, None, 3), name="photos")
    x, grids = keras.layers.Rescaling(1 / 255)(photos), []
    for filters, stride in ((8, 8), (8, 2), (8, 2)):
        x = keras.layers.Conv2D(filters, stride, stride, use_bias=False)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
        grids.append(keras.layers.Reshape((-1, VALUES_PER_CELL))(keras.layers.Conv2D(VALUES_PER_CELL, 1)(x)))
    return keras.Model(photos, keras.layers.Concatenate(axis=1)(grids))
