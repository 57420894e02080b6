"""The files with a problem, and the export of the selected faces."""

from __future__ import annotations

import io
from typing import Final

import streamlit as st

from emotion.archive.collection.collection import Collection
from emotion.archive.collection.queries import FaceFilter
from emotion.results.tables import to_csv
from emotion.translation.messages import gettext as _
from emotion.ui import components

_MAX_ERRORS: Final = 1000  # in the table
_MAX_EXPORT_ROWS: Final = 1_000_000


def show_errors(collection: Collection) -> None:
    """Show the files that could not be read, each with its sentence."""
    if not collection.size.errors:
        st.success(_("Every file could be read."), icon=":material/check:")
        return
    if collection.size.errors > _MAX_ERRORS:
        text = _("The first {shown:,} of {total:,}; errors/ in the folder has all.")
        st.caption(text.format(shown=_MAX_ERRORS, total=collection.size.errors))
    st.dataframe(
        collection.errors(_MAX_ERRORS),
        hide_index=True,
        column_config={
            "location": _("File"),
            "member": _("In the archive"),
            "kind": _("Kind"),
            "message": _("Problem"),
        },
    )


def show_export(collection: Collection, selection: FaceFilter) -> None:
    """Show the downloads of the selected faces; the files are made on the click."""

    def make_parquet() -> bytes:
        buffer = io.BytesIO()
        collection.export(selection, _MAX_EXPORT_ROWS).to_parquet(buffer)
        return buffer.getvalue()

    st.write(_("The selected faces with their files, boxes and labels, without images."))
    with st.container(horizontal=True):
        components.download_button(
            _("Table (CSV)"),
            lambda: to_csv(collection.export(selection, _MAX_EXPORT_ROWS)),
            "faces.csv",
            "collection_csv",
        )
        components.download_button(_("Table (Parquet)"), make_parquet, "faces.parquet", "collection_parquet")
    if collection.count_faces(selection) > _MAX_EXPORT_ROWS:
        text = _("The first {count:,} faces; narrow the selection for the others.")
        st.caption(text.format(count=_MAX_EXPORT_ROWS))
