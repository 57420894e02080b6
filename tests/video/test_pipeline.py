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
from tests.video.conftest import Analyze
from tests.video.scenes import HAPPY, VIDEO_INFO, Square, draw_scene, find_squares, make_video

Frames = list[tuple[float, NDArray[np.uint8]]]


def read_frames(path: Path) -> Frames:
    with VideoReader(path) as video:
        return [(frame.timestamp, frame.image()) for frame in video.frames()]


class StoppingReporter(JobReporter):
    """Requests a stop after a number of frames."""

    def __init__(self, folder: Path, frames: int) -> None:
        super().__init__(folder)
        self._remaining = frames
        self.messages = list[str]()

    @property
    def stop_requested(self) -> bool:
        return self._remaining <= 0

    def progress(self, done: float, total: float, message: str = "", *, counts_time: bool = True) -> None:
        self._remaining -= 1
        self.messages.append(message)
        super().progress(done, total, message, counts_time=counts_time)


# ------------------------------------------------------------------ results


def test_every_frame_is_analyzed(analyzed: Analyze, moving_video: Path) -> None:
    analysis = analyzed(moving_video)
    assert (analysis.num_frames, analysis.summary["status"], analysis.summary["frames_decoded"]) == (40, "done", 40)
    table = analysis.face_table()
    assert sorted(set(table["track_id"])) == [1, 2]
    first = table[table["track_id"] == 1]
    assert len(first) >= 39
    labels = first["display_label"].tolist()
    assert labels[0] == "sad"
    assert labels[-1] == "happy"
    change_index = labels.index("happy")
    assert 20 <= change_index <= 26  # at ten frames per second the change is at frame 20; smoothing delays it
    assert "sad" not in labels[change_index:]
    assert analysis.last_timestamp == pytest.approx(3.9)
    video_info = analysis.video_info
    assert video_info is not None
    assert (video_info.width, video_info.height, video_info.codec) == (240, 180, "h264")


def test_annotated_video_has_all_frames_with_their_timestamps_and_boxes(analyzed: Analyze, moving_video: Path) -> None:
    analysis = analyzed(moving_video)
    assert analysis.annotated_video is not None
    before_frames, after_frames = read_frames(moving_video), read_frames(analysis.annotated_video)
    assert [seconds for seconds, _ in after_frames] == pytest.approx(
        [seconds for seconds, _ in before_frames], abs=1e-3
    )
    changed = [
        np.abs(b.astype(int) - a).max() for (_, b), (_, a) in zip(before_frames[2:], after_frames[2:], strict=True)
    ]
    assert min(changed) > 60  # each frame has its box


def test_annotated_video_has_duration_and_provenance(analyzed: Analyze, moving_video: Path) -> None:
    analysis = analyzed(moving_video)
    with av.open(str(analysis.annotated_video)) as annotated, av.open(str(moving_video)) as source:
        stream = annotated.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert annotated.duration == pytest.approx(source.duration, abs=2000)  # microseconds
        assert annotated.metadata["comment"] == analysis.request.provenance_line


def test_annotated_video_is_optional(analyze: Analyze, moving_video: Path) -> None:
    analysis = analyze(moving_video, write_video=False)
    assert analysis.annotated_video is None
    assert analysis.num_frames == 40
    assert analysis.preview is not None
    assert analysis.summary["frames_written"] == 0


@pytest.mark.parametrize(("frame_stride", "num_analyzed"), [(1, 40), (3, 14), (FAST_STRIDE, 40), (100, 1)])
def test_frame_stride_decides_how_many_frames_are_analyzed(
    analyze: Analyze, moving_video: Path, frame_stride: int, num_analyzed: int
) -> None:
    analysis = analyze(moving_video, frame_stride=frame_stride)
    assert analysis.num_frames == num_analyzed
    assert analysis.summary["frames_written"] == 40


