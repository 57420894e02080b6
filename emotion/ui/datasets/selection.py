"""The data set that the Data page shows: selection, cached reads, face grids and downloads."""

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
from emotion.datasets.metadata import DATASETS_FOLDER, read_metadata
from emotion.datasets.readers.loaders import load_dataset
from emotion.datasets.tables import DuplicateGroup
from emotion.errors import DataError
from emotion.media.image_reader import read_image
from emotion.recognition.anonymizer import pixelate_all
from emotion.results import serialization
from emotion.ui import components, session


def get_selected_dataset() -> DatasetInfo | None:
    """Return the data set in the URL of the page; None without one, or where it does not exist."""
    name = str(st.query_params.get("dataset", ""))
    return next((info for info in list_datasets().datasets if info.name == name), None)


def select_dataset(name: str | None) -> None:
    """Put a data set into the URL of the page; None shows the list of all."""
    if name is None:
        st.query_params.pop("dataset", None)
    else:
        st.query_params["dataset"] = name


def load(dataset_info: DatasetInfo) -> Dataset:
    """Load a data set, from the cache unless it has changed; the result must not be modified.

    Raises:
        DataError: If it cannot be read.
    """
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
    """Group the near-duplicates of a data set, from the cache unless it has changed."""
    return _get_duplicate_groups(cache_key(dataset_info.path), dataset_info.path, dataset)


def get_duplicate_counts(dataset_info: DatasetInfo, dataset: Dataset) -> dict[str, int]:
    """Return `duplicate_report` of a data set, from the cache unless it has changed."""
    return _get_duplicate_counts(cache_key(dataset_info.path), dataset)


@st.cache_data(max_entries=60, show_spinner=False)
def _load_preview_faces(fingerprint: tuple[str, int, int], _dataset_info: DatasetInfo) -> NDArray[np.uint8] | None:
    """Load up to eight faces of a data set for its card, one per label."""
    paths = [
        next(iter(sorted(folder.glob("*.png"))), None) for folder in sorted((_dataset_info.path / "train").glob("*"))
    ]
    images = [read_image(path) for path in paths if path is not None][:8]
    side = min((image.shape[0] for image in images), default=0)
    return np.stack([image[:side, :side, 0] for image in images]) if images else None


def load_preview_faces(dataset_info: DatasetInfo) -> NDArray[np.uint8] | None:
    """Load faces for the card of a data set built on this page, gray uint8 (n, size, size); None for others."""
    return _load_preview_faces(cache_key(dataset_info.path), dataset_info) if is_user_built(dataset_info) else None


def is_user_built(dataset_info: DatasetInfo) -> bool:
    """Check whether a data set was built on this page, and may be deleted on it."""
    return dataset_info.path.parent == DATASETS_FOLDER.absolute() and read_metadata(dataset_info.path) is not None


def delete_dataset(dataset_info: DatasetInfo) -> None:
    """Delete a data set that was built on this page.

    Raises:
        DataError: If it was not built here, or cannot be deleted.
    """
    if not is_user_built(dataset_info):
        raise DataError(f"{dataset_info.path} was not built on this page; delete it by hand.")
    try:
        # Renamed first, so that a partly deleted folder is not a data set.
        trash = dataset_info.path.with_name(f".{dataset_info.path.name}.removed")
        dataset_info.path.rename(trash)
        shutil.rmtree(trash)
        near_duplicate_cache_path(dataset_info.path).unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{dataset_info.path} cannot be deleted ({error.strerror}); check its permissions.") from error


def make_face_grid(faces: NDArray[np.uint8], num_columns: int, scale: int = 2) -> NDArray[np.uint8]:
    """Tile gray faces to one RGB uint8 image, pixelated while faces are to be anonymized."""
    if session.get_settings().anonymize:
        faces = np.stack([pixelate_all(face[..., None].repeat(3, axis=2))[..., 0] for face in faces])
    return tables.tile_faces(faces, num_columns, scale)


def show_download(label: str, data: Callable[[], Any] | bytes | str, file_name: str, key: str) -> None:
    """Show a button that saves a file; `key` is unique on the page."""
    components.download_button(label, data, file_name, f"data_save_{key}")


def get_file_stem(dataset_info: DatasetInfo) -> str:
    """Return the start of the names of files saved from a data set."""
    return serialization.sanitize_filename(dataset_info.name)


def make_info_table(dataset_info: DatasetInfo) -> pd.DataFrame:
    """Return the properties of a data set as a table with the columns `property` and `value`."""
    metadata = read_metadata(dataset_info.path) or {}
    rows = [
        ("path", str(dataset_info.path)),
        ("faces", f"{dataset_info.num_faces:,}"),
        ("labels", ", ".join(dataset_info.labels)),
    ]
    rows += [(split, f"{count:,}") for split, count in zip(SPLITS, dataset_info.split_counts, strict=True)]
    rows += [("FER+ votes", "yes" if dataset_info.has_ferplus else "no")]
    rows += [(key, str(metadata[key])) for key in ("created", "source", "photos", "sha256") if key in metadata]
    config = metadata.get("config")
    rows += [(name, str(value)) for name, value in config.items()] if isinstance(config, dict) else []
    return pd.DataFrame(rows, columns=["property", "value"])
