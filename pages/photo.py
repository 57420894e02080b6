"""Photos: read the faces of one photo or many, look into each, take the results away."""

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import streamlit as st

from emotion import charts, photos, tables, ui, ui_faces
from emotion.faces import Face, expression, percent
from emotion.photos import Photo
from emotion.recognition.annotation import MOST_WORDS
from emotion.recognition.explaining import explained

MOST_PHOTOS = 100  # as many as the page can keep; more would be read again at every click
LOOK = 100  # pixels of a picture of the chosen face: three stand side by side

state = st.session_state


def keep(files: list[tuple[str, bytes]], drop_zone: int) -> None:
    """Make these the photos of the page; another number of the drop zone empties it."""
    state.update(photo_files=files, photo_index=1, photo_face=1, photo_drop=drop_zone)


def show_face(index: int, face: int) -> None:
    """Choose a photo and a face in it, both counted from 1."""
    state.update(photo_index=index, photo_face=face)


def choose_files() -> list[tuple[str, bytes]]:
    """Name and content of what was dropped now or before, or of the sample; they outlive a change of page."""
    zone = state.setdefault("photo_drop", 0)
    key = f"photo_drop_{zone}"
    st.file_uploader(
        "Drop photos of people here", accept_multiple_files=True, key=key,
        on_change=lambda: keep([(file.name, file.getvalue()) for file in state[key]], zone),
        help="JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF, up to 40 million pixels each. They stay on this machine "
        "and are forgotten when the page is closed.",
    )  # fmt: skip
    with st.container(horizontal=True):
        if st.button("Try a sample", icon=":material/image:", key="photo_sample"):
            keep([ui.sample_photo()], zone + 1)
            st.rerun()
        there = ui_faces.generators()[0]
        if there and st.button("Try a group", icon=":material/groups:", key="photo_group"):
            with ui.error_box("the group"):
                if people := ui_faces.people():
                    keep([ui_faces.group_photo(people)], zone + 1)
                st.rerun()
        if state.get("photo_files") and st.button("Start over", icon=":material/close:", key="photo_clear"):
            keep([], zone + 1)
            st.rerun()
    return state.get("photo_files", [])


def read_all(files: list[tuple[str, bytes]]) -> list[Photo]:
    """Read what can be read; each of the others gets its sentence on the page."""
    found, bar, start = [], st.empty(), time.monotonic()
    for i, (name, (_, content)) in enumerate(zip(photos.distinct([n for n, _ in files]), files, strict=True)):
        if i and (passed := time.monotonic() - start) > 0.3:
            left = passed / i * (len(files) - i)
            bar.progress(i / len(files), f"Reading photo {i + 1} of {len(files)}, about {left:.0f} s left")
        with ui.error_box(f'the photo "{name}"'):
            reading = ui.read_photo(content, name)
            found.append(Photo(name, content, reading, reading.faces_shown(set_up.settings.unsure)))
    bar.empty()
    return found


def show_empty() -> None:
    """What the page does, before there is a photo."""
    name, content = ui.sample_photo()
    left, right = st.columns([1, 3], gap="medium", vertical_alignment="center")
    left.image(ui.read_photo(content, name).preview_shown(set_up.blur), width=240, alt="The sample: an astronaut")
    right.markdown(
        "- A box with the expression on every face, in photos of one person or of many\n"
        "- All scores when you point at a face, and what was read when you choose it\n"
        "- Pictures, faces and tables to save"
    )


def show_strip(found: list[Photo]) -> None:
    """Several photos: small pictures with counts, to choose from."""
    everyone = [face for photo in found for face in photo.faces]
    st.markdown(f"**{len(found)} photos, {len(everyone)} faces:** {tables.counts_sentence(everyone)}")
    items = [
        ui.Item(ui.thumbnail(photo, set_up.blur), f"{photo.name}\n{many(len(photo.faces))}",
                f"{photo.name}: {tables.counts_sentence(photo.faces)}")
        for photo in found
    ]  # fmt: skip
    ui.strip(items, key="photo_strip", label="Photos", side=104, height=330, chosen=state["photo_index"],
             choose=lambda n: show_face(n, 1))  # fmt: skip


def many(faces: int) -> str:
    """A number of faces in words."""
    return {0: "no face", 1: "1 face"}.get(faces, f"{faces} faces")


def show_picture(photo: Photo, chosen: int) -> None:
    """The picture with its boxes."""
    ui.picture(
        photo.reading, photo.faces, key="photo_picture", blur=set_up.blur, chosen=chosen,
        alt=f"{photo.name}: {tables.counts_sentence(photo.faces)}",
        choose=lambda n: show_face(state["photo_index"], n),
    )  # fmt: skip
    if photo.reading.turned:
        st.caption(f"This photo was turned clockwise by {photo.reading.turned} degrees to find its faces.")


def show_crops(photo: Photo, chosen: int) -> None:
    """Its faces in reading order, to choose from."""
    crops = photo.reading.crops_shown(set_up.blur)
    items = [
        ui.Item(crop, f"{n} {charts.named(face.shown)}", f"Face {n}: {ui.title(face)}", expression(face.shown).colour)
        for n, (crop, face) in enumerate(zip(crops, photo.faces, strict=True), 1)
    ]
    ui.strip(items, key="photo_crops", label="Faces", side=76, height=620, chosen=chosen,
             choose=lambda n: show_face(state["photo_index"], n))  # fmt: skip


