"""Markers are kept with the result of a video."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from emotion.errors import EmotionError, JobError
from emotion.storage import BYTE_ORDER_MARK
from emotion.video.edits import markers
from emotion.video.edits.markers import MAX_NOTE_LENGTH, Marker, read_markers, remove_marker, set_marker
from emotion.video.outputs import exports
from emotion.video.result import VideoResult
from tests.video.conftest import Analyze


def test_markers_are_read_in_order_of_time_with_their_last_note(tmp_path: Path) -> None:
    assert read_markers(tmp_path) == []
    set_marker(tmp_path, 2.5)
    set_marker(tmp_path, 1.00004, "laughs\nloudly")
    set_marker(tmp_path, 2.5, "turns")
    set_marker(tmp_path, 2.5)
    assert read_markers(tmp_path) == [Marker(1.0, "laughs loudly"), Marker(2.5, "turns")]
    remove_marker(tmp_path, 1.0)
    assert read_markers(tmp_path) == [Marker(2.5, "turns")]


def test_a_long_note_is_cut_and_their_number_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markers, "MAX_MARKERS", 2)
    set_marker(tmp_path, 0, "x" * 1000)
    set_marker(tmp_path, 1)
    with pytest.raises(EmotionError, match="up to 2 markers"):
        set_marker(tmp_path, 2)
    set_marker(tmp_path, 1, "the same one")
    assert [len(marker.note) for marker in read_markers(tmp_path)] == [MAX_NOTE_LENGTH, 12]


@pytest.mark.parametrize(
    "text",
    ['{"markers": [1]}', '{"markers": 3}', '{"markers": [{"timestamp": "x", "note": ""}]}', '{"markers": [{}]}', "[]"],
)
def test_damaged_markers_are_reported_and_stay(tmp_path: Path, text: str) -> None:
    path = tmp_path / "markers.json"
    path.write_text(text)
    with pytest.raises(JobError, match=r"markers\.json is damaged"):
        set_marker(tmp_path, 1.0)
    assert path.read_text() == text


def test_markers_are_in_table_and_data(analyzed: Analyze, moving_video: Path) -> None:
    analysis = analyzed(moving_video)
    set_marker(analysis.folder, 1.5, "=smiles <b>")
    rows = [*csv.reader(io.StringIO(exports.markers_to_csv(analysis).removeprefix(BYTE_ORDER_MARK)))]
    assert rows == [["timestamp", "note"], ["1.5000", "'=smiles <b>"]]
    assert json.loads(exports.to_json(analysis))["markers"] == [{"timestamp": 1.5, "note": "=smiles <b>"}]
    assert VideoResult(analysis.folder).markers == (Marker(1.5, "=smiles <b>"),)


@pytest.mark.slow
def test_markers_are_in_report_and_files(analyzed: Analyze, moving_video: Path, tmp_path: Path) -> None:
    analysis = analyzed(moving_video)
    exports.write_results(analysis, tmp_path)
    assert not (tmp_path / "markers.csv").exists()
    set_marker(analysis.folder, 1.5, "=smiles <b>")
    exports.write_results(analysis, tmp_path)
    assert "smiles" in (tmp_path / "markers.csv").read_text(encoding="utf-8-sig")
    assert "<td>0:01.5</td><td>=smiles &lt;b&gt;</td>" in (tmp_path / "report.html").read_text(encoding="utf-8")
