from __future__ import annotations

import io
import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from emotion.errors import EmotionError, JobError, ModelError, VideoError
from emotion.jobs import job as jobs
from emotion.media.image_reader import read_image
from emotion.media.video_reader import VideoReader
from emotion.media.video_writer import VideoWriter
from emotion.model_store.store import ModelBundle
from emotion.video import library
from emotion.video.analysis import VideoAnalysis
from emotion.video.outputs import exports
from emotion.video.settings import VideoSettings
from tests.video.conftest import Read
from tests.video.scenes import line

HOSTILE = ["<script>alert(1)</script>", "../../etc/passwd", "=cmd|' /C calc'!A0", "a\x00b\nc", "--help", "🙂" * 90, ""]


@pytest.fixture(scope="session")
def astronaut(tmp_path_factory: pytest.TempPathFactory, sample: NDArray[np.uint8]) -> Path:
    """Three seconds of a face that moves, and a second without it."""
    path = tmp_path_factory.mktemp("films") / "astronaut.mp4"
    small = cv2.resize(sample, (256, 256), interpolation=cv2.INTER_AREA)
    with VideoWriter(path, 320, 256) as film:
        for i in range(32):
            image = np.full((256, 320, 3), 96, np.uint8)
            if i < 24:
                image[:, i : i + 256] = small
            film.write(image, i / 8)
    return path


def wait_for(analysis: VideoAnalysis, seconds: float = 120.0) -> VideoAnalysis:
    deadline = time.monotonic() + seconds
    while not analysis.is_finished:
        assert time.monotonic() < deadline, analysis.state
        time.sleep(0.05)
    return analysis


# ------------------------------------------------------------------ what people change


def test_people(read: Read, moving: Path) -> None:
    analysis = read(moving)
    one, two = analysis.people()
    assert (one.track_id, one.name, one.has_custom_name, one.is_hidden, one.merged_track_ids) == (
        1,
        "Face 1",
        False,
        False,
        (),
    )
    assert (one.first_seen, one.last_seen, one.duration) == pytest.approx((0.0, 3.9, 4.0), abs=0.15)
    assert one.expression_shares["sad"] == pytest.approx(0.55, abs=0.1)
    assert sum(one.expression_shares.values()) == pytest.approx(1)
    assert (two.first_seen, two.last_seen) == pytest.approx((1.0, 1.9), abs=0.15)
    assert two.thumbnail == analysis.folder / "thumbnails" / "2.jpg"


