"""What the folders of a data set mean: one set of rules for folders and for ZIP files.

    split/label/image    train/happy/1.png, "Training set"/happy/1.png, dev/happy/1.png
    label/image          happy/1.png; no split is given
    label/split/image    happy/train/1.png

Folders around all of it do not count, hidden files and folders are skipped at every depth, and what fits none of these
forms is named.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple, NoReturn

from emotion.errors import DataError
from emotion.expressions import canonical_expression

IMAGE_SUFFIXES: Final = {
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
    ".hif",
    ".jfif",
    ".mpo",
}
_SPLIT_ALIASES: Final = (
    ("train", "training"),
    ("val", "valid", "validate", "validation", "dev", "development", "public", "publictest"),
    ("test", "testing", "private", "privatetest"),
)
_SPLIT_INDEX: Final = {word: number for number, words in enumerate(_SPLIT_ALIASES) for word in words}
_SPLIT_SUFFIX: Final = re.compile("(data|set|split|images)+$")  # as in "train_set" and "Validation data"

PathParts = tuple[str, ...]


class Placement(NamedTuple):
    """Where an image belongs: `split` is an index into `SPLITS`, -1 where the folders do not tell; `label` is the name
    of its folder, "" where none tells."""

    split: int
    label: str


class Layout(NamedTuple):
    """The place of each image, and a sentence for each folder that was not understood."""

    placements: list[Placement]
    notes: list[str]


def parse_split(folder_name: str) -> int | None:
    """The split (index into `SPLITS`) that the name of a folder means, None for none: "Training set" -> 0."""
    word = re.sub(r"[\W_]+", "", folder_name.lower())
    return _SPLIT_INDEX.get(word, _SPLIT_INDEX.get(_SPLIT_SUFFIX.sub("", word)))


def is_hidden(path: str) -> bool:
    """Whether a file, or one of the folders that it lies in, is hidden or belongs to the system."""
    *folders, name = PurePosixPath(path).parts or ("",)
    return any(part.startswith(".") and part != ".." for part in (*folders, name)) or any(
        part.startswith("__") for part in folders
    )


def is_image(path: str) -> bool:
    """Whether a path names an image that is not hidden."""
    return PurePosixPath(path).suffix.lower() in IMAGE_SUFFIXES and not is_hidden(path)


def iter_image_files(folder: Path, *, follow_links: bool) -> Iterator[Path]:
    """All images below a folder that are not hidden. With `follow_links`, a folder that links lead to several times is
    read once. Raises `OSError` where a folder cannot be read."""
    seen: set[str] = set()
    for place, folders, files in os.walk(folder, onerror=_raise, followlinks=follow_links):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        yield from (Path(place, name) for name in files if is_image(name))


def _raise(error: OSError) -> NoReturn:
    raise error


def relative_posix_path(path: Path, folder: Path) -> str:
    """The path below a folder with "/" between its parts, bytes that are no text replaced."""
    return os.fsencode(path.relative_to(folder).as_posix()).decode(errors="replace")


def parse_layout(paths: Sequence[str], root: Path) -> Layout:
    """Split and label of images by their paths below `root`.

    Raises `DataError` where a folder may be a label or may only sort the labels in it, as "2019/happy" does.
    """
    whole = [PurePosixPath(path).parts[:-1] for path in paths]
    folders, depth = whole, 0
    while _has_wrapper_folder(folders):
        folders, depth = [parts[1:] for parts in folders], depth + 1
    has_splits = any(len(parts) > 1 and parse_split(parts[0]) is not None for parts in folders)
    places = [_parse_placement(parts, has_splits) for parts in folders]
    _check_labels(folders, places, root)
    unknown = Counter(
        "/".join(parts[: depth + 1]) for parts, placed in zip(whole, places, strict=True) if not placed.label
    )
    return Layout(places, [_format_note(folder, count, has_splits) for folder, count in unknown.items()])


def _parse_placement(parts: PathParts, has_splits: bool) -> Placement:
    split = parse_split(parts[0]) if parts else None
    inner = list(parts if split is None else parts[1:])
    if not inner or (split is None and has_splits and canonical_expression(inner[0]) is None):
        return Placement(-1, "")
    if split is None and len(inner) > 1:
        split = parse_split(inner[1])
    return Placement(-1 if split is None else split, inner[0])


def _format_note(folder: str, count: int, has_splits: bool) -> str:
    images = "1 image is" if count == 1 else f"{count:,} images are"
    why = "neither a split nor a known expression" if has_splits else "no label"
    return f"{folder or 'The top folder'}: {images} left out, for this folder is {why}."


def _has_wrapper_folder(folders: list[PathParts]) -> bool:
    """Whether all images lie in one folder that is neither a split nor a label, and in others below it. A few may lie
    beside these, as the cover of a collection does: in it only where the others are known for labels or splits, for it
    may be a label itself."""
    deep = [parts for parts in folders if len(parts) > 1]
    beside = [parts for parts in folders if len(parts) < 2]
    words = {parts[0] for parts in deep}
    known = any(_is_known(parts[1]) for parts in deep)
    covers = {(), tuple(words)} if known else {()}
    if len(words) != 1 or len(beside) >= len(deep) or not set(beside) <= covers:
        return False
    return not _is_known(*words)


def _is_known(name: str) -> bool:
    return parse_split(name) is not None or canonical_expression(name) is not None


def _check_labels(folders: list[PathParts], placements: list[Placement], root: Path) -> None:
    """Photos sorted by year, then by expression, would else teach the years."""
    around: dict[PathParts, PathParts] = {}  # the folder of a label, and of an expression in it
    filled: set[PathParts] = set()
    for parts, placed in zip(folders, placements, strict=True):
        if not placed.label or canonical_expression(placed.label):
            continue
        depth = parts.index(placed.label) + 1
        if len(parts) == depth:
            filled.add(parts)
        elif canonical_expression(parts[depth]):
            around.setdefault(parts[:depth], parts[: depth + 1])
    for folder, inner in around.items():
        if folder not in filled:
            raise DataError(
                f"The folder {root.joinpath(*folder)} names no known expression and holds no images itself, but "
                f"{inner[-1]} does; expected split/label or label folders with images in them."
            )
