"""Which data sets this machine has, told without reading their pictures."""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.builder import DATASETS_FOLDER, METADATA_FILE
from emotion.datasets.loaders import scan_image_tree, sort_labels
from emotion.datasets.splitting import expected_split_counts, holdout_ratios
from emotion.errors import DataError
from emotion.expressions import FER2013_LABELS

DATA_ENV_VAR: Final = "EMOTION_DATA"  # the environment variable that names one more data set, or a folder of them
_TABLE_SUFFIXES: Final = (".npz", ".csv")


@dataclass(frozen=True)
class DatasetInfo:
    """A data set that was found. `counts`: for each of `labels` its training, validation and test
    rows; without given splits they are as they will be held out, give or take duplicates. `has_ferplus`: whether FER+ votes
    are in it."""

    name: str
    path: Path
    labels: tuple[str, ...]
    counts: tuple[tuple[int, int, int], ...]
    has_ferplus: bool

    @property
    def num_faces(self) -> int:
        """How many faces it has."""
        return sum(self.split_counts)

    @property
    def split_counts(self) -> tuple[int, int, int]:
        """The training, validation and test rows."""
        training, validation, test = (sum(part) for part in zip(*self.counts, strict=True))
        return training, validation, test


class DatasetListing(NamedTuple):
    """The data sets of this machine, and a sentence for each file or folder that is none."""

    datasets: list[DatasetInfo]
    errors: list[str]


def list_datasets() -> DatasetListing:
    """List the data sets in data/sets/, data/*.npz, data/*.csv and where EMOTION_DATA points, by their names, all
    different, and the errors of what is no data set there."""
    found = [_inspect_path(path, cache_key(path)) for path in dict.fromkeys(_find_candidates())]
    infos = [entry for entry in found if isinstance(entry, DatasetInfo)]
    seen: Counter[str] = Counter()
    out = []
    for entry in sorted(infos, key=lambda entry: (entry.name.lower(), str(entry.path))):
        seen[entry.name] += 1
        out.append(replace(entry, name=f"{entry.name} ({seen[entry.name]})") if seen[entry.name] > 1 else entry)
    return DatasetListing(out, [error for error in found if isinstance(error, str)])


def get_dataset_info(path: Path) -> DatasetInfo:
    """What is known of the data set at `path`. `DataError` where there is none."""
    if not path.exists():
        raise DataError(f"There is no {path}; choose a data set that is on this machine.")
    path = Path(os.path.abspath(path))
    found = _inspect_path(path, cache_key(path))
    if isinstance(found, str):
        raise DataError(found)
    return found


def cache_key(path: Path) -> tuple[str, int, int]:
    """Changes whenever a file is written anew, or pictures come into a folder or leave it."""
    places = [path, path / METADATA_FILE, *_list_inner_folders(path)]
    statuses = [place.stat() for place in places if place.exists()]
    return str(path), max((s.st_mtime_ns for s in statuses), default=0), sum(s.st_size for s in statuses)


def _list_inner_folders(path: Path) -> list[Path]:
    """Splits and labels, not the pictures in them, of which there may be very many."""
    if not path.is_dir():
        return []
    outer = _list_children(path)
    return [place for one in outer if one.is_dir() for place in (one, *_list_folders(one))]


def _list_folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [Path(entry.path) for entry in entries if entry.is_dir()]
    except OSError:
        return []


def _find_candidates() -> list[Path]:
    """Every path that may be a data set; in the folder of EMOTION_DATA itself or what lies in it."""
    data = DATASETS_FOLDER.parent
    found = [
        path for path in _list_children(DATASETS_FOLDER) if path.is_dir() or path.suffix.lower() in _TABLE_SUFFIXES
    ]
    found += [path for path in _list_children(data) if path.is_file() and path.suffix.lower() in _TABLE_SUFFIXES]
    named = os.environ.get(DATA_ENV_VAR, "")
    if named:
        place = Path(named)
        inside = [path for path in _list_children(place) if path.is_file() and path.suffix.lower() in _TABLE_SUFFIXES]
        found += inside or [place]
    return [Path(os.path.abspath(path)) for path in found]


