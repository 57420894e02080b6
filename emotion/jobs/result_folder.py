"""Folders that results are written into: which ones may be, and how one result takes the place of another.

A result goes into a folder that is new, empty, or marked as a result of this program of the same kind. The mark is
the file `MANIFEST_FILE`. A complete result is only replaced as a whole, with the user's word, by one that is complete itself:
the new one is written into the sibling `.NAME.unfinished`, the old one is renamed to `.NAME.replaced`, the new one is
renamed to NAME, and the old one is removed. A process that is killed between these steps leaves both whole, and the
next look at NAME puts one of them in its place. An unfinished result may be continued, or be begun again.

Files that somebody else put into a marked folder are never removed: such a folder is not replaced.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

from emotion.errors import ResultFolderError
from emotion.jobs.process_record import ProcessRecord
from emotion.storage import folder_lock, read_json, write_json

MANIFEST_FILE: Final = ".emotion-result.json"
ANALYSIS: Final = "analysis"
VIDEO: Final = "video analysis"
SYNTHETIC_IMAGES: Final = "set of synthetic images"
MODEL: Final = "model"
DATASET: Final = "data set"
AUGMENTATION_STUDY: Final = "study of synthetic images"
CLASSIFIER: Final = "classifier training"
DETECTOR: Final = "detector training"
GENERATOR: Final = "generator training"
DATASET_BUILD: Final = "preparation of a data set"
JOB: Final = "job"  # a folder that this program made for a job, which then says what it is

_VERSION: Final = 1
_PARTIAL_PATTERN: Final = "*.????????.part*"  # what a killed process leaves of a file, see `storage.atomic_path`
_JOB_FILES: Final = ("job.json", "state.json", "progress.json", "stop", "log.txt", "request.json")
# What each kind may consist of, beside the mark and what a job writes; `*` stands for any characters, also "/".
# Kinds that are never replaced need none.
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
    """What the mark of a folder says. `settings`: what made the result, as plain JSON values, {} where that is kept
    elsewhere; `files`: what a complete result consists of, as paths relative to the folder."""

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


def read_manifest(folder: Path) -> ResultManifest | None:
    """The mark of a folder, None where it has none; `ResultFolderError` where it is damaged or of a later version."""
    found = read_json(folder / MANIFEST_FILE) if folder.is_dir() else None
    if found is None:
        return None
    try:
        mark = ResultManifest(
            str(found["kind"]), bool(found["is_complete"]), dict(found["settings"]), tuple(found["files"])
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ResultFolderError(f"{folder / MANIFEST_FILE} is damaged; choose another folder.") from error
    if found.get("version") != _VERSION:
        raise ResultFolderError(f"{folder} is a result of another version of this program; choose another folder.")
    return mark


# ------------------------------------------------------------------ the rule


def check_result_folder(folder: Path, kind: str, *, inputs: Iterable[Path] = ()) -> ResultManifest | None:
    """Whether a result of `kind` may be in `folder`: its mark, None where it is new or empty.

    Raises `ResultFolderError` for a folder that is neither new nor empty nor marked as that kind, at which another
    process is at work, or which holds one of the `inputs`. Nothing is written, but for a replacement that was broken
    off, which is brought to its end.
    """
    folder = Path(os.path.realpath(folder))
    try:
        _recover_replacement(folder)
        if os.path.lexists(folder) and not folder.is_dir():
            raise ResultFolderError(f"{folder} is a file, a folder was expected; choose another name.")
        for path in inputs:
            if folder in Path(os.path.realpath(path)).parents or folder == Path(os.path.realpath(path)):
                raise ResultFolderError(f"{path} is an input and lies in {folder}; choose another folder.")
        mark = read_manifest(folder)
        if mark is None:
            if folder.is_dir() and not all(fnmatch(path.name, _PARTIAL_PATTERN) for path in folder.iterdir()):
                raise ResultFolderError(
                    f"{folder} holds files that are no {kind} of this program; choose a new or an empty folder."
                )
            return None
        if mark.kind not in (kind, JOB):
            raise ResultFolderError(f"{folder} holds a {mark.kind}, no {kind}; choose another folder.")
        _check_idle(folder)
    except OSError as error:
        raise _write_error(folder, error) from error
    return mark


def claim_result_folder(folder: Path, kind: str, *, inputs: Iterable[Path] = ()) -> None:
    """Take `folder` for a result that is continued in it whenever it is begun again, as a training; see `check_result_folder`."""
    mark = check_result_folder(folder, kind, inputs=inputs)
    if mark is None or mark.kind != kind:
        start_result(folder, ResultManifest(kind), in_progress=False)


def start_result(folder: Path, manifest: ResultManifest, *, in_progress: bool = True) -> None:
    """Make `folder` where it is new, and mark it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        manifest.write(folder, in_progress=in_progress)
    except OSError as error:
        raise _write_error(folder, error) from error


