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
from emotion.expressions import translate_label
from emotion.formatting import format_list
from emotion.media.image_reader import read_image
from emotion.recognition.anonymizer import pixelate_all
from emotion.results import serialization
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop, ngettext
from emotion.ui import components, session
from emotion.ui.language import translate_spinner


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


@translate_spinner(st.cache_resource, gettext_noop("Reading the faces"), max_entries=2, ttl="1h")
def _load(fingerprint: tuple[str, int, int], _dataset_info: DatasetInfo) -> Dataset:
    return load_dataset(_dataset_info.path)


@translate_spinner(
    st.cache_data, gettext_noop("Looking for duplicates; up to a minute for 36,000 faces"), max_entries=8
)
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
        raise DataError(_("{path} was not built on this page; delete it by hand.").format(path=dataset_info.path))
    try:
        # Renamed first, so that a partly deleted folder is not a data set.
        trash = dataset_info.path.with_name(f".{dataset_info.path.name}.removed")
        dataset_info.path.rename(trash)
        shutil.rmtree(trash)
        near_duplicate_cache_path(dataset_info.path).unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            _("{path} cannot be deleted ({reason}); check its permissions.").format(
                path=dataset_info.path, reason=error.strerror
            )
        ) from error


def make_face_grid(faces: NDArray[np.uint8], num_columns: int, scale: int = 2) -> NDArray[np.uint8]:
    """Tile gray faces to one RGB uint8 image, pixelated while faces are to be anonymized."""
    if session.get_settings().anonymize:
        faces = np.stack([pixelate_all(face[..., None].repeat(3, axis=2))[..., 0] for face in faces])
    return tables.tile_faces(faces, num_columns, scale)


def show_download(label: str, data: Callable[[], Any] | bytes | str, file_name: str, key: str) -> None:
    """Show a button that saves a file; `key` is unique on the page."""
    components.download_button(label, data, file_name, f"data_save_{key}")


def format_face_count(num_faces: int) -> str:
    """Format a number of faces: "1,234 faces"."""
    return ngettext("{count:,} face", "{count:,} faces", num_faces).format(count=num_faces)


def get_file_stem(dataset_info: DatasetInfo) -> str:
    """Return the start of the names of files saved from a data set."""
    return serialization.sanitize_filename(dataset_info.name)


def make_info_table(dataset_info: DatasetInfo) -> pd.DataFrame:
    """Return the properties of a data set as a table with the columns `property` and `value`."""
    metadata = read_metadata(dataset_info.path) or {}
    rows = [
        (_("path"), str(dataset_info.path)),
        (_("faces"), f"{dataset_info.num_faces:,}"),
        (_("labels"), format_list(map(translate_label, dataset_info.labels))),
    ]
    rows += [(_(split), f"{count:,}") for split, count in zip(SPLITS, dataset_info.split_counts, strict=True)]
    rows += [(_("FER+ votes"), _("yes") if dataset_info.has_ferplus else _("no"))]
    titles = {"created": _("created"), "source": _("source"), "photos": _("photos"), "sha256": "sha256"}
    rows += [(title, str(metadata[key])) for key, title in titles.items() if key in metadata]
    config = metadata.get("config")
    rows += [(name, str(value)) for name, value in config.items()] if isinstance(config, dict) else []
    return pd.DataFrame(rows, columns=["property", "value"])
