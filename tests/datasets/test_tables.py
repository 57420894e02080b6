"""Tables and charts of a data set against slow oracles, and the list of rejected photos."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.charts.datasets import plot_class_counts, plot_label_agreement
from emotion.datasets import tables
from emotion.datasets.building import rejections
from emotion.datasets.dataset import SPLITS, Dataset, majority_vote
from emotion.datasets.duplicates import group_near_duplicates
from emotion.datasets.tables import MAJORITY_LABELS, DuplicateGroup
from emotion.expressions import FER2013_LABELS, get_style
from emotion.results import tables as results_tables
from emotion.training.runs.folder import read_csv_rows


def make_dataset(rows: list[tuple[int, int, int]], names: tuple[str, ...] = ("happy", "grin", "sad")) -> Dataset:
    """A data set of (image, label, split); image 0 is blank."""
    pool = np.random.default_rng(0).integers(0, 256, (8, 48, 48)).astype(np.uint8)
    pool[0] = 100
    image_index, labels, split = (np.array([row[i] for row in rows], np.int8) for i in range(3))
    return Dataset(pool[image_index], labels, split, names)


ROWS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=30)


@given(rows=ROWS)
def test_counts_equal_a_slow_oracle(rows: list[tuple[int, int, int]]) -> None:
    data = make_dataset(rows)
    table = tables.counts_table(data)
    assert len(table) == 9
    for label, split, count in zip(table["label"], table["split"], table["count"], strict=True):
        expected = data.label_names.index(label), SPLITS.index(split)
        assert count == sum((row[1], row[2]) == expected for row in rows)
    by_label = tables.counts_by_label(data)
    assert [*by_label.columns] == ["label", *SPLITS, "all"]
    assert by_label["all"].sum() == len(rows)
    assert (by_label[[*SPLITS]].sum(axis=1) == by_label["all"]).all()


@given(rows=ROWS)
def test_duplicate_groups_equal_a_slow_oracle(rows: list[tuple[int, int, int]]) -> None:
    data = make_dataset(rows)
    groups = tables.find_duplicate_groups(data, group_near_duplicates(data.images))
    rows_of_image = {p: [i for i, row in enumerate(rows) if row[0] == p] for p in range(1, 8)}
    expected = {
        tuple(members): (len({rows[i][2] for i in members}) > 1, len({rows[i][1] for i in members}) > 1)
        for members in rows_of_image.values()
        if len(members) > 1
    }
    assert {group.rows: (group.spans_splits, group.has_label_conflict) for group in groups} == expected
    order = [(group.spans_splits, group.has_label_conflict) for group in groups]
    assert order == sorted(order, reverse=True)
    table = tables.duplicates_table(data, groups)
    assert table["row"].tolist() == [row for group in groups for row in group.rows]
    assert table["group"].nunique() == len(groups)


def test_empty_tables_have_their_columns() -> None:
    data = make_dataset([(1, 0, 0)])
    assert tables.find_duplicate_groups(data, np.zeros(1, np.intp)) == []
    assert [*tables.duplicates_table(data, []).columns] == [
        "group",
        "row",
        "label",
        "split",
        "spans_splits",
        "has_label_conflict",
    ]
    assert [*tables.rows_table(data, np.array([], np.intp)).columns] == ["row", "label", "split"]
    assert tables.find_blank_rows(data).tolist() == []
    assert tables.find_blank_rows(make_dataset([(1, 0, 0), (0, 1, 1)])).tolist() == [1]


def make_unanimous(rows: list[tuple[int, int]]) -> Dataset:
    """A data set of (label, column of all ten votes)."""
    votes = np.zeros((len(rows), 10), np.int8)
    votes[np.arange(len(rows)), [column for _, column in rows]] = 10
    labels = np.array([label for label, _ in rows], np.int8)
    images = np.zeros((len(rows), 48, 48), np.uint8)
    return Dataset(images, labels, np.zeros(len(rows), np.int8), votes=votes, has_votes=np.ones(len(rows), bool))


@given(rows=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 9)), min_size=1, max_size=40))
def test_agreement_equals_a_slow_oracle(rows: list[tuple[int, int]]) -> None:
    data = make_unanimous(rows)
    majority = [MAJORITY_LABELS[i] for i in majority_vote(data)]
    table = tables.agreement_table(data)
    cells = {(a, b): n for a, b, n in zip(table["label"], table["majority"], table["count"], strict=True)}
    assert len(cells) == 7 * 9
    names = [FER2013_LABELS[label] for label, _ in rows]
    for cell, count in cells.items():
        assert count == sum(pair == cell for pair in zip(names, majority, strict=True))
        i, j = FER2013_LABELS.index(cell[0]), MAJORITY_LABELS.index(cell[1])
        expected = [row for row, pair in enumerate(zip(names, majority, strict=True)) if pair == cell]
        assert tables.find_agreement_rows(data, i, j).tolist() == expected
    sums = table.groupby("label")["share"].sum()
    assert all(total == pytest.approx(1.0 if label in names else 0.0) for label, total in sums.items())
    num_equal = sum(a == b for a, b in zip(names, majority, strict=True))
    assert tables.count_agreements(data) == (num_equal, sum(b != "no majority" for b in majority))
    row, column = tables.find_largest_disagreement(data)
    others = {cell: n for cell, n in cells.items() if cell[0] != cell[1] and cell[1] != "no majority"}
    largest = max(others.values())
    assert largest == 0 or others[FER2013_LABELS[row], MAJORITY_LABELS[column]] == largest


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "\0", "name,label,reason,message,thumbnail\n", '"', None])
def test_damaged_list_of_rejected_photos_is_read_as_text(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "rejected.csv").write_text(text)
    for photo in rejections.read_rejected(tmp_path):
        assert all(isinstance(value, str) for value in photo)


@given(count=st.integers(1, 30), columns=st.integers(1, 12), scale=st.integers(1, 3))
def test_tiled_image_shows_every_face(count: int, columns: int, scale: int) -> None:
    faces = np.random.default_rng(0).integers(0, 256, (count, 8, 8)).astype(np.uint8)
    tiled = tables.tile_faces(faces, columns, scale)
    num_columns = min(count, columns)
    assert tiled.shape == (-(-count // num_columns) * 8 * scale, num_columns * 8 * scale, 3)
    for i in range(-(-count // num_columns) * num_columns):
        y, x = i // num_columns * 8 * scale, i % num_columns * 8 * scale
        cell = tiled[y : y + 8 * scale : scale, x : x + 8 * scale : scale, 0]
        np.testing.assert_array_equal(cell, faces[i] if i < count else 255)


def test_labels_cannot_become_formulas() -> None:
    data = make_dataset([(1, 0, 0), (2, 1, 0)], ("=cmd()", "@x", "-y"))
    text = results_tables.to_csv(tables.counts_by_label(data))
    assert [line.split(",")[0] for line in text.splitlines()[1:]] == ["'=cmd()", "'@x", "'-y"]
    assert pd.read_csv(io.StringIO(text))["all"].tolist() == [1, 1, 0]


def test_charts_show_every_count() -> None:
    quoted = 'it\'s "grin"'
    data = make_dataset([(1, 0, 0), (2, 0, 1), (3, 1, 2)], ("happy", quoted, "sad"))
    chart = plot_class_counts(tables.counts_table(data)).to_dict()
    (rows,) = chart["datasets"].values()
    assert sorted((row["name"], row["split"], row["count"]) for row in rows if row["count"]) == sorted(
        [
            ("● happy", "train", 1),
            ("● happy", "validation", 1),
            (f"{get_style(quoted).symbol} {quoted}", "test", 1),
        ]
    )
    votes = make_unanimous([(0, 0), (0, 4), (0, 4)])
    for dark in (False, True):
        (rows,) = plot_label_agreement(tables.agreement_table(votes), dark=dark).to_dict()["datasets"].values()
        angry = {row["majority"]: (row["count"], row["part"]) for row in rows if row["label"] == "angry"}
        assert (angry["neutral"], angry["angry"], angry["sad"]) == ((1, "33%"), (2, "67%"), (0, "0%"))
        assert len({row["text_color"] for row in rows}) == (1 if not dark else 2)


def test_duplicate_group_reports_splits_and_label_conflicts() -> None:
    data = make_dataset([(1, 0, 0), (1, 1, 2), (2, 0, 0), (2, 0, 0)])
    assert tables.find_duplicate_groups(data, group_near_duplicates(data.images)) == [
        DuplicateGroup((0, 1), spans_splits=True, has_label_conflict=True),
        DuplicateGroup((2, 3), spans_splits=False, has_label_conflict=False),
    ]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_rejected_photos_are_read_with_and_without_a_byte_order_mark(mark: str, tmp_path: Path) -> None:
    text = f"{mark}name,label,reason,message,thumbnail\nGröße.png,happy,no face,Why.,\n"
    (tmp_path / "rejected.csv").write_text(text, encoding="utf-8")
    (row,) = rejections.read_rejected(tmp_path)
    assert (row.name, row.reason) == ("Größe.png", "no face")


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_history_is_read_with_and_without_a_byte_order_mark(mark: str, tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text(f"{mark}epoch,loss\n1,0.5\n", encoding="utf-8")
    assert read_csv_rows(tmp_path / "history.csv") == [{"epoch": "1", "loss": "0.5"}]
