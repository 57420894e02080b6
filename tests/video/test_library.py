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
from tests.video.conftest import Analyze
from tests.video.scenes import make_line
from tests.waiting import wait_until

HOSTILE_NAMES = [
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "=cmd|' /C calc'!A0",
    "a\x00b\nc",
    "--help",
    "🙂" * 90,
    "",
]


@pytest.fixture(scope="session")
def face_video(tmp_path_factory: pytest.TempPathFactory, sample: NDArray[np.uint8]) -> Path:
    """Return a video of three seconds with a moving face and one second without it."""
    path = tmp_path_factory.mktemp("videos") / "face.mp4"
    small = cv2.resize(sample, (256, 256), interpolation=cv2.INTER_AREA)
    with VideoWriter(path, 320, 256) as video:
        for i in range(32):
            image = np.full((256, 320, 3), 96, np.uint8)
            if i < 24:
                image[:, i : i + 256] = small
            video.write(image, i / 8)
    return path


def wait_until_finished(analysis: VideoAnalysis, seconds: float = 120.0) -> VideoAnalysis:
    wait_until(lambda: analysis.is_finished, seconds, f"the end of {analysis.name}")
    return analysis


# ------------------------------------------------------------------ identity edits


def test_people_have_names_times_and_shares(analyzed: Analyze, moving_video: Path) -> None:
    analysis = analyzed(moving_video)
    first, second = analysis.people()
    assert (first.track_id, first.name, first.has_custom_name, first.is_hidden, first.merged_track_ids) == (
        1,
        "Face 1",
        False,
        False,
        (),
    )
    assert (first.first_seen, first.last_seen, first.duration) == pytest.approx((0.0, 3.9, 4.0), abs=0.15)
    assert first.expression_shares["sad"] == pytest.approx(0.55, abs=0.1)
    assert sum(first.expression_shares.values()) == pytest.approx(1)
    assert (second.first_seen, second.last_seen) == pytest.approx((1.0, 1.9), abs=0.15)
    assert second.thumbnail == analysis.folder / "thumbnails" / "2.jpg"


def test_thumbnail_index_is_read_once_for_all_people(
    analyzed: Analyze, moving_video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    analysis, read_paths = analyzed(moving_video), list[Path]()
    monkeypatch.setattr(
        "emotion.video.rendering.thumbnails.read_json_or_empty", lambda path: read_paths.append(path) or {}
    )
    assert len(analysis.people()) == 2
    assert len(read_paths) == 1
    exports.zip_thumbnails(analysis)
    assert len(read_paths) == 3  # once for the people, once for the images


def test_edits_apply_to_tables_and_exports(analyzed: Analyze, video_of_two_places: Path) -> None:
    analysis = analyzed(video_of_two_places)
    rows = len(analysis.face_table())
    analysis.rename(1, "Anna")
    assert set(analysis.face_table()["name"]) == {"Anna", "Face 2"}
    assert set(analysis.segments()["name"]) == {"Anna", "Face 2"}
    assert {highlight.name for highlight in analysis.highlights()} == {"Anna", "Face 2"}
    analysis.merge(2, 1)
    assert set(analysis.face_table()["track_id"]) == {1}
    assert len(analysis.face_table()) == rows
    (only,) = analysis.people()
    assert (only.name, only.merged_track_ids) == ("Anna", (2,))
    analysis.unmerge(1)
    assert len(analysis.people()) == 2
    analysis.hide(1)
    assert set(analysis.face_table()["track_id"]) == {2}
    assert [person.is_hidden for person in analysis.people()] == [True, False]
    assert {highlight.track_id for highlight in analysis.highlights()} == {2}
    assert "Anna" not in exports.to_csv(analysis)
    assert "Anna" not in exports.to_vtt(analysis)
    assert "Anna" not in exports.render_report(analysis)
    analysis.hide(2)
    assert analysis.face_table().empty
    analysis.hide(1, False)
    assert set(VideoAnalysis(analysis.folder).face_table()["name"]) == {"Anna"}  # the edits are written


def test_face_merged_into_a_hidden_one_is_hidden(analyzed: Analyze, video_of_two_places: Path) -> None:
    analysis = analyzed(video_of_two_places)
    analysis.hide(1)
    analysis.merge(2, 1)
    assert analysis.face_table().empty
    with pytest.raises(EmotionError, match="are one face already"):
        analysis.merge(1, 2)
    analysis.hide(2, False)
    assert len(analysis.people()) == 1
    assert not analysis.face_table().empty


@pytest.mark.parametrize("track", [0, 3, -1, 10**12])
def test_edit_of_an_unknown_face_is_refused(analyzed: Analyze, moving_video: Path, track: int) -> None:
    analysis = analyzed(moving_video)
    for action in (
        lambda: analysis.rename(track, "x"),
        lambda: analysis.merge(track, 1),
        lambda: analysis.merge(1, track),
        lambda: analysis.hide(track),
        lambda: analysis.unmerge(track),
    ):
        with pytest.raises(EmotionError, match=f"There is no face {track} in this video; it has 2 faces"):
            action()
    assert not (analysis.folder / "people.json").exists()


def test_analysis_grows_with_its_files(analyzed: Analyze, moving_video: Path, tmp_path: Path) -> None:
    complete = analyzed(moving_video)
    lines = [*complete.frame_log.iter_lines()]
    growing_folder = tmp_path / "growing"
    growing_folder.mkdir()
    shutil.copy(complete.folder / "request.json", growing_folder)
    growing_analysis = VideoAnalysis.open(growing_folder)
    assert (
        growing_analysis.num_frames,
        growing_analysis.labels,
        growing_analysis.people(),
        growing_analysis.summary,
    ) == (0, (), [], {})
    assert growing_analysis.video_info is growing_analysis.preview is None
    with open(growing_folder / "frames.jsonl", "w") as file:
        for i, text in enumerate(lines):
            file.write(text[:30])
            file.flush()
            assert growing_analysis.num_frames == i
            file.write(text[30:] + "\n")
            file.flush()
            assert growing_analysis.refresh()
            assert growing_analysis.num_frames == i + 1
    assert growing_analysis.face_table().equals(complete.face_table())
    assert growing_analysis.segments().equals(complete.segments())


def test_incomplete_last_line_is_ignored(analyzed: Analyze, moving_video: Path) -> None:
    analysis = analyzed(moving_video)
    table = analysis.face_table()
    with open(analysis.folder / "frames.jsonl", "a") as file:
        file.write(make_line(99, 9.9, (1, "sad"))[:40])
    reopened = VideoAnalysis(analysis.folder)
    assert reopened.face_table().equals(table)
    assert json.loads(exports.to_json(reopened))["frames"][-1]["index"] == 39


@pytest.mark.parametrize("name", ["video_info.json", "highlights.json", "summary.json", "people.json", "request.json"])
def test_damaged_file_is_named(analyzed: Analyze, moving_video: Path, name: str) -> None:
    analysis = analyzed(moving_video)
    (analysis.folder / name).write_text("{")
    with pytest.raises(JobError, match=name):
        exports.to_json(VideoAnalysis(analysis.folder))


def test_folder_without_analysis_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="There is no video in"):
        VideoAnalysis.open(tmp_path)


