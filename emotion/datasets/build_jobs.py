"""Start the preparation of a data set as a job, find it again, clear up behind it.

While data set NAME is made, all of it lies in the hidden folder .NAME.building beside it: what was uploaded, the state
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

from emotion.datasets.builder import DATASETS_FOLDER, METADATA_FILE, DatasetBuildConfig, validate_name
from emotion.datasets.photo_sources import sanitize_label
from emotion.errors import DataError, JobError
from emotion.jobs import job as jobs
from emotion.jobs.job import Job
from emotion.jobs.result_folder import check_result_folder
from emotion.jobs.result_manifest import DATASET_BUILD, ResultManifest
from emotion.storage import read_json, require_free_space, write_json

UPLOAD_FILE: Final = "photos.zip"
_REQUEST_FILE: Final = "request.json"
JOB_SUFFIX: Final = ".building"
_CHUNK_BYTES: Final = 4_000_000  # bytes
_UPLOAD_TIMEOUT_SECONDS: Final = 600.0  # for which a folder without a job may be one that is just being filled
_MIN_FREE_BYTES: Final = 100_000_000  # bytes that stay free beside an upload


def get_job_folder(name: str, parent: Path, *, overwrite: bool = False) -> Path:
    """Where the job that makes data set `name` lies. `DataError` where that cannot be a name, or is taken by what is no
    data set that shall be replaced (`overwrite`)."""
    validate_name(name, parent, overwrite=overwrite)
    return parent / f".{name}{JOB_SUFFIX}"


def build_arguments(config: DatasetBuildConfig) -> list[str]:
    """The settings as options of the command `prepare`."""
    words = [
        "--size",
        str(config.size),
        "--split",
        "/".join(f"{100 * share:.10g}" for share in config.split_ratios),
        "--seed",
        str(config.seed),
        "--several",
        config.multi_face_policy,
        "--least",
        str(config.min_face_px),
        "--detection",
        str(config.detection_threshold),
    ]
    words += ["--whole"] if config.pre_cropped else []
    return words + (["--detector", config.detector] if config.detector else [])


def start_from_path(source: Path, name: str, config: DatasetBuildConfig, parent: Path | None = None) -> Job:
    """Prepare a folder or ZIP of this machine. Raises `EmotionError` where it is not there or cannot be started."""
    if not source.exists():
        raise DataError(f"There is no {source}; give a folder or a ZIP of photos sorted by label.")
    return _start(_create_folder(name, parent or DATASETS_FOLDER), source.absolute(), name, config)


def start_from_zip(upload: BinaryIO, name: str, config: DatasetBuildConfig, parent: Path | None = None) -> Job:
    """Prepare a ZIP that was uploaded; it is kept until the job is cleared up. Raises `EmotionError`."""
    folder = _create_folder(name, parent or DATASETS_FOLDER)
    try:
        require_free_space(folder, upload.seek(0, 2) + _MIN_FREE_BYTES)
        upload.seek(0)
        with open(folder / UPLOAD_FILE, "wb") as file:
            shutil.copyfileobj(upload, file, _CHUNK_BYTES)
    except OSError as error:
        delete_job(Job(folder))
        raise JobError(f"The ZIP cannot be kept in {folder.parent} ({error.strerror}): make room there.") from error
    return _start(folder, folder / UPLOAD_FILE, name, config)


def start_from_photos(
    photos: Iterable[tuple[str, str, bytes]], name: str, config: DatasetBuildConfig, parent: Path | None = None
) -> Job:
    """Prepare photos that were uploaded: label, file name and content of each. Raises `EmotionError`."""
    folder = _create_folder(name, parent or DATASETS_FOLDER)
    try:
        with zipfile.ZipFile(folder / UPLOAD_FILE, "w", zipfile.ZIP_STORED) as archive:
            for number, (label, file, content) in enumerate(photos, 1):
                last = file.replace("\\", "/").rsplit("/", 1)[-1].lstrip("._") or "photo"
                archive.writestr(f"{sanitize_label(label) or 'no name'}/{number:05d} {last}", content)
    except OSError as error:
        delete_job(Job(folder))
        raise JobError(f"The photos cannot be kept in {folder.parent} ({error.strerror}): make room there.") from error
    return _start(folder, folder / UPLOAD_FILE, name, config)


def _create_folder(name: str, parent: Path) -> Path:
    folder = get_job_folder(name, parent)
    if folder.exists():
        uploading = (
            not (folder / "state.json").exists() and time.time() - folder.stat().st_mtime < _UPLOAD_TIMEOUT_SECONDS
        )
        if uploading or Job(folder).read_state().is_running:
            raise JobError(f"The data set {name} is being made already: choose another name, or wait for it.")
        check_result_folder(folder, DATASET_BUILD)
        delete_job(Job(folder))
    try:
        folder.mkdir(parents=True)
        ResultManifest(DATASET_BUILD).write(folder)
    except OSError as error:
        raise JobError(f"{parent} takes no new folder ({error.strerror}): check disk and rights.") from error
    return folder


def _start(folder: Path, source: Path, name: str, config: DatasetBuildConfig) -> Job:
    words = ["prepare", str(source), "--name", name, "--out", str(folder.parent.absolute()), "--watched"]
    words += build_arguments(config)
    try:
        write_json(folder / _REQUEST_FILE, {"arguments": words})
        write_json(folder / "job.json", {"label": name, "created": time.time()})
        return jobs.start_job(words, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def restart_job(job: Job) -> Job:
    """Start a job anew that failed, was stopped or interrupted. Raises `JobError`."""
    words: Any = (read_json(job.folder / _REQUEST_FILE) or {}).get("arguments")
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise JobError(f"{job.folder / _REQUEST_FILE} is damaged: remove this preparation and begin another.")
    return jobs.start_job(words, job.folder)


def list_build_jobs(parent: Path | None = None) -> list[Job]:
    """The jobs that make data sets, newest first, until they are cleared up."""
    return [job for job in jobs.list_jobs(parent or DATASETS_FOLDER) if job.folder.name.endswith(JOB_SUFFIX)]


def delete_job(job: Job) -> None:
    """End a job and remove all that it left; a data set that it made stays. Raises `JobError`."""
    if (job.folder / "state.json").is_file():
        job.stop(5.0)
    try:
        shutil.rmtree(job.folder)
    except OSError as error:
        raise JobError(f"{job.folder} cannot be removed ({error.strerror}): check its rights, try again.") from error


def read_metadata(folder: Path) -> dict[str, Any] | None:
    """What dataset.json of a data set says; None where it has none that can be read."""
    path = folder / METADATA_FILE
    try:
        found = json.loads(path.read_bytes()) if path.is_file() else None
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
