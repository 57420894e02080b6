"""The timeline of a video: lanes of expressions, highlights and jumps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import streamlit as st

from emotion.charts.video import CAST_CLICK
from emotion.expressions import UNSURE, expression, in_order, ink
from emotion.formatting import clock_tenths, percent
from emotion.ui import components
from emotion.ui.video import frames
from emotion.ui.video.selection import shares_sentence, state
from emotion.video.analysis import Analysis
from emotion.video.people import Moment, Person

_MOST_LANES: Final = 40  # a film of a crowd has more; those that are seen longest count
_TIMELINE: Final = components.own_component("timeline")


def timeline(analysis: Analysis, everybody: Sequence[Person], *, cover: bool, live: bool = False) -> None:
    """Ribbons and moments of `everybody` who is to be shown; it moves the player of the page, and follows it."""
    most = {person.track for person in sorted(everybody, key=lambda one: -one.seen)[:_MOST_LANES]}
    table = analysis.lanes()
    table = table[table["track"].isin(list(most))]
    moments = [] if live else [moment for moment in analysis.moments() if moment.track in most]
    words = in_order([*table["expression"], *(moment.label for moment in moments)])
    number = {word: i for i, word in enumerate(words)}
    runs: dict[int, list[tuple[float, float, int]]] = {one.track: [] for one in everybody if one.track in most}
    for track, start, end, word in zip(*(table[c] for c in ("track", "start", "end", "expression")), strict=True):
        runs[track].append((round(start, 3), round(end, 3), number[word]))
    people = {person.track: person for person in everybody}
    _TIMELINE(
        key="film_timeline",
        data={
            "label": "Time in the film",
            "duration": round(analysis.duration, 3),
            "player": not live and not cover and analysis.film is not None,
            "live": live,
            "at": round(analysis.seconds, 3),
            "looks": [_look_data(word) for word in words],
            "lanes": [_lane_data(people[track], some, cover) for track, some in runs.items()],
            "moments": [_moment_data(moment, number[moment.label], cover) for moment in moments],
            "seek": state.get("film_seek"),
        },
    )
    if len(everybody) > len(runs):
        st.caption(f"The {len(runs)} of {len(everybody)} faces that are seen longest; the table has them all.")


def _look_data(word: str) -> dict[str, Any]:
    look = expression(word)
    return {"name": word, "sign": look.sign, "colour": look.colour, "ink": ink(word), "unsure": look is UNSURE}


def _lane_data(person: Person, runs: list[tuple[float, float, int]], cover: bool) -> dict[str, Any]:
    first, last = clock_tenths(person.first), clock_tenths(person.last)
    said = f"{person.name}, seen from {first} to {last}: {shares_sentence(person.shares)}."
    return {"track": person.track, "name": person.name, "image": _url(person.crop, cover), "runs": runs, "said": said}


def _moment_data(moment: Moment, look: int, cover: bool) -> dict[str, Any]:
    peak = f"{moment.label} at its clearest, {percent(moment.confidence)}"
    turn = f"from {moment.before} to {moment.label}" if moment.before else f"turns {moment.label}"
    return {
        "seconds": round(moment.seconds, 3), "track": moment.track, "name": moment.name, "look": look,
        "title": f"{moment.name}: {peak if moment.kind == 'peak' else turn}", "image": _url(moment.crop, cover),
    }  # fmt: skip


def _url(path: Path | None, cover: bool) -> str:
    jpeg = frames.small_picture(path, cover)
    return components.jpeg_url(jpeg) if jpeg else ""


def jump_from_chart(key: str) -> None:
    """A click in a chart of `charts.cast_over_time` below `key` moves playhead and player; a browser may say
    anything."""
    try:
        to = float(state[key].selection[CAST_CLICK][0]["start"])
    except (AttributeError, KeyError, IndexError, TypeError, ValueError):
        return
    if math.isfinite(to):
        state["film_seek"] = {"to": to, "id": state.get("film_seek", {"id": 0})["id"] + 1}
