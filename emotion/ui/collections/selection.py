"""The collection that the page shows: its folder in the address of the page, opened once for all sessions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import streamlit as st

from emotion.archive.collection.collection import Collection
from emotion.archive.collection.queries import FaceFilter
from emotion.archive.store import PIECES_FILE, PIECES_FOLDER
from emotion.errors import EmotionError
from emotion.jobs.job import Job, JobState
from emotion.jobs.process_record import STATE_FILE
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop
from emotion.ui import messages
from emotion.ui.language import translate_spinner

_EXAMPLE_FOLDER: Final = "/data/results"


def choose_folder() -> Path | None:
    """Show a field for the folder of the results, and return it; None while it is empty."""
    if "collection_folder" not in st.session_state:
        st.session_state["collection_folder"] = str(st.query_params.get("folder", ""))
    text = st.text_input(
        _("Folder of the results"),
        key="collection_folder",
        placeholder=_EXAMPLE_FOLDER,
        help=_("The `--out` folder of `emotion analyze-archive`, also one from another machine."),
    ).strip()
    if not text:
        st.query_params.pop("folder", None)
        return None
    if st.query_params.get("folder") != text:
        st.query_params["folder"] = text
    return Path(os.path.expanduser(text))


def open_collection(folder: Path) -> Collection | None:
    """Open the results in a folder; show why and return None where that is not possible."""
    try:
        return _open(str(folder), _fingerprint(folder))
    except EmotionError as error:
        st.error(messages.escape_markdown(str(error)), icon=":material/folder_off:")
    return None


def show_state(folder: Path) -> None:
    """Show how far an analysis is that still runs or was stopped."""
    if not (folder / STATE_FILE).is_file():
        return
    state = Job(folder).read_state()
    if state.is_running:
        st.progress(state.fraction, _format_progress(state))
    elif state.status != "done":
        st.warning(
            _("The analysis has not ended; the same command goes on with what is missing. What is done is shown here."),
            icon=":material/pending:",
        )


def _format_progress(state: JobState) -> str:
    if state.total <= 0:
        return _("Still running")
    return _("Still running: {done:,} of {total:,} files").format(done=round(state.done), total=round(state.total))


def get_cache_key(collection: Collection, selection: FaceFilter) -> tuple[str, object, FaceFilter]:
    """Return what identifies the faces of a selection, for cached values."""
    return str(collection.folder), _fingerprint(collection.folder), selection


@translate_spinner(st.cache_resource, gettext_noop("Opening the collection"), max_entries=4)
def _open(folder: str, fingerprint: object) -> Collection:
    return Collection(Path(folder))


def _fingerprint(folder: Path) -> tuple[int, int, bool]:
    """Return size and time of the file that grows with each piece, or of the folder, and whether pieces are left.

    They are removed at the end, when the tables are joined.
    """
    try:
        path = folder / PIECES_FILE
        status = (path if path.is_file() else folder).stat()
        return status.st_size, status.st_mtime_ns, (folder / PIECES_FOLDER).is_dir()
    except OSError:  # there is none, or it may not be read, or the name is too long
        return (0, 0, False)
