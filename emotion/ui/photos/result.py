"""An analyzed photo on a page: the annotated image, its faces, and the details of one face."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import streamlit as st

from emotion import charts
from emotion.faces import Face
from emotion.formatting import format_pair
from emotion.recognition.annotation import MAX_FULL_LABELS
from emotion.results import tables
from emotion.results.photo_order import FacePosition, list_faces
from emotion.results.photos import Photo
from emotion.translation.messages import gettext as _
from emotion.ui import components
from emotion.ui.photos import details, features, gallery, photo_cache
from emotion.ui.photos.selection import select_face
from emotion.ui.session import SessionSettings

_WIDE_RATIO: Final = 2  # from this width to height on, a photo gets the whole width of the page

_PICTURE_KEY: Final = "photo_picture"

state = st.session_state


def show_result(photo: Photo, settings: SessionSettings, *, is_single: bool) -> None:
    """Show a photo with its faces; the faces of a single photo have a filter, an order and the arrow keys."""
    chosen_faces = gallery.list_chosen_faces(photo) if is_single else None
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
            _show_faces(photo, selected, settings.anonymize, chosen_faces)
    with right:
        if not photo.faces:
            _show_no_faces()
            return
        if len(photo.faces) > 1:
            _show_group(photo.faces)
        details.show_details(photo, selected, settings)


def _show_photo(photo: Photo, selected: int, settings: SessionSettings) -> None:
    """Show the annotated photo, and how it was reduced or rotated."""
    alt_text = format_pair(photo.name, components.format_counts(photo.faces))
    components.show_annotated_image(
        photo_cache.get_detail(photo) if components.is_zoomed(_PICTURE_KEY, alt_text) else photo.analysis,
        photo.faces,
        key=_PICTURE_KEY,
        anonymize=settings.anonymize,
        selection=components.Selection(selected, lambda n: select_face(state["photo_index"], n)),
        alt_text=alt_text,
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


def _show_faces(photo: Photo, selected: int, anonymize: bool, chosen_faces: Sequence[FacePosition] | None) -> None:
    """Show the faces of a photo to select one: the chosen ones of a single photo, all faces of one among several."""
    if chosen_faces is not None:
        gallery.show_face_controls(photo)
    number = state["photo_index"]
    faces = list_faces([photo], (), "added") if chosen_faces is None else chosen_faces
    gallery.show_faces(
        {number: photo},
        [FacePosition(number, position.face) for position in faces],
        FacePosition(number, selected),
        anonymize=anonymize,
        key="photo_crops",
        has_arrow_keys=chosen_faces is not None,
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
    title = format_pair(gallery.format_face_count(len(faces)), counts)
    st.markdown(f"## {title}", anchors=False)
    components.show_chart(
        charts.plot_group_shares(tables.counts_table(faces)),
        key="photo_group",
        alt_text=_("The whole group: {counts}").format(counts=counts),
    )
