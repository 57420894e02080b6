"""Photos: read the faces of one photo or many, look into each, take the results away."""

import time
from collections.abc import Collection

import streamlit as st

from emotion.results import photos, serialization
from emotion.results.photos import Photo
from emotion.ui import components, messages, page, photo_cache, session
from emotion.ui import photos as ui_photos
from emotion.ui.synthetic import faces

MOST_PHOTOS = 100  # as many as the page can keep; more would be read again at every click

state = st.session_state


def keep(files: list[tuple[str, bytes]], drop_zone: int, uploads: Collection[str] = ()) -> None:
    """Make these the photos of the page, and forget the others; another number of the drop zone empties it.
    `uploads`: what the drop zone holds, by its numbers."""
    for upload in set(state.get("photo_uploads", ())) - set(uploads):
        photo_cache.forget_upload(upload)
    if not {content for _, content in files} & {content for _, content in state.get("photo_files", ())}:
        photo_cache.forget_photos()
    state.update(photo_files=files, photo_index=1, photo_face=1, photo_drop=drop_zone, photo_uploads=tuple(uploads))


def keep_dropped(zone: int) -> None:
    """Make what lies in the drop zone the photos of the page."""
    dropped = state[f"photo_drop_{zone}"]
    keep([(file.name, file.getvalue()) for file in dropped], zone, [file.file_id for file in dropped])


def choose_files() -> list[tuple[str, bytes]]:
    """Name and content of what was dropped now or before, or of the sample; they outlive a change of page."""
    zone = state.setdefault("photo_drop", 0)
    st.file_uploader(
        "Drop photos of people here", accept_multiple_files=True, key=f"photo_drop_{zone}",
        on_change=keep_dropped, args=(zone,),
        help="JPEG up to 250 million pixels, HEIC up to 50, PNG, WebP, GIF, BMP, TIFF or AVIF up to 40. They stay on "
        "this machine and are forgotten when the page is closed.",
    )  # fmt: skip
    with st.container(horizontal=True):
        if st.button("Try a sample", icon=":material/image:", key="photo_sample"):
            keep([photo_cache.sample_photo()], zone + 1)
            st.rerun()
        there = faces.generators()[0]
        if there and st.button("Try a group", icon=":material/groups:", key="photo_group"):
            with messages.error_box("the group"):
                if people := faces.people():
                    keep([faces.group_photo(people)], zone + 1)
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
        with messages.error_box(f'the photo "{name}"'):
            reading = photo_cache.read_photo(content, name)
            found.append(Photo(name, content, reading, reading.faces_shown(set_up.settings.unsure)))
    bar.empty()
    return found


def show_empty() -> None:
    """What the page does, before there is a photo."""
    name, content = photo_cache.sample_photo()
    left, right = st.columns([1, 3], gap="medium", vertical_alignment="center")
    left.image(
        photo_cache.read_photo(content, name).preview_shown(set_up.blur), width=240, alt="The sample: an astronaut"
    )
    right.markdown(
        "- A box with the expression on every face, in photos of one person or of many\n"
        "- All scores when you point at a face, and what was read when you choose it\n"
        "- Pictures, faces and tables to save"
    )


def show_strip(found: list[Photo]) -> None:
    """Several photos: small pictures with counts, to choose from."""
    everyone = [face for photo in found for face in photo.faces]
    st.markdown(f"**{len(found)} photos, {len(everyone)} faces:** {serialization.counts_sentence(everyone)}")
    items = [
        components.Item(photo_cache.thumbnail(photo, set_up.blur), f"{photo.name}\n{ui_photos.many(len(photo.faces))}",
                      f"{photo.name}: {serialization.counts_sentence(photo.faces)}")
        for photo in found
    ]  # fmt: skip
    components.strip(items, key="photo_strip", label="Photos", side=104, height=330, chosen=state["photo_index"],
                   choose=lambda n: ui_photos.show_face(n, 1))  # fmt: skip


with page.page() as set_up:
    st.title("Photos", anchor=False)
    st.write("Every face gets its expression, or the reason why it is unsure.")
    session.analyzer()  # without a recogniser the page ends here, with the reason
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
    ui_photos.show_result(photo, set_up)
    if any(p.faces for p in found):
        ui_photos.show_table(found)
        ui_photos.take_away(found, photo, set_up.blur)
