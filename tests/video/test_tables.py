from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.expressions import FERPLUS_LABELS
from emotion.formatting import format_clock, format_clock_tenths
from emotion.results.tables import score_columns
from emotion.video.edits.identities import IdentityEdits
from emotion.video.frame_log import FrameLog
from emotion.video.tables import (
    FACE_COUNT_COLUMNS,
    FACE_TABLE_COLUMNS,
    GROUP_SHARE_COLUMNS,
    SEGMENT_COLUMNS,
    apply_identities,
    build_face_table,
    build_share_table,
    compute_expression_shares,
    compute_face_counts,
    compute_group_shares,
    compute_segments,
    deduplicate_per_frame,
    find_cooccurring_tracks,
    time_bins,
)
from tests.video.scenes import make_line, write_frame_lines

Faces = Sequence[tuple[int, str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def make_log(
    folder: Path, *frames: Faces, step: float = 0.1, box: tuple[int, int, int, int] = (0, 0, 40, 40)
) -> FrameLog:
    write_frame_lines(folder, *(make_line(i, round(i * step, 3), *faces, box=box) for i, faces in enumerate(frames)))
    log = FrameLog(folder)
    log.refresh()
    return log


def make_faces(folder: Path, *frames: Faces, edits: IdentityEdits | None = None, step: float = 0.1) -> pd.DataFrame:
    return apply_identities(make_log(folder, *frames, step=step).to_dataframe(), edits or IdentityEdits())


def get_segments(table: pd.DataFrame) -> list[tuple[int, float, float, str]]:
    rows = compute_segments(table)
    return [
        (track_id, round(start, 3), round(end, 3), label)
        for track_id, start, end, label in zip(
            *(rows[c] for c in ("track_id", "start", "end", "expression")), strict=True
        )
    ]


# ------------------------------------------------------------------ face table


def test_tables_without_faces_have_their_columns(folder: Path) -> None:
    empty = make_faces(folder, [], [])
    assert list(build_face_table(empty).columns) == list(FACE_TABLE_COLUMNS)
    assert list(compute_segments(empty).columns) == list(SEGMENT_COLUMNS)
    assert list(compute_group_shares(empty, 0.2, (), 3).columns) == list(GROUP_SHARE_COLUMNS)
    assert list(compute_face_counts(empty, np.array([0, 0.1]), np.array([0.1, 0.1]), 0.2, ()).columns) == list(
        FACE_COUNT_COLUMNS
    )
    assert len(compute_face_counts(empty, np.zeros(0), np.zeros(0), 0.0, ())) == 0
    assert len(build_face_table(empty)) == len(compute_segments(empty)) == 0
    assert compute_expression_shares(empty) == {}


def test_face_table_applies_the_edits(folder: Path) -> None:
    edits = IdentityEdits(names={1: "Anna"}, merged_into={3: 1}, hidden=frozenset({2}))
    table = build_face_table(make_faces(folder, [(1, "sad"), (2, "sad")], [(3, "happy")], edits=edits))
    assert list(table.columns) == [*FACE_TABLE_COLUMNS, *score_columns(FERPLUS_LABELS)]
    assert table["track_id"].tolist() == [1, 1]
    assert table["name"].tolist() == ["Anna", "Anna"]
    assert table["display_label"].tolist() == ["sad", "happy"]


def test_table_of_hidden_faces_is_empty(folder: Path) -> None:
    table = make_faces(folder, [(1, "sad")], edits=IdentityEdits(hidden=frozenset({1})))
    assert len(table) == len(compute_segments(table)) == 0


# ------------------------------------------------------------------ segments

SAD, HAPPY, NO_FACES = [(1, "sad")], [(1, "happy")], []


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([SAD], [(1, 0, 0.04, "sad")]),
        ([SAD, SAD], [(1, 0, 0.2, "sad")]),
        ([SAD, SAD, HAPPY], [(1, 0, 0.2, "sad"), (1, 0.2, 0.3, "happy")]),
        ([SAD, NO_FACES, NO_FACES, SAD], [(1, 0, 0.4, "sad")]),  # a short gap
        ([SAD, NO_FACES, NO_FACES, HAPPY], [(1, 0, 0.3, "sad"), (1, 0.3, 0.4, "happy")]),
        ([SAD, *[NO_FACES] * 6, SAD], [(1, 0, 0.1, "sad"), (1, 0.7, 0.8, "sad")]),
        (
            [[(2, "sad")], [(1, "sad"), (2, "sad")]],
            [(2, 0, 0.2, "sad"), (1, 0.1, 0.2, "sad")],
        ),  # in the order of appearance
        ([SAD, [(1, "unsure")], SAD], [(1, 0, 0.1, "sad"), (1, 0.1, 0.2, "unsure"), (1, 0.2, 0.3, "sad")]),
    ],
)
def test_equal_labels_are_joined_to_segments(
    folder: Path, frames: list[Faces], expected: list[tuple[int, float, float, str]]
) -> None:
    assert get_segments(make_faces(folder, *frames)) == expected


