"""Read labelled faces: FER-2013 in all its forms, the FER+ votes, folders of pictures."""

from __future__ import annotations

import csv
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, TextIO

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.errors import DataError, ImageError
from emotion.faces import FER2013_LABELS, expression_name, label_name
from emotion.recognition.crops import to_grey
from emotion.recognition.images import read_image
from emotion.training.datasets import SIZE, SPLITS, VOTES, Dataset
from emotion.training.duplicates import duplicate_groups, near_groups
from emotion.training.splitting import split_groups

_USAGE: Final = {"training": 0, "publictest": 1, "privatetest": 2}
SPLIT_FOLDERS: Final = {
    "train": 0, "training": 0, "valid": 1, "val": 1, "validation": 1, "publictest": 1, "public": 1,
    "test": 2, "privatetest": 2, "private": 2,
}  # fmt: skip
PICTURES: Final = {
    ".png",
    ".jpg",
    ".jpeg",
    ".webp",
    ".bmp",
    ".gif",
    ".tif",
    ".tiff",
    ".pgm",
    ".ppm",
    ".avif",
    ".heic",
    ".heif",
}
_MOST_VOTES: Final = 127  # FER+ asked ten people; int8 holds this many
_MOST_LABELS: Final = 127  # as int8 holds
_TENTH: Final = 0.1  # of every label is held out for a test split that the folders lack


def load_dataset(path: Path | str, votes: Path | str | None = None, size: int = SIZE) -> Dataset:
    """Read `fer2013.csv`, an npz of the same rows, or a folder tree split/label/picture or label/picture.

    A label is whatever the folder is called, see `label_name`. `votes` is `fer2013new.csv` of FER+, whose rows
    stand in the order of fer2013.csv. `size`: side in pixels of the pictures of a folder; those of a file have 48.
    Raises `DataError` with the line or path of what is wrong.
    """
    path = Path(path)
    with _readable(path):
        if not path.exists():
            raise DataError(f"There is no {path}; give fer2013.csv, an .npz or a folder of labelled pictures.")
        data = _read(path, size)
    if votes is None:
        return data
    with _readable(Path(votes)):
        return with_votes(data, Path(votes))


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check the disk and the rights.") from error


def _read(path: Path, size: int) -> Dataset:
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
    if images.dtype != np.uint8 or images.shape[1:] != (SIZE, SIZE):
        raise DataError(f"images in {path.name} are {images.dtype} {images.shape}; expected uint8 (n, {SIZE}, {SIZE}).")
    if len(images) == 0:
        raise DataError(f"{path.name} holds no images.")
    _check_range(labels, len(FER2013_LABELS), f"label in {path.name}", len(images))
    _check_range(split, len(SPLITS), f"usage in {path.name}", len(images))
    data = Dataset(images, labels.astype(np.int8), split.astype(np.int8), source=path.name)
    if "ferplus" not in arrays:
        return data
    votes = arrays["ferplus"]
    if votes.dtype.kind not in "iu" or votes.shape != (len(images), len(VOTES)):
        raise DataError(f"ferplus in {path.name} is {votes.dtype} {votes.shape}; expected whole numbers (n, 10).")
    _check_range(votes.max(1), _MOST_VOTES + 1, f"most votes in {path.name}", len(images))
    _check_range(votes.min(1), _MOST_VOTES + 1, f"least votes in {path.name}", len(images))
    named = arrays.get("ferplus_named", np.ones(len(images), bool))
    _check_range(named, 2, f"ferplus_named in {path.name}", len(images))
    return replace(data, votes=votes.astype(np.int8), named=named.astype(bool))


def _check_range(values: NDArray, count: int, what: str, rows: int) -> None:
    if values.shape != (rows,):
        raise DataError(f"{what} has shape {values.shape}; expected one value for each of {rows} images.")
    if values.dtype.kind not in "iub":
        raise DataError(f"{what} is {values.dtype}; expected whole numbers.")
    wrong = np.flatnonzero((values < 0) | (values >= count))
    if wrong.size:
        raise DataError(f"{what}, row {wrong[0]}, is {values[wrong[0]]}; expected 0 to {count - 1}.")


