"""The long tasks of the program in small: how to start and resume each, what a kill must not lose, and its result."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from emotion.archive.store import ArchiveStore
from emotion.benchmarks.video import write_video
from emotion.datasets.building.config import DatasetBuildConfig
from emotion.datasets.building.jobs import BuildTarget, restart_job, start_from_path
from emotion.demo.sample_image import SAMPLE_IMAGE
from emotion.jobs import job as jobs
from emotion.jobs.job import Job
from emotion.media.image_reader import read_image
from emotion.training.runs.folder import CHECKPOINT_FILE, read_history
from emotion.video import library
from emotion.video.analysis import VideoAnalysis
from emotion.video.outputs import exports
from tests.training.making import dataset, write_fer2013, write_ferplus


@dataclass(frozen=True)
class Task:
    """A long task.

    Attributes:
        name: For messages.
        start: Starts the task in a new folder.
        resume: Starts an interrupted task again.
        count_kept: Counts the results that no interruption may lose.
        result: Describes the result; equal for every complete run.
    """

    name: str
    start: Callable[[Path], Job]
    resume: Callable[[Job], Job]
    count_kept: Callable[[Job], int]
    result: Callable[[Job], str]


def make_tasks(source: Path, num_photos: int = 100, video_seconds: float = 8.0) -> dict[str, Task]:
    """Return all tasks by name; their inputs are written into `source`."""
    source.mkdir(parents=True, exist_ok=True)
    data = dataset(256, 70, 70)
    write_fer2013(source / "fer2013.csv", data)
    write_ferplus(source / "fer2013new.csv", data)
    write_video(source / "video.mp4", (320, 240), 1, video_seconds)
    _write_photos(source / "photos", num_photos)
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
        "training": _make_training("training", training),
        "video": _make_video_analysis(source / "video.mp4"),
        "dataset build": _make_dataset_build(source / "photos"),
        "gan": _make_training("gan", gan),
        "archive": _make_archive_analysis(source / "photos", source / "video.mp4"),
    }


def _write_photos(folder: Path, count: int) -> None:
    """Write slightly rotated photos of one face under two labels."""
    image = cv2.resize(read_image(SAMPLE_IMAGE), (256, 256), interpolation=cv2.INTER_AREA)
    for index in range(count):
        label_folder = folder / ("happy" if index % 2 else "proud")
        label_folder.mkdir(parents=True, exist_ok=True)
        rotation = cv2.getRotationMatrix2D((112, 58), 0.3 * index - 15, 1)
        cv2.imwrite(str(label_folder / f"{index}.jpg"), cv2.warpAffine(image, rotation, (256, 256))[..., ::-1])


def _make_training(name: str, arguments: list[str]) -> Task:
    """Return a training: it keeps whole epochs, and ends with the same weights."""

    def start(folder: Path) -> Job:
        folder.mkdir(parents=True)
        return jobs.start_job([*arguments, "--out", str(folder)], folder)

    def result(job: Job) -> str:
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in read_history(job.folder)]
        with np.load(job.folder / CHECKPOINT_FILE) as file:
            weights = {k: hashlib.sha256(file[k].tobytes()).hexdigest() for k in sorted(file.files)}
        return json.dumps([rows, weights], sort_keys=True)

    return Task(
        name,
        start,
        lambda job: jobs.start_job([*arguments, "--out", str(job.folder)], job.folder),
        lambda job: len(read_history(job.folder)),
        result,
    )


def _make_video_analysis(path: Path) -> Task:
    """Return a video analysis: it keeps the analyzed frames; a resumed one starts in a new folder."""

    def start(folder: Path) -> Job:
        return library.submit(
            path, "video.mp4", library.VideoSettings(), detector="glance", space=library.VideoSpace(folder)
        )

    def result(job: Job) -> str:
        return exports.to_csv(VideoAnalysis.open(job.folder))

    def count_kept(job: Job) -> int:
        rows = list(csv.reader(exports.to_csv(VideoAnalysis.open(job.folder)).splitlines()))
        assert len({len(row) for row in rows}) <= 1, "a row is incomplete"
        return len(rows)

    return Task("video", start, lambda job: start(job.folder.parent), count_kept, result)


def _make_dataset_build(source: Path) -> Task:
    """Return a data set build: the data set exists completely or not at all."""

    def start(folder: Path) -> Job:
        return start_from_path(source, BuildTarget("mine", DatasetBuildConfig(), parent=folder))

    def find_faces(job: Job) -> list[Path]:
        return sorted((job.folder.parent / "mine").rglob("*.png"))

    def result(job: Job) -> str:
        folder = job.folder.parent / "mine"
        digests = {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in find_faces(job)
        }
        return json.dumps(digests)

    return Task("dataset build", start, restart_job, lambda job: len(find_faces(job)), result)


def _make_archive_analysis(photos: Path, video: Path) -> Task:
    """Return an archive analysis: it keeps the pieces that are done, and ends with the same tables."""
    arguments = ["analyze-archive", str(photos), str(video), "--detector", "haar", "--workers", "2", "--out"]

    def start(folder: Path) -> Job:
        folder.mkdir(parents=True)
        return jobs.start_job([*arguments, str(folder)], folder)

    def result(job: Job) -> str:
        parts = sorted(job.folder.glob("*/part-*.parquet"))
        return json.dumps({str(p.relative_to(job.folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in parts})

    return Task(
        "archive",
        start,
        lambda job: jobs.start_job([*arguments, str(job.folder)], job.folder),
        lambda job: ArchiveStore(job.folder).count().files,
        result,
    )
