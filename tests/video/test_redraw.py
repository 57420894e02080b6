from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.errors import EmotionError
from emotion.jobs.process_record import ProcessRecord
from emotion.jobs.reporter import JobReporter
from emotion.media.image_reader import read_image
from emotion.media.video_reader import VideoReader
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.annotation import pixelate
from emotion.video.analysis import VideoAnalysis
from emotion.video.library import delete, submit_redraw
from emotion.video.redraw import is_outdated, redraw_video
from tests.video.conftest import Analyze
from tests.video.scenes import HAPPY, SAD, Square, make_video

ImageArray = NDArray[np.uint8]
FIRST_FACE, SECOND_FACE = (slice(20, 60), slice(20, 60)), (slice(100, 140), slice(150, 190))  # rows, columns


def get_two_faces(seconds: float) -> list[Square]:
    """Return two faces side by side."""
    return [Square(20, 20, 40, SAD), Square(150, 100, 40, HAPPY)]


@pytest.fixture(scope="session")
def two_faces_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("videos") / "two.mp4", get_two_faces, 1.5)


class StoppingReporter(JobReporter):
    """Requests a stop after a number of frames."""

    def __init__(self, folder: Path, frames: int) -> None:
        super().__init__(folder)
        self.remaining = frames

    @property
    def stop_requested(self) -> bool:
        return self.remaining <= 0

    def progress(self, done: float, total: float, message: str = "", *, counts_time: bool = True) -> None:
        self.remaining -= 1
        assert 0 < done <= total
        super().progress(done, total, message)


def read_frames(path: Path) -> list[tuple[float, ImageArray]]:
    with VideoReader(path) as video:
        return [(frame.timestamp, frame.image()) for frame in video.frames()]


def redraw(analysis: VideoAnalysis, frames: int = 10**6) -> bool:
    return redraw_video(analysis.folder, StoppingReporter(analysis.folder / "redraw", frames))


def get_difference(first: ImageArray, second: ImageArray, region: tuple[slice, slice], margin: int = 30) -> float:
    rows, columns = (slice(max(0, side.start - margin), side.stop + margin) for side in region)
    return float(np.abs(first[rows, columns].astype(int) - second[rows, columns]).mean())


@pytest.mark.parametrize("frame_stride", [1, 3])
def test_video_without_changes_is_redrawn_equally(analyzed: Analyze, moving_video: Path, frame_stride: int) -> None:
    analysis = analyzed(moving_video, frame_stride=frame_stride)
    assert not is_outdated(analysis)
    assert analysis.annotated_video is not None
    before_frames = read_frames(analysis.annotated_video)
    assert redraw(analysis)
    after_frames = read_frames(analysis.annotated_video)
    assert [seconds for seconds, _ in after_frames] == pytest.approx([seconds for seconds, _ in before_frames])
    # Interpolated boxes are rounded to pixels.
    assert (
        max(np.abs(a.astype(int) - b).mean() for (_, a), (_, b) in zip(after_frames, before_frames, strict=True)) < 0.5
    )
    assert sorted(path.name for path in (analysis.folder / "redraw").iterdir()) == ["people.json", "progress.json"]


def test_names_and_hidden_faces_change_video_and_cover(analyzed: Analyze, two_faces_video: Path) -> None:
    analysis = analyzed(two_faces_video)
    assert analysis.annotated_video is not None
    assert analysis.cover is not None
    source_frames, before_frames, old_cover = (
        read_frames(two_faces_video),
        read_frames(analysis.annotated_video),
        read_image(analysis.cover),
    )
    analysis.rename(1, "Anna")
    assert is_outdated(analysis)
    assert redraw(analysis)
    assert not is_outdated(analysis)
    named_frames = read_frames(analysis.annotated_video)
    assert get_difference(named_frames[5][1], before_frames[5][1], FIRST_FACE) > 1
    assert get_difference(named_frames[5][1], before_frames[5][1], SECOND_FACE) < 1
    assert get_difference(read_image(analysis.cover), old_cover, FIRST_FACE) > 1
    analysis.hide(2)
    assert is_outdated(analysis)
    assert redraw(analysis)
    hidden_frames = read_frames(analysis.annotated_video)
    assert get_difference(hidden_frames[5][1], named_frames[5][1], FIRST_FACE) < 1
    assert get_difference(before_frames[5][1], source_frames[5][1], SECOND_FACE) > 10, "the box was drawn"
    assert get_difference(hidden_frames[5][1], source_frames[5][1], SECOND_FACE) < 4, "the box is removed"