def test_analysis_is_repeatable(analyze: Analyze, moving_video: Path) -> None:
    first_analysis, second_analysis = (
        analyze(moving_video, "first", frame_stride=2),
        analyze(moving_video, "second", frame_stride=2),
    )
    assert exports.to_csv(first_analysis) == exports.to_csv(second_analysis)
    assert exports.to_vtt(first_analysis) == exports.to_vtt(second_analysis)
    assert first_analysis.segments().equals(second_analysis.segments())
    names = sorted(path.relative_to(first_analysis.folder) for path in first_analysis.folder.glob("*/*"))
    assert names == sorted(path.relative_to(second_analysis.folder) for path in second_analysis.folder.glob("*/*"))
    assert len(names) >= 6
    for name in names:
        assert (first_analysis.folder / name).read_bytes() == (second_analysis.folder / name).read_bytes(), name


def test_thumbnails_and_highlights_are_written(analyzed: Analyze, moving_video: Path) -> None:
    analysis = analyzed(moving_video)
    names = sorted(path.name for path in (analysis.folder / "thumbnails").glob("*.jpg"))
    assert names == ["1-happy.jpg", "1-sad.jpg", "1.jpg", "2-happy.jpg", "2.jpg"]
    highlights = [(item.kind, item.label, item.previous_label) for item in analysis.highlights() if item.track_id == 1]
    assert ("change", "happy", "sad") in highlights
    assert ("peak", "sad", None) in highlights
    happy = next(item for item in analysis.highlights() if item.kind == "change")
    assert 2.0 <= happy.timestamp <= 2.6
    assert happy.thumbnail is not None
    assert read_image(happy.thumbnail)[:, :, 1].max() > 200  # of the same frame, which is already bright
    sad = next(item for item in analysis.highlights() if item.kind == "peak" and item.label == "sad")
    assert sad.thumbnail is not None
    assert read_image(sad.thumbnail).mean() < read_image(happy.thumbnail).mean()


def test_face_in_a_long_last_frame_counts(analyze: Analyze, tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "still.mp4", 240, 180) as video:
        for i in range(40):
            video.write(draw_scene([]), i / 8)
        video.write(draw_scene([Square()]), 5.0)
        video.close(5.6)
    (face,) = analyze(tmp_path / "still.mp4").people()
    assert face.first_seen == pytest.approx(5.0, abs=0.01)


def test_video_without_faces_has_empty_results(analyze: Analyze, tmp_path: Path) -> None:
    analysis = analyze(make_video(tmp_path / "empty.mp4", lambda t: []))
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


# ------------------------------------------------------------------ anonymization


FACE = Square(60, 40, 72)


def measure_detail(image: NDArray[np.uint8], square: Square = FACE) -> float:
    """Return the mean difference of horizontal neighbors in a square; it is small after pixelation."""
    part = image[square.y + 4 : square.y + square.side - 4, square.x + 4 : square.x + square.side - 4]
    return float(np.abs(np.diff(part.mean(axis=2), axis=1)).mean())


def get_dotted_face(seconds: float) -> list[Square]:
    """Return a face with features, visible from 0.5 s."""
    offsets = range(8, 64, 10)
    dots = [Square(FACE.x + x, FACE.y + y, 5, 90) for x in offsets for y in offsets]
    return [FACE, *dots] if seconds >= 0.5 else []


