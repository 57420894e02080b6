"""Change the label of a face of a data set that was built here, or remove the face."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath

from emotion.datasets.building.jobs import check_not_extended
from emotion.datasets.dataset import SPLITS
from emotion.datasets.metadata import FACES_COLUMNS, FACES_FILE, METADATA_FILE, read_metadata, write_csv
from emotion.datasets.readers.image_folders import scan_image_tree, sort_labels
from emotion.datasets.readers.photo_sources import sanitize_label
from emotion.errors import DataError
from emotion.jobs.result_folder import add_files
from emotion.storage import folder_lock, write_json
from emotion.translation.messages import gettext as _

_Rows = dict[str, dict[str, str]]  # of faces.csv by the file of the face


def relabel_face(folder: Path, file: str, label: str) -> None:
    """Give a face another label; it stays in its split.

    Args:
        folder: The data set.
        file: The image of the face, relative to `folder`: "train/happy/00001.png".
        label: The new label.

    Raises:
        DataError: `folder` was not built here or faces are being added to it, there is no such face, the label is
            empty, or the disk refuses it.
    """
    name = sanitize_label(label)
    if not name:
        raise DataError(_("The label {label!r} has no letter; give a word.").format(label=label))

    def move(path: Path, rows: _Rows) -> None:
        target = _find_free_path(path.parent.parent / name)
        new = target.relative_to(folder).as_posix()
        # First, so that a kill leaves no file that the data set does not know.
        add_files(folder, [new])
        target.parent.mkdir(exist_ok=True)
        path.rename(target)
        if row := rows.pop(file, None):
            rows[new] = row | {"file": new, "label": name}

    if PurePosixPath(file).parent.name != name:
        _edit_face(folder, file, move)


def remove_face(folder: Path, file: str) -> None:
    """Remove a face from a data set; arguments and errors as of `relabel_face`."""

    def remove(path: Path, rows: _Rows) -> None:
        path.unlink()
        rows.pop(file, None)

    _edit_face(folder, file, remove)


def _edit_face(folder: Path, file: str, edit: Callable[[Path, _Rows], None]) -> None:
    path = folder / file
    if read_metadata(folder) is None:
        raise DataError(_("{path} was not built on this page; change it by hand.").format(path=folder))
    if path.resolve().parent.parent.parent != folder.resolve() or not path.is_file():
        raise DataError(_("There is no face {file} in {path}; reload the page.").format(file=file, path=folder))
    check_not_extended(folder)
    if len(scan_image_tree(folder).images) == 1:
        raise DataError(_("A data set needs a face; delete the data set instead."))
    try:
        with folder_lock(folder):
            rows = _read_rows(folder)
            edit(path, rows)
            with suppress(OSError):  # it holds other faces
                path.parent.rmdir()
            if rows:
                ordered = sorted(rows.values(), key=lambda row: (row["label"], row["file"]))
                lines = [[row.get(name, "") for name in FACES_COLUMNS] for row in ordered]
                write_csv(folder / FACES_FILE, [FACES_COLUMNS, *lines])
            _update_metadata(folder, rows)
    except OSError as error:
        raise DataError(
            _("{path} cannot be changed ({reason}); check the disk and the permissions.").format(
                path=folder, reason=error.strerror
            )
        ) from error


def _find_free_path(folder: Path) -> Path:
    """Return the path of a face that is not there yet."""
    taken = {path.stem for path in folder.glob("*")}
    number = next(number for number in range(1, len(taken) + 2) if f"{number:05d}" not in taken)
    return folder / f"{number:05d}.png"


def _read_rows(folder: Path) -> _Rows:
    path = folder / FACES_FILE
    if not path.is_file():
        return {}
    with open(path, newline="", encoding="utf-8-sig", errors="replace") as file:
        reader = csv.DictReader(file)
        if not {"file", "label"} <= set(reader.fieldnames or ()):
            raise DataError(
                _("{path} has other columns than {expected}: restore the file, or delete it.").format(
                    path=path, expected=", ".join(FACES_COLUMNS)
                )
            )
        return {row["file"]: row for row in reader}


def _update_metadata(folder: Path, rows: _Rows) -> None:
    """Count the faces again."""
    images = scan_image_tree(folder).images
    labels = sort_labels({image.label for image in images})
    counts = Counter((SPLITS[image.split], image.label) for image in images)
    digests = "\n".join(f"{row['file']} {row.get('digest', '')}" for row in rows.values())
    changes = {
        "faces": len(images),
        "labels": list(labels),
        "counts": {split: {label: counts[split, label] for label in labels} for split in SPLITS},
        **({"sha256": hashlib.sha256(digests.encode()).hexdigest()} if rows else {}),
    }
    write_json(folder / METADATA_FILE, {**(read_metadata(folder) or {}), **changes})
