"""Collections: the faces of many photos and videos, analyzed with `emotion analyze-archive`."""

from functools import partial

import streamlit as st

from emotion.ui import page
from emotion.ui.collections import faces, files, filters, overview, selection

with page.page_layout():
    st.title("Collections", anchor=False)
    st.write("The faces of whole archives: count them, look at them, open the photo or the second they are from.")
    folder = selection.choose_folder()
    if folder is None:
        st.info(
            "Analyze an archive first, and give the folder of its results above:\n\n"
            "`emotion analyze-archive /data/photos --out /data/results`",
            icon=":material/collections_bookmark:",
        )
        st.stop()
    collection = selection.open_collection(folder)
    if collection is None:
        st.stop()
    selection.show_state(folder)
    size = collection.size
    st.markdown(
        f"**{size.files:,}** files ({size.videos:,} videos) · **{size.faces:,}** faces · "
        f"**{size.errors:,}** files with an error"
    )
    chosen = filters.choose_filter(collection)
    views = {
        "Counts": partial(overview.show_overview, collection, chosen),
        "Faces": partial(faces.show_faces, collection, chosen),
        "Errors": partial(files.show_errors, collection),
        "Export": partial(files.show_export, collection, chosen),
    }
    view = st.segmented_control(
        "What to look at",
        list(views),
        default="Counts",
        required=True,
        key="collection_view",
        label_visibility="collapsed",
    )
    views[view or "Counts"]()
