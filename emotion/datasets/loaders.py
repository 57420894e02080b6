"""Read labelled faces: FER-2013 in all its forms, the FER+ votes, folders of pictures."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple, TextIO

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import FERPLUS_COLUMNS, IMAGE_SIZE, SPLITS, Dataset
from emotion.datasets.duplicates import group_duplicates, group_near_duplicates
from emotion.datasets.folder_layout import iter_image_files, parse_layout, relative_posix_path
from emotion.datasets.splitting import holdout_ratios, split_groups
from emotion.errors import DataError, ImageError
from emotion.expressions import FER2013_LABELS, normalize_label
from emotion.media.image_reader import read_image
from emotion.recognition.cropping import to_gray

_USAGE_TO_SPLIT: Final = {"training": 0, "publictest": 1, "privatetest": 2}
_MAX_VOTES: Final = 127  # FER+ asked ten people; int8 holds this many
_MAX_LABELS: Final = 127  # as int8 holds


def load_dataset(path: Path | str, ferplus_csv: Path | str | None = None, size: int = IMAGE_SIZE) -> Dataset:
    """Read `fer2013.csv`, an npz of the same rows, or a folder tree as `layout` has it. A table without Usage and a
    tree without splits get them: a tenth of every label each for validation and test.

    A label is whatever the folder is called, see `normalize_label`. `ferplus_csv` is `fer2013new.csv` of FER+, whose rows
    stand in the order of fer2013.csv. `size`: side in pixels of the pictures of a folder; those of a file have 48.
    Raises `DataError` with the line or path of what is wrong.
    """
    path = Path(path)
    with _wrap_os_errors(path):
        if not path.exists():
            raise DataError(f"There is no {path}; give fer2013.csv, an .npz or a folder of labelled pictures.")
        data = _read_path(path, size)
    if ferplus_csv is None:
        return data
    with _wrap_os_errors(Path(ferplus_csv)):
        return with_votes(data, Path(ferplus_csv))


@contextmanager
def _wrap_os_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check the disk and the rights.") from error


def _read_path(path: Path, size: int) -> Dataset:
    if path.is_dir():
        return _read_folder(path, size)
    if path.suffix.lower() == ".npz":
        return _read_npz(path)
    if path.suffix.lower() == ".csv":
        return _read_csv(path)
    raise DataError(f"{path.name} is not a data set; give fer2013.csv, an .npz or a folder of pictures.")


def _read_npz(path: Path) -> Dataset:
    try:
        if not zipfile.is_zipfile(path):  # NumPy goes by the content, too, and would return a single array
            raise zipfile.BadZipFile
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except Exception as error:
        # No list of types, for NumPy promises none: damaged bytes bring out zlib.error, TokenError and more.
        raise DataError(f"{path.name} is not a readable .npz file; make or fetch it again.") from error
    missing = {"images", "label", "usage"} - arrays.keys()
    if missing:
        raise DataError(f"{path.name} lacks {', '.join(sorted(missing))}; it needs images, label and usage.")
    images, labels, split = arrays["images"], arrays["label"], arrays["usage"]
    if images.dtype != np.uint8 or images.shape[1:] != (IMAGE_SIZE, IMAGE_SIZE):
        raise DataError(
            f"images in {path.name} are {images.dtype} {images.shape}; expected uint8 (n, {IMAGE_SIZE}, {IMAGE_SIZE})."
        )
    if len(images) == 0:
        raise DataError(f"{path.name} holds no images.")
    _check_range(labels, len(FER2013_LABELS), f"label in {path.name}", len(images))
    _check_range(split, len(SPLITS), f"usage in {path.name}", len(images))
    data = Dataset(images, labels.astype(np.int8), split.astype(np.int8), source=path.name)
    if "ferplus" not in arrays:
        return data
    votes = arrays["ferplus"]
    if votes.dtype.kind not in "iu" or votes.shape != (len(images), len(FERPLUS_COLUMNS)):
        raise DataError(f"ferplus in {path.name} is {votes.dtype} {votes.shape}; expected whole numbers (n, 10).")
    _check_range(votes.max(1), _MAX_VOTES + 1, f"most votes in {path.name}", len(images))
    _check_range(votes.min(1), _MAX_VOTES + 1, f"least votes in {path.name}", len(images))
    named = arrays.get("ferplus_named", np.ones(len(images), bool))
    _check_range(named, 2, f"ferplus_named in {path.name}", len(images))
    return replace(data, votes=votes.astype(np.int8), has_votes=named.astype(bool))


def _check_range(values: NDArray, high: int, description: str, num_rows: int) -> None:
    if values.shape != (num_rows,):
        raise DataError(f"{description} has shape {values.shape}; expected one value for each of {num_rows} images.")
    if values.dtype.kind not in "iub":
        raise DataError(f"{description} is {values.dtype}; expected whole numbers.")
    wrong = np.flatnonzero((values < 0) | (values >= high))
    if wrong.size:
        raise DataError(f"{description}, row {wrong[0]}, is {values[wrong[0]]}; expected 0 to {high - 1}.")


def _read_csv(path: Path) -> Dataset:
    images, labels, split = [], [], []
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        rows = _iter_rows(file, path.name)
        _, header = next(rows, (1, []))
        columns = [c.strip().lower() for c in header]
        if not {"emotion", "pixels"} <= set(columns):
            raise DataError(f"{path.name}, line 1: expected the columns emotion,pixels,Usage of fer2013.csv.")
        e, p = columns.index("emotion"), columns.index("pixels")
        u = columns.index("usage") if "usage" in columns else None
        for line, row in rows:
            if len(row) < len(columns):
                raise DataError(f"{path.name}, line {line}: {len(row)} columns; expected {len(columns)}.")
            images.append(_parse_pixels(row[p], path.name, line))
            labels.append(_parse_int(row[e], len(FER2013_LABELS), f"{path.name}, line {line}: label"))
            split.append(-1 if u is None else _parse_usage(row[u], path.name, line))
    if not images:
        raise DataError(f"{path.name} has no rows below its first line.")
    data = Dataset(np.stack(images), np.array(labels, np.int8), np.array(split, np.int8), source=path.name)
    return _hold_out(data) if u is None else data


def _parse_usage(cell: str, name: str, line: int) -> int:
    if (usage := cell.strip().lower()) not in _USAGE_TO_SPLIT:
        raise DataError(f"{name}, line {line}: Usage is {cell[:40]!r}; expected Training, PublicTest or PrivateTest.")
    return _USAGE_TO_SPLIT[usage]


def _iter_rows(file: TextIO, name: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each row that is not blank."""
    reader = csv.reader(file)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise DataError(f"{name}, line {reader.line_num}: not a table of commas and quotes ({error}).") from error


