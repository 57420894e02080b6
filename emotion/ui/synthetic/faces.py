"""Cached generators and synthetic faces, the real faces nearest to them, and widgets for seeds and faces."""

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
from emotion.datasets.readers.loaders import load_dataset
from emotion.demo import synthetic_scene
from emotion.expressions import get_style, symbol_and_name
from emotion.faces import Scores
from emotion.generation import images, metrics, people
from emotion.generation.people import PEOPLE_TRUNCATION, SyntheticPeople
from emotion.generation.sampler import MAX_SEED, FaceImages, FaceStrip, Sampler, parse_seed
from emotion.media.image_reader import encode_png
from emotion.model_store.card import CARD_FILE
from emotion.model_store.store import ModelBundle, ModelListing
from emotion.recognition.classification import ExpressionClassifier
from emotion.translation.languages import in_english
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop, pgettext, translate_text
from emotion.ui import components, session
from emotion.ui.language import translate_spinner

_NUM_NEAREST: Final = 4
_GROUP_LABELS: Final = (
    "happy",
    "surprise",
    "neutral",
    "sad",
    "angry",
    "happy",
    "fear",
    "disgust",
)  # of the group photo


class RealFaces(NamedTuple):
    """The training faces of a generator that are nearest to a synthetic face."""

    faces: FaceImages  # gray uint8 (n, size, size)
    labels: tuple[str, ...]
    source: str  # name of the data set


@st.cache_data(max_entries=4, show_spinner=False)
def _list_generators(fingerprint: tuple[tuple[str, int], ...]) -> ModelListing:
    with in_english():  # for the sessions of all languages
        return people.list_generators()


def list_generators() -> ModelListing:
    """List the usable generators, shipped and trained ones, and a message for each other one."""
    cards = [card for folder in people.get_generator_folders() for card in folder.glob(f"*/{CARD_FILE}")]
    listing = _list_generators(tuple(sorted((str(path), path.stat().st_mtime_ns) for path in cards)))
    return listing._replace(errors=[translate_text(error) for error in listing.errors])


@translate_spinner(st.cache_resource, gettext_noop("Starting the generator"), max_entries=4)
def _load_sampler(folder: str, mtime_ns: int, _bundle: ModelBundle) -> Sampler:
    return Sampler(_bundle)


def load_sampler(bundle: ModelBundle) -> Sampler:
    """Load a generator, once for all sessions and again when its card has changed."""
    return _load_sampler(str(bundle.folder), (bundle.folder / CARD_FILE).stat().st_mtime_ns, bundle)


@st.cache_data(max_entries=100, show_spinner=False)
def _generate_faces(
    sha256: str, seeds: tuple[int, ...], label: str, truncation: float, _sampler: Sampler
) -> FaceImages:
    return _sampler.sample(seeds, label, truncation)


def generate_faces(sampler: Sampler, seeds: tuple[int, ...], label: str, truncation: float) -> FaceImages:
    """Generate a face with an expression for each seed, see `Sampler.sample`."""
    return _generate_faces(sampler.bundle.sha256, seeds, label, truncation, sampler)


@st.cache_data(max_entries=50, show_spinner=False)
def _interpolate_faces(sha256: str, method: str, args: tuple[Any, ...], _sampler: Sampler) -> FaceStrip:
    return getattr(_sampler, method)(*args)


def morph(sampler: Sampler, seed: int, num_steps: int, truncation: float) -> FaceStrip:
    """Generate a person through all expressions, see `Sampler.morph`."""
    return _interpolate_faces(sampler.bundle.sha256, "morph", (seed, num_steps, truncation), sampler)


def blend(
    sampler: Sampler, seed: int, labels: tuple[str, str], fractions: tuple[float, ...], truncation: float
) -> FaceStrip:
    """Generate a person from one expression to another, see `Sampler.blend`."""
    return _interpolate_faces(sampler.bundle.sha256, "blend", (seed, labels, fractions, truncation), sampler)


def walk(sampler: Sampler, seeds: tuple[int, int], label: str, num_faces: int, truncation: float) -> FaceStrip:
    """Generate faces from one person to another, see `Sampler.walk`."""
    return _interpolate_faces(sampler.bundle.sha256, "walk", (*seeds, label, num_faces, truncation), sampler)


def classify_faces(faces: FaceImages) -> list[Scores]:
    """Classify gray faces (n, size, size) with the classifier of the sidebar."""
    classifier: ExpressionClassifier = session.get_analyzer().classifier
    crops = np.stack([cv2.resize(face, (classifier.input_size, classifier.input_size)) for face in faces])
    return [
        prediction.scores for prediction in classifier.predict(crops, session.get_settings().analyzer_settings.head)
    ]


