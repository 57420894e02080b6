"""The last half minute of the live stream: a lane per track, with segments in the color of the label.

It is drawn as often as the cards; a chart of Altair takes fifty times as long to make and as much to draw.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from emotion.expressions import UNCERTAIN, get_style, symbol_and_name, text_color, translate_label
from emotion.faces import Face, FrameResult
from emotion.formatting import format_list, format_percent
from emotion.live.session import HISTORY_SECONDS
from emotion.translation.messages import gettext as _

MAX_LANES: Final = 3  # of the faces that came last; more would hide the image
_MIN_WORD_SECONDS: Final = 4.0  # of a segment that has room for its word
_OPACITY_LEVELS: Final = 4  # more would be indistinguishable and would only make more and shorter segments
MAX_GAP_SECONDS: Final = 0.6  # between two samples of a face that is still present, on a slow machine
_MIN_OPACITY: Final = 0.35  # at confidence 0
_UNCERTAIN_OPACITY: Final = 0.5

_Sample = tuple[float, Face]  # seconds before now, -30 to 0


class Segment(NamedTuple):
    """Consecutive samples of a track that look the same.

    Attributes:
        label: The displayed label.
        start: Seconds before now, -30 to 0.
        end: Seconds before now, -30 to 0.
        opacity: 0 to 1, paler for a lower confidence.
        confidence: The mean confidence, 0 to 1.
    """

    label: str
    start: float
    end: float
    opacity: float
    confidence: float


def group_by_track(results: Iterable[tuple[float, FrameResult]]) -> dict[int, list[_Sample]]:
    """Return the samples of each track, in the order of its number."""
    tracks: dict[int, list[_Sample]] = {}
    for seconds, result in results:
        for face in result.faces:
            tracks.setdefault(face.track_id or 0, []).append((seconds, face))
    return dict(sorted(tracks.items()))


def merge_samples(samples: Sequence[_Sample]) -> list[Segment]:
    """Merge the samples of one track, in time order, into segments; the latest one lasts until now."""
    segments: list[Segment] = []
    group: list[_Sample] = []
    for (seconds, face), following in zip(samples, [*samples[1:], None], strict=True):
        group.append((seconds, face))
        if following is None or following[0] - seconds > MAX_GAP_SECONDS or _look(following[1]) != _look(face):
            end = min(0.0 if following is None else following[0], seconds + MAX_GAP_SECONDS)
            label, level = _look(face)
            is_certain = label != UNCERTAIN.name
            opacity = _MIN_OPACITY + (1 - _MIN_OPACITY) * level / _OPACITY_LEVELS if is_certain else _UNCERTAIN_OPACITY
            confidence = sum(sample.confidence or 0.0 for _, sample in group) / len(group)
            segments.append(Segment(label, group[0][0], end, opacity, confidence))
            group = []
    return segments


def _look(face: Face) -> tuple[str, int]:
    """Return what decides the look of a sample: its label and the level of its confidence."""
    return face.display_label, round((face.confidence or 0.0) * _OPACITY_LEVELS)


def make_lanes(results: Iterable[tuple[float, FrameResult]]) -> list[dict[str, Any]]:
    """Return the lanes of the `MAX_LANES` faces that came last, as `static/overlay.js` draws them.

    Args:
        results: Results of the last 30 seconds, each with its time in seconds before now.
    """
    tracks = sorted(group_by_track(results).items(), key=lambda item: item[1][0][0])[-MAX_LANES:]
    return [
        {
            "name": f"{track_id} {get_style(samples[-1][1].display_label).symbol}",
            "segments": [_segment_to_dict(segment) for segment in merge_samples(samples)],
        }
        for track_id, samples in sorted(tracks)
    ]


def describe_lanes(results: Iterable[tuple[float, FrameResult]]) -> str:
    """Return the labels of the last 30 seconds for screen readers."""
    labels = sorted({face.display_label for _seconds, result in results for face in result.faces})
    names = format_list(map(translate_label, labels)) or _("no face yet")
    return _("The last 30 seconds: {labels}").format(labels=names)


def _segment_to_dict(segment: Segment) -> dict[str, Any]:
    has_word = segment.end - segment.start >= _MIN_WORD_SECONDS and segment.label != UNCERTAIN.name
    return {
        "left": _to_percent(segment.start),
        "width": round(_to_percent(segment.end) - _to_percent(segment.start), 2),
        "color": get_style(segment.label).color,
        "text_color": text_color(segment.label),
        "word": symbol_and_name(segment.label) if has_word else "",
        "opacity": round(segment.opacity, 2),
        "uncertain": segment.label == UNCERTAIN.name,
        "title": f"{symbol_and_name(segment.label)} {format_percent(segment.confidence)}",
    }


def _to_percent(seconds: float) -> float:
    """Return the place of a moment, -30 to 0 seconds, in percent of the width."""
    return round(100 * (1 + max(-HISTORY_SECONDS, seconds) / HISTORY_SECONDS), 2)
