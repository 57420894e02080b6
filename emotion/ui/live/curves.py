"""Smile and brows of the last half minute of the live stream as HTML, in the look of the ribbon."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from itertools import pairwise
from typing import Final, NamedTuple

from emotion.faces import FrameResult
from emotion.formatting import format_percent
from emotion.live.session import HISTORY_SECONDS
from emotion.movements import measure_curves
from emotion.ui.live.ribbon import MAX_GAP_SECONDS, NAME_PX, group_by_track

MAX_LANES: Final = 3  # of the faces that came first; more would push the controls off the screen
_EMPTY: Final = "<div></div>"
_LANE_PX: Final = 44
_WIDTH, _HEIGHT = 300.0, 100.0  # of the drawing, which is stretched to its lane
_MARGIN: Final = 6.0  # of the drawing, so that a line at 0 or 1 is not cut


class _Style(NamedTuple):
    """Color and dashes of a line; the dashes tell lines apart without color."""

    color: str
    dashes: str


# The colors and dashes that the charts of videos have.
_STYLES: Final = {
    "smile": _Style("#B0508F", ""),
    "brows down": _Style("#3B82C4", "6 3"),
    "brows up": _Style("#2E9E6B", "2 2"),
}


def format_curves(results: Iterable[tuple[float, FrameResult]]) -> str:
    """Format the curves of the first `MAX_LANES` faces; an empty element where no face has movements.

    Args:
        results: Results of the last 30 seconds, each with its time in seconds before now.
    """
    lanes = []
    for track_id, samples in group_by_track(results).items():
        curves = [(seconds, measure_curves(face.features.movements)) for seconds, face in samples if face.features]
        if any(values for _, values in curves):
            lanes.append(_format_lane(track_id, curves))
    if not lanes:
        return _EMPTY
    legend = "".join(_format_legend_entry(name, style) for name, style in _STYLES.items())
    return (
        f'<div style="font-size:13px">{"".join(lanes[:MAX_LANES])}'
        f'<div style="display:flex;flex-wrap:wrap;gap:4px 14px;margin:4px 0 0 {NAME_PX}px">{legend}</div></div>'
    )


def _format_lane(track_id: int, curves: Sequence[tuple[float, dict[str, float]]]) -> str:
    paths = "".join(_format_path(name, style, curves) for name, style in _STYLES.items())
    latest = ", ".join(f"{name} {format_percent(curves[-1][1].get(name, 0.0))}" for name in _STYLES)
    return (
        f'<div style="display:flex;align-items:center;height:{_LANE_PX}px">'
        f'<span style="flex:0 0 {NAME_PX}px">{track_id}</span>'
        f'<svg role="img" aria-label="Movements of face {track_id}: {escape(latest)}" '
        f'viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" preserveAspectRatio="none" '
        f'style="flex:1;min-width:0;height:{_LANE_PX - 6}px;border-bottom:1px solid #80808080">{paths}</svg></div>'
    )


def _format_path(name: str, style: _Style, curves: Sequence[tuple[float, dict[str, float]]]) -> str:
    """Format one line, which is interrupted where the face was away."""
    points = [(seconds, values[name]) for seconds, values in curves if name in values]
    if not points:
        return ""
    commands = [f"M{_to_x(points[0][0]):.1f} {_to_y(points[0][1]):.1f}"]
    for (before, _), (seconds, value) in pairwise(points):
        command = "M" if seconds - before > MAX_GAP_SECONDS else "L"
        commands.append(f"{command}{_to_x(seconds):.1f} {_to_y(value):.1f}")
    return (
        f'<path d="{"".join(commands)}" fill="none" stroke="{style.color}" stroke-width="2" '
        f'stroke-dasharray="{style.dashes}" stroke-linejoin="round" vector-effect="non-scaling-stroke"></path>'
    )


def _format_legend_entry(name: str, style: _Style) -> str:
    return (
        '<span style="white-space:nowrap"><svg width="22" height="10" style="margin-right:5px" aria-hidden="true">'
        f'<path d="M0 5H22" stroke="{style.color}" stroke-width="2" stroke-dasharray="{style.dashes}"></path></svg>'
        f"{escape(name)}</span>"
    )


def _to_x(seconds: float) -> float:
    return _WIDTH * (1 + max(-HISTORY_SECONDS, seconds) / HISTORY_SECONDS)


def _to_y(value: float) -> float:
    return _HEIGHT - _MARGIN - (_HEIGHT - 2 * _MARGIN) * value