# ------------------------------------------------------------------ jobs


@pytest.mark.slow
def test_uploaded_video_is_analyzed_and_deleted(tmp_path: Path, face_video: Path, tiny: ModelBundle) -> None:
    parent = tmp_path / "videos"
    upload = io.BytesIO(face_video.read_bytes())
    upload.read(100)  # the position does not matter
    job = library.submit(
        upload, "Holiday <1>.MP4", VideoSettings(), detector="haar", model=tiny.folder, space=library.VideoSpace(parent)
    )
    analysis = wait_until_finished(VideoAnalysis.open(job.folder))
    assert analysis.state.status == "done", job.tail_log()
    assert analysis.state.fraction == 1
    assert (analysis.name, analysis.num_frames) == ("Holiday <1>.MP4", 32)
    assert (job.folder / "source.mp4").read_bytes() == face_video.read_bytes()
    (person,) = [person for person in analysis.people() if person.duration > 1]
    assert person.last_seen < 3.4
    assert person.thumbnail is not None
    assert analysis.annotated_video is not None
    with VideoReader(analysis.annotated_video) as video:
        assert len([*video.frames()]) == 32
    assert [video.folder for video in library.list_videos(library.VideoSpace(parent))] == [job.folder]
    assert abs(analysis.created_at.timestamp() - time.time()) < 600
    library.delete(job.folder)
    assert not job.folder.exists()
    assert library.list_videos(library.VideoSpace(parent)) == []


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_names_are_only_labels(
    tmp_path: Path, moving_video: Path, tiny: ModelBundle, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(jobs, "start_job", lambda arguments, folder: jobs.Job(folder))
    parent = tmp_path / "videos"
    job = library.submit(
        moving_video, name, VideoSettings(), detector="haar", model=tiny.folder, space=library.VideoSpace(parent)
    )
    assert [path.name for path in tmp_path.iterdir()] == ["videos"]
    assert sorted(path.name for path in job.folder.iterdir()) == [
        ".emotion-result.json",
        "job.json",
        "request.json",
        "source",
    ]
    assert VideoAnalysis.open(job.folder).name.isprintable()


def test_refused_upload_leaves_no_files(tmp_path: Path, moving_video: Path, tiny: ModelBundle) -> None:
    parent = tmp_path / "videos"

    def start(upload: io.BytesIO | Path, **options: object) -> None:
        library.submit(
            upload, "x.mp4", VideoSettings(), space=library.VideoSpace(parent), **{"detector": "haar", **options}
        )  # type: ignore[arg-type]

    with pytest.raises(VideoError, match=r'"x\.mp4" is plain text'):
        start(io.BytesIO(b"ffconcat version 1.0\nfile /etc/passwd\n"))
    with pytest.raises(VideoError, match=r'"x\.mp4" is empty'):
        start(io.BytesIO())
    with pytest.raises(JobError, match="cannot be written to"):
        start(tmp_path / "missing.mp4")
    with pytest.raises(ModelError):
        start(moving_video, model=tmp_path)
    with pytest.raises(ModelError):
        start(moving_video, detector="dlib")
    assert list(parent.iterdir()) == []


def test_upload_to_a_full_disk_is_refused(tmp_path: Path, moving_video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotion.storage.shutil.disk_usage", lambda path: type("", (), {"free": 1_000_000}))
    with pytest.raises(JobError, match="1 MB free: make room"):
        library.submit(
            io.BytesIO(moving_video.read_bytes()),
            "x.mp4",
            VideoSettings(),
            space=library.VideoSpace(tmp_path / "videos"),
        )
    assert list((tmp_path / "videos").iterdir()) == []


@pytest.fixture(scope="session")
def long_video(tmp_path_factory: pytest.TempPathFactory, sample: NDArray[np.uint8]) -> Path:
    """Return a video whose analysis with the cascade takes half a minute."""
    path = tmp_path_factory.mktemp("videos") / "long.mp4"
    image = cv2.resize(sample, (512, 512), interpolation=cv2.INTER_AREA)
    with VideoWriter(path, 512, 512) as video:
        for i in range(700):
            video.write(image, i / 30)
    return path


StartJob = Callable[[], jobs.Job]


@pytest.fixture
def start_long(tmp_path: Path, long_video: Path, tiny: ModelBundle) -> StartJob:
    def start() -> jobs.Job:
        settings = VideoSettings()
        return library.submit(
            long_video, "l.mp4", settings, detector="haar", model=tiny.folder, space=library.VideoSpace(tmp_path / "f")
        )

    return start


@pytest.mark.slow
def test_videos_are_queued_stopped_and_deleted(start_long: StartJob) -> None:
    first, second = start_long(), start_long()
    analysis, waiting = VideoAnalysis.open(first.folder), VideoAnalysis.open(second.folder)
    wait_until(lambda: analysis.num_frames > 20, 120)
    wait_until(lambda: waiting.state.message == "Waiting for another video", 120)
    assert waiting.num_frames == 0
    wait_until(lambda: analysis.preview is not None, 120)
    assert analysis.preview is not None
    assert read_image(analysis.preview).shape[1] == 512
    state = first.stop(grace_seconds=30)
    assert state.status == "stopped"
    assert analysis.summary["status"] == "stopped"
    assert analysis.annotated_video is not None
    with VideoReader(analysis.annotated_video) as video:
        assert len([*video.frames()]) == analysis.summary["frames_written"] == analysis.num_frames
    wait_until(lambda: waiting.num_frames > 5, 120)  # it started next
    assert psutil.pid_exists(int(json.loads((second.folder / "state.json").read_text())["pid"]))
    library.delete(second.folder)
    assert not second.folder.exists()
    library.delete(first.folder)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_killed_video_keeps_its_rows_and_does_not_block_others(start_long: StartJob) -> None:
    job = start_long()
    analysis = VideoAnalysis.open(job.folder)
    wait_until(lambda: analysis.num_frames > 20, 120)
    os.kill(int(json.loads((job.folder / "state.json").read_text())["pid"]), signal.SIGKILL)
    wait_until(lambda: analysis.is_finished, 120)
    assert analysis.state.status == "interrupted"
    assert analysis.num_frames > 20
    assert analysis.annotated_video is None
    assert len(exports.to_csv(analysis).splitlines()) > 20
    assert exports.render_report(analysis)
    other = VideoAnalysis.open(start_long().folder)
    wait_until(lambda: other.num_frames > 0, 120)
    library.delete(other.folder)
    library.delete(job.folder)


@pytest.mark.slow
@pytest.mark.parametrize(("frame_stride", "num_jobs"), [(1, 2), (library.FAST_STRIDE, 1)])
def test_default_models_find_the_smiling_face(
    tmp_path: Path, face_video: Path, frame_stride: int, num_jobs: int
) -> None:
    """The face smiles for three seconds and is absent in the fourth; each job has the same result."""
    submitted = [
        library.submit(
            face_video, "a.mp4", VideoSettings(frame_stride=frame_stride), space=library.VideoSpace(tmp_path / "f")
        )
        for _ in range(num_jobs)
    ]
    first, *others = (wait_until_finished(VideoAnalysis.open(job.folder)) for job in submitted)
    assert first.state.status == "done", submitted[0].tail_log()
    for other in others:
        assert exports.to_csv(first) == exports.to_csv(other)
    (person,) = first.people()
    assert (person.first_seen, person.last_seen) == pytest.approx((0.0, 2.9), abs=0.3)
    assert max(person.expression_shares, key=lambda label: person.expression_shares[label]) == "happy"
    assert person.expression_shares["happy"] > 0.8
    boxes = first.face_table().loc[:, ["x1", "x2"]].to_numpy().mean(axis=1)
    assert boxes[-1] - boxes[0] == pytest.approx(23, abs=5)  # the face moves by a pixel per frame
    assert "happy" in exports.to_vtt(first)
