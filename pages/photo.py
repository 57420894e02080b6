"""Photos: analyze the faces of photos, inspect each face, save the results."""

import streamlit as st

from emotion.translation.messages import gettext as _
from emotion.ui import page, session
from emotion.ui.photos import downloads, gallery, result
from emotion.ui.photos.upload import analyze_photos, choose_files, show_empty

MAX_PHOTOS = 100  # as many as the cache holds with margin; more would be analyzed again by each run of the page

state = st.session_state

with page.page_layout() as settings:
    st.title(_("Photos"), anchor=False)
    st.write(_("Find the expression on every face."))
    session.get_analyzer()  # without a classifier the page ends here, with the reason
    files = choose_files()
    if not files:
        show_empty()
        st.stop()
    if len(files) > MAX_PHOTOS:
        text = _("These are {count} photos; the first {limit} are analyzed.")
        st.info(text.format(count=len(files), limit=MAX_PHOTOS), icon=":material/info:")
    analyzed_photos = analyze_photos(files[:MAX_PHOTOS])
    if not analyzed_photos:
        st.stop()
    state["photo_index"] = min(state["photo_index"], len(analyzed_photos))
    is_single = len(analyzed_photos) == 1
    if not is_single:
        gallery.show_gallery(analyzed_photos, settings.anonymize)
    photo = analyzed_photos[state["photo_index"] - 1]
    result.show_result(photo, settings, is_single=is_single)
    if any(photo.faces for photo in analyzed_photos):
        downloads.show_table(analyzed_photos)
        downloads.show_downloads(analyzed_photos, photo, settings.anonymize)
