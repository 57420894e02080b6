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
from emotion.video.frame_log import FrameLog
from emotion.video.identities import IdentityEdits
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
from tests.video.scenes import line, write_lines

Faces = Sequence[tuple[int, str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def log_of(
    folder: Path, *frames: Faces, step: float = 0.1, box: tuple[int, int, int, int] = (0, 0, 40, 40)
) -> FrameLog:
    write_lines(folder, *(line(i, round(i * step, 3), *faces, box=box) for i, faces in enumerate(frames)))
    log = FrameLog(folder)
    log.refresh()
    return log


def shown(folder: Path, *frames: Faces, cast: IdentityEdits | None = None, step: float = 0.1) -> pd.DataFrame:
    return apply_identities(log_of(folder, *frames, step=step).to_dataframe(), cast or IdentityEdits())


def ribbons(table: pd.DataFrame) -> list[tuple[int, float, float, str]]:
    rows = compute_segments(table)
    return [
        (track, round(start, 3), round(end, 3), word)
        for track, start, end, word in zip(*(rows[c] for c in ("track_id", "start", "end", "expression")), strict=True)
    ]


# ------------------------------------------------------------------ the table


def test_no_faces(folder: Path) -> None:
    empty = shown(folder, [], [])
    assert list(build_face_table(empty).columns) == list(FACE_TABLE_COLUMNS)
    assert list(compute_segments(empty).columns) == list(SEGMENT_COLUMNS)
    assert list(compute_group_shares(empty, 0.2, (), 3).columns) == list(GROUP_SHARE_COLUMNS)
    assert list(compute_face_counts(empty, np.array([0, 0.1]), np.array([0.1, 0.1]), 0.2, ()).columns) == list(
        FACE_COUNT_COLUMNS
    )
    assert len(compute_face_counts(empty, np.zeros(0), np.zeros(0), 0.0, ())) == 0
    assert len(build_face_table(empty)) == len(compute_segments(empty)) == 0
    assert compute_expression_shares(empty) == {}


def test_columns_and_cast(folder: Path) -> None:
    cast = IdentityEdits(names={1: "Anna"}, merged_into={3: 1}, hidden=frozenset({2}))
    table = build_face_table(shown(folder, [(1, "sad"), (2, "sad")], [(3, "happy")], cast=cast))
    assert list(table.columns) == [*FACE_TABLE_COLUMNS, *score_columns(FERPLUS_LABELS)]
    assert table["track_id"].tolist() == [1, 1]
    assert table["name"].tolist() == ["Anna", "Anna"]
    assert table["display_label"].tolist() == ["sad", "happy"]


def test_all_are_hidden(folder: Path) -> None:
    table = shown(folder, [(1, "sad")], cast=IdentityEdits(hidden=frozenset({1})))
    assert len(table) == len(compute_segments(table)) == 0


# ------------------------------------------------------------------ ribbons

SAD, HAPPY, NOBODY = [(1, "sad")], [(1, "happy")], []


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([SAD], [(1, 0, 0.04, "sad")]),
        ([SAD, SAD], [(1, 0, 0.2, "sad")]),
        ([SAD, SAD, HAPPY], [(1, 0, 0.2, "sad"), (1, 0.2, 0.3, "happy")]),
        ([SAD, NOBODY, NOBODY, SAD], [(1, 0, 0.4, "sad")]),  # missed for a moment
        ([SAD, NOBODY, NOBODY, HAPPY], [(1, 0, 0.3, "sad"), (1, 0.3, 0.4, "happy")]),
        ([SAD, *[NOBODY] * 6, SAD], [(1, 0, 0.1, "sad"), (1, 0.7, 0.8, "sad")]),
        ([[(2, "sad")], [(1, "sad"), (2, "sad")]], [(2, 0, 0.2, "sad"), (1, 0.1, 0.2, "sad")]),  # who came first
        ([SAD, [(1, "unsure")], SAD], [(1, 0, 0.1, "sad"), (1, 0.1, 0.2, "unsure"), (1, 0.2, 0.3, "sad")]),
    ],
)
def test_ribbons(folder: Path, frames: list[Faces], expected: list[tuple[int, float, float, str]]) -> None:
    assert ribbons(shown(folder, *frames)) == expected


def test_ribbons_of_slow_readings_do_not_fall_apart(folder: Path) -> None:
    assert ribbons(shown(folder, SAD, SAD, SAD, step=2.0)) == [(1, 0, 5.0, "sad")]


def test_the_confidence_of_a_ribbon(folder: Path) -> None:
    assert compute_segments(shown(folder, SAD, SAD))["confidence"].tolist() == pytest.approx([0.8])


