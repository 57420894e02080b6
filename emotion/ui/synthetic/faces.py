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
from emotion.datasets.loaders import load_dataset
from emotion.demo import synthetic_scene
from emotion.environment import get_workspace
from emotion.expressions import get_style, symbol_and_name
from emotion.faces import Scores
from emotion.generation import filtering, images, metrics
from emotion.generation.sampler import MAX_SEED, FaceImages, FaceStrip, Sampler, parse_seed
from emotion.media.image_reader import encode_png
from emotion.model_store import store
from emotion.model_store.card import CARD_FILE
from emotion.model_store.store import ModelBundle
from emotion.recognition.classification import ExpressionClassifier
from emotion.ui import components, session

GENERATOR_RUNS: Final = get_workspace() / "runs"
_LARGE_FACE_PX: Final = 256  # pixels of the large face
_TRUNCATION: Final = 0.8  # of people whom nobody chose: a little more alike, and seldom odd
_GROUP_LABELS: Final = (
    "happy",
    "surprise",
    "neutral",
    "sad",
    "angry",
    "happy",
    "fear",
    "disgust",
)  # on the group photo


class RealFaces(NamedTuple):
    """Faces that the generator learned from and that look most like a synthetic one: grey uint8 (n, size, size), their
    labels, and what they are called."""

    faces: FaceImages
    labels: tuple[str, ...]
    source: str


@st.cache_data(max_entries=4, show_spinner=False)
def _list_generators(fingerprint: tuple[tuple[str, int], ...]) -> tuple[list[ModelBundle], list[str]]:
    return store.list_models("generator", *store.get_model_folders(), GENERATOR_RUNS)


def list_generators() -> tuple[list[ModelBundle], list[str]]:
    """The usable generators, shipped and trained here, and a sentence for each that cannot be used."""
    cards = [card for folder in (*store.get_model_folders(), GENERATOR_RUNS) for card in folder.glob("*/card.json")]
    return _list_generators(tuple(sorted((str(path), path.stat().st_mtime_ns) for path in cards)))


@st.cache_resource(max_entries=4, show_spinner="Starting the generator")
def _load_sampler(folder: str, mtime_ns: int, _bundle: ModelBundle) -> Sampler:
    return Sampler(_bundle)


def load_sampler(bundle: ModelBundle) -> Sampler:
    """A generator, loaded once for all sessions, and anew when its card was written."""
    return _load_sampler(str(bundle.folder), (bundle.folder / CARD_FILE).stat().st_mtime_ns, bundle)


@st.cache_data(max_entries=100, show_spinner=False)
def _generate_faces(
    sha256: str, seeds: tuple[int, ...], label: str, truncation: float, _sampler: Sampler
) -> FaceImages:
    return _sampler.sample(seeds, label, truncation)


def generate_faces(sampler: Sampler, seeds: tuple[int, ...], label: str, truncation: float) -> FaceImages:
    """A face for each seed, with an expression."""
    return _generate_faces(sampler.bundle.sha256, seeds, label, truncation, sampler)


@st.cache_data(max_entries=50, show_spinner=False)
def _interpolate_faces(sha256: str, method: str, args: tuple[Any, ...], _sampler: Sampler) -> FaceStrip:
    return getattr(_sampler, method)(*args)


def morph(sampler: Sampler, seed: int, num_steps: int, truncation: float) -> FaceStrip:
    """See `Sampler.morph`."""
    return _interpolate_faces(sampler.bundle.sha256, "morph", (seed, num_steps, truncation), sampler)


def walk(sampler: Sampler, seeds: tuple[int, int], label: str, num_faces: int, truncation: float) -> FaceStrip:
    """See `Sampler.walk`."""
    return _interpolate_faces(sampler.bundle.sha256, "walk", (*seeds, label, num_faces, truncation), sampler)


def classify_faces(faces: FaceImages) -> list[Scores]:
    """What the classifier of the sidebar sees in faces."""
    classifier: ExpressionClassifier = session.get_analyzer().classifier
    crops = np.stack([cv2.resize(face, (classifier.input_size, classifier.input_size)) for face in faces])
    return [verdict.scores for verdict in classifier.predict(crops, session.get_settings().analyzer_settings.head)]


def make_scores_table(faces: FaceImages, positions: Sequence[float]) -> pd.DataFrame:
    """Return the scores of a row of faces for `charts.plot_strip_predictions`; `positions`: their centers, 0 to 1."""
    rows = [
        (position, word, share)
        for position, scores in zip(positions, classify_faces(faces), strict=True)
        for word, share in scores.items()
    ]
    return pd.DataFrame(rows, columns=["position", "expression", "probability"])


# ------------------------------------------------------------------ people for the other pages


