"""The sidebar that all pages share: the settings, the classifier and the detector."""

from __future__ import annotations

import os
from typing import Final

import streamlit as st

from emotion.environment import is_public
from emotion.errors import ModelError
from emotion.model_store.store import ModelBundle
from emotion.recognition import detector_factory
from emotion.recognition.settings import FULL_RESOLUTION_SIDE, AnalyzerSettings
from emotion.tracking.label_smoothing import HYSTERESIS
from emotion.ui.messages import error_box, escape_markdown
from emotion.ui.models import describe_head, list_classifiers
from emotion.ui.session import SessionSettings
from emotion.ui.visitors.link import show_link

_DETECTOR_NAMES: Final = {"glance": "Glance", "yunet": "YuNet", "haar": "Haar"}
_SEARCH_SIZES: Final = {"Fast": 640, "Normal": 1280, "Find all": FULL_RESOLUTION_SIDE}  # as `AnalyzerSettings.max_side`


def show_sidebar() -> None:
    """Show the settings that all pages share, and store them for `get_settings`."""
    with error_box("the settings"), st.sidebar:
        st.session_state.update(settings=_choose_settings(), sidebar_drawn=True)
        show_link()
        return
    st.stop()


def _choose_settings() -> SessionSettings:
    min_confidence = st.slider(
        "Unsure below",
        0,
        95,
        50,
        5,
        format="%d %%",
        key="side_min_confidence",
        help="A label with a lower confidence is not shown: the face is called unsure, with the reason. In live images "
        f"and videos a face that shows a label keeps showing one down to {100 * HYSTERESIS:.0f} points below, so that "
        "labels do not flicker.",
    )
    anonymize = st.toggle(
        "Blur faces",
        key="side_anonymize",
        help="Makes every face unrecognizable, in all that is shown and in all that is saved.",
    )
    bundle, head, errors = _choose_classifier()
    detector = _choose_detector()
    detection_threshold = st.slider(
        "Face threshold",
        30,
        95,
        60,
        5,
        format="%d %%",
        key="side_detection",
        help="How certain it must be that something is a face. Lower finds more faces and more mistakes.",
    )
    search = st.segmented_control(
        "Search",
        list(_SEARCH_SIZES),
        default="Normal",
        required=True,
        key="side_search",
        help="How large the image is during face detection. Find all also finds very small faces, and takes longer.",
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
        format_func=lambda name: str(_DETECTOR_NAMES.get(name, name)),
        key=f"side_detector_{len(names)}",
        help="What finds the faces before their expressions are classified.",
    )
    st.caption(detector_factory.detector_description(name))
    if "yunet" not in names and not os.environ.get("EMOTION_YUNET") and not is_public():
        st.caption("To compare: YuNet is a download of 0.2 MB from the OpenCV project.")
        if st.button("Fetch YuNet", icon=":material/download:", key="side_download_yunet"):
            with error_box("fetching YuNet"), st.spinner("Fetching YuNet"):
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
        name = st.selectbox("Classifier", names, key="side_classifier", help="What predicts the expression of a face.")
        bundle = bundles[names.index(name)]
    heads = sorted(bundle.heads, key=lambda head: head != bundle.default_head)
    head = st.selectbox(
        "Label set",
        heads,
        format_func=lambda name: describe_head(bundle, name),
        key=f"side_head_{bundle.name}",
        help="What the classifier learned its expressions from. FER-2013: the label of each face there. FER+: the "
        "votes of ten people for each face. Expression: both together, which recognizes the most kinds of faces.",
    )
    return bundle, head, tuple(errors)
