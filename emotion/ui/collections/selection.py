"""The collection that the page shows: its folder in the address of the page, opened once for all sessions."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from emotion.archive.collection.collection import Collection
from emotion.archive.collection.queries import FaceFilter
from emotion.archive.store import PIECES_FILE
from emotion.errors import EmotionError
from emotion.jobs.job import Job
from emotion.jobs.process_record import STATE_FILE
from emotion.ui import messages

_HELP = "The folder that you gave to `emotion analyze-archive` as `--out`, also one that was made on another machine."


def choose_folder() -> Path | None:
    """Show a field for the folder of the results, and return it; None while it is empty."""
    if "collection_folder" not in st.session_state:
        st.session_state["collection_folder"] = str(st.query_params.get("folder", ""))
    text = st.text_input(
        "Folder of the results", key="collection_folder", placeholder="/data/results", help=_HELP
    ).strip()
    if not text:
        st.query_params.pop("folder", None)
        return None
    if st.query_params.get("folder") != text:
        st.query_params["folder"] = text
    return Path(text).expanduser()


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
        st.progress(state.fraction, f"Still running: {messages.escape_markdown(state.message)}")
    elif state.status != "done":
        st.warning(
            "The analysis has not ended; the same command goes on with what is missing. What is done is shown here.",
            icon=":material/pending:",
        )


def get_cache_key(collection: Collection, selection: FaceFilter) -> tuple[str, object, FaceFilter]:
    """Return what identifies the faces of a selection, for cached values."""
    return str(collection.folder), _fingerprint(collection.folder), selection


@st.cache_resource(max_entries=4, show_spinner="Opening the collection")
def _open(folder: str, fingerprint: object) -> Collection:
    return Collection(Path(folder))


def _fingerprint(folder: Path) -> tuple[int, int]:
    """Return size and time of the file that grows with each piece, and of the folder itself."""
    path = folder / PIECES_FILE
    if not path.is_file():
        path = folder
    if not path.exists():
        return (0, 0)
    status = path.stat()
    return status.st_size, status.st_mtime_ns
