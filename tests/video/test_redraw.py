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
from tests.video.conftest import Read
from tests.video.scenes import HAPPY, SAD, Square, make_film

Image = NDArray[np.uint8]
FIRST, SECOND = (slice(20, 60), slice(20, 60)), (slice(100, 140), slice(150, 190))  # rows, columns


def pair(seconds: float) -> list[Square]:
    """Two faces side by side."""
    return [Square(20, 20, 40, SAD), Square(150, 100, 40, HAPPY)]


@pytest.fixture(scope="session")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_film(tmp_path_factory.mktemp("films") / "two.mp4", pair, 1.5)


class Stopper(JobReporter):
    """Asks to stop when it was told of that many frames."""

    def __init__(self, folder: Path, frames: int) -> None:
        super().__init__(folder)
        self.left = frames

    @property
    def stop_requested(self) -> bool:
        return self.left <= 0

    def progress(self, done: float, total: float, message: str = "", *, counts_time: bool = True) -> None:
        self.left -= 1
        assert 0 < done <= total
        super().progress(done, total, message)


def frames_of(path: Path) -> list[tuple[float, Image]]:
    with VideoReader(path) as film:
        return [(frame.timestamp, frame.image()) for frame in film.frames()]


def again(analysis: VideoAnalysis, frames: int = 10**6) -> bool:
    return redraw_video(analysis.folder, Stopper(analysis.folder / "redraw", frames))


def differ(one: Image, other: Image, place: tuple[slice, slice], margin: int = 30) -> float:
    rows, columns = (slice(max(0, side.start - margin), side.stop + margin) for side in place)
    return float(np.abs(one[rows, columns].astype(int) - other[rows, columns]).mean())


@pytest.mark.parametrize("every", [1, 3])
def test_without_changes_the_same_video_is_drawn(read: Read, moving: Path, every: int) -> None:
    analysis = read(moving, frame_stride=every)
    assert not is_outdated(analysis)
    assert analysis.annotated_video is not None
    before = frames_of(analysis.annotated_video)
    assert again(analysis)
    after = frames_of(analysis.annotated_video)
    assert [seconds for seconds, _ in after] == pytest.approx([seconds for seconds, _ in before])
    # Boxes between two looks are known to the pixel only.
    assert max(np.abs(a.astype(int) - b).mean() for (_, a), (_, b) in zip(after, before, strict=True)) < 0.5
    assert sorted(path.name for path in (analysis.folder / "redraw").iterdir()) == ["people.json", "progress.json"]


def test_names_and_hidden_faces_reach_video_and_cover(read: Read, two: Path) -> None:
    analysis = read(two)
    assert analysis.annotated_video is not None
    assert analysis.cover is not None
    source, before, cover = frames_of(two), frames_of(analysis.annotated_video), read_image(analysis.cover)
    analysis.rename(1, "Anna")
    assert is_outdated(analysis)
    assert again(analysis)
    assert not is_outdated(analysis)
    named = frames_of(analysis.annotated_video)
    assert differ(named[5][1], before[5][1], FIRST) > 1
    assert differ(named[5][1], before[5][1], SECOND) < 1
    assert differ(read_image(analysis.cover), cover, FIRST) > 1
    analysis.hide(2)
    assert is_outdated(analysis)
    assert again(analysis)
    hidden = frames_of(analysis.annotated_video)
    assert differ(hidden[5][1], named[5][1], FIRST) < 1
    assert differ(before[5][1], source[5][1], SECOND) > 10, "there was a box"
    assert differ(hidden[5][1], source[5][1], SECOND) < 4, "and it is gone"


