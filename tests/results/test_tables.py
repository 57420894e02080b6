"""Faces as JSON, tables, CSV and ZIP files."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.faces import Box, Face, FaceFeatures, HeadPose, Scores
from emotion.generation import tables as generation_tables
from emotion.results import serialization, tables
from emotion.storage import BYTE_ORDER_MARK as MARK
from emotion.training.detector import tables as detector_tables

HAPPY = Face(Box(1.4, 2.6, 30, 40), 0.98765, scores=Scores(["sad", "happy"], [0.12344, 0.87656]))
UNSURE = Face(
    Box(5, 5, 15, 15), 0.6, scores=Scores(["sad", "happy"], [0.55, 0.45]), uncertainty_reason="small: 10 pixels wide"
)
UNSCORED = Face(Box(0, 0, 9, 9), 0.7)
POINTS = tuple((float(index), index / 2) for index in range(68))
FEATURES = FaceFeatures(POINTS, (0.02,) * 68, HeadPose(-10.5, 3.25, 0), {"jawOpen": 0.25}, 0.875)
MOVING = replace(HAPPY, features=FEATURES)
WITHHELD = replace(HAPPY, features=FaceFeatures(POINTS, (0.4,) * 68, None, {}, 0.125))
FEARFUL = Face(Box(0, 0, 9, 9), 0.7, scores=Scores(["fear", "sad"], [0.9, 0.1]))


@pytest.mark.parametrize(
    ("face", "expected"),
    [
        (
            UNSCORED,
            {
                "box": [0, 0, 9, 9],
                "detection_score": 0.7,
                "label": None,
                "confidence": None,
                "scores": {},
                "uncertainty_reason": None,
            },
        ),
        (
            HAPPY,
            {
                "box": [1, 3, 30, 40],
                "detection_score": 0.9877,
                "label": "happy",
                "confidence": 0.8766,
                "scores": {"sad": 0.1234, "happy": 0.8766},
                "uncertainty_reason": None,
            },
        ),
        (
            UNSURE,
            {
                "box": [5, 5, 15, 15],
                "detection_score": 0.6,
                "label": "sad",
                "confidence": 0.55,
                "scores": {"sad": 0.55, "happy": 0.45},
                "uncertainty_reason": "small: 10 pixels wide",
            },
        ),
    ],
)
def test_face_becomes_plain_values(face: Face, expected: dict) -> None:
    assert serialization.face_to_dict(face) == expected
    assert list(serialization.face_to_dict(face)) == [*expected]
    assert json.loads(json.dumps(serialization.face_to_dict(face))) == expected  # plain values only


@pytest.mark.parametrize(
    ("value", "text"), [([], "[]\n"), ({}, "{}\n"), ({"ä": "日"}, '{\n "ä": "日"\n}\n'), ([1], "[\n 1\n]\n")]
)
def test_json_text_keeps_letters_and_ends_with_a_line_break(value: object, text: str) -> None:
    assert serialization.to_json(value) == text


def test_nan_is_not_written_as_json() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        serialization.to_json([float("nan")])


COLUMNS = ["file", "face_index", "label", "confidence", "uncertainty_reason", "detection_score", "x1", "y1", "x2", "y2"]


@pytest.mark.parametrize(
    ("photos", "columns", "rows"),
    [
        ([], [], []),
        ([("a.jpg", [])], [], []),
        ([("a.jpg", [UNSCORED])], [], [["a.jpg", 1, "", None, "", 0.7, 0, 0, 9, 9]]),
        (
            [("a.jpg", [HAPPY, UNSURE]), ("b.jpg", [FEARFUL])],
            ["score_sad", "score_happy", "score_fear"],
            [
                ["a.jpg", 1, "happy", 0.87656, "", 0.98765, 1, 3, 30, 40, 0.12344, 0.87656, None],
                ["a.jpg", 2, "sad", 0.55, "small: 10 pixels wide", 0.6, 5, 5, 15, 15, 0.55, 0.45, None],
                ["b.jpg", 1, "fear", 0.9, "", 0.7, 0, 0, 9, 9, 0.1, None, 0.9],
            ],
        ),
    ],
)
def test_faces_table_has_a_row_per_face(photos: list, columns: list[str], rows: list[list]) -> None:
    table = tables.faces_table(photos)
    assert list(table.columns) == [*COLUMNS, *columns]
    assert table.astype(object).where(table.notna(), None).to_numpy().tolist() == rows


def test_label_named_like_a_column_has_its_own_column() -> None:
    labels = ["label", "happy", "score_label"]
    face = Face(Box(0, 0, 9, 9), 0.7, scores=Scores(labels, [0.5, 0.3, 0.2]), track_id=1)
    names = ["score_label", "score_happy", "score_score_label"]
    photo, stream = (
        tables.faces_table([("a.jpg", [face])]),
        tables.stream_table([serialization.frame_to_dict(0, [face])]),
    )
    assert list(photo.columns) == [*COLUMNS, *names]
    assert list(stream.columns) == [*STREAM, *names]
    assert tables.to_csv(photo).splitlines()[1] == "a.jpg,1,label,0.5000,,0.7000,0,0,9,9,0.5000,0.3000,0.2000"
    assert tables.get_score_labels(photo) == tables.get_score_labels(stream) == labels


@pytest.mark.parametrize(
    ("faces", "rows", "text"),
    [
        ([], [], "no face"),
        ([UNSCORED], [("unsure", 1, 1.0)], "1 unsure"),
        (
            [UNSURE, UNSURE, UNSCORED, FEARFUL, HAPPY, HAPPY],
            [("happy", 2, 1 / 3), ("fear", 1, 1 / 6), ("unsure", 3, 0.5)],
            "2 happy, 1 fear, 3 unsure",
        ),
    ],
)
def test_displayed_labels_are_counted(faces: list[Face], rows: list[tuple], text: str) -> None:
    table = tables.counts_table(faces)
    assert list(table.columns) == ["expression", "count", "share"]
    assert list(table.itertuples(index=False, name=None)) == rows
    assert serialization.format_counts(faces) == text


@pytest.mark.parametrize(
    ("face", "rows"),
    [(UNSCORED, []), (HAPPY, [("sad", 0.12344), ("happy", 0.87656)]), (FEARFUL, [("fear", 0.9), ("sad", 0.1)])],
)
def test_scores_table_has_the_order_of_the_classifier(face: Face, rows: list[tuple]) -> None:
    table = tables.scores_table(face)
    assert list(table.columns) == ["expression", "probability"]
    assert list(table.itertuples(index=False, name=None)) == rows


def test_csv_without_faces_has_a_header() -> None:
    types = tables.faces_table([], ["happy"])[["face_index", "confidence", "x1", "score_happy"]].dtypes
    assert types.astype(str).tolist() == ["int64", "float64", "int64", "float64"]
    assert tables.to_csv(tables.faces_table([])) == MARK + ",".join(COLUMNS) + "\n"


def test_csv_has_four_decimals() -> None:
    text = tables.to_csv(tables.faces_table([("a.jpg", [HAPPY])]))
    assert text.splitlines()[1] == "a.jpg,1,happy,0.8766,,0.9877,1,3,30,40,0.1234,0.8766"


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("", ""),
        ("a.jpg", "a.jpg"),
        ("a=1.jpg", "a=1.jpg"),
        *((start + "cmd|' /C calc'!A0", "'" + start + "cmd|' /C calc'!A0") for start in "=+-@\t\n"),
        ("\r=1", "'\n=1"),
        ("a\r=1\r\n=2", "a\n=1\n\n=2"),
        ("-", "'-"),
        ('=1+"2",3', '\'=1+"2",3'),
    ],
)
def test_names_are_not_formulas_in_a_csv(name: str, cell: str) -> None:
    table = tables.faces_table([(name, [HAPPY])])
    before = table.copy()
    rows = list(csv.reader(io.StringIO(tables.to_csv(table), newline="")))
    assert rows[1][0] == cell
    assert rows[1][3] == "0.8766"
    pd.testing.assert_frame_equal(table, before)


def test_csv_has_one_byte_order_mark() -> None:
    """Excel recognizes UTF-8 by the first three bytes."""
    table = tables.faces_table([("Größe 1.jpg", [HAPPY]), ("ü.jpg", [HAPPY])])
    frames = [json.dumps(serialization.frame_to_dict(second, [HAPPY])) for second in range(3)]
    for text in (tables.to_csv(table), tables.stream_to_csv(frames), tables.stream_to_csv([])):
        data = text.encode()
        assert data.startswith(b"\xef\xbb\xbf")
        assert text.count(MARK) == 1
    read = pd.read_csv(io.BytesIO(tables.to_csv(table).encode()))
    assert list(read.columns) == list(table.columns)
    assert list(read["file"]) == ["Größe 1.jpg", "ü.jpg"]


@given(st.lists(st.text(st.characters(codec="utf-8") | st.sampled_from("=+-@\r\n\t,;\"'"), max_size=10), max_size=4))
def test_any_name_survives_the_csv_and_is_not_a_formula(names: list[str]) -> None:
    text = tables.to_csv(tables.faces_table([(name, [HAPPY]) for name in names]))
    assert "\r" not in text
    rows = list(csv.DictReader(io.StringIO(text.removeprefix(MARK), newline="")))
    expected = [name.replace("\r", "\n") for name in names]
    assert [row["file"].removeprefix("'") for row in rows] == [name.removeprefix("'") for name in expected]
    assert not any(cell.startswith(tuple("=+-@")) for row in rows for cell in row.values())


def test_columns_of_equal_name_are_both_escaped() -> None:
    table = pd.DataFrame([["=1", "a", "=2"]], columns=["name", "b", "name"])
    assert tables.to_csv(table) == MARK + "name,b,name\n'=1,a,'=2\n"


def test_negative_numbers_are_not_escaped() -> None:
    assert tables.to_csv(pd.DataFrame({"a": [-1, 2], "b": [-0.5, 0.25]})) == MARK + "a,b\n-1,-0.5000\n2,0.2500\n"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", "photo"),
        ("...", "photo"),
        ("/", "photo"),
        ("a.jpg", "a.jpg"),
        ("my holiday (1).jpg", "my-holiday-1-.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\a.jpg", "a.jpg"),
        (".hidden", "hidden"),
        ("日本.png", "日本.png"),
        ("a" * 100 + ".jpg", "a" * 60),
        ('<img src="x" onerror=alert(1)>', "img-src-x-onerror-alert-1"),
    ],
)
def test_file_name_is_sanitized(name: str, expected: str) -> None:
    assert serialization.sanitize_filename(name) == expected


@given(st.text(max_size=100))
def test_sanitized_file_names_are_safe(name: str) -> None:
    stem = serialization.sanitize_filename(name)
    assert re.fullmatch(r"[\w.-]{1,60}", stem)
    assert stem[0] not in ".-"


@pytest.mark.parametrize("files", [{}, {"a.txt": b"one", "b/ä.txt": b"", "c.bin": bytes(1000)}])
def test_zip_has_all_files_and_is_reproducible(files: dict[str, bytes]) -> None:
    packed = serialization.zip_files(files)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == files
    assert serialization.zip_files(dict(files)) == packed


@pytest.mark.parametrize(
    ("box", "shape"),
    [
        (Box(0, 0, 0, 0), (1, 1, 3)),
        (Box(-90, -90, -50, -50), (1, 1, 3)),
        (Box(500, 500, 600, 600), (1, 1, 3)),
        (Box(0, 0, 40, 30), (30, 40, 3)),
        (Box(10, 10, 20, 20), (12, 12, 3)),
        (Box(30, 20, 50, 40), (12, 12, 3)),
    ],
)
def test_crop_with_margin_is_a_view_inside_the_image(box: Box, shape: tuple[int, ...], make_scores: Callable) -> None:
    image = np.arange(30 * 40 * 3, dtype=np.uint32).astype(np.uint8).reshape(30, 40, 3)
    crop = serialization.crop_with_margin(image, Face(box, 1.0))
    assert crop.shape == shape
    assert np.shares_memory(crop, image)


# ------------------------------------------------------------------ of detectors and histories

MEASURED = [
    {"detector": "glance", "source": "wider", "ap50": 0.75, "ap30": 0.8, "ap50_find_all": 0.9, "num_faces": 5},
    {"detector": "glance", "source": "mine", "ap50": None, "ap30": None, "ap50_find_all": None, "num_faces": 0},
    {"detector": "glance", "negatives": 40, "false_positives": 2},
    {"detector": "haar", "source": "wider", "ap50": 0.25, "ap30": 0.3, "ap50_find_all": 0.2, "num_faces": 5},
    {"detector": "haar", "frame_size": "320x240", "latency_ms": 12.5},
]


def test_detector_tables_without_results_have_their_columns() -> None:
    assert list(detector_tables.detectors_long_table([]).columns) == [
        "detector",
        "section",
        "name",
        "case",
        "metric",
        "value",
    ]
    assert detector_tables.detectors_table([]).to_dict("list") == {"case": [], "metric": []}


def test_detectors_table_has_a_column_per_detector() -> None:
    table = detector_tables.detectors_table(MEASURED)
    assert list(table.columns) == ["case", "metric", "glance", "haar"]
    lines = {(row["case"], row["metric"]): (row["glance"], row["haar"]) for row in table.to_dict("records")}
    assert lines["photos of crowds and events (WIDER)", "average precision, IoU 0.5"] == (0.75, 0.25)
    assert lines["photos without a face: 40", "false positives"][0] == 2
    assert lines["time for 320x240", "milliseconds"][1] == 12.5
    assert "photos of mine" in {case for case, _ in lines}  # a source that is not built in
    long = detector_tables.detectors_long_table(MEASURED)
    assert len(long) == 3 * 3 + 2
    assert set(long["section"]) == {"source", "negatives", "frame_size"}
    assert long["name"][0] == "crowds and events (WIDER)"


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        ([], []),
        ([{"epoch": "1", "loss": "2.5", "val_ap": ""}], []),
        (
            [{"epoch": "1", "val_ap": "0.5", "val_ap_mine": "0.25", "seconds": "9"}],
            [(1, "mean of the sources", 0.5), (1, "mine", 0.25)],
        ),
        (
            [{"epoch": "3", "fer2013_accuracy": "0.6", "val_fer2013_accuracy": ""}],
            [(3, "FER-2013, training", 0.6)],
        ),
        ([{"val_ap": "0.5"}], []),
    ],
)
def test_history_table_has_a_row_per_metric_and_epoch(rows: list[dict[str, str]], lines: list[tuple]) -> None:
    table = detector_tables.history_table(rows)
    assert list(table.columns) == ["epoch", "metric", "value"]
    assert list(table.itertuples(index=False, name=None)) == lines


STREAM = [
    "timestamp",
    "track_id",
    "display_label",
    "label",
    "confidence",
    "uncertainty_reason",
    "detection_score",
    "x1",
    "y1",
    "x2",
    "y2",
]


def test_frame_becomes_plain_values() -> None:
    frame = serialization.frame_to_dict(1.23456, [replace(UNSURE, track_id=3), UNSCORED])
    assert frame["timestamp"] == 1.235
    assert [(face["track_id"], face["display_label"], face["label"]) for face in frame["faces"]] == [
        (3, "unsure", "sad"),
        (None, "unsure", None),
    ]
    assert frame["faces"][0] == {"track_id": 3, "display_label": "unsure", **serialization.face_to_dict(UNSURE)}
    assert json.loads(serialization.to_json(frame)) == frame


@pytest.mark.parametrize(
    ("frames", "columns", "rows"),
    [
        ([], [], []),
        ([(0.0, [])], [], []),
        ([(0.5, [UNSCORED])], [], [[0.5, None, "unsure", "", None, "", 0.7, 0, 0, 9, 9]]),
        (
            [
                (0.0, [replace(HAPPY, track_id=1)]),
                (0.04, []),
                (0.08, [replace(UNSURE, track_id=2), replace(FEARFUL, track_id=1)]),
            ],
            ["score_sad", "score_happy", "score_fear"],
            [
                [0.0, 1, "happy", "happy", 0.8766, "", 0.9877, 1, 3, 30, 40, 0.1234, 0.8766, None],
                [0.08, 2, "unsure", "sad", 0.55, "small: 10 pixels wide", 0.6, 5, 5, 15, 15, 0.55, 0.45, None],
                [0.08, 1, "fear", "fear", 0.9, "", 0.7, 0, 0, 9, 9, 0.1, None, 0.9],
            ],
        ),
    ],
)
def test_stream_table_has_a_row_per_face(frames: list, columns: list[str], rows: list[list]) -> None:
    table = tables.stream_table(serialization.frame_to_dict(*frame) for frame in frames)
    assert list(table.columns) == [*STREAM, *columns] == [*tables.STREAM_COLUMNS, *columns]
    assert table.astype(object).where(table.notna(), None).to_numpy().tolist() == rows


@pytest.mark.parametrize("chunk_frames", [1, 2, 100])
def test_stream_csv_does_not_depend_on_the_chunk_size(chunk_frames: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "CHUNK_FRAMES", chunk_frames)
    faces = [[], [replace(HAPPY, track_id=1)], [], [replace(UNSURE, track_id=2), replace(FEARFUL, track_id=1)]]
    frames = [serialization.frame_to_dict(i / 10, frame_faces) for i, frame_faces in enumerate(faces)]
    for selected in (frames, frames[:1], []):
        csv = tables.stream_to_csv([json.dumps(frame) for frame in selected])
        assert csv == tables.to_csv(tables.stream_table(selected))


def test_stream_csv_has_the_latest_marker_of_each_row() -> None:
    frames = [json.dumps(serialization.frame_to_dict(i / 10, [replace(HAPPY, track_id=1)])) for i in range(5)]
    header, *rows = tables.stream_to_csv(frames, [0.1, 0.25]).splitlines()
    assert header.endswith(",marker")
    assert [row.rsplit(",", 1)[1] for row in rows] == ["", "1", "1", "2", "2"]


@pytest.mark.parametrize("provenance", [{}, {"program": "x", "settings": [{"a": {"b": 1}}]}, {"name": "}"}])
@pytest.mark.parametrize("frames", [[], [{"seconds": 0, "faces": []}], [{"seconds": i, "faces": []} for i in range(3)]])
def test_stream_json_has_provenance_and_frames(provenance: dict, frames: list[dict]) -> None:
    text = serialization.stream_to_json(provenance, map(json.dumps, frames))
    assert json.loads(text) == {**provenance, "frames": frames}
    assert text.endswith("\n")


# ------------------------------------------------------------------ synthetic faces


def test_generator_table_compares_synthetic_and_real_faces() -> None:
    result = {
        "num_faces": 100,
        "class_consistency": 0.8,
        "real_class_consistency": 0.7,
        "precision": 0.6,
        "real_precision": 0.9,
        "recall": 0.4,
        "real_recall": 0.88,
        "frechet": 0.3,
        "frechet_floor": 0.03,
        "frechet_untrained": 0.2,
        "frechet_untrained_floor": 0.01,
        "kid": 0.02,
        "kid_floor": 0.0,
        "nearest_distance": 0.6,
        "nearest_distance_held_out": 0.65,
        "class_consistency_per_class": {"sad": 0.75, "fear": 0.85},
        "real_class_consistency_per_class": {"sad": 0.7},
        "diversity_per_class": {"sad": 0.9},
    }
    table = generation_tables.generator_table(result)
    assert list(table.columns) == ["metric", "synthetic", "real"]
    lines = {metric: (synthetic, real) for metric, synthetic, real in table.itertuples(index=False)}
    assert len(lines) == len(table) == 7 + 2 + 1  # no line for trainings without results
    assert lines["classified as requested"] == (0.8, 0.7)
    assert lines["recall: real faces among synthetic ones"] == (0.4, 0.88)
    assert lines["classified as requested: sad"] == (0.75, 0.7)
    assert lines["classified as requested: fear"][0] == 0.85
    assert np.isnan(lines["classified as requested: fear"][1])
    assert lines["diversity: sad"] == (0.9, 1.0)
    extended = generation_tables.generator_table(result | {"trained_on_synthetic": 0.3, "trained_on_real": 0.5})
    assert len(extended) == len(table) + 1


def test_labels_are_not_formulas_in_a_csv() -> None:
    assert tables.to_csv(pd.DataFrame({"=1+1": [0.5], "sad": [0.25]})) == MARK + "'=1+1,sad\n0.5000,0.2500\n"


def test_features_are_part_of_the_record_of_a_face_and_can_be_read_again() -> None:
    record = serialization.face_to_dict(MOVING)
    assert record["features"]["pose"] == {"yaw": -10.5, "pitch": 3.2, "roll": 0}
    assert record["features"]["movements"] == {"jawOpen": 0.25}
    again = serialization.face_from_dict(json.loads(json.dumps(record)))
    assert again.features is not None
    assert again.features.points == POINTS
    assert again.features.movements == FEATURES.movements
    assert "features" not in serialization.face_to_dict(HAPPY)


def test_a_table_of_a_stream_has_columns_of_features_where_a_face_has_them() -> None:
    frames = [serialization.frame_to_dict(i, [face]) for i, face in enumerate((HAPPY, MOVING, WITHHELD))]
    table = tables.stream_table(frames)
    assert table.columns[-len(tables.FEATURE_COLUMNS) :].tolist() == list(tables.FEATURE_COLUMNS)
    np.testing.assert_allclose(table["movement_jawOpen"], [np.nan, 0.25, np.nan])
    np.testing.assert_allclose(table["features_certainty"], [np.nan, 0.875, 0.125])
    assert not set(tables.FEATURE_COLUMNS) & set(tables.stream_table(frames[:1]).columns)


@pytest.mark.parametrize(
    "change",
    [
        {"points": [[1, 2]]},
        {"points": [[1, 2, 3]] * 68},
        {"points": [["a", "b"]] * 68},
        {"point_errors": [0.1]},
        {"certainty": None},
        {"certainty": float("nan")},
        {"pose": {"yaw": 1}},
        {"pose": [1, 2, 3]},
        {"movements": {"jawOpen": "x"}},
        {"movements": None},
    ],
)
def test_a_damaged_record_of_features_is_refused(change: dict[str, object]) -> None:
    record: dict[str, object] = {**serialization.face_to_dict(MOVING)["features"]}
    with pytest.raises((ValueError, TypeError, AttributeError)):
        serialization.features_from_dict(record | change)


def test_withheld_features_are_empty_in_record_and_table() -> None:
    record = serialization.face_to_dict(WITHHELD)["features"]
    assert (record["pose"], record["movements"], record["certainty"]) == (None, {}, 0.125)
    (row,) = tables.faces_table([("a.jpg", [WITHHELD])]).to_dict("records")
    assert row["features_certainty"] == 0.125
    assert np.isnan([row["yaw"], row["movement_jawOpen"]]).all()


def test_a_table_has_columns_of_features_where_a_face_has_them() -> None:
    table = tables.faces_table([("a.jpg", [HAPPY, MOVING])])
    assert table.columns[-len(tables.FEATURE_COLUMNS) :].tolist() == list(tables.FEATURE_COLUMNS)
    assert np.isnan(table["yaw"][0])
    assert (table["yaw"][1], table["movement_jawOpen"][1], table["features_certainty"][1]) == (-10.5, 0.25, 0.875)
    assert not set(tables.FEATURE_COLUMNS) & set(tables.faces_table([("a.jpg", [HAPPY])]).columns)
    assert set(tables.FEATURE_COLUMNS) <= set(tables.faces_table([], with_features=True).columns)
