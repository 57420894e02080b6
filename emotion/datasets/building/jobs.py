"""Jobs that build data sets: start, restart, list and delete them.

While data set NAME is built, the uploaded photos, the state of the job and the faces are in the hidden folder
.NAME.building beside it, which is not listed as a data set and which only one job can have.
"""

from __future__ import annotations

import os
import shutil
import time
import zipfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, get_args

from emotion.datasets.building.config import BuildMode, DatasetBuildConfig
from emotion.datasets.building.publishing import validate_name
from emotion.datasets.metadata import DATASETS_FOLDER
from emotion.datasets.readers.photo_sources import sanitize_label
from emotion.errors import DataError, JobError
from emotion.jobs import job as jobs
from emotion.jobs.job import Job
from emotion.jobs.result_folder import check_result_folder
from emotion.jobs.result_manifest import DATASET_BUILD, ResultManifest
from emotion.storage import read_json, require_free_space, write_json
from emotion.translation.messages import gettext as _

UPLOAD_FILE: Final = "photos.zip"
JOB_SUFFIX: Final = ".building"
_REQUEST_FILE: Final = "request.json"
_STATE_FILE: Final = "state.json"
_CHUNK_BYTES: Final = 4_000_000
_UPLOAD_TIMEOUT_SECONDS: Final = 600.0  # until then a folder without a job may still receive its upload
_MIN_FREE_BYTES: Final = 100_000_000  # stay free on the disk beside an upload
_STOP_TIMEOUT_SECONDS: Final = 5.0


class BuildTarget(NamedTuple):
    """The data set that a job builds: `name` in the folder `parent`, None for that of all data sets."""

    name: str
    config: DatasetBuildConfig
    mode: BuildMode = "new"
    parent: Path | None = None


class UploadedPhoto(NamedTuple):
    """An uploaded photo with the label that a person gave it."""

    label: str
    file_name: str
    content: bytes


def get_job_folder(name: str, parent: Path, *, mode: BuildMode = "new") -> Path:
    """Return the folder of the job that builds data set `name` in `parent`; raises as `validate_name` does."""
    validate_name(name, parent, overwrite=mode != "new")
    return parent / f".{name}{JOB_SUFFIX}"


def check_not_extended(folder: Path) -> None:
    """Raise `DataError` while a job adds faces to the data set `folder`: it would replace what is changed meanwhile."""
    if Job(folder.parent / f".{folder.name}{JOB_SUFFIX}").read_state().is_running:
        raise DataError(
            _("Faces are being added to {name} right now; wait until that has ended.").format(name=folder.name)
        )


@dataclass(frozen=True)
class BuildRequest:
    """A data set that is to be built: `name` in the folder `parent`, from the images of `source`."""

    source: Path
    name: str
    parent: Path
    config: DatasetBuildConfig
    mode: BuildMode = "new"

    def write(self, path: Path) -> None:
        """Write it as JSON, for `emotion dataset build --config`."""
        write_json(
            path,
            {
                "source": str(self.source),
                "name": self.name,
                "parent": str(self.parent),
                "config": asdict(self.config),
                "mode": self.mode,
            },
        )

    @classmethod
    def read(cls, path: Path) -> BuildRequest:
        """Read what `write` wrote; raise `EmotionError` where the file is missing or not valid."""
        value = read_json(path)
        if value is None:
            raise DataError(_("{path} is missing; build the data set again.").format(path=path))
        try:
            source, name, parent, config = (value[key] for key in ("source", "name", "parent", "config"))
            settings = DatasetBuildConfig(**config | {"split_ratios": tuple(config["split_ratios"])})
            return cls(Path(source), str(name), Path(parent), settings, _parse_mode(value["mode"]))
        except (TypeError, KeyError) as error:
            raise DataError(_("{path} is damaged; build the data set again.").format(path=path)) from error


def _parse_mode(value: object) -> BuildMode:
    for mode in get_args(BuildMode):
        if value == mode:
            return mode
    raise TypeError


def start_from_path(source: Path, target: BuildTarget) -> Job:
    """Build from a folder or ZIP on this machine; raises `EmotionError` where there is none or the job cannot start."""
    if not os.path.exists(source):
        raise DataError(
            _("There is no {source}; give a folder or a ZIP of photos sorted by label.").format(source=source)
        )
    return _start(_create_folder(target), source.absolute(), target)


