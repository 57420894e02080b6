"""From crops to scores: an exported network on the CPU, all faces of a picture in one call."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotion.errors import ModelError, SettingsError
from emotion.faces import Scores
from emotion.model_store.card import FaceHead, Head
from emotion.model_store.store import ModelBundle
from emotion.recognition.onnx_session import load_session


def softmax(logits: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float64]:
    """Probabilities (n, c) of logits (n, c); a temperature over 1 makes them less certain."""
    scaled = np.asarray(logits, np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    exp = np.exp(scaled)
    return exp / exp.sum(axis=1, keepdims=True)


def compute_probabilities(logits: NDArray[np.floating], head: Head) -> NDArray[np.float64]:
    """What a head says (n, c), calibrated, for its logits (n, c)."""
    return softmax(logits / head.temperature + np.array(head.logit_bias or 0.0))


def _face_probabilities(logits: NDArray[np.float32], face_head: FaceHead) -> NDArray[np.float64]:
    """Compute probabilities (n,) that are 0.5 at the threshold of the card: one setting fits all detectors."""
    shifted = logits.astype(np.float64) - np.log(face_head.threshold / (1 - face_head.threshold))
    return (1 + np.tanh(shifted / 2)) / 2  # the logistic function, in the form that no logit overflows


@dataclass(frozen=True)
class Prediction:
    """What a classifier says of one crop: the scores, and how sure it is that it shows a face (0 to 1, 0.5 where
    99 of 100 faces lie above; 1 from a classifier that cannot tell)."""

    scores: Scores
    face_prob: float


class ExpressionClassifier:
    """A verified classifier on ONNX Runtime. Safe to use from many threads at once.

    `num_threads`: how many cores one call may use; 0 takes all.
    """

    def __init__(self, bundle: ModelBundle, num_threads: int = 0) -> None:
        card = bundle.classifier_card
        self.bundle = bundle
        self.input_size = card.input.size
        self._heads, self._default_head, self._face_head = card.heads, card.default_head, card.face_head
        self._session = load_session(bundle, num_threads)
        self._input_name = self._session.get_inputs()[0].name
        self._check_shapes()

    def _check_shapes(self) -> None:
        _, *shape = self._session.get_inputs()[0].shape
        if any(
            isinstance(n, int) and n != wanted
            for n, wanted in zip(shape, (self.input_size, self.input_size, 1), strict=False)
        ):
            raise ModelError(
                f"The card of the model {self.bundle.name} gives its input {self.input_size} x {self.input_size} pixels; "
                f"the network has {' x '.join(map(str, shape))}."
            )
        widths = {output.name: output.shape[-1] for output in self._session.get_outputs()}
        wanted = {head.output: len(head.labels) for head in self._heads.values()}
        wanted |= {head.cam_output: len(head.labels) for head in self._heads.values() if head.cam_output}
        if self._face_head is not None:
            wanted[self._face_head.output] = 1
        for output, width in wanted.items():
            if widths.get(output) != width:
                raise ModelError(
                    f"The card of the model {self.bundle.name} gives {width} labels to the output {output}; "
                    f"the network has {widths.get(output, 'no such output')}."
                )

    @property
    def has_face_head(self) -> bool:
        """Whether it can say that a crop shows no face."""
        return self._face_head is not None

    def predict_face_probs(self, crops: NDArray[np.uint8]) -> NDArray[np.float64]:
        """How sure it is that each crop, grey uint8 (n, size, size), shows a face, (n,) as in `Prediction`; 1 where it
        cannot tell."""
        return np.array([verdict.face_prob for verdict in self.predict(crops)])

    @property
    def head_names(self) -> tuple[str, ...]:
        """The answers to choose from."""
        return tuple(self._heads)

    def logits(self, crops: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Raw outputs of all heads, (n, classes) by head name and (n, 1) as "face", for grey uint8 (n, size, size)."""
        names = {head.output: name for name, head in self._heads.items()}
        if self._face_head is not None:
            names[self._face_head.output] = "face"
        batch = np.asarray(crops, np.float32)[..., None]
        outputs = self._session.run(list(names), {self._input_name: batch})
        return {name: np.asarray(output) for name, output in zip(names.values(), outputs, strict=True)}

    def predict(self, crops: NDArray[np.uint8], head: str | None = None) -> tuple[Prediction, ...]:
        """One verdict for each crop, grey uint8 (n, size, size); none for n = 0.

        Of k looks at each face, (k, n, size, size), the logits are averaged; only the first one tells whether it is a
        face.
        """
        name, answer, count = head or self._default_head, self._get_head(head), crops.shape[-3]
        if count == 0:
            return ()
        labels, logits = answer.labels, self.logits(crops.reshape(-1, *crops.shape[-2:]))
        said = compute_probabilities(logits[name].reshape(-1, count, len(labels)).mean(0), answer)
        faces = _face_probabilities(logits["face"][:count, 0], self._face_head) if self._face_head else np.ones(count)
        return tuple(Prediction(Scores(labels, p), float(f)) for p, f in zip(said, faces, strict=True))

    def has_cam(self, head: str | None = None) -> bool:
        """Whether `class_activation_map` can be asked about an answer."""
        return bool(self._get_head(head).cam_output)

    def _get_head(self, name: str | None) -> Head:
        """A head by its name, None for the one of the card."""
        head = self._heads.get(name or self._default_head)
        if head is None:
            raise SettingsError(f"The model has no answer {name!r}; it has {', '.join(self._heads)}.")
        return head

    def class_activation_map(self, crop: NDArray[np.uint8], label: str, head: str | None = None) -> NDArray[np.float32]:
        """How much each part of a crop, grey uint8 (size, size), speaks for a label rather than for the others:
        (h, w), above 0 for it, coarser than the crop.

        The class activation map of Zhou et al. 2016, "Learning deep features for discriminative localization", less
        the mean of the maps of all labels: what is added to all of them changes no probability. Raises `ModelError`
        where the network has no maps, see `has_cam`.
        """
        answer = self._get_head(head)
        if not answer.cam_output:
            raise ModelError(f"The model {self.bundle.name} has no map of what it looked at; choose another one.")
        if label not in answer.labels:
            raise SettingsError(f"The model has no label {label!r}; it has {', '.join(answer.labels)}.")
        batch = np.asarray(crop, np.float32)[None, ..., None]
        maps = np.asarray(self._session.run([answer.cam_output], {self._input_name: batch})[0])[0]
        return maps[..., answer.labels.index(label)] - maps.mean(axis=-1)