def make_scores_table(faces: FaceImages, positions: Sequence[float]) -> pd.DataFrame:
    """Return the scores of a row of faces for `charts.plot_strip_predictions`; `positions`: their centers, 0 to 1."""
    rows = [
        (position, label, score)
        for position, scores in zip(positions, classify_faces(faces), strict=True)
        for label, score in scores.items()
    ]
    return pd.DataFrame(rows, columns=["position", "expression", "probability"])


# ------------------------------------------------------------------ people for the other pages


def get_synthetic_people(classifier: ExpressionClassifier) -> SyntheticPeople | None:
    """Return synthetic people of the first generator, chosen by `classifier`; None where there is no generator."""
    generators = list_generators().models
    if not generators:
        return None
    sampler = load_sampler(generators[0])
    return SyntheticPeople(
        sampler, _find_best_seeds(generators[0].sha256, classifier.bundle.sha256, sampler, classifier)
    )


@translate_spinner(st.cache_data, gettext_noop("Drawing people who do not exist"), max_entries=4)
def _find_best_seeds(
    generator_sha256: str, classifier_sha256: str, _sampler: Sampler, _classifier: ExpressionClassifier
) -> tuple[int, ...]:
    return people.choose_seeds(_sampler, _classifier)


def make_group_photo(synthetic_people: SyntheticPeople) -> tuple[str, bytes]:
    """Return name and content of a group photo of synthetic people with different expressions."""
    labels = [label for label in _GROUP_LABELS if label in synthetic_people.sampler.labels]
    faces = [
        generate_faces(synthetic_people.sampler, (seed,), label, PEOPLE_TRUNCATION)[0]
        for seed, label in zip(synthetic_people.seeds, labels, strict=False)
    ]
    return "synthetic-people.png", encode_png(synthetic_scene.group_photo(faces))


# ------------------------------------------------------------------ real faces


@translate_spinner(st.cache_resource, gettext_noop("Opening the data set"), max_entries=1)
def _load_training_faces(fingerprint: tuple[Any, ...], _dataset_info: catalog.DatasetInfo) -> Dataset:
    dataset = load_dataset(_dataset_info.path)
    return dataset.take(dataset.rows_in("train"))


def find_training_dataset(bundle: ModelBundle) -> catalog.DatasetInfo | None:
    """Find the data set that a generator learned from; None where it is not on this machine."""
    source = str(bundle.card.data.get("source", ""))
    return next((info for info in catalog.list_datasets().datasets if source and info.path.name == source), None)


@translate_spinner(st.cache_data, gettext_noop("Looking for real faces like it"), max_entries=100)
def find_nearest_faces(
    sha256: str, seed: int, label: str, truncation: float, _face: NDArray[np.uint8], _dataset_info: catalog.DatasetInfo
) -> RealFaces:
    """Find the training faces that are nearest to a synthetic face."""
    dataset = _load_training_faces(catalog.cache_key(_dataset_info.path), _dataset_info)
    rows = metrics.nearest_training_faces(_face[None], dataset.images, _NUM_NEAREST)[0]
    return RealFaces(
        dataset.images[rows[0]], tuple(dataset.label_names[i] for i in dataset.labels[rows[0]]), _dataset_info.name
    )


# ------------------------------------------------------------------ widgets


def randomize_seed(key: str) -> None:
    """Put a random seed into the text field `key`."""
    st.session_state[key] = str(random.randrange(100_000))


def choose_seed(label: str, key: str, default: int) -> int:
    """Choose a seed in a text field with a button for a random one.

    Raises:
        EmotionError: If the text is not a seed.
    """
    st.session_state.setdefault(key, str(default))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            label,
            key=key,
            max_chars=12,
            width=150,
            help=_(
                "Any whole number from 0 to {maximum}. The same number is the same person, everywhere and always."
            ).format(maximum=MAX_SEED),
        )
        st.button(
            pgettext("seed", "Another"), icon=":material/casino:", key=f"{key}_new", on_click=randomize_seed, args=[key]
        )
    return parse_seed(text)


def make_thumbnails(faces: FaceImages, seeds: tuple[int, ...], label: str) -> list[components.Thumbnail]:
    """Make a thumbnail with the seed as caption for each gray face."""
    color = get_style(label).color
    return [
        components.Thumbnail(
            np.dstack([face] * 3),
            str(seed),
            _("Seed {seed}, {label}").format(seed=seed, label=symbol_and_name(label)),
            color,
        )
        for face, seed in zip(faces, seeds, strict=True)
    ]


def show_download(key: str, label: str, data: Any, file_name: str) -> None:
    """Show a button that saves a file; `data` is its content, or a function that makes it."""
    components.download_button(label, data, file_name, f"gen_save_{key}")


def show_row(faces: FaceImages, alt_text: str) -> None:
    """Show faces side by side over the whole width."""
    st.image(images.make_row(faces), width="stretch", alt=alt_text)
