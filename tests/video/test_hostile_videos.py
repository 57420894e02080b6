"""One odd folder harms only its own video: all others are listed, and its files are named in one sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from emotion.errors import EmotionError
from emotion.jobs.process_record import ProcessRecord
from emotion.ui.video import selection
from emotion.video import library
from emotion.video.analysis import VideoAnalysis
from emotion.video.library import VideoSpace
from emotion.video.outputs import exports
from tests.hostile import INF, NAN, Harm, displace, garble, put, write
from tests.video.conftest import Analyze

FACE = {
    "track_id": 1,
    "box": [10, 10, 50, 50],
    "detection_score": 0.9,
    "display_label": "happy",
    "label": "happy",
    "confidence": 0.9,
    "uncertainty_reason": None,
    "scores": {"happy": 0.9, "sad": 0.1},
}


def log(**face: object) -> Harm:
    """Write a frame log with one odd face."""
    return write("frames.jsonl", json.dumps({"index": 0, "timestamp": 0.0, "faces": [{**FACE, **face}]}) + "\n")


def frame(**values: object) -> Harm:
    return write("frames.jsonl", json.dumps({"index": 0, "timestamp": 0.0, "faces": [FACE], **values}) + "\n")


JSON_FILES = (
    "request.json",
    "video_info.json",
    "summary.json",
    "people.json",
    "markers.json",
    "highlights.json",
    "job.json",
    "state.json",
)
OTHER_FILES = ("frames.jsonl", "progress.json", "log.txt", "thumbnails/quality.json", "preview.jpg", "annotated.mp4")
HARMS: dict[str, Harm] = {
    **{words: harm for name in JSON_FILES for words, harm in (garble(name) | displace(name)).items()},
    **{words: harm for name in OTHER_FILES for words, harm in displace(name).items()},
    "width is text": put("video_info.json", width="wide"),
    "width is NaN": put("video_info.json", width=NAN),
    "height is zero": put("video_info.json", height=0),
    "duration is NaN": put("video_info.json", duration=NAN),
    "duration is infinite": put("video_info.json", duration=INF),
    "duration is text": put("video_info.json", duration="long"),
    "rate is a list": put("video_info.json", fps=[25]),
    "facts are unknown": put("video_info.json", taste="sweet"),
    "created is in the year 9999999": put("job.json", created=1e14),
    "created is NaN": put("job.json", created=NAN),
    "name cannot be encoded": write("job.json", '{"label": "\\udcff"}'),
    "name is an object": put("request.json", name={"a": 1}),
    "settings are text": put("request.json", settings="all"),
    "provenance is a list": put("request.json", provenance=[]),
    "track is text": log(track_id="me"),
    "track is huge": log(track_id=10**30),
    "track is NaN": log(track_id=NAN),
    "box has NaN": log(box=[NAN, 0, 10, 10]),
    "box has infinities": log(box=[INF, 0, 10, 10]),
    "box is huge": log(box=[10**30, 0, 10, 10]),
    "box is short": log(box=[1]),
    "confidence is infinite": log(confidence=INF),
    "confidence is text": log(confidence="high"),
    "scores are a list": log(scores=[0.1]),
    "scores have NaN": log(scores={"happy": NAN}),
    "label cannot be encoded": log(display_label="\ud800", label="\ud800"),
    "label is long": log(display_label="x" * 1_000_000),
    "time is NaN": frame(timestamp=NAN),
    "time is infinite": frame(timestamp=INF),
    "time is huge": frame(timestamp=1e300),
    "index is huge": frame(index=10**30),
    "faces are a number": frame(faces=7),
    "frames are no text": write("frames.jsonl", b"\xff\xfe\n\x00\n"),
    "names are a list": put("people.json", names=["a"]),
    "name of a face cannot be encoded": write("people.json", '{"names": {"1": "\\ud800"}}'),
    "merges are a circle": put("people.json", merged_into={"1": 2, "2": 1}),
    "hidden is NaN": put("people.json", hidden=[NAN]),
    "markers are numbers": put("markers.json", markers=[1, 2]),
    "marker is at NaN": put("markers.json", markers=[{"timestamp": NAN, "note": "x"}]),
    "highlights are numbers": put("highlights.json", highlights=[1, 2]),
    "highlight is at NaN": put(
        "highlights.json",
        highlights=[
            {
                "timestamp": NAN,
                "track_id": 1,
                "kind": "peak",
                "label": "happy",
                "previous_label": None,
                "confidence": INF,
                "thumbnail": "../../../etc/passwd",
            }
        ],
    ),
    "summary has text": put("summary.json", num_frames="many", status=[]),
}


@pytest.fixture(scope="module")
def analyzed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the analysis that all tests copy."""
    return tmp_path_factory.mktemp("analyzed") / "20260101-120000-aaaa"


@pytest.fixture
def videos(tmp_path: Path, analyzed: Path, analyze: Analyze, moving_video: Path) -> Path:
    """A folder with a good video, and with a second one that a test harms."""
    if not analyzed.exists():
        shutil.copytree(analyze(moving_video, folder="first").folder, analyzed)
        ProcessRecord("done", 1, 1.0, None).write(analyzed)
    for name in ("20260101-120000-good", "20260101-120000-harm"):
        shutil.copytree(analyzed, tmp_path / "videos" / name)
    return tmp_path / "videos"


def show_card(video: VideoAnalysis) -> None:
    """Make what the list shows."""
    for text in (video.name, selection.format_date(video), selection.format_status(video)):
        assert text.encode() is not None
    selection.format_duration(video)


def show(video: VideoAnalysis) -> None:
    """Make what the page of a video shows and saves."""
    show_card(video)
    selection.format_summary(video)
    assert all(person.name.encode() for person in video.people())
    assert all(highlight.timestamp >= 0 for highlight in video.highlights())
    for make in (video.face_table, video.segments, video.group_shares, video.face_counts, video.expression_shares):
        make()
    for export in (exports.to_csv, exports.to_json, exports.to_vtt):
        assert export(video).encode()


def find_error(video: VideoAnalysis) -> EmotionError | None:
    """Return the error of a video, which can only be one for people; None where all of it can be shown."""
    try:
        show_card(video)
        show(VideoAnalysis.open(video.folder))
    except EmotionError as error:
        return error
    return None


@pytest.mark.slow
@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_an_odd_file_is_left_out_or_named(videos: Path, harm: Harm) -> None:
    harm(videos / "20260101-120000-harm")
    found = library.list_videos(VideoSpace(videos))
    good = VideoAnalysis.open(videos / "20260101-120000-good")
    assert good.folder in {video.folder for video in found}
    show(good)
    for video in found:
        if (error := find_error(video)) is not None:
            assert str(videos / "20260101-120000-harm") in str(error), "it names the file"