def test_segments_with_long_intervals_are_joined(folder: Path) -> None:
    assert get_segments(make_faces(folder, SAD, SAD, SAD, step=2.0)) == [(1, 0, 5.0, "sad")]


def test_segment_has_the_mean_confidence(folder: Path) -> None:
    assert compute_segments(make_faces(folder, SAD, SAD))["confidence"].tolist() == pytest.approx([0.8])


def test_merged_faces_in_one_frame_count_once(folder: Path) -> None:
    small_face, large_face = make_line(0, 0.0, (1, "sad")), make_line(0, 0.0, (2, "happy"), box=(0, 0, 90, 90))
    two_faces = small_face[: small_face.rindex("]")] + ", " + large_face[large_face.index('"faces": [') + 10 :]
    write_frame_lines(
        folder, two_faces, two_faces.replace('"index": 0, "timestamp": 0.0', '"index": 1, "timestamp": 0.5')
    )
    log = FrameLog(folder)
    log.refresh()
    table = apply_identities(log.to_dataframe(), IdentityEdits(merged_into={2: 1}))
    assert len(table) == 4
    assert deduplicate_per_frame(table)["display_label"].tolist() == ["happy", "happy"]
    assert get_segments(table) == [(1, 0, 1.0, "happy")]


labels_strategy = st.sampled_from(["sad", "happy", "unsure"])
frames = st.lists(
    st.dictionaries(st.integers(1, 4), labels_strategy, max_size=4).map(lambda d: [*d.items()]), max_size=25
)


@given(frames, st.sampled_from([0.04, 0.125, 1.0]))
def test_segments_contain_every_frame_once(
    tmp_path_factory: pytest.TempPathFactory, frames_of_faces: list[Faces], step: float
) -> None:
    table = make_faces(tmp_path_factory.mktemp("lanes"), *frames_of_faces, step=step)
    rows = compute_segments(table)
    for track_id, segments in rows.groupby("track_id"):
        starts, ends = segments["start"].to_numpy(), segments["end"].to_numpy()
        assert (starts[1:] >= ends[:-1] - 1e-9).all()  # without overlap
        assert (ends >= starts).all()
        for seconds, label in table.loc[table["track_id"] == track_id, ["timestamp", "display_label"]].to_numpy():
            matching = segments[
                (segments["start"] <= seconds) & ((seconds < segments["end"]) | (segments["start"] == seconds))
            ]
            assert matching["expression"].tolist() == [label]
    assert sum(compute_expression_shares(table).values()) == pytest.approx(1.0 if len(table) else 0.0)


# ------------------------------------------------------------------ shares and counts


def test_shares_are_weighted_by_time(folder: Path) -> None:
    assert compute_expression_shares(make_faces(folder, SAD, SAD, [(1, "unsure")], HAPPY)) == pytest.approx(
        {"sad": 0.5, "happy": 0.25, "unsure": 0.25}
    )


