"""Tables of an analysis: faces, expression segments, shares of time, groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotion.expressions import UNCERTAIN
from emotion.results.photos import make_unique_names
from emotion.results.tables import FEATURE_COLUMNS, PREDICTION_COLUMNS, SCORE_PREFIX
from emotion.translation.messages import gettext as _
from emotion.video.edits.identities import IdentityEdits

FACE_TABLE_COLUMNS: Final = ("frame", "timestamp", "track_id", "name", "display_label", *PREDICTION_COLUMNS)
SEGMENT_COLUMNS: Final = ("track_id", "name", "start", "end", "expression", "confidence")
GROUP_SHARE_COLUMNS: Final = ("start", "end", "expression", "share", "num_faces")
FACE_COUNT_COLUMNS: Final = ("start", "end", "expression", "mean_faces")
_MAX_GAP_SECONDS: Final = 0.3  # for which a face may be missed within one segment
_BIN_SECONDS: Final = (0.5, 1.0, 2.0, 5.0, 10.0)  # bin widths of charts
_MAX_BINS: Final = 300
_TIME_TOLERANCE: Final = 1e-6  # rounding error of sums of seconds
_COUNT_TOLERANCE: Final = 1e-9  # rounding error of a number of bins

Array = NDArray[Any]


def get_column(table: pd.DataFrame, name: str) -> Array:
    """Return the values of one column, (n,)."""
    return np.asarray(table[name])


def apply_identities(faces: pd.DataFrame, edits: IdentityEdits) -> pd.DataFrame:
    """Apply names, merges and hidden faces to a table of `FrameLog.to_dataframe`.

    Returns:
        The visible faces with their track ids after merging and a column `name`, ordered by frame and track id.
    """
    tracks, inverse = np.unique(get_column(faces, "track_id"), return_inverse=True)
    roots = np.array([edits.canonical_track(int(track)) for track in tracks], np.int64)[inverse]
    names = np.array([edits.display_name(int(track)) for track in tracks], object)[inverse]
    is_visible = ~np.array([edits.is_hidden(int(track)) for track in tracks], bool)[inverse]
    order = np.lexsort((roots, get_column(faces, "frame")))
    return faces.assign(track_id=roots, name=names).iloc[order[is_visible[order]]].reset_index(drop=True)


def build_face_table(faces: pd.DataFrame) -> pd.DataFrame:
    """Select the columns for users of a table of `apply_identities`.

    They are `FACE_TABLE_COLUMNS`, the columns `score_<label>`, and `FEATURE_COLUMNS` where faces have features.
    """
    others = [name for name in faces.columns if name.startswith(SCORE_PREFIX) or name in FEATURE_COLUMNS]
    return faces.loc[:, [*FACE_TABLE_COLUMNS, *others]]


def compute_segments(faces: pd.DataFrame) -> pd.DataFrame:
    """Compute segments in which a face of `apply_identities` shows one expression.

    Returns:
        `SEGMENT_COLUMNS`, ordered by appearance of the face, then by time: `start` and `end` in seconds, `confidence`
        as the mean (NaN without a classified frame).
    """
    faces = deduplicate_per_frame(faces)
    faces = faces.iloc[np.lexsort((get_column(faces, "timestamp"), get_column(faces, "track_id")))]
    tracks, starts, labels = (get_column(faces, name) for name in ("track_id", "timestamp", "display_label"))
    ends = starts + get_column(faces, "duration")
    # A segment extends to the next one, also over a short gap in which the face was missed.
    is_apart = (tracks[1:] != tracks[:-1]) | (starts[1:] - ends[:-1] > _MAX_GAP_SECONDS)
    firsts = np.flatnonzero(np.append(len(faces) > 0, is_apart | (labels[1:] != labels[:-1])))
    lasts = np.append(firsts[1:], len(faces))[: len(firsts)] - 1
    segment_ends = ends[lasts]
    if len(firsts):
        segment_ends = np.where(np.append(is_apart, True), ends, np.append(starts[1:], 0))[lasts]
    confidences = get_column(faces, "confidence")
    means = [_compute_nanmean(confidences[first : last + 1]) for first, last in zip(firsts, lasts, strict=True)]
    table = pd.DataFrame(
        {
            "track_id": tracks[firsts],
            "name": get_column(faces, "name")[firsts],
            "start": starts[firsts],
            "end": segment_ends,
            "expression": labels[firsts],
            "confidence": np.array(means, np.float64),
        }
    )
    unique_tracks, first_rows = np.unique(tracks, return_index=True)
    first_seen = starts[first_rows][np.searchsorted(unique_tracks, tracks[firsts])]
    order = np.lexsort(np.stack([starts[firsts], tracks[firsts], first_seen]))
    return table.iloc[order].reset_index(drop=True)


def _compute_nanmean(values: Array) -> float:
    finite = values[~np.isnan(values)]  # `np.nanmean` warns about empty slices
    return float(finite.mean()) if len(finite) else float("nan")


def deduplicate_per_frame(faces: pd.DataFrame) -> pd.DataFrame:
    """Keep at most one row per person and frame: of two merged faces in one frame, the larger."""
    x1, y1, x2, y2 = (get_column(faces, name) for name in ("x1", "y1", "x2", "y2"))
    largest = np.argsort(-(x2 - x1) * (y2 - y1), kind="stable")
    frames_and_tracks = np.column_stack([get_column(faces, "frame"), get_column(faces, "track_id")])[largest]
    rows = np.unique(frames_and_tracks, axis=0, return_index=True)[1]
    return faces if len(rows) == len(faces) else faces.iloc[np.sort(largest[rows])]


def find_cooccurring_tracks(
    faces: pd.DataFrame, edits: IdentityEdits, track_ids: Iterable[int]
) -> dict[int, frozenset[int]]:
    """Find faces that cannot be the same person, because both are visible in one frame.

    Args:
        faces: A table of `FrameLog.to_dataframe`.
        edits: The merges; hidden faces count too.
        track_ids: Track ids after merging.

    Returns:
        For each of `track_ids` the track ids after merging that are visible with it in at least one frame.
    """
    tracks, inverse = np.unique(get_column(faces, "track_id"), return_inverse=True)
    roots = np.array([edits.canonical_track(int(track)) for track in tracks], np.int64)[inverse]
    frames = np.unique(get_column(faces, "frame"), return_inverse=True)[1]
    cooccurring: dict[int, frozenset[int]] = {}
    for track in track_ids:
        present = np.zeros(len(faces) + 1, bool)  # by frame
        present[frames[roots == track]] = True
        cooccurring[track] = frozenset(np.unique(roots[present[frames]]).tolist()) - {track}
    return cooccurring


def build_share_table(people: Sequence[tuple[str, Mapping[str, float]]], everyone: Mapping[str, float]) -> pd.DataFrame:
    """Build a table `name`, `expression`, `share` for `charts.plot_people_shares`.

    Args:
        people: Name and expression shares of each person; equal names are made unique.
        everyone: Shares of all people together, the first bar where there are several people; no bar for {}.
    """
    rows = [(_("Everyone"), everyone)] if len(people) > 1 and everyone else []
    rows += people
    names = make_unique_names([name for name, _ in rows])
    bars = [(name, label, part) for name, (_, parts) in zip(names, rows, strict=True) for label, part in parts.items()]
    return pd.DataFrame(bars, columns=["name", "expression", "share"])


def compute_expression_shares(faces: pd.DataFrame) -> dict[str, float]:
    """Return the share (0 to 1) of the time of all faces by displayed label, largest first, unsure last."""
    labels, durations = get_column(faces, "display_label"), get_column(faces, "duration")
    times = {str(label): float(durations[labels == label].sum()) for label in set(labels)}
    total = sum(times.values())
    shares = {label: time / total if total else 0.0 for label, time in times.items()}
    return dict(sorted(shares.items(), key=lambda item: (item[0] == UNCERTAIN.name, -item[1], item[0])))


def compute_group_shares(faces: pd.DataFrame, duration: float, labels: Sequence[str], min_faces: int) -> pd.DataFrame:
    """Compute the shares of the displayed expressions of all faces in bins of time.

    Args:
        faces: A table of `apply_identities`.
        duration: Of the video, in seconds.
        labels: The labels of the model.
        min_faces: Only frames with at least as many faces count, so that no person stands out.

    Returns:
        `GROUP_SHARE_COLUMNS`, one row per bin (`start` to `end` in seconds) and label, unsure included. `num_faces` is
        the largest number of faces in a frame. A bin without enough faces has the share NaN and 0 faces.
    """
    starts, ends = time_bins(duration)
    faces = deduplicate_per_frame(faces)
    _, inverse, counts = np.unique(get_column(faces, "frame"), return_inverse=True, return_counts=True)
    faces_in_frame = counts[inverse]
    is_group = faces_in_frame >= max(1, min_faces)
    group_faces, faces_in_frame = faces.iloc[is_group], faces_in_frame[is_group]
    times = _sum_by_expression(group_faces, starts, labels)
    max_faces = np.zeros(len(starts), np.int64)
    spans = split_into_bins(get_column(group_faces, "timestamp"), get_column(group_faces, "duration"), starts)
    np.maximum.at(max_faces, spans.bin_indices, faces_in_frame[spans.span_indices])
    total = times.sum(axis=1, keepdims=True)
    shares = np.where(total > 0, times / np.where(total > 0, total, 1), np.nan)
    table = _build_bin_table(starts, ends, labels).assign(
        share=shares.ravel(), num_faces=np.repeat(max_faces, len(labels) + 1)
    )
    return table.loc[:, [*GROUP_SHARE_COLUMNS]]


def compute_face_counts(
    faces: pd.DataFrame,
    timestamps: NDArray[np.float64],
    durations: NDArray[np.float64],
    duration: float,
    labels: Sequence[str],
) -> pd.DataFrame:
    """Compute the mean number of faces that show each expression in bins of time.

    Args:
        faces: A table of `apply_identities`.
        timestamps: Seconds of all frames, including those without faces.
        durations: Seconds for which each frame is displayed.
        duration: Of the video, in seconds.
        labels: The labels of the model.

    Returns:
        `FACE_COUNT_COLUMNS`, rows as in `compute_group_shares`.
    """
    starts, ends = time_bins(duration)
    spans = split_into_bins(timestamps, durations, starts)
    analyzed = np.bincount(spans.bin_indices, spans.durations, len(starts))[:, None]
    times = _sum_by_expression(deduplicate_per_frame(faces), starts, labels)
    return _build_bin_table(starts, ends, labels).assign(
        mean_faces=(times / np.where(analyzed > 0, analyzed, 1)).ravel()
    )


def time_bins(duration: float) -> tuple[Array, Array]:
    """Return the starts and ends, in seconds, of the bins into which charts divide a video."""
    width = next((width for width in _BIN_SECONDS if duration / width <= _MAX_BINS), duration / _MAX_BINS)
    starts = np.zeros(0)
    if duration > 0:
        starts = np.arange(max(1, int(np.ceil(duration / width - _COUNT_TOLERANCE)))) * width
    return starts, np.minimum(starts + width, max(duration, 0.0))


class BinnedSpans(NamedTuple):
    """Spans of time cut at bins: the span of each part, its bin, and its seconds."""

    span_indices: Array
    bin_indices: Array
    durations: Array


def split_into_bins(span_starts: Array, durations: Array, bin_starts: Array) -> BinnedSpans:
    """Cut spans of time at the starts of bins; the last bin is open-ended."""
    if not len(bin_starts):
        return BinnedSpans(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    ends, bin_ends = span_starts + durations, np.append(bin_starts[1:], np.inf)
    first = _assign_bins(span_starts, bin_starts)
    counts = np.maximum(_assign_bins(ends - _TIME_TOLERANCE, bin_starts) - first, 0) + 1
    spans = np.repeat(np.arange(len(span_starts)), counts)
    bins = first[spans] + np.arange(len(spans)) - np.repeat(np.cumsum(counts) - counts, counts)
    parts = np.minimum(ends[spans], bin_ends[bins]) - np.maximum(span_starts[spans], bin_starts[bins])
    return BinnedSpans(spans, bins, parts)


def _assign_bins(timestamps: Array, bin_starts: Array) -> Array:
    """Return the bin of each timestamp; the last bin is open-ended."""
    return np.maximum(np.searchsorted(bin_starts, timestamps, "right") - 1, 0)


def _sum_by_expression(faces: pd.DataFrame, bin_starts: Array, labels: Sequence[str]) -> NDArray[np.float64]:
    """Return the seconds of face time, (bins, labels and unsure)."""
    indices = {label: index for index, label in enumerate((*labels, UNCERTAIN.name))}
    times = np.zeros((len(bin_starts), len(indices)))
    label_indices = np.array([indices[label] for label in get_column(faces, "display_label")], np.int64)
    spans = split_into_bins(get_column(faces, "timestamp"), get_column(faces, "duration"), bin_starts)
    np.add.at(times, (spans.bin_indices, label_indices[spans.span_indices]), spans.durations)
    return times


def _build_bin_table(bin_starts: Array, bin_ends: Array, labels: Sequence[str]) -> pd.DataFrame:
    """Return one row per bin and label, unsure included."""
    expressions = [*labels, UNCERTAIN.name]
    return pd.DataFrame(
        {
            "start": np.repeat(bin_starts, len(expressions)),
            "end": np.repeat(bin_ends, len(expressions)),
            "expression": np.array(expressions * len(bin_starts), object),
        }
    )