def complete_result(folder: Path, manifest: ResultManifest, files: Iterable[str] | None = None) -> None:
    """Mark the result in `folder` as complete. It consists of `files`, None: of all that are in it now."""
    replace(manifest, is_complete=True, files=tuple(sorted(_iter_files(folder) if files is None else files))).write(
        folder
    )


def add_files(folder: Path, file_names: Iterable[str]) -> None:
    """Count files that were added to a complete result, if `folder` is one, among its own."""
    mark = read_manifest(folder)
    if mark is not None and mark.is_complete:
        replace(mark, files=tuple(sorted({*mark.files, *file_names}))).write(folder)


def clear_result(folder: Path, manifest: ResultManifest, keep: Collection[str] = ()) -> None:
    """Remove what a result of that kind consists of from its folder, and nothing else."""
    gone = [name for name in _iter_files(folder) if name not in (*keep, *_JOB_FILES) and is_result_file(manifest, name)]
    for name in gone:
        (folder / name).unlink(missing_ok=True)
    inner = {above for name in gone for above in (folder / name).parents if folder in above.parents}
    for above in sorted(inner, key=lambda path: -len(path.parts)):
        with suppress(OSError):  # something is left in it
            above.rmdir()


@contextmanager
def create_result(folder: Path, kind: str, *, inputs: Iterable[Path] = (), overwrite: bool = False) -> Iterator[Path]:
    """Where a result of `kind` is to be written, for it to be in `folder` at the end.

    That is `folder` itself where it is new, empty or unfinished, otherwise, with `overwrite`, its sibling, which takes
    its place at the end. After an error `folder` is as before.
    """
    folder = Path(os.path.realpath(folder))
    found = check_result_folder(folder, kind, inputs=inputs)
    staged = found is not None and found.is_complete
    if found is not None:
        check_replaceable(folder, found, overwrite=overwrite or not found.is_complete)
    place, mark, was_there = staging_folder(folder) if staged else folder, ResultManifest(kind), folder.is_dir()
    if staged:
        check_movable(folder)
        check_staging_folder(folder, kind)
    if place.is_dir():
        clear_result(place, mark)
    start_result(place, mark)
    try:
        yield place
        complete_result(place, mark)
        if staged:
            replace_result(folder)
    except BaseException:
        with suppress(OSError):
            clear_result(place, mark)
            (place / MANIFEST_FILE).unlink(missing_ok=True)
            if staged or not was_there:
                place.rmdir()
        raise


# ------------------------------------------------------------------ one result in the place of another


def staging_folder(folder: Path) -> Path:
    """Where the result that shall replace the one in `folder` is written."""
    return folder.with_name(f".{folder.name}.unfinished")


def check_staging_folder(folder: Path, kind: str, *, own_files: Collection[str] = ()) -> ResultManifest | None:
    """What an earlier attempt to replace `folder` left; raises as `check_result_folder` and `check_replaceable`."""
    stage = staging_folder(folder)
    mark = check_result_folder(stage, kind)
    if mark is not None:
        check_replaceable(stage, mark, overwrite=True, own_files=own_files)
    return mark


