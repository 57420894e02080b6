"""What was read of a film as tables for people: ribbons of expressions, shares of time, the audience."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotion.expressions import UNSURE
from emotion.results.photos import distinct
from emotion.video.frame_log import COLUMNS
from emotion.video.identities import Cast

FILM_COLUMNS: Final = (
    "frame", "seconds", "track", "name", "shown", "label", "confidence", "unsure", "detection", "x1", "y1", "x2", "y2",
)  # fmt: skip
LANE_COLUMNS: Final = ("track", "name", "start", "end", "expression", "confidence")
AUDIENCE_COLUMNS: Final = ("start", "end", "expression", "share", "faces")
CROWD_COLUMNS: Final = ("start", "end", "expression", "faces")
_GAP: Final = 0.3  # seconds for which a face may be missed within one ribbon
_STEPS: Final = (0.5, 1.0, 2.0, 5.0, 10.0)  # seconds that a stretch of time may have in charts
_MOST_STRETCHES: Final = 300
_TINY: Final = 1e-6  # seconds by which sums of times are off

Array = NDArray[Any]


def column(table: pd.DataFrame, name: str) -> Array:
    """The values of one column, (n,)."""
    return np.asarray(table[name])


def cast_faces(faces: pd.DataFrame, cast: Cast) -> pd.DataFrame:
    """Faces as from `FrameLog.faces` under the numbers of those into whom they were merged, with a column `name` and
    without who is hidden; ordered by frame and number."""
    tracks, place = np.unique(column(faces, "track"), return_inverse=True)
    roots = np.array([cast.root(int(track)) for track in tracks], np.int64)[place]
    names = np.array([cast.name(int(track)) for track in tracks], object)[place]
    shown = ~np.array([cast.is_hidden(int(track)) for track in tracks], bool)[place]
    order = np.lexsort((roots, column(faces, "frame")))
    return faces.assign(track=roots, name=names).iloc[order[shown[order]]].reset_index(drop=True)


def film_table(faces: pd.DataFrame) -> pd.DataFrame:
    """One row a face and frame of `cast_faces`: `FILM_COLUMNS`, then one probability column for each label."""
    return faces.loc[:, [*FILM_COLUMNS, *labels_of(faces)]]


def labels_of(faces: pd.DataFrame) -> list[str]:
    """The labels for which faces as from `FrameLog.faces` or `cast_faces` have a column."""
    return [name for name in faces.columns if name not in (*COLUMNS, "name")]


def lanes(faces: pd.DataFrame) -> pd.DataFrame:
    """Runs of one shown expression of `cast_faces` as `LANE_COLUMNS`, face after face as they appeared: from `start`
    to `end` in seconds, `confidence` on average (NaN where none was read)."""
    faces = one_each(faces)
    faces = faces.iloc[np.lexsort((column(faces, "seconds"), column(faces, "track")))]
    track, seconds, shown = (column(faces, name) for name in ("track", "seconds", "shown"))
    ends = seconds + column(faces, "span")
    # A ribbon goes on to the next one, also over a moment in which the face was missed.
    apart = (track[1:] != track[:-1]) | (seconds[1:] - ends[:-1] > _GAP)
    firsts = np.flatnonzero(np.append(len(faces) > 0, apart | (shown[1:] != shown[:-1])))
    lasts = np.append(firsts[1:], len(faces))[: len(firsts)] - 1
    until = np.where(np.append(apart, True), ends, np.append(seconds[1:], 0))[lasts] if len(firsts) else ends[lasts]
    sure = column(faces, "confidence")
    means = [_mean(sure[first : last + 1]) for first, last in zip(firsts, lasts, strict=True)]
    table = pd.DataFrame({
        "track": track[firsts], "name": column(faces, "name")[firsts], "start": seconds[firsts], "end": until,
        "expression": shown[firsts], "confidence": np.array(means, np.float64),
    })  # fmt: skip
    faces_of, begin = np.unique(track, return_index=True)
    first_seen = seconds[begin][np.searchsorted(faces_of, track[firsts])]
    order = np.lexsort(np.stack([seconds[firsts], track[firsts], first_seen]))
    return table.iloc[order].reset_index(drop=True)


def _mean(values: Array) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def one_each(faces: pd.DataFrame) -> pd.DataFrame:
    """At most one row for each person and frame: where two faces that were made one are seen at once, the larger."""
    x1, y1, x2, y2 = (column(faces, name) for name in ("x1", "y1", "x2", "y2"))
    largest = np.argsort(-(x2 - x1) * (y2 - y1), kind="stable")
    frames_and_tracks = np.column_stack([column(faces, "frame"), column(faces, "track")])[largest]
    kept = np.unique(frames_and_tracks, axis=0, return_index=True)[1]
    return faces if len(kept) == len(faces) else faces.iloc[np.sort(largest[kept])]


def seen_together(faces: pd.DataFrame, cast: Cast, tracks: Iterable[int]) -> dict[int, frozenset[int]]:
    """Find who cannot be the same person, since both are seen in one frame.

    Args:
        faces: As from `FrameLog.faces`.
        cast: What was merged; who is hidden counts, too.
        tracks: Numbers as which faces are shown, after merging.

    Returns:
        For each of `tracks` the others, also as numbers after merging, that are seen with it in at least one frame.
    """
    numbers, place = np.unique(column(faces, "track"), return_inverse=True)
    roots = np.array([cast.root(int(track)) for track in numbers], np.int64)[place]
    frames = np.unique(column(faces, "frame"), return_inverse=True)[1]
    found: dict[int, frozenset[int]] = {}
    for track in tracks:
        present = np.zeros(len(faces) + 1, bool)  # by frame
        present[frames[roots == track]] = True
        found[track] = frozenset(np.unique(roots[present[frames]]).tolist()) - {track}
    return found


def share_rows(people: Sequence[tuple[str, Mapping[str, float]]], everyone: Mapping[str, float]) -> pd.DataFrame:
    """Columns `name`, `expression`, `share` for `charts.people_bars`: all together before the single `people` (name and
    shares), where there are several. Every bar gets a name of its own."""
    rows = [("Everyone", everyone)] if len(people) > 1 else []
    rows += people
    names = distinct([name for name, _ in rows])
    bars = [(name, word, part) for name, (_, parts) in zip(names, rows, strict=True) for word, part in parts.items()]
    return pd.DataFrame(bars, columns=["name", "expression", "share"])


def shares(faces: pd.DataFrame) -> dict[str, float]:
    """Share of the time of all `faces` by shown expression, largest first, unsure last; 0 to 1."""
    shown, span = column(faces, "shown"), column(faces, "span")
    times = {str(name): float(span[shown == name].sum()) for name in set(shown)}
    total = sum(times.values())
    parts = {name: time / total if total else 0.0 for name, time in times.items()}
    return dict(sorted(parts.items(), key=lambda part: (part[0] == UNSURE.name, -part[1], part[0])))


def audience(faces: pd.DataFrame, duration: float, labels: Sequence[str], least: int) -> pd.DataFrame:
    """How the shown expressions of all `cast_faces` divide the time, stretch after stretch: `AUDIENCE_COLUMNS`.

    Only frames with at least `least` faces count, so that nobody stands out: in a stretch without one `share` is NaN
    and `faces`, the most that were seen at once, is 0. Every stretch from `start` to `end` (seconds) has a row for
    each of `labels` and for unsure.
    """
    starts, ends = stretches(duration)
    faces = one_each(faces)
    _, place, counts = np.unique(column(faces, "frame"), return_inverse=True, return_counts=True)
    together = counts[place]
    enough, together = faces.iloc[together >= max(1, least)], together[together >= max(1, least)]
    times = _by_expression(enough, starts, labels)
    most = np.zeros(len(starts), np.int64)
    parts = _parted(column(enough, "seconds"), column(enough, "span"), starts)
    np.maximum.at(most, parts.places, together[parts.rows])
    total = times.sum(axis=1, keepdims=True)
    divided = np.where(total > 0, times / np.where(total > 0, total, 1), np.nan)
    table = _stretched(starts, ends, labels).assign(share=divided.ravel(), faces=np.repeat(most, len(labels) + 1))
    return table.loc[:, [*AUDIENCE_COLUMNS]]


def crowd(
    faces: pd.DataFrame, times: NDArray[np.float64], spans: NDArray[np.float64], duration: float, labels: Sequence[str]
) -> pd.DataFrame:
    """How many of `cast_faces` show what, on average over each stretch of time: `CROWD_COLUMNS`, rows as in
    `audience`; `times` and `spans` (seconds) are those of all frames, also of those without faces."""
    starts, ends = stretches(duration)
    parts = _parted(times, spans, starts)
    seen = np.bincount(parts.places, parts.seconds, len(starts))[:, None]
    many = _by_expression(one_each(faces), starts, labels) / np.where(seen > 0, seen, 1)
    return _stretched(starts, ends, labels).assign(faces=many.ravel())


def stretches(duration: float) -> tuple[Array, Array]:
    """Beginnings and ends, in seconds, of the stretches of time into which a film is divided for charts."""
    step = next((step for step in _STEPS if duration / step <= _MOST_STRETCHES), duration / _MOST_STRETCHES)
    starts = np.arange(max(1, int(np.ceil(duration / step - 1e-9)))) * step if duration > 0 else np.zeros(0)
    return starts, np.minimum(starts + step, max(duration, 0.0))


class _Parts(NamedTuple):
    """Spans of time cut where stretches end: of which span each part is, in which stretch, how many seconds long."""

    rows: Array
    places: Array
    seconds: Array


def _parted(begins: Array, spans: Array, starts: Array) -> _Parts:
    """Cut spans of time, which begin at `begins` and may be longer than a stretch, at the `starts` of stretches; what
    lies behind the end is in the last one."""
    if not len(starts):
        return _Parts(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    ends, until = begins + spans, np.append(starts[1:], np.inf)
    first = _places(begins, starts)
    counts = np.maximum(_places(ends - _TINY, starts) - first, 0) + 1
    rows = np.repeat(np.arange(len(begins)), counts)
    places = first[rows] + np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return _Parts(rows, places, np.minimum(ends[rows], until[places]) - np.maximum(begins[rows], starts[places]))


def _places(seconds: Array, starts: Array) -> Array:
    """In which stretch each time lies; what lies behind the end is in the last one."""
    return np.maximum(np.searchsorted(starts, seconds, "right") - 1, 0)


def _by_expression(faces: pd.DataFrame, starts: Array, labels: Sequence[str]) -> NDArray[np.float64]:
    """Seconds of face time as (stretches, labels and unsure)."""
    words = {word: place for place, word in enumerate((*labels, UNSURE.name))}
    times = np.zeros((len(starts), len(words)))
    expressions = np.array([words[word] for word in column(faces, "shown")], np.int64)
    parts = _parted(column(faces, "seconds"), column(faces, "span"), starts)
    np.add.at(times, (parts.places, expressions[parts.rows]), parts.seconds)
    return times


def _stretched(starts: Array, ends: Array, labels: Sequence[str]) -> pd.DataFrame:
    """A row for each stretch and word."""
    words = [*labels, UNSURE.name]
    return pd.DataFrame({
        "start": np.repeat(starts, len(words)),
        "end": np.repeat(ends, len(words)),
        "expression": np.array(words * len(starts), object),
    })  # fmt: skip
