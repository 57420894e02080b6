from __future__ import annotations

import errno
import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.errors import EmotionError, JobError, VideoError
from emotion.faces import Face
from emotion.jobs.reporter import JobReporter
from emotion.media.image_reader import read_image
from emotion.media.video_reader import VideoLimits, VideoReader
from emotion.media.video_writer import VideoWriter
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.settings import AnalyzerSettings
from emotion.video import pipeline
from emotion.video.analysis import VideoAnalysis
from emotion.video.outputs import exports
from emotion.video.rendering.renderer import FrameRenderer
from emotion.video.settings import FAST_STRIDE, VideoRequest, VideoSettings
from tests.video.conftest import Read
from tests.video.scenes import HAPPY, Square, make_film, paint, see

Frames = list[tuple[float, NDArray[np.uint8]]]


def frames_of(path: Path) -> Frames:
    with VideoReader(path) as film:
        return [(frame.timestamp, frame.image()) for frame in film.frames()]


class Stopper(JobReporter):
    """Asks to stop when it was told of that many frames."""

    def __init__(self, folder: Path, frames: int) -> None:
        super().__init__(folder)
        self._left = frames
        self.texts = list[str]()

    @property
    def stop_requested(self) -> bool:
        return self._left <= 0

    def progress(self, done: float, total: float, message: str = "", *, counts_time: bool = True) -> None:
        self._left -= 1
        self.texts.append(message)
        super().progress(done, total, message, counts_time=counts_time)


# ------------------------------------------------------------------ what comes out


def test_every_frame(read: Read, moving: Path) -> None:
    analysis = read(moving)
    assert (analysis.num_frames, analysis.summary["status"], analysis.summary["frames_decoded"]) == (40, "done", 40)
    table = analysis.face_table()
    assert sorted(set(table["track_id"])) == [1, 2]
    first = table[table["track_id"] == 1]
    assert len(first) >= 39
    shown = first["display_label"].tolist()
    assert shown[0] == "sad"
    assert shown[-1] == "happy"
    change = shown.index("happy")
    assert 20 <= change <= 26  # of ten frames a second, from second 2 on, a little late since labels are held
    assert "sad" not in shown[change:]
    assert analysis.last_timestamp == pytest.approx(3.9)
    facts = analysis.video_info
    assert facts is not None
    assert (facts.width, facts.height, facts.codec) == (240, 180, "h264")


def test_the_video_has_all_frames_at_their_times_and_boxes_on_them(read: Read, moving: Path) -> None:
    analysis = read(moving)
    assert analysis.annotated_video is not None
    before, after = frames_of(moving), frames_of(analysis.annotated_video)
    assert [seconds for seconds, _ in after] == pytest.approx([seconds for seconds, _ in before], abs=1e-3)
    changed = [np.abs(b.astype(int) - a).max() for (_, b), (_, a) in zip(before[2:], after[2:], strict=True)]
    assert min(changed) > 60  # each has its box


def test_the_video_lasts_as_long_and_says_what_made_it(read: Read, moving: Path) -> None:
    analysis = read(moving)
    with av.open(str(analysis.annotated_video)) as made, av.open(str(moving)) as source:
        stream = made.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert made.duration == pytest.approx(source.duration, abs=2000)  # microseconds
        assert made.metadata["comment"] == analysis.request.provenance_line


def test_without_the_video(read: Read, moving: Path) -> None:
    analysis = read(moving, write_video=False)
    assert analysis.annotated_video is None
    assert analysis.num_frames == 40
    assert analysis.preview is not None
    assert analysis.summary["frames_written"] == 0


@pytest.mark.parametrize(("every", "looked"), [(1, 40), (3, 14), (FAST_STRIDE, 40), (100, 1)])
def test_how_many_frames_are_looked_at(read: Read, moving: Path, every: int, looked: int) -> None:
    analysis = read(moving, frame_stride=every)
    assert analysis.num_frames == looked
    assert analysis.summary["frames_written"] == 40


