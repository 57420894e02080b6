"""Find the data sets of this machine and count their faces without reading the images."""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import SPLITS
from emotion.datasets.metadata import DATASETS_FOLDER, METADATA_FILE
from emotion.datasets.readers.fer2013_files import CSV_COLUMNS, NPZ_ARRAYS, USAGE_SPLITS
from emotion.datasets.readers.image_folders import scan_image_tree, sort_labels
from emotion.datasets.splitting import expected_split_counts, holdout_ratios
from emotion.errors import DataError
from emotion.expressions import FER2013_LABELS
from emotion.formatting import format_name
from emotion.translation.languages import in_english
from emotion.translation.messages import get_message, translate_text
from emotion.translation.messages import gettext as _

DATA_ENV_VAR: Final = "EMOTION_DATA"  # environment variable: one more data set, or a folder of tables
_TABLE_SUFFIXES: Final = (".npz", ".csv")
_MAX_HEADER_BYTES: Final = 1000  # of a CSV file
_MAX_LABEL_DIGITS: Final = 2
_CACHE_ENTRIES: Final = 100
_MAX_NAME_LENGTH: Final = 200


@dataclass(frozen=True)
class DatasetInfo:
    """A data set that was found.

    Attributes:
        name: Unique among all data sets of a listing.
        path: Of the file or folder.
        labels: The labels.
        counts: Training, validation and test rows of each label. Splits that `load_dataset` will hold out are
            estimated, since near-duplicates may move a few rows.
        has_ferplus: Whether it has FER+ votes.
    """

    name: str
    path: Path
    labels: tuple[str, ...]
    counts: tuple[tuple[int, int, int], ...]
    has_ferplus: bool

    @property
    def num_faces(self) -> int:
        """The number of faces."""
        return sum(self.split_counts)

    @property
    def split_counts(self) -> tuple[int, int, int]:
        """The training, validation and test rows."""
        training, validation, test = (sum(part) for part in zip(*self.counts, strict=True))
        return training, validation, test


class DatasetListing(NamedTuple):
    """The data sets of this machine, and a sentence for each file or folder that is not one."""

    datasets: list[DatasetInfo]
    errors: list[str]


def list_datasets() -> DatasetListing:
    """List the data sets in data/sets/, data/*.npz, data/*.csv and the path in EMOTION_DATA, sorted by name.

    A name that occurs again gets a number: "faces (2)".
    """
    results = [_inspect_path(path, cache_key(path)) for path in dict.fromkeys(_find_candidates())]
    infos = [result for result in results if isinstance(result, DatasetInfo)]
    seen: Counter[str] = Counter()
    datasets = []
    for info in sorted(infos, key=lambda info: (info.name.lower(), str(info.path))):
        seen[info.name] += 1
        datasets.append(replace(info, name=f"{info.name} ({seen[info.name]})") if seen[info.name] > 1 else info)
    return DatasetListing(datasets, [translate_text(result) for result in results if isinstance(result, str)])


def get_dataset_info(path: Path) -> DatasetInfo:
    """Inspect the data set at `path`.

    Raises:
        DataError: There is no data set.
    """
    if not os.path.exists(path):  # unlike `Path.exists`, no error where a folder above it may not be read
        raise DataError(_("There is no {path}; choose a data set that is on this machine.").format(path=path))
    path = Path(os.path.abspath(path))
    result = _inspect_path(path, cache_key(path))
    if isinstance(result, str):
        raise DataError(translate_text(result))
    return result


def cache_key(path: Path) -> tuple[str, int, int]:
    """Return a value that changes when a file is written, or an image is added to or removed from a folder."""
    paths = [path, path / METADATA_FILE, *_list_inner_folders(path)]
    stats = list[os.stat_result]()
    for inner in paths:
        with suppress(OSError):  # it is missing or may not be read, which its inspection reports
            stats.append(inner.stat())
    return str(path), max((stat.st_mtime_ns for stat in stats), default=0), sum(stat.st_size for stat in stats)


def _list_inner_folders(path: Path) -> list[Path]:
    """Folders of splits and labels, not the images in them, of which there may be very many."""
    if not path.is_dir():
        return []
    outer = [child for child in _list_children(path) if child.is_dir()]
    return [folder for child in outer for folder in (child, *_list_folders(child))]


def _list_folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [Path(entry.path) for entry in entries if entry.is_dir()]
    except OSError:
        return []


def _find_candidates() -> list[Path]:
    """Every path that may be a data set; of a folder in EMOTION_DATA its tables, or else the folder itself."""
    paths = [path for path in _list_children(DATASETS_FOLDER) if path.is_dir() or _is_table(path)]
    paths += filter(_is_table, _list_children(DATASETS_FOLDER.parent))
    extra = os.environ.get(DATA_ENV_VAR, "")
    if extra:
        paths += [path for path in _list_children(Path(extra)) if _is_table(path)] or [Path(extra)]
    return [Path(os.path.abspath(path)) for path in paths]


def _is_table(path: Path) -> bool:
    return path.suffix.lower() in _TABLE_SUFFIXES and path.is_file()