def test_group_shares_need_a_minimum_number_of_faces(folder: Path) -> None:
    three_faces = [(1, "sad"), (2, "happy"), (3, "happy")]
    table = make_faces(
        folder, *[three_faces[:2]] * 5, *[three_faces] * 5, *[three_faces[:2]] * 3, *[[*three_faces, (4, "unsure")]] * 2
    )
    result = compute_group_shares(table, 1.5, FERPLUS_LABELS, 3)
    assert list(result.columns) == list(GROUP_SHARE_COLUMNS)
    assert sorted(set(result["start"])) == [0.0, 0.5, 1.0]
    assert len(result) == 3 * 9
    indexed = result.set_index(["start", "expression"])["share"]
    assert indexed[0.0].isna().all()
    assert indexed[0.5, "happy"] == pytest.approx(2 / 3)
    assert indexed[0.5, "sad"] == pytest.approx(1 / 3)
    assert indexed[0.5, "fear"] == 0
    assert indexed[1.0, "unsure"] == pytest.approx(1 / 4)  # frames with two faces do not count
    assert result.groupby("start")["num_faces"].first().tolist() == [0, 3, 4]


@pytest.mark.parametrize("edits", [IdentityEdits(hidden=frozenset({3})), IdentityEdits(merged_into={3: 2})])
def test_hidden_and_merged_faces_do_not_count_for_group_shares(folder: Path, edits: IdentityEdits) -> None:
    three_faces = [(1, "sad"), (2, "happy"), (3, "happy")]
    table = make_faces(folder, *[three_faces] * 5, edits=edits)
    assert compute_group_shares(table, 0.5, FERPLUS_LABELS, 3)["share"].isna().all()


@given(frames, st.integers(1, 4))
def test_group_shares_sum_to_one(
    tmp_path_factory: pytest.TempPathFactory, frames_of_faces: list[Faces], min_faces: int
) -> None:
    table = make_faces(tmp_path_factory.mktemp("shares"), *frames_of_faces)
    result = compute_group_shares(table, len(frames_of_faces) / 10, FERPLUS_LABELS, min_faces)
    share_sums = result.groupby("start")["share"].sum(min_count=1)
    is_large_enough = result.groupby("start")["num_faces"].first() > 0
    assert share_sums[is_large_enough].to_numpy() == pytest.approx(np.ones(is_large_enough.sum()))
    assert share_sums[~is_large_enough].isna().all()


def test_face_counts_are_means_per_label(folder: Path) -> None:
    log = make_log(folder, *[[(1, "sad"), (2, "happy")]] * 5, *[[(1, "sad")]] * 2, *[[]] * 3)
    result = compute_face_counts(
        apply_identities(log.to_dataframe(), IdentityEdits()), log.timestamps(), log.durations(), 1.0, FERPLUS_LABELS
    )
    indexed = result.set_index(["start", "expression"])["mean_faces"]
    assert indexed[0.0, "sad"] == pytest.approx(1.0)
    assert indexed[0.0, "happy"] == pytest.approx(1.0)
    assert indexed[0.5, "sad"] == pytest.approx(0.4)
    assert indexed[0.5, "happy"] == 0


def test_counts_with_long_intervals_have_no_gaps(folder: Path) -> None:
    three_faces = [(1, "sad"), (2, "happy"), (3, "happy")]
    log = make_log(folder, *[three_faces] * 5, step=1.3)
    faces, duration = apply_identities(log.to_dataframe(), IdentityEdits()), 5 * 1.3
    counts = compute_face_counts(faces, log.timestamps(), log.durations(), duration, FERPLUS_LABELS)
    assert counts.groupby("start")["mean_faces"].sum().to_numpy() == pytest.approx(np.full(13, 3.0))
    group_shares = compute_group_shares(faces, duration, FERPLUS_LABELS, 3)
    assert group_shares.groupby("start")["share"].sum(min_count=1).to_numpy() == pytest.approx(np.ones(13))
    assert set(group_shares["num_faces"]) == {3}


