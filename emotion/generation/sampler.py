"""From seeds to faces with an exported generator: the same seed gives the same face everywhere. No TensorFlow."""

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

MAX_SEED: Final = 2**32 - 1
MAX_FACES: Final = 1000
FaceImages = NDArray[np.uint8]  # (n, size, size) grey


class FaceStrip(NamedTuple):
    """Faces in a row, and for each what was asked of it: the weights (n, labels) of the expressions, each row with
    the sum 1."""

    faces: FaceImages
    weights: NDArray[np.float32]


def parse_seed(text: str) -> int:
    """The seed that somebody wrote; `EmotionError` where it is no whole number from 0 to `MAX_SEED`."""
    text = text.strip()
    if not (text.isascii() and text.isdecimal()) or len(text) > 10 or int(text) > MAX_SEED:
        raise EmotionError(f"The seed is {text[:40]!r}; expected a whole number from 0 to {MAX_SEED}.")
    return int(text)


def make_seeds(first_seed: int, num_seeds: int) -> tuple[int, ...]:
    """`count` seeds from `first_seed` on; after the largest comes 0."""
    if not 1 <= num_seeds <= MAX_FACES:
        raise EmotionError(f"{num_seeds} faces were asked for; expected 1 to {MAX_FACES}.")
    return tuple((first_seed + i) % (MAX_SEED + 1) for i in range(num_seeds))


def latent_from_seed(seed: int, latent_dim: int) -> NDArray[np.float32]:
    """The place (size,) of a seed: normally distributed, from PCG64 whatever NumPy's default becomes."""
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(latent_dim).astype(np.float32)


def slerp(start: NDArray[np.float32], end: NDArray[np.float32], fraction: float) -> NDArray[np.float32]:
    """The place at `fraction` (0 to 1) of the way along the arc from one place (size,) to another: the straight way leads
    through the middle, where no seed lies (Shoemake 1985, "Animating rotation with quaternion curves")."""
    cosine = float(start @ end / max(float(np.linalg.norm(start) * np.linalg.norm(end)), 1e-12))
    angle = math.acos(min(1.0, max(-1.0, cosine)))
    if math.sin(angle) < 1e-6:  # the same place, or the opposite one, to which no way is the shortest
        return ((1 - fraction) * start + fraction * end).astype(np.float32)
    first, second = (math.sin(angle * part) / math.sin(angle) for part in (1 - fraction, fraction))
    return (first * start + second * end).astype(np.float32)


class Sampler:
    """A verified generator on ONNX Runtime. Safe to use from many threads at once.

    Faces are drawn one by one, each on one core, as many at once as there are cores: in larger batches the last bits,
    and with them a pixel here and there, would depend on which faces are drawn together and on the number of cores.
    """

    def __init__(self, bundle: ModelBundle) -> None:
        if bundle.kind != "generator":
            raise ModelError(f"{bundle.folder} is a {bundle.kind}; faces are drawn by a generator.")
        self.bundle = bundle
        self.labels: tuple[str, ...] = bundle.generator_card.labels
        self.image_size = bundle.generator_card.output.size
        self.truncation = bundle.generator_card.truncation  # where nobody chooses
        self._latent_dim = bundle.generator_card.latent_dim
        self._session = load_session(bundle, num_threads=1)
        wanted = {"latent": self._latent_dim, "expression": len(self.labels)}
        widths = {value.name: value.shape[-1] for value in self._session.get_inputs()}
        shapes = {value.name: list(value.shape[1:]) for value in self._session.get_outputs()}
        if widths != wanted or shapes != {"faces": [self.image_size, self.image_size, 1]}:
            raise ModelError(
                f"The card of the model {bundle.name} gives the inputs {wanted} and {self.image_size} pixels a side; the "
                f"network has {widths} and {shapes}."
            )

    def latent_for(self, seed: int, truncation: float | None = None) -> NDArray[np.float32]:
        """The latent (k,) of a seed, drawn towards the middle, where faces are likelier and more alike:
        `truncation` 1 leaves it, 0 gives everybody the same face."""
        amount = self.truncation if truncation is None else truncation
        check_number("truncation", amount, 0, 1)
        if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= seed <= MAX_SEED:
            raise SettingsError(f"The seed is {seed!r}; expected a whole number from 0 to {MAX_SEED}.")
        return latent_from_seed(int(seed), self._latent_dim) * np.float32(amount)

    def encode_expression(self, expression: str) -> NDArray[np.float32]:
        """What the network is told (labels,) to show an expression."""
        if expression not in self.labels:
            raise EmotionError(
                f"The generator {self.bundle.name} knows no {expression!r}; ask for one of {', '.join(self.labels)}."
            )
        return np.eye(len(self.labels), dtype=np.float32)[self.labels.index(expression)]

    def generate(self, latents: Sequence[NDArray[np.float32]], weights: Sequence[NDArray[np.float32]]) -> FaceImages:
        """A face for each place (k,) and its weights of the expressions (labels,)."""

        def one(place: NDArray[np.float32], asked: NDArray[np.float32]) -> FaceImages:
            (face,) = self._session.run(["faces"], {"latent": place[None], "expression": asked[None]})
            return np.rint(np.asarray(face)[0, ..., 0]).clip(0, 255).astype(np.uint8)

        with ThreadPoolExecutor(os.cpu_count()) as cores:
            faces = list(cores.map(one, latents, weights))
        return np.stack(faces) if faces else np.empty((0, self.image_size, self.image_size), np.uint8)

    def sample(self, seeds: Sequence[int], expression: str, truncation: float | None = None) -> FaceImages:
        """A face for each seed, with an expression."""
        asked = self.encode_expression(expression)
        return self.generate([self.latent_for(seed, truncation) for seed in seeds], [asked] * len(seeds))

    def morph(self, seed: int, num_steps: int = 8, truncation: float | None = None) -> FaceStrip:
        """One person through all expressions in the order of `labels`, `num_steps` faces from each to the next."""
        corners = np.eye(len(self.labels), dtype=np.float32)
        ways = np.arange((len(corners) - 1) * num_steps + 1) / num_steps
        weights = np.stack([np.interp(ways, np.arange(len(corners)), column) for column in corners], axis=1)
        weights = weights.astype(np.float32)
        return FaceStrip(self.generate([self.latent_for(seed, truncation)] * len(weights), list(weights)), weights)

    def walk(
        self, start_seed: int, end_seed: int, expression: str, num_faces: int = 16, truncation: float | None = None
    ) -> FaceStrip:
        """`count` faces on the way from one seed to another, with one expression."""
        shares = np.linspace(0, 1, num_faces)
        return self.interpolate_many(start_seed, end_seed, expression, shares.tolist(), truncation)

    def interpolate_many(
        self,
        start_seed: int,
        end_seed: int,
        expression: str,
        fractions: Sequence[float],
        truncation: float | None = None,
    ) -> FaceStrip:
        """Faces that have `fractions` (each 0 to 1) of the second seed and the rest of the first."""
        one, other = self.latent_for(start_seed, truncation), self.latent_for(end_seed, truncation)
        weights = np.tile(self.encode_expression(expression), (len(fractions), 1))
        return FaceStrip(self.generate([slerp(one, other, share) for share in fractions], list(weights)), weights)