def test_two_that_are_one_at_the_same_time_count_once(folder: Path) -> None:
    small, large = line(0, 0.0, (1, "sad")), line(0, 0.0, (2, "happy"), box=(0, 0, 90, 90))
    both = small[: small.rindex("]")] + ", " + large[large.index('"faces": [') + 10 :]
    write_lines(folder, both, both.replace('"index": 0, "timestamp": 0.0', '"index": 1, "timestamp": 0.5'))
    log = FrameLog(folder)
    log.refresh()
    table = apply_identities(log.to_dataframe(), IdentityEdits(merged_into={2: 1}))
    assert len(table) == 4
    assert deduplicate_per_frame(table)["display_label"].tolist() == ["happy", "happy"]
    assert ribbons(table) == [(1, 0, 1.0, "happy")]


words = st.sampled_from(["sad", "happy", "unsure"])
frames = st.lists(st.dictionaries(st.integers(1, 4), words, max_size=4).map(lambda d: [*d.items()]), max_size=25)


@given(frames, st.sampled_from([0.04, 0.125, 1.0]))
def test_ribbons_hold_every_frame_once(
    tmp_path_factory: pytest.TempPathFactory, seen: list[Faces], step: float
) -> None:
    table = shown(tmp_path_factory.mktemp("lanes"), *seen, step=step)
    rows = compute_segments(table)
    for track, part in rows.groupby("track_id"):
        starts, ends = part["start"].to_numpy(), part["end"].to_numpy()
        assert (starts[1:] >= ends[:-1] - 1e-9).all()  # one after the other
        assert (ends >= starts).all()
        for seconds, word in table.loc[table["track_id"] == track, ["timestamp", "display_label"]].to_numpy():
            within = part[(part["start"] <= seconds) & ((seconds < part["end"]) | (part["start"] == seconds))]
            assert within["expression"].tolist() == [word]
    assert sum(compute_expression_shares(table).values()) == pytest.approx(1.0 if len(table) else 0.0)


# ------------------------------------------------------------------ shares, audience, crowd


def test_shares_are_of_time(folder: Path) -> None:
    assert compute_expression_shares(shown(folder, SAD, SAD, [(1, "unsure")], HAPPY)) == pytest.approx(
        {"sad": 0.5, "happy": 0.25, "unsure": 0.25}
    )


def test_the_audience_shows_nothing_of_few(folder: Path) -> None:
    three = [(1, "sad"), (2, "happy"), (3, "happy")]
    table = shown(folder, *[three[:2]] * 5, *[three] * 5, *[three[:2]] * 3, *[[*three, (4, "unsure")]] * 2)
    result = compute_group_shares(table, 1.5, FERPLUS_LABELS, 3)
    assert list(result.columns) == list(GROUP_SHARE_COLUMNS)
    assert sorted(set(result["start"])) == [0.0, 0.5, 1.0]
    assert len(result) == 3 * 9
    by = result.set_index(["start", "expression"])["share"]
    assert by[0.0].isna().all()
    assert by[0.5, "happy"] == pytest.approx(2 / 3)
    assert by[0.5, "sad"] == pytest.approx(1 / 3)
    assert by[0.5, "fear"] == 0
    assert by[1.0, "unsure"] == pytest.approx(1 / 4)  # the frames with two faces do not count
    assert result.groupby("start")["num_faces"].first().tolist() == [0, 3, 4]


def test_who_is_hidden_does_not_count_for_the_audience(folder: Path) -> None:
    three = [(1, "sad"), (2, "happy"), (3, "happy")]
    table = shown(folder, *[three] * 5, cast=IdentityEdits(hidden=frozenset({3})))
    assert compute_group_shares(table, 0.5, FERPLUS_LABELS, 3)["share"].isna().all()


def test_two_tracks_of_one_person_do_not_make_an_audience(folder: Path) -> None:
    three = [(1, "sad"), (2, "happy"), (3, "happy")]
    table = shown(folder, *[three] * 5, cast=IdentityEdits(merged_into={3: 2}))
    assert compute_group_shares(table, 0.5, FERPLUS_LABELS, 3)["share"].isna().all()


@given(frames, st.integers(1, 4))
def test_shares_of_the_audience_sum_to_one(
    tmp_path_factory: pytest.TempPathFactory, seen: list[Faces], least: int
) -> None:
    table = shown(tmp_path_factory.mktemp("audience"), *seen)
    result = compute_group_shares(table, len(seen) / 10, FERPLUS_LABELS, least)
    sums = result.groupby("start")["share"].sum(min_count=1)
    enough = result.groupby("start")["num_faces"].first() > 0
    assert sums[enough].to_numpy() == pytest.approx(np.ones(enough.sum()))
    assert sums[~enough].isna().all()