def _parse_pixels(text: str, name: str, line: int) -> NDArray[np.uint8]:
    try:
        values = np.array(text.split(), np.int64)
    except (ValueError, OverflowError) as error:
        raise DataError(f"{name}, line {line}: pixels are not whole numbers.") from error
    if values.size != IMAGE_SIZE * IMAGE_SIZE or values.min() < 0 or values.max() > 255:
        raise DataError(f"{name}, line {line}: {values.size} pixels; expected {IMAGE_SIZE * IMAGE_SIZE} from 0 to 255.")
    return values.astype(np.uint8).reshape(IMAGE_SIZE, IMAGE_SIZE)


def _parse_int(text: str, high: int, description: str) -> int:
    if not text.strip().isdecimal() or len(text) > 9 or int(text) >= high:
        raise DataError(f"{description} is {text[:40]!r}; expected 0 to {high - 1}.")
    return int(text)


def with_votes(data: Dataset, path: Path) -> Dataset:
    """The data set with the FER+ votes of `fer2013new.csv`; DataError where the rows do not fit."""
    if not path.is_file():
        raise DataError(f"There is no {path}; give fer2013new.csv of FER+.")
    votes, named, usages = [], [], []
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        rows = _iter_rows(file, path.name)
        _, columns = next(rows, (1, []))
        if not {"Image name", *FERPLUS_COLUMNS} <= set(columns):
            raise DataError(f"{path.name}, line 1: expected the columns Image name, {', '.join(FERPLUS_COLUMNS)}.")
        for line, row in rows:
            cells = dict(zip(columns, row, strict=False))
            votes.append(
                [
                    _parse_int(cells.get(c, ""), _MAX_VOTES + 1, f"{path.name}, line {line}: {c}")
                    for c in FERPLUS_COLUMNS
                ]
            )
            named.append(bool(cells.get("Image name", "").strip()))
            usages.append((line, _USAGE_TO_SPLIT.get(cells.get("Usage", "").strip().lower())))
    if len(votes) != len(data):
        raise DataError(
            f"{path.name} has {len(votes)} rows and the data set {len(data)}; both need the rows of fer2013.csv."
        )
    # The number of rows alone would let pictures in another order have each other's votes.
    for (line, usage), split in zip(usages, data.split, strict=True):
        if usage is not None and usage != split:
            raise DataError(
                f"{path.name}, line {line}: this row is in the {SPLITS[usage]} split, in the data set it is not; "
                "both need the order of fer2013.csv."
            )
    return replace(data, votes=np.array(votes, np.int8), has_votes=np.array(named, bool))


