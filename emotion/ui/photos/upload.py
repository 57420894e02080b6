"""Upload of photos, their analysis, and what the page offers before the first one."""

from __future__ import annotations

import time
from typing import Final

import streamlit as st

from emotion.results import photos
from emotion.results.photos import Photo
from emotion.translation.messages import gettext as _
from emotion.ui import messages, session
from emotion.ui.photos import features, photo_cache, photo_input
from emotion.ui.photos.selection import NamedFile, select_first_new, set_photos
from emotion.ui.synthetic import faces

_PROGRESS_DELAY_SECONDS: Final = 0.3  # no progress bar for a few quick photos

state = st.session_state


def _on_upload(uploader_id: int) -> None:
    """Make the files in the uploader the photos of the page."""
    uploads, kept = state[f"photo_uploader_{uploader_id}"], state.get("photo_kept", ())
    files = [*kept, *((file.name, file.getvalue()) for file in uploads)]
    set_photos(files, uploader_id, [file.file_id for file in uploads], kept)


def choose_files() -> list[NamedFile]:
    """Choose photos by upload, clipboard or camera, the sample or the group; they stay when the page is changed.

    Returns:
        Name and content of each photo.
    """
    uploader_id = state.setdefault("photo_uploader_id", 0)
    st.file_uploader(
        _("Drop or paste photos of people here"),
        accept_multiple_files=True,
        key=f"photo_uploader_{uploader_id}",
        on_change=_on_upload,
        args=(uploader_id,),
        help=_(
            "JPEG up to 250 million pixels, HEIC up to 50, PNG, GIF, BMP, TIFF or AVIF up to 40, WebP up to 30. They "
            "stay on this machine and are forgotten when the page is closed."
        ),
    )
    photo_input.show_photo_input(f"photo_uploader_{uploader_id}")
    with st.container(horizontal=True):
        if st.button(_("Camera"), icon=":material/photo_camera:", key="photo_camera"):
            st.dialog(_("Take a photo"))(photo_input.show_camera)()
        if st.button(_("Sample photo"), icon=":material/image:", key="photo_sample"):
            set_photos([photo_cache.read_sample_photo()], uploader_id + 1)
            st.rerun()
        generators, _errors = faces.list_generators()
        if generators and st.button(_("Sample group"), icon=":material/groups:", key="photo_group"):
            with messages.error_box(_("the group")):
                if people := faces.get_synthetic_people(session.get_analyzer().classifier):
                    set_photos([faces.make_group_photo(people)], uploader_id + 1)
                st.rerun()
        if state.get("photo_files") and st.button(_("Start over"), icon=":material/close:", key="photo_clear"):
            set_photos([], uploader_id + 1)
            st.rerun()
    return state.get("photo_files", [])


def analyze_photos(files: list[NamedFile]) -> list[Photo]:
    """Analyze photos with a progress bar, and select the first new one; show an error for each that cannot be read."""
    min_confidence = session.get_settings().analyzer_settings.min_confidence
    # Estimated in any case, since it takes less than a millisecond a face; so the switch shows them at once.
    with_features = session.find_features_error() is None
    analyzed, numbers, bar, start = list[Photo](), list[int](), st.empty(), time.monotonic()
    names = photos.make_unique_names([name for name, _content in files])
    contents = [content for _name, content in files]
    for i, (name, content) in enumerate(zip(names, contents, strict=True)):
        if i and (elapsed := time.monotonic() - start) > _PROGRESS_DELAY_SECONDS:
            seconds_left = elapsed / i * (len(files) - i)
            text = _("Analyzing photo {number} of {total}, about {seconds:.0f} s left")
            bar.progress(i / len(files), text.format(number=i + 1, total=len(files), seconds=seconds_left))
        with messages.error_box(_('the photo "{name}"').format(name=name)):
            analysis = photo_cache.analyze_photo(content, name, with_features=with_features)
            faces = analysis.apply_min_confidence(min_confidence)
            analyzed.append(Photo(name, content, analysis, features.select_features(faces)))
            numbers.append(i + 1)
    bar.empty()
    select_first_new(numbers)
    return analyzed


def show_empty() -> None:
    """Show what the page does, before there is a photo."""
    name, content = photo_cache.read_sample_photo()
    left, right = st.columns([1, 3], gap="medium", vertical_alignment="center")
    left.image(
        photo_cache.analyze_photo(content, name).render_preview(session.get_settings().anonymize),
        width=240,
        alt=_("The sample: an astronaut"),
    )
    right.markdown(
        _(
            "- The expression on every face, in photos of one person or of many\n"
            "- Hover over a face for all scores; click it for details\n"
            "- Arrow keys for the next photo or face, Ctrl+V for a copied picture\n"
            "- Download pictures, faces and tables"
        )
    )
