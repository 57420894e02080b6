"""Read FER-2013 as a CSV table or an npz file, and the FER+ votes for its rows."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final, TextIO

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import FERPLUS_COLUMNS, IMAGE_SIZE, SPLITS, Dataset
from emotion.errors import DataError
from emotion.expressions import FER2013_LABELS
from emotion.translation.messages import gettext as _

USAGE_SPLITS: Final = {"training": 0, "publictest": 1, "privatetest": 2}  # the column Usage, in lower case
CSV_COLUMNS: Final = frozenset({"emotion", "pixels"})  # in lower case; Usage may be missing
NPZ_ARRAYS: Final = frozenset({"images", "label", "usage"})
_MAX_VOTES: Final = 127  # FER+ has ten voters; int8 holds this many
_MAX_DIGITS: Final = 9  # of a number in a table
_MAX_SHOWN_CELL: Final = 40  # characters of a cell in a message


def read_npz(path: Path) -> Dataset:
    """Read an npz file: `images` uint8 (n, 48, 48), `label` (n,), `usage` (n,), optionally `ferplus` (n, 10).

    Raises:
        DataError: The file is damaged, or an array has another shape, type or range.
    """
    arrays = load_arrays(path)
    missing = NPZ_ARRAYS - arrays.keys()
    if missing:
        raise DataError(
            _("{name} lacks {names}; it needs images, label and usage.").format(
                name=path.name, names=", ".join(sorted(missing))
            )
        )
    images, labels, split = arrays["images"], arrays["label"], arrays["usage"]
    if images.dtype != np.uint8 or images.shape[1:] != (IMAGE_SIZE, IMAGE_SIZE):
        raise DataError(
            _("images in {name} are {dtype} {shape}; expected uint8 (n, {size}, {size}).").format(
                name=path.name, dtype=images.dtype, shape=images.shape, size=IMAGE_SIZE
            )
        )
    if len(images) == 0:
        raise DataError(_("{name} holds no images; expected at least one.").format(name=path.name))
    _check_range(labels, len(FER2013_LABELS), "label", path.name, len(images))
    _check_range(split, len(SPLITS), "usage", path.name, len(images))
    data = Dataset(images, labels.astype(np.int8), split.astype(np.int8), source=path.name)
    if "ferplus" not in arrays:
        return data
    votes = arrays["ferplus"]
    if votes.dtype.kind not in "iu" or votes.shape != (len(images), len(FERPLUS_COLUMNS)):
        raise DataError(
            _("ferplus in {name} is {dtype} {shape}; expected whole numbers (n, 10).").format(
                name=path.name, dtype=votes.dtype, shape=votes.shape
            )
        )
    _check_range(votes.max(1), _MAX_VOTES + 1, _("most votes"), path.name, len(images))
    _check_range(votes.min(1), _MAX_VOTES + 1, _("least votes"), path.name, len(images))
    has_votes = arrays.get("ferplus_named", np.ones(len(images), bool))
    _check_range(has_votes, 2, "ferplus_named", path.name, len(images))
    return replace(data, votes=votes.astype(np.int8), has_votes=has_votes.astype(bool))


def load_arrays(path: Path) -> dict[str, NDArray]:
    """Return the arrays of an npz file; `DataError` where it cannot be read."""
    try:
        if not zipfile.is_zipfile(path):  # NumPy goes by the content, too, and would return a single array
            raise zipfile.BadZipFile
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except Exception as error:
        # No list of types, for NumPy promises none: damaged bytes raise zlib.error, TokenError and more.
        raise DataError(
            _("{name} is not a readable .npz file; create or download it again.").format(name=path.name)
        ) from error


def _check_range(values: NDArray, high: int, array: str, name: str, num_rows: int) -> None:
    """Raise `DataError` unless an array of the file `name` has a whole number from 0 to below `high` for each row."""
    if values.shape != (num_rows,):
        text = _("{array} in {name} has shape {shape}; expected one value for each of {count} images.")
        raise DataError(text.format(array=array, name=name, shape=values.shape, count=num_rows))
    if values.dtype.kind not in "iub":
        text = _("{array} in {name} is {dtype}; expected whole numbers.")
        raise DataError(text.format(array=array, name=name, dtype=values.dtype))
    wrong = np.flatnonzero((values < 0) | (values >= high))
    if wrong.size:
        text = _("{array} in {name}, row {row}, is {value}; expected 0 to {maximum}.")
        row = int(wrong[0])
        raise DataError(text.format(array=array, name=name, row=row, value=values[row], maximum=high - 1))


def read_csv(path: Path) -> Dataset:
    """Read `fer2013.csv`; without a column Usage the split of every row is -1.

    Raises:
        DataError: A line is damaged; the message names it.
    """
    images, labels, split = [], [], []
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        rows = _iter_rows(file, path.name)
        columns = [column.strip().lower() for column in next(rows, (1, []))[1]]
        if not set(columns) >= CSV_COLUMNS:
            raise DataError(
                _("{name}, line 1: expected the columns emotion,pixels,Usage of fer2013.csv.").format(name=path.name)
            )
        emotion, pixels = columns.index("emotion"), columns.index("pixels")
        usage = columns.index("usage") if "usage" in columns else None
        for line, row in rows:
            if len(row) < len(columns):
                raise DataError(
                    _("{name}, line {line}: {count} columns; expected {expected}.").format(
                        name=path.name, line=line, count=len(row), expected=len(columns)
                    )
                )
            images.append(_parse_pixels(row[pixels], path.name, line))
            labels.append(_parse_int(row[emotion], len(FER2013_LABELS), path.name, line, "label"))
            split.append(-1 if usage is None else _parse_usage(row[usage], path.name, line))
    if not images:
        raise DataError(_("{name} has no rows below its header; expected one per face.").format(name=path.name))
    return Dataset(np.stack(images), np.array(labels, np.int8), np.array(split, np.int8), source=path.name)


def _iter_rows(file: TextIO, name: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each row that is not blank."""
    reader = csv.reader(file)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise DataError(
            _("{name}, line {line}: not a table of commas and quotes ({reason}).").format(
                name=name, line=reader.line_num, reason=error
            )
        ) from error


