"""The selected face of a photo: as in the photo, as the classifier gets it, with all its scores."""

from __future__ import annotations

from typing import Final

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from emotion import charts
from emotion.expressions import get_style, translate_label
from emotion.faces import Face
from emotion.formatting import format_list, format_percent
from emotion.recognition.saliency import overlay_class_activation
from emotion.results import tables
from emotion.results.photos import Photo
from emotion.translation.messages import gettext as _
from emotion.ui import components, session
from emotion.ui.photos import corrections, features
from emotion.ui.session import SessionSettings

_FACE_PX: Final = 92  # width of an image of the selected face, of which three fit side by side
_SALIENCY_PX: Final = 192


def show_details(photo: Photo, selected: int, settings: SessionSettings) -> None:
    """Show the selected face as in the photo and as the classifier gets it, with all its scores."""
    face, anonymize = photo.faces[selected - 1], settings.anonymize
    if len(photo.faces) > 1:
        st.pagination(len(photo.faces), key="photo_face")
    prediction = f"{get_style(face.display_label).symbol} {components.format_prediction(face)}"
    title = _("Face {number}: {prediction}").format(number=selected, prediction=prediction)
    st.markdown(f"## {title}", anchors=False)
    if face.uncertainty_reason:
        st.markdown(components.format_uncertainty(face))
    with st.container(horizontal=True):
        st.image(
            photo.analysis.render_crops(anonymize)[selected - 1],
            _("Photo"),
            width=_FACE_PX,
            alt=_("Face {number}").format(number=selected),
        )
        if not anonymize:
            gray = np.repeat(np.repeat(photo.analysis.gray_crops[selected - 1], 4, axis=0), 4, axis=1)
            height, width = photo.analysis.gray_crops.shape[1:]
            alt_text = _("Face {number} in gray, {width} by {height} pixels").format(
                number=selected, width=width, height=height
            )
            st.image(gray, _("Model input"), width=_FACE_PX, alt=alt_text)
            _show_saliency(photo.analysis.gray_crops[selected - 1], face, settings.analyzer_settings.head)
    if not anonymize:
        corrections.show_correction(face, photo.analysis.gray_crops[selected - 1])
    scores = tables.scores_table(face)
    pairs = zip(scores["expression"], scores["probability"], strict=True)
    alt_text = format_list(f"{translate_label(label)} {format_percent(p)}" for label, p in pairs)
    components.show_chart(charts.plot_scores(scores), key="photo_scores", alt_text=alt_text)
    features.show_features(face)


def _show_saliency(gray: NDArray[np.uint8], face: Face, head: str | None) -> None:
    """Show what in the face speaks for its top label, where the classifier has class activation maps."""
    classifier = session.get_analyzer().classifier
    if face.scores is not None and classifier.has_cam(head):
        label = face.scores.label
        st.image(
            overlay_class_activation(classifier, gray, label, head, _SALIENCY_PX),
            _('Why "{label}"').format(label=translate_label(label)),
            width=_FACE_PX,
            alt=_("Heatmap of the parts of the face that drive the label {label}").format(label=translate_label(label)),
        )
