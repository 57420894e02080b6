"""Which data set the Data page shows, what of it is read once and kept, and how its faces are shown and saved."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from emotion.datasets import tables
from emotion.datasets.catalog import DatasetInfo, cache_key, list_datasets
from emotion.datasets.dataset import SPLITS, Dataset
from emotion.datasets.duplicates import duplicate_report, load_near_duplicates, near_duplicate_cache_path
from emotion.datasets.loaders import load_dataset
from emotion.datasets.metadata import DATASETS_FOLDER, read_metadata
from emotion.datasets.tables import DuplicateGroup
from emotion.errors import DataError
from emotion.media.image_reader import read_image
from emotion.recognition.anonymizer import pixelate_all
from emotion.results import serialization
from emotion.ui import session


def get_selected_dataset() -> DatasetInfo | None:
    """The data set that the address of the page names; None where it names none, or one that is not here."""
    name = str(st.query_params.get("dataset", ""))
    return next((entry for entry in list_datasets().datasets if entry.name == name), None)


def select_dataset(name: str | None) -> None:
    """Make that data set the one of the page; None shows the list of all."""
    if name is None:
        st.query_params.pop("dataset", None)
    else:
        st.query_params["dataset"] = name


def load(dataset_info: DatasetInfo) -> Dataset:
    """All of a data set, read again only when it changed. Raises `DataError`; nothing in it may be changed."""
    return _load(cache_key(dataset_info.path), dataset_info)


@st.cache_resource(max_entries=2, ttl="1h", show_spinner="Reading the faces")
def _load(fingerprint: tuple[str, int, int], _dataset_info: DatasetInfo) -> Dataset:
    return load_dataset(_dataset_info.path)


@st.cache_data(max_entries=8, show_spinner="Looking for duplicates; up to a minute for 36,000 faces")
def _get_duplicate_groups(fingerprint: tuple[str, int, int], _path: Path, _dataset: Dataset) -> list[DuplicateGroup]:
    return tables.find_duplicate_groups(_dataset, load_near_duplicates(_path, _dataset.images))


@st.cache_data(max_entries=8, show_spinner=False)
def _get_duplicate_counts(fingerprint: tuple[str, int, int], _dataset: Dataset) -> dict[str, int]:
    return duplicate_report(_dataset)


def get_duplicate_groups(dataset_info: DatasetInfo, dataset: Dataset) -> list[DuplicateGroup]:
    """Faces that are there more than once, sought again only when the data set changed."""
    return _get_duplicate_groups(cache_key(dataset_info.path), dataset_info.path, dataset)


def get_duplicate_counts(dataset_info: DatasetInfo, dataset: Dataset) -> dict[str, int]:
    """`duplicate_report`, counted again only when the data set changed."""
    return _get_duplicate_counts(cache_key(dataset_info.path), dataset)


@st.cache_data(max_entries=60, show_spinner=False)
def _load_preview_faces(fingerprint: tuple[str, int, int], _dataset_info: DatasetInfo) -> NDArray[np.uint8] | None:
    """Some faces of a data set for its card, one a label; read only where that is quick."""
    paths = [
        next(iter(sorted(folder.glob("*.png"))), None) for folder in sorted((_dataset_info.path / "train").glob("*"))
    ]
    found = [read_image(path) for path in paths if path is not None][:8]
    side = min((image.shape[0] for image in found), default=0)
    return np.stack([image[:side, :side, 0] for image in found]) if found else None


def load_preview_faces(dataset_info: DatasetInfo) -> NDArray[np.uint8] | None:
    """Faces for the card of a data set that was made here, grey uint8 (n, s, s); None of others."""
    return _load_preview_faces(cache_key(dataset_info.path), dataset_info) if is_user_built(dataset_info) else None


def is_user_built(dataset_info: DatasetInfo) -> bool:
    """Whether it was made here, and may be deleted here."""
    return dataset_info.path.parent == DATASETS_FOLDER.absolute() and read_metadata(dataset_info.path) is not None


def delete_dataset(dataset_info: DatasetInfo) -> None:
    """Remove a data set that was made here. Raises `DataError`."""
    if not is_user_built(dataset_info):
        raise DataError(f"{dataset_info.path} was not made here; remove it by hand.")
    try:
        # Under another name first, so that a half-removed one is none.
        gone = dataset_info.path.with_name(f".{dataset_info.path.name}.removed")
        dataset_info.path.rename(gone)
        shutil.rmtree(gone)
        near_duplicate_cache_path(dataset_info.path).unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{dataset_info.path} cannot be removed ({error.strerror}): check its rights.") from error


def make_face_grid(faces: NDArray[np.uint8], num_columns: int, scale: int = 2) -> NDArray[np.uint8]:
    """Faces side by side as they may be shown, RGB uint8."""
    if session.get_settings().anonymize:
        faces = np.stack([pixelate_all(face[..., None].repeat(3, axis=2))[..., 0] for face in faces])
    return tables.tile_faces(faces, num_columns, scale)


def show_download(label: str, data: Callable[[], Any] | bytes | str, file_name: str, key: str) -> None:
    """A button that saves a file."""
    st.download_button(label, data, file_name, on_click="ignore", icon=":material/download:", key=f"data_save_{key}")


def get_file_stem(dataset_info: DatasetInfo) -> str:
    """How the names of the files saved from a data set begin."""
    return serialization.sanitize_filename(dataset_info.name)


def make_info_table(dataset_info: DatasetInfo) -> pd.DataFrame:
    """What it is, in lines: `what`, `value`."""
    prepared = read_metadata(dataset_info.path) or {}
    lines = [
        ("place", str(dataset_info.path)),
        ("faces", f"{dataset_info.num_faces:,}"),
        ("labels", ", ".join(dataset_info.labels)),
    ]
    lines += [(word, f"{count:,}") for word, count in zip(SPLITS, dataset_info.split_counts, strict=True)]
    lines += [("FER+ votes", "yes" if dataset_info.has_ferplus else "no")]
    lines += [(word, str(prepared[word])) for word in ("created", "source", "photos", "sha256") if word in prepared]
    settings = prepared.get("config")
    lines += [(name, str(value)) for name, value in settings.items()] if isinstance(settings, dict) else []
    return pd.DataFrame(lines, columns=["what", "value"])
