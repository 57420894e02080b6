"""The videos of people: start to read one, wait for its turn, list and delete them."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Final

from emotion.errors import JobError
from emotion.jobs import job as jobs
from emotion.jobs import queue
from emotion.jobs.job import Job
from emotion.jobs.reporter import Reporter
from emotion.media.video_reader import Film
from emotion.model_store.store import SHIPPED
from emotion.storage import free_space_or_raise
from emotion.video.analysis import AUDIENCE, Analysis
from emotion.video.people import Moment, Person
from emotion.video.pipeline import REDRAW
from emotion.video.settings import FAST, REQUEST, FilmSettings, Request

WAITING: Final = "Waiting for another film"
_LOCK: Final = ".films.lock"

__all__ = [
    "AUDIENCE", "FAST", "FILMS", "SUFFIXES", "Analysis", "FilmSettings", "Moment", "Person", "delete", "past_films",
    "start_film", "start_redraw",
]  # fmt: skip

FILMS: Final = SHIPPED.parent / "data" / "films"
SUFFIXES: Final = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".gif")
_CHUNK: Final = 4_000_000  # bytes
_SPARE: Final = 100_000_000  # bytes that stay free beside an upload
_GRACE: Final = 5.0  # seconds that a film that is deleted has to end


def start_film(
    upload: BinaryIO | Path, name: str, settings: FilmSettings, *,
    detector: str | None = None, model: Path | None = None, parent: Path | None = None,
) -> Job:  # fmt: skip
    """Copy a film, an open file or the path of one, into a new folder below `parent` and read it there as a job, after
    the films that are read already. `name` is what people called it, and is never used as a path.

    Raises `EmotionError`, and leaves nothing, where it is no film that can be read or something else is missing.
    """
    suffix = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), "")
    folder = jobs.new_folder(parent or FILMS, name)
    try:
        source = folder / f"source{suffix}"
        _copy(upload, source)
        with Film(source, name):
            pass  # what is no film is refused here, to whoever brought it
        Request.of(source, name, settings, detector, model).write(folder)
        return jobs.start(["read-film", str(folder)], folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _copy(upload: BinaryIO | Path, target: Path) -> None:
    """Write the film to `target`, never all of it in memory."""
    try:
        if isinstance(upload, Path):
            with open(upload, "rb") as file:
                return _copy(file, target)
        size = upload.seek(0, 2)
        upload.seek(0)
        free_space_or_raise(target.parent, size + _SPARE)
        with open(target, "wb") as file:
            shutil.copyfileobj(upload, file, _CHUNK)
    except OSError as error:
        raise JobError(
            f"The film cannot be kept in {target.parent} ({error.strerror or error}): make room there, or choose "
            "another film."
        ) from error


def start_redraw(folder: Path) -> Job:
    """Draw the video with labels of the analysis in `folder` again, as a job in its folder `REDRAW`, see `redraw`.
    Raises `JobError` where one is at work there already, or where it cannot be started."""
    place = folder / REDRAW
    try:
        place.mkdir(exist_ok=True)
    except OSError as error:
        raise JobError(f"{folder} cannot be written to ({error.strerror}); check the disk.") from error
    return jobs.start(["redraw-video", str(folder.resolve())], place)


def past_films(parent: Path | None = None) -> list[Analysis]:
    """All films that were read or are being read below `parent`, newest first."""
    return [Analysis(job.folder) for job in jobs.list_jobs(parent or FILMS)]


def delete(folder: Path) -> None:
    """End the reading of a film and remove every file of it; `JobError` where that cannot be done."""
    if (folder / REDRAW / "state.json").is_file():
        jobs.find(folder / REDRAW).stop(_GRACE)
    jobs.find(folder).stop(_GRACE)
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise JobError(f"{folder} cannot be removed ({error.strerror}): check its rights, try again.") from error


def turn(folder: Path, report: Reporter) -> AbstractContextManager[bool]:
    """Wait until no other film of the same parent folder is read; False where it shall stop before that."""
    return queue.turn(folder, report, _LOCK, WAITING, lambda: _earlier(folder))


def _earlier(folder: Path) -> list[Job]:
    """The films of the parent folder that were asked for before this one."""
    films = [job for job in jobs.list_jobs(folder.parent) if (job.folder / REQUEST).is_file()]  # newest first
    places = [place for place, job in enumerate(films) if job.folder == folder.resolve()]
    return films[places[0] + 1 :] if places else []
