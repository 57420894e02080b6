"""Decide into which folders a result may be written, and write it there.

A result goes into a folder that is new, empty, or marked by a manifest as a result of the same kind. An unfinished
result may be continued or started again. A complete one is only replaced with the user's permission, as a whole, by
one that is complete itself (`jobs.result_replacement`). Files in it that are no part of the result are never removed:
such a folder is not replaced.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

from emotion.errors import ResultFolderError
from emotion.jobs.result_manifest import (
    JOB,
    JOB_FILES,
    MANIFEST_FILE,
    PARTIAL_PATTERN,
    ResultManifest,
    iter_files,
    read_manifest,
    read_owner,
    write_error,
)
from emotion.jobs.result_replacement import (
    check_movable,
    check_replaceable,
    recover_replacement,
    replace_result,
    staging_folder,
)
from emotion.storage import LOCK_FILE


def check_result_folder(folder: Path, kind: str, *, inputs: Iterable[Path] = ()) -> ResultManifest | None:
    """Check that a result may be written into a folder.

    Writes nothing, except to finish a replacement that was interrupted.

    Args:
        folder: The folder.
        kind: The kind of the result.
        inputs: Files and folders that the result is made of.

    Returns:
        The manifest of the folder, None where it is new or empty.

    Raises:
        ResultFolderError: The folder is neither new nor empty nor marked as that kind, another process works in
            it, or it contains one of the inputs.
    """
    folder = Path(os.path.realpath(folder))
    try:
        recover_replacement(folder)
        if os.path.lexists(folder) and not folder.is_dir():
            raise ResultFolderError(f"{folder} is a file, a folder was expected; choose another name.")
        for path in inputs:
            if folder in Path(os.path.realpath(path)).parents or folder == Path(os.path.realpath(path)):
                raise ResultFolderError(f"{path} is an input and lies in {folder}; choose another folder.")
        manifest = read_manifest(folder)
        if manifest is None:
            if folder.is_dir() and not all(map(_is_temporary, folder.iterdir())):
                raise ResultFolderError(
                    f"{folder} holds files that are no {kind} of this program; choose a new or an empty folder."
                )
            return None
        if manifest.kind not in (kind, JOB):
            raise ResultFolderError(f"{folder} holds a {manifest.kind}, no {kind}; choose another folder.")
        _check_idle(folder)
    except OSError as error:
        raise write_error(folder, error) from error
    return manifest


def claim_result_folder(folder: Path, kind: str, *, inputs: Iterable[Path] = ()) -> None:
    """Mark `folder` for a result that every run continues, such as a training; see `check_result_folder`."""
    manifest = check_result_folder(folder, kind, inputs=inputs)
    if manifest is None or manifest.kind != kind:
        start_result(folder, ResultManifest(kind), in_progress=False)


def start_result(folder: Path, manifest: ResultManifest, *, in_progress: bool = True) -> None:
    """Make `folder` where it is missing, and mark it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        manifest.write(folder, in_progress=in_progress)
    except OSError as error:
        raise write_error(folder, error) from error


def complete_result(folder: Path, manifest: ResultManifest, files: Iterable[str] | None = None) -> None:
    """Mark the result in `folder` as complete, consisting of `files`, or where None, of all files in the folder."""
    names = tuple(sorted(iter_files(folder) if files is None else files))
    replace(manifest, is_complete=True, files=names).write(folder)


def add_files(folder: Path, file_names: Iterable[str]) -> None:
    """Record more files as parts of the result in `folder`, if it is a complete one."""
    manifest = read_manifest(folder)
    if manifest is not None and manifest.is_complete:
        replace(manifest, files=tuple(sorted({*manifest.files, *file_names}))).write(folder)


def clear_result(folder: Path, manifest: ResultManifest, keep: Collection[str] = ()) -> None:
    """Remove the files of the result from its folder, and nothing else."""
    removed = [name for name in iter_files(folder) if name not in (*keep, *JOB_FILES) and manifest.includes(name)]
    for name in removed:
        (folder / name).unlink(missing_ok=True)
    inner = {parent for name in removed for parent in (folder / name).parents if folder in parent.parents}
    for parent in sorted(inner, key=lambda path: -len(path.parts)):
        with suppress(OSError):  # not empty
            parent.rmdir()


@contextmanager
def create_result(folder: Path, kind: str, *, inputs: Iterable[Path] = (), overwrite: bool = False) -> Iterator[Path]:
    """Provide the folder to write a result into, and complete the result at the end of the block.

    After an error `folder` is unchanged.

    Args:
        folder: Where the result is in the end.
        kind: The kind of the result.
        inputs: Files and folders that it is made of.
        overwrite: Whether a complete result in `folder` may be replaced.

    Yields:
        `folder` itself where it is new, empty or unfinished, else a sibling that takes its place at the end.
    """
    folder = Path(os.path.realpath(folder))
    existing = check_result_folder(folder, kind, inputs=inputs)
    is_staged = existing is not None and existing.is_complete
    if existing is not None:
        check_replaceable(folder, existing, overwrite=overwrite or not existing.is_complete)
    target, manifest, existed = staging_folder(folder) if is_staged else folder, ResultManifest(kind), folder.is_dir()
    if is_staged:
        check_movable(folder)
        check_staging_folder(folder, kind)
    if target.is_dir():
        clear_result(target, manifest)
    start_result(target, manifest)
    try:
        yield target
        complete_result(target, manifest)
        if is_staged:
            replace_result(folder)
    except BaseException:
        with suppress(OSError):
            clear_result(target, manifest)
            (target / MANIFEST_FILE).unlink(missing_ok=True)
            if is_staged or not existed:
                target.rmdir()
        raise


def check_staging_folder(folder: Path, kind: str, *, own_files: Collection[str] = ()) -> ResultManifest | None:
    """Return the manifest that an earlier attempt to replace `folder` left; raises as the two other checks do."""
    staging = staging_folder(folder)
    manifest = check_result_folder(staging, kind)
    if manifest is not None:
        check_replaceable(staging, manifest, overwrite=True, own_files=own_files)
    return manifest


def _is_temporary(path: Path) -> bool:
    return path.name == LOCK_FILE or fnmatch(path.name, PARTIAL_PATTERN)


def _check_idle(folder: Path) -> None:
    owner = read_owner(folder)
    if owner is not None and owner.pid != os.getpid() and owner.find_process() is not None:
        raise ResultFolderError(f"Another process is working in {folder}: stop it or choose another folder.")
