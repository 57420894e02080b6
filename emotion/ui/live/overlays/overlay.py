"""What lies over the live image: score bars, the last half minute, the countdown, and a button for full screen."""

from __future__ import annotations

import math
from typing import Any, Final

import streamlit as st

from emotion.expressions import get_style, symbol_and_name
from emotion.formatting import format_clock, format_percent
from emotion.live.state import LiveState
from emotion.translation.messages import gettext as _
from emotion.translation.messages import ngettext
from emotion.ui import components
from emotion.ui.live.controller import LiveController
from emotion.ui.live.overlays import ribbon

BARS_KEY: Final = "live_bars"  # of the switch in the session state
TIMELINE_KEY: Final = "live_timeline"
_PRESSED_KEY: Final = "live_marker_pressed"  # of the time of the last press, in milliseconds of the browser
_MAX_FACES: Final = 2  # with bars; more would hide the image
_MAX_BARS: Final = 3

_OVERLAY: Final = components.load_component("overlay")


def show_switches() -> None:
    """Show the switches of what lies over the image."""
    st.toggle(_("Score bars"), key=BARS_KEY, help=_("Scores of the two largest faces, over the image."))
    st.toggle(_("Timeline"), key=TIMELINE_KEY, help=_("The last 30 seconds of each face, over the image."))


def show_overlay(controller: LiveController, live_state: LiveState | None) -> None:
    """Show it over the image of the stream, see `layout`.

    Args:
        controller: The session of the camera, whose recording the space key marks.
        live_state: The state of the session; None for the button of the full screen alone.
    """
    live_state = live_state or LiveState()
    recording = live_state.recording
    is_recording = recording is not None and recording.seconds_to_start <= 0
    has_timeline = st.session_state.get(TIMELINE_KEY, True) and not live_state.is_paused
    results = live_state.recent_results if has_timeline else ()
    _OVERLAY(
        key="live_overlay",
        data={
            "faces": _make_bars(live_state) if st.session_state.get(BARS_KEY, True) else [],
            "lanes": ribbon.make_lanes(results),
            "label": ribbon.describe_lanes(results),
            "countdown": "" if recording is None or is_recording else f"{math.ceil(recording.seconds_to_start)}",
            "recording": _describe_recording(live_state) if is_recording else "",
            "enter": _("Full screen"),
            "leave": _("Leave full screen"),
        },
        on_marker_change=lambda: _add_marker(controller),
    )


def _add_marker(controller: LiveController) -> None:
    """Set one marker for a press of the space key, which a busy page can report twice, with the same time."""
    pressed_at = st.session_state["live_overlay"]["marker"]
    if st.session_state.get(_PRESSED_KEY) != pressed_at:
        st.session_state[_PRESSED_KEY] = pressed_at
        controller.add_marker()


def _make_bars(live_state: LiveState) -> list[dict[str, Any]]:
    """Return the bars of the largest faces, with the place of each face from 0 at the left to 1 at the right."""
    if live_state.frame_size is None:
        return []
    faces = (live_face.face for live_face in live_state.faces if live_face.face.scores)
    largest = sorted(faces, key=lambda face: -face.box.area)[:_MAX_FACES]
    return [
        {
            "title": f"{face.track_id} {get_style(face.display_label).symbol} {components.format_prediction(face)}",
            "x": round((face.box.x1 + face.box.x2) / 2 / live_state.frame_size[0], 2),
            "scores": [
                {
                    "name": symbol_and_name(label),
                    "score": score,
                    "text": format_percent(score),
                    "color": get_style(label).color,
                }
                for label, score in sorted((face.scores or {}).items(), key=lambda item: -item[1])[:_MAX_BARS]
            ],
        }
        for face in sorted(largest, key=lambda face: face.track_id or 0)
    ]


def _describe_recording(live_state: LiveState) -> str:
    """Return "0:12 · 2 markers"."""
    recording = live_state.recording
    if recording is None:
        return ""
    parts = [format_clock(recording.duration)]
    if recording.num_markers:
        count = recording.num_markers
        parts.append(ngettext("{count} marker", "{count} markers", count).format(count=count))
    return " · ".join(parts)
