from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emotion.archive.collection.collection import Collection
from emotion.archive.collection.queries import FaceFilter, choose_time_unit
from emotion.archive.schemas import make_schemas
from emotion.errors import DataError
from emotion.media.image_reader import encode_jpeg

LABELS = ("happy", "sad")
THUMBNAIL = encode_jpeg(np.full((8, 8, 3), 90, np.uint8))
NUM_IMAGES = 6


def face_row(file_id: int, label: str, confidence: float) -> dict:
    is_unsure = confidence < 0.5
    return {
        "file_id": file_id,
        "display_label": "unsure" if is_unsure else label,
        "label": label,
        "confidence": confidence,
        "uncertainty_reason": "low confidence" if is_unsure else None,
        "detection_score": 0.9,
        **{"x1": 0, "y1": 0, "x2": 10 * (file_id + 1), "y2": 10 * (file_id + 1)},
        "size_px": 10.0 * (file_id + 1),
        "thumbnail": THUMBNAIL,
        "score_happy": confidence if label == "happy" else 1 - confidence,
        "score_sad": confidence if label == "sad" else 1 - confidence,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six images with a face each, in two folders and two months, and a video of four frames; one broken file."""
    schemas, start = make_schemas(LABELS), datetime(2020, 1, 1)
    files = [
        {
            "file_id": number,
            "location": f"/lab/{'a' if number < 4 else 'b'}/{number}.jpg",
            "member": "",
            "kind": "image" if number < NUM_IMAGES else "video",
            "folder": f"/lab/{'a' if number < 4 else 'b'}",
            "modified": start,
            "taken": start + timedelta(days=31 * (number // 3)) if number < NUM_IMAGES else None,
            "num_faces": 1,
            "has_error": False,
        }
        for number in range(NUM_IMAGES + 1)
    ]
    faces = [
        face_row(number, "happy" if number % 2 else "sad", 0.4 + number / 10) | {"face_index": 1}
        for number in range(NUM_IMAGES)
    ]
    videos = [
        face_row(NUM_IMAGES, "happy", 0.95)
        | {"frame": frame, "timestamp": frame / 2, "track_id": 1, "thumbnail": THUMBNAIL if frame == 0 else None}
        for frame in range(4)
    ]
    for name, rows in (("files", files), ("faces", faces), ("videos", videos)):
        (tmp_path / name).mkdir()
        pq.write_table(pa.Table.from_pylist(rows, schemas[name]), tmp_path / name / "part-00000.parquet")
    return tmp_path


@pytest.fixture
def collection(folder: Path) -> Collection:
    return Collection(folder)


def test_the_size_counts_files_videos_and_all_faces(collection: Collection) -> None:
    size = collection.size
    assert (size.files, size.videos, size.faces, size.errors) == (7, 1, 10, 0)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (FaceFilter(), 10),
        (FaceFilter(expressions=("happy",)), 7),
        (FaceFilter(certainty="unsure"), 1),
        (FaceFilter(certainty="sure"), 9),
        (FaceFilter(confidence=(0.75, 1.0)), 6),
        (FaceFilter(min_size_px=60), 5),
        (FaceFilter(kind="image"), 6),
        (FaceFilter(folder="/lab/a"), 4),
        (FaceFilter(folder="/lab"), 10),
        (FaceFilter(expressions=("sad",), folder="/lab/b"), 1),
    ],
)
def test_a_filter_selects_faces(collection: Collection, selection: FaceFilter, expected: int) -> None:
    assert collection.count_faces(selection) == expected
    assert collection.count_expressions(selection)["count"].sum() == expected


def test_shares_of_expressions_add_up_to_one(collection: Collection) -> None:
    counts = collection.count_expressions(FaceFilter())
    assert counts["expression"].tolist()[0] == "happy"
    assert counts["share"].sum() == pytest.approx(1)


def test_counts_over_time_leave_out_faces_without_that_time(collection: Collection) -> None:
    taken = collection.count_over_time(FaceFilter(), "taken")
    assert taken["count"].sum() == NUM_IMAGES
    assert collection.count_over_time(FaceFilter(), "modified")["count"].sum() == 10
    video = collection.count_over_time(FaceFilter(), "video")
    assert video["start"].tolist() == [0.0, 1.0]
    assert video["count"].tolist() == [2, 2]
    assert collection.count_over_time(FaceFilter(expressions=("none",)), "taken").empty


@pytest.mark.parametrize(("days", "unit"), [(0.5, "hour"), (30, "day"), (3000, "month"), (90_000, "year")])
def test_bins_are_as_fine_as_a_chart_can_show(days: float, unit: str) -> None:
    assert choose_time_unit(days * 86_400) == unit


def test_folders_come_with_the_largest_first(collection: Collection) -> None:
    table = collection.count_by_folder(FaceFilter(), 1)
    assert set(table["folder"]) == {"/lab/b"}
    assert table["count"].sum() == 6


def test_the_grid_shows_of_videos_only_faces_with_a_thumbnail(collection: Collection) -> None:
    faces = collection.list_faces(FaceFilter(), "file", 0, 20)
    assert [(face.kind, face.file_id) for face in faces] == [*(("image", n) for n in range(6)), ("video", 6)]
    assert collection.count_faces(FaceFilter(), with_thumbnail=True) == len(faces)
    assert all(face.thumbnail == THUMBNAIL for face in faces)


@pytest.mark.parametrize(("order", "first"), [("file", 0), ("uncertain", 0), ("confident", 6), ("large", 6)])
def test_faces_are_ordered(collection: Collection, order: str, first: int) -> None:
    assert collection.list_faces(FaceFilter(), order, 0, 1)[0].file_id == first  # type: ignore[arg-type]


def test_pages_of_faces_follow_each_other(collection: Collection) -> None:
    pages = [collection.list_faces(FaceFilter(), "file", offset, 3) for offset in (0, 3, 6, 9)]
    assert [[face.file_id for face in page] for page in pages] == [[0, 1, 2], [3, 4, 5], [6], []]


def test_an_export_has_the_files_of_the_faces(collection: Collection) -> None:
    table = collection.export(FaceFilter(expressions=("sad",)), 100)
    assert table["location"].tolist() == ["/lab/a/2.jpg", "/lab/b/4.jpg"]
    assert "thumbnail" not in table


def test_text_of_a_person_is_a_value_and_no_sql(collection: Collection) -> None:
    assert collection.count_faces(FaceFilter(folder="' OR 1=1 --")) == 0


def test_a_folder_without_results_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no archive analysis"):
        Collection(tmp_path)


def test_damaged_results_are_one_sentence(folder: Path) -> None:
    (folder / "faces" / "part-00000.parquet").write_bytes(b"damaged")
    with pytest.raises(DataError, match="cannot be read"):
        Collection(folder)


def test_an_analysis_that_runs_shows_the_pieces_that_are_done(folder: Path) -> None:
    (folder / "pieces").mkdir()
    for table in ("files", "faces"):
        (folder / table / "part-00000.parquet").rename(folder / "pieces" / f"{table}-0000000.parquet")
    assert Collection(folder).size.faces == NUM_IMAGES


def test_rows_hold_none_where_there_is_nothing(collection: Collection) -> None:
    (face,) = collection.faces_of(5)
    assert face["uncertainty_reason"] is None
    assert collection.file_row(NUM_IMAGES)["taken"] is None
    assert collection.faces_of(NUM_IMAGES, 3)[0]["timestamp"] == 1.5