def start_from_zip(upload: BinaryIO, target: BuildTarget) -> Job:
    """Build from an uploaded ZIP, which is kept until the job is deleted; raises `EmotionError`."""
    folder = _create_folder(target)
    try:
        require_free_space(folder, upload.seek(0, 2) + _MIN_FREE_BYTES)
        upload.seek(0)
        with open(folder / UPLOAD_FILE, "wb") as file:
            shutil.copyfileobj(upload, file, _CHUNK_BYTES)
    except OSError as error:
        delete_job(Job(folder))
        raise _upload_error(folder, error) from error
    return _start(folder, folder / UPLOAD_FILE, target)


def start_from_photos(photos: Iterable[UploadedPhoto], target: BuildTarget) -> Job:
    """Build from uploaded photos; raises `EmotionError`."""
    folder = _create_folder(target)
    try:
        with zipfile.ZipFile(folder / UPLOAD_FILE, "w", zipfile.ZIP_STORED) as archive:
            for number, photo in enumerate(photos, 1):
                file_name = photo.file_name.replace("\\", "/").rsplit("/", 1)[-1].lstrip("._") or "photo"
                archive.writestr(f"{sanitize_label(photo.label) or 'no name'}/{number:05d} {file_name}", photo.content)
    except OSError as error:
        delete_job(Job(folder))
        raise _upload_error(folder, error) from error
    return _start(folder, folder / UPLOAD_FILE, target)


def _upload_error(folder: Path, error: OSError) -> JobError:
    return JobError(
        _("The upload cannot be saved in {parent} ({reason}); free disk space there.").format(
            parent=folder.parent, reason=error.strerror
        )
    )


def _create_folder(target: BuildTarget) -> Path:
    name, parent = target.name, target.parent or DATASETS_FOLDER
    folder = get_job_folder(name, parent, mode=target.mode)
    if folder.exists():
        age = time.time() - folder.stat().st_mtime
        is_uploading = not (folder / _STATE_FILE).exists() and age < _UPLOAD_TIMEOUT_SECONDS
        if is_uploading or Job(folder).read_state().is_running:
            raise JobError(
                _("The data set {name} is being built already; choose another name, or wait for it.").format(name=name)
            )
        check_result_folder(folder, DATASET_BUILD)
        delete_job(Job(folder))
    try:
        folder.mkdir(parents=True)
        ResultManifest(DATASET_BUILD).write(folder)
    except OSError as error:
        raise JobError(
            _("{parent} cannot hold a new folder ({reason}); check the disk and the permissions.").format(
                parent=parent, reason=error.strerror
            )
        ) from error
    return folder


def _start(folder: Path, source: Path, target: BuildTarget) -> Job:
    try:
        request = BuildRequest(source, target.name, folder.parent.absolute(), target.config, target.mode)
        request.write(folder / _REQUEST_FILE)
        write_json(folder / "job.json", {"label": target.name, "created": time.time()})
        return _start_job(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _start_job(folder: Path) -> Job:
    request = str(folder / _REQUEST_FILE)
    return jobs.start_job(["dataset", "build", "--config", request, "--keep-job-folder"], folder)


def restart_job(job: Job) -> Job:
    """Start a job again that failed, was stopped or interrupted. Raises `EmotionError`."""
    BuildRequest.read(job.folder / _REQUEST_FILE)  # raises here rather than in the job
    return _start_job(job.folder)


def list_build_jobs(parent: Path | None = None) -> list[Job]:
    """List the jobs that build data sets, newest first, until they are deleted."""
    return [job for job in jobs.list_jobs(parent or DATASETS_FOLDER) if job.folder.name.endswith(JOB_SUFFIX)]


def delete_job(job: Job) -> None:
    """Stop a job and remove its folder; a data set that it built stays. Raises `JobError`."""
    if (job.folder / _STATE_FILE).is_file():
        job.stop(_STOP_TIMEOUT_SECONDS)
    try:
        shutil.rmtree(job.folder)
    except OSError as error:
        raise JobError(
            _("{folder} cannot be removed ({reason}); check its permissions and try again.").format(
                folder=job.folder, reason=error.strerror
            )
        ) from error
