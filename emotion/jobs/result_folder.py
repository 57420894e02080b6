"""Folders that results are written into: which ones may be, and how one result takes the place of another.

A result goes into a folder that is new, empty, or marked as a result of this program of the same kind. The mark is
the file `MARK`. A complete result is only replaced as a whole, with the user's word, by one that is complete itself:
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
from emotion.jobs.process_record import Owner
from emotion.storage import alone_in, read_json, write_json

MARK: Final = ".emotion-result.json"
ANALYSIS: Final = "analysis"
VIDEO: Final = "video analysis"
SYNTHETIC: Final = "set of synthetic images"
MODEL: Final = "model"
DATASET: Final = "data set"
BENEFIT: Final = "study of synthetic images"
CLASSIFIER: Final = "classifier training"
DETECTOR: Final = "detector training"
GENERATOR: Final = "generator training"
PREPARATION: Final = "preparation of a data set"
JOB: Final = "job"  # a folder that this program made for a job, which then says what it is

_VERSION: Final = 1
_HALF: Final = "*.????????.part*"  # what a killed process leaves of a file, see `files.replacing`
_JOB_FILES: Final = ("job.json", "state.json", "progress.json", "stop", "log.txt", "request.json")
# What each kind may consist of, beside the mark and what a job writes; `*` stands for any characters, also "/".
# Kinds that are never replaced need none.
_FILES: Final[Mapping[str, tuple[str, ...]]] = {
    ANALYSIS: ("faces.csv", "faces.json", ".images.jsonl", ".unfinished/*"),
    VIDEO: (
        "facts.json", "frames.jsonl", "annotated.mp4", "preview.jpg", "summary.json", "moments.json", "cast.json",
        "cover.jpg", "regions.jsonl", "provenance.json", "subtitles.zip", "redraw/*",
        "faces.csv", "faces.json", "expressions.vtt", "crops.zip", "report.html", "crops/values.json", "crops/*.jpg",
        "moments/*.jpg",
    ),
    SYNTHETIC: ("sheet.png", "faces.json", "*-*.png"),
    MODEL: (
        "card.json", "config.json", "history.csv", "report.json", "model.keras", "model.onnx", "answers.npz",
        "examples.npz", "stress.json", "steps.csv", "benefit.json", "samples.webp",
    ),
    DATASET: ("synthetic.json",),
}  # fmt: skip


@dataclass(frozen=True)
class Mark:
    """What the mark of a folder says. `settings`: what made the result, as plain JSON values, {} where that is kept
    elsewhere; `files`: what a complete result consists of, as paths relative to the folder."""

    kind: str
    complete: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()

    def write(self, folder: Path, *, working: bool = False) -> None:
        """Mark `folder`; `working`: this process is writing into it."""
        owner = Owner.of_this_process("running")._asdict() if working else None
        write_json(folder / MARK, {"program": "Emotion Studio", "version": _VERSION, **asdict(self), "owner": owner})


def read_mark(folder: Path) -> Mark | None:
    """The mark of a folder, None where it has none; `ResultFolderError` where it is damaged or of a later version."""
    found = read_json(folder / MARK) if folder.is_dir() else None
    if found is None:
        return None
    try:
        mark = Mark(str(found["kind"]), bool(found["complete"]), dict(found["settings"]), tuple(found["files"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ResultFolderError(f"{folder / MARK} is damaged; choose another folder.") from error
    if found.get("version") != _VERSION:
        raise ResultFolderError(f"{folder} is a result of another version of this program; choose another folder.")
    return mark


# ------------------------------------------------------------------ the rule


def check(folder: Path, kind: str, *, inputs: Iterable[Path] = ()) -> Mark | None:
    """Whether a result of `kind` may be in `folder`: its mark, None where it is new or empty.

    Raises `ResultFolderError` for a folder that is neither new nor empty nor marked as that kind, at which another
    process is at work, or which holds one of the `inputs`. Nothing is written, but for a replacement that was broken
    off, which is brought to its end.
    """
    folder = Path(os.path.realpath(folder))
    try:
        _recover(folder)
        if os.path.lexists(folder) and not folder.is_dir():
            raise ResultFolderError(f"{folder} is a file, a folder was expected; choose another name.")
        for path in inputs:
            if folder in Path(os.path.realpath(path)).parents or folder == Path(os.path.realpath(path)):
                raise ResultFolderError(f"{path} is an input and lies in {folder}; choose another folder.")
        mark = read_mark(folder)
        if mark is None:
            if folder.is_dir() and not all(fnmatch(path.name, _HALF) for path in folder.iterdir()):
                raise ResultFolderError(
                    f"{folder} holds files that are no {kind} of this program; choose a new or an empty folder."
                )
            return None
        if mark.kind not in (kind, JOB):
            raise ResultFolderError(f"{folder} holds a {mark.kind}, no {kind}; choose another folder.")
        _check_idle(folder)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return mark


def claim(folder: Path, kind: str, *, inputs: Iterable[Path] = ()) -> None:
    """Take `folder` for a result that is continued in it whenever it is begun again, as a training; see `check`."""
    mark = check(folder, kind, inputs=inputs)
    if mark is None or mark.kind != kind:
        begin(folder, Mark(kind), working=False)


def begin(folder: Path, mark: Mark, *, working: bool = True) -> None:
    """Make `folder` where it is new, and mark it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        mark.write(folder, working=working)
    except OSError as error:
        raise _unwritable(folder, error) from error


