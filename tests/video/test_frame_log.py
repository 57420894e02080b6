from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.expressions import FERPLUS_LABELS
from emotion.results.tables import score_columns
from emotion.video.frame_log import LOG_COLUMNS, FrameLog
from tests.video.scenes import line, write_lines

TWO = (line(0, 0.0, (1, "sad"), (2, "happy")), line(2, 0.2, (1, "unsure")), line(4, 0.4))


def test_what_is_read(tmp_path: Path) -> None:
    write_lines(tmp_path, *TWO)
    log = FrameLog(tmp_path)
    assert log.refresh()
    assert not log.refresh()
    assert (log.num_frames, log.last_timestamp, log.labels) == (3, 0.4, FERPLUS_LABELS)
    table = log.to_dataframe()
    assert list(table.columns) == [*LOG_COLUMNS, *score_columns(FERPLUS_LABELS)]
    assert table["frame"].tolist() == [0, 0, 2]
    assert table["track_id"].tolist() == [1, 2, 1]
    assert table["display_label"].tolist() == ["sad", "happy", "unsure"]
    assert table["label"].tolist() == ["sad", "happy", "sad"]
    assert table["uncertainty_reason"].tolist() == ["", "", "dark"]
    assert table["duration"].tolist() == pytest.approx([0.2] * 3)
    assert table.loc[0, ["x1", "y1", "x2", "y2"]].tolist() == [0, 0, 40, 40]
    assert table.loc[1, "score_happy"] == 0.8
    assert [*log.iter_lines()] == list(TWO)


def test_nothing_there(tmp_path: Path) -> None:
    log = FrameLog(tmp_path)
    assert not log.refresh()
    assert (log.num_frames, log.last_timestamp, log.labels, [*log.iter_lines()]) == (0, 0.0, (), [])
    assert list(log.to_dataframe().columns) == list(LOG_COLUMNS)
    assert len(log.to_dataframe()) == len(log.durations()) == 0


def test_faces_that_were_not_read_yet(tmp_path: Path) -> None:
    unread = json.loads(line(0, 0.0, (1, "unsure")))
    unread["faces"][0] |= {"label": None, "confidence": None, "scores": {}, "uncertainty_reason": "not classified yet"}
    write_lines(tmp_path, json.dumps(unread), line(1, 0.1, (1, "happy")))
    log = FrameLog(tmp_path)
    log.refresh()
    table = log.to_dataframe()
    assert np.isnan(table.loc[0, ["confidence", *score_columns(FERPLUS_LABELS)]].astype(float)).all()
    assert table.loc[1, "score_happy"] == 0.8


@given(st.data())
def test_a_line_comes_in_pieces(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("log")
    whole = "".join(f"{one}\n" for one in TWO).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    log = FrameLog(folder)
    for cut in (*cuts, len(whole)):
        (folder / "frames.jsonl").write_bytes(whole[:cut])  # the same file, grown
        log.refresh()
        assert log.num_frames == whole[:cut].count(b"\n")
    assert len(log.to_dataframe()) == 3


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "{",
        "[]",
        "null",
        "7",
        '{"index": 1}',
        '{"index": 1, "timestamp": "x", "faces": []}',
        '{"index": 1, "timestamp": NaN, "faces": []}',
        '{"index": 1, "timestamp": 1, "faces": [{}]}',
        "[" * 100_000,
        line(1, 0.1, (1, "sad"))[:-9],
        line(1, 0.1, (1, "sad")).replace('"box": [0, ', '"box": ["a", '),
        line(1, 0.1, (1, "sad")).replace('"track_id": 1', '"track_id": null'),
        "\x00\x00",
        line(1, 0.1, (1, "sad")).replace('"detection_score": 0.9', '"detection_score": []'),
    ],
)
def test_damaged_lines_are_left_out(tmp_path: Path, damaged: str) -> None:
    write_lines(tmp_path, TWO[0], damaged, TWO[2])
    log = FrameLog(tmp_path)
    log.refresh()
    assert log.num_frames == 2
    assert [*log.iter_lines()] == [TWO[0], TWO[2]]


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "frames.jsonl").write_bytes(TWO[0].encode() + b"\n\xff\xfe{\n" + TWO[1].encode())  # cut off
    log = FrameLog(tmp_path)
    log.refresh()
    assert log.num_frames == 1
    assert [*log.iter_lines()] == [TWO[0]]


def test_a_file_that_is_begun_anew(tmp_path: Path) -> None:
    write_lines(tmp_path, *TWO)
    log = FrameLog(tmp_path)
    log.refresh()
    (tmp_path / "frames.jsonl").unlink()
    assert log.refresh()
    assert log.num_frames == 0
    write_lines(tmp_path, line(0, 0.0, (7, "happy")))
    log.refresh()
    assert log.to_dataframe()["track_id"].tolist() == [7]


def test_a_hole_in_the_video_is_not_the_time_of_one_frame(tmp_path: Path) -> None:
    write_lines(tmp_path, line(0, 0.0), line(1, 0.1), line(2, 0.2), line(3, 36_000.0))
    log = FrameLog(tmp_path)
    log.refresh()
    assert log.durations().tolist() == pytest.approx([0.1, 0.1, 1.0, 0.1])


def test_slow_readings_stand_for_their_whole_time(tmp_path: Path) -> None:
    write_lines(tmp_path, *(line(90 * i, 3.0 * i) for i in range(4)))
    log = FrameLog(tmp_path)
    log.refresh()
    assert log.durations().tolist() == pytest.approx([3.0, 3.0, 3.0, 1.0])  # nobody knows how long the last one