def show_no_face() -> None:
    """Nothing was found, and what may help."""
    st.info(
        "**No face found,** neither upright nor turned by 90, 180 or 270 degrees. What may help:\n"
        "- faces that are larger, brighter, and seen from the front\n"
        "- in the sidebar, a lower face threshold, or a search that finds all",
        icon=":material/person_search:",
    )


def show_group(faces: tuple[Face, ...]) -> None:
    """The whole group in a sentence and a bar."""
    said = tables.counts_sentence(faces)
    st.markdown(f"##### {many(len(faces))}: {said}", anchors=False)
    ui.chart(charts.group_bar(tables.counts_table(faces)), key="photo_group", alt_text=f"The whole group: {said}")


def show_details(photo: Photo, chosen: int) -> None:
    """One face as people see it and as the recogniser read it, and all its scores."""
    face, blur = photo.faces[chosen - 1], set_up.blur
    if len(photo.faces) > 1:
        st.pagination(len(photo.faces), key="photo_face")
    st.markdown(f"##### Face {chosen}: {expression(face.shown).sign} {ui.title(face)}", anchors=False)
    if face.unsure:
        st.markdown(ui.reason(face))
    with st.container(horizontal=True):
        st.image(photo.reading.crops_shown(blur)[chosen - 1], "As in the photo", width=LOOK, alt=f"Face {chosen}")
        if not blur:
            grey = np.repeat(np.repeat(photo.reading.grey[chosen - 1], 4, axis=0), 4, axis=1)
            st.image(grey, "As it was read", width=LOOK, alt=f"Face {chosen} in grey, 48 by 48 pixels")
            show_why(photo.reading.grey[chosen - 1], face)
    scores = tables.scores_table(face)
    said = ", ".join(f"{e} {percent(p)}" for e, p in zip(scores["expression"], scores["probability"], strict=True))
    ui.chart(charts.scores_bar(scores), key="photo_scores", alt_text=said)


def show_why(grey: np.ndarray, face: Face) -> None:
    """What in the face speaks for its best guess, where the recogniser can tell."""
    reader, head = ui.analyzer().recogniser, set_up.settings.head
    if face.scores is not None and reader.explains(head):
        label = face.scores.label
        st.image(
            explained(reader, grey, label, head, 192), f"What speaks for {label}", width=LOOK,
            alt=f"The face, with what speaks for {label} painted over it",
        )  # fmt: skip


def show_table(found: list[Photo]) -> None:
    """All faces of all photos, to sort and to choose from."""
    table = tables.faces_table([(photo.name, photo.faces) for photo in found])
    table["shown"] = [charts.named(face.shown) for photo in found for face in photo.faces]
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


def take_away(found: list[Photo], photo: Photo) -> None:
    """Files to save; those that take long are made when they are asked for."""
    blur, several = set_up.blur, len(found) > 1

    def save(key: str, label: str, data: str | Callable[[], bytes], file: str) -> None:
        st.download_button(label, data, file, key=f"photo_save_{key}", on_click="ignore", icon=":material/download:")

    with st.container(horizontal=True):
        save("picture", "Picture", lambda: photos.annotated_png(photo, blur=blur), f"{photo.stem}-faces.png")
        if several:
            save("pictures", "All pictures", lambda: photos.annotated_zip(found, blur=blur), "pictures.zip")
        save("faces", "Faces", lambda: photos.crops_zip(found, blur=blur), "faces.zip")
        save("csv", "Table (CSV)", photos.faces_csv(found), "faces.csv")
        save("json", "Data (JSON)", photos.faces_json(found), "faces.json")


def show_result(photo: Photo) -> None:
    """One photo with all that was read in it."""
    chosen = state["photo_face"] = max(1, min(state.get("photo_face", 1), len(photo.faces)))
    # Small faces need the whole width, and only then is there room for their numbers.
    crowd = len(photo.faces) > MOST_WORDS or photo.reading.width > 2 * photo.reading.height
    if crowd:
        show_picture(photo, chosen)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        if not crowd:
            show_picture(photo, chosen)
        if len(photo.faces) > 1:
            show_crops(photo, chosen)
    with right:
        if not photo.faces:
            show_no_face()
            return
        if len(photo.faces) > 1:
            show_group(photo.faces)
        show_details(photo, chosen)


with ui.page() as set_up:
    st.title("Photos", anchor=False)
    st.write("Every face gets its expression, or the reason why it is unsure.")
    ui.analyzer()  # without a recogniser the page ends here, with the reason
    files = choose_files()
    if not files:
        show_empty()
        st.stop()
    if len(files) > MOST_PHOTOS:
        st.info(f"These are {len(files)} photos; the first {MOST_PHOTOS} are read.", icon=":material/info:")
    found = read_all(files[:MOST_PHOTOS])
    if not found:
        st.stop()
    state["photo_index"] = min(state["photo_index"], len(found))
    photo = found[state["photo_index"] - 1]
    if len(found) > 1:
        show_strip(found)
    show_result(photo)
    if any(p.faces for p in found):
        show_table(found)
        take_away(found, photo)
