"""Photos: read the faces of one photo or many, look into each, take the results away."""

import time
from collections.abc import Collection

import streamlit as st

from emotion.results import photos, serialization
from emotion.results.photos import Photo
from emotion.ui import components, messages, page, photo_cache, session
from emotion.ui import photos as ui_photos
from emotion.ui.synthetic import faces

MAX_PHOTOS = 100  # as many as the page can keep; more would be read again at every click

state = st.session_state


def set_photos(files: list[tuple[str, bytes]], uploader_id: int, upload_ids: Collection[str] = ()) -> None:
    """Make these the photos of the page, and forget the others; another number of the drop zone empties it.
    `upload_ids`: what the drop zone holds, by its numbers."""
    for upload in set(state.get("photo_uploads", ())) - set(upload_ids):
        photo_cache.release_upload(upload)
    if not {content for _, content in files} & {content for _, content in state.get("photo_files", ())}:
        photo_cache.clear_photos()
    state.update(
        photo_files=files, photo_index=1, photo_face=1, photo_uploader_id=uploader_id, photo_uploads=tuple(upload_ids)
    )


def on_upload(uploader_id: int) -> None:
    """Make what lies in the drop zone the photos of the page."""
    dropped = state[f"photo_uploader_{uploader_id}"]
    set_photos([(file.name, file.getvalue()) for file in dropped], uploader_id, [file.file_id for file in dropped])


def choose_files() -> list[tuple[str, bytes]]:
    """Name and content of what was dropped now or before, or of the sample; they outlive a change of page."""
    zone = state.setdefault("photo_uploader_id", 0)
    st.file_uploader(
        "Drop photos of people here",
        accept_multiple_files=True,
        key=f"photo_uploader_{zone}",
        on_change=on_upload,
        args=(zone,),
        help="JPEG up to 250 million pixels, HEIC up to 50, PNG, WebP, GIF, BMP, TIFF or AVIF up to 40. They stay on "
        "this machine and are forgotten when the page is closed.",
    )
    with st.container(horizontal=True):
        if st.button("Try a sample", icon=":material/image:", key="photo_sample"):
            set_photos([photo_cache.read_sample_photo()], zone + 1)
            st.rerun()
        there = faces.list_generators()[0]
        if there and st.button("Try a group", icon=":material/groups:", key="photo_group"):
            with messages.error_box("the group"):
                if people := faces.get_synthetic_people():
                    set_photos([faces.make_group_photo(people)], zone + 1)
                st.rerun()
        if state.get("photo_files") and st.button("Start over", icon=":material/close:", key="photo_clear"):
            set_photos([], zone + 1)
            st.rerun()
    return state.get("photo_files", [])


def analyze_photos(files: list[tuple[str, bytes]]) -> list[Photo]:
    """Read what can be read; each of the others gets its sentence on the page."""
    found, bar, start = [], st.empty(), time.monotonic()
    for i, (name, (_, content)) in enumerate(zip(photos.make_unique_names([n for n, _ in files]), files, strict=True)):
        if i and (passed := time.monotonic() - start) > 0.3:
            left = passed / i * (len(files) - i)
            bar.progress(i / len(files), f"Reading photo {i + 1} of {len(files)}, about {left:.0f} s left")
        with messages.error_box(f'the photo "{name}"'):
            reading = photo_cache.analyze_photo(content, name)
            found.append(
                Photo(name, content, reading, reading.apply_min_confidence(settings.analyzer_settings.min_confidence))
            )
    bar.empty()
    return found


def show_empty() -> None:
    """What the page does, before there is a photo."""
    name, content = photo_cache.read_sample_photo()
    left, right = st.columns([1, 3], gap="medium", vertical_alignment="center")
    left.image(
        photo_cache.analyze_photo(content, name).render_preview(settings.anonymize),
        width=240,
        alt="The sample: an astronaut",
    )
    right.markdown(
        "- A box with the expression on every face, in photos of one person or of many\n"
        "- All scores when you point at a face, and what was read when you choose it\n"
        "- Pictures, faces and tables to save"
    )


def show_thumbnails(analyzed_photos: list[Photo]) -> None:
    """Several photos: small pictures with counts, to choose from."""
    everyone = [face for photo in analyzed_photos for face in photo.faces]
    st.markdown(f"**{len(analyzed_photos)} photos, {len(everyone)} faces:** {serialization.format_counts(everyone)}")
    items = [
        components.Thumbnail(
            photo_cache.get_thumbnail(photo, settings.anonymize),
            f"{photo.name}\n{ui_photos.format_face_count(len(photo.faces))}",
            f"{photo.name}: {serialization.format_counts(photo.faces)}",
        )
        for photo in analyzed_photos
    ]
    components.show_thumbnails(
        items,
        key="photo_strip",
        label="Photos",
        side_px=104,
        max_height_px=330,
        selected=state["photo_index"],
        on_select=lambda n: ui_photos.select_face(n, 1),
    )


with page.page_layout() as settings:
    st.title("Photos", anchor=False)
    st.write("Every face gets its expression, or the reason why it is unsure.")
    session.get_analyzer()  # without a classifier the page ends here, with the reason
    files = choose_files()
    if not files:
        show_empty()
        st.stop()
    if len(files) > MAX_PHOTOS:
        st.info(f"These are {len(files)} photos; the first {MAX_PHOTOS} are read.", icon=":material/info:")
    analyzed_photos = analyze_photos(files[:MAX_PHOTOS])
    if not analyzed_photos:
        st.stop()
    state["photo_index"] = min(state["photo_index"], len(analyzed_photos))
    photo = analyzed_photos[state["photo_index"] - 1]
    if len(analyzed_photos) > 1:
        show_thumbnails(analyzed_photos)
    ui_photos.show_result(photo, settings)
    if any(p.faces for p in analyzed_photos):
        ui_photos.show_table(analyzed_photos)
        ui_photos.show_downloads(analyzed_photos, photo, settings.anonymize)
