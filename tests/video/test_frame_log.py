from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.expressions import FERPLUS_LABELS
from emotion.results.tables import FEATURE_COLUMNS, score_columns
from emotion.video.frame_log import LOG_COLUMNS, FrameLog
from tests.video.scenes import add_features, make_line, write_frame_lines

LINES = (make_line(0, 0.0, (1, "sad"), (2, "happy")), make_line(2, 0.2, (1, "unsure")), make_line(4, 0.4))


def test_log_has_the_faces_of_every_frame(tmp_path: Path) -> None:
    write_frame_lines(tmp_path, *LINES)
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
    assert [*log.iter_lines()] == list(LINES)


def test_features_are_columns_from_the_first_face_that_has_some(tmp_path: Path) -> None:
    write_frame_lines(
        tmp_path, LINES[0], add_features(LINES[1], 0.75), add_features(make_line(4, 0.4, (1, "sad")), None)
    )
    log = FrameLog(tmp_path)
    log.refresh()
    assert log.has_features
    table = log.to_dataframe()
    assert list(table.columns) == [*LOG_COLUMNS, *score_columns(FERPLUS_LABELS), *FEATURE_COLUMNS]
    np.testing.assert_allclose(table["movement_mouthSmileLeft"], [np.nan, np.nan, 0.75, np.nan])
    np.testing.assert_allclose(table["yaw"], [np.nan, np.nan, 10, np.nan])
    np.testing.assert_allclose(table["features_certainty"], [np.nan, np.nan, 0.9, 0.2], rtol=1e-6)


def test_displayed_faces_have_their_points(tmp_path: Path) -> None:
    write_frame_lines(tmp_path, LINES[2], add_features(LINES[1], 0.75))
    (_, without), (_, (face,)) = FrameLog(tmp_path).iter_displayed_faces()
    assert without == ()
    assert face.features is not None
    assert len(face.features.points) == 68


def test_missing_log_is_empty(tmp_path: Path) -> None:
    log = FrameLog(tmp_path)
    assert not log.refresh()
    assert (log.num_frames, log.last_timestamp, log.labels, [*log.iter_lines()]) == (0, 0.0, (), [])
    assert list(log.to_dataframe().columns) == list(LOG_COLUMNS)
    assert len(log.to_dataframe()) == len(log.durations()) == 0


def test_faces_without_scores_are_read(tmp_path: Path) -> None:
    without_scores = json.loads(make_line(0, 0.0, (1, "unsure")))
    without_scores["faces"][0] |= {
        "label": None,
        "confidence": None,
        "scores": {},
        "uncertainty_reason": "not classified yet",
    }
    write_frame_lines(tmp_path, json.dumps(without_scores), make_line(1, 0.1, (1, "happy")))
    log = FrameLog(tmp_path)
    log.refresh()
    table = log.to_dataframe()
    assert np.isnan(table.loc[0, ["confidence", *score_columns(FERPLUS_LABELS)]].astype(float)).all()
    assert table.loc[1, "score_happy"] == 0.8


@given(st.data())
def test_incomplete_line_is_read_when_it_is_complete(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("log")
    content = "".join(f"{text}\n" for text in LINES).encode()
    sizes = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=6)))
    log = FrameLog(folder)
    for size in (*sizes, len(content)):
        (folder / "frames.jsonl").write_bytes(content[:size])  # the growing file
        log.refresh()
        assert log.num_frames == content[:size].count(b"\n")
    assert len(log.to_dataframe()) == 3


@pytest.mark.parametrize(
    "damaged_line",
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
        make_line(1, 0.1, (1, "sad"))[:-9],
        make_line(1, 0.1, (1, "sad")).replace('"box": [0, ', '"box": ["a", '),
        make_line(1, 0.1, (1, "sad")).replace('"track_id": 1', '"track_id": null'),
        "\x00\x00",
        make_line(1, 0.1, (1, "sad")).replace('"detection_score": 0.9', '"detection_score": []'),
        make_line(1, 0.1, (1, "sad")).replace('"label"', '"features": {}, "label"', 1),
        make_line(1, 0.1, (1, "sad")).replace('"label"', '"features": [1], "label"', 1),
        add_features(make_line(1, 0.1, (1, "sad")), 0.5).replace('"points": [[', '"points": [[0, 1], [', 1),
        add_features(make_line(1, 0.1, (1, "sad")), 0.5).replace('"yaw": 10', '"yaw": NaN', 1),
        add_features(make_line(1, 0.1, (1, "sad")), 0.5).replace('"yaw": 10', '"tilt": 10', 1),
        add_features(make_line(1, 0.1, (1, "sad")), 0.5).replace('"jawOpen": 0.1', '"jawOpen": "wide"', 1),
    ],
)
def test_damaged_lines_are_skipped(tmp_path: Path, damaged_line: str) -> None:
    write_frame_lines(tmp_path, LINES[0], damaged_line, LINES[2])
    log = FrameLog(tmp_path)
    log.refresh()
    assert log.num_frames == 2
    assert [*log.iter_lines()] == [LINES[0], LINES[2]]


def test_invalid_utf8_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "frames.jsonl").write_bytes(
        LINES[0].encode() + b"\n\xff\xfe{\n" + LINES[1].encode()
    )  # the last line is incomplete
    log = FrameLog(tmp_path)
    log.refresh()
    assert log.num_frames == 1
    assert [*log.iter_lines()] == [LINES[0]]


def test_replaced_file_is_read_again(tmp_path: Path) -> None:
    write_frame_lines(tmp_path, *LINES)
    log = FrameLog(tmp_path)
    log.refresh()
    (tmp_path / "frames.jsonl").unlink()
    assert log.refresh()
    assert log.num_frames == 0
    write_frame_lines(tmp_path, make_line(0, 0.0, (7, "happy")))
    log.refresh()
    assert log.to_dataframe()["track_id"].tolist() == [7]


def test_duration_of_a_frame_before_a_gap_is_limited(tmp_path: Path) -> None:
    write_frame_lines(tmp_path, make_line(0, 0.0), make_line(1, 0.1), make_line(2, 0.2), make_line(3, 36_000.0))
    log = FrameLog(tmp_path)
    log.refresh()
    assert log.durations().tolist() == pytest.approx([0.1, 0.1, 1.0, 0.1])


def test_frames_at_long_intervals_last_until_the_next_one(tmp_path: Path) -> None:
    write_frame_lines(tmp_path, *(make_line(90 * i, 3.0 * i) for i in range(4)))
    log = FrameLog(tmp_path)
    log.refresh()
    assert log.durations().tolist() == pytest.approx([3.0, 3.0, 3.0, 1.0])  # the end of the last frame is unknown
