"""All photos, or the faces in them, as a grid with filter and order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import streamlit as st

from emotion.expressions import get_style, legend_order, symbol_and_name
from emotion.faces import Face
from emotion.formatting import format_list, format_pair
from emotion.media.image_array import ImageArray
from emotion.results.photo_order import ORDERS, FacePosition, Order, list_faces, list_photos
from emotion.results.photos import Photo
from emotion.results.serialization import count_expressions
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop, ngettext
from emotion.ui import components
from emotion.ui.photos import photo_cache
from emotion.ui.photos.selection import select_face

MIN_SORTED_FACES: Final = 6  # of a single photo; fewer are seen at a glance
_MAX_SHOWN_FACES: Final = 300
_FACE_PX: Final = 76
_PHOTO_PX: Final = 104
_FACES_HEIGHT_PX: Final = 620
_PHOTOS_HEIGHT_PX: Final = 360
_PHOTOS: Final = gettext_noop("Photos")
_FACES: Final = gettext_noop("Faces")
_ORDER_NAMES: Final[Mapping[Order, str]] = {
    "added": gettext_noop("Original order"),
    "confidence": gettext_noop("Confidence"),
    "size": gettext_noop("Face size"),
}
_VIEW_KEY: Final = "photo_view"
_FILTER_KEY: Final = "photo_filter"
_ORDER_KEY: Final = "photo_order"
_CHANGED_KEY: Final = "photo_order_changed"

state = st.session_state


def format_face_count(num_faces: int) -> str:
    """Format a number of faces: "no face", "1 face", "2 faces"."""
    return ngettext("{count} face", "{count} faces", num_faces).format(count=num_faces) if num_faces else _("no face")


def show_gallery(analyzed_photos: Sequence[Photo], anonymize: bool) -> None:
    """Show several photos, or their faces, to select one; a change of the filter or the order selects the first."""
    all_faces = [face for photo in analyzed_photos for face in photo.faces]
    num_photos = ngettext("{count} photo", "{count} photos", len(analyzed_photos)).format(count=len(analyzed_photos))
    counts = components.format_counts(all_faces)
    numbers = format_list((num_photos, format_face_count(len(all_faces))))
    st.markdown(_("**{numbers}:** {counts}").format(numbers=numbers, counts=counts))
    shows_faces = False
    if all_faces:
        with st.container(horizontal=True, vertical_alignment="center"):
            shows_faces = _choose_view() == _FACES
            _show_controls(all_faces)
    positions = (list_faces if shows_faces else list_photos)(analyzed_photos, _get_filter(all_faces), _get_order())
    if state.pop(_CHANGED_KEY, False) and positions:
        select_face(*positions[0])
    if shows_faces:
        selected = FacePosition(state["photo_index"], state.get("photo_face", 1))
        by_number = dict(enumerate(analyzed_photos, 1))
        show_faces(by_number, positions, selected, anonymize=anonymize, key="photo_faces")
    else:
        _show_photos(analyzed_photos, positions, anonymize)


def list_chosen_faces(photo: Photo) -> list[FacePosition]:
    """List the faces of a single photo that `show_face_controls` leaves; a change there selects the first one."""
    if len(photo.faces) < MIN_SORTED_FACES:
        return list_faces([photo], (), ORDERS[0])
    positions = list_faces([photo], _get_filter(photo.faces), _get_order())
    if state.pop(_CHANGED_KEY, False) and positions:
        select_face(*positions[0])
    return positions


def show_face_controls(photo: Photo) -> None:
    """Choose expressions and order of the faces of a single photo, where it has many."""
    if len(photo.faces) >= MIN_SORTED_FACES:
        with st.container(horizontal=True, vertical_alignment="center"):
            _show_controls(photo.faces)


def _get_filter(faces: Sequence[Face]) -> list[str]:
    """Return the chosen expressions among those of the faces; a single one is not offered as a filter."""
    labels = count_expressions(faces)
    return [label for label in state.get(_FILTER_KEY, ()) if label in labels] if len(labels) > 1 else []


def _get_order() -> Order:
    return state.get(_ORDER_KEY, ORDERS[0])


def _choose_view() -> str:
    return st.segmented_control(
        _("View"),
        (_PHOTOS, _FACES),
        default=_PHOTOS,
        required=True,
        format_func=_,
        key=_VIEW_KEY,
        label_visibility="collapsed",
        on_change=_note_change,
    )


def _show_controls(faces: Sequence[Face]) -> None:
    """Choose the labels and the order of faces."""
    counts = count_expressions(faces)
    labels = legend_order(counts)
    if len(labels) > 1:
        if _FILTER_KEY in state:
            state[_FILTER_KEY] = _get_filter(faces)
        st.pills(
            _("Expression"),
            labels,
            selection_mode="multi",
            format_func=lambda label: f"{symbol_and_name(label)} {counts[label]}",
            key=_FILTER_KEY,
            label_visibility="collapsed",
            wrap=True,
            on_change=_note_change,
        )
    st.selectbox(
        _("Order"),
        ORDERS,
        format_func=lambda order: _(_ORDER_NAMES[order]),
        key=_ORDER_KEY,
        label_visibility="collapsed",
        on_change=_note_change,
        icon=":material/sort:",
        width=200,
    )


def _note_change() -> None:
    state[_CHANGED_KEY] = True


def show_faces(
    by_number: Mapping[int, Photo],
    positions: Sequence[FacePosition],
    selected: FacePosition,
    *,
    anonymize: bool,
    key: str,
    has_arrow_keys: bool = True,
) -> None:
    """Show faces to select one.

    Args:
        by_number: The photos by their number.
        positions: The faces in the order in which they are shown; more than 300 are cut off.
        selected: The selected face.
        anonymize: Whether they are pixelated.
        key: Key of the component.
        has_arrow_keys: See `components.Selection`.
    """
    shown = positions[:_MAX_SHOWN_FACES]
    crops = {number: by_number[number].analysis.render_crops(anonymize) for number in {p.photo for p in shown}}
    is_single = len(by_number) == 1
    thumbnails = [
        _make_thumbnail(by_number[number], n, crops[number][n - 1], with_number=is_single) for number, n in shown
    ]
    components.show_thumbnails(
        thumbnails,
        key=key,
        label=_("Faces"),
        side_px=_FACE_PX,
        max_height_px=_FACES_HEIGHT_PX if is_single else _PHOTOS_HEIGHT_PX,
        selection=components.Selection(
            shown.index(selected) + 1 if selected in shown else 0,
            lambda n: select_face(*shown[n - 1]),
            has_arrow_keys,
        ),
    )
    if len(shown) < len(positions):
        text = _("The first {limit} of {count:,} faces are shown; filter them by expression.")
        st.caption(text.format(limit=len(shown), count=len(positions)))


def _make_thumbnail(photo: Photo, number: int, crop: ImageArray, *, with_number: bool) -> components.Thumbnail:
    """Make the thumbnail of a face, with its number, or with the name of its photo as title."""
    face = photo.faces[number - 1]
    label = symbol_and_name(face.display_label)
    title = _("Face {number}: {prediction}").format(number=number, prediction=components.format_prediction(face))
    return components.Thumbnail(
        crop,
        f"{number} {label}" if with_number else label,
        title if with_number else f"{photo.name} · {title}",
        get_style(face.display_label).color,
    )


def _show_photos(analyzed_photos: Sequence[Photo], positions: Sequence[FacePosition], anonymize: bool) -> None:
    shown = [(position, analyzed_photos[position.photo - 1]) for position in positions]
    thumbnails = [
        components.Thumbnail(
            photo_cache.get_thumbnail(photo, anonymize),
            f"{photo.name}\n{format_face_count(len(photo.faces))}",
            format_pair(photo.name, components.format_counts(photo.faces)),
        )
        for _position, photo in shown
    ]
    numbers = [position.photo for position in positions]
    components.show_thumbnails(
        thumbnails,
        key="photo_strip",
        label=_("Photos"),
        side_px=_PHOTO_PX,
        max_height_px=_PHOTOS_HEIGHT_PX,
        selection=components.Selection(
            numbers.index(state["photo_index"]) + 1 if state["photo_index"] in numbers else 0,
            lambda n: select_face(*positions[n - 1]),
            has_arrow_keys=True,
        ),
    )
