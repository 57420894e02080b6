"""Smile and brows of the last half minute of the live stream as lines, a lane per face."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from emotion.faces import FrameResult
from emotion.formatting import format_list, format_percent
from emotion.live.session import HISTORY_SECONDS
from emotion.movements import measure_curves
from emotion.translation.messages import gettext as _
from emotion.ui import components
from emotion.ui.live.overlays.ribbon import MAX_GAP_SECONDS, group_by_track

MAX_LANES: Final = 3  # of the faces that came first; more would need as much room as the cards
_WIDTH, _HEIGHT = 300.0, 100.0  # of the drawing in `static/curves.js`, which is stretched to its lane
_MARGIN: Final = 6.0  # of the drawing, so that a line at 0 or 1 is not cut

_CURVES: Final = components.load_component("curves")


class _Style(NamedTuple):
    """Color and dashes of a line; the dashes tell lines apart without color."""

    name: str
    color: str
    dashes: str


# The colors and dashes that the charts of videos have.
_STYLES: Final = (
    _Style("smile", "#B0508F", ""),
    _Style("brows down", "#3B82C4", "6 3"),
    _Style("brows up", "#2E9E6B", "2 2"),
)


class Lane(NamedTuple):
    """The lines of a face: its number, a text for screen readers, and an SVG path for each line, "" for none."""

    name: str
    label: str
    paths: tuple[str, ...]


def show_curves(results: Iterable[tuple[float, FrameResult]]) -> None:
    """Show the curves of the first `MAX_LANES` faces with movements.

    Args:
        results: Results of the last 30 seconds, each with its time in seconds before now.
    """
    _CURVES(
        key="live_curves",
        data={
            "label": _("Movements of the last 30 seconds"),
            "styles": [style._replace(name=_(style.name))._asdict() for style in _STYLES],
            "lanes": [lane._asdict() for lane in make_lanes(results)],
        },
    )


def make_lanes(results: Iterable[tuple[float, FrameResult]]) -> list[Lane]:
    """Return the lanes of the first `MAX_LANES` faces with movements."""
    lanes = []
    for track_id, samples in group_by_track(results).items():
        curves = [(seconds, measure_curves(face.features.movements)) for seconds, face in samples if face.features]
        if any(measured for _seconds, measured in curves):
            latest = format_list(
                f"{_(style.name)} {format_percent(curves[-1][1].get(style.name, 0.0))}" for style in _STYLES
            )
            paths = tuple(_make_path(style.name, curves) for style in _STYLES)
            lanes.append(
                Lane(
                    str(track_id),
                    _("Movements of face {number}: {values}").format(number=track_id, values=latest),
                    paths,
                )
            )
    return lanes[:MAX_LANES]


def _make_path(name: str, curves: Sequence[tuple[float, dict[str, float]]]) -> str:
    """Return one line, which is interrupted where the face was away."""
    points = [(seconds, values[name]) for seconds, values in curves if name in values]
    if not points:
        return ""
    commands = [f"M{_to_x(points[0][0]):.1f} {_to_y(points[0][1]):.1f}"]
    for (before, _value), (seconds, value) in pairwise(points):
        command = "M" if seconds - before > MAX_GAP_SECONDS else "L"
        commands.append(f"{command}{_to_x(seconds):.1f} {_to_y(value):.1f}")
    return "".join(commands)


def _to_x(seconds: float) -> float:
    return _WIDTH * (1 + max(-HISTORY_SECONDS, seconds) / HISTORY_SECONDS)


def _to_y(value: float) -> float:
    return _HEIGHT - _MARGIN - (_HEIGHT - 2 * _MARGIN) * value
