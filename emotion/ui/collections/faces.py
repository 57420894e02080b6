"""A grid of the selected faces, and the photo or the frame of one of them."""

from __future__ import annotations

from typing import Final

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from emotion.archive.collection.collection import Collection, CollectionFace
from emotion.archive.collection.opening import OpenedFace, open_face
from emotion.archive.collection.queries import FaceFilter, FaceOrder
from emotion.expressions import get_style, symbol_and_name, translate_label
from emotion.formatting import format_clock_tenths, format_list, format_pair, format_percent
from emotion.media.image_array import downscale
from emotion.media.image_reader import read_image
from emotion.recognition.annotation import annotate
from emotion.recognition.anonymizer import pixelate_all
from emotion.recognition.uncertainty import translate_reason
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop, ngettext
from emotion.ui import components, messages, session
from emotion.ui.collections.selection import get_cache_key
from emotion.ui.language import translate_spinner

_ORDERS: Final[dict[str, FaceOrder]] = {
    gettext_noop("As in the files"): "file",
    gettext_noop("Most certain"): "confident",
    gettext_noop("Least certain"): "uncertain",
    gettext_noop("Largest"): "large",
}
_PAGE_FACES: Final = 60
_MAX_PAGES: Final = 200
_GRID_SIDE_PX: Final = 80
_GRID_HEIGHT_PX: Final = 620
_IMAGE_SIDE_PX: Final = 1400  # a page shows no more


def show_faces(collection: Collection, selection: FaceFilter) -> None:
    """Show a page of faces and the selected one."""
    key = get_cache_key(collection, selection)
    num_faces = _count_faces(key, collection)
    if not num_faces:
        st.info(_("No face matches this selection; widen it."), icon=":material/filter_alt_off:")
        return
    order = st.segmented_control(
        _("Order"),
        list(_ORDERS),
        default="As in the files",
        format_func=_,
        required=True,
        key="collection_order",
    )
    num_pages = min(_MAX_PAGES, -(-num_faces // _PAGE_FACES))
    page = min(st.session_state.get("collection_page", 1), num_pages)
    faces = _list_faces(key, _ORDERS[order or "As in the files"], page, collection)
    selected = st.session_state.get("collection_face", (0, None))
    number = selected[0] if selected[1] == (key, order, page) else 0

    def select(index: int) -> None:
        st.session_state["collection_face"] = index, (key, order, page)

    left, right = st.columns(2, gap="medium") if number else (st.container(), None)
    with left:
        components.show_thumbnails(
            list(map(_make_thumbnail, faces)),
            key="collection_grid",
            label=_("Faces"),
            side_px=_GRID_SIDE_PX,
            max_height_px=_GRID_HEIGHT_PX,
            selection=components.Selection(number, select),
        )
        if num_pages > 1:
            st.pagination(num_pages, key="collection_page")
        st.caption(_format_count(num_faces, num_pages))
    if right is not None:
        with right, messages.error_box(_("this face")):
            _show_source(collection, faces[number - 1])


def _format_count(num_faces: int, num_pages: int) -> str:
    hint = _("Of videos one face of a track every two seconds. Click one to see where it is from.")
    if num_pages < _MAX_PAGES:
        text = ngettext("{count:,} face.", "{count:,} faces.", num_faces).format(count=num_faces)
        return f"{text} {hint}"
    text = _("The first {shown:,} of {total:,} faces.").format(shown=_MAX_PAGES * _PAGE_FACES, total=num_faces)
    return f"{text} {hint}"


def _make_thumbnail(face: CollectionFace) -> components.Thumbnail:
    image = np.full((_GRID_SIDE_PX, _GRID_SIDE_PX, 3), 128, np.uint8)
    if face.thumbnail is not None:
        image = read_image(face.thumbnail)
    if session.get_settings().anonymize:
        image = pixelate_all(image)
    confidence = "" if face.confidence is None else f" {format_percent(face.confidence)}"
    return components.Thumbnail(
        image,
        symbol_and_name(face.display_label),
        format_pair(translate_label(face.display_label), translate_label(face.label or "") + confidence),
        get_style(face.display_label).color,
    )


def _show_source(collection: Collection, face: CollectionFace) -> None:
    """Show the photo or the frame with all its faces, and where it is."""
    row = collection.file_row(face.file_id)
    place = f"{row['location']}/{row['member']}" if row["member"] else row["location"]
    title, confidence = symbol_and_name(face.display_label), ""
    if face.timestamp is not None:
        title = _("{label}, at {position}").format(label=title, position=format_clock_tenths(face.timestamp))
    if face.confidence is not None:
        confidence = _("{label} at {confidence}").format(
            label=translate_label(face.label or ""), confidence=format_percent(face.confidence)
        )
    st.markdown(f"## {title}", anchors=False)
    st.caption(messages.escape_markdown(place))
    reason = face.uncertainty_reason and translate_reason(face.uncertainty_reason)
    if details := format_list(filter(None, (confidence, reason))):
        st.markdown(messages.escape_markdown(details))
    opened = _open_face(get_cache_key(collection, FaceFilter()), face.file_id, face.frame, face.timestamp, collection)
    st.image(
        _draw(opened),
        width="stretch",
        alt=_("{kind} with {count} faces, the selected one is {label}").format(
            kind=_("Video") if row["kind"] == "video" else _("Image"),
            count=len(opened.faces),
            label=translate_label(face.display_label),
        ),
    )
    if opened.video_path is not None and not session.get_settings().anonymize:
        st.video(str(opened.video_path), start_time=int(face.timestamp or 0))


def _draw(opened: OpenedFace) -> NDArray[np.uint8]:
    image = annotate(opened.image, opened.faces, anonymize=session.get_settings().anonymize)
    return downscale(image, _IMAGE_SIDE_PX)


@st.cache_data(max_entries=64, show_spinner=False)
def _count_faces(key: tuple[str, object, FaceFilter], _collection: Collection) -> int:
    return _collection.count_faces(key[2], with_thumbnail=True)


@st.cache_data(max_entries=64, show_spinner=False)
def _list_faces(
    key: tuple[str, object, FaceFilter], order: FaceOrder, page: int, _collection: Collection
) -> list[CollectionFace]:
    return _collection.list_faces(key[2], order, (page - 1) * _PAGE_FACES, _PAGE_FACES)


@translate_spinner(st.cache_resource, gettext_noop("Opening the file"), max_entries=8, ttl="1h")
def _open_face(
    key: tuple[str, object, FaceFilter],
    file_id: int,
    frame: int | None,
    timestamp: float | None,
    _collection: Collection,
) -> OpenedFace:
    return open_face(_collection, file_id, frame, timestamp)
