"""What was read of a film as tables for people: ribbons of expressions, shares of time, the audience."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotion.expressions import UNCERTAIN
from emotion.results.photos import make_unique_names
from emotion.results.tables import SCORE_PREFIX
from emotion.video.identities import IdentityEdits

FACE_TABLE_COLUMNS: Final = (
    "frame",
    "timestamp",
    "track_id",
    "name",
    "display_label",
    "label",
    "confidence",
    "uncertainty_reason",
    "detection_score",
    "x1",
    "y1",
    "x2",
    "y2",
)
SEGMENT_COLUMNS: Final = ("track_id", "name", "start", "end", "expression", "confidence")
GROUP_SHARE_COLUMNS: Final = ("start", "end", "expression", "share", "num_faces")
FACE_COUNT_COLUMNS: Final = ("start", "end", "expression", "mean_faces")
_MAX_GAP_SECONDS: Final = 0.3  # seconds for which a face may be missed within one ribbon
_BIN_SECONDS: Final = (0.5, 1.0, 2.0, 5.0, 10.0)  # seconds that a stretch of time may have in charts
_MAX_BINS: Final = 300
_TIME_TOLERANCE: Final = 1e-6  # seconds by which sums of times are off

Array = NDArray[Any]


def get_column(table: pd.DataFrame, name: str) -> Array:
    """The values of one column, (n,)."""
    return np.asarray(table[name])


def apply_identities(faces: pd.DataFrame, edits: IdentityEdits) -> pd.DataFrame:
    """Faces as from `FrameLog.to_dataframe` under the numbers of those into whom they were merged, with a column `name` and
    without who is hidden; ordered by frame and number."""
    tracks, place = np.unique(get_column(faces, "track_id"), return_inverse=True)
    roots = np.array([edits.canonical_track(int(track)) for track in tracks], np.int64)[place]
    names = np.array([edits.display_name(int(track)) for track in tracks], object)[place]
    shown = ~np.array([edits.is_hidden(int(track)) for track in tracks], bool)[place]
    order = np.lexsort((roots, get_column(faces, "frame")))
    return faces.assign(track_id=roots, name=names).iloc[order[shown[order]]].reset_index(drop=True)


def build_face_table(faces: pd.DataFrame) -> pd.DataFrame:
    """One row a face and frame of `apply_identities`: `FACE_TABLE_COLUMNS`, then `score_<label>` for each label."""
    return faces.loc[:, [*FACE_TABLE_COLUMNS, *(name for name in faces.columns if name.startswith(SCORE_PREFIX))]]


def compute_segments(faces: pd.DataFrame) -> pd.DataFrame:
    """Runs of one shown expression of `apply_identities` as `SEGMENT_COLUMNS`, face after face as they appeared: from `start`
    to `end` in seconds, `confidence` on average (NaN where none was read)."""
    faces = deduplicate_per_frame(faces)
    faces = faces.iloc[np.lexsort((get_column(faces, "timestamp"), get_column(faces, "track_id")))]
    track, seconds, shown = (get_column(faces, name) for name in ("track_id", "timestamp", "display_label"))
    ends = seconds + get_column(faces, "duration")
    # A ribbon goes on to the next one, also over a moment in which the face was missed.
    apart = (track[1:] != track[:-1]) | (seconds[1:] - ends[:-1] > _MAX_GAP_SECONDS)
    firsts = np.flatnonzero(np.append(len(faces) > 0, apart | (shown[1:] != shown[:-1])))
    lasts = np.append(firsts[1:], len(faces))[: len(firsts)] - 1
    until = np.where(np.append(apart, True), ends, np.append(seconds[1:], 0))[lasts] if len(firsts) else ends[lasts]
    sure = get_column(faces, "confidence")
    means = [_compute_nanmean(sure[first : last + 1]) for first, last in zip(firsts, lasts, strict=True)]
    table = pd.DataFrame(
        {
            "track_id": track[firsts],
            "name": get_column(faces, "name")[firsts],
            "start": seconds[firsts],
            "end": until,
            "expression": shown[firsts],
            "confidence": np.array(means, np.float64),
        }
    )
    faces_of, begin = np.unique(track, return_index=True)
    first_seen = seconds[begin][np.searchsorted(faces_of, track[firsts])]
    order = np.lexsort(np.stack([seconds[firsts], track[firsts], first_seen]))
    return table.iloc[order].reset_index(drop=True)


def _compute_nanmean(values: Array) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def deduplicate_per_frame(faces: pd.DataFrame) -> pd.DataFrame:
    """At most one row for each person and frame: where two faces that were made one are seen at once, the larger."""
    x1, y1, x2, y2 = (get_column(faces, name) for name in ("x1", "y1", "x2", "y2"))
    largest = np.argsort(-(x2 - x1) * (y2 - y1), kind="stable")
    frames_and_tracks = np.column_stack([get_column(faces, "frame"), get_column(faces, "track_id")])[largest]
    kept = np.unique(frames_and_tracks, axis=0, return_index=True)[1]
    return faces if len(kept) == len(faces) else faces.iloc[np.sort(largest[kept])]


def find_cooccurring_tracks(
    faces: pd.DataFrame, edits: IdentityEdits, track_ids: Iterable[int]
) -> dict[int, frozenset[int]]:
    """Find who cannot be the same person, since both are seen in one frame.

    Args:
        faces: As from `FrameLog.to_dataframe`.
        edits: What was merged; who is hidden counts, too.
        track_ids: Numbers as which faces are shown, after merging.

    Returns:
        For each of `track_ids` the others, also as numbers after merging, that are seen with it in at least one frame.
    """
    numbers, place = np.unique(get_column(faces, "track_id"), return_inverse=True)
    roots = np.array([edits.canonical_track(int(track)) for track in numbers], np.int64)[place]
    frames = np.unique(get_column(faces, "frame"), return_inverse=True)[1]
    found: dict[int, frozenset[int]] = {}
    for track in track_ids:
        present = np.zeros(len(faces) + 1, bool)  # by frame
        present[frames[roots == track]] = True
        found[track] = frozenset(np.unique(roots[present[frames]]).tolist()) - {track}
    return found


def build_share_table(people: Sequence[tuple[str, Mapping[str, float]]], everyone: Mapping[str, float]) -> pd.DataFrame:
    """Columns `name`, `expression`, `share` for `charts.people_bars`: all together before the single `people` (name and
    shares), where there are several. Every bar gets a name of its own."""
    rows = [("Everyone", everyone)] if len(people) > 1 else []
    rows += people
    names = make_unique_names([name for name, _ in rows])
    bars = [(name, word, part) for name, (_, parts) in zip(names, rows, strict=True) for word, part in parts.items()]
    return pd.DataFrame(bars, columns=["name", "expression", "share"])


def compute_expression_shares(faces: pd.DataFrame) -> dict[str, float]:
    """Share of the time of all `faces` by shown expression, largest first, unsure last; 0 to 1."""
    shown, span = get_column(faces, "display_label"), get_column(faces, "duration")
    times = {str(name): float(span[shown == name].sum()) for name in set(shown)}
    total = sum(times.values())
    parts = {name: time / total if total else 0.0 for name, time in times.items()}
    return dict(sorted(parts.items(), key=lambda part: (part[0] == UNCERTAIN.name, -part[1], part[0])))


def compute_group_shares(faces: pd.DataFrame, duration: float, labels: Sequence[str], min_faces: int) -> pd.DataFrame:
    """How the shown expressions of all `apply_identities` divide the time, stretch after stretch: `GROUP_SHARE_COLUMNS`.

    Only frames with at least `min_faces` faces count, so that nobody stands out: in a stretch without one `share` is NaN
    and `num_faces`, the most that were seen at once, is 0. Every stretch from `start` to `end` (seconds) has a row for
    each of `labels` and for unsure.
    """
    starts, ends = time_bins(duration)
    faces = deduplicate_per_frame(faces)
    _, place, counts = np.unique(get_column(faces, "frame"), return_inverse=True, return_counts=True)
    together = counts[place]
    enough, together = faces.iloc[together >= max(1, min_faces)], together[together >= max(1, min_faces)]
    times = _sum_by_expression(enough, starts, labels)
    most = np.zeros(len(starts), np.int64)
    parts = _split_into_bins(get_column(enough, "timestamp"), get_column(enough, "duration"), starts)
    np.maximum.at(most, parts.bin_indices, together[parts.span_indices])
    total = times.sum(axis=1, keepdims=True)
    divided = np.where(total > 0, times / np.where(total > 0, total, 1), np.nan)
    table = _build_bin_table(starts, ends, labels).assign(
        share=divided.ravel(), num_faces=np.repeat(most, len(labels) + 1)
    )
    return table.loc[:, [*GROUP_SHARE_COLUMNS]]


def compute_face_counts(
    faces: pd.DataFrame,
    timestamps: NDArray[np.float64],
    durations: NDArray[np.float64],
    duration: float,
    labels: Sequence[str],
) -> pd.DataFrame:
    """How many of `apply_identities` show what, on average over each stretch of time: `FACE_COUNT_COLUMNS`, rows as in
    `compute_group_shares`; `timestamps` and `durations` (seconds) are those of all frames, also of those without faces."""
    starts, ends = time_bins(duration)
    parts = _split_into_bins(timestamps, durations, starts)
    seen = np.bincount(parts.bin_indices, parts.durations, len(starts))[:, None]
    many = _sum_by_expression(deduplicate_per_frame(faces), starts, labels) / np.where(seen > 0, seen, 1)
    return _build_bin_table(starts, ends, labels).assign(mean_faces=many.ravel())


def time_bins(duration: float) -> tuple[Array, Array]:
    """Beginnings and ends, in seconds, of the stretches of time into which a film is divided for charts."""
    step = next((step for step in _BIN_SECONDS if duration / step <= _MAX_BINS), duration / _MAX_BINS)
    starts = np.arange(max(1, int(np.ceil(duration / step - 1e-9)))) * step if duration > 0 else np.zeros(0)
    return starts, np.minimum(starts + step, max(duration, 0.0))


class _BinnedSpans(NamedTuple):
    """Spans of time cut where stretches end: of which span each part is, in which stretch, how many seconds long."""

    span_indices: Array
    bin_indices: Array
    durations: Array


def _split_into_bins(span_starts: Array, durations: Array, bin_starts: Array) -> _BinnedSpans:
    """Cut spans of time, which begin at `span_starts` and may be longer than a stretch, at the `bin_starts` of stretches; what
    lies behind the end is in the last one."""
    if not len(bin_starts):
        return _BinnedSpans(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    ends, until = span_starts + durations, np.append(bin_starts[1:], np.inf)
    first = _assign_bins(span_starts, bin_starts)
    counts = np.maximum(_assign_bins(ends - _TIME_TOLERANCE, bin_starts) - first, 0) + 1
    rows = np.repeat(np.arange(len(span_starts)), counts)
    places = first[rows] + np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return _BinnedSpans(
        rows, places, np.minimum(ends[rows], until[places]) - np.maximum(span_starts[rows], bin_starts[places])
    )


def _assign_bins(timestamps: Array, bin_starts: Array) -> Array:
    """In which stretch each time lies; what lies behind the end is in the last one."""
    return np.maximum(np.searchsorted(bin_starts, timestamps, "right") - 1, 0)


def _sum_by_expression(faces: pd.DataFrame, bin_starts: Array, labels: Sequence[str]) -> NDArray[np.float64]:
    """Seconds of face time as (stretches, labels and unsure)."""
    words = {word: place for place, word in enumerate((*labels, UNCERTAIN.name))}
    times = np.zeros((len(bin_starts), len(words)))
    expressions = np.array([words[word] for word in get_column(faces, "display_label")], np.int64)
    parts = _split_into_bins(get_column(faces, "timestamp"), get_column(faces, "duration"), bin_starts)
    np.add.at(times, (parts.bin_indices, expressions[parts.span_indices]), parts.durations)
    return times


def _build_bin_table(bin_starts: Array, bin_ends: Array, labels: Sequence[str]) -> pd.DataFrame:
    """A row for each stretch and word."""
    words = [*labels, UNCERTAIN.name]
    return pd.DataFrame(
        {
            "start": np.repeat(bin_starts, len(words)),
            "end": np.repeat(bin_ends, len(words)),
            "expression": np.array(words * len(bin_starts), object),
        }
    )
