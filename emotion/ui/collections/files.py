"""The files with a problem, and the export of the selected faces."""

from __future__ import annotations

import io
from typing import Final

import streamlit as st

from emotion.archive.collection.collection import Collection
from emotion.archive.collection.queries import FaceFilter
from emotion.results.tables import to_csv
from emotion.ui import components

_MAX_ERRORS: Final = 1000  # in the table
_MAX_EXPORT_ROWS: Final = 1_000_000


def show_errors(collection: Collection) -> None:
    """Show the files that could not be read, each with its sentence."""
    if not collection.size.errors:
        st.success("Every file could be read.", icon=":material/check:")
        return
    if collection.size.errors > _MAX_ERRORS:
        st.caption(f"The first {_MAX_ERRORS:,} of {collection.size.errors:,}; errors/ in the folder has all.")
    st.dataframe(
        collection.errors(_MAX_ERRORS),
        hide_index=True,
        column_config={"location": "File", "member": "In the archive", "kind": "Kind", "message": "Problem"},
    )


def show_export(collection: Collection, selection: FaceFilter) -> None:
    """Show the downloads of the selected faces; the files are made on the click."""

    def make_parquet() -> bytes:
        buffer = io.BytesIO()
        collection.export(selection, _MAX_EXPORT_ROWS).to_parquet(buffer)
        return buffer.getvalue()

    st.write("The selected faces with their files, boxes and labels, without images.")
    with st.container(horizontal=True):
        components.download_button(
            "Table (CSV)",
            lambda: to_csv(collection.export(selection, _MAX_EXPORT_ROWS)),
            "faces.csv",
            "collection_csv",
        )
        components.download_button("Table (Parquet)", make_parquet, "faces.parquet", "collection_parquet")
    if collection.count_faces(selection) > _MAX_EXPORT_ROWS:
        st.caption(f"The first {_MAX_EXPORT_ROWS:,} faces; narrow the selection for the others.")