def test_long_frame_counts_in_every_time_bin(folder: Path) -> None:
    write_frame_lines(
        folder, make_line(0, 0.0, (1, "sad")), make_line(1, 0.8, (1, "happy")), make_line(2, 1.0), make_line(3, 1.2)
    )
    log = FrameLog(folder)
    log.refresh()
    result = compute_face_counts(
        apply_identities(log.to_dataframe(), IdentityEdits()), log.timestamps(), log.durations(), 1.4, FERPLUS_LABELS
    )
    indexed = result.set_index(["start", "expression"])["mean_faces"]
    assert indexed[0.0, "sad"] == pytest.approx(1.0)
    assert (indexed[0.5, "sad"], indexed[0.5, "happy"]) == pytest.approx((0.6, 0.4))
    assert indexed[1.0, "happy"] == 0


@pytest.mark.parametrize(
    ("duration", "count", "step"), [(0, 0, 0), (0.2, 1, 0.2), (10, 20, 0.5), (200, 200, 1), (1800, 180, 10)]
)
def test_time_bins_cover_the_duration(duration: float, count: int, step: float) -> None:
    starts, ends = time_bins(duration)
    assert len(starts) == len(ends) == count
    if count:
        assert (ends[0] - starts[0], ends[-1]) == pytest.approx((step, duration))


@pytest.mark.parametrize(
    ("seconds", "clock", "tenths"),
    [
        (0, "0:00", "0:00.0"),
        (5.967, "0:06", "0:06.0"),
        (7.44, "0:07", "0:07.4"),
        (59.96, "1:00", "1:00.0"),
        (60, "1:00", "1:00.0"),
        (754.25, "12:34", "12:34.3"),
    ],
)
def test_clock_times_are_rounded(seconds: float, clock: str, tenths: str) -> None:
    assert (format_clock(seconds), format_clock_tenths(seconds)) == (clock, tenths)


@given(
    st.dictionaries(st.integers(0, 9), st.sets(st.integers(1, 6)), max_size=8),
    st.dictionaries(st.integers(1, 6), st.integers(1, 6), max_size=3),
)
def test_cooccurring_tracks_match_a_loop(frames_of_faces: dict[int, set[int]], merges: dict[int, int]) -> None:
    edits = IdentityEdits()
    for track_id, target_id in merges.items():
        if edits.canonical_track(track_id) != edits.canonical_track(target_id):
            edits = edits.merge(track_id, target_id)
    rows = [(frame, track_id) for frame, tracks in sorted(frames_of_faces.items()) for track_id in sorted(tracks)]
    faces = pd.DataFrame(rows, columns=["frame", "track_id"], dtype=np.int64)
    canonical_ids = [{edits.canonical_track(track_id) for track_id in tracks} for tracks in frames_of_faces.values()]
    queried = {edits.canonical_track(track_id) for track_id in range(1, 7)}
    expected = {
        track_id: frozenset(set().union(*(ids for ids in canonical_ids if track_id in ids)) - {track_id})
        for track_id in queried
    }
    assert find_cooccurring_tracks(faces, edits, queried) == expected


def test_share_table_starts_with_everyone_if_there_are_several() -> None:
    table = build_share_table(
        [("Everyone", {"sad": 1.0}), ("B", {"happy": 0.5, "sad": 0.5})], {"sad": 0.8, "happy": 0.2}
    )
    assert table["name"].tolist() == ["Everyone", "Everyone", "Everyone (2)", "B", "B"]
    assert build_share_table([("A", {"sad": 1.0})], {"sad": 1.0})["name"].tolist() == ["A"]
    assert list(build_share_table([], {}).columns) == ["name", "expression", "share"]
