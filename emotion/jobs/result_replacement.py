"""Replace a complete result by another one as a whole.

The new result is written into the sibling `.NAME.unfinished`, the old one is renamed to `.NAME.replaced`, the new one
is renamed to NAME, and the old one is removed. A process that is killed between these steps leaves both intact, and
`recover_replacement` puts one of them in place.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path

from emotion.errors import ResultFolderError
from emotion.jobs.result_manifest import MANIFEST_FILE, ResultManifest, iter_files, read_manifest, write_error
from emotion.storage import folder_lock


def staging_folder(folder: Path) -> Path:
    """Return the sibling into which the replacement of the result in `folder` is written."""
    return folder.with_name(f".{folder.name}.unfinished")


def check_replaceable(
    folder: Path, manifest: ResultManifest, *, overwrite: bool, own_files: Collection[str] = ()
) -> None:
    """Check that the result in `folder` may be replaced.

    Args:
        folder: The folder of the result.
        manifest: Its manifest.
        overwrite: Whether the user allowed it.
        own_files: Files that count as parts of the result, beside those of the manifest.

    Raises:
        ResultFolderError: The user did not allow it, or the folder holds files that are no part of the result.
    """
    if not overwrite:
        raise ResultFolderError(
            f"{folder} holds a complete {manifest.kind} already; choose another folder, or replace it with --overwrite."
        )
    foreign = [name for name in iter_files(folder) if name not in own_files and not manifest.includes(name)]
    if foreign:
        raise ResultFolderError(
            f"{folder} holds {min(foreign)}, which is no part of its {manifest.kind}; "
            "move it away, or choose another folder."
        )


def check_movable(folder: Path) -> None:
    """Raise `ResultFolderError` if the folder cannot be renamed, as a replacement requires."""
    current = Path.cwd()
    if os.path.ismount(folder) or folder == current or folder in current.parents:
        raise ResultFolderError(
            f"{folder} cannot be replaced as a whole, since it is a mount point or the current folder; choose another "
            "folder, or start this from elsewhere."
        )


def replace_result(folder: Path) -> None:
    """Move the complete result in `staging_folder(folder)` to `folder`, and remove the one that is there."""
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
        raise write_error(folder, error) from error


def recover_replacement(folder: Path) -> None:
    """Finish a replacement of `folder` that was interrupted, if there is one."""
    old, staging = _backup_folder(folder), staging_folder(folder)
    if not old.is_dir() or (any(old.iterdir()) and read_manifest(old) is None):
        return
    with folder_lock(folder.parent):
        if not os.path.lexists(folder) and old.is_dir():
            manifest = read_manifest(staging)
            os.rename(staging if manifest is not None and manifest.is_complete else old, folder)
        if old.is_dir():
            remove_result(old)


def remove_result(folder: Path) -> None:
    """Remove a result, its manifest last: what a kill leaves of it is still recognized as a result."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != MANIFEST_FILE:
            path.unlink()
    (folder / MANIFEST_FILE).unlink(missing_ok=True)
    folder.rmdir()


def _backup_folder(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.replaced")