def test_how_many_show_what(folder: Path) -> None:
    log = log_of(folder, *[[(1, "sad"), (2, "happy")]] * 5, *[[(1, "sad")]] * 2, *[[]] * 3)
    result = compute_face_counts(
        apply_identities(log.to_dataframe(), IdentityEdits()), log.timestamps(), log.durations(), 1.0, FERPLUS_LABELS
    )
    by = result.set_index(["start", "expression"])["mean_faces"]
    assert by[0.0, "sad"] == pytest.approx(1.0)
    assert by[0.0, "happy"] == pytest.approx(1.0)
    assert by[0.5, "sad"] == pytest.approx(0.4)
    assert by[0.5, "happy"] == 0


def test_slow_readings_leave_no_stripes(folder: Path) -> None:
    three = [(1, "sad"), (2, "happy"), (3, "happy")]
    log = log_of(folder, *[three] * 5, step=1.3)
    faces, duration = apply_identities(log.to_dataframe(), IdentityEdits()), 5 * 1.3
    many = compute_face_counts(faces, log.timestamps(), log.durations(), duration, FERPLUS_LABELS)
    assert many.groupby("start")["mean_faces"].sum().to_numpy() == pytest.approx(np.full(13, 3.0))
    together = compute_group_shares(faces, duration, FERPLUS_LABELS, 3)
    assert together.groupby("start")["share"].sum(min_count=1).to_numpy() == pytest.approx(np.ones(13))
    assert set(together["num_faces"]) == {3}


def test_a_image_that_stands_for_a_while_counts_where_it_stands(folder: Path) -> None:
    write_lines(folder, line(0, 0.0, (1, "sad")), line(1, 0.8, (1, "happy")), line(2, 1.0), line(3, 1.2))
    log = FrameLog(folder)
    log.refresh()
    result = compute_face_counts(
        apply_identities(log.to_dataframe(), IdentityEdits()), log.timestamps(), log.durations(), 1.4, FERPLUS_LABELS
    )
    by = result.set_index(["start", "expression"])["mean_faces"]
    assert by[0.0, "sad"] == pytest.approx(1.0)
    assert (by[0.5, "sad"], by[0.5, "happy"]) == pytest.approx((0.6, 0.4))
    assert by[1.0, "happy"] == 0


@pytest.mark.parametrize(
    ("duration", "count", "step"), [(0, 0, 0), (0.2, 1, 0.2), (10, 20, 0.5), (200, 200, 1), (1800, 180, 10)]
)
def test_stretches(duration: float, count: int, step: float) -> None:
    starts, ends = time_bins(duration)
    assert len(starts) == len(ends) == count
    if count:
        assert (ends[0] - starts[0], ends[-1]) == pytest.approx((step, duration))


@pytest.mark.parametrize(
    ("seconds", "whole", "tenths"),
    [
        (0, "0:00", "0:00.0"),
        (5.967, "0:06", "0:06.0"),
        (7.44, "0:07", "0:07.4"),
        (59.96, "1:00", "1:00.0"),
        (60, "1:00", "1:00.0"),
        (754.25, "12:34", "12:34.3"),
    ],
)
def test_times_are_rounded_and_not_cut(seconds: float, whole: str, tenths: str) -> None:
    assert (format_clock(seconds), format_clock_tenths(seconds)) == (whole, tenths)


@given(
    st.dictionaries(st.integers(0, 9), st.sets(st.integers(1, 6)), max_size=8),
    st.dictionaries(st.integers(1, 6), st.integers(1, 6), max_size=3),
)
def test_who_is_seen_together(seen: dict[int, set[int]], merges: dict[int, int]) -> None:
    cast = IdentityEdits()
    for track, into in merges.items():
        if cast.canonical_track(track) != cast.canonical_track(into):
            cast = cast.merge(track, into)
    rows = [(frame, track) for frame, tracks in sorted(seen.items()) for track in sorted(tracks)]
    faces = pd.DataFrame(rows, columns=["frame", "track_id"], dtype=np.int64)
    roots = [{cast.canonical_track(track) for track in tracks} for tracks in seen.values()]
    asked = {cast.canonical_track(track) for track in range(1, 7)}
    expected = {one: frozenset(set().union(*(some for some in roots if one in some)) - {one}) for one in asked}
    assert find_cooccurring_tracks(faces, cast, asked) == expected


def test_everyone_stands_before_several() -> None:
    table = build_share_table(
        [("Everyone", {"sad": 1.0}), ("B", {"happy": 0.5, "sad": 0.5})], {"sad": 0.8, "happy": 0.2}
    )
    assert table["name"].tolist() == ["Everyone", "Everyone", "Everyone (2)", "B", "B"]
    assert build_share_table([("A", {"sad": 1.0})], {"sad": 1.0})["name"].tolist() == ["A"]
    assert list(build_share_table([], {}).columns) == ["name", "expression", "share"]
