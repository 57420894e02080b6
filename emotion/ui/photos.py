"""A photo that was read, as the Photos page shows it: its faces, one of them closely, tables and files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from emotion import charts
from emotion.expressions import get_style, symbol_and_name
from emotion.faces import Face
from emotion.formatting import format_percent
from emotion.recognition.annotation import MAX_FULL_LABELS
from emotion.recognition.saliency import overlay_class_activation
from emotion.results import photos, serialization, tables
from emotion.results.photos import Photo
from emotion.ui import components, session
from emotion.ui.session import SessionSettings

_FACE_PX: Final = 100  # pixels of a picture of the chosen face: three stand side by side

state = st.session_state


def select_face(photo_number: int, face_number: int) -> None:
    """Choose a photo and a face in it, both counted from 1."""
    state.update(photo_index=photo_number, photo_face=face_number)


def format_face_count(num_faces: int) -> str:
    """A number of faces in words."""
    return {0: "no face", 1: "1 face"}.get(num_faces, f"{num_faces} faces")


def show_result(photo: Photo, settings: SessionSettings) -> None:
    """One photo with all that was read in it."""
    chosen = state["photo_face"] = max(1, min(state.get("photo_face", 1), len(photo.faces)))
    # Small faces need the whole width, and only then is there room for their numbers.
    crowd = len(photo.faces) > MAX_FULL_LABELS or photo.analysis.width > 2 * photo.analysis.height
    if crowd:
        _show_photo(photo, chosen, settings)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        if not crowd:
            _show_photo(photo, chosen, settings)
        if len(photo.faces) > 1:
            _show_crops(photo, chosen, settings)
    with right:
        if not photo.faces:
            _show_no_faces()
            return
        if len(photo.faces) > 1:
            _show_group(photo.faces)
        _show_details(photo, chosen, settings)


def _show_photo(photo: Photo, selected: int, settings: SessionSettings) -> None:
    """The picture with its boxes."""
    components.show_annotated_image(
        photo.analysis,
        photo.faces,
        key="photo_picture",
        anonymize=settings.anonymize,
        selected=selected,
        alt_text=f"{photo.name}: {serialization.format_counts(photo.faces)}",
        on_select=lambda n: select_face(state["photo_index"], n),
    )
    if photo.analysis.reduction > 1:
        st.caption(
            f"This photo is very large and was read at 1/{photo.analysis.reduction} of its width and height: "
            f"{photo.analysis.width} × {photo.analysis.height} pixels."
        )
    if photo.analysis.rotation:
        st.caption(f"This photo was turned clockwise by {photo.analysis.rotation} degrees to find its faces.")


def _show_crops(photo: Photo, selected: int, settings: SessionSettings) -> None:
    """Its faces in reading order, to choose from."""
    crops = photo.analysis.render_crops(settings.anonymize)
    items = [
        components.Thumbnail(
            crop,
            f"{n} {symbol_and_name(face.display_label)}",
            f"Face {n}: {components.format_prediction(face)}",
            get_style(face.display_label).color,
        )
        for n, (crop, face) in enumerate(zip(crops, photo.faces, strict=True), 1)
    ]
    components.show_thumbnails(
        items,
        key="photo_crops",
        label="Faces",
        side_px=76,
        max_height_px=620,
        selected=selected,
        on_select=lambda n: select_face(state["photo_index"], n),
    )


def _show_no_faces() -> None:
    """Nothing was found, and what may help."""
    st.info(
        "**No face found,** neither upright nor turned by 90, 180 or 270 degrees. What may help:\n"
        "- faces that are larger, brighter, and seen from the front\n"
        "- in the sidebar, a lower face threshold, or a search that finds all",
        icon=":material/person_search:",
    )


def _show_group(faces: tuple[Face, ...]) -> None:
    """The whole group in a sentence and a bar."""
    said = serialization.format_counts(faces)
    st.markdown(f"##### {format_face_count(len(faces))}: {said}", anchors=False)
    components.show_chart(
        charts.plot_group_shares(tables.counts_table(faces)), key="photo_group", alt_text=f"The whole group: {said}"
    )


def _show_details(photo: Photo, selected: int, settings: SessionSettings) -> None:
    """One face as people see it and as the classifier read it, and all its scores."""
    face, blur = photo.faces[selected - 1], settings.anonymize
    if len(photo.faces) > 1:
        st.pagination(len(photo.faces), key="photo_face")
    st.markdown(
        f"##### Face {selected}: {get_style(face.display_label).symbol} {components.format_prediction(face)}",
        anchors=False,
    )
    if face.uncertainty_reason:
        st.markdown(components.format_uncertainty(face))
    with st.container(horizontal=True):
        st.image(
            photo.analysis.render_crops(blur)[selected - 1], "As in the photo", width=_FACE_PX, alt=f"Face {selected}"
        )
        if not blur:
            grey = np.repeat(np.repeat(photo.analysis.gray_crops[selected - 1], 4, axis=0), 4, axis=1)
            st.image(grey, "As it was read", width=_FACE_PX, alt=f"Face {selected} in grey, 48 by 48 pixels")
            _show_saliency(photo.analysis.gray_crops[selected - 1], face, settings.analyzer_settings.head)
    scores = tables.scores_table(face)
    said = ", ".join(
        f"{e} {format_percent(p)}" for e, p in zip(scores["expression"], scores["probability"], strict=True)
    )
    components.show_chart(charts.plot_scores(scores), key="photo_scores", alt_text=said)


def _show_saliency(gray: NDArray[np.uint8], face: Face, head: str | None) -> None:
    """What in the face speaks for its best guess, where the classifier can tell."""
    reader = session.get_analyzer().classifier
    if face.scores is not None and reader.has_cam(head):
        label = face.scores.label
        st.image(
            overlay_class_activation(reader, gray, label, head, 192),
            f"What speaks for {label}",
            width=_FACE_PX,
            alt=f"The face, with what speaks for {label} painted over it",
        )


def show_table(analyzed_photos: list[Photo]) -> None:
    """All faces of all photos, to sort and to choose from."""
    table = tables.faces_table([(photo.name, photo.faces) for photo in analyzed_photos])
    table["display_label"] = [symbol_and_name(face.display_label) for photo in analyzed_photos for face in photo.faces]
    table[["confidence", "detection_score"]] *= 100
    places = [(i, n) for i, photo in enumerate(analyzed_photos, 1) for n in range(1, len(photo.faces) + 1)]

    def on_select() -> None:
        rows = state["photo_table"].selection.rows
        if rows and 0 <= rows[0] < len(places):
            select_face(*places[rows[0]])

    percents = partial(st.column_config.ProgressColumn, min_value=0, max_value=100, format="%.0f %%")
    columns = ["face_index", "display_label", "confidence", "label", "uncertainty_reason", "detection_score"]
    with st.expander("All faces in a table", icon=":material/table_rows:"):
        st.dataframe(
            table,
            key="photo_table",
            on_select=on_select,
            selection_mode="single-row",
            hide_index=True,
            height="content" if len(table) <= 20 else "auto",
            column_order=["file", *columns] if len(analyzed_photos) > 1 else columns,
            column_config={
                "file": "Photo",
                "face_index": st.column_config.NumberColumn("Face", width="small"),
                "display_label": "Expression",
                "confidence": percents("Confidence", help="How likely the best guess is, as the classifier says."),
                "label": "Best guess",
                "uncertainty_reason": st.column_config.TextColumn("Why unsure", width="medium"),
                "detection_score": percents("Is a face", help="How certain it is that this is a face at all."),
            },
        )


def show_downloads(analyzed_photos: list[Photo], photo: Photo, anonymize: bool) -> None:
    """Files to save; those that take long are made when they are asked for."""
    several = len(analyzed_photos) > 1

    def show_download(key: str, label: str, data: str | Callable[[], bytes], file: str) -> None:
        st.download_button(label, data, file, key=f"photo_save_{key}", on_click="ignore", icon=":material/download:")

    with st.container(horizontal=True):
        show_download(
            "picture",
            "Picture",
            lambda: photos.make_annotated_png(photo, anonymize=anonymize),
            f"{photo.stem}-faces.png",
        )
        if several:
            show_download(
                "pictures",
                "All pictures",
                lambda: photos.make_annotated_zip(analyzed_photos, anonymize=anonymize),
                "pictures.zip",
            )
        show_download(
            "faces", "Faces", lambda: photos.make_crops_zip(analyzed_photos, anonymize=anonymize), "faces.zip"
        )
        show_download("csv", "Table (CSV)", photos.faces_to_csv(analyzed_photos), "faces.csv")
        show_download("json", "Data (JSON)", photos.faces_to_json(analyzed_photos), "faces.json")
