"""Analyzed photos on a page: annotated image, faces, details of one face, table and downloads."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from emotion import charts
from emotion.expressions import get_style, symbol_and_name, translate_label
from emotion.faces import Face
from emotion.formatting import format_list, format_percent
from emotion.recognition.annotation import MAX_FULL_LABELS
from emotion.recognition.saliency import overlay_class_activation
from emotion.recognition.uncertainty import translate_reason
from emotion.results import photos, tables
from emotion.results.photos import Photo
from emotion.results.share_card import MAX_TITLE_LENGTH
from emotion.translation.messages import gettext as _
from emotion.translation.messages import ngettext
from emotion.ui import components, session
from emotion.ui.photos import features, photo_cache
from emotion.ui.session import SessionSettings

_FACE_PX: Final = 100  # width of an image of the selected face, of which three fit side by side
_SALIENCY_PX: Final = 192
_WIDE_RATIO: Final = 2  # from this width to height on, a photo gets the whole width of the page
_MAX_FULL_ROWS: Final = 20  # more rows scroll

state = st.session_state


def select_face(photo_number: int, face_number: int) -> None:
    """Select a photo and a face in it, both counted from 1."""
    state.update(photo_index=photo_number, photo_face=face_number)


def format_face_count(num_faces: int) -> str:
    """Format a number of faces: "no face", "1 face", "2 faces"."""
    return ngettext("{count} face", "{count} faces", num_faces).format(count=num_faces) if num_faces else _("no face")


def show_result(photo: Photo, settings: SessionSettings) -> None:
    """Show a photo with its faces."""
    selected = state["photo_face"] = max(1, min(state.get("photo_face", 1), len(photo.faces)))
    # Small faces need the whole width, which also leaves room for their numbers.
    is_wide = photo.analysis.width > _WIDE_RATIO * photo.analysis.height
    needs_full_width = len(photo.faces) > MAX_FULL_LABELS or is_wide
    if needs_full_width:
        _show_photo(photo, selected, settings)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        if not needs_full_width:
            _show_photo(photo, selected, settings)
        if len(photo.faces) > 1:
            _show_crops(photo, selected, settings)
    with right:
        if not photo.faces:
            _show_no_faces()
            return
        if len(photo.faces) > 1:
            _show_group(photo.faces)
        _show_details(photo, selected, settings)


def _show_photo(photo: Photo, selected: int, settings: SessionSettings) -> None:
    """Show the annotated photo, and how it was reduced or rotated."""
    components.show_annotated_image(
        photo.analysis,
        photo.faces,
        key="photo_picture",
        anonymize=settings.anonymize,
        selection=components.Selection(selected, lambda n: select_face(state["photo_index"], n)),
        alt_text=f"{photo.name}: {components.format_counts(photo.faces)}",
    )
    if photo.faces:
        features.show_switch()
    if photo.analysis.reduction > 1:
        st.caption(
            _("This photo is very large and was analyzed at 1/{reduction} of its width and height: {size}.").format(
                reduction=photo.analysis.reduction,
                size=components.format_size((photo.analysis.width, photo.analysis.height)),
            )
        )
    if photo.analysis.rotation:
        text = _("This photo was turned clockwise by {degrees} degrees to find its faces.")
        st.caption(text.format(degrees=photo.analysis.rotation))


def _show_crops(photo: Photo, selected: int, settings: SessionSettings) -> None:
    """Show the faces in reading order, to select one."""
    crops = photo.analysis.render_crops(settings.anonymize)
    thumbnails = [
        components.Thumbnail(
            crop,
            f"{n} {symbol_and_name(face.display_label)}",
            _("Face {number}: {prediction}").format(number=n, prediction=components.format_prediction(face)),
            get_style(face.display_label).color,
        )
        for n, (crop, face) in enumerate(zip(crops, photo.faces, strict=True), 1)
    ]
    components.show_thumbnails(
        thumbnails,
        key="photo_crops",
        label=_("Faces"),
        side_px=76,
        max_height_px=620,
        selection=components.Selection(selected, lambda n: select_face(state["photo_index"], n)),
    )


def _show_no_faces() -> None:
    """Show what may help to find faces."""
    st.info(
        _(
            "**No face found,** neither upright nor rotated by 90, 180 or 270 degrees. What may help:\n"
            "- faces that are larger, brighter, and seen from the front\n"
            "- in the sidebar, a lower detection threshold or the search resolution Thorough"
        ),
        icon=":material/person_search:",
    )


def _show_group(faces: tuple[Face, ...]) -> None:
    """Show the counts of the expressions of all faces."""
    counts = components.format_counts(faces)
    title = _("{group}: {counts}").format(group=format_face_count(len(faces)), counts=counts)
    st.markdown(f"##### {title}", anchors=False)
    components.show_chart(
        charts.plot_group_shares(tables.counts_table(faces)),
        key="photo_group",
        alt_text=_("The whole group: {counts}").format(counts=counts),
    )


def _show_details(photo: Photo, selected: int, settings: SessionSettings) -> None:
    """Show the selected face as in the photo and as the classifier gets it, with all its scores."""
    face, anonymize = photo.faces[selected - 1], settings.anonymize
    if len(photo.faces) > 1:
        st.pagination(len(photo.faces), key="photo_face")
    prediction = f"{get_style(face.display_label).symbol} {components.format_prediction(face)}"
    title = _("Face {number}: {prediction}").format(number=selected, prediction=prediction)
    st.markdown(f"##### {title}", anchors=False)
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
            alt_text = _("Face {number} in gray, 48 by 48 pixels").format(number=selected)
            st.image(gray, _("Model input"), width=_FACE_PX, alt=alt_text)
            _show_saliency(photo.analysis.gray_crops[selected - 1], face, settings.analyzer_settings.head)
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


def show_table(analyzed_photos: list[Photo]) -> None:
    """Show a sortable table of all faces of all photos, to select one."""
    table = tables.faces_table([(photo.name, photo.faces) for photo in analyzed_photos])
    table["display_label"] = [symbol_and_name(face.display_label) for photo in analyzed_photos for face in photo.faces]
    table["label"] = table["label"].map(translate_label)
    table["uncertainty_reason"] = table["uncertainty_reason"].map(translate_reason)
    table[["confidence", "detection_score"]] *= 100
    positions = [(i, n) for i, photo in enumerate(analyzed_photos, 1) for n in range(1, len(photo.faces) + 1)]

    def on_select() -> None:
        rows = state["photo_table"].selection.rows
        if rows and 0 <= rows[0] < len(positions):
            select_face(*positions[rows[0]])

    percent_column = partial(st.column_config.ProgressColumn, min_value=0, max_value=100, format="%.0f%%")
    columns = ["face_index", "display_label", "confidence", "label", "uncertainty_reason", "detection_score"]
    with st.expander(_("Table of all faces"), icon=":material/table_rows:"):
        st.dataframe(
            table,
            key="photo_table",
            on_select=on_select,
            selection_mode="single-row",
            hide_index=True,
            height="content" if len(table) <= _MAX_FULL_ROWS else "auto",
            column_order=["file", *columns] if len(analyzed_photos) > 1 else columns,
            column_config={
                "file": _("Photo"),
                "face_index": st.column_config.NumberColumn(_("Face"), width="small"),
                "display_label": _("Expression"),
                "confidence": percent_column(_("Confidence"), help=_("Probability of the top label.")),
                "label": _("Top label"),
                "uncertainty_reason": st.column_config.TextColumn(_("Reason"), width="medium"),
                "detection_score": percent_column(_("Detection score"), help=_("Confidence that this is a face.")),
            },
        )


def show_downloads(analyzed_photos: list[Photo], photo: Photo, anonymize: bool) -> None:
    """Show downloads; files that take long to make are made on the click."""
    is_multiple = len(analyzed_photos) > 1

    def make_in_turn(make: Callable[[], bytes]) -> bytes:
        contents = (photo.content for photo in analyzed_photos)
        with photo_cache.take_turn((content for content in contents if isinstance(content, bytes)), lambda num: None):
            return make()

    def add_button(key: str, label: str, data: str | Callable[[], bytes], file_name: str) -> None:
        made = data if isinstance(data, str) else partial(make_in_turn, data)
        components.download_button(label, made, file_name, f"photo_save_{key}")

    with st.container(horizontal=True):
        add_button(
            "image",
            _("Image"),
            lambda: photos.make_annotated_png(photo, anonymize=anonymize),
            f"{photo.stem}-faces.png",
        )
        if is_multiple:
            add_button(
                "images",
                _("All images"),
                lambda: photos.make_annotated_zip(analyzed_photos, anonymize=anonymize),
                "images.zip",
            )
        add_button(
            "faces", _("Faces"), lambda: photos.make_crops_zip(analyzed_photos, anonymize=anonymize), "faces.zip"
        )
        if photo.faces and st.button(_("Share card"), icon=":material/share:", key="photo_share"):
            st.dialog(_("Share card"), width="large")(_show_share_card)(photo, anonymize)
        add_button("csv", _("Table (CSV)"), photos.faces_to_csv(analyzed_photos), "faces.csv")
        add_button("json", _("Data (JSON)"), photos.faces_to_json(analyzed_photos), "faces.json")


def _show_share_card(photo: Photo, anonymize: bool) -> None:
    """Offer a card to share, with a title of one's own and a preview."""
    title = st.text_input(_("Title"), photo.stem, max_chars=MAX_TITLE_LENGTH, key="photo_share_title")
    card = photos.make_share_card(photo, title, datetime.now().astimezone().date(), anonymize=anonymize)
    alt_text = _("Card of {name}: {counts}").format(name=photo.name, counts=components.format_counts(photo.faces))
    st.image(card, width="stretch", alt=alt_text)
    components.download_button(_("Download"), card, f"{photo.stem}-card.png", "photo_share_save")


def show_thumbnails(analyzed_photos: list[Photo]) -> None:
    """Show thumbnails of several photos with their numbers of faces, to select one."""
    all_faces = [face for photo in analyzed_photos for face in photo.faces]
    counts = components.format_counts(all_faces)
    num_photos = ngettext("{count} photo", "{count} photos", len(analyzed_photos)).format(count=len(analyzed_photos))
    st.markdown(f"**{format_list((num_photos, format_face_count(len(all_faces))))}:** {counts}")
    thumbnails = [
        components.Thumbnail(
            photo_cache.get_thumbnail(photo, session.get_settings().anonymize),
            f"{photo.name}\n{format_face_count(len(photo.faces))}",
            f"{photo.name}: {components.format_counts(photo.faces)}",
        )
        for photo in analyzed_photos
    ]
    components.show_thumbnails(
        thumbnails,
        key="photo_strip",
        label=_("Photos"),
        side_px=104,
        max_height_px=330,
        selection=components.Selection(state["photo_index"], lambda n: select_face(n, 1)),
    )
