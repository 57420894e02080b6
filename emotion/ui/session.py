"""The settings of the sidebar, and the models that are loaded for them."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from emotion.errors import ModelError
from emotion.model_store.store import ModelBundle
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.classification import ExpressionClassifier
from emotion.recognition.detectors import detector_factory
from emotion.recognition.features import default_network
from emotion.recognition.settings import AnalyzerSettings
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop
from emotion.ui.language import translate_spinner


@dataclass(frozen=True)
class SessionSettings:
    """The settings of the sidebar, which hold for all pages of a session."""

    detector: str
    bundle: ModelBundle | None  # None without a usable classifier
    model_errors: tuple[str, ...]  # a message for each model folder that cannot be used
    analyzer_settings: AnalyzerSettings  # with the `min_confidence` of the sidebar
    anonymize: bool


def get_settings() -> SessionSettings:
    """Return the settings of this session."""
    return st.session_state["settings"]


def get_bundle() -> ModelBundle:
    """Return the selected classifier.

    Raises:
        ModelError: If there is none.
    """
    settings = get_settings()
    if settings.bundle is None:
        raise ModelError(
            " ".join(settings.model_errors) or _("There is no classifier in models/ yet; train one first.")
        )
    return settings.bundle


def get_analyzer() -> Analyzer:
    """Return the analyzer for the selected detector and classifier, loaded once for all sessions.

    Raises:
        ModelError: If there is no classifier.
    """
    bundle = get_bundle()
    return _load_analyzer(get_settings().detector, bundle.sha256, bundle)


def find_features_error() -> str | None:
    """Return why facial features cannot be estimated; None where they can."""
    try:
        default_network.load_default_network()
    except ModelError as error:
        return str(error)
    return None


def list_shown_movements() -> tuple[str, ...]:
    """Return the names of the movements that faces with features have; () without a features network."""
    if find_features_error() is not None:
        return ()
    return tuple(default_network.load_default_network().bundle.features_card.shown_movements)


@translate_spinner(st.cache_resource, gettext_noop("Starting the classifier"), max_entries=4)
def _load_analyzer(detector: str, sha256: str, _bundle: ModelBundle) -> Analyzer:
    return Analyzer(detector_factory.make_detector(detector), ExpressionClassifier(_bundle))
