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
from emotion.model_store.store import Bundle
from emotion.recognition.onnx_session import load_session

MOST_SEED: Final = 2**32 - 1
MOST_FACES: Final = 1000
Faces = NDArray[np.uint8]  # (n, size, size) grey


class Strip(NamedTuple):
    """Faces in a row, and for each what was asked of it: the weights (n, labels) of the expressions, each row with
    the sum 1."""

    faces: Faces
    weights: NDArray[np.float32]


def read_seed(text: str) -> int:
    """The seed that somebody wrote; `EmotionError` where it is no whole number from 0 to `MOST_SEED`."""
    text = text.strip()
    if not (text.isascii() and text.isdecimal()) or len(text) > 10 or int(text) > MOST_SEED:
        raise EmotionError(f"The seed is {text[:40]!r}; expected a whole number from 0 to {MOST_SEED}.")
    return int(text)


def seeds_from(seed: int, count: int) -> tuple[int, ...]:
    """`count` seeds from `seed` on; after the largest comes 0."""
    if not 1 <= count <= MOST_FACES:
        raise EmotionError(f"{count} faces were asked for; expected 1 to {MOST_FACES}.")
    return tuple((seed + i) % (MOST_SEED + 1) for i in range(count))


def latent(seed: int, size: int) -> NDArray[np.float32]:
    """The place (size,) of a seed: normally distributed, from PCG64 whatever NumPy's default becomes."""
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(size).astype(np.float32)


def between(one: NDArray[np.float32], other: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """The place at `share` (0 to 1) of the way along the arc from one place (size,) to another: the straight way leads
    through the middle, where no seed lies (Shoemake 1985, "Animating rotation with quaternion curves")."""
    cosine = float(one @ other / max(float(np.linalg.norm(one) * np.linalg.norm(other)), 1e-12))
    angle = math.acos(min(1.0, max(-1.0, cosine)))
    if math.sin(angle) < 1e-6:  # the same place, or the opposite one, to which no way is the shortest
        return ((1 - share) * one + share * other).astype(np.float32)
    first, second = (math.sin(angle * part) / math.sin(angle) for part in (1 - share, share))
    return (first * one + second * other).astype(np.float32)


class Sampler:
    """A verified generator on ONNX Runtime. Safe to use from many threads at once.

    Faces are drawn one by one, each on one core, as many at once as there are cores: in larger batches the last bits,
    and with them a pixel here and there, would depend on which faces are drawn together and on the number of cores.
    """

    def __init__(self, bundle: Bundle) -> None:
        if bundle.kind != "generator":
            raise ModelError(f"{bundle.folder} is a {bundle.kind}; faces are drawn by a generator.")
        self.bundle = bundle
        self.labels: tuple[str, ...] = tuple(bundle.card["labels"])
        self.size = int(bundle.card["output"]["size"])
        self.truncation = float(bundle.card["truncation"])  # where nobody chooses
        self._latent = int(bundle.card["latent"])
        self._session = load_session(bundle, threads=1)
        wanted = {"latent": self._latent, "expression": len(self.labels)}
        widths = {value.name: value.shape[-1] for value in self._session.get_inputs()}
        shapes = {value.name: list(value.shape[1:]) for value in self._session.get_outputs()}
        if widths != wanted or shapes != {"faces": [self.size, self.size, 1]}:
            raise ModelError(
                f"The card of the model {bundle.name} gives the inputs {wanted} and {self.size} pixels a side; the "
                f"network has {widths} and {shapes}."
            )

    def place(self, seed: int, truncation: float | None = None) -> NDArray[np.float32]:
        """The latent (k,) of a seed, drawn towards the middle, where faces are likelier and more alike:
        `truncation` 1 leaves it, 0 gives everybody the same face."""
        amount = self.truncation if truncation is None else truncation
        check_number("truncation", amount, 0, 1)
        if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= seed <= MOST_SEED:
            raise SettingsError(f"The seed is {seed!r}; expected a whole number from 0 to {MOST_SEED}.")
        return latent(int(seed), self._latent) * np.float32(amount)

    def weights(self, expression: str) -> NDArray[np.float32]:
        """What the network is told (labels,) to show an expression."""
        if expression not in self.labels:
            raise EmotionError(
                f"The generator {self.bundle.name} knows no {expression!r}; ask for one of {', '.join(self.labels)}."
            )
        return np.eye(len(self.labels), dtype=np.float32)[self.labels.index(expression)]

    def draw(self, places: Sequence[NDArray[np.float32]], weights: Sequence[NDArray[np.float32]]) -> Faces:
        """A face for each place (k,) and its weights of the expressions (labels,)."""

        def one(place: NDArray[np.float32], asked: NDArray[np.float32]) -> Faces:
            (face,) = self._session.run(["faces"], {"latent": place[None], "expression": asked[None]})
            return np.rint(np.asarray(face)[0, ..., 0]).clip(0, 255).astype(np.uint8)

        with ThreadPoolExecutor(os.cpu_count()) as cores:
            faces = list(cores.map(one, places, weights))
        return np.stack(faces) if faces else np.empty((0, self.size, self.size), np.uint8)

    def sample(self, seeds: Sequence[int], expression: str, truncation: float | None = None) -> Faces:
        """A face for each seed, with an expression."""
        asked = self.weights(expression)
        return self.draw([self.place(seed, truncation) for seed in seeds], [asked] * len(seeds))

    def morph(self, seed: int, steps: int = 8, truncation: float | None = None) -> Strip:
        """One person through all expressions in the order of `labels`, `steps` faces from each to the next."""
        corners = np.eye(len(self.labels), dtype=np.float32)
        ways = np.arange((len(corners) - 1) * steps + 1) / steps
        weights = np.stack([np.interp(ways, np.arange(len(corners)), column) for column in corners], axis=1)
        weights = weights.astype(np.float32)
        return Strip(self.draw([self.place(seed, truncation)] * len(weights), list(weights)), weights)

    def walk(
        self, first: int, second: int, expression: str, count: int = 16, truncation: float | None = None
    ) -> Strip:  # fmt: skip
        """`count` faces on the way from one seed to another, with one expression."""
        shares = np.linspace(0, 1, count)
        return self.mixed(first, second, expression, shares.tolist(), truncation)

    def mixed(
        self, first: int, second: int, expression: str, shares: Sequence[float], truncation: float | None = None
    ) -> Strip:
        """Faces that have `shares` (each 0 to 1) of the second seed and the rest of the first."""
        one, other = self.place(first, truncation), self.place(second, truncation)
        weights = np.tile(self.weights(expression), (len(shares), 1))
        return Strip(self.draw([between(one, other, share) for share in shares], list(weights)), weights)
