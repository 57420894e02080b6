"""The manifest that marks a folder as a result of this program: its kind, its settings and its files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

from emotion.errors import ResultFolderError
from emotion.jobs.process_record import ProcessRecord
from emotion.storage import LOCK_FILE, read_json, write_json

MANIFEST_FILE: Final = ".emotion-result.json"
ANALYSIS: Final = "analysis"
VIDEO: Final = "video analysis"
SYNTHETIC_IMAGES: Final = "set of synthetic images"
MODEL: Final = "model"
DATASET: Final = "data set"
ARCHIVE: Final = "archive analysis"
AUGMENTATION_STUDY: Final = "augmentation study"
CLASSIFIER: Final = "classifier training"
DETECTOR: Final = "detector training"
FEATURES: Final = "features training"
GENERATOR: Final = "generator training"
SWEEP: Final = "sweep"
UPSCALER: Final = "upscaler training"
DATASET_BUILD: Final = "data set build"
JOB: Final = "job"  # a folder that was made for a job, whose kind follows when the job starts

PARTIAL_PATTERN: Final = "*.????????.part*"  # what a killed process leaves of a file, see `storage.atomic_path`
JOB_FILES: Final = ("job.json", "state.json", "progress.json", "stop", "log.txt", "request.json", "owner.json")
_VERSION: Final = 1
# The files of each kind, beside the manifest and those of a job; `*` stands for any characters, also "/". Kinds that
# are never replaced have none.
_FILE_PATTERNS: Final[Mapping[str, tuple[str, ...]]] = {
    ANALYSIS: ("faces.csv", "faces.json", ".images.jsonl", ".unfinished/*"),
    VIDEO: (
        "video_info.json",
        "frames.jsonl",
        "annotated.mp4",
        "preview.jpg",
        "summary.json",
        "highlights.json",
        "people.json",
        "markers.json",
        "markers.csv",
        "cover.jpg",
        "regions.jsonl",
        "provenance.json",
        "subtitles.zip",
        "redraw/*",
        "faces.csv",
        "faces.json",
        "expressions.vtt",
        "thumbnails.zip",
        "report.html",
        "thumbnails/quality.json",
        "thumbnails/*.jpg",
        "highlights/*.jpg",
    ),
    ARCHIVE: (
        "sources.parquet",
        "pieces.jsonl",
        "pieces/*.parquet",
        "files/*.parquet",
        "faces/*.parquet",
        "videos/*.parquet",
        "errors/*.parquet",
    ),
    SYNTHETIC_IMAGES: ("sheet.png", "faces.json", "*-*.png"),
    MODEL: (
        "card.json",
        "config.json",
        "history.csv",
        "report.json",
        "model.keras",
        "model.onnx",
        "predictions.npz",
        "tracked_examples.npz",
        "robustness.json",
        "steps.csv",
        "augmentation_study.json",
        "samples.webp",
    ),
    DATASET: ("synthetic_faces.json",),
}


@dataclass(frozen=True)
class ResultManifest:
    """The content of the manifest.

    Attributes:
        kind: The kind of the result.
        is_complete: Whether all its files are written.
        settings: The settings that made it as plain JSON values, {} where another file holds them.
        files: The files of a complete result, as paths relative to the folder.
    """

    kind: str
    is_complete: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()

    def write(self, folder: Path, *, in_progress: bool = False) -> None:
        """Mark `folder`; `in_progress`: this process is writing into it."""
        owner = ProcessRecord.from_current_process("running")._asdict() if in_progress else None
        write_json(
            folder / MANIFEST_FILE, {"program": "Emotion Studio", "version": _VERSION, **asdict(self), "owner": owner}
        )

    def includes(self, name: str) -> bool:
        """Return whether the file `name`, relative to the folder, is a part of the result."""
        patterns = (*_FILE_PATTERNS.get(self.kind, ()), *JOB_FILES)
        if name in patterns or fnmatch(name, PARTIAL_PATTERN):
            return True
        return name in self.files if self.is_complete else any(fnmatch(name, pattern) for pattern in patterns)


def read_manifest(folder: Path) -> ResultManifest | None:
    """Read the manifest of a folder, None where it has none.

    Raises:
        ResultFolderError: The manifest is damaged or of another version of the program.
    """
    values = read_json(folder / MANIFEST_FILE) if folder.is_dir() else None
    if values is None:
        return None
    try:
        manifest = ResultManifest(
            str(values["kind"]), bool(values["is_complete"]), dict(values["settings"]), tuple(values["files"])
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ResultFolderError(f"{folder / MANIFEST_FILE} is damaged; choose another folder.") from error
    if values.get("version") != _VERSION:
        raise ResultFolderError(f"{folder} is a result of another version of this program; choose another folder.")
    return manifest


def read_owner(folder: Path) -> ProcessRecord | None:
    """Return the process that is recorded as writing into the folder, None where there is none."""
    owner = (read_json(folder / MANIFEST_FILE) or {}).get("owner")
    return ProcessRecord.from_values(owner) if isinstance(owner, Mapping) else None


def iter_files(folder: Path) -> Iterator[str]:
    """Yield all files below `folder`, relative to it, except manifests and locks.

    Of a result inside it, only the files that are not a part of that result.
    """
    for root, folder_names, file_names in os.walk(folder):
        current = Path(root)
        if current != folder and (manifest := read_manifest(current)) is not None:
            foreign = [name for name in iter_files(current) if not manifest.includes(name)]
            yield from ((current / name).relative_to(folder).as_posix() for name in foreign)
            folder_names.clear()
            continue
        links = [name for name in folder_names if (current / name).is_symlink()]
        for name in (*file_names, *links):
            if name not in (MANIFEST_FILE, LOCK_FILE):
                yield (current / name).relative_to(folder).as_posix()


def write_error(folder: Path, error: OSError) -> ResultFolderError:
    """Make the error for a folder that cannot be written to."""
    return ResultFolderError(f"{folder} cannot be written to ({error.strerror or error}); choose another folder.")
