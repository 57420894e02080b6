"""Counts of the selected faces: by expression, over time, by folder."""

from __future__ import annotations

from typing import Final

import pandas as pd
import streamlit as st

from emotion import charts
from emotion.archive.collection.collection import Collection
from emotion.archive.collection.queries import FaceFilter, TimeAxis
from emotion.expressions import translate_label
from emotion.formatting import format_list
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop, ngettext
from emotion.ui import components
from emotion.ui.collections.selection import get_cache_key

_AXES: Final[dict[str, TimeAxis]] = {
    gettext_noop("Date taken"): "taken",
    gettext_noop("Date of the file"): "modified",
    gettext_noop("Time in the video"): "video",
}
_MAX_FOLDERS: Final = 15  # in the chart


def show_overview(collection: Collection, selection: FaceFilter) -> None:
    """Show the charts of a selection."""
    key = get_cache_key(collection, selection)
    counts = _count_expressions(key, collection)
    if counts.empty:
        st.info(_("No face matches this selection; widen it."), icon=":material/filter_alt_off:")
        return
    num_faces = sum(counts["count"].tolist())
    title = ngettext("{count:,} face", "{count:,} faces", num_faces).format(count=num_faces)
    st.markdown(f"## {title}", anchors=False)
    summary = format_list(
        f"{translate_label(name)} {count:,}" for name, count in zip(counts["expression"], counts["count"], strict=True)
    )
    components.show_chart(
        charts.plot_expression_counts(counts),
        key="collection_counts",
        alt_text=_("Faces: {counts}").format(counts=summary),
    )
    st.markdown("## " + _("Over time"), anchors=False)
    axis = st.segmented_control(
        _("Time"),
        list(_AXES),
        default="Date taken",
        format_func=_,
        required=True,
        key="collection_axis",
        label_visibility="collapsed",
    )
    over_time = _count_over_time(key, _AXES[axis or "Date taken"], collection)
    if over_time.empty:
        st.caption(_("None of these faces has this time; choose another one above."))
    else:
        components.show_chart(
            charts.plot_counts_over_time(over_time), key="collection_time", alt_text=_("Numbers of faces over time")
        )
    folders = _count_by_folder(key, collection)
    num_folders = len(set(folders["folder"]))
    if num_folders > 1:
        st.markdown("## " + _("By folder"), anchors=False)
        st.caption(_("The {count} folders with the most faces.").format(count=num_folders))
        components.show_chart(
            charts.plot_folder_expressions(folders),
            key="collection_folders",
            alt_text=_("Shares of the expressions in each folder"),
        )


@st.cache_data(max_entries=64, show_spinner=False)
def _count_expressions(key: tuple[str, object, FaceFilter], _collection: Collection) -> pd.DataFrame:
    return _collection.count_expressions(key[2])


@st.cache_data(max_entries=64, show_spinner=False)
def _count_over_time(key: tuple[str, object, FaceFilter], axis: TimeAxis, _collection: Collection) -> pd.DataFrame:
    return _collection.count_over_time(key[2], axis)


@st.cache_data(max_entries=64, show_spinner=False)
def _count_by_folder(key: tuple[str, object, FaceFilter], _collection: Collection) -> pd.DataFrame:
    return _collection.count_by_folder(key[2], _MAX_FOLDERS)
