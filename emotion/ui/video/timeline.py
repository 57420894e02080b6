"""The timeline of a video: lanes of expressions, highlights and jumps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import streamlit as st

from emotion.charts.video import TIME_SELECTION
from emotion.expressions import UNCERTAIN, get_style, legend_order, text_color
from emotion.formatting import format_clock_tenths, format_percent
from emotion.ui import components
from emotion.ui.video import frames
from emotion.ui.video.selection import format_shares, state
from emotion.video.analysis import VideoAnalysis
from emotion.video.people import Highlight, Person

_MAX_LANES: Final = 40  # a film of a crowd has more; those that are seen longest count
_TIMELINE: Final = components.load_component("timeline")


def show_timeline(
    analysis: VideoAnalysis, visible_people: Sequence[Person], *, anonymize: bool, is_live: bool = False
) -> None:
    """Ribbons and moments of `visible_people` who is to be shown; it moves the player of the page, and follows it."""
    most = {person.track_id for person in sorted(visible_people, key=lambda one: -one.duration)[:_MAX_LANES]}
    table = analysis.segments()
    table = table[table["track"].isin(list(most))]
    moments = [] if is_live else [moment for moment in analysis.highlights() if moment.track_id in most]
    words = legend_order([*table["expression"], *(moment.label for moment in moments)])
    number = {word: i for i, word in enumerate(words)}
    runs: dict[int, list[tuple[float, float, int]]] = {
        one.track_id: [] for one in visible_people if one.track_id in most
    }
    for track, start, end, word in zip(*(table[c] for c in ("track", "start", "end", "expression")), strict=True):
        runs[track].append((round(start, 3), round(end, 3), number[word]))
    people = {person.track_id: person for person in visible_people}
    _TIMELINE(
        key="film_timeline",
        data={
            "label": "Time in the film",
            "duration": round(analysis.duration, 3),
            "player": not is_live and not anonymize and analysis.annotated_video is not None,
            "live": is_live,
            "at": round(analysis.last_timestamp, 3),
            "looks": [_style_to_dict(word) for word in words],
            "lanes": [_lane_to_dict(people[track], some, anonymize) for track, some in runs.items()],
            "moments": [_highlight_to_dict(moment, number[moment.label], anonymize) for moment in moments],
            "seek": state.get("film_seek"),
        },
    )
    if len(visible_people) > len(runs):
        st.caption(f"The {len(runs)} of {len(visible_people)} faces that are seen longest; the table has them all.")


def _style_to_dict(label: str) -> dict[str, Any]:
    look = get_style(label)
    return {
        "name": label,
        "sign": look.symbol,
        "colour": look.color,
        "ink": text_color(label),
        "unsure": look is UNCERTAIN,
    }


def _lane_to_dict(person: Person, segments: list[tuple[float, float, int]], anonymize: bool) -> dict[str, Any]:
    first, last = format_clock_tenths(person.first_seen), format_clock_tenths(person.last_seen)
    said = f"{person.name}, seen from {first} to {last}: {format_shares(person.expression_shares)}."
    return {
        "track": person.track_id,
        "name": person.name,
        "image": _make_thumbnail_url(person.thumbnail, anonymize),
        "runs": segments,
        "said": said,
    }


def _highlight_to_dict(highlight: Highlight, style_index: int, anonymize: bool) -> dict[str, Any]:
    peak = f"{highlight.label} at its clearest, {format_percent(highlight.confidence)}"
    turn = (
        f"from {highlight.previous_label} to {highlight.label}"
        if highlight.previous_label
        else f"turns {highlight.label}"
    )
    return {
        "seconds": round(highlight.timestamp, 3),
        "track": highlight.track_id,
        "name": highlight.name,
        "look": style_index,
        "title": f"{highlight.name}: {peak if highlight.kind == 'peak' else turn}",
        "image": _make_thumbnail_url(highlight.thumbnail, anonymize),
    }


def _make_thumbnail_url(path: Path | None, anonymize: bool) -> str:
    jpeg = frames.read_thumbnail(path, anonymize)
    return components.to_data_url(jpeg) if jpeg else ""


def seek_from_chart(key: str) -> None:
    """A click in a chart of `charts.cast_over_time` below `key` moves playhead and player; a browser may say
    anything."""
    try:
        to = float(state[key].selection[TIME_SELECTION][0]["start"])
    except (AttributeError, KeyError, IndexError, TypeError, ValueError):
        return
    if math.isfinite(to):
        state["film_seek"] = {"to": to, "id": state.get("film_seek", {"id": 0})["id"] + 1}
