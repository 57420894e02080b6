"""The folder of the data sets that are built here, and the files in each of them that describe it.

dataset.json    configuration, counts, provenance
faces.csv       the photo, box and near-duplicate group of each face
rejected.csv    the photos without a usable face, see `rejections`
synthetic_faces.json    which synthetic faces were added, and by what they were made
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypedDict

from emotion.environment import get_workspace
from emotion.errors import JobError
from emotion.storage import BYTE_ORDER_MARK, escape_formula, read_json, write_atomic

DATASETS_FOLDER: Final = get_workspace() / "data" / "sets"
METADATA_FILE: Final = "dataset.json"
SYNTHETIC_FACES_FILE: Final = "synthetic_faces.json"
_FIELD_TYPES: Final[Mapping[str, type]] = {
    **dict.fromkeys(("name", "created", "source", "sha256"), str),
    **dict.fromkeys(("photos", "faces"), int),
    **dict.fromkeys(("counts", "near_duplicates", "rejected", "config"), dict),
    "labels": list,
}
FACES_FILE: Final = "faces.csv"
FACES_COLUMNS: Final = ("file", "label", "split", "photo", "x1", "y1", "x2", "y2", "detection_score", "group", "digest")


class ModelReference(TypedDict):
    """A model that took part in a build; `sha256` is None for a detector that OpenCV or its model zoo provides."""

    name: str
    sha256: str | None


class BuildProvenance(TypedDict):
    """The models that found the faces: the detector, and the classifier that verified its boxes."""

    detector: ModelReference
    classifier: ModelReference


class NearDuplicateCounts(TypedDict):
    """How many groups of nearly equal faces a data set has, and how many faces are in them."""

    groups: int
    faces: int


class DatasetMetadata(TypedDict):
    """The content of dataset.json.

    `created`: ISO 8601, UTC. `source`: name of the folder or ZIP of photos. `counts`: faces by split and label.
    `rejected`: photos by reason. `provenance`: None where the photos were cropped faces. `sha256`: of the paths and
    pixel digests of all faces, equal for equal data sets.
    """

    name: str
    created: str
    source: str
    photos: int
    faces: int
    labels: list[str]
    counts: dict[str, dict[str, int]]
    near_duplicates: NearDuplicateCounts
    rejected: dict[str, int]
    config: dict[str, Any]
    provenance: BuildProvenance | None
    sha256: str


def read_metadata(folder: Path) -> DatasetMetadata | None:
    """Read dataset.json of a data set; None without one that can be read.

    A file edited by hand may lack fields; those with a value of another type are left out.
    """
    try:
        metadata = read_json(folder / METADATA_FILE)
    except JobError:
        return None
    if metadata is None:
        return None
    return {key: value for key, value in metadata.items() if isinstance(value, _FIELD_TYPES.get(key, object))}  # type: ignore[return-value]


def write_csv(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Write rows as a CSV file that a spreadsheet opens without running any of its cells as a formula."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([escape_formula(cell) for cell in row] for row in rows)
    write_atomic(path, BYTE_ORDER_MARK + text.getvalue())
