"""Collections: the faces of many photos and videos, analyzed with `emotion analyze-archive`."""

from functools import partial

import streamlit as st

from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop
from emotion.ui import page
from emotion.ui.collections import faces, files, filters, overview, selection

with page.page_layout():
    st.title(_("Collections"), anchor=False)
    st.write(_("The faces of whole archives: count them, look at them, open the photo or the second they are from."))
    folder = selection.choose_folder()
    if folder is None:
        st.info(
            _("Analyze an archive first, and give the folder of its results above:")
            + "\n\n`emotion analyze-archive /data/photos --out /data/results`",
            icon=":material/collections_bookmark:",
        )
        st.stop()
    collection = selection.open_collection(folder)
    if collection is None:
        st.stop()
    selection.show_state(folder)
    size = collection.size
    st.markdown(
        _("**{files:,}** files ({videos:,} videos) · **{faces:,}** faces · **{errors:,}** files with an error").format(
            files=size.files, videos=size.videos, faces=size.faces, errors=size.errors
        )
    )
    chosen = filters.choose_filter(collection)
    views = {
        gettext_noop("Counts"): partial(overview.show_overview, collection, chosen),
        gettext_noop("Faces"): partial(faces.show_faces, collection, chosen),
        gettext_noop("Errors"): partial(files.show_errors, collection),
        gettext_noop("Export"): partial(files.show_export, collection, chosen),
    }
    view = st.segmented_control(
        _("What to look at"),
        list(views),
        default="Counts",
        format_func=_,
        required=True,
        key="collection_view",
        label_visibility="collapsed",
    )
    views[view or "Counts"]()