def _read_csv(path: Path) -> Dataset:
    images, labels, split = [], [], []
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        rows = _lines(file, path.name)
        _, header = next(rows, (1, []))
        columns = [c.strip().lower() for c in header]
        if not {"emotion", "pixels"} <= set(columns):
            raise DataError(f"{path.name}, line 1: expected the columns emotion,pixels,Usage of fer2013.csv.")
        e, p = columns.index("emotion"), columns.index("pixels")
        u = columns.index("usage") if "usage" in columns else None
        for line, row in rows:
            if len(row) < len(columns):
                raise DataError(f"{path.name}, line {line}: {len(row)} columns; expected {len(columns)}.")
            images.append(_pixels(row[p], path.name, line))
            labels.append(_whole(row[e], len(FER2013_LABELS), f"{path.name}, line {line}: label"))
            usage = "training" if u is None else row[u].strip().lower()
            if usage not in _USAGE:
                raise DataError(
                    f"{path.name}, line {line}: Usage is {row[u or 0][:40]!r}; "  # type: ignore[index]
                    "expected Training, PublicTest or PrivateTest."
                )
            split.append(_USAGE[usage])
    if not images:
        raise DataError(f"{path.name} has no rows below its first line.")
    return Dataset(np.stack(images), np.array(labels, np.int8), np.array(split, np.int8), source=path.name)


def _lines(file: TextIO, name: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each row that is not blank."""
    reader = csv.reader(file)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise DataError(f"{name}, line {reader.line_num}: not a table of commas and quotes ({error}).") from error


def _pixels(text: str, name: str, line: int) -> NDArray[np.uint8]:
    try:
        values = np.array(text.split(), np.int64)
    except (ValueError, OverflowError) as error:
        raise DataError(f"{name}, line {line}: pixels are not whole numbers.") from error
    if values.size != SIZE * SIZE or values.min() < 0 or values.max() > 255:
        raise DataError(f"{name}, line {line}: {values.size} pixels; expected {SIZE * SIZE} from 0 to 255.")
    return values.astype(np.uint8).reshape(SIZE, SIZE)


def _whole(text: str, count: int, what: str) -> int:
    if not text.strip().isdecimal() or len(text) > 9 or int(text) >= count:
        raise DataError(f"{what} is {text[:40]!r}; expected 0 to {count - 1}.")
    return int(text)


def with_votes(data: Dataset, path: Path) -> Dataset:
    """The data set with the FER+ votes of `fer2013new.csv`; DataError where the rows do not fit."""
    if not path.is_file():
        raise DataError(f"There is no {path}; give fer2013new.csv of FER+.")
    votes, named, usages = [], [], []
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        rows = _lines(file, path.name)
        _, columns = next(rows, (1, []))
        if not {"Image name", *VOTES} <= set(columns):
            raise DataError(f"{path.name}, line 1: expected the columns Image name, {', '.join(VOTES)}.")
        for line, row in rows:
            cells = dict(zip(columns, row, strict=False))
            votes.append([_whole(cells.get(c, ""), _MOST_VOTES + 1, f"{path.name}, line {line}: {c}")
                          for c in VOTES])  # fmt: skip
            named.append(bool(cells.get("Image name", "").strip()))
            usages.append((line, _USAGE.get(cells.get("Usage", "").strip().lower())))
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
    return replace(data, votes=np.array(votes, np.int8), named=np.array(named, bool))


def pictures_below(folder: Path) -> list[Path]:
    """All picture files of a tree, sorted by path."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICTURES and p.is_file())


def _read_folder(folder: Path, size: int) -> Dataset:
    """split/label/picture, or label/picture with a tenth of each label held out for each test split."""
    images, labels, split, rows, notes = [], [], [], [], []
    for number, name, picture in labelled_pictures(folder):
        try:
            images.append(_face(picture, size))
        except ImageError as error:
            notes.append(f"{picture.relative_to(folder)}: {error}")
            continue
        labels.append(name)
        usage, row = _name_of_row(picture)
        split.append(number if usage is None else usage)
        rows.append(row)
    if not images:
        raise DataError(f"No readable picture below {folder}; expected folders named by expression.")
    names = in_order(set(labels))
    if len(names) > _MOST_LABELS:
        raise DataError(f"{folder} has {len(names)} labels; expected {_MOST_LABELS} at most, a folder for each.")
    data = Dataset(
        np.stack(images), np.array([names.index(n) for n in labels], np.int8), np.array(split, np.int8),
        names, source=folder.name, notes=tuple(notes),
    )  # fmt: skip
    if sorted(rows) == list(range(len(rows))):  # the order of fer2013.csv, so that FER+ votes fit
        data = data.take(np.argsort(rows))
    return _hold_out(data)


def labelled_pictures(folder: Path) -> Iterator[tuple[int, str, Path]]:
    """Split (index into `SPLITS`, -1 where the folders do not tell), label and path of each picture of a tree.

    Raises `DataError` where a folder is neither a split nor a label.
    """
    folder = _inner(folder)
    children = _folders(folder)
    splits = {child: SPLIT_FOLDERS[child.name.lower()] for child in children if child.name.lower() in SPLIT_FOLDERS}
    for place, number in splits.items() or [(folder, -1)]:
        for child in _folders(place):
            found = pictures_below(child)
            name = label_name(os.fsencode(child.name).decode(errors="replace"))
            # Photos sorted by year, then by expression, would else teach the years.
            if found and expression_name(name) is None and not any(p.parent == child for p in found):
                raise DataError(
                    f"The folder {child} names no known expression and holds no pictures itself; expected folders "
                    "split/label or label with pictures in them."
                )
            yield from ((number, name, picture) for picture in found)


def in_order(labels: set[str]) -> tuple[str, ...]:
    """Labels in the order of FER-2013, then contempt, then those that are none of ours by the alphabet."""
    ours = (*FER2013_LABELS, "contempt")
    return (*(n for n in ours if n in labels), *sorted(labels.difference(ours)))


def _folders(folder: Path) -> list[Path]:
    """The folders in a folder, without what systems hide in it."""
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith((".", "__")))


