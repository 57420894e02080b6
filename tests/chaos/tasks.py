"""The long tasks of the program, small: how to start one, what of it must outlast a kill, and what comes of it."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from emotion.benchmarks.video import write_video
from emotion.datasets.build_config import DatasetBuildConfig
from emotion.datasets.build_jobs import restart_job, start_from_path
from emotion.demo.sample_image import SAMPLE_IMAGE
from emotion.jobs import job as jobs
from emotion.jobs.job import Job
from emotion.media.image_reader import read_image
from emotion.training.runs.folder import CHECKPOINT_FILE, read_history
from emotion.video import exports, library
from emotion.video.analysis import VideoAnalysis
from tests.training.making import dataset, write_fer2013, write_ferplus


@dataclass(frozen=True)
class Task:
    """`start(folder)` begins it in a new, empty folder, `again(job)` once more after it was broken off; `kept(job)`
    counts what nothing may take away any more; `result(job)` is the same for every whole run."""

    name: str
    start: Callable[[Path], Job]
    again: Callable[[Job], Job]
    kept: Callable[[Job], int]
    result: Callable[[Job], str]


def tasks(source: Path) -> dict[str, Task]:
    """All of them; what they read is made in `source`."""
    source.mkdir(parents=True, exist_ok=True)
    data = dataset(256, 70, 70)
    write_fer2013(source / "fer2013.csv", data)
    write_ferplus(source / "fer2013new.csv", data)
    write_video(source / "film.mp4", (320, 240), 1, 8.0)
    _write_photos(source / "photos")
    training = ["classifier", "train", "--network", "mlp", "--data", str(source / "fer2013.csv"), "--epochs", "30"]
    gan = [
        "generator",
        "train",
        "--network",
        "dcgan-upsampling",
        "--data",
        str(source / "fer2013.csv"),
        "--epochs",
        "3",
    ]
    return {
        "training": _learning("training", training),
        "film": _film(source / "film.mp4"),
        "preparation": _preparation(source / "photos"),
        "gan": _learning("gan", gan),
    }


def _write_photos(folder: Path) -> None:
    """A hundred photos of one face, each a little different, under two labels."""
    image = cv2.resize(read_image(SAMPLE_IMAGE), (256, 256), interpolation=cv2.INTER_AREA)
    for number in range(100):
        place = folder / ("happy" if number % 2 else "proud")
        place.mkdir(parents=True, exist_ok=True)
        turn = cv2.getRotationMatrix2D((112, 58), 0.3 * number - 15, 1)
        cv2.imwrite(str(place / f"{number}.jpg"), cv2.warpAffine(image, turn, (256, 256))[..., ::-1])


def _learning(name: str, words: list[str]) -> Task:
    """A training: its whole epochs stay, and it ends with the same weights."""

    def start(folder: Path) -> Job:
        folder.mkdir(parents=True)
        return jobs.start_job([*words, "--out", str(folder)], folder)

    def result(job: Job) -> str:
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in read_history(job.folder)]
        with np.load(job.folder / CHECKPOINT_FILE) as file:
            weights = {k: hashlib.sha256(file[k].tobytes()).hexdigest() for k in sorted(file.files)}
        return json.dumps([rows, weights], sort_keys=True)

    return Task(
        name,
        start,
        lambda job: jobs.start_job([*words, "--out", str(job.folder)], job.folder),
        lambda job: len(read_history(job.folder)),
        result,
    )


def _film(path: Path) -> Task:
    """A film: the frames that were read stay; it is read anew in a folder of its own."""

    def start(folder: Path) -> Job:
        return library.submit(path, "film.mp4", library.VideoSettings(), detector="glance", parent=folder)

    def result(job: Job) -> str:
        return exports.to_csv(VideoAnalysis.open(job.folder))

    def kept(job: Job) -> int:
        rows = list(csv.reader(exports.to_csv(VideoAnalysis.open(job.folder)).splitlines()))
        assert len({len(row) for row in rows}) <= 1, "a row is not whole"
        return len(rows)

    return Task("film", start, lambda job: start(job.folder.parent), kept, result)


def _preparation(source: Path) -> Task:
    """A data set: it is there as a whole, or not at all."""

    def start(folder: Path) -> Job:
        return start_from_path(source, "mine", DatasetBuildConfig(), folder)

    def kept(job: Job) -> int:
        made = (job.folder.parent / "mine").is_dir()
        return len(list((job.folder.parent / "mine").rglob("*.png"))) if made else 0

    def result(job: Job) -> str:
        place = job.folder.parent / "mine"
        return json.dumps(
            {
                str(p.relative_to(place)): hashlib.sha256(p.read_bytes()).hexdigest()
                for p in sorted(place.rglob("*.png"))
            }
        )

    return Task("preparation", start, restart_job, kept, result)
