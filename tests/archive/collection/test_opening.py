from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from emotion.archive.collection.collection import Collection
from emotion.archive.collection.opening import open_face
from emotion.archive.collection.queries import FaceFilter
from emotion.archive.run import ArchiveRun
from emotion.archive.schemas import TABLES
from emotion.archive.worker import ArchiveWorker
from emotion.benchmarks.video import write_video
from emotion.errors import DataError, EmotionError
from emotion.jobs.reporter import job_context
from emotion.model_store.store import ModelBundle
from tests.archive.making import SIDE_PX, InlineEngine, make_request, write_photos, write_zip

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photos, the same in a ZIP, and a video."""
    folder = tmp_path_factory.mktemp("sources")
    write_zip(folder / "photos.zip", write_photos(folder / "photos", 3))
    write_video(folder / "photos" / "clip.mp4", (320, 240), 1, 1.0)
    return folder


@pytest.fixture(scope="module")
def collection(sources: Path, tiny: ModelBundle, tmp_path_factory: pytest.TempPathFactory) -> Collection:
    request = make_request(tiny.folder)
    inputs = [str(sources / "photos"), str(sources / "photos.zip")]
    run = ArchiveRun(inputs, tmp_path_factory.mktemp("results") / "out", request)
    worker = ArchiveWorker(request)
    with job_context(run.folder) as reporter:
        run.run(lambda: InlineEngine(worker.process), reporter)
    return Collection(run.folder)


def test_every_face_opens_its_photo_or_frame_with_the_same_labels(collection: Collection) -> None:
    faces = collection.list_faces(FaceFilter(), "file", 0, 100)
    assert {face.kind for face in faces} == {"image", "video"}
    for face in faces:
        opened = open_face(collection, face.file_id, face.frame, face.timestamp)
        assert face.display_label in [other.display_label for other in opened.faces]
        assert opened.image.shape == ((SIDE_PX, SIDE_PX, 3) if face.kind == "image" else (240, 320, 3))
        assert (opened.video_path is None) == (face.kind == "image")


def test_files_that_the_end_of_the_analysis_removes_are_one_sentence(collection: Collection, tmp_path: Path) -> None:
    folder = shutil.copytree(collection.folder, tmp_path / "results")
    opened = Collection(folder)
    for table in TABLES:
        shutil.rmtree(folder / table, ignore_errors=True)
    for read in (lambda: opened.count_expressions(FaceFilter()), lambda: opened.list_folders(5)):
        with pytest.raises(DataError, match=r"cannot be read \(.*\); open it once more"):
            read()


def test_a_photo_that_is_gone_is_one_sentence(collection: Collection, sources: Path) -> None:
    (sources / "photos" / "0000.jpg").rename(sources / "moved.jpg")
    try:
        with pytest.raises(EmotionError, match="was not found"):
            open_face(collection, 0, None, None)
    finally:
        (sources / "moved.jpg").rename(sources / "photos" / "0000.jpg")
