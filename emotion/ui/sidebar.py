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
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop, ngettext
from emotion.ui.language import choose_language
from emotion.ui.messages import error_box, escape_markdown
from emotion.ui.models import describe_head, list_classifiers
from emotion.ui.session import SessionSettings
from emotion.ui.streamlit_workarounds import SIDEBAR_SETTINGS_KEY
from emotion.ui.visitors.link import show_link

_SEARCH_SIZES: Final = {
    gettext_noop("Fast"): 640,
    gettext_noop("Normal"): 1280,
    gettext_noop("Thorough"): FULL_RESOLUTION_SIDE,
}  # as `AnalyzerSettings.max_side`


def start_sidebar() -> DeltaGenerator:
    """Show the choice of the language, and return an empty area above it for the settings."""
    area = st.sidebar.container(key=SIDEBAR_SETTINGS_KEY)
    with st.sidebar:
        choose_language()
    return area


def show_settings(area: DeltaGenerator) -> None:
    """Show the settings that all pages share in an area of the sidebar, and store them for `get_settings`."""
    with error_box(_("the settings")), area:
        st.session_state.update(settings=_choose_settings(), sidebar_drawn=True)
        show_link()
        return
    st.stop()


def _choose_settings() -> SessionSettings:
    min_confidence = st.slider(
        _("Minimum confidence"),
        0,
        95,
        50,
        5,
        format="%d%%",
        key="side_min_confidence",
        help=_(
            "Faces with a lower confidence are called unsure. In streams a displayed label stays down to {points} "
            "points below, which prevents flicker."
        ).format(points=f"{100 * HYSTERESIS:.0f}"),
    )
    anonymize = st.toggle(
        _("Blur faces"),
        key="side_anonymize",
        help=_("Makes every face unrecognizable, on screen and in downloads."),
    )
    with st.expander(_("Model"), icon=":material/network_intelligence:"):
        bundle, head, errors = _choose_classifier()
    with st.expander(_("Detection"), icon=":material/frame_person:"):
        detector = _choose_detector()
        detection_threshold = st.slider(
            _("Detection threshold"),
            30,
            95,
            60,
            5,
            format="%d%%",
            key="side_detection",
            help=_("Minimum score of a face. Lower finds more faces and more false ones."),
        )
        search = st.segmented_control(
            _("Search resolution"),
            list(_SEARCH_SIZES),
            format_func=_,
            default="Normal",
            required=True,
            key="side_search",
            help=_("Size of the image during face detection. Thorough also finds very small faces and takes longer."),
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
        _("Face detector"),
        names,
        format_func=detector_factory.get_display_name,
        key=f"side_detector_{len(names)}",
        help=_("The model that finds faces."),
    )
    st.caption(detector_factory.detector_description(name))
    if "yunet" not in names and not os.environ.get("EMOTION_YUNET") and not is_public():
        st.caption(_("Optional detector: YuNet, 0.2 MB, from the OpenCV project."))
        if st.button(_("Download YuNet"), icon=":material/download:", key="side_download_yunet"):
            with error_box(_("fetching YuNet")), st.spinner(_("Downloading YuNet")):
                detector_factory.download_yunet()
                st.session_state[f"side_detector_{len(names) + 1}"] = "yunet"
                st.rerun()
    return name


def _choose_classifier() -> tuple[ModelBundle | None, str | None, tuple[str, ...]]:
    """Choose the classifier and its head; return also a message for each model that cannot be used."""
    bundles, errors = list_classifiers()
    if errors:
        st.caption(
            ngettext(
                ":material/info: {count} model folder cannot be used; Home shows why.",
                ":material/info: {count} model folders cannot be used; Home shows why.",
                len(errors),
            ).format(count=len(errors))
        )
    if not bundles:
        return None, None, tuple(errors)
    bundle = bundles[0]
    if len(bundles) > 1:
        names = [bundle.name for bundle in bundles]
        name = st.selectbox(
            _("Classifier"), names, key="side_classifier", help=_("The model that predicts expressions.")
        )
        bundle = bundles[names.index(name)]
    heads = sorted(bundle.heads, key=lambda head: head != bundle.default_head)
    head = st.selectbox(
        _("Label set"),
        heads,
        format_func=lambda name: describe_head(bundle, name),
        key=f"side_head_{bundle.name}",
        help=_(
            "The labels of the training. FER-2013: one label a face. FER+: votes of ten people a face. "
            "Default: both together."
        ),
    )
    return bundle, head, tuple(errors)
