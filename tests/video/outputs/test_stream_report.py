"""The report of a recorded stream."""

from __future__ import annotations

import base64
import json

import pytest

from emotion.faces import Box, Face, Scores
from emotion.results import serialization
from emotion.video.outputs.stream_report import RecordedStream, render_stream_report

pytestmark = pytest.mark.slow  # bundles the script of the charts

PROVENANCE = {
    "program": "Emotion Studio 1",
    "model": {"name": "tiny", "sha256": "ab"},
    "detector": {"name": "haar", "sha256": None},
    "settings": {"recognition": {"min_confidence": 0.5}, "mirror": True},
}


def make_stream(num_frames: int) -> RecordedStream:
    face = Face(Box(0, 0, 9, 9), 0.9, track_id=1).with_scores(Scores(["happy", "sad"], [0.9, 0.1]), None)
    frames = [json.dumps(serialization.frame_to_dict(i / 10, [face])) for i in range(num_frames)]
    return RecordedStream("Recording <1>", frames, [0.5, 1.25], {1: b"a picture"}, False, PROVENANCE)  # type: ignore[arg-type]


def test_report_has_faces_markers_and_provenance() -> None:
    report = render_stream_report(make_stream(20))
    assert "<h1>Recording &lt;1&gt;</h1>" in report
    assert "20 frames were analyzed" in report
    assert "not analyzed to its end" not in report
    assert base64.b64encode(b"a picture").decode() in report
    assert "happy 100%" in report
    assert report.index("<td>0:00.5</td>") < report.index("<td>0:01.3</td>")
    assert "detector haar; min_confidence=0.5; mirror=True" in report


def test_report_without_markers_has_no_list_of_them() -> None:
    stream = RecordedStream("a", make_stream(3).frames, (), {}, True, PROVENANCE)  # type: ignore[arg-type]
    assert "<h2>Markers</h2>" not in render_stream_report(stream)
