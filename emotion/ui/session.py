"""What was chosen in the sidebar, and the models that are loaded for it."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from emotion.errors import ModelError
from emotion.model_store.store import ModelBundle
from emotion.recognition import detector_factory
from emotion.recognition.analyzer import Analyzer, AnalyzerSettings
from emotion.recognition.classification import ExpressionClassifier


@dataclass(frozen=True)
class SessionSettings:
    """What was chosen in the sidebar: it holds for all pages of a session."""

    detector: str
    bundle: ModelBundle | None  # None where no usable classifier is there
    model_errors: tuple[str, ...]  # a sentence for each model folder that cannot be used
    analyzer_settings: AnalyzerSettings  # with the `min_confidence` that was chosen
    anonymize: bool


def get_settings() -> SessionSettings:
    """What was chosen in the sidebar of this session."""
    return st.session_state["settings"]


def get_bundle() -> ModelBundle:
    """The classifier that was chosen; `ModelError` where there is none."""
    settings = get_settings()
    if settings.bundle is None:
        raise ModelError(" ".join(settings.model_errors) or "There is no classifier in models/ yet; train one first.")
    return settings.bundle


def get_analyzer() -> Analyzer:
    """The analyzer that was chosen, loaded once for all sessions; `ModelError` where there is none."""
    bundle = get_bundle()
    return _load_analyzer(get_settings().detector, bundle.sha256, bundle)


@st.cache_resource(max_entries=4, show_spinner="Starting the classifier")
def _load_analyzer(detector: str, sha256: str, _bundle: ModelBundle) -> Analyzer:
    return Analyzer(detector_factory.make_detector(detector), ExpressionClassifier(_bundle))