def test_merged_faces_have_one_number(read: Read, parted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    analysis, drawn = read(parted), set[tuple[int | None, str]]()
    analysis.merge(2, 1)
    analysis.rename(1, "Ben")

    def annotate(image: Image, faces: Any, *, names: dict[int, str]) -> Image:
        drawn.update((face.track_id, names[face.track_id]) for face in faces)
        return image

    monkeypatch.setattr("emotion.video.rendering.renderer.annotate", annotate)
    assert again(analysis)
    assert drawn == {(1, "Ben")}


@pytest.mark.parametrize(
    ("change", "outdated"),
    [
        (lambda one: one.rename(1, ""), False),
        (lambda one: (one.hide(2), one.hide(2, False)), False),
        (lambda one: (one.hide(2), one.rename(2, "Nobody")), True),
        (lambda one: one.merge(2, 1), True),
        (lambda one: (one.merge(2, 1), one.unmerge(1)), False),
    ],
)
def test_what_makes_a_video_outdated(
    read: Read, parted: Path, change: Callable[[VideoAnalysis], Any], outdated: bool
) -> None:
    analysis = read(parted)
    change(analysis)
    assert is_outdated(analysis) == outdated
    assert again(analysis)
    assert not is_outdated(analysis)


def test_the_name_of_a_hidden_face_needs_no_redrawing(read: Read, parted: Path) -> None:
    analysis = read(parted)
    analysis.hide(2)
    assert again(analysis)
    analysis.rename(2, "Nobody")
    assert not is_outdated(analysis)
    without = read(parted, "without", write_video=False)
    without.rename(1, "Anna")
    assert not is_outdated(without), "there is no video"


def test_a_hidden_face_stays_pixelated(read: Read, two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    analysis = read(two, anonymize=True)
    assert analysis.annotated_video is not None
    lines = [json.loads(line) for line in (analysis.folder / "regions.jsonl").read_text().splitlines()]
    assert len(lines) == 15
    monkeypatch.setattr(Analyzer, "candidate_boxes", lambda *_: pytest.fail("nothing is searched for again"))
    pixelated: list[int] = []
    monkeypatch.setattr(
        "emotion.video.rendering.renderer.pixelate",
        lambda image, boxes: pixelated.append(len(boxes)) or pixelate(image, boxes),
    )
    analysis.hide(2)
    assert again(analysis)
    assert pixelated[:15] == [len(boxes) for boxes in lines]
    assert min(pixelated) >= 2


def test_a_frame_of_which_nothing_is_known_is_pixelated_as_a_whole(read: Read, two: Path) -> None:
    analysis = read(two, anonymize=True)
    path = analysis.folder / "regions.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:5]) + "null\n")
    assert again(analysis)
    assert analysis.annotated_video is not None
    source = frames_of(two)
    bright = [int((image[SECOND] > 150).sum()) for _, image in frames_of(analysis.annotated_video)]
    assert (source[3][1][SECOND] > 150).sum() > 0
    assert min(bright[:4]) > max(bright[6:])


def test_the_old_video_stays_when_it_is_stopped(read: Read, two: Path) -> None:
    analysis = read(two)
    assert analysis.annotated_video is not None
    before = analysis.annotated_video.read_bytes(), analysis.cover
    analysis.rename(1, "Anna")
    assert not again(analysis, frames=3)
    assert (analysis.annotated_video.read_bytes(), analysis.cover) == before
    assert is_outdated(analysis)
    assert [path.name for path in (analysis.folder / "redraw").iterdir()] == ["progress.json"]


def test_a_video_that_was_stopped_is_redrawn_as_far_as_it_goes(read: Read, moving: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    analysis = read(moving, report=Stopper(tmp_path / "out", 12))
    assert analysis.annotated_video is not None
    frames = len(frames_of(analysis.annotated_video))
    assert 0 < frames < 40
    analysis.rename(1, "Anna")
    assert again(analysis)
    assert len(frames_of(analysis.annotated_video)) == frames


def other_source(folder: Path) -> None:
    request = json.loads((folder / "request.json").read_text())
    make_film(Path(request["video_path"]), pair, 0.5)


def no_source(folder: Path) -> None:
    os.unlink(json.loads((folder / "request.json").read_text())["video_path"])


def shorter_source(folder: Path) -> None:
    other_source(folder)
    with VideoReader(Path(json.loads((folder / "request.json").read_text())["video_path"])) as film:
        (folder / "video_info.json").write_text(json.dumps(vars(film.info)))


def running(folder: Path) -> None:
    ProcessRecord.from_current_process("running", None).write(folder)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (other_source, "is not the video that was analyzed"),
        (shorter_source, "has fewer frames than when it was analyzed"),
        (no_source, "was not found"),
        (lambda folder: (folder / "regions.jsonl").unlink(), r"regions\.jsonl is missing or damaged"),
        (lambda folder: (folder / "regions.jsonl").write_text("[1]\n"), r"regions\.jsonl is missing or damaged"),
        (lambda folder: (folder / "annotated.mp4").unlink(), "has no annotated video"),
        (lambda folder: (folder / "summary.json").unlink(), "has no annotated video"),
        (running, "is being analyzed"),
    ],
)
def test_what_cannot_be_redrawn_is_said_and_changes_nothing(
    read: Read, tmp_path: Path, spoil: Callable[[Path], Any], words: str
) -> None:
    analysis = read(make_film(tmp_path / "own.mp4", pair, 1.0), anonymize=True)
    spoil(analysis.folder)
    before = analysis.annotated_video.read_bytes() if analysis.annotated_video else None
    with pytest.raises(EmotionError, match=words):
        again(analysis)
    assert (analysis.annotated_video.read_bytes() if analysis.annotated_video else None) == before
    assert not list((analysis.folder / "redraw").glob("*.mp4"))


def test_faces_of_one_frame_are_not_merged(read: Read, two: Path) -> None:
    analysis = read(two)
    analysis.rename(1, "Anna")
    with pytest.raises(EmotionError, match="Face 2 and Anna are seen in the same frame, so they are two people"):
        analysis.merge(2, 1)
    analysis.hide(1)
    with pytest.raises(EmotionError, match="the same frame"):
        analysis.merge(1, 2)
    assert analysis.find_cooccurring_tracks([1, 2]) == {1: {2}, 2: {1}}


def test_the_cover_is_a_frame_with_a_face(read: Read, tmp_path: Path) -> None:
    film = make_film(tmp_path / "late.mp4", lambda t: [Square(100, 60, 60)] if 1 <= t < 2 else [], 4.0)
    analysis = read(film)
    assert analysis.cover is not None
    assert analysis.preview is not None
    assert (read_image(analysis.cover) > 150).mean() > 0.05
    assert (read_image(analysis.preview) > 150).mean() < 0.01, "the last frame shows nobody"
    nobody = read(make_film(tmp_path / "empty.mp4", lambda t: [], 1.0), "nobody")
    assert nobody.cover == nobody.preview


@pytest.mark.slow
def test_a_video_is_deleted_while_it_is_redrawn(read: Read, two: Path) -> None:
    analysis = read(two)
    ProcessRecord.from_current_process("done", None).write(analysis.folder)
    analysis.rename(1, "Anna")
    job = submit_redraw(analysis.folder)
    with pytest.raises(EmotionError, match="A job is at work"):
        submit_redraw(analysis.folder)
    delete(analysis.folder)
    assert not analysis.folder.exists()
    assert not job.read_state().is_running