def _list_children(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return []


@lru_cache(maxsize=100)
def _inspect_path(path: Path, key: tuple[str, int, int]) -> DatasetInfo | str:
    """`key` only tells when to look again."""
    try:
        if path.is_dir():
            return _inspect_folder(path)
        if not path.is_file():
            raise DataError(f"There is no {path}, which {DATA_ENV_VAR} names.")
        return _inspect_npz(path) if path.suffix.lower() == ".npz" else _inspect_csv(path)
    except DataError as error:
        return str(error)
    except OSError as error:
        return f"{path} cannot be read ({error.strerror}); check its rights."


def _inspect_folder(path: Path) -> DatasetInfo:
    counts: Counter[tuple[str, int]] = Counter()
    for split, label, _ in scan_image_tree(path).images:
        counts[label, split] += 1
    if not counts:
        raise DataError(f"No picture is in {path}; expected folders named by label.")
    labels = sort_labels({label for label, _ in counts})
    table = np.array([[counts[label, split] for split in (-1, 0, 1, 2)] for label in labels])
    return DatasetInfo(path.name, path, labels, _expected_split_counts(table), False)


def _expected_split_counts(table: NDArray[np.integer]) -> tuple[tuple[int, int, int], ...]:
    """The rows of each label in each split, as `load_dataset` holds them out, of the rows (labels, 4) without a split
    and in each of the three."""
    counts = table[:, 1:].astype(int)
    counts[:, 0] += table[:, 0]
    shares = holdout_ratios([bool(column.any()) for column in counts.T])
    for row in counts:
        row += np.array(expected_split_counts(int(row[0]), shares)) - (row[0], 0, 0)
    return tuple((int(a), int(b), int(c)) for a, b, c in counts)


def _inspect_npz(path: Path) -> DatasetInfo:
    try:
        if not zipfile.is_zipfile(path):
            raise DataError(f"{path.name} is not a readable .npz file; make or fetch it again.")
        with np.load(path, allow_pickle=False) as file:
            votes, labels, usage = "ferplus" in file.files, file["label"], file["usage"]
            if "images" not in file.files:
                raise KeyError("images")
    except DataError:
        raise
    except Exception as error:
        # No list of types, see `datasets.loaders`.
        raise DataError(f"{path.name} is no .npz of labelled faces; it needs images, label and usage.") from error
    return _make_info(path, labels, usage, votes)


def _inspect_csv(path: Path) -> DatasetInfo:
    """Only the labels and splits of each line; the pixels between them are most of the file."""
    with open(path, "rb") as file:
        columns = [cell.strip().lower() for cell in file.readline(1000).decode("utf-8-sig", "replace").split(",")]
        if not {"emotion", "pixels"} <= set(columns):
            raise DataError(f"{path.name} is no table of faces: expected the columns emotion,pixels,Usage.")
        place, given = columns.index("emotion"), columns.index("usage") if "usage" in columns else None
        usages = {b"training": 0, b"publictest": 1, b"privatetest": 2}
        rows: list[tuple[int, int]] = []
        for line in file:
            cells = [cell.strip(b' "\r\n') for cell in line.split(b",")]
            if len(cells) >= len(columns) and cells[place].isdigit() and len(cells[place]) < 3:
                rows.append((int(cells[place]), 0 if given is None else usages.get(cells[given].lower(), 0)))
    entry = _make_info(path, np.array([row[0] for row in rows], np.int64), np.array([row[1] for row in rows], np.int64))
    if given is not None:
        return entry
    trained = np.array(entry.counts)
    return replace(entry, counts=_expected_split_counts(np.column_stack([trained[:, 0], 0 * trained])))


def _make_info(path: Path, labels: NDArray, split: NDArray, has_ferplus: bool = False) -> DatasetInfo:
    whole = labels.ndim == split.ndim == 1 and labels.dtype.kind in "iu" and split.dtype.kind in "iu"
    if not whole or not len(labels) or len(labels) != len(split) or labels.min() < 0 or split.min() < 0:
        raise DataError(f"{path.name} holds no labelled faces; each needs a label and a split.")
    if labels.max() >= len(FER2013_LABELS) or split.max() > 2:
        raise DataError(f"{path.name} has other labels or splits than FER-2013; make or fetch it again.")
    table = np.zeros((len(FER2013_LABELS), 3), np.int64)
    np.add.at(table, (labels.astype(np.int64), split.astype(np.int64)), 1)
    return DatasetInfo(
        path.stem, path, FER2013_LABELS, tuple((int(a), int(b), int(c)) for a, b, c in table), has_ferplus
    )
