"""How good synthetic faces are: numbers only. All of them are seen through the eyes of a frozen recogniser."""

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
from emotion.model_store.store import Bundle
from emotion.recognition.onnx_session import load_session

Faces = NDArray[np.uint8]  # (n, 48, 48) grey
Features = NDArray[np.float64]  # (n, k)
_BATCH: Final = 256


class Seen(NamedTuple):
    """What a recogniser sees in faces: features (n, k), and the index (n,) of the label that it gives."""

    features: Features
    answers: NDArray[np.intp]


class Judge:
    """A frozen recogniser on ONNX Runtime that also says by which features it decides.

    `labels`: the expressions of the faces to judge, in their order; the recogniser needs a head with all of them.
    """

    def __init__(self, bundle: Bundle, labels: Sequence[str], threads: int = 0) -> None:
        head = head_for(bundle, labels)
        self.name, self._output = bundle.name, head.output
        self._order = [head.labels.index(label) for label in labels]
        network, self._features = _with_features(bundle, head.output)
        self._session = load_session(bundle, threads, network)
        self._input = self._session.get_inputs()[0].name

    def look(self, faces: Faces) -> Seen:
        """Features and answers for faces."""
        parts = [
            self._session.run(
                [self._features, self._output], {self._input: faces[i : i + _BATCH, ..., None].astype(np.float32)}
            )
            for i in range(0, len(faces), _BATCH)
        ]
        features, logits = (np.concatenate([np.asarray(part[i]) for part in parts]) for i in range(2))
        return Seen(features.astype(np.float64), logits[:, self._order].argmax(1))


def head_for(bundle: Bundle, labels: Sequence[str]) -> Head:
    """The answer of a recogniser that has all of `labels` and the fewest others, which could take votes that nobody
    asked for; `ModelError` where there is none."""
    if bundle.kind != "recogniser":
        raise ModelError(f"{bundle.folder} is a {bundle.kind}; faces are judged by a recogniser.")
    heads = [head for head in bundle.heads.values() if set(labels) <= set(head.labels)]
    if not heads:
        raise ModelError(f"The recogniser {bundle.name} has no answer with all of {', '.join(labels)}.")
    return min(heads, key=lambda head: len(head.labels))


def _with_features(bundle: Bundle, output: str) -> tuple[bytes, str]:
    """The network with one more output, and its name: what the last layer of a head reads."""
    network = onnx.load(bundle.network)
    makers = {name: node for node in network.graph.node for name in node.output}
    node = makers.get(output)
    while node is not None and node.op_type not in ("MatMul", "Gemm"):
        node = makers.get(node.input[0])
    if node is None:
        raise ModelError(f"The answer {output} of the recogniser {bundle.name} comes from no dense layer.")
    features = node.input[0]
    network.graph.output.append(onnx.helper.make_empty_tensor_value_info(features))
    return network.SerializeToString(), features


# --- distances between two crowds --------------------------------------------------------------------------


def frechet(one: Features, other: Features) -> float:
    """Fréchet distance between two normal distributions with the means and covariances of two crowds (Heusel et al.
    2017, "GANs trained by a two time-scale update rule"); 0 for equal ones."""
    first, second = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ second @ root).clip(0)).sum()
    apart = np.square(one.mean(0) - other.mean(0)).sum()
    return float(max(0.0, apart + np.trace(first) + np.trace(second) - 2 * shared))


def kid(one: Features, other: Features) -> float:
    """Kernel distance between two crowds (Binkowski et al. 2018, "Demystifying MMD GANs"), without bias: about 0 for
    equal ones whatever their number, and then as often below."""

    def kernel(a: Features, b: Features) -> Features:
        return (a @ b.T / a.shape[1] + 1) ** 3

    def inside(a: Features) -> float:
        values = kernel(a, a)
        return float((values.sum() - np.trace(values)) / (len(a) * (len(a) - 1)))

    return inside(one) + inside(other) - 2 * float(kernel(one, other).mean())


def precision_recall(fake: Features, real: Features, k: int = 3) -> tuple[float, float]:
    """Share of the synthetic faces that lie where real ones are, and of the real ones where synthetic ones are: within
    the distance of some face of the other kind to its `k`th neighbour (Kynkaanniemi et al. 2019, "Improved precision
    and recall metric for assessing generative models")."""

    def reaches(crowd: Features) -> Features:
        return np.partition(_squared_distances(crowd, crowd), k, axis=1)[:, k]  # the nearest is itself

    between = _squared_distances(fake, real)
    return (
        float((between <= reaches(real)).any(axis=1).mean()),
        float((between <= reaches(fake)[:, None]).any(axis=0).mean()),
    )


