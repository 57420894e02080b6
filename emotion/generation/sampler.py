"""Sampler of synthetic faces on ONNX Runtime: the same seed gives the same face on every machine."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from numbers import Integral
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotion.checks import check_number
from emotion.errors import EmotionError, ModelError, SettingsError
from emotion.model_store.store import ModelBundle
from emotion.recognition.onnx_session import load_session
from emotion.translation.messages import gettext as _

MAX_SEED: Final = 2**32 - 1
MAX_FACES: Final = 1000
_MAX_SEED_DIGITS: Final = 10  # of MAX_SEED; a longer text is not converted
_MAX_SHOWN_CHARS: Final = 40  # of a wrong seed in a message

FaceImages = NDArray[np.uint8]  # (n, size, size) gray


class FaceStrip(NamedTuple):
    """A sequence of faces, gray uint8 (n, size, size), and their expression weights (n, labels), rows of sum 1."""

    faces: FaceImages
    weights: NDArray[np.float32]


def parse_seed(text: str) -> int:
    """Return the seed in `text`; raises `EmotionError` unless it is a whole number from 0 to `MAX_SEED`."""
    text = text.strip()
    if not (text.isascii() and text.isdecimal()) or len(text) > _MAX_SEED_DIGITS or int(text) > MAX_SEED:
        raise EmotionError(
            _("The seed is {seed!r}; expected a whole number from 0 to {maximum}.").format(
                seed=text[:_MAX_SHOWN_CHARS], maximum=MAX_SEED
            )
        )
    return int(text)


def make_seeds(first_seed: int, num_seeds: int) -> tuple[int, ...]:
    """Return `num_seeds` consecutive seeds from `first_seed` on; `MAX_SEED` is followed by 0."""
    if not 1 <= num_seeds <= MAX_FACES:
        raise EmotionError(f"{num_seeds} faces were requested; expected 1 to {MAX_FACES}.")
    return tuple((first_seed + i) % (MAX_SEED + 1) for i in range(num_seeds))


def latent_from_seed(seed: int, latent_dim: int) -> NDArray[np.float32]:
    """Return the latent (latent_dim,) of a seed: normally distributed, from PCG64 whatever NumPy's default becomes."""
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(latent_dim).astype(np.float32)


def slerp(start: NDArray[np.float32], end: NDArray[np.float32], fraction: float) -> NDArray[np.float32]:
    """Interpolate two latents (latent_dim,) spherically (Shoemake 1985, "Animating rotation with quaternion curves").

    Linear interpolation passes near the origin, where no seed has its latent.

    Args:
        start: The latent at `fraction` 0.
        end: The latent at `fraction` 1.
        fraction: 0 to 1.
    """
    cosine = float(start @ end / max(float(np.linalg.norm(start) * np.linalg.norm(end)), 1e-12))
    angle = math.acos(min(1.0, max(-1.0, cosine)))
    if math.sin(angle) < 1e-6:  # equal or opposite latents have no unique arc between them
        return ((1 - fraction) * start + fraction * end).astype(np.float32)
    start_weight, end_weight = (math.sin(angle * part) / math.sin(angle) for part in (1 - fraction, fraction))
    return (start_weight * start + end_weight * end).astype(np.float32)