def test_the_same_video_gives_the_same_files(read: Read, moving: Path) -> None:
    one, other = read(moving, "one", frame_stride=2), read(moving, "other", frame_stride=2)
    assert exports.to_csv(one) == exports.to_csv(other)
    assert exports.to_vtt(one) == exports.to_vtt(other)
    assert one.segments().equals(other.segments())
    names = sorted(path.relative_to(one.folder) for path in one.folder.glob("*/*"))
    assert names == sorted(path.relative_to(other.folder) for path in other.folder.glob("*/*"))
    assert len(names) >= 6
    for name in names:
        assert (one.folder / name).read_bytes() == (other.folder / name).read_bytes(), name


def test_crops_and_moments(read: Read, moving: Path) -> None:
    analysis = read(moving)
    names = sorted(path.name for path in (analysis.folder / "thumbnails").glob("*.jpg"))
    assert names == ["1-happy.jpg", "1-sad.jpg", "1.jpg", "2-happy.jpg", "2.jpg"]
    moments = [(one.kind, one.label, one.previous_label) for one in analysis.highlights() if one.track_id == 1]
    assert ("change", "happy", "sad") in moments
    assert ("peak", "sad", None) in moments
    change = next(one for one in analysis.highlights() if one.kind == "change")
    assert 2.0 <= change.timestamp <= 2.6
    assert change.thumbnail is not None
    assert read_image(change.thumbnail)[:, :, 1].max() > 200  # of that very frame: already bright
    sad = next(one for one in analysis.highlights() if one.kind == "peak" and one.label == "sad")
    assert sad.thumbnail is not None
    assert read_image(sad.thumbnail).mean() < read_image(change.thumbnail).mean()


def test_a_face_in_a_last_image_that_stands_for_long(read: Read, tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "still.mp4", 240, 180) as film:
        for i in range(40):
            film.write(paint([]), i / 8)
        film.write(paint([Square()]), 5.0)
        film.close(5.6)
    (face,) = read(tmp_path / "still.mp4").people()
    assert face.first_seen == pytest.approx(5.0, abs=0.01)


def test_a_video_without_a_face(read: Read, tmp_path: Path) -> None:
    analysis = read(make_film(tmp_path / "empty.mp4", lambda t: []))
    assert analysis.num_frames == 20
    assert analysis.face_table().empty
    assert analysis.segments().empty
    assert analysis.people() == []
    assert analysis.highlights() == []
    assert analysis.expression_shares() == {}
    assert (analysis.face_counts()["mean_faces"] == 0).all()
    assert exports.to_csv(analysis).count("\n") == 1
    assert exports.to_vtt(analysis).startswith("WEBVTT\n")
    assert "No face was found" in exports.render_report(analysis)
    assert json.loads(exports.to_json(analysis))["people"] == []
    assert len(exports.zip_thumbnails(analysis)) > 0


# ------------------------------------------------------------------ hidden faces


FACE = Square(60, 40, 72)


def detail(image: NDArray[np.uint8], square: Square = FACE) -> float:
    """How much the neighbours in a row of a square differ: little in a mosaic."""
    part = image[square.y + 4 : square.y + square.side - 4, square.x + 4 : square.x + square.side - 4]
    return float(np.abs(np.diff(part.mean(axis=2), axis=1)).mean())


def dotted(seconds: float) -> list[Square]:
    """A face with features, seen from 0.5 s on."""
    places = range(8, 64, 10)
    dots = [Square(FACE.x + x, FACE.y + y, 5, 90) for x in places for y in places]
    return [FACE, *dots] if seconds >= 0.5 else []


