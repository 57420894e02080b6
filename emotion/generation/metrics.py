"""Metrics of synthetic faces: Fréchet and kernel distance, precision and recall, diversity, nearest training faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray

from emotion.errors import ModelError
from emotion.generation.sampler import FaceImages
from emotion.model_store.card_parts import Head
from emotion.model_store.store import ModelBundle
from emotion.recognition.onnx_session import load_session
from emotion.translation.messages import gettext as _

FeatureArray = NDArray[np.float64]  # (n, k)
_BATCH_SIZE: Final = 256  # bounds the memory
_THUMBNAIL_PX: Final = 16
_KERNEL_DEGREE: Final = 3  # of the polynomial kernel of the KID


class Features(NamedTuple):
    """Features float64 (n, k) of faces, and the index (n,) of the predicted label."""

    features: FeatureArray
    predictions: NDArray[np.intp]


class FeatureExtractor:
    """A frozen classifier on ONNX Runtime that also returns the features its prediction is based on.

    Args:
        bundle: A classifier that has a head with all `labels`.
        labels: The label of each index of the predictions.
        num_threads: Of ONNX Runtime; 0: all cores.

    Raises:
        ModelError: The bundle is no such classifier, or its head has no dense layer.
    """

    def __init__(self, bundle: ModelBundle, labels: Sequence[str], num_threads: int = 0) -> None:
        head = narrowest_head(bundle, labels)
        self.name, self._logits_name = bundle.name, head.output
        self._label_indices = [head.labels.index(label) for label in labels]
        network, self._features_name = _add_feature_output(bundle, head.output)
        self._session = load_session(bundle, num_threads, network)
        self._input_name = self._session.get_inputs()[0].name

    def extract(self, faces: FaceImages) -> Features:
        """Return features and predictions of faces, gray uint8 (n, 48, 48)."""
        batches = [
            self._session.run(
                [self._features_name, self._logits_name],
                {self._input_name: faces[i : i + _BATCH_SIZE, ..., None].astype(np.float32)},
            )
            for i in range(0, len(faces), _BATCH_SIZE)
        ]
        features, logits = (np.concatenate([np.asarray(batch[i]) for batch in batches]) for i in range(2))
        return Features(features.astype(np.float64), logits[:, self._label_indices].argmax(1))


def narrowest_head(bundle: ModelBundle, labels: Sequence[str]) -> Head:
    """Return the head of a classifier that has all `labels` and the fewest others, which could only take predictions.

    Raises:
        ModelError: The bundle is no classifier, or has no such head.
    """
    if bundle.kind != "classifier":
        raise ModelError(
            _("{folder} is a {kind}; faces are judged by a classifier.").format(
                folder=bundle.folder, kind=_(bundle.kind)
            )
        )
    heads = [head for head in bundle.heads.values() if set(labels) <= set(head.labels)]
    if not heads:
        raise ModelError(
            _("The classifier {classifier} has no head with all of {labels}; choose another one.").format(
                classifier=bundle.name, labels=", ".join(labels)
            )
        )
    return min(heads, key=lambda head: len(head.labels))


def _add_feature_output(bundle: ModelBundle, output_name: str) -> tuple[bytes, str]:
    """Return the serialized network with the input of a head's dense layer as an output, and that output's name."""
    network = onnx.load(bundle.onnx_path)
    producers = {name: node for node in network.graph.node for name in node.output}
    node = producers.get(output_name)
    while node is not None and node.op_type not in ("MatMul", "Gemm"):
        node = producers.get(node.input[0])
    if node is None:
        raise ModelError(
            _("The head {head} of the classifier {classifier} has no dense layer; choose another classifier.").format(
                head=output_name, classifier=bundle.name
            )
        )
    features_name = node.input[0]
    network.graph.output.append(onnx.helper.make_empty_tensor_value_info(features_name))
    return network.SerializeToString(), features_name


# --- distances between two sets of faces -------------------------------------------------------------------


def frechet_distance(fake: FeatureArray, real: FeatureArray) -> float:
    """Return the Fréchet distance of two normal distributions with the means and covariances of the features; 0: equal.

    Heusel et al. 2017, "GANs trained by a two time-scale update rule".
    """
    fake_cov, real_cov = np.cov(fake, rowvar=False), np.cov(real, rowvar=False)
    eigenvalues, eigenvectors = np.linalg.eigh(fake_cov)
    root = (eigenvectors * np.sqrt(eigenvalues.clip(0))) @ eigenvectors.T
    root_trace = np.sqrt(np.linalg.eigvalsh(root @ real_cov @ root).clip(0)).sum()
    squared_mean_distance = np.square(fake.mean(0) - real.mean(0)).sum()
    return float(max(0.0, squared_mean_distance + np.trace(fake_cov) + np.trace(real_cov) - 2 * root_trace))


def kid(fake: FeatureArray, real: FeatureArray) -> float:
    """Return the kernel inception distance; unbiased, so that equal distributions give values around 0, also below.

    Binkowski et al. 2018, "Demystifying MMD GANs".
    """

    def kernel(a: FeatureArray, b: FeatureArray) -> FeatureArray:
        return (a @ b.T / a.shape[1] + 1) ** _KERNEL_DEGREE

    def mean_without_diagonal(a: FeatureArray) -> float:
        values = kernel(a, a)
        return float((values.sum() - np.trace(values)) / (len(a) * (len(a) - 1)))

    return mean_without_diagonal(fake) + mean_without_diagonal(real) - 2 * float(kernel(fake, real).mean())


def precision_recall(fake: FeatureArray, real: FeatureArray, k: int = 3) -> tuple[float, float]:
    """Return the shares of synthetic faces within the real ones, and of real faces within the synthetic ones.

    A face is within the other set if it is closer to some face of it than that face's `k`th neighbor (Kynkäänniemi et
    al. 2019, "Improved precision and recall metric for assessing generative models").
    """

    def neighbor_radii(features: FeatureArray) -> FeatureArray:
        # The nearest neighbor, at index 0, is the face itself.
        return np.partition(_squared_distances(features, features), k, axis=1)[:, k]

    distances = _squared_distances(fake, real)
    return (
        float((distances <= neighbor_radii(real)).any(axis=1).mean()),
        float((distances <= neighbor_radii(fake)[:, None]).any(axis=0).mean()),
    )


def diversity(features: FeatureArray) -> float:
    """Return the mean distance between two different faces; 0 for fewer than two."""
    if len(features) < 2:
        return 0.0
    return float(np.sqrt(_squared_distances(features, features)).sum() / (len(features) * (len(features) - 1)))


def diversity_ratios(fake: FeatureArray, real: FeatureArray, labels: NDArray[np.integer]) -> dict[int, float]:
    """Return label -> diversity of synthetic faces divided by that of real ones; both have the same `labels` (n,)."""
    ratios = {}
    for label in np.unique(labels):
        rows = labels == label
        real_diversity = diversity(real[rows])
        if real_diversity > 0:
            ratios[int(label)] = diversity(fake[rows]) / real_diversity
    return ratios


def _squared_distances(a: FeatureArray, b: FeatureArray) -> FeatureArray:
    """Return distances (n, m) of features (n, k) and (m, k)."""
    squares = np.square(a).sum(1)[:, None] + np.square(b).sum(1)
    return np.maximum(squares - 2 * a @ b.T, 0)


# --- features without training -----------------------------------------------------------------------------


def random_conv_features(faces: FaceImages) -> FeatureArray:
    """Return features (n, 128) of two layers of random convolutions, which also see what a classifier ignores."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(0, 1 / 6, (36, 32)), rng.normal(0, 1 / 16, (512, 128))
    batches = []
    for i in range(0, len(faces), _BATCH_SIZE):
        x = np.maximum(_strided_patches(_standardize(faces[i : i + _BATCH_SIZE]), 6) @ first, 0)
        batches.append(np.maximum(_strided_patches(x, 4) @ second, 0).mean(axis=(1, 2)))
    return np.concatenate(batches)