def _parse_usage(cell: str, name: str, line: int) -> int:
    usage = cell.strip().lower()
    if usage not in USAGE_SPLITS:
        raise DataError(
            _("{name}, line {line}: Usage is {usage!r}; expected Training, PublicTest or PrivateTest.").format(
                name=name, line=line, usage=cell[:_MAX_SHOWN_CELL]
            )
        )
    return USAGE_SPLITS[usage]


def _parse_pixels(text: str, name: str, line: int) -> NDArray[np.uint8]:
    try:
        values = np.array(text.split(), np.int64)
    except (ValueError, OverflowError) as error:
        raise DataError(_("{name}, line {line}: pixels are not whole numbers.").format(name=name, line=line)) from error
    if values.size != IMAGE_SIZE * IMAGE_SIZE or values.min() < 0 or values.max() > 255:
        raise DataError(
            _("{name}, line {line}: {count} pixels; expected {expected} from 0 to 255.").format(
                name=name, line=line, count=values.size, expected=IMAGE_SIZE * IMAGE_SIZE
            )
        )
    return values.astype(np.uint8).reshape(IMAGE_SIZE, IMAGE_SIZE)


def _parse_int(text: str, high: int, name: str, line: int, column: str) -> int:
    if not text.strip().isdecimal() or len(text) > _MAX_DIGITS or int(text) >= high:
        problem, cell = _("{name}, line {line}: {column} is {cell!r}; expected 0 to {maximum}."), text[:_MAX_SHOWN_CELL]
        raise DataError(problem.format(name=name, line=line, column=column, cell=cell, maximum=high - 1))
    return int(text)


def with_votes(data: Dataset, path: Path) -> Dataset:
    """Return the data set with the FER+ votes of `fer2013new.csv`.

    Raises:
        DataError: The rows of the file are not those of the data set.
    """
    if not path.is_file():
        raise DataError(_("There is no {path}; give fer2013new.csv of FER+.").format(path=path))
    votes, named, splits = [], [], []
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        rows = _iter_rows(file, path.name)
        columns = next(rows, (1, []))[1]
        if not {"Image name", *FERPLUS_COLUMNS} <= set(columns):
            raise DataError(
                _("{name}, line 1: expected the columns Image name, {columns}.").format(
                    name=path.name, columns=", ".join(FERPLUS_COLUMNS)
                )
            )
        for line, row in rows:
            cells = dict(zip(columns, row, strict=False))
            votes.append([_parse_int(cells.get(c, ""), _MAX_VOTES + 1, path.name, line, c) for c in FERPLUS_COLUMNS])
            named.append(bool(cells.get("Image name", "").strip()))
            splits.append((line, USAGE_SPLITS.get(cells.get("Usage", "").strip().lower())))
    if len(votes) != len(data):
        raise DataError(
            _("{name} has {rows} rows and the data set {faces}; both need the rows of fer2013.csv.").format(
                name=path.name, rows=len(votes), faces=len(data)
            )
        )
    # An equal number of rows alone would accept images in another order and give them the votes of others.
    for (line, expected), split in zip(splits, data.split, strict=True):
        if expected is not None and expected != split:
            raise DataError(
                _(
                    "{name}, line {line}: this row is in the {split} split, in the data set it is not; both need the "
                    "order of fer2013.csv."
                ).format(name=path.name, line=line, split=_(SPLITS[expected]))
            )
    return replace(data, votes=np.array(votes, np.int8), has_votes=np.array(named, bool))
