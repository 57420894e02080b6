"""What the live page says of the stream: cards, the last half minute, how it does, and what is wrong with it."""

from __future__ import annotations

import time
from typing import Any, Final

import streamlit as st

from emotion import charts
from emotion.expressions import expression, named
from emotion.formatting import percent
from emotion.live.diagnostics import Browser, Connection, Step, examine, finding
from emotion.live.state import LiveFace, LiveView
from emotion.live.stream_metrics import WINDOW
from emotion.media.image_reader import encode_jpeg
from emotion.ui import components
from emotion.ui.live.stream import Live

MOST_CARDS: Final = 6
_BARS: Final = 4  # of a card: the rest is near 0

_CARDS: Final = components.own_component("cards")
_DOCTOR: Final = components.own_component("diagnostics")


def show_cards(view: LiveView) -> None:
    """One card a face, up to six; the others are counted."""
    rest = len(view.faces) - MOST_CARDS
    _CARDS(key="live_cards", data={
        "label": "Faces in the picture",
        "faces": [_card(face) for face in view.faces[:MOST_CARDS]],
        "more": f"and {rest} more {'face' if rest == 1 else 'faces'}" if rest > 0 else "",
        "empty": "" if view.faces else _nobody(view),
    })  # fmt: skip


def _nobody(view: LiveView) -> str:
    if view.paused:
        return "Paused: the images pass without being analyzed."
    if view.frames == 0:
        return "Every face gets a card here as soon as the picture comes."
    return "No face in the picture. What helps: look at the camera, come nearer, more light from the front."


def _card(one: LiveFace) -> dict[str, Any]:
    face, scores = one.face, one.face.scores or {}
    best = sorted(scores.items(), key=lambda item: -item[1])[:_BARS]
    return {
        "image": components.jpeg_url(encode_jpeg(one.thumbnail, 80)),
        "title": f"{face.track} {expression(face.shown).sign} {components.title(face)}",
        "reason": (face.unsure or "").capitalize(),
        "colour": expression(face.shown).colour,
        "scores": [
            {"name": named(label), "share": p, "text": percent(p), "colour": expression(label).colour,
             "before": one.raw.get(label) if one.raw else None}
            for label, p in best
        ],
    }  # fmt: skip


def diagnose(live: Live, view: LiveView) -> tuple[Step, ...]:
    """The steps from the camera to the picture, by what browser and server know."""
    said = st.session_state.get("live_doctor")
    asked = time.monotonic() - live.asked if live.asked is not None else None
    connection = Connection(asked, live.connected, view.frames - live.earlier if asked is not None else 0, view.silent)
    return examine(Browser.of(said and said.get("facts")), connection)


def show_doctor(steps: tuple[Step, ...]) -> None:
    """What is wrong, if anything is, and all steps for who wants to look."""
    wrong = finding(steps)
    place = st.container()  # always there, or what comes after it would be made anew, and forget what it found
    if wrong is not None:
        place.warning(f"**{wrong.name}: no.** {wrong.sentence}", icon=":material/videocam_off:")
    with st.expander("The camera does not come?", icon=":material/health_and_safety:", expanded=wrong is not None):
        marks = {"good": ":material/check_circle: ", "bad": ":material/cancel: ", "open": ":material/pending: "}
        words = {"good": "yes", "bad": "no", "open": "not known yet"}
        st.markdown("\n".join(f"- {marks[step.answer]}{step.name}: {words[step.answer]}" for step in steps))
        _DOCTOR(key="live_doctor", data={"label": "Check the camera"}, default={"facts": None},
                on_facts_change=lambda: None)  # fmt: skip


def figures(view: LiveView) -> str:
    """How the stream does, in a line."""
    if view.age is None:
        return "No picture yet"
    if view.silent is not None and view.silent > WINDOW:
        return f"No picture for {view.silent:.0f} seconds"
    parts = [f"{components.pixels(view.size)} come"] if view.size else []
    parts += [
        f"{view.fps_in:.0f} pictures a second come, {view.fps_out:.0f} are read",
        f"finding {view.search_ms:.0f} ms, reading {view.read_ms:.0f} ms, drawing {view.draw_ms:.0f} ms",
        f"result {view.age:.0f} s old"
        if view.age_p95 is None
        else f"result ready {1000 * view.age_p95:.0f} ms after its image",
    ]
    counts = {"left out": view.dropped, "too late": view.late, "failed": view.faults}
    parts += [f"{n} {what}" for what, n in counts.items() if n]
    return " · ".join(parts)


def show_past(view: LiveView) -> None:
    """The last half minute, until the moment of the cards."""
    history = view.history()
    seen = sorted(set(history["shown"])) if len(history) else []
    said = f"The last 30 seconds: {', '.join(seen)}" if seen else "The last 30 seconds: nobody yet"
    components.chart(charts.live_lines(history), key="live_past", alt_text=said)