def complete(folder: Path, mark: Mark, files: Iterable[str] | None = None) -> None:
    """Mark the result in `folder` as complete. It consists of `files`, None: of all that are in it now."""
    replace(mark, complete=True, files=tuple(sorted(_names(folder) if files is None else files))).write(folder)


def add_files(folder: Path, names: Iterable[str]) -> None:
    """Count files that were added to a complete result, if `folder` is one, among its own."""
    mark = read_mark(folder)
    if mark is not None and mark.complete:
        replace(mark, files=tuple(sorted({*mark.files, *names}))).write(folder)


def clear(folder: Path, mark: Mark, keep: Collection[str] = ()) -> None:
    """Remove what a result of that kind consists of from its folder, and nothing else."""
    gone = [name for name in _names(folder) if name not in (*keep, *_JOB_FILES) and is_own(mark, name)]
    for name in gone:
        (folder / name).unlink(missing_ok=True)
    inner = {above for name in gone for above in (folder / name).parents if folder in above.parents}
    for above in sorted(inner, key=lambda path: -len(path.parts)):
        with suppress(OSError):  # something is left in it
            above.rmdir()


@contextmanager
def new_result(folder: Path, kind: str, *, inputs: Iterable[Path] = (), overwrite: bool = False) -> Iterator[Path]:
    """Where a result of `kind` is to be written, for it to be in `folder` at the end.

    That is `folder` itself where it is new, empty or unfinished, otherwise, with `overwrite`, its sibling, which takes
    its place at the end. After an error `folder` is as before.
    """
    folder = Path(os.path.realpath(folder))
    found = check(folder, kind, inputs=inputs)
    staged = found is not None and found.complete
    if found is not None:
        check_replaceable(folder, found, overwrite=overwrite or not found.complete)
    place, mark, was_there = staging(folder) if staged else folder, Mark(kind), folder.is_dir()
    if staged:
        check_movable(folder)
        check_stage(folder, kind)
    if place.is_dir():
        clear(place, mark)
    begin(place, mark)
    try:
        yield place
        complete(place, mark)
        if staged:
            put_in_place(folder)
    except BaseException:
        with suppress(OSError):
            clear(place, mark)
            (place / MARK).unlink(missing_ok=True)
            if staged or not was_there:
                place.rmdir()
        raise


# ------------------------------------------------------------------ one result in the place of another


def staging(folder: Path) -> Path:
    """Where the result that shall replace the one in `folder` is written."""
    return folder.with_name(f".{folder.name}.unfinished")