class Sampler:
    """A verified generator on ONNX Runtime; thread-safe.

    Every face is a run of its own on one core, in parallel on all cores: in larger batches the last bits, and with
    them single pixels, would depend on the other faces of the batch and on the number of cores.

    Args:
        bundle: A generator.

    Raises:
        ModelError: The bundle is no generator, or its card does not match its network.
    """

    def __init__(self, bundle: ModelBundle) -> None:
        if bundle.kind != "generator":
            raise ModelError(
                _("{folder} is a {kind}; faces are drawn by a generator.").format(
                    folder=bundle.folder, kind=_(bundle.kind)
                )
            )
        self.bundle = bundle
        self.labels: tuple[str, ...] = bundle.generator_card.labels
        self.image_size = bundle.generator_card.output.size
        self.truncation = bundle.generator_card.truncation  # the default
        self._latent_dim = bundle.generator_card.latent_dim
        self._session = load_session(bundle, num_threads=1)
        self._pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="sampler")  # its threads start when needed
        expected = {"latent": self._latent_dim, "expression": len(self.labels)}
        input_sizes = {value.name: value.shape[-1] for value in self._session.get_inputs()}
        output_shapes = {value.name: list(value.shape[1:]) for value in self._session.get_outputs()}
        if input_sizes != expected or output_shapes != {"faces": [self.image_size, self.image_size, 1]}:
            raise ModelError(
                _(
                    "The card of the model {model} gives the inputs {inputs} and {size} pixels a side; the network "
                    "has {actual} and {outputs}."
                ).format(
                    model=bundle.name, inputs=expected, size=self.image_size, actual=input_sizes, outputs=output_shapes
                )
            )

    def latent_for(self, seed: int, truncation: float | None = None) -> NDArray[np.float32]:
        """Return the latent (latent_dim,) of a seed, scaled by the truncation.

        Args:
            seed: 0 to `MAX_SEED`.
            truncation: 0 to 1; smaller values give more typical and less diverse faces, 0 the same face for every seed.
        """
        factor = self.truncation if truncation is None else truncation
        check_number("truncation", factor, 0, 1)
        if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= seed <= MAX_SEED:
            raise SettingsError(f"The seed is {seed!r}; expected a whole number from 0 to {MAX_SEED}.")
        return latent_from_seed(int(seed), self._latent_dim) * np.float32(factor)

    def encode_expression(self, expression: str) -> NDArray[np.float32]:
        """Return the one-hot weights (labels,) of an expression; raises `EmotionError` for one without a label."""
        if expression not in self.labels:
            raise EmotionError(
                f"The generator {self.bundle.name} has no label {expression!r}; choose one of {', '.join(self.labels)}."
            )
        return np.eye(len(self.labels), dtype=np.float32)[self.labels.index(expression)]

    def generate(self, latents: Sequence[NDArray[np.float32]], weights: Sequence[NDArray[np.float32]]) -> FaceImages:
        """Return a face for each latent (latent_dim,) and its expression weights (labels,)."""
        faces = list(self._pool.map(self._generate_face, latents, weights))
        return np.stack(faces) if faces else np.empty((0, self.image_size, self.image_size), np.uint8)

    def _generate_face(self, latent: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.uint8]:
        (face,) = self._session.run(["faces"], {"latent": latent[None], "expression": weights[None]})
        return np.rint(np.asarray(face)[0, ..., 0]).clip(0, 255).astype(np.uint8)

    def sample(self, seeds: Sequence[int], expression: str, truncation: float | None = None) -> FaceImages:
        """Return a face with the expression for each seed."""
        weights = self.encode_expression(expression)
        return self.generate([self.latent_for(seed, truncation) for seed in seeds], [weights] * len(seeds))

    def morph(self, seed: int, num_steps: int = 8, truncation: float | None = None) -> FaceStrip:
        """Return faces of one seed through all expressions in the order of `labels`, `num_steps` per transition."""
        one_hot = np.eye(len(self.labels), dtype=np.float32)
        positions = np.arange((len(one_hot) - 1) * num_steps + 1) / num_steps
        columns = [np.interp(positions, np.arange(len(one_hot)), column) for column in one_hot]
        weights = np.stack(columns, axis=1).astype(np.float32)
        return FaceStrip(self.generate([self.latent_for(seed, truncation)] * len(weights), list(weights)), weights)

    def blend(
        self, seed: int, labels: tuple[str, str], fractions: Sequence[float], truncation: float | None = None
    ) -> FaceStrip:
        """Return faces of one seed from the first to the second of two expressions, for each of `fractions`, 0 to 1."""
        start, end = map(self.encode_expression, labels)
        weights = np.stack([(1 - fraction) * start + fraction * end for fraction in fractions]).astype(np.float32)
        return FaceStrip(self.generate([self.latent_for(seed, truncation)] * len(weights), list(weights)), weights)

    def walk(
        self, start_seed: int, end_seed: int, expression: str, num_faces: int = 16, truncation: float | None = None
    ) -> FaceStrip:
        """Return `num_faces` faces with one expression from one seed to another, in equal steps."""
        fractions = np.linspace(0, 1, num_faces).tolist()
        return self.interpolate_many(start_seed, end_seed, expression, fractions, truncation)

    def interpolate_many(
        self,
        start_seed: int,
        end_seed: int,
        expression: str,
        fractions: Sequence[float],
        truncation: float | None = None,
    ) -> FaceStrip:
        """Return a face for each of `fractions`: 0 is the face of the first seed, 1 that of the second."""
        start, end = self.latent_for(start_seed, truncation), self.latent_for(end_seed, truncation)
        weights = np.tile(self.encode_expression(expression), (len(fractions), 1))
        latents = [slerp(start, end, fraction) for fraction in fractions]
        return FaceStrip(self.generate(latents, list(weights)), weights)