def test_anonymized_faces_are_pixelated_in_every_output_from_the_first_frame(
    tmp_path: Path, make_request: Callable[..., VideoRequest], fake_detector: Callable[..., Any], analyzer: Analyzer
) -> None:
    video = make_video(tmp_path / "dotted.mp4", get_dotted_face)
    calls = [0]

    def find_late(image: NDArray[np.uint8]) -> Sequence[Face]:
        """Find the face only after its first frames."""
        found = find_squares(image)
        calls[0] += bool(found)
        return found if calls[0] > 4 else ()

    blind_analyzer = Analyzer(fake_detector(find_late), analyzer.classifier)
    settings_for_dots = {
        "recognition": AnalyzerSettings(max_side=640, min_confidence=0.4)
    }  # the dots lower the confidence
    for name, settings in (("pixelated", {"anonymize": True} | settings_for_dots), ("open", settings_for_dots)):
        calls[0] = 0
        (tmp_path / name).mkdir()
        folder = tmp_path / name
        pipeline.analyze_video(make_request(video, **settings), blind_analyzer, folder, JobReporter(folder))
    open_details = [
        measure_detail(image) for seconds, image in read_frames(tmp_path / "open" / "annotated.mp4") if seconds >= 0.5
    ]
    pixelated = [
        measure_detail(image)
        for seconds, image in read_frames(tmp_path / "pixelated" / "annotated.mp4")
        if seconds >= 0.5
    ]
    assert len(pixelated) == 15
    assert max(pixelated) < min(open_details) / 3, pixelated
    for name in ("preview.jpg", "thumbnails/1.jpg", "thumbnails/1-happy.jpg"):
        open_image, pixelated_image = (read_image(tmp_path / kind / name) for kind in ("open", "pixelated"))
        assert open_image.shape == pixelated_image.shape
        square = FACE if name == "preview.jpg" else Square(10, 10, 80)
        assert measure_detail(pixelated_image, square) < measure_detail(open_image, square) / 2, name


def test_frame_is_pixelated_entirely_if_the_detector_fails(
    tmp_path: Path, make_request: Callable[..., VideoRequest], fake_detector: Callable[..., Any], analyzer: Analyzer
) -> None:
    def fail(image: NDArray[np.uint8]) -> Sequence[Face]:
        raise RuntimeError("out of memory")

    video = make_video(tmp_path / "dotted.mp4", lambda t: get_dotted_face(1.0), 1.0)
    out = tmp_path / "out"
    out.mkdir()
    request = make_request(video, anonymize=True)
    pipeline.analyze_video(request, Analyzer(fake_detector(fail), analyzer.classifier), out, JobReporter(out))
    pixelated = [measure_detail(image) for _, image in read_frames(out / "annotated.mp4")]
    assert max(pixelated) < min(measure_detail(image) for _, image in read_frames(video)) / 3
    assert VideoAnalysis(out).summary["errors"] >= 10


# ------------------------------------------------------------------ stops and errors


