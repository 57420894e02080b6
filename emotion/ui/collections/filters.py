"""The controls that select faces of a collection."""

from __future__ import annotations

from typing import Final, cast

import streamlit as st

from emotion.archive.collection.collection import Collection
from emotion.archive.collection.queries import Certainty, FaceFilter
from emotion.archive.source_files import FileKind
from emotion.expressions import legend_order, symbol_and_name
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop

_CERTAINTIES: Final[dict[str, Certainty]] = {
    gettext_noop("All"): "all",
    gettext_noop("Sure"): "sure",
    gettext_noop("Unsure"): "unsure",
}
_KINDS: Final[dict[str, FileKind | None]] = {
    gettext_noop("Both"): None,
    gettext_noop("Images"): "image",
    gettext_noop("Videos"): "video",
}
_MAX_SIZE_PX: Final = 400  # of the slider; larger faces are rarely filtered
_SIZE_STEP_PX: Final = 8
_MAX_FOLDERS: Final = 500  # in the list of folders


def choose_filter(collection: Collection) -> FaceFilter:
    """Show the controls, and return the selection."""
    expressions = st.pills(
        _("Expressions"),
        legend_order(collection.expressions),
        selection_mode="multi",
        format_func=symbol_and_name,
        key="collection_expressions",
        help=_("None selected: all."),
    )
    left, middle, right = st.columns(3, gap="medium")
    with left:
        certainty = st.segmented_control(
            _("Labels"),
            list(_CERTAINTIES),
            default="All",
            format_func=_,
            required=True,
            key="collection_certainty",
        )
    with middle:
        low, high = st.slider(_("Confidence"), 0, 100, (0, 100), 5, format="%d%%", key="collection_confidence")
    with right:
        size = st.slider(
            _("Minimum face size"), 0, _MAX_SIZE_PX, 0, _SIZE_STEP_PX, format="%d px", key="collection_size"
        )
    has_both, kind = 0 < collection.size.videos < collection.size.files, None
    left, right = st.columns([1, 2], gap="medium") if has_both else (None, st.container())
    if left is not None:
        choice = left.segmented_control(
            _("Files"), list(_KINDS), default="Both", format_func=_, required=True, key="collection_kind"
        )
        kind = _KINDS[choice or "Both"]
    folder = right.selectbox(
        _("Folder"),
        ["", *collection.list_folders(_MAX_FOLDERS)],
        format_func=lambda name: name or _("All folders"),
        key="collection_subfolder",
    )
    return FaceFilter(
        tuple(cast(list[str], expressions or [])),
        _CERTAINTIES[certainty or "All"],
        (low / 100, high / 100),
        float(size),
        kind,
        folder or "",
    )
