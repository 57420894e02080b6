"""What the page of synthetic faces needs of Streamlit: the generator, drawn faces, real faces beside them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from emotion.datasets import catalog
from emotion.datasets.dataset import Dataset
from emotion.demo import synthetic_scene
from emotion.expressions import expression, named
from emotion.faces import Scores
from emotion.generation import filtering, images, metrics
from emotion.generation.sampler import MOST_SEED, Faces, Sampler, Strip, read_seed
from emotion.media.image_reader import encode_png
from emotion.model_store import store
from emotion.model_store.card import CARD
from emotion.model_store.store import Bundle
from emotion.recognition.classification import Recogniser
from emotion.ui import components, session

RUNS: Final = store.SHIPPED.parent / "runs"
_SIDE: Final = 256  # pixels of the large face
_TRUNCATION: Final = 0.8  # of people whom nobody chose: a little more alike, and seldom odd
_SHOWN: Final = ("happy", "surprise", "neutral", "sad", "angry", "happy", "fear", "disgust")  # on the group photo


class Real(NamedTuple):
    """Faces that the generator learned from and that look most like a synthetic one: grey uint8 (n, size, size), their
    labels, and what they are called."""

    faces: Faces
    labels: tuple[str, ...]
    source: str


@st.cache_data(max_entries=4, show_spinner=False)
def _generators(stamp: tuple[tuple[str, int], ...]) -> tuple[list[Bundle], list[str]]:
    return store.find_bundles("generator", store.SHIPPED, RUNS)


def generators() -> tuple[list[Bundle], list[str]]:
    """The usable generators, shipped and trained here, and a sentence for each that cannot be used."""
    cards = [*store.SHIPPED.glob("*/card.json"), *RUNS.glob("*/card.json")]
    return _generators(tuple(sorted((str(path), path.stat().st_mtime_ns) for path in cards)))


@st.cache_resource(max_entries=4, show_spinner="Starting the generator")
def _sampler(folder: str, written: int, _bundle: Bundle) -> Sampler:
    return Sampler(_bundle)


def sampler(bundle: Bundle) -> Sampler:
    """A generator, loaded once for all sessions, and anew when its card was written."""
    return _sampler(str(bundle.folder), (bundle.folder / CARD).stat().st_mtime_ns, bundle)


@st.cache_data(max_entries=100, show_spinner=False)
def _drawn(sha256: str, seeds: tuple[int, ...], name: str, truncation: float, _sampler: Sampler) -> Faces:
    return _sampler.sample(seeds, name, truncation)


def drawn(maker: Sampler, seeds: tuple[int, ...], name: str, truncation: float) -> Faces:
    """A face for each seed, with an expression."""
    return _drawn(maker.bundle.sha256, seeds, name, truncation, maker)


@st.cache_data(max_entries=50, show_spinner=False)
def _strip(sha256: str, way: str, arguments: tuple[Any, ...], _sampler: Sampler) -> Strip:
    return getattr(_sampler, way)(*arguments)


def morph(maker: Sampler, seed: int, steps: int, truncation: float) -> Strip:
    """See `Sampler.morph`."""
    return _strip(maker.bundle.sha256, "morph", (seed, steps, truncation), maker)


def walk(maker: Sampler, seeds: tuple[int, int], name: str, count: int, truncation: float) -> Strip:
    """See `Sampler.walk`."""
    return _strip(maker.bundle.sha256, "walk", (*seeds, name, count, truncation), maker)


def read(faces: Faces) -> list[Scores]:
    """What the recogniser of the sidebar sees in faces."""
    recogniser: Recogniser = session.analyzer().recogniser
    crops = np.stack([cv2.resize(face, (recogniser.size, recogniser.size)) for face in faces])
    return [verdict.scores for verdict in recogniser.classify(crops, session.choice().settings.head)]


def seen_table(faces: Faces, places: Sequence[float]) -> pd.DataFrame:
    """What is seen along a row of faces, for `charts.seen_along`; `places` of their middles in it, 0 to 1."""
    rows = [
        (place, word, share)
        for place, scores in zip(places, read(faces), strict=True)
        for word, share in scores.items()
    ]
    return pd.DataFrame(rows, columns=["place", "expression", "probability"])


# ------------------------------------------------------------------ people for the other pages


class People(NamedTuple):
    """A generator and the seeds of the people whose faces it draws best."""

    maker: Sampler
    seeds: tuple[int, ...]

    def strips(self, count: int) -> list[Faces]:
        """The faces (n, size, size) of the first `count` people on their way through all expressions."""
        return [morph(self.maker, seed, 8, _TRUNCATION).faces for seed in self.seeds[:count]]


def people() -> People | None:
    """People who do not exist; None where there is no generator."""
    found, _ = generators()
    if not found:
        return None
    maker, recogniser = sampler(found[0]), session.analyzer().recogniser
    return People(maker, _best(found[0].sha256, recogniser.bundle.sha256, maker, recogniser))


@st.cache_data(max_entries=4, show_spinner="Drawing people who do not exist")
def _best(sha256: str, by: str, _maker: Sampler, _recogniser: Recogniser) -> tuple[int, ...]:
    return filtering.people(_maker, _recogniser, len(_SHOWN), truncation=_TRUNCATION)


def group_photo(some: People) -> tuple[str, bytes]:
    """Name and content of a photo of many synthetic people, one expression after the other."""
    names = [name for name in _SHOWN if name in some.maker.labels]
    faces = [drawn(some.maker, (seed,), name, _TRUNCATION)[0] for seed, name in zip(some.seeds, names, strict=False)]
    return "synthetic-people.png", encode_png(synthetic_scene.group(faces))


# ------------------------------------------------------------------ real faces


@st.cache_resource(max_entries=1, show_spinner="Opening the data set")
def _real_faces(stamp: tuple[Any, ...], _entry: catalog.Entry) -> Dataset:
    data = catalog.load_entry(_entry)
    return data.take(data.rows("training"))


def learned_from(bundle: Bundle) -> catalog.Entry | None:
    """The data set that a generator learned from, if this machine has it."""
    source = str((bundle.card.get("data") or {}).get("source", ""))
    return next((one for one in catalog.find_datasets() if source and one.path.name == source), None)


@st.cache_data(max_entries=100, show_spinner="Looking for real faces like it")
def nearest(
    sha256: str, seed: int, name: str, truncation: float, _face: NDArray[np.uint8], _entry: catalog.Entry
) -> Real:
    """The four training faces that look most like a synthetic one."""
    data = _real_faces(catalog.stamp_of(_entry.path), _entry)
    rows, _ = metrics.nearest(_face[None], data.images, 4)
    return Real(data.images[rows[0]], tuple(data.label_names[i] for i in data.labels[rows[0]]), _entry.name)


# ------------------------------------------------------------------ widgets


def new_seed(key: str) -> None:
    """Another seed into a text field."""
    st.session_state[key] = str(random.randrange(100_000))


def ask_seed(label: str, key: str, first: int) -> int:
    """A field for a seed, and a button for another one; `EmotionError` where it holds none."""
    st.session_state.setdefault(key, str(first))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            label, key=key, max_chars=12, width=150,
            help=f"Any whole number from 0 to {MOST_SEED}. The same number is the same person, everywhere and always.",
        )  # fmt: skip
        st.button("Another", icon=":material/casino:", key=f"{key}_new", on_click=new_seed, args=[key])
    return read_seed(text)


def items(faces: Faces, seeds: tuple[int, ...], name: str) -> list[components.Item]:
    """Small pictures for a strip, each with its seed."""
    look = expression(name)
    return [
        components.Item(np.dstack([face] * 3), str(seed), f"Seed {seed}, {named(name)}", look.colour)
        for face, seed in zip(faces, seeds, strict=True)
    ]


def large(face: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A face as it is shown alone."""
    return np.asarray(cv2.resize(face, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC), np.uint8)


def save(key: str, label: str, data: Any, file: str) -> None:
    """A button that saves a file; `data` may be what makes it."""
    st.download_button(label, data, file, key=f"gen_save_{key}", on_click="ignore", icon=":material/download:")


def show_row(faces: Faces, alt: str) -> None:
    """Faces side by side over the whole width."""
    st.image(images.row_of(faces), width="stretch", alt=alt)
