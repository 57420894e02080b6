"""The name of a data set: check it, and give it to a complete build."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from emotion.errors import DataError
from emotion.jobs.result_folder import check_result_folder, check_staging_folder, complete_result
from emotion.jobs.result_manifest import DATASET, ResultManifest
from emotion.jobs.result_replacement import (
    check_movable,
    check_replaceable,
    remove_result,
    replace_result,
    staging_folder,
)
from emotion.translation.messages import gettext as _

_NAME_PATTERN: Final = re.compile(r"\w[\w .()+-]{0,59}", re.ASCII)
_MAX_SHOWN_NAME: Final = 60  # characters of a name in a message


def validate_name(name: str, parent: Path, *, overwrite: bool = False) -> Path:
    """Return the folder of a data set that is to be built in `parent`.

    Args:
        name: Of the data set.
        parent: The folder of all data sets.
        overwrite: An existing data set that was built here may be replaced.

    Raises:
        DataError: The name is not a plain one, or is taken.
        ResultFolderError: It is taken by a folder that cannot be replaced.
    """
    if not _NAME_PATTERN.fullmatch(name) or name.endswith((".", " ")):
        raise DataError(
            _("{name!r} cannot be the name of a data set; use up to 60 letters, digits, dashes and spaces.").format(
                name=name[:_MAX_SHOWN_NAME]
            )
        )
    manifest = check_result_folder(parent / name, DATASET) if overwrite else None
    if manifest is not None:
        check_replaceable(parent / name, manifest, overwrite=True)
        check_movable(parent / name)
    elif os.path.lexists(parent / name):
        raise DataError(_("A data set {name} exists already; choose another name.").format(name=name))
    return parent / name


def publish(staging: Path, target: Path, *, overwrite: bool) -> None:
    """Rename the complete data set in `staging` to `target`.

    Raises:
        DataError: Another process took the name meanwhile.
        ResultFolderError: The data set to be replaced was changed meanwhile.
    """
    complete_result(staging, ResultManifest(DATASET))
    if hasattr(os, "sync"):
        os.sync()  # the images must reach the disk before the name of their folder does
    validate_name(target.name, target.parent, overwrite=overwrite)
    if target.is_dir():
        if check_staging_folder(target, DATASET) is not None:
            remove_result(staging_folder(target))
        os.rename(staging, staging_folder(target))
        replace_result(target)
    else:
        os.rename(staging, target)
