"""The last half minute of the live stream as HTML: a lane per track, with segments in the color of the label.

It is drawn as often as the cards; a chart of Altair takes fifty times as long to make and as much to draw.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final, NamedTuple

from emotion.expressions import EXPRESSIONS, UNCERTAIN, get_style, symbol_and_name, translate_label
from emotion.faces import Face, FrameResult
from emotion.formatting import format_list, format_percent
from emotion.live.session import HISTORY_SECONDS
from emotion.translation.messages import gettext as _

_LANE_PX: Final = 24
_SEGMENT_RATIO: Final = 0.7  # height of a segment in lanes
_UNCERTAIN_RATIO: Final = 0.25
_NAME_PX: Final = 44  # width of the name of a lane
_TICK_SECONDS: Final = (30, 20, 10, 0)
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


def format_ribbon(results: Sequence[tuple[float, FrameResult]]) -> str:
    """Format results of the last 30 seconds, each with its time in seconds before now, as HTML.

    The legend has all labels of the model, so that the layout does not depend on the displayed ones.
    """
    tracks = group_by_track(results)
    shown = sorted({face.display_label for samples in tracks.values() for _, face in samples})
    labels = dict.fromkeys(label for samples in tracks.values() for _, face in samples for label in face.scores or ())
    names = format_list(map(translate_label, shown)) or _("no face yet")
    description = _("The last 30 seconds: {labels}").format(labels=names)
    lanes = "".join(_format_lane(track_id, samples) for track_id, samples in tracks.items())
    empty_lane = f'<div style="height:{_LANE_PX}px"></div>'
    ticks = "".join(
        f'<span style="position:absolute;white-space:nowrap;left:{_to_percent(-seconds)};'
        f'transform:translateX({-100 if seconds == 0 else 0 if seconds == _TICK_SECONDS[0] else -50}%)">'
        f"{_format_tick(seconds)}</span>"
        for seconds in _TICK_SECONDS
    )
    legend = "".join(_format_legend_entry(label) for label in [*(labels or EXPRESSIONS), UNCERTAIN.name])
    return (
        f'<div role="img" aria-label="{escape(description)}" '
        f'style="font-size:13px">{lanes or empty_lane}'
        f'<div style="position:relative;height:22px;margin-left:{_NAME_PX}px;border-top:1px solid #80808080">'
        f"{ticks}</div>"
        f'<div style="display:flex;flex-wrap:wrap;gap:4px 14px;margin:8px 0 0 {_NAME_PX}px">{legend}</div></div>'
    )


def _format_tick(seconds: int) -> str:
    return _("{seconds} s").format(seconds=seconds) if seconds else _("now")


def _format_lane(track_id: int, samples: Sequence[_Sample]) -> str:
    symbol = get_style(samples[-1][1].display_label).symbol
    segments = "".join(map(_format_segment, merge_samples(samples)))
    return (
        f'<div style="display:flex;align-items:center;height:{_LANE_PX}px">'
        f'<span style="flex:0 0 {_NAME_PX}px">{track_id} {symbol}</span>'
        f'<div style="position:relative;flex:1;height:{_LANE_PX}px;overflow:hidden">{segments}</div></div>'
    )


def _format_segment(segment: Segment) -> str:
    height = _LANE_PX * (_UNCERTAIN_RATIO if segment.label == UNCERTAIN.name else _SEGMENT_RATIO)
    title = f"{symbol_and_name(segment.label)} {format_percent(segment.confidence)}"
    return (
        f'<span title="{escape(title)}" style="position:absolute;left:{_to_percent(segment.start)};'
        f"right:{_to_percent(-HISTORY_SECONDS - segment.end)};top:{(_LANE_PX - height) / 2:g}px;height:{height:g}px;"
        f"background:{get_style(segment.label).color};opacity:{segment.opacity:.2f};"
        f'outline:1px solid #80808080"></span>'
    )


def _format_legend_entry(label: str) -> str:
    return (
        '<span style="white-space:nowrap"><span style="display:inline-block;width:11px;height:11px;margin-right:5px;'
        f'outline:1px solid #80808080;background:{get_style(label).color}"></span>'
        f"{escape(symbol_and_name(label))}</span>"
    )


def _to_percent(seconds: float) -> str:
    """Return the place of a moment, -30 to 0 seconds, in percent of the width."""
    return f"{100 * (1 + max(-HISTORY_SECONDS, seconds) / HISTORY_SECONDS):.2f}%"
