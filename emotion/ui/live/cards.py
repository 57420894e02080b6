"""What the live page says of the stream: cards, the last half minute, how it does, and what is wrong with it."""

from __future__ import annotations

import time
from typing import Any, Final

import streamlit as st

from emotion import charts
from emotion.expressions import get_style, symbol_and_name
from emotion.formatting import format_percent
from emotion.live.diagnostics import BrowserReport, Check, ConnectionState, first_failure, run_checks
from emotion.live.state import LiveFace, LiveState
from emotion.live.stream_metrics import WINDOW_SECONDS
from emotion.media.image_reader import encode_jpeg
from emotion.ui import components
from emotion.ui.live.stream import LiveController

MAX_CARDS: Final = 6
_MAX_BARS: Final = 4  # of a card: the rest is near 0

_CARDS: Final = components.load_component("cards")
_DIAGNOSTICS: Final = components.load_component("diagnostics")


def show_cards(live_state: LiveState) -> None:
    """One card a face, up to six; the others are counted."""
    rest = len(live_state.faces) - MAX_CARDS
    _CARDS(
        key="live_cards",
        data={
            "label": "Faces in the picture",
            "faces": [_make_card(face) for face in live_state.faces[:MAX_CARDS]],
            "more": f"and {rest} more {'face' if rest == 1 else 'faces'}" if rest > 0 else "",
            "empty": "" if live_state.faces else _explain_no_faces(live_state),
        },
    )


def _explain_no_faces(live_state: LiveState) -> str:
    if live_state.is_paused:
        return "Paused: the images pass without being analyzed."
    if live_state.counters.num_frames == 0:
        return "Every face gets a card here as soon as the picture comes."
    return "No face in the picture. What helps: look at the camera, come nearer, more light from the front."


def _make_card(live_face: LiveFace) -> dict[str, Any]:
    face, scores = live_face.face, live_face.face.scores or {}
    best = sorted(scores.items(), key=lambda item: -item[1])[:_MAX_BARS]
    return {
        "image": components.to_data_url(encode_jpeg(live_face.thumbnail, 80)),
        "title": f"{face.track_id} {get_style(face.display_label).symbol} {components.format_prediction(face)}",
        "reason": (face.uncertainty_reason or "").capitalize(),
        "color": get_style(face.display_label).color,
        "scores": [
            {
                "name": symbol_and_name(label),
                "score": p,
                "text": format_percent(p),
                "color": get_style(label).color,
                "raw_score": live_face.raw_scores.get(label) if live_face.raw_scores else None,
            }
            for label, p in best
        ],
    }


def run_diagnostics(controller: LiveController, live_state: LiveState) -> tuple[Check, ...]:
    """The steps from the camera to the picture, by what browser and server know."""
    sent = st.session_state.get("live_diagnostics")
    requested_for = (
        time.monotonic() - controller.requested_timestamp if controller.requested_timestamp is not None else None
    )
    connection = ConnectionState(
        requested_for,
        controller.is_connected,
        live_state.counters.num_frames - controller.num_earlier_frames if requested_for is not None else 0,
        live_state.rates.idle_seconds,
    )
    return run_checks(BrowserReport.from_dict(sent and sent.get("facts")), connection)


def show_diagnostics(checks: tuple[Check, ...]) -> None:
    """What is wrong, if anything is, and all steps for who wants to look."""
    wrong = first_failure(checks)
    place = st.container()  # always there, or what comes after it would be made anew, and forget what it found
    if wrong is not None:
        place.warning(f"**{wrong.name}: no.** {wrong.message}", icon=":material/videocam_off:")
    with st.expander("The camera does not come?", icon=":material/health_and_safety:", expanded=wrong is not None):
        marks = {"ok": ":material/check_circle: ", "failed": ":material/cancel: ", "unknown": ":material/pending: "}
        words = {"ok": "yes", "failed": "no", "unknown": "not known yet"}
        st.markdown("\n".join(f"- {marks[step.status]}{step.name}: {words[step.status]}" for step in checks))
        _DIAGNOSTICS(
            key="live_diagnostics",
            data={"label": "Check the camera"},
            default={"facts": None},
            on_facts_change=lambda: None,
        )


def format_stats(live_state: LiveState) -> str:
    """How the stream does, in a line."""
    if live_state.result_age_seconds is None:
        return "No picture yet"
    if live_state.rates.idle_seconds is not None and live_state.rates.idle_seconds > WINDOW_SECONDS:
        return f"No picture for {live_state.rates.idle_seconds:.0f} seconds"
    parts = [f"{components.format_size(live_state.frame_size)} come"] if live_state.frame_size else []
    parts += [
        f"{live_state.rates.fps_in:.0f} pictures a second come, {live_state.rates.fps_out:.0f} are read",
        f"finding {live_state.stats.detect_ms:.0f} ms, reading {live_state.stats.classify_ms:.0f} ms, "
        f"drawing {live_state.draw_ms:.0f} ms",
        f"result {live_state.result_age_seconds:.0f} s old"
        if live_state.rates.latency_p95_seconds is None
        else f"result ready {1000 * live_state.rates.latency_p95_seconds:.0f} ms after its image",
    ]
    counts = {
        "left out": live_state.counters.dropped_frames,
        "too late": live_state.counters.late_frames,
        "failed": live_state.counters.errors,
    }
    parts += [f"{n} {what}" for what, n in counts.items() if n]
    return " · ".join(parts)


def show_history(live_state: LiveState) -> None:
    """The last half minute, until the moment of the cards."""
    history = live_state.to_dataframe()
    seen = sorted(set(history["display_label"])) if len(history) else []
    said = f"The last 30 seconds: {', '.join(seen)}" if seen else "The last 30 seconds: nobody yet"
    components.show_chart(charts.plot_live_timeline(history), key="live_history", alt_text=said)
