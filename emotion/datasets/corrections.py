"""The labels that people chose for faces whose prediction is wrong: in memory, or as a data set for training.

data/sets/corrections/train/LABEL/DIGEST.png    the faces as the classifier gets them, gray
data/sets/corrections/dataset.json              see `metadata`

Validation and test splits are held out when the data set is loaded, as of every folder without them.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from emotion.datasets import metadata
from emotion.datasets.dataset import SPLITS
from emotion.datasets.metadata import METADATA_FILE, DatasetMetadata, read_metadata
from emotion.datasets.readers.image_folders import sort_labels
from emotion.datasets.readers.photo_sources import sanitize_label
from emotion.errors import DataError
from emotion.jobs.result_folder import claim_result_folder
from emotion.jobs.result_manifest import DATASET, MANIFEST_FILE
from emotion.media.image_array import ImageArray
from emotion.media.image_reader import encode_png
from emotion.storage import folder_lock, write_atomic, write_json
from emotion.translation.messages import gettext as _

CORRECTIONS_NAME: Final = "corrections"
_TRAINING: Final = SPLITS[0]
_DIGEST_BYTES: Final = 16
_UNNAMED: Final = "no name"  # the folder of a label without a letter


class CorrectionStore(Protocol):
    """Keeps the labels of faces; a face is the gray uint8 (side, side) input of a classifier."""

    def find_label(self, face: ImageArray) -> str | None:
        """Return the label of a face in the form of `get_folder_name`; None without one."""
        ...

    def set_label(self, face: ImageArray, label: str) -> None:
        """Label a face, in place of an earlier label."""
        ...

    def remove(self, face: ImageArray) -> None:
        """Remove the label of a face, if it has one."""
        ...

    def count_faces(self) -> int:
        """Return the number of labeled faces."""
        ...


def get_folder_name(label: str) -> str:
    """Return the name of the folder of a label."""
    return sanitize_label(label) or _UNNAMED


class MemoryCorrections:
    """Labels of faces in memory."""

    def __init__(self, faces: dict[str, tuple[str, bytes]] | None = None) -> None:
        """Use `faces`: the name of the file of each face, the folder of its label, and its PNG."""
        self._faces = {} if faces is None else faces

    def find_label(self, face: ImageArray) -> str | None:
        """Return the label of a face."""
        return self._faces.get(_make_name(face), (None, b""))[0]

    def set_label(self, face: ImageArray, label: str) -> None:
        """Label a face."""
        self._faces[_make_name(face)] = get_folder_name(label), _encode(face)

    def remove(self, face: ImageArray) -> None:
        """Remove the label of a face."""
        self._faces.pop(_make_name(face), None)

    def count_faces(self) -> int:
        """Return the number of labeled faces."""
        return len(self._faces)

    def list_files(self) -> dict[str, bytes]:
        """Return the faces as PNG by their path, "sad/DIGEST.png", in a form that a data set is built of."""
        return {f"{label}/{name}": png for name, (label, png) in self._faces.items()}


class FolderCorrections:
    """Labels of faces in a data set on this machine.

    Its methods raise `DataError` where the folder cannot be read or written, and `ResultFolderError` where it holds
    files that this program did not make.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Use `folder`, or `corrections` among the data sets of this machine."""
        self.folder = folder or metadata.DATASETS_FOLDER / CORRECTIONS_NAME

    def find_label(self, face: ImageArray) -> str | None:
        """Return the label of a face."""
        return next((path.parent.name for path in self._find_files(face)), None)

    def set_label(self, face: ImageArray, label: str) -> None:
        """Label a face."""
        try:
            claim_result_folder(self.folder, DATASET)
            with folder_lock(self.folder):
                path = self.folder / _TRAINING / get_folder_name(label) / _make_name(face)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(path, _encode(face))
                self._remove_files([other for other in self._find_files(face) if other != path])
                self._write_metadata()
        except OSError as error:
            raise self._make_error(error) from error

    def remove(self, face: ImageArray) -> None:
        """Remove the label of a face."""
        if not self._find_files(face):
            return
        try:
            with folder_lock(self.folder):
                self._remove_files(self._find_files(face))
                if self.count_faces():
                    self._write_metadata()
                    return
                # A data set without a face is none; what a person put there stays.
                for name in (METADATA_FILE, MANIFEST_FILE):
                    (self.folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise self._make_error(error) from error
        with suppress(OSError):  # not empty
            for empty in (self.folder / _TRAINING, self.folder):
                empty.rmdir()

    def count_faces(self) -> int:
        """Return the number of labeled faces."""
        return sum(1 for _path in self.folder.glob(f"{_TRAINING}/*/*.png"))

    def _find_files(self, face: ImageArray) -> list[Path]:
        return list(self.folder.glob(f"{_TRAINING}/*/{_make_name(face)}"))

    def _remove_files(self, paths: list[Path]) -> None:
        for path in paths:
            path.unlink()
            with suppress(OSError):  # it holds other faces
                path.parent.rmdir()

    def _write_metadata(self) -> None:
        paths = sorted(self.folder.glob(f"{_TRAINING}/*/*.png"))
        counts = Counter(path.parent.name for path in paths)
        existing = read_metadata(self.folder)
        digests = "\n".join(path.relative_to(self.folder).as_posix() for path in paths)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        content: DatasetMetadata = {
            "name": self.folder.name,
            "created": existing["created"] if existing and "created" in existing else now,
            "source": "corrected predictions",
            "photos": len(paths),
            "faces": len(paths),
            "labels": list(sort_labels(set(counts))),
            "counts": {_TRAINING: dict(counts)},
            "near_duplicates": {"groups": 0, "faces": 0},
            "rejected": {},
            "config": {},
            "provenance": None,
            "sha256": hashlib.sha256(digests.encode()).hexdigest(),
        }
        write_json(self.folder / METADATA_FILE, content)

    def _make_error(self, error: OSError) -> DataError:
        return DataError(
            _("The label cannot be saved in {folder} ({reason}); check the disk and the permissions.").format(
                folder=self.folder, reason=error.strerror or error
            )
        )


def _make_name(face: ImageArray) -> str:
    """Return the file name of a face: of equal pixels the same one."""
    return f"{hashlib.blake2b(face.tobytes(), digest_size=_DIGEST_BYTES).hexdigest()}.png"


def _encode(face: ImageArray) -> bytes:
    return encode_png(np.repeat(face[..., None], 3, axis=2))