def check_stage(folder: Path, kind: str, *, own: Collection[str] = ()) -> Mark | None:
    """What an earlier attempt to replace `folder` left; raises as `check` and `check_replaceable`."""
    stage = staging(folder)
    mark = check(stage, kind)
    if mark is not None:
        check_replaceable(stage, mark, overwrite=True, own=own)
    return mark


def check_replaceable(folder: Path, mark: Mark, *, overwrite: bool, own: Collection[str] = ()) -> None:
    """`ResultFolderError` where the result in `folder` may not be replaced: without the user's word, with files in it
    that are not its own (`own`: more of them that are), or where the folder cannot be renamed."""
    if not overwrite:
        raise ResultFolderError(
            f"{folder} holds a complete {mark.kind} already; choose another folder, or replace it with --overwrite."
        )
    strange = next((name for name in sorted(_names(folder)) if name not in own and not is_own(mark, name)), None)
    if strange is not None:
        raise ResultFolderError(
            f"{folder} holds {strange}, which is no part of its {mark.kind}; move it away, or choose another folder."
        )


def check_movable(folder: Path) -> None:
    """`ResultFolderError` where the folder cannot be renamed, as a replacement has to."""
    here = Path.cwd()
    if os.path.ismount(folder) or folder == here or folder in here.parents:
        raise ResultFolderError(
            f"{folder} cannot be replaced as a whole, since it is a mount point or the current folder; choose another "
            "folder, or start this from elsewhere."
        )


def put_in_place(folder: Path) -> None:
    """Put the complete result in `staging(folder)` in the place of the one in `folder`."""
    old = _replaced(folder)
    try:
        with alone_in(folder.parent):
            os.rename(folder, old)
            try:
                os.rename(staging(folder), folder)
            except OSError:
                os.rename(old, folder)
                raise
            remove(old)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _replaced(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.replaced")


def _recover(folder: Path) -> None:
    """Bring a replacement to its end that was broken off."""
    old, stage = _replaced(folder), staging(folder)
    if not old.is_dir() or (any(old.iterdir()) and read_mark(old) is None):
        return
    with alone_in(folder.parent):
        if not os.path.lexists(folder) and old.is_dir():
            made = read_mark(stage)
            os.rename(stage if made is not None and made.complete else old, folder)
        if old.is_dir():
            remove(old)


def remove(folder: Path) -> None:
    """Remove a marked folder, its mark last: what is left of it by a kill is still known to be a result."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != MARK:
            path.unlink()
    (folder / MARK).unlink(missing_ok=True)
    folder.rmdir()


# ------------------------------------------------------------------ parts


def _check_idle(folder: Path) -> None:
    found = (read_json(folder / MARK) or {}).get("owner")
    with suppress(TypeError):
        owner = Owner(**(found or {}))
        if owner.pid != os.getpid() and owner.process() is not None:
            raise ResultFolderError(f"Another process is at work in {folder}: stop it or choose another folder.")


def _names(folder: Path) -> Iterator[str]:
    """All files below `folder`, relative to it, without the marks; a result within it counts by its own rule."""
    for place, folders, files in os.walk(folder):
        inner = Path(place)
        if inner != folder and (mark := read_mark(inner)) is not None:
            own = [name for name in _names(inner) if not is_own(mark, name)]
            yield from ((inner / name).relative_to(folder).as_posix() for name in own)
            folders.clear()
            continue
        links = [name for name in folders if (inner / name).is_symlink()]
        for name in (*files, *links):
            if name != MARK:
                yield (inner / name).relative_to(folder).as_posix()


def is_own(mark: Mark, name: str) -> bool:
    """Whether the file `name`, relative to its folder, is a part of the result with that mark."""
    patterns = (*_FILES.get(mark.kind, ()), *_JOB_FILES)
    if name in patterns or fnmatch(name, _HALF):
        return True
    return name in mark.files if mark.complete else any(fnmatch(name, pattern) for pattern in patterns)


def _unwritable(folder: Path, error: OSError) -> ResultFolderError:
    why = error.strerror or str(error)
    return ResultFolderError(f"{folder} cannot be written to ({why}); choose another folder.")