def diversity(features: Features) -> float:
    """Mean distance between two different faces of a crowd; 0 for fewer than two."""
    if len(features) < 2:
        return 0.0
    return float(np.sqrt(_squared_distances(features, features)).sum() / (len(features) * (len(features) - 1)))


def diversity_ratios(fake: Features, real: Features, labels: NDArray[np.integer]) -> dict[int, float]:
    """By label, the diversity of synthetic faces divided by that of the real ones with the same labels (n,)."""
    ratios = {}
    for label in np.unique(labels):
        rows = labels == label
        spread = diversity(real[rows])
        if spread > 0:
            ratios[int(label)] = diversity(fake[rows]) / spread
    return ratios


def _squared_distances(one: Features, other: Features) -> Features:
    """(n, m) of features (n, k) and (m, k)."""
    squares = np.square(one).sum(1)[:, None] + np.square(other).sum(1)
    return np.maximum(squares - 2 * one @ other.T, 0)


# --- eyes that learned nothing -----------------------------------------------------------------------------


def untrained(faces: Faces) -> Features:
    """Features (n, 128) by two layers of random convolutions: what a recogniser ignores, these may see."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(0, 1 / 6, (36, 32)), rng.normal(0, 1 / 16, (512, 128))
    parts = []
    for i in range(0, len(faces), _BATCH):
        x = _standardised(faces[i : i + _BATCH])
        windows = np.lib.stride_tricks.sliding_window_view(x, (6, 6), axis=(1, 2))[:, ::2, ::2]  # type: ignore[call-overload]
        x = np.maximum(windows.reshape(*windows.shape[:3], 36) @ first, 0)
        windows = np.lib.stride_tricks.sliding_window_view(x, (4, 4), axis=(1, 2))[:, ::2, ::2]  # type: ignore[call-overload]
        parts.append(np.maximum(windows.reshape(*windows.shape[:3], 512) @ second, 0).mean(axis=(1, 2)))
    return np.concatenate(parts)


def nearest(faces: Faces, training: Faces, count: int = 1) -> tuple[NDArray[np.intp], Features]:
    """Rows (n, count) of the training faces that look most like each face, and their distances, nearest first.

    Compared are thumbnails of 16 x 16 pixels with mean 0 and deviation 1, so that neither noise nor light decides,
    and mirror images, too, since the generator learned from them.
    """
    wanted = _thumbnails(training)
    mirrored = _thumbnails(training[:, :, ::-1])
    rows, distances = [], []
    for i in range(0, len(faces), _BATCH):
        thumbnails = _thumbnails(faces[i : i + _BATCH])
        found = np.minimum(_squared_distances(thumbnails, wanted), _squared_distances(thumbnails, mirrored))
        best = np.argpartition(found, count - 1, axis=1)[:, :count]
        values = np.take_along_axis(found, best, axis=1)
        order = np.argsort(values, axis=1, kind="stable")
        rows.append(np.take_along_axis(best, order, axis=1))
        distances.append(np.sqrt(np.take_along_axis(values, order, axis=1)))
    return np.concatenate(rows), np.concatenate(distances)


def _thumbnails(faces: Faces) -> Features:
    small = np.stack([cv2.resize(np.ascontiguousarray(face), (16, 16), interpolation=cv2.INTER_AREA) for face in faces])
    return _standardised(small).reshape(len(small), -1) / 16


def _standardised(faces: NDArray) -> Features:
    centred = faces - faces.mean(axis=(1, 2), keepdims=True)
    return centred / np.maximum(centred.std(axis=(1, 2), keepdims=True), 1.0)


# --- during a training -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Yardstick:
    """Real faces to hold synthetic ones against, after every epoch with the same."""

    judge: Judge
    real: Features
    labels: NDArray[np.integer]

    @classmethod
    def of(cls, judge: Judge, faces: Faces, labels: NDArray[np.integer]) -> Yardstick:
        """From real faces and their labels, of which the synthetic ones will have the same, in the same order."""
        return cls(judge, judge.look(faces).features, labels)

    def measure(self, faces: Faces) -> dict[str, float]:
        """`frechet` distance to the real ones; `consistency`, the share that the judge calls what was asked;
        `diversity`, the mean over the labels of their distances in relation to those of real faces, 1 for equal."""
        seen = self.judge.look(faces)
        return {
            "frechet": frechet(seen.features, self.real),
            "consistency": float((seen.answers == self.labels).mean()),
            "diversity": float(np.mean(list(diversity_ratios(seen.features, self.real, self.labels).values()))),
        }
