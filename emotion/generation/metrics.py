"""How good synthetic faces are: numbers only. All of them are seen through the eyes of a frozen classifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray

from emotion.errors import ModelError
from emotion.model_store.card import Head
from emotion.model_store.store import ModelBundle
from emotion.recognition.onnx_session import load_session

FaceImages = NDArray[np.uint8]  # (n, 48, 48) grey
FeatureArray = NDArray[np.float64]  # (n, k)
_BATCH_SIZE: Final = 256


class Features(NamedTuple):
    """What a classifier sees in faces: features (n, k), and the index (n,) of the label that it gives."""

    features: FeatureArray
    predictions: NDArray[np.intp]


class FeatureExtractor:
    """A frozen classifier on ONNX Runtime that also says by which features it decides.

    `labels`: the expressions of the faces to judge, in their order; the classifier needs a head with all of them.
    """

    def __init__(self, bundle: ModelBundle, labels: Sequence[str], num_threads: int = 0) -> None:
        head = narrowest_head(bundle, labels)
        self.name, self._logits_name = bundle.name, head.output
        self._label_indices = [head.labels.index(label) for label in labels]
        network, self._features_name = _add_feature_output(bundle, head.output)
        self._session = load_session(bundle, num_threads, network)
        self._input_name = self._session.get_inputs()[0].name

    def extract(self, faces: FaceImages) -> Features:
        """Features and answers for faces."""
        parts = [
            self._session.run(
                [self._features_name, self._logits_name],
                {self._input_name: faces[i : i + _BATCH_SIZE, ..., None].astype(np.float32)},
            )
            for i in range(0, len(faces), _BATCH_SIZE)
        ]
        features, logits = (np.concatenate([np.asarray(part[i]) for part in parts]) for i in range(2))
        return Features(features.astype(np.float64), logits[:, self._label_indices].argmax(1))


def narrowest_head(bundle: ModelBundle, labels: Sequence[str]) -> Head:
    """The answer of a classifier that has all of `labels` and the fewest others, which could take votes that nobody
    asked for; `ModelError` where there is none."""
    if bundle.kind != "classifier":
        raise ModelError(f"{bundle.folder} is a {bundle.kind}; faces are judged by a classifier.")
    heads = [head for head in bundle.heads.values() if set(labels) <= set(head.labels)]
    if not heads:
        raise ModelError(f"The classifier {bundle.name} has no answer with all of {', '.join(labels)}.")
    return min(heads, key=lambda head: len(head.labels))


def _add_feature_output(bundle: ModelBundle, output_name: str) -> tuple[bytes, str]:
    """The network with one more output, and its name: what the last layer of a head reads."""
    network = onnx.load(bundle.onnx_path)
    makers = {name: node for node in network.graph.node for name in node.output}
    node = makers.get(output_name)
    while node is not None and node.op_type not in ("MatMul", "Gemm"):
        node = makers.get(node.input[0])
    if node is None:
        raise ModelError(f"The answer {output_name} of the classifier {bundle.name} comes from no dense layer.")
    features = node.input[0]
    network.graph.output.append(onnx.helper.make_empty_tensor_value_info(features))
    return network.SerializeToString(), features


# --- distances between two crowds --------------------------------------------------------------------------


def frechet_distance(fake: FeatureArray, real: FeatureArray) -> float:
    """Fréchet distance between two normal distributions with the means and covariances of two crowds (Heusel et al.
    2017, "GANs trained by a two time-scale update rule"); 0 for equal ones."""
    first, second = np.cov(fake, rowvar=False), np.cov(real, rowvar=False)
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ second @ root).clip(0)).sum()
    apart = np.square(fake.mean(0) - real.mean(0)).sum()
    return float(max(0.0, apart + np.trace(first) + np.trace(second) - 2 * shared))


def kid(fake: FeatureArray, real: FeatureArray) -> float:
    """Kernel distance between two crowds (Binkowski et al. 2018, "Demystifying MMD GANs"), without bias: about 0 for
    equal ones whatever their number, and then as often below."""

    def kernel(a: FeatureArray, b: FeatureArray) -> FeatureArray:
        return (a @ b.T / a.shape[1] + 1) ** 3

    def inside(a: FeatureArray) -> float:
        values = kernel(a, a)
        return float((values.sum() - np.trace(values)) / (len(a) * (len(a) - 1)))

    return inside(fake) + inside(real) - 2 * float(kernel(fake, real).mean())


def precision_recall(fake: FeatureArray, real: FeatureArray, k: int = 3) -> tuple[float, float]:
    """Share of the synthetic faces that lie where real ones are, and of the real ones where synthetic ones are: within
    the distance of some face of the other kind to its `k`th neighbour (Kynkaanniemi et al. 2019, "Improved precision
    and recall metric for assessing generative models")."""

    def reaches(crowd: FeatureArray) -> FeatureArray:
        return np.partition(_squared_distances(crowd, crowd), k, axis=1)[:, k]  # the nearest is itself

    between = _squared_distances(fake, real)
    return (
        float((between <= reaches(real)).any(axis=1).mean()),
        float((between <= reaches(fake)[:, None]).any(axis=0).mean()),
    )


def diversity(features: FeatureArray) -> float:
    """Mean distance between two different faces of a crowd; 0 for fewer than two."""
    if len(features) < 2:
        return 0.0
    return float(np.sqrt(_squared_distances(features, features)).sum() / (len(features) * (len(features) - 1)))


def diversity_ratios(fake: FeatureArray, real: FeatureArray, labels: NDArray[np.integer]) -> dict[int, float]:
    """By label, the diversity of synthetic faces divided by that of the real ones with the same labels (n,)."""
    ratios = {}
    for label in np.unique(labels):
        rows = labels == label
        spread = diversity(real[rows])
        if spread > 0:
            ratios[int(label)] = diversity(fake[rows]) / spread
    return ratios


def _squared_distances(a: FeatureArray, b: FeatureArray) -> FeatureArray:
    """(n, m) of features (n, k) and (m, k)."""
    squares = np.square(a).sum(1)[:, None] + np.square(b).sum(1)
    return np.maximum(squares - 2 * a @ b.T, 0)


# --- eyes that learned nothing -----------------------------------------------------------------------------


def random_conv_features(faces: FaceImages) -> FeatureArray:
    """Features (n, 128) by two layers of random convolutions: what a classifier ignores, these may see."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(0, 1 / 6, (36, 32)), rng.normal(0, 1 / 16, (512, 128))
    parts = []
    for i in range(0, len(faces), _BATCH_SIZE):
        x = _standardize(faces[i : i + _BATCH_SIZE])
        windows = np.lib.stride_tricks.sliding_window_view(x, (6, 6), axis=(1, 2))[:, ::2, ::2]  # type: ignore[call-overload]
        x = np.maximum(windows.reshape(*windows.shape[:3], 36) @ first, 0)
        windows = np.lib.stride_tricks.sliding_window_view(x, (4, 4), axis=(1, 2))[:, ::2, ::2]  # type: ignore[call-overload]
        parts.append(np.maximum(windows.reshape(*windows.shape[:3], 512) @ second, 0).mean(axis=(1, 2)))
    return np.concatenate(parts)


def nearest_training_faces(
    faces: FaceImages, train_faces: FaceImages, k: int = 1
) -> tuple[NDArray[np.intp], FeatureArray]:
    """Rows (n, count) of the training faces that look most like each face, and their distances, nearest first.

    Compared are thumbnails of 16 x 16 pixels with mean 0 and deviation 1, so that neither noise nor light decides,
    and mirror images, too, since the generator learned from them.
    """
    wanted = _make_thumbnails(train_faces)
    mirrored = _make_thumbnails(train_faces[:, :, ::-1])
    rows, distances = [], []
    for i in range(0, len(faces), _BATCH_SIZE):
        thumbnails = _make_thumbnails(faces[i : i + _BATCH_SIZE])
        found = np.minimum(_squared_distances(thumbnails, wanted), _squared_distances(thumbnails, mirrored))
        best = np.argpartition(found, k - 1, axis=1)[:, :k]
        values = np.take_along_axis(found, best, axis=1)
        order = np.argsort(values, axis=1, kind="stable")
        rows.append(np.take_along_axis(best, order, axis=1))
        distances.append(np.sqrt(np.take_along_axis(values, order, axis=1)))
    return np.concatenate(rows), np.concatenate(distances)


def _make_thumbnails(faces: FaceImages) -> FeatureArray:
    small = np.stack([cv2.resize(np.ascontiguousarray(face), (16, 16), interpolation=cv2.INTER_AREA) for face in faces])
    return _standardize(small).reshape(len(small), -1) / 16


def _standardize(faces: NDArray) -> FeatureArray:
    centred = faces - faces.mean(axis=(1, 2), keepdims=True)
    return centred / np.maximum(centred.std(axis=(1, 2), keepdims=True), 1.0)


# --- during a training -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReferenceMetrics:
    """Real faces to hold synthetic ones against, after every epoch with the same."""

    extractor: FeatureExtractor
    real_features: FeatureArray
    labels: NDArray[np.integer]

    @classmethod
    def from_faces(
        cls, extractor: FeatureExtractor, faces: FaceImages, labels: NDArray[np.integer]
    ) -> ReferenceMetrics:
        """From real faces and their labels, of which the synthetic ones will have the same, in the same order."""
        return cls(extractor, extractor.extract(faces).features, labels)

    def measure(self, faces: FaceImages) -> dict[str, float]:
        """`frechet`, the Fréchet distance to the real ones; `class_consistency`, the share classified as requested;
        `diversity`, the mean over the labels of their distances in relation to those of real faces, 1 for equal."""
        seen = self.extractor.extract(faces)
        return {
            "frechet": frechet_distance(seen.features, self.real_features),
            "class_consistency": float((seen.predictions == self.labels).mean()),
            "diversity": float(
                np.mean(list(diversity_ratios(seen.features, self.real_features, self.labels).values()))
            ),
        }
