"""Classify face crops by an exported network on the CPU."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotion.errors import ModelError, SettingsError
from emotion.faces import Scores
from emotion.model_store.card_parts import FaceHead, Head
from emotion.model_store.store import ModelBundle
from emotion.recognition.onnx_session import load_session, run_in_batches
from emotion.translation.messages import gettext as _


def softmax(logits: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float64]:
    """Compute probabilities (n, classes) from logits (n, classes); a temperature over 1 makes them less certain."""
    scaled = np.asarray(logits, np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    exp = np.exp(scaled)
    return exp / exp.sum(axis=1, keepdims=True)


def compute_probabilities(logits: NDArray[np.floating], head: Head) -> NDArray[np.float64]:
    """Compute the calibrated probabilities (n, labels) of a head from its logits (n, labels)."""
    return softmax(logits / head.temperature + np.array(head.logit_bias or 0.0))


def _face_probabilities(logits: NDArray[np.float32], face_head: FaceHead) -> NDArray[np.float64]:
    """Compute probabilities (n,) that are 0.5 at the threshold of the card: one setting fits all detectors."""
    shifted = logits.astype(np.float64) - np.log(face_head.threshold / (1 - face_head.threshold))
    return (1 + np.tanh(shifted / 2)) / 2  # the logistic function, in the form that no logit overflows


@dataclass(frozen=True)
class Prediction:
    """The result for one crop.

    Attributes:
        scores: The probabilities of the labels.
        face_prob: The probability that the crop shows a face, 0 to 1: above 0.5 for 99 of 100 faces, and 1 from a
            classifier without a face head.
    """

    scores: Scores
    face_prob: float


class ExpressionClassifier:
    """A classifier on ONNX Runtime; safe to use from many threads.

    Args:
        bundle: The model.
        num_threads: The number of cores for one call; 0 for all.

    Raises:
        ModelError: The model is not a classifier, or its network does not fit its card.
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
        shape = self._session.get_inputs()[0].shape[1:]
        if any(
            isinstance(n, int) and n != wanted
            for n, wanted in zip(shape, (self.input_size, self.input_size, 1), strict=False)
        ):
            raise ModelError(
                _(
                    "The card of the model {model} gives its input {size} x {size} pixels; the network has {actual}."
                ).format(model=self.bundle.name, size=self.input_size, actual=" x ".join(map(str, shape)))
            )
        widths = {output.name: output.shape[-1] for output in self._session.get_outputs()}
        wanted = {head.output: len(head.labels) for head in self._heads.values()}
        wanted |= {head.cam_output: len(head.labels) for head in self._heads.values() if head.cam_output}
        if self._face_head is not None:
            wanted[self._face_head.output] = 1
        for output, width in wanted.items():
            if widths.get(output) != width:
                text = _(
                    "The card of the model {model} gives {count} labels to the output {output}; the network has "
                    "{actual}."
                )
                if output not in widths:
                    text = _(
                        "The card of the model {model} gives {count} labels to the output {output}; the network has "
                        "no such output."
                    )
                name, actual = self.bundle.name, widths.get(output)
                raise ModelError(text.format(model=name, count=width, output=output, actual=actual))

    @property
    def has_face_head(self) -> bool:
        """Whether the classifier distinguishes faces from other images."""
        return self._face_head is not None

    def predict_face_probs(self, crops: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return the face probabilities (n,), see `Prediction`, of gray uint8 crops (n, size, size)."""
        return np.array([prediction.face_prob for prediction in self.predict(crops)])

    @property
    def head_names(self) -> tuple[str, ...]:
        """The names of the heads."""
        return tuple(self._heads)

    def logits(self, crops: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Return the logits (n, labels) by head name, and (n, 1) as "face", of gray uint8 crops (n, size, size)."""
        names = {head.output: name for name, head in self._heads.items()}
        if self._face_head is not None:
            names[self._face_head.output] = "face"
        return dict(zip(names.values(), run_in_batches(self._session, list(names), crops), strict=True))

    def predict(self, crops: NDArray[np.uint8], head: str | None = None) -> tuple[Prediction, ...]:
        """Classify crops.

        Args:
            crops: Gray uint8 (n, size, size), or k variants of each as (k, n, size, size), of which the logits are
                averaged; only the first variant counts for the face probability.
            head: The name of a head; the default one for None.

        Returns:
            The predictions of the n crops.

        Raises:
            SettingsError: The classifier does not have the head.
        """
        name, selected, count = head or self._default_head, self._get_head(head), crops.shape[-3]
        if count == 0:
            return ()
        labels, logits = selected.labels, self.logits(crops.reshape(-1, *crops.shape[-2:]))
        probs = compute_probabilities(logits[name].reshape(-1, count, len(labels)).mean(0), selected)
        faces = _face_probabilities(logits["face"][:count, 0], self._face_head) if self._face_head else np.ones(count)
        return tuple(Prediction(Scores(labels, p), float(f)) for p, f in zip(probs, faces, strict=True))

    def has_cam(self, head: str | None = None) -> bool:
        """Whether a head has class activation maps."""
        return bool(self._get_head(head).cam_output)

    def _get_head(self, name: str | None) -> Head:
        head = self._heads.get(name or self._default_head)
        if head is None:
            raise SettingsError(
                _("The model has no answer {name!r}; it has {heads}.").format(name=name, heads=", ".join(self._heads))
            )
        return head

    def class_activation_map(self, crop: NDArray[np.uint8], label: str, head: str | None = None) -> NDArray[np.float32]:
        """Compute where a crop supports a label.

        The class activation map of Zhou et al. 2016, "Learning deep features for discriminative localization", minus
        the mean of the maps of all labels, since a common offset changes no probability.

        Args:
            crop: Gray uint8 (size, size).
            label: A label of the head.
            head: The name of a head; the default one for None.

        Returns:
            The map (h, w), coarser than the crop; positive values support the label.

        Raises:
            ModelError: The network has no maps, see `has_cam`.
            SettingsError: The head does not have the label.
        """
        selected = self._get_head(head)
        if not selected.cam_output:
            raise ModelError(
                _("The model {model} has no map of what it looked at; choose another one.").format(
                    model=self.bundle.name
                )
            )
        if label not in selected.labels:
            raise SettingsError(f"The model has no label {label!r}; it has {', '.join(selected.labels)}.")
        batch = np.asarray(crop, np.float32)[None, ..., None]
        maps = np.asarray(self._session.run([selected.cam_output], {self._input_name: batch})[0])[0]
        return maps[..., selected.labels.index(label)] - maps.mean(axis=-1)
