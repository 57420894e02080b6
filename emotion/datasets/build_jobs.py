"""Start the preparation of a data set as a job, find it again, clear up behind it.

While data set NAME is made, all of it lies in the hidden folder .NAME.preparing beside it: what was uploaded, the state
of the job, and the faces so far. So nobody takes it for a data set, and no two jobs make the same one.
"""

from __future__ import annotations

import json
import shutil
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, Final

from emotion.datasets.builder import SETS, Settings, check_name
from emotion.datasets.photo_sources import safe_label
from emotion.errors import DataError, JobError
from emotion.jobs import job as jobs
from emotion.jobs.job import Job
from emotion.jobs.result_folder import PREPARATION, Mark, check
from emotion.storage import free_space_or_raise, read_json, write_json

UPLOAD: Final = "photos.zip"
_REQUEST: Final = "request.json"
_ENDING: Final = ".preparing"
_CHUNK: Final = 4_000_000  # bytes
_UPLOAD_SECONDS: Final = 600.0  # for which a folder without a job may be one that is just being filled
_SPARE: Final = 100_000_000  # bytes that stay free beside an upload


def job_folder(name: str, parent: Path, *, overwrite: bool = False) -> Path:
    """Where the job that makes data set `name` lies. `DataError` where that cannot be a name, or is taken by what is no
    data set that shall be replaced (`overwrite`)."""
    check_name(name, parent, overwrite=overwrite)
    return parent / f".{name}{_ENDING}"


def arguments(settings: Settings) -> list[str]:
    """The settings as options of the command `prepare`."""
    words = [
        "--size", str(settings.size), "--split", "/".join(f"{100 * share:.10g}" for share in settings.shares),
        "--seed", str(settings.seed), "--several", settings.several, "--least", str(settings.least),
        "--detection", str(settings.detection),
    ]  # fmt: skip
    words += ["--whole"] if settings.whole else []
    return words + (["--detector", settings.detector] if settings.detector else [])


def start_with_path(source: Path, name: str, settings: Settings, parent: Path | None = None) -> Job:
    """Prepare a folder or ZIP of this machine. Raises `EmotionError` where it is not there or cannot be started."""
    if not source.exists():
        raise DataError(f"There is no {source}; give a folder or a ZIP of photos sorted by label.")
    return _start(_new_folder(name, parent or SETS), source.absolute(), name, settings)


def start_with_zip(upload: BinaryIO, name: str, settings: Settings, parent: Path | None = None) -> Job:
    """Prepare a ZIP that was uploaded; it is kept until the job is cleared up. Raises `EmotionError`."""
    folder = _new_folder(name, parent or SETS)
    try:
        free_space_or_raise(folder, upload.seek(0, 2) + _SPARE)
        upload.seek(0)
        with open(folder / UPLOAD, "wb") as file:
            shutil.copyfileobj(upload, file, _CHUNK)
    except OSError as error:
        clear(Job(folder))
        raise JobError(f"The ZIP cannot be kept in {folder.parent} ({error.strerror}): make room there.") from error
    return _start(folder, folder / UPLOAD, name, settings)


def start_with_photos(
    photos: Iterable[tuple[str, str, bytes]], name: str, settings: Settings, parent: Path | None = None
) -> Job:
    """Prepare photos that were uploaded: label, file name and content of each. Raises `EmotionError`."""
    folder = _new_folder(name, parent or SETS)
    try:
        with zipfile.ZipFile(folder / UPLOAD, "w", zipfile.ZIP_STORED) as archive:
            for number, (label, file, content) in enumerate(photos, 1):
                last = file.replace("\\", "/").rsplit("/", 1)[-1].lstrip("._") or "photo"
                archive.writestr(f"{safe_label(label) or 'no name'}/{number:05d} {last}", content)
    except OSError as error:
        clear(Job(folder))
        raise JobError(f"The photos cannot be kept in {folder.parent} ({error.strerror}): make room there.") from error
    return _start(folder, folder / UPLOAD, name, settings)


def _new_folder(name: str, parent: Path) -> Path:
    folder = job_folder(name, parent)
    if folder.exists():
        uploading = not (folder / "state.json").exists() and time.time() - folder.stat().st_mtime < _UPLOAD_SECONDS
        if uploading or Job(folder).state().running:
            raise JobError(f"The data set {name} is being made already: choose another name, or wait for it.")
        check(folder, PREPARATION)
        clear(Job(folder))
    try:
        folder.mkdir(parents=True)
        Mark(PREPARATION).write(folder)
    except OSError as error:
        raise JobError(f"{parent} takes no new folder ({error.strerror}): check disk and rights.") from error
    return folder


def _start(folder: Path, source: Path, name: str, settings: Settings) -> Job:
    words = ["prepare", str(source), "--name", name, "--out", str(folder.parent.absolute()), "--watched"]
    words += arguments(settings)
    try:
        write_json(folder / _REQUEST, {"arguments": words})
        write_json(folder / "job.json", {"label": name, "created": time.time()})
        return jobs.start(words, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def start_again(job: Job) -> Job:
    """Start a job anew that failed, was stopped or interrupted. Raises `JobError`."""
    words: Any = (read_json(job.folder / _REQUEST) or {}).get("arguments")
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise JobError(f"{job.folder / _REQUEST} is damaged: remove this preparation and begin another.")
    return jobs.start(words, job.folder)


def preparations(parent: Path | None = None) -> list[Job]:
    """The jobs that make data sets, newest first, until they are cleared up."""
    return [job for job in jobs.list_jobs(parent or SETS) if job.folder.name.endswith(_ENDING)]


def clear(job: Job) -> None:
    """End a job and remove all that it left; a data set that it made stays. Raises `JobError`."""
    if (job.folder / "state.json").is_file():
        job.stop(5.0)
    try:
        shutil.rmtree(job.folder)
    except OSError as error:
        raise JobError(f"{job.folder} cannot be removed ({error.strerror}): check its rights, try again.") from error


def read_prepared(folder: Path) -> dict[str, Any] | None:
    """What prepared.json of a data set says; None where it has none that can be read."""
    path = folder / "prepared.json"
    try:
        found = json.loads(path.read_bytes()) if path.is_file() else None
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