class SyntheticPeople(NamedTuple):
    """A generator and the seeds of the people whose faces it draws best."""

    sampler: Sampler
    seeds: tuple[int, ...]

    def draw_morphs(self, num_people: int) -> list[FaceImages]:
        """The faces (n, size, size) of the first `count` people on their way through all expressions."""
        return [morph(self.sampler, seed, 8, _TRUNCATION).faces for seed in self.seeds[:num_people]]


def get_synthetic_people() -> SyntheticPeople | None:
    """People who do not exist; None where there is no generator."""
    found, _ = list_generators()
    if not found:
        return None
    maker, classifier = load_sampler(found[0]), session.get_analyzer().classifier
    return SyntheticPeople(maker, _find_best_seeds(found[0].sha256, classifier.bundle.sha256, maker, classifier))


@st.cache_data(max_entries=4, show_spinner="Drawing people who do not exist")
def _find_best_seeds(
    generator_sha256: str, classifier_sha256: str, _sampler: Sampler, _classifier: ExpressionClassifier
) -> tuple[int, ...]:
    return filtering.best_seeds(_sampler, _classifier, len(_GROUP_LABELS), truncation=_TRUNCATION)


def make_group_photo(people: SyntheticPeople) -> tuple[str, bytes]:
    """Name and content of a photo of many synthetic people, one expression after the other."""
    names = [name for name in _GROUP_LABELS if name in people.sampler.labels]
    faces = [
        generate_faces(people.sampler, (seed,), name, _TRUNCATION)[0]
        for seed, name in zip(people.seeds, names, strict=False)
    ]
    return "synthetic-people.png", encode_png(synthetic_scene.group_photo(faces))


# ------------------------------------------------------------------ real faces


@st.cache_resource(max_entries=1, show_spinner="Opening the data set")
def _load_training_faces(fingerprint: tuple[Any, ...], _dataset_info: catalog.DatasetInfo) -> Dataset:
    data = load_dataset(_dataset_info.path)
    return data.take(data.rows_in("train"))


def find_training_dataset(bundle: ModelBundle) -> catalog.DatasetInfo | None:
    """The data set that a generator learned from, if this machine has it."""
    source = str(bundle.card.data.get("source", ""))
    return next((one for one in catalog.list_datasets().datasets if source and one.path.name == source), None)


@st.cache_data(max_entries=100, show_spinner="Looking for real faces like it")
def find_nearest_faces(
    sha256: str, seed: int, label: str, truncation: float, _face: NDArray[np.uint8], _dataset_info: catalog.DatasetInfo
) -> RealFaces:
    """The four training faces that look most like a synthetic one."""
    data = _load_training_faces(catalog.cache_key(_dataset_info.path), _dataset_info)
    rows, _ = metrics.nearest_training_faces(_face[None], data.images, 4)
    return RealFaces(data.images[rows[0]], tuple(data.label_names[i] for i in data.labels[rows[0]]), _dataset_info.name)


# ------------------------------------------------------------------ widgets


def randomize_seed(key: str) -> None:
    """Another seed into a text field."""
    st.session_state[key] = str(random.randrange(100_000))


def choose_seed(label: str, key: str, default: int) -> int:
    """A field for a seed, and a button for another one; `EmotionError` where it holds none."""
    st.session_state.setdefault(key, str(default))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            label,
            key=key,
            max_chars=12,
            width=150,
            help=f"Any whole number from 0 to {MAX_SEED}. The same number is the same person, everywhere and always.",
        )
        st.button("Another", icon=":material/casino:", key=f"{key}_new", on_click=randomize_seed, args=[key])
    return parse_seed(text)


def make_thumbnails(faces: FaceImages, seeds: tuple[int, ...], label: str) -> list[components.Thumbnail]:
    """Small pictures for a strip, each with its seed."""
    look = get_style(label)
    return [
        components.Thumbnail(np.dstack([face] * 3), str(seed), f"Seed {seed}, {symbol_and_name(label)}", look.color)
        for face, seed in zip(faces, seeds, strict=True)
    ]


def enlarge_face(face: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A face as it is shown alone."""
    return np.asarray(cv2.resize(face, (_LARGE_FACE_PX, _LARGE_FACE_PX), interpolation=cv2.INTER_CUBIC), np.uint8)


def show_download(key: str, label: str, data: Any, file_name: str) -> None:
    """A button that saves a file; `data` may be what makes it."""
    st.download_button(label, data, file_name, key=f"gen_save_{key}", on_click="ignore", icon=":material/download:")


def show_row(faces: FaceImages, alt_text: str) -> None:
    """Faces side by side over the whole width."""
    st.image(images.make_row(faces), width="stretch", alt=alt_text)