def check_replaceable(
    folder: Path, manifest: ResultManifest, *, overwrite: bool, own_files: Collection[str] = ()
) -> None:
    """`ResultFolderError` where the result in `folder` may not be replaced: without the user's word, with files in it
    that are not its own (`own_files`: more of them that are), or where the folder cannot be renamed."""
    if not overwrite:
        raise ResultFolderError(
            f"{folder} holds a complete {manifest.kind} already; choose another folder, or replace it with --overwrite."
        )
    strange = next(
        (name for name in sorted(_iter_files(folder)) if name not in own_files and not is_result_file(manifest, name)),
        None,
    )
    if strange is not None:
        raise ResultFolderError(
            f"{folder} holds {strange}, which is no part of its {manifest.kind}; move it away, or choose another folder."
        )


def check_movable(folder: Path) -> None:
    """`ResultFolderError` where the folder cannot be renamed, as a replacement has to."""
    here = Path.cwd()
    if os.path.ismount(folder) or folder == here or folder in here.parents:
        raise ResultFolderError(
            f"{folder} cannot be replaced as a whole, since it is a mount point or the current folder; choose another "
            "folder, or start this from elsewhere."
        )


def replace_result(folder: Path) -> None:
    """Put the complete result in `staging_folder(folder)` in the place of the one in `folder`."""
    old = _backup_folder(folder)
    try:
        with folder_lock(folder.parent):
            os.rename(folder, old)
            try:
                os.rename(staging_folder(folder), folder)
            except OSError:
                os.rename(old, folder)
                raise
            remove_result(old)
    except OSError as error:
        raise _write_error(folder, error) from error


def _backup_folder(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.replaced")


def _recover_replacement(folder: Path) -> None:
    """Bring a replacement to its end that was broken off."""
    old, stage = _backup_folder(folder), staging_folder(folder)
    if not old.is_dir() or (any(old.iterdir()) and read_manifest(old) is None):
        return
    with folder_lock(folder.parent):
        if not os.path.lexists(folder) and old.is_dir():
            made = read_manifest(stage)
            os.rename(stage if made is not None and made.is_complete else old, folder)
        if old.is_dir():
            remove_result(old)


def remove_result(folder: Path) -> None:
    """Remove a marked folder, its mark last: what is left of it by a kill is still known to be a result."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != MANIFEST_FILE:
            path.unlink()
    (folder / MANIFEST_FILE).unlink(missing_ok=True)
    folder.rmdir()


# ------------------------------------------------------------------ parts


def _check_idle(folder: Path) -> None:
    found = (read_json(folder / MANIFEST_FILE) or {}).get("owner")
    with suppress(TypeError):
        owner = ProcessRecord(**(found or {}))
        if owner.pid != os.getpid() and owner.find_process() is not None:
            raise ResultFolderError(f"Another process is at work in {folder}: stop it or choose another folder.")


def _iter_files(folder: Path) -> Iterator[str]:
    """All files below `folder`, relative to it, without the marks; a result within it counts by its own rule."""
    for place, folders, files in os.walk(folder):
        inner = Path(place)
        if inner != folder and (mark := read_manifest(inner)) is not None:
            own = [name for name in _iter_files(inner) if not is_result_file(mark, name)]
            yield from ((inner / name).relative_to(folder).as_posix() for name in own)
            folders.clear()
            continue
        links = [name for name in folders if (inner / name).is_symlink()]
        for name in (*files, *links):
            if name != MANIFEST_FILE:
                yield (inner / name).relative_to(folder).as_posix()


def is_result_file(manifest: ResultManifest, name: str) -> bool:
    """Whether the file `name`, relative to its folder, is a part of the result with that mark."""
    patterns = (*_FILE_PATTERNS.get(manifest.kind, ()), *_JOB_FILES)
    if name in patterns or fnmatch(name, _PARTIAL_PATTERN):
        return True
    return name in manifest.files if manifest.is_complete else any(fnmatch(name, pattern) for pattern in patterns)


def _write_error(folder: Path, error: OSError) -> ResultFolderError:
    why = error.strerror or str(error)
    return ResultFolderError(f"{folder} cannot be written to ({why}); choose another folder.")
