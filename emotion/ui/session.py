"""What was chosen in the sidebar, and the models that are loaded for it."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from emotion.errors import ModelError
from emotion.model_store.store import Bundle
from emotion.recognition import detector_factory
from emotion.recognition.analyzer import Analyzer, Settings
from emotion.recognition.classification import Recogniser


@dataclass(frozen=True)
class Choice:
    """What was chosen in the sidebar: it holds for all pages of a session."""

    detector: str
    bundle: Bundle | None  # None where no usable recogniser is there
    refused: tuple[str, ...]  # a sentence for each model folder that cannot be used
    settings: Settings  # its `unsure` is what a person chose
    blur: bool


def choice() -> Choice:
    """What was chosen in the sidebar of this session."""
    return st.session_state["choice"]


def bundle() -> Bundle:
    """The recogniser that was chosen; `ModelError` where there is none."""
    chosen = choice()
    if chosen.bundle is None:
        raise ModelError(" ".join(chosen.refused) or "There is no recogniser in models/ yet; train one first.")
    return chosen.bundle


def analyzer() -> Analyzer:
    """The analyzer that was chosen, loaded once for all sessions; `ModelError` where there is none."""
    chosen = bundle()
    return _load_analyzer(choice().detector, chosen.sha256, chosen)


@st.cache_resource(max_entries=4, show_spinner="Starting the recogniser")
def _load_analyzer(detector: str, sha256: str, _bundle: Bundle) -> Analyzer:
    return Analyzer(detector_factory.make_detector(detector), Recogniser(_bundle))