def test_stop_keeps_the_results_so_far(analyze: Analyze, moving_video: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    analysis = analyze(moving_video, report=StoppingReporter(tmp_path / "out", 25))
    assert analysis.summary["status"] == "stopped"
    assert analysis.num_frames == 25
    assert analysis.annotated_video is not None
    assert len(read_frames(analysis.annotated_video)) == 25
    assert analysis.duration == pytest.approx(2.5, abs=0.11)
    assert exports.to_csv(analysis).count("\n") > 25
    assert analysis.highlights()


def test_progress_has_time_and_number_of_faces(analyze: Analyze, moving_video: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    report = StoppingReporter(tmp_path / "out", 1000)
    analyze(moving_video, report=report)
    assert report.messages[5] == "0:01 of 0:04, 1 face"
    assert report.messages[15] == "0:02 of 0:04, 2 faces"
    assert len(report.messages) == 40


def test_too_long_video_is_analyzed_up_to_the_limit(
    analyze: Analyze, moving_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = pipeline.VideoReader
    monkeypatch.setattr(pipeline, "VideoReader", lambda path, name: original(path, name, VideoLimits(max_seconds=2.0)))
    with pytest.raises(VideoError, match=r'"moving.mp4" .* minutes') as caught:
        analyze(moving_video)
    analysis = VideoAnalysis(tmp_path / "out")
    assert analysis.num_frames == 20
    assert analysis.summary["status"] == "failed"
    assert analysis.summary["error"] == str(caught.value)
    assert analysis.annotated_video is not None
    assert len(read_frames(analysis.annotated_video)) == 20


def test_full_disk_keeps_the_results_so_far(
    analyze: Analyze, moving_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = pipeline.write_atomic, [0]

    def fail_on_full_disk(path: Path, data: bytes | str) -> None:
        calls[0] += 1
        if calls[0] > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        original(path, data)

    monkeypatch.setattr(pipeline, "write_atomic", fail_on_full_disk)
    monkeypatch.setattr(pipeline, "PREVIEW_INTERVAL_SECONDS", 0.0)
    with pytest.raises(JobError, match=r"No space left on device.* the results so far are kept"):
        analyze(moving_video)
    analysis = VideoAnalysis(tmp_path / "out")
    assert 0 < analysis.num_frames < 40
    assert analysis.annotated_video is not None
    assert len(read_frames(analysis.annotated_video)) >= 1


def test_failed_video_keeps_the_frame_results(
    analyze: Analyze, moving_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = VideoWriter.write, [0]

    def fail_on_full_disk(self: VideoWriter, image: NDArray[np.uint8], seconds: float) -> None:
        calls[0] += 1
        if calls[0] > 10:
            raise VideoError("The video cannot be written; make room.")
        original(self, image, seconds)

    monkeypatch.setattr(VideoWriter, "write", fail_on_full_disk)
    with pytest.raises(VideoError, match="make room"):
        analyze(moving_video)
    analysis = VideoAnalysis(tmp_path / "out")
    assert analysis.num_frames >= 10
    assert analysis.annotated_video is None
    assert analysis.summary["status"] == "failed"


def test_missing_disk_space_is_reported_before_the_analysis(
    analyze: Analyze, moving_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emotion.storage.shutil.disk_usage", lambda path: type("", (), {"free": 10_000_000}))
    with pytest.raises(JobError, match="10 MB free: make room"):
        analyze(moving_video)
    assert not (tmp_path / "out" / "frames.jsonl").exists()


def test_invalid_video_is_refused(analyze: Analyze, tmp_path: Path) -> None:
    (tmp_path / "no.mp4").write_text("#EXTM3U\nsecret.txt\n")
    with pytest.raises(VideoError, match=r'"no\.mp4" is plain text'):
        analyze(tmp_path / "no.mp4")
    assert VideoAnalysis(tmp_path / "out").num_frames == 0


def test_analysis_leaves_no_threads(analyze: Analyze, moving_video: Path, tmp_path: Path) -> None:
    num_threads = threading.active_count()
    analyze(moving_video)
    (tmp_path / "other").mkdir()
    analyze(moving_video, "other", StoppingReporter(tmp_path / "other", 3))
    assert threading.active_count() == num_threads


# ------------------------------------------------------------------ repeated analysis


def test_new_analysis_replaces_the_old_results(analyze: Analyze, moving_video: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    analyze(moving_video, report=StoppingReporter(tmp_path / "out", 30)).rename(1, "Anna")
    (tmp_path / "out" / "mine.txt").write_text("stays")
    second_analysis = make_video(tmp_path / "other.mp4", lambda t: [Square(60, 40, 40, HAPPY)], 0.5)
    analysis = analyze(second_analysis)
    assert analysis.num_frames == 5
    assert [person.name for person in analysis.people()] == ["Face 1"]
    assert sorted(path.name for path in (tmp_path / "out" / "thumbnails").glob("*.jpg")) == ["1-happy.jpg", "1.jpg"]
    assert (tmp_path / "out" / "mine.txt").exists()


@pytest.mark.parametrize("name", ["annotated.mp4", "frames.jsonl"])
def test_source_video_is_not_overwritten(analyze: Analyze, moving_video: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "out").mkdir()
    video = tmp_path / "out" / name
    video.write_bytes(moving_video.read_bytes())
    with pytest.raises(EmotionError, match="holds files that are no video analysis"):
        analyze(video)
    assert video.read_bytes() == moving_video.read_bytes()


def test_number_of_pending_frames_is_limited_by_their_size(monkeypatch: pytest.MonkeyPatch, analyzer: Analyzer) -> None:
    monkeypatch.setattr("emotion.video.rendering.renderer.MAX_PENDING_BYTES", 3 * draw_scene([]).nbytes)
    renderer = FrameRenderer(analyzer, VideoSettings(frame_stride=50), VIDEO_INFO)
    num_returned = [len(list(renderer.push(draw_scene([]), i / 10, () if i == 0 else None))) for i in range(10)]
    assert num_returned == [1, 0, 0, 0, 1, 1, 1, 1, 1, 1]
    assert len(list(renderer.flush())) == 3