def _inner(folder: Path) -> Path:
    """Past folders that only hold one folder, as archives make them: "faces/faces/train/happy/1.png"."""
    while True:
        inner = _folders(folder)
        known = len(inner) == 1 and (inner[0].name.lower() in SPLIT_FOLDERS or expression_name(inner[0].name))
        if len(inner) != 1 or known or not _folders(inner[0]):
            return folder
        folder = inner[0]


def _name_of_row(picture: Path) -> tuple[int | None, int]:
    """Split and row that the pictures of FER-2013 carry in their names (`PublicTest_01234.png`)."""
    usage, _, row = picture.stem.partition("_")
    split = _USAGE.get(usage.lower())
    return split, int(row) if split is not None and row.isdecimal() else -1


def _face(path: Path, size: int) -> NDArray[np.uint8]:
    return square(to_grey(read_image(path)), size)


def square(grey: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The middle square of a grey picture (H, W) that is already a face, uint8 (size, size)."""
    if grey.shape == (size, size):
        return grey
    side = min(grey.shape)
    y, x = (grey.shape[0] - side) // 2, (grey.shape[1] - side) // 2
    return cv2.resize(grey[y : y + side, x : x + side], (size, size), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _hold_out(data: Dataset, seed: int = 0) -> Dataset:
    """Give the splits that the folders lack a tenth of every label each; what is nearly the same stays on one side.

    Of a label that has too few such groups for that, as after a minute before the camera, only what is the very same
    stays: held-out faces that flatter are more use than none.
    """
    split = data.split.copy()
    split[split < 0] = 0
    missing = [number for number in (1, 2) if not (split == number).any()]
    free = np.flatnonzero(split == 0)
    if missing and free.size:
        images, labels = data.images[free], data.labels[free]
        groups, same = near_groups(images), duplicate_groups(images)
        for label in np.unique(labels):
            rows = labels == label
            if len(np.unique(groups[rows])) <= len(missing):
                groups[rows] = same[rows]
        first, second = (_TENTH if number in missing else 0.0 for number in (1, 2))
        split[free] = split_groups(labels, groups, (1 - first - second, first, second), seed)
    return replace(data, split=split)