def test_the_index_of_images_is_read_once_for_all(read: Read, moving: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    analysis, read_paths = read(moving), list[Path]()
    monkeypatch.setattr(
        "emotion.video.rendering.thumbnails.read_json_or_empty", lambda path: read_paths.append(path) or {}
    )
    assert len(analysis.people()) == 2
    assert len(read_paths) == 1
    exports.zip_thumbnails(analysis)
    assert len(read_paths) == 3  # once for the people, once for the pictures


def test_names_merging_and_hiding(read: Read, parted: Path) -> None:
    analysis = read(parted)
    rows = len(analysis.face_table())
    analysis.rename(1, "Anna")
    assert set(analysis.face_table()["name"]) == {"Anna", "Face 2"}
    assert set(analysis.segments()["name"]) == {"Anna", "Face 2"}
    assert {one.name for one in analysis.highlights()} == {"Anna", "Face 2"}
    analysis.merge(2, 1)
    assert set(analysis.face_table()["track_id"]) == {1}
    assert len(analysis.face_table()) == rows
    (only,) = analysis.people()
    assert (only.name, only.merged_track_ids) == ("Anna", (2,))
    analysis.unmerge(1)
    assert len(analysis.people()) == 2
    analysis.hide(1)
    assert set(analysis.face_table()["track_id"]) == {2}
    assert [one.is_hidden for one in analysis.people()] == [True, False]
    assert {one.track_id for one in analysis.highlights()} == {2}
    assert "Anna" not in exports.to_csv(analysis)
    assert "Anna" not in exports.to_vtt(analysis)
    assert "Anna" not in exports.render_report(analysis)
    analysis.hide(2)
    assert analysis.face_table().empty
    analysis.hide(1, False)
    assert set(VideoAnalysis(analysis.folder).face_table()["name"]) == {"Anna"}  # it is kept


def test_merging_into_a_hidden_face_and_circles(read: Read, parted: Path) -> None:
    analysis = read(parted)
    analysis.hide(1)
    analysis.merge(2, 1)
    assert analysis.face_table().empty
    with pytest.raises(EmotionError, match="are one face already"):
        analysis.merge(1, 2)
    analysis.hide(2, False)
    assert len(analysis.people()) == 1
    assert not analysis.face_table().empty


@pytest.mark.parametrize("track", [0, 3, -1, 10**12])
def test_unknown_faces(read: Read, moving: Path, track: int) -> None:
    analysis = read(moving)
    for act in (
        lambda: analysis.rename(track, "x"),
        lambda: analysis.merge(track, 1),
        lambda: analysis.merge(1, track),
        lambda: analysis.hide(track),
        lambda: analysis.unmerge(track),
    ):
        with pytest.raises(EmotionError, match=f"There is no face {track} in this video; it has 2 faces"):
            act()
    assert not (analysis.folder / "people.json").exists()


def test_a_view_grows_while_the_video_is_read(read: Read, moving: Path, tmp_path: Path) -> None:
    whole = read(moving)
    lines = [*whole.frame_log.iter_lines()]
    growing = tmp_path / "growing"
    growing.mkdir()
    shutil.copy(whole.folder / "request.json", growing)
    view = VideoAnalysis.open(growing)
    assert (view.num_frames, view.labels, view.people(), view.summary) == (0, (), [], {})
    assert view.video_info is view.preview is None
    with open(growing / "frames.jsonl", "w") as file:
        for i, text in enumerate(lines):
            file.write(text[:30])
            file.flush()
            assert view.num_frames == i
            file.write(text[30:] + "\n")
            file.flush()
            assert view.refresh()
            assert view.num_frames == i + 1
    assert view.face_table().equals(whole.face_table())
    assert view.segments().equals(whole.segments())


def test_a_damaged_last_line(read: Read, moving: Path) -> None:
    analysis = read(moving)
    table = analysis.face_table()
    with open(analysis.folder / "frames.jsonl", "a") as file:
        file.write(line(99, 9.9, (1, "sad"))[:40])
    again = VideoAnalysis(analysis.folder)
    assert again.face_table().equals(table)
    assert json.loads(exports.to_json(again))["frames"][-1]["index"] == 39


@pytest.mark.parametrize("name", ["video_info.json", "highlights.json", "summary.json", "people.json", "request.json"])
def test_damaged_files_are_said(read: Read, moving: Path, name: str) -> None:
    analysis = read(moving)
    (analysis.folder / name).write_text("{")
    with pytest.raises(JobError, match=name):
        exports.to_json(VideoAnalysis(analysis.folder))


def test_there_is_no_analysis(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="There is no video in"):
        VideoAnalysis.open(tmp_path)


# ------------------------------------------------------------------ jobs


def test_from_the_upload_to_the_end_and_gone(tmp_path: Path, astronaut: Path, tiny: ModelBundle) -> None:
    parent = tmp_path / "films"
    upload = io.BytesIO(astronaut.read_bytes())
    upload.read(100)  # wherever it stands
    job = library.submit(upload, "Holiday <1>.MP4", VideoSettings(), detector="haar", model=tiny.folder, parent=parent)
    analysis = wait_for(VideoAnalysis.open(job.folder))
    assert analysis.state.status == "done", job.tail_log()
    assert analysis.state.fraction == 1
    assert (analysis.name, analysis.num_frames) == ("Holiday <1>.MP4", 32)
    assert (job.folder / "source.mp4").read_bytes() == astronaut.read_bytes()
    (person,) = [one for one in analysis.people() if one.duration > 1]
    assert person.last_seen < 3.4
    assert person.thumbnail is not None
    assert analysis.annotated_video is not None
    with VideoReader(analysis.annotated_video) as film:
        assert len([*film.frames()]) == 32
    assert [one.folder for one in library.list_videos(parent)] == [job.folder]
    assert abs(analysis.created_at.timestamp() - time.time()) < 600
    library.delete(job.folder)
    assert not job.folder.exists()
    assert library.list_videos(parent) == []


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_only_labels(
    tmp_path: Path, moving: Path, tiny: ModelBundle, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(jobs, "start_job", lambda arguments, folder: jobs.Job(folder))
    parent = tmp_path / "films"
    job = library.submit(moving, name, VideoSettings(), detector="haar", model=tiny.folder, parent=parent)
    assert [path.name for path in tmp_path.iterdir()] == ["films"]
    assert sorted(path.name for path in job.folder.iterdir()) == [
        ".emotion-result.json",
        "job.json",
        "request.json",
        "source",
    ]
    assert VideoAnalysis.open(job.folder).name.isprintable()


def test_what_is_refused_leaves_nothing(tmp_path: Path, moving: Path, tiny: ModelBundle) -> None:
    parent = tmp_path / "films"

    def start(upload: io.BytesIO | Path, **more: object) -> None:
        library.submit(upload, "x.mp4", VideoSettings(), parent=parent, **{"detector": "haar", **more})  # type: ignore[arg-type]

    with pytest.raises(VideoError, match=r'"x\.mp4" is plain text'):
        start(io.BytesIO(b"ffconcat version 1.0\nfile /etc/passwd\n"))
    with pytest.raises(VideoError, match=r'"x\.mp4" is empty'):
        start(io.BytesIO())
    with pytest.raises(JobError, match="cannot be written to"):
        start(tmp_path / "missing.mp4")
    with pytest.raises(ModelError):
        start(moving, model=tmp_path)
    with pytest.raises(ModelError):
        start(moving, detector="dlib")
    assert list(parent.iterdir()) == []


def test_a_full_disk_refuses_an_upload(tmp_path: Path, moving: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotion.storage.shutil.disk_usage", lambda path: type("", (), {"free": 1_000_000}))
    with pytest.raises(JobError, match="1 MB free: make room"):
        library.submit(io.BytesIO(moving.read_bytes()), "x.mp4", VideoSettings(), parent=tmp_path / "films")
    assert list((tmp_path / "films").iterdir()) == []


@pytest.fixture
def long_film(tmp_path: Path, sample: NDArray[np.uint8]) -> Path:
    """Takes minutes with the cascade."""
    path = tmp_path / "long.mp4"
    image = cv2.resize(sample, (512, 512), interpolation=cv2.INTER_AREA)
    with VideoWriter(path, 512, 512) as film:
        for i in range(1500):
            film.write(image, i / 30)
    return path


Started = Callable[[], jobs.Job]


@pytest.fixture
def start_long(tmp_path: Path, long_film: Path, tiny: ModelBundle) -> Started:
    def start() -> jobs.Job:
        settings = VideoSettings()
        return library.submit(long_film, "l.mp4", settings, detector="haar", model=tiny.folder, parent=tmp_path / "f")

    return start


def until(asked: Callable[[], object], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not asked():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_stop_delete_and_queue(start_long: Started) -> None:
    first, second = start_long(), start_long()
    one, two = VideoAnalysis.open(first.folder), VideoAnalysis.open(second.folder)
    until(lambda: one.num_frames > 20)
    until(lambda: two.state.message == "Waiting for another video")
    assert two.num_frames == 0
    assert one.preview is not None
    assert read_image(one.preview).shape[1] == 512
    state = first.stop(grace_seconds=30)
    assert state.status == "stopped"
    assert one.summary["status"] == "stopped"
    assert one.annotated_video is not None
    with VideoReader(one.annotated_video) as film:
        assert len([*film.frames()]) == one.summary["frames_written"] == one.num_frames
    until(lambda: two.num_frames > 5)  # it was its turn
    assert psutil.pid_exists(int(json.loads((second.folder / "state.json").read_text())["pid"]))
    library.delete(second.folder)
    assert not second.folder.exists()
    library.delete(first.folder)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_killed_video_keeps_its_rows_and_holds_up_nobody(start_long: Started) -> None:
    job = start_long()
    analysis = VideoAnalysis.open(job.folder)
    until(lambda: analysis.num_frames > 20)
    os.kill(int(json.loads((job.folder / "state.json").read_text())["pid"]), signal.SIGKILL)
    until(lambda: analysis.is_finished)
    assert analysis.state.status == "interrupted"
    assert analysis.num_frames > 20
    assert analysis.annotated_video is None
    assert len(exports.to_csv(analysis).splitlines()) > 20
    assert exports.render_report(analysis)
    other = VideoAnalysis.open(start_long().folder)
    until(lambda: other.num_frames > 0)
    library.delete(other.folder)
    library.delete(job.folder)


@pytest.mark.parametrize("every", [1, library.FAST_STRIDE])
def test_with_the_shipped_models(tmp_path: Path, astronaut: Path, every: int) -> None:
    """The astronaut smiles for three seconds; nobody is there in the fourth."""
    made = [
        library.submit(astronaut, "a.mp4", VideoSettings(frame_stride=every), parent=tmp_path / "f") for _ in range(2)
    ]
    one, other = (wait_for(VideoAnalysis.open(job.folder)) for job in made)
    assert one.state.status == "done", made[0].tail_log()
    assert exports.to_csv(one) == exports.to_csv(other)
    (person,) = one.people()
    assert (person.first_seen, person.last_seen) == pytest.approx((0.0, 2.9), abs=0.3)
    assert max(person.expression_shares, key=lambda word: person.expression_shares[word]) == "happy"
    assert person.expression_shares["happy"] > 0.8
    boxes = one.face_table().loc[:, ["x1", "x2"]].to_numpy().mean(axis=1)
    assert boxes[-1] - boxes[0] == pytest.approx(23, abs=5)  # it moves by a pixel a frame
    assert "happy" in exports.to_vtt(one)
