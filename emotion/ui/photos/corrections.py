"""Choose the right label of a face, which is kept for training."""

from __future__ import annotations

import hashlib
from typing import Final

import streamlit as st

from emotion.datasets.corrections import (
    CORRECTIONS_NAME,
    CorrectionStore,
    FolderCorrections,
    MemoryCorrections,
    get_folder_name,
)
from emotion.environment import is_public
from emotion.expressions import EXPRESSIONS, legend_order, symbol_and_name
from emotion.faces import Face
from emotion.media.image_array import ImageArray
from emotion.results.serialization import zip_files
from emotion.translation.messages import gettext as _
from emotion.translation.messages import ngettext
from emotion.ui import components, messages
from emotion.ui.photos.selection import get_tab_content

_CHANGED_KEY: Final = "photo_label_changed"

state = st.session_state


def show_correction(face: Face, gray: ImageArray) -> None:
    """Offer to choose the right label of a face, and show the one that is chosen.

    Args:
        face: The face.
        gray: The input of the classifier, uint8 (side, side).
    """
    store = _get_store()
    labels = legend_order(face.scores or EXPRESSIONS)
    with messages.error_box(_("the right label")):
        found = store.find_label(gray)
        current = next((label for label in labels if get_folder_name(label) == found), None)
        with st.popover(_("Wrong label?"), icon=":material/edit:"):
            chosen = st.pills(
                _("Right label"),
                labels,
                default=current,
                format_func=symbol_and_name,
                key=f"photo_label_{hashlib.sha256(gray.tobytes()).hexdigest()[:16]}",
                on_change=_note_change,
                help=_("It is kept for training; results stay as they are. Choose it again to take it back."),
            )
        if state.pop(_CHANGED_KEY, False) and chosen != current:
            if chosen is None:
                store.remove(gray)
            else:
                store.set_label(gray, chosen)
            current = chosen
        _show_corrections(store, current)


def _note_change() -> None:
    state[_CHANGED_KEY] = True


def _show_corrections(store: CorrectionStore, current: str | None) -> None:
    """Show the label of this face, and where all of them are."""
    if current is not None:
        st.caption(_("Right label: {label}").format(label=symbol_and_name(current)))
    count = store.count_faces()
    if not count:
        return
    if isinstance(store, MemoryCorrections):
        files = store.list_files()
        name = ngettext("{count} correction (ZIP)", "{count} corrections (ZIP)", count).format(count=count)
        components.download_button(name, lambda: zip_files(files), f"{CORRECTIONS_NAME}.zip", "photo_save_corrections")
    elif current is not None:
        st.page_link(
            "pages/data.py",
            label=ngettext("{count} correction in Data", "{count} corrections in Data", count).format(count=count),
            icon=":material/database:",
            query_params={"dataset": CORRECTIONS_NAME},
        )


def _get_store() -> CorrectionStore:
    """Return the data set of this machine; on a public server, the corrections of this visitor, which no file holds."""
    return MemoryCorrections(get_tab_content().corrections) if is_public() else FolderCorrections()
