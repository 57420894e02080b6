"""What a visitor takes along of analyzed photos: the table of all faces, files, and a card to share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final

import streamlit as st

from emotion.expressions import symbol_and_name, translate_label
from emotion.recognition.uncertainty import translate_reason
from emotion.results import photos, tables
from emotion.results.photos import Photo
from emotion.results.share_card import MAX_TITLE_LENGTH
from emotion.translation.messages import gettext as _
from emotion.ui import components
from emotion.ui.photos import photo_cache
from emotion.ui.photos.selection import select_face

_MAX_FULL_ROWS: Final = 20  # more rows scroll

state = st.session_state


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