def _strided_patches(x: NDArray, size: int) -> NDArray:
    """Return the flattened patches of `size` pixels and stride 2 of x (n, h, w, ...), (n, h', w', k)."""
    patches = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))[:, ::2, ::2]  # type: ignore[call-overload]
    return patches.reshape(*patches.shape[:3], -1)


def nearest_training_faces(
    faces: FaceImages, train_faces: FaceImages, k: int = 1
) -> tuple[NDArray[np.intp], FeatureArray]:
    """Return indices (n, k) of the most similar training faces of each face, and their distances, nearest first.

    Compares standardized thumbnails of 16 x 16 pixels, so that neither noise nor light decides, and also mirrored
    training faces, because the generator was trained with them.
    """
    thumbnails, mirrored_thumbnails = _make_thumbnails(train_faces), _make_thumbnails(train_faces[:, :, ::-1])
    indices, distances = [], []
    for i in range(0, len(faces), _BATCH_SIZE):
        queries = _make_thumbnails(faces[i : i + _BATCH_SIZE])
        squared = np.minimum(_squared_distances(queries, thumbnails), _squared_distances(queries, mirrored_thumbnails))
        nearest = np.argpartition(squared, k - 1, axis=1)[:, :k]
        nearest_squared = np.take_along_axis(squared, nearest, axis=1)
        order = np.argsort(nearest_squared, axis=1, kind="stable")
        indices.append(np.take_along_axis(nearest, order, axis=1))
        distances.append(np.sqrt(np.take_along_axis(nearest_squared, order, axis=1)))
    return np.concatenate(indices), np.concatenate(distances)


def _make_thumbnails(faces: FaceImages) -> FeatureArray:
    size = (_THUMBNAIL_PX, _THUMBNAIL_PX)
    small = np.stack([cv2.resize(np.ascontiguousarray(face), size, interpolation=cv2.INTER_AREA) for face in faces])
    return _standardize(small).reshape(len(small), -1) / _THUMBNAIL_PX


def _standardize(faces: NDArray) -> FeatureArray:
    """Return faces with mean 0 and standard deviation 1; nearly blank ones, below 1 gray level, are not amplified."""
    centered = faces - faces.mean(axis=(1, 2), keepdims=True)
    return centered / np.maximum(centered.std(axis=(1, 2), keepdims=True), 1.0)


# --- during a training -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReferenceMetrics:
    """Metrics of synthetic faces against the same real faces after every epoch."""

    extractor: FeatureExtractor
    real_features: FeatureArray
    labels: NDArray[np.integer]

    @classmethod
    def from_faces(
        cls, extractor: FeatureExtractor, faces: FaceImages, labels: NDArray[np.integer]
    ) -> ReferenceMetrics:
        """Take real faces and their labels (n,); synthetic ones must have the same labels in the same order."""
        return cls(extractor, extractor.extract(faces).features, labels)

    def measure(self, faces: FaceImages) -> dict[str, float]:
        """Return the metrics of synthetic faces.

        Returns:
            `frechet`, the Fréchet distance to the real faces; `class_consistency`, the share classified as requested;
            `diversity`, the mean over the labels of the diversity relative to real faces (1: equal).
        """
        fake = self.extractor.extract(faces)
        ratios = diversity_ratios(fake.features, self.real_features, self.labels)
        return {
            "frechet": frechet_distance(fake.features, self.real_features),
            "class_consistency": float((fake.predictions == self.labels).mean()),
            "diversity": float(np.mean(list(ratios.values()))),
        }