def test_blur_hides_faces_everywhere_and_from_the_first_frame(
    tmp_path: Path, request_for: Callable[..., VideoRequest], fake_detector: Callable[..., Any], analyzer: Analyzer
) -> None:
    film = make_film(tmp_path / "dotted.mp4", dotted)
    calls = [0]

    def late(image: NDArray[np.uint8]) -> Sequence[Face]:
        """Finds the face only from the third frame on in which it is."""
        found = see(image)
        calls[0] += bool(found)
        return found if calls[0] > 4 else ()

    tested = Analyzer(fake_detector(late), analyzer.classifier)
    calm = {"recognition": AnalyzerSettings(max_side=640, min_confidence=0.4)}  # its dots leave the reader in doubt
    for name, settings in (("blurred", {"anonymize": True} | calm), ("open", calm)):
        calls[0] = 0
        (tmp_path / name).mkdir()
        folder = tmp_path / name
        pipeline.analyze_video(request_for(film, **settings), tested, folder, JobReporter(folder))
    shown = [detail(image) for seconds, image in frames_of(tmp_path / "open" / "annotated.mp4") if seconds >= 0.5]
    hidden = [detail(image) for seconds, image in frames_of(tmp_path / "blurred" / "annotated.mp4") if seconds >= 0.5]
    assert len(hidden) == 15
    assert max(hidden) < min(shown) / 3, hidden
    for name in ("preview.jpg", "thumbnails/1.jpg", "thumbnails/1-happy.jpg"):
        plain, mosaic = (read_image(tmp_path / kind / name) for kind in ("open", "blurred"))
        assert plain.shape == mosaic.shape
        place = FACE if name == "preview.jpg" else Square(10, 10, 80)
        assert detail(mosaic, place) < detail(plain, place) / 2, name


def test_a_frame_in_which_nobody_can_tell_is_hidden_whole(
    tmp_path: Path, request_for: Callable[..., VideoRequest], fake_detector: Callable[..., Any], analyzer: Analyzer
) -> None:
    def broken(image: NDArray[np.uint8]) -> Sequence[Face]:
        raise RuntimeError("no memory")

    film = make_film(tmp_path / "dotted.mp4", lambda t: dotted(1.0), 1.0)
    out = tmp_path / "out"
    out.mkdir()
    request = request_for(film, anonymize=True)
    pipeline.analyze_video(request, Analyzer(fake_detector(broken), analyzer.classifier), out, JobReporter(out))
    hidden = [detail(image) for _, image in frames_of(out / "annotated.mp4")]
    assert max(hidden) < min(detail(image) for _, image in frames_of(film)) / 3
    assert VideoAnalysis(out).summary["errors"] >= 10


# ------------------------------------------------------------------ ends


