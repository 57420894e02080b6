"""The simulated camera of the demo, made once for all visitors."""

from __future__ import annotations

from typing import Final

import streamlit as st

from emotion.demo.camera import DemoCamera, SyntheticFacesCamera
from emotion.media.image_reader import read_image
from emotion.recognition.classification import ExpressionClassifier
from emotion.translation.messages import gettext_noop
from emotion.ui.language import translate_spinner
from emotion.ui.photos import photo_cache
from emotion.ui.synthetic import faces

_SAMPLE_FACE: Final = (224.0, 116.0), 96.0  # center and width of the face in the sample photo, pixels


def get_demo_camera(classifier: ExpressionClassifier) -> DemoCamera | SyntheticFacesCamera:
    """Return the camera: synthetic faces, chosen by `classifier`, or a moving photo without a generator."""
    people = faces.get_synthetic_people(classifier)
    if people is None:
        return _make_photo_camera()
    return _make_synthetic_camera(people.seeds, people.sampler.bundle.sha256, people)


@translate_spinner(st.cache_resource, gettext_noop("Drawing people who do not exist"), max_entries=2)
def _make_synthetic_camera(seeds: tuple[int, ...], sha256: str, _people: faces.SyntheticPeople) -> SyntheticFacesCamera:
    return SyntheticFacesCamera(_people.draw_morphs(2), len(_people.sampler.labels))


@st.cache_resource(show_spinner=False)
def _make_photo_camera() -> DemoCamera:
    return DemoCamera(read_image(photo_cache.SAMPLE_PHOTO), *_SAMPLE_FACE)