def list_image_files(folder: Path) -> list[Path]:
    """All images of a tree that are not hidden, sorted by path."""
    return sorted(path for path in iter_image_files(folder, follow_links=True) if path.is_file())


def _read_folder(folder: Path, size: int) -> Dataset:
    """split/label/picture, or label/picture with a tenth of each label held out for each test split."""
    tree = scan_image_tree(folder)
    images, labels, split, rows, notes = [], [], [], [], list(tree.notes)
    for number, name, picture in tree.images:
        try:
            images.append(_read_face(picture, size))
        except ImageError as error:
            notes.append(f"{picture.relative_to(folder)}: {error}")
            continue
        labels.append(name)
        usage, row = _parse_image_name(picture)
        split.append(number if usage is None else usage)
        rows.append(row)
    if not images:
        said = f" {notes[0][:150]}" if notes else ""
        raise DataError(f"No readable picture below {folder}; expected folders named by expression.{said}")
    names = sort_labels(set(labels))
    if len(names) > _MAX_LABELS:
        raise DataError(f"{folder} has {len(names)} labels; expected {_MAX_LABELS} at most, a folder for each.")
    data = Dataset(
        np.stack(images),
        np.array([names.index(n) for n in labels], np.int8),
        np.array(split, np.int8),
        names,
        source=folder.name,
        notes=tuple(notes),
    )
    if sorted(rows) == list(range(len(rows))):  # the order of fer2013.csv, so that FER+ votes fit
        data = data.take(np.argsort(rows))
    return _hold_out(data)


class ImageTree(NamedTuple):
    """Split (index into `SPLITS`, -1 where the folders do not tell), label and path of each image of a tree, and a
    sentence for each folder that was not understood."""

    images: list[tuple[int, str, Path]]
    notes: list[str]


def scan_image_tree(folder: Path) -> ImageTree:
    """The images of a tree by their folders, see `layout`. Raises `DataError` where a folder has no clear meaning."""
    found = list_image_files(folder)
    layout = parse_layout([relative_posix_path(path, folder) for path in found], folder)
    named = [
        (placed.split, normalize_label(placed.label), path)
        for placed, path in zip(layout.placements, found, strict=True)
        if placed.label
    ]
    return ImageTree(named, layout.notes)


def sort_labels(labels: set[str]) -> tuple[str, ...]:
    """Labels in the order of FER-2013, then contempt, then those that are none of ours by the alphabet."""
    ours = (*FER2013_LABELS, "contempt")
    return (*(n for n in ours if n in labels), *sorted(labels.difference(ours)))


def _parse_image_name(path: Path) -> tuple[int | None, int]:
    """Split and row that the pictures of FER-2013 carry in their names (`PublicTest_01234.png`)."""
    usage, _, row = path.stem.partition("_")
    split = _USAGE_TO_SPLIT.get(usage.lower())
    return split, int(row) if split is not None and row.isdecimal() else -1


def _read_face(path: Path, size: int) -> NDArray[np.uint8]:
    return center_crop(to_gray(read_image(path)), size)


def center_crop(gray: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The middle square of a grey picture (H, W) that is already a face, uint8 (size, size)."""
    if gray.shape == (size, size):
        return gray
    side = min(gray.shape)
    y, x = (gray.shape[0] - side) // 2, (gray.shape[1] - side) // 2
    return cv2.resize(gray[y : y + side, x : x + side], (size, size), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _hold_out(data: Dataset, seed: int = 0) -> Dataset:
    """Give the splits that a data set lacks a tenth of every label each; what is nearly the same stays on one side.

    Of a label that has too few such groups for that, as after a minute before the camera, only what is the very same
    stays: held-out faces that flatter are more use than none.
    """
    split = data.split.copy()
    split[split < 0] = 0
    shares = holdout_ratios([bool((split == number).any()) for number in range(3)])
    free = np.flatnonzero(split == 0)
    if shares[0] < 1 and free.size:
        images, labels = data.images[free], data.labels[free]
        groups, same = group_near_duplicates(images), group_duplicates(images)
        for label in np.unique(labels):
            rows = labels == label
            if len(np.unique(groups[rows])) < sum(share > 0 for share in shares):
                groups[rows] = same[rows]
        split[free] = split_groups(labels, groups, shares, seed)
    return replace(data, split=split)