def test_stop_keeps_what_is_done(read: Read, moving: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    analysis = read(moving, report=Stopper(tmp_path / "out", 25))
    assert analysis.summary["status"] == "stopped"
    assert analysis.num_frames == 25
    assert analysis.annotated_video is not None
    assert len(frames_of(analysis.annotated_video)) == 25
    assert analysis.duration == pytest.approx(2.5, abs=0.11)
    assert exports.to_csv(analysis).count("\n") > 25
    assert analysis.highlights()


def test_progress_tells_how_far_it_is(read: Read, moving: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    report = Stopper(tmp_path / "out", 1000)
    read(moving, report=report)
    assert report.texts[5] == "0:01 of 0:04, 1 face"
    assert report.texts[15] == "0:02 of 0:04, 2 faces"
    assert len(report.texts) == 40


def test_a_video_beyond_the_limit_is_read_up_to_it(
    read: Read, moving: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = pipeline.VideoReader
    monkeypatch.setattr(pipeline, "VideoReader", lambda path, name: real(path, name, VideoLimits(max_seconds=2.0)))
    with pytest.raises(VideoError, match=r'"moving.mp4" .* minutes') as refused:
        read(moving)
    analysis = VideoAnalysis(tmp_path / "out")
    assert analysis.num_frames == 20
    assert analysis.summary["status"] == "failed"
    assert analysis.summary["error"] == str(refused.value)
    assert analysis.annotated_video is not None
    assert len(frames_of(analysis.annotated_video)) == 20


def test_the_disk_gets_full_while_frames_are_written(
    read: Read, moving: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = pipeline.write_atomic, [0]

    def full(path: Path, data: bytes | str) -> None:
        calls[0] += 1
        if calls[0] > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, data)

    monkeypatch.setattr(pipeline, "write_atomic", full)
    monkeypatch.setattr(pipeline, "_PREVIEW_INTERVAL_SECONDS", 0.0)
    with pytest.raises(JobError, match=r"No space left on device.* the results so far are kept"):
        read(moving)
    analysis = VideoAnalysis(tmp_path / "out")
    assert 0 < analysis.num_frames < 40
    assert analysis.annotated_video is not None
    assert len(frames_of(analysis.annotated_video)) >= 1


def test_the_video_cannot_be_written_to_its_end(
    read: Read, moving: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = VideoWriter.write, [0]

    def full(self: VideoWriter, image: NDArray[np.uint8], seconds: float) -> None:
        calls[0] += 1
        if calls[0] > 10:
            raise VideoError("The film cannot be written; make room.")
        real(self, image, seconds)

    monkeypatch.setattr(VideoWriter, "write", full)
    with pytest.raises(VideoError, match="make room"):
        read(moving)
    analysis = VideoAnalysis(tmp_path / "out")
    assert analysis.num_frames >= 10
    assert analysis.annotated_video is None
    assert analysis.summary["status"] == "failed"


def test_too_little_room_is_said_before_anything_is_read(
    read: Read, moving: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emotion.storage.shutil.disk_usage", lambda path: type("", (), {"free": 10_000_000}))
    with pytest.raises(JobError, match="10 MB free: make room"):
        read(moving)
    assert not (tmp_path / "out" / "frames.jsonl").exists()


def test_what_is_no_video_is_refused(read: Read, tmp_path: Path) -> None:
    (tmp_path / "no.mp4").write_text("#EXTM3U\nsecret.txt\n")
    with pytest.raises(VideoError, match=r'"no\.mp4" is plain text'):
        read(tmp_path / "no.mp4")
    assert VideoAnalysis(tmp_path / "out").num_frames == 0


def test_no_thread_is_left(read: Read, moving: Path, tmp_path: Path) -> None:
    before = threading.active_count()
    read(moving)
    (tmp_path / "other").mkdir()
    read(moving, "other", Stopper(tmp_path / "other", 3))
    assert threading.active_count() == before


# ------------------------------------------------------------------ again


def test_another_reading_begins_anew(read: Read, moving: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    read(moving, report=Stopper(tmp_path / "out", 30)).rename(1, "Anna")
    (tmp_path / "out" / "mine.txt").write_text("stays")
    other = make_film(tmp_path / "other.mp4", lambda t: [Square(60, 40, 40, HAPPY)], 0.5)
    analysis = read(other)
    assert analysis.num_frames == 5
    assert [person.name for person in analysis.people()] == ["Face 1"]
    assert sorted(path.name for path in (tmp_path / "out" / "thumbnails").glob("*.jpg")) == ["1-happy.jpg", "1.jpg"]
    assert (tmp_path / "out" / "mine.txt").exists()


@pytest.mark.parametrize("name", ["annotated.mp4", "frames.jsonl"])
def test_a_video_is_not_overwritten_by_its_own_result(read: Read, moving: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "out").mkdir()
    film = tmp_path / "out" / name
    film.write_bytes(moving.read_bytes())
    with pytest.raises(EmotionError, match="holds files that are no video analysis"):
        read(film)
    assert film.read_bytes() == moving.read_bytes()


def test_a_large_video_is_held_back_by_few_frames(monkeypatch: pytest.MonkeyPatch, analyzer: Analyzer) -> None:
    monkeypatch.setattr("emotion.video.rendering.renderer._MAX_PENDING_BYTES", 3 * paint([]).nbytes)
    easel = FrameRenderer(analyzer, VideoSettings(frame_stride=50))
    given = [len(list(easel.push(paint([]), i / 10, () if i == 0 else None))) for i in range(10)]
    assert given == [1, 0, 0, 0, 1, 1, 1, 1, 1, 1]
    assert len(list(easel.flush())) == 3
