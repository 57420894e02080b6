"""A photo that was read, as the Photos page shows it: its faces, one of them closely, tables and files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from emotion import charts
from emotion.expressions import expression, named
from emotion.faces import Face
from emotion.formatting import percent
from emotion.recognition.annotation import MOST_WORDS
from emotion.recognition.saliency import explained
from emotion.results import photos, serialization, tables
from emotion.results.photos import Photo
from emotion.ui import components, session
from emotion.ui.session import Choice

_LOOK: Final = 100  # pixels of a picture of the chosen face: three stand side by side

state = st.session_state


def show_face(index: int, face: int) -> None:
    """Choose a photo and a face in it, both counted from 1."""
    state.update(photo_index=index, photo_face=face)


def many(faces: int) -> str:
    """A number of faces in words."""
    return {0: "no face", 1: "1 face"}.get(faces, f"{faces} faces")


def show_result(photo: Photo, set_up: Choice) -> None:
    """One photo with all that was read in it."""
    chosen = state["photo_face"] = max(1, min(state.get("photo_face", 1), len(photo.faces)))
    # Small faces need the whole width, and only then is there room for their numbers.
    crowd = len(photo.faces) > MOST_WORDS or photo.reading.width > 2 * photo.reading.height
    if crowd:
        _picture(photo, chosen, set_up)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        if not crowd:
            _picture(photo, chosen, set_up)
        if len(photo.faces) > 1:
            _crops(photo, chosen, set_up)
    with right:
        if not photo.faces:
            _no_face()
            return
        if len(photo.faces) > 1:
            _group(photo.faces)
        _details(photo, chosen, set_up)


def _picture(photo: Photo, chosen: int, set_up: Choice) -> None:
    """The picture with its boxes."""
    components.picture(
        photo.reading, photo.faces, key="photo_picture", blur=set_up.blur, chosen=chosen,
        alt=f"{photo.name}: {serialization.counts_sentence(photo.faces)}",
        choose=lambda n: show_face(state["photo_index"], n),
    )  # fmt: skip
    if photo.reading.reduction > 1:
        st.caption(
            f"This photo is very large and was read at 1/{photo.reading.reduction} of its width and height: "
            f"{photo.reading.width} × {photo.reading.height} pixels."
        )
    if photo.reading.turned:
        st.caption(f"This photo was turned clockwise by {photo.reading.turned} degrees to find its faces.")


def _crops(photo: Photo, chosen: int, set_up: Choice) -> None:
    """Its faces in reading order, to choose from."""
    crops = photo.reading.crops_shown(set_up.blur)
    items = [
        components.Item(
            crop, f"{n} {named(face.shown)}", f"Face {n}: {components.title(face)}", expression(face.shown).colour
        )
        for n, (crop, face) in enumerate(zip(crops, photo.faces, strict=True), 1)
    ]
    components.strip(items, key="photo_crops", label="Faces", side=76, height=620, chosen=chosen,
             choose=lambda n: show_face(state["photo_index"], n))  # fmt: skip


def _no_face() -> None:
    """Nothing was found, and what may help."""
    st.info(
        "**No face found,** neither upright nor turned by 90, 180 or 270 degrees. What may help:\n"
        "- faces that are larger, brighter, and seen from the front\n"
        "- in the sidebar, a lower face threshold, or a search that finds all",
        icon=":material/person_search:",
    )


def _group(faces: tuple[Face, ...]) -> None:
    """The whole group in a sentence and a bar."""
    said = serialization.counts_sentence(faces)
    st.markdown(f"##### {many(len(faces))}: {said}", anchors=False)
    components.chart(
        charts.group_bar(tables.counts_table(faces)), key="photo_group", alt_text=f"The whole group: {said}"
    )


def _details(photo: Photo, chosen: int, set_up: Choice) -> None:
    """One face as people see it and as the recogniser read it, and all its scores."""
    face, blur = photo.faces[chosen - 1], set_up.blur
    if len(photo.faces) > 1:
        st.pagination(len(photo.faces), key="photo_face")
    st.markdown(f"##### Face {chosen}: {expression(face.shown).sign} {components.title(face)}", anchors=False)
    if face.unsure:
        st.markdown(components.reason(face))
    with st.container(horizontal=True):
        st.image(photo.reading.crops_shown(blur)[chosen - 1], "As in the photo", width=_LOOK, alt=f"Face {chosen}")
        if not blur:
            grey = np.repeat(np.repeat(photo.reading.grey[chosen - 1], 4, axis=0), 4, axis=1)
            st.image(grey, "As it was read", width=_LOOK, alt=f"Face {chosen} in grey, 48 by 48 pixels")
            _why(photo.reading.grey[chosen - 1], face, set_up.settings.head)
    scores = tables.scores_table(face)
    said = ", ".join(f"{e} {percent(p)}" for e, p in zip(scores["expression"], scores["probability"], strict=True))
    components.chart(charts.scores_bar(scores), key="photo_scores", alt_text=said)


def _why(grey: NDArray[np.uint8], face: Face, head: str | None) -> None:
    """What in the face speaks for its best guess, where the recogniser can tell."""
    reader = session.analyzer().recogniser
    if face.scores is not None and reader.explains(head):
        label = face.scores.label
        st.image(
            explained(reader, grey, label, head, 192), f"What speaks for {label}", width=_LOOK,
            alt=f"The face, with what speaks for {label} painted over it",
        )  # fmt: skip


def show_table(found: list[Photo]) -> None:
    """All faces of all photos, to sort and to choose from."""
    table = tables.faces_table([(photo.name, photo.faces) for photo in found])
    table["shown"] = [named(face.shown) for photo in found for face in photo.faces]
    table[["confidence", "detection"]] *= 100
    places = [(i, n) for i, photo in enumerate(found, 1) for n in range(1, len(photo.faces) + 1)]

    def pick() -> None:
        rows = state["photo_table"].selection.rows
        if rows and 0 <= rows[0] < len(places):
            show_face(*places[rows[0]])

    percents = partial(st.column_config.ProgressColumn, min_value=0, max_value=100, format="%.0f %%")
    columns = ["face", "shown", "confidence", "label", "unsure", "detection"]
    with st.expander("All faces in a table", icon=":material/table_rows:"):
        st.dataframe(
            table, key="photo_table", on_select=pick, selection_mode="single-row", hide_index=True,
            height="content" if len(table) <= 20 else "auto",
            column_order=["file", *columns] if len(found) > 1 else columns,
            column_config={
                "file": "Photo", "face": st.column_config.NumberColumn("Face", width="small"), "shown": "Expression",
                "confidence": percents("Confidence", help="How likely the best guess is, as the recogniser says."),
                "label": "Best guess", "unsure": st.column_config.TextColumn("Why unsure", width="medium"),
                "detection": percents("Is a face", help="How certain it is that this is a face at all."),
            },
        )  # fmt: skip


def take_away(found: list[Photo], photo: Photo, blur: bool) -> None:
    """Files to save; those that take long are made when they are asked for."""
    several = len(found) > 1

    def save(key: str, label: str, data: str | Callable[[], bytes], file: str) -> None:
        st.download_button(label, data, file, key=f"photo_save_{key}", on_click="ignore", icon=":material/download:")

    with st.container(horizontal=True):
        save("picture", "Picture", lambda: photos.annotated_png(photo, blur=blur), f"{photo.stem}-faces.png")
        if several:
            save("pictures", "All pictures", lambda: photos.annotated_zip(found, blur=blur), "pictures.zip")
        save("faces", "Faces", lambda: photos.crops_zip(found, blur=blur), "faces.zip")
        save("csv", "Table (CSV)", photos.faces_csv(found), "faces.csv")
        save("json", "Data (JSON)", photos.faces_json(found), "faces.json")
