"""Benchmark of videos: rows, and the generated videos."""

from __future__ import annotations

from pathlib import Path

import pytest

from emotion.benchmarks import video
from emotion.media.video_reader import VideoReader
from emotion.model_store.store import ModelBundle
from emotion.recognition.detectors.detector_factory import make_detector


@pytest.mark.slow
def test_rows_have_every_case(tiny: ModelBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "CASES", video.CASES[:2])
    monkeypatch.setattr(video, "available_detectors", lambda: ("haar",))
    rows = video.benchmark_videos(0.5, tiny.folder)
    assert [(row["size"], row["num_faces"], row["mode"]) for row in rows] == [
        ("640x360", 1, "frame-stride 1"),
        ("640x360", 1, "fast"),
    ]
    for row in rows:
        assert list(row)[:6] == ["step", "detector", "size", "num_faces", "mode", "realtime_factor"]
        assert (row["step"], row["detector"]) == ("video", "haar")
        assert row["realtime_factor"] > 0
        assert row.get("memory_mb", 100) > 20


@pytest.mark.parametrize(("size_wh", "num_faces"), [((640, 360), 1), ((960, 540), 4)])
def test_generated_videos_have_as_many_faces_as_requested(
    tmp_path: Path, size_wh: tuple[int, int], num_faces: int
) -> None:
    video.write_video(tmp_path / "video.mp4", size_wh, num_faces, 0.5)
    detector = make_detector("glance", num_threads=1)
    with VideoReader(tmp_path / "video.mp4") as reader:
        detected = [len(detector.detect(frame.image(), 0.6, 640)) for frame in reader.frames()]
        assert (reader.info.width, reader.info.height) == size_wh
    assert detected == [num_faces] * 15