def test_merged_faces_have_one_track_id(
    analyzed: Analyze, video_of_two_places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    analysis, drawn_names = analyzed(video_of_two_places), set[tuple[int | None, str]]()
    analysis.merge(2, 1)
    analysis.rename(1, "Ben")

    def annotate(image: ImageArray, faces: Any, *, names: dict[int, str], points: bool) -> ImageArray:
        drawn_names.update((face.track_id, names[face.track_id]) for face in faces)
        return image

    monkeypatch.setattr("emotion.video.rendering.renderer.annotate", annotate)
    assert redraw(analysis)
    assert drawn_names == {(1, "Ben")}


@pytest.mark.parametrize(
    ("edit", "outdated"),
    [
        (lambda analysis: analysis.rename(1, ""), False),
        (lambda analysis: (analysis.hide(2), analysis.hide(2, False)), False),
        (lambda analysis: (analysis.hide(2), analysis.rename(2, "Ben")), True),
        (lambda analysis: analysis.merge(2, 1), True),
        (lambda analysis: (analysis.merge(2, 1), analysis.unmerge(1)), False),
    ],
)
def test_visible_edits_make_a_video_outdated(
    analyzed: Analyze, video_of_two_places: Path, edit: Callable[[VideoAnalysis], Any], outdated: bool
) -> None:
    analysis = analyzed(video_of_two_places)
    edit(analysis)
    assert is_outdated(analysis) == outdated
    assert redraw(analysis)
    assert not is_outdated(analysis)


def test_name_of_a_hidden_face_does_not_make_a_video_outdated(analyze: Analyze, video_of_two_places: Path) -> None:
    analysis = analyze(video_of_two_places)
    analysis.hide(2)
    assert redraw(analysis)
    analysis.rename(2, "Ben")
    assert not is_outdated(analysis)
    unannotated = analyze(video_of_two_places, "without", write_video=False)
    unannotated.rename(1, "Anna")
    assert not is_outdated(unannotated), "there is no video"


def test_hidden_face_stays_pixelated(analyzed: Analyze, two_faces_video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    analysis = analyzed(two_faces_video, anonymize=True)
    assert analysis.annotated_video is not None
    lines = [json.loads(line) for line in (analysis.folder / "regions.jsonl").read_text().splitlines()]
    assert len(lines) == 15
    monkeypatch.setattr(Analyzer, "candidate_boxes", lambda *_: pytest.fail("no face is detected again"))
    pixelated: list[int] = []
    monkeypatch.setattr(
        "emotion.video.rendering.renderer.pixelate",
        lambda image, boxes: pixelated.append(len(boxes)) or pixelate(image, boxes),
    )
    analysis.hide(2)
    assert redraw(analysis)
    assert pixelated[:15] == [len(boxes) for boxes in lines]
    assert min(pixelated) >= 2


def test_frame_without_known_regions_is_pixelated_entirely(analyzed: Analyze, two_faces_video: Path) -> None:
    analysis = analyzed(two_faces_video, anonymize=True)
    path = analysis.folder / "regions.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:5]) + "null\n")
    assert redraw(analysis)
    assert analysis.annotated_video is not None
    source_frames = read_frames(two_faces_video)
    bright_counts = [int((image[SECOND_FACE] > 150).sum()) for _, image in read_frames(analysis.annotated_video)]
    assert (source_frames[3][1][SECOND_FACE] > 150).sum() > 0
    assert min(bright_counts[:4]) > max(bright_counts[6:])


def test_stopped_redraw_keeps_the_old_video(analyzed: Analyze, two_faces_video: Path) -> None:
    analysis = analyzed(two_faces_video)
    assert analysis.annotated_video is not None
    old_files = analysis.annotated_video.read_bytes(), analysis.cover
    analysis.rename(1, "Anna")
    assert not redraw(analysis, frames=3)
    assert (analysis.annotated_video.read_bytes(), analysis.cover) == old_files
    assert is_outdated(analysis)
    assert [path.name for path in (analysis.folder / "redraw").iterdir()] == ["progress.json"]


def test_video_of_a_stopped_analysis_is_redrawn_to_its_end(
    analyze: Analyze, moving_video: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    analysis = analyze(moving_video, report=StoppingReporter(tmp_path / "out", 12))
    assert analysis.annotated_video is not None
    frames = len(read_frames(analysis.annotated_video))
    assert 0 < frames < 40
    analysis.rename(1, "Anna")
    assert redraw(analysis)
    assert len(read_frames(analysis.annotated_video)) == frames


def replace_source(folder: Path) -> None:
    request = json.loads((folder / "request.json").read_text())
    make_video(Path(request["video_path"]), get_two_faces, 0.5)


def delete_source(folder: Path) -> None:
    os.unlink(json.loads((folder / "request.json").read_text())["video_path"])


def shorten_source(folder: Path) -> None:
    replace_source(folder)
    with VideoReader(Path(json.loads((folder / "request.json").read_text())["video_path"])) as video:
        (folder / "video_info.json").write_text(json.dumps(vars(video.info)))


def mark_running(folder: Path) -> None:
    ProcessRecord.from_current_process("running", None).write(folder)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (replace_source, "is not the video that was analyzed"),
        (shorten_source, "has fewer frames than when it was analyzed"),
        (delete_source, "was not found"),
        (lambda folder: (folder / "regions.jsonl").unlink(), r"regions\.jsonl is missing or damaged"),
        (lambda folder: (folder / "regions.jsonl").write_text("[1]\n"), r"regions\.jsonl is missing or damaged"),
        (lambda folder: (folder / "annotated.mp4").unlink(), "has no annotated video"),
        (lambda folder: (folder / "summary.json").unlink(), "has no annotated video"),
        (mark_running, "is being analyzed"),
    ],
)
def test_failed_redraw_changes_nothing(
    analyze: Analyze, tmp_path: Path, damage: Callable[[Path], Any], message: str
) -> None:
    analysis = analyze(make_video(tmp_path / "own.mp4", get_two_faces, 1.0), anonymize=True)
    damage(analysis.folder)
    old_content = analysis.annotated_video.read_bytes() if analysis.annotated_video else None
    with pytest.raises(EmotionError, match=message):
        redraw(analysis)
    assert (analysis.annotated_video.read_bytes() if analysis.annotated_video else None) == old_content
    assert not list((analysis.folder / "redraw").glob("*.mp4"))


def test_faces_of_one_frame_are_not_merged(analyzed: Analyze, two_faces_video: Path) -> None:
    analysis = analyzed(two_faces_video)
    analysis.rename(1, "Anna")
    with pytest.raises(EmotionError, match="Face 2 and Anna are seen in the same frame, so they are two people"):
        analysis.merge(2, 1)
    analysis.hide(1)
    with pytest.raises(EmotionError, match="the same frame"):
        analysis.merge(1, 2)
    assert analysis.find_cooccurring_tracks([1, 2]) == {1: {2}, 2: {1}}


def test_cover_is_a_frame_with_a_face(analyze: Analyze, tmp_path: Path) -> None:
    video = make_video(tmp_path / "late.mp4", lambda t: [Square(100, 60, 60)] if 1 <= t < 2 else [], 4.0)
    analysis = analyze(video)
    assert analysis.cover is not None
    assert analysis.preview is not None
    assert (read_image(analysis.cover) > 150).mean() > 0.05
    assert (read_image(analysis.preview) > 150).mean() < 0.01, "the last frame shows no face"
    empty_analysis = analyze(make_video(tmp_path / "empty.mp4", lambda t: [], 1.0), "empty")
    assert empty_analysis.cover == empty_analysis.preview


@pytest.mark.slow
def test_video_can_be_deleted_during_a_redraw(analyzed: Analyze, two_faces_video: Path) -> None:
    analysis = analyzed(two_faces_video)
    ProcessRecord.from_current_process("done", None).write(analysis.folder)
    analysis.rename(1, "Anna")
    job = submit_redraw(analysis.folder)
    with pytest.raises(EmotionError, match="A job is already running"):
        submit_redraw(analysis.folder)
    delete(analysis.folder)
    assert not analysis.folder.exists()
    assert not job.read_state().is_running
