"""The sidebar that all pages share: the settings, the classifier and the detector."""

from __future__ import annotations

import os
from typing import Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from emotion.environment import is_public
from emotion.errors import ModelError
from emotion.model_store.store import ModelBundle
from emotion.recognition.detectors import detector_factory
from emotion.recognition.settings import FULL_RESOLUTION_SIDE, AnalyzerSettings
from emotion.tracking.label_smoothing import HYSTERESIS
from emotion.ui.language import choose_language
from emotion.ui.messages import error_box, escape_markdown
from emotion.ui.models import describe_head, list_classifiers
from emotion.ui.session import SessionSettings
from emotion.ui.streamlit_workarounds import SIDEBAR_SETTINGS_KEY
from emotion.ui.visitors.link import show_link

_SEARCH_SIZES: Final = {"Fast": 640, "Normal": 1280, "Thorough": FULL_RESOLUTION_SIDE}  # as `AnalyzerSettings.max_side`


def start_sidebar() -> DeltaGenerator:
    """Show the choice of the language, and return an empty area above it for the settings."""
    area = st.sidebar.container(key=SIDEBAR_SETTINGS_KEY)
    with st.sidebar:
        choose_language()
    return area


def show_settings(area: DeltaGenerator) -> None:
    """Show the settings that all pages share in an area of the sidebar, and store them for `get_settings`."""
    with error_box("the settings"), area:
        st.session_state.update(settings=_choose_settings(), sidebar_drawn=True)
        show_link()
        return
    st.stop()


def _choose_settings() -> SessionSettings:
    min_confidence = st.slider(
        "Minimum confidence",
        0,
        95,
        50,
        5,
        format="%d%%",
        key="side_min_confidence",
        help="Faces with a lower confidence are called unsure. In streams a displayed label stays down to "
        f"{100 * HYSTERESIS:.0f} points below, which prevents flicker.",
    )
    anonymize = st.toggle(
        "Blur faces",
        key="side_anonymize",
        help="Makes every face unrecognizable, on screen and in downloads.",
    )
    with st.expander("Model", icon=":material/network_intelligence:"):
        bundle, head, errors = _choose_classifier()
    with st.expander("Detection", icon=":material/frame_person:"):
        detector = _choose_detector()
        detection_threshold = st.slider(
            "Detection threshold",
            30,
            95,
            60,
            5,
            format="%d%%",
            key="side_detection",
            help="Minimum score of a face. Lower finds more faces and more false ones.",
        )
        search = st.segmented_control(
            "Search resolution",
            list(_SEARCH_SIZES),
            default="Normal",
            required=True,
            key="side_search",
            help="Size of the image during face detection. Thorough also finds very small faces and takes longer.",
        )
    settings = AnalyzerSettings(
        detection_threshold / 100, min_confidence / 100, _SEARCH_SIZES[search or "Normal"], head
    )
    return SessionSettings(detector, bundle, errors, settings, anonymize)


def _choose_detector() -> str:
    """Choose the detector; offer to download YuNet where it is missing."""
    try:
        names = detector_factory.available_detectors()
    except ModelError as error:
        st.warning(escape_markdown(str(error)), icon=":material/info:")
        names = (*detector_factory.trained_detectors(), "haar")
    name = st.selectbox(
        "Face detector",
        names,
        format_func=detector_factory.get_display_name,
        key=f"side_detector_{len(names)}",
        help="The model that finds faces.",
    )
    st.caption(detector_factory.detector_description(name))
    if "yunet" not in names and not os.environ.get("EMOTION_YUNET") and not is_public():
        st.caption("Optional detector: YuNet, 0.2 MB, from the OpenCV project.")
        if st.button("Download YuNet", icon=":material/download:", key="side_download_yunet"):
            with error_box("fetching YuNet"), st.spinner("Downloading YuNet"):
                detector_factory.download_yunet()
                st.session_state[f"side_detector_{len(names) + 1}"] = "yunet"
                st.rerun()
    return name


def _choose_classifier() -> tuple[ModelBundle | None, str | None, tuple[str, ...]]:
    """Choose the classifier and its head; return also a message for each model that cannot be used."""
    bundles, errors = list_classifiers()
    if errors:
        st.caption(f":material/info: {len(errors)} of the model folders cannot be used; Home shows why.")
    if not bundles:
        return None, None, tuple(errors)
    bundle = bundles[0]
    if len(bundles) > 1:
        names = [bundle.name for bundle in bundles]
        name = st.selectbox("Classifier", names, key="side_classifier", help="The model that predicts expressions.")
        bundle = bundles[names.index(name)]
    heads = sorted(bundle.heads, key=lambda head: head != bundle.default_head)
    head = st.selectbox(
        "Label set",
        heads,
        format_func=lambda name: describe_head(bundle, name),
        key=f"side_head_{bundle.name}",
        help="The labels of the training. FER-2013: one label a face. FER+: votes of ten people a face. "
        "Default: both together.",
    )
    return bundle, head, tuple(errors)