def _list_children(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return []


@lru_cache(maxsize=_CACHE_ENTRIES)
def _inspect_path(path: Path, key: tuple[str, int, int]) -> DatasetInfo | str:
    """Inspect a path again whenever `key` changes; the sentence of the error where it is not a data set."""
    with in_english():  # for the sessions of all languages
        try:
            info = _inspect_file(path) if not path.is_dir() else _inspect_folder(path)
            return replace(info, name=format_name(info.name, _MAX_NAME_LENGTH) or "unnamed")
        except DataError as error:
            return get_message(error)
        except OSError as error:
            problem = _("{path} cannot be read ({reason}); check its permissions.")
            return problem.format(path=path, reason=error.strerror)


def _inspect_file(path: Path) -> DatasetInfo:
    if not path.is_file():
        text = _("There is no {path}, which {variable} names; correct the variable.")
        raise DataError(text.format(path=path, variable=DATA_ENV_VAR))
    return _inspect_npz(path) if path.suffix.lower() == ".npz" else _inspect_csv(path)


def _inspect_folder(path: Path) -> DatasetInfo:
    counts: Counter[tuple[str, int]] = Counter()
    for image in scan_image_tree(path).images:
        counts[image.label, image.split] += 1
    if not counts:
        raise DataError(_("{path} holds no image; expected folders named by label.").format(path=path))
    labels = sort_labels({label for label, _ in counts})
    table = np.array([[counts[label, split] for split in (-1, *range(len(SPLITS)))] for label in labels])
    return DatasetInfo(path.name, path, labels, _expected_split_counts(table), False)


def _expected_split_counts(table: NDArray[np.integer]) -> tuple[tuple[int, int, int], ...]:
    """The rows of each label in each split after `load_dataset`; `table` (labels, 4): without a split, then in each."""
    counts = table[:, 1:].astype(int)
    counts[:, 0] += table[:, 0]
    ratios = holdout_ratios([bool(column.any()) for column in counts.T])
    for row in counts:
        row += np.array(expected_split_counts(int(row[0]), ratios)) - (row[0], 0, 0)
    return _to_tuples(counts)


def _to_tuples(counts: NDArray[np.integer]) -> tuple[tuple[int, int, int], ...]:
    return tuple((int(training), int(validation), int(test)) for training, validation, test in counts)


def _inspect_npz(path: Path) -> DatasetInfo:
    try:
        if not zipfile.is_zipfile(path):
            raise DataError(
                _("{name} is not a readable .npz file; create or download it again.").format(name=path.name)
            )
        with np.load(path, allow_pickle=False) as file:
            if not set(file.files) >= NPZ_ARRAYS:
                raise KeyError
            has_ferplus, labels, split = "ferplus" in file.files, file["label"], file["usage"]
    except DataError:
        raise
    except Exception as error:
        # No list of types, see `fer2013_files`.
        raise DataError(
            _("{name} is not an .npz of labeled faces; it needs images, label and usage.").format(name=path.name)
        ) from error
    return _make_info(path, labels, split, has_ferplus)


def _inspect_csv(path: Path) -> DatasetInfo:
    """Read only label and split of each line: the pixels between them are most of the file."""
    usage_splits = {usage.encode(): split for usage, split in USAGE_SPLITS.items()}
    labels: list[int] = []
    splits: list[int] = []
    with open(path, "rb") as file:
        header = file.readline(_MAX_HEADER_BYTES).decode("utf-8-sig", "replace")
        columns = [cell.strip().lower() for cell in header.split(",")]
        if not set(columns) >= CSV_COLUMNS:
            raise DataError(
                _("{name} is not a table of faces; expected the columns emotion,pixels,Usage.").format(name=path.name)
            )
        emotion, usage = columns.index("emotion"), columns.index("usage") if "usage" in columns else None
        for line in file:
            cells = [cell.strip(b' "\r\n') for cell in line.split(b",")]
            if len(cells) >= len(columns) and cells[emotion].isdigit() and len(cells[emotion]) <= _MAX_LABEL_DIGITS:
                labels.append(int(cells[emotion]))
                splits.append(0 if usage is None else usage_splits.get(cells[usage].lower(), 0))
    info = _make_info(path, np.array(labels, np.int64), np.array(splits, np.int64))
    if usage is not None:
        return info
    counts = np.array(info.counts)
    return replace(info, counts=_expected_split_counts(np.column_stack([counts[:, 0], 0 * counts])))


def _make_info(path: Path, labels: NDArray, split: NDArray, has_ferplus: bool = False) -> DatasetInfo:
    are_integers = labels.ndim == split.ndim == 1 and labels.dtype.kind in "iu" and split.dtype.kind in "iu"
    if not are_integers or not len(labels) or len(labels) != len(split) or labels.min() < 0 or split.min() < 0:
        raise DataError(_("{name} holds no labeled faces; each row needs a label and a split.").format(name=path.name))
    if labels.max() >= len(FER2013_LABELS) or split.max() >= len(SPLITS):
        raise DataError(
            _("{name} has other labels or splits than FER-2013; create or download it again.").format(name=path.name)
        )
    table = np.zeros((len(FER2013_LABELS), len(SPLITS)), np.int64)
    np.add.at(table, (labels.astype(np.int64), split.astype(np.int64)), 1)
    return DatasetInfo(path.stem, path, FER2013_LABELS, _to_tuples(table), has_ferplus)
