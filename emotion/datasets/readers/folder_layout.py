"""Split and label of an image from the folders it is in: one set of rules for folders and ZIP files.

    split/label/image    train/happy/1.png, "Training set"/happy/1.png, dev/happy/1.png
    label/image          happy/1.png; without a split
    label/split/image    happy/train/1.png

A folder around the whole tree is ignored, and so are hidden files and folders at every depth. Folders that fit none of
these forms are reported.
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
from emotion.translation.messages import gettext as _

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
    """Split and label of an image: an index into `SPLITS`, -1 for none, and the name of a folder, "" for none."""

    split: int
    label: str


class Layout(NamedTuple):
    """Split and label of each image, and a sentence for each folder without a clear meaning."""

    placements: list[Placement]
    notes: list[str]


def parse_split(folder_name: str) -> int | None:
    """Return the split (index into `SPLITS`) that a folder name means, None for none: "Training set" is 0."""
    word = re.sub(r"[\W_]+", "", folder_name.lower())
    return _SPLIT_INDEX.get(word, _SPLIT_INDEX.get(_SPLIT_SUFFIX.sub("", word)))


def is_hidden(path: str) -> bool:
    """Return whether a path, or a folder in it, is hidden or belongs to the system (`__MACOSX`)."""
    *folders, name = PurePosixPath(path).parts or ("",)
    return any(part.startswith(".") and part != ".." for part in (*folders, name)) or any(
        part.startswith("__") for part in folders
    )


def is_image(path: str) -> bool:
    """Return whether a path names an image that is not hidden."""
    return PurePosixPath(path).suffix.lower() in IMAGE_SUFFIXES and not is_hidden(path)


def iter_image_files(folder: Path, *, follow_links: bool) -> Iterator[Path]:
    """Iterate over all images below a folder that are not hidden.

    Args:
        folder: The root of the tree.
        follow_links: Enter linked folders, each real folder once.

    Raises:
        OSError: A folder cannot be read.
    """
    seen: set[str] = set()
    for parent, folders, files in os.walk(folder, onerror=_raise, followlinks=follow_links):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        yield from (Path(parent, name) for name in files if is_image(name))


def _raise(error: OSError) -> NoReturn:
    raise error


def relative_posix_path(path: Path, folder: Path) -> str:
    """Return the path below a folder with "/" between its parts; bytes that are not UTF-8 are replaced."""
    return os.fsencode(path.relative_to(folder).as_posix()).decode(errors="replace")


def parse_layout(paths: Sequence[str], root: Path) -> Layout:
    """Return split and label of images.

    Args:
        paths: Of the images below `root`, with "/" between the parts.
        root: Only named in messages.

    Raises:
        DataError: A folder may be a label or a group of labels, as in "2019/happy".
    """
    all_folders = [PurePosixPath(path).parts[:-1] for path in paths]
    folders, depth = all_folders, 0
    while _has_wrapper_folder(folders):
        folders, depth = [parts[1:] for parts in folders], depth + 1
    has_splits = any(len(parts) > 1 and parse_split(parts[0]) is not None for parts in folders)
    placements = [_parse_placement(parts, has_splits) for parts in folders]
    _check_labels(folders, placements, root)
    unknown = Counter(
        "/".join(parts[: depth + 1])
        for parts, placement in zip(all_folders, placements, strict=True)
        if not placement.label
    )
    return Layout(placements, [_format_note(folder, count, has_splits) for folder, count in unknown.items()])


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
    reason = "neither a split nor a known expression" if has_splits else "not a label"
    return f"{folder or 'The top folder'}: {images} left out, since this folder is {reason}."


def _has_wrapper_folder(folders: list[PathParts]) -> bool:
    """Whether one folder, neither a split nor a known label, holds all other folders.

    A few images may lie beside those folders, as the cover of a collection does. They may lie in the wrapper itself
    only where the folders in it are known labels or splits; otherwise the wrapper may be a label.
    """
    deep = [parts for parts in folders if len(parts) > 1]
    shallow = [parts for parts in folders if len(parts) < 2]
    names = {parts[0] for parts in deep}
    has_known = any(_is_known(parts[1]) for parts in deep)
    allowed = {(), tuple(names)} if has_known else {()}
    if len(names) != 1 or len(shallow) >= len(deep) or not set(shallow) <= allowed:
        return False
    return not _is_known(*names)


def _is_known(name: str) -> bool:
    return parse_split(name) is not None or canonical_expression(name) is not None


def _check_labels(folders: list[PathParts], placements: list[Placement], root: Path) -> None:
    """Refuse photos sorted by year, then by expression: their labels would be the years."""
    outer_folders: dict[PathParts, PathParts] = {}  # folder of a label -> folder of an expression in it
    with_images: set[PathParts] = set()
    for parts, placement in zip(folders, placements, strict=True):
        if not placement.label or canonical_expression(placement.label):
            continue
        depth = parts.index(placement.label) + 1
        if len(parts) == depth:
            with_images.add(parts)
        elif canonical_expression(parts[depth]):
            outer_folders.setdefault(parts[:depth], parts[: depth + 1])
    for folder, inner in outer_folders.items():
        if folder not in with_images:
            raise DataError(
                _(
                    "The folder {folder} names no known expression and holds no images itself, but {name} in it "
                    "does; expected split/label or label folders with images in them."
                ).format(folder=root.joinpath(*folder), name=inner[-1])
            )
