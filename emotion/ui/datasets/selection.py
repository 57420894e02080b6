"""Which data set the Data page shows, what of it is read once and kept, and how its faces are shown and saved."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from emotion.datasets import tables
from emotion.datasets.build_jobs import read_prepared
from emotion.datasets.builder import SETS
from emotion.datasets.catalog import Entry, find_datasets, load_entry, stamp_of
from emotion.datasets.dataset import Dataset
from emotion.datasets.duplicates import duplicate_report, near_groups
from emotion.datasets.tables import SPLIT_WORDS, Twins
from emotion.errors import DataError
from emotion.media.image_reader import read_image
from emotion.recognition.anonymizer import hidden
from emotion.results import serialization
from emotion.ui import session


def chosen() -> Entry | None:
    """The data set that the address of the page names; None where it names none, or one that is not here."""
    name = str(st.query_params.get("data", ""))
    return next((entry for entry in find_datasets() if entry.name == name), None)


def show(name: str | None) -> None:
    """Make that data set the one of the page; None shows the list of all."""
    if name is None:
        st.query_params.pop("data", None)
    else:
        st.query_params["data"] = name


def load(entry: Entry) -> Dataset:
    """All of a data set, read again only when it changed. Raises `DataError`; nothing in it may be changed."""
    return _load(stamp_of(entry.path), entry)


@st.cache_resource(max_entries=2, ttl="1h", show_spinner="Reading the faces")
def _load(stamp: tuple[str, int, int], _entry: Entry) -> Dataset:
    return load_entry(_entry)


@st.cache_data(max_entries=8, show_spinner="Looking for duplicates; up to a minute for 36,000 faces")
def _twins(stamp: tuple[str, int, int], _data: Dataset) -> list[Twins]:
    return tables.twins(_data, near_groups(_data.images))


@st.cache_data(max_entries=8, show_spinner=False)
def _duplicate_counts(stamp: tuple[str, int, int], _data: Dataset) -> dict[str, int]:
    return duplicate_report(_data)


def twins(entry: Entry, data: Dataset) -> list[Twins]:
    """Faces that are there more than once, sought again only when the data set changed."""
    return _twins(stamp_of(entry.path), data)


def duplicate_counts(entry: Entry, data: Dataset) -> dict[str, int]:
    """`duplicate_report`, counted again only when the data set changed."""
    return _duplicate_counts(stamp_of(entry.path), data)


@st.cache_data(max_entries=60, show_spinner=False)
def _cover(stamp: tuple[str, int, int], _entry: Entry) -> NDArray[np.uint8] | None:
    """Some faces of a data set for its card, one a label; read only where that is quick."""
    paths = [next(iter(sorted(folder.glob("*.png"))), None) for folder in sorted((_entry.path / "train").glob("*"))]
    found = [read_image(path) for path in paths if path is not None][:8]
    side = min((image.shape[0] for image in found), default=0)
    return np.stack([image[:side, :side, 0] for image in found]) if found else None


def cover(entry: Entry) -> NDArray[np.uint8] | None:
    """Faces for the card of a data set that was made here, grey uint8 (n, s, s); None of others."""
    return _cover(stamp_of(entry.path), entry) if is_ours(entry) else None


def is_ours(entry: Entry) -> bool:
    """Whether it was made here, and may be deleted here."""
    return entry.path.parent == SETS.absolute() and read_prepared(entry.path) is not None


def delete(entry: Entry) -> None:
    """Remove a data set that was made here. Raises `DataError`."""
    if not is_ours(entry):
        raise DataError(f"{entry.path} was not made here; remove it by hand.")
    try:
        # Under another name first, so that a half-removed one is none.
        gone = entry.path.with_name(f".{entry.path.name}.removed")
        entry.path.rename(gone)
        shutil.rmtree(gone)
    except OSError as error:
        raise DataError(f"{entry.path} cannot be removed ({error.strerror}): check its rights.") from error


def picture(faces: NDArray[np.uint8], columns: int, scale: int = 2) -> NDArray[np.uint8]:
    """Faces side by side as they may be shown, RGB uint8."""
    if session.choice().blur:
        faces = np.stack([hidden(face[..., None].repeat(3, axis=2))[..., 0] for face in faces])
    return tables.sheet(faces, columns, scale)


def save(label: str, data: Callable[[], Any] | bytes | str, file: str, key: str) -> None:
    """A button that saves a file."""
    st.download_button(label, data, file, on_click="ignore", icon=":material/download:", key=f"data_save_{key}")


def stem(entry: Entry) -> str:
    """How the names of the files saved from a data set begin."""
    return serialization.file_label(entry.name)


def facts(entry: Entry) -> pd.DataFrame:
    """What it is, in lines: `what`, `value`."""
    prepared = read_prepared(entry.path) or {}
    lines = [("place", str(entry.path)), ("faces", f"{entry.rows:,}"), ("labels", ", ".join(entry.labels))]
    lines += [(word, f"{count:,}") for word, count in zip(SPLIT_WORDS, entry.splits, strict=True)]
    lines += [("FER+ votes", "yes" if entry.votes else "no")]
    lines += [(word, str(prepared[word])) for word in ("made", "source", "photos", "sha256") if word in prepared]
    settings = prepared.get("settings")
    lines += [(name, str(value)) for name, value in settings.items()] if isinstance(settings, dict) else []
    return pd.DataFrame(lines, columns=["what", "value"])
