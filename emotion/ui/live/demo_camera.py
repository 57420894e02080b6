"""The simulated camera of the demo, made once for all visitors."""

from __future__ import annotations

import streamlit as st

from emotion.demo.camera import DemoCamera, SyntheticFacesCamera
from emotion.generation.people import SyntheticPeople, make_photo_camera
from emotion.recognition.classification import ExpressionClassifier
from emotion.translation.messages import gettext_noop
from emotion.ui.language import translate_spinner
from emotion.ui.synthetic import faces


def get_demo_camera(classifier: ExpressionClassifier) -> DemoCamera | SyntheticFacesCamera:
    """Return the camera: synthetic faces, chosen by `classifier`, or a moving photo without a generator."""
    people = faces.get_synthetic_people(classifier)
    if people is None:
        return _make_photo_camera()
    return _make_synthetic_camera(people.seeds, people.sampler.bundle.sha256, people)


@translate_spinner(st.cache_resource, gettext_noop("Drawing people who do not exist"), max_entries=2)
def _make_synthetic_camera(seeds: tuple[int, ...], sha256: str, _people: SyntheticPeople) -> SyntheticFacesCamera:
    return _people.make_camera()


@st.cache_resource(show_spinner=False)
def _make_photo_camera() -> DemoCamera:
    return make_photo_camera()
