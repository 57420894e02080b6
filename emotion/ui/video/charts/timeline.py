"""The timeline of a video: lanes of expressions, highlights and jumps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import streamlit as st

from emotion.charts.style import SMILE_COLOR
from emotion.charts.video import TIME_SELECTION
from emotion.expressions import UNCERTAIN, get_style, legend_order, text_color, translate_label
from emotion.formatting import format_clock_tenths, format_pair, format_percent
from emotion.translation.messages import gettext as _
from emotion.ui import components
from emotion.ui.video import frames
from emotion.ui.video.selection import format_shares, state
from emotion.video.analysis import VideoAnalysis
from emotion.video.edits.markers import Marker
from emotion.video.people import Highlight, Person

_MAX_LANES: Final = 40  # of the people that are seen longest; a video of a crowd has more
_TIMELINE: Final = components.load_component("timeline")


def show_timeline(
    analysis: VideoAnalysis,
    visible_people: Sequence[Person],
    *,
    anonymize: bool,
    markers: Sequence[Marker] = (),
    is_live: bool = False,
) -> None:
    """Show the ribbons, highlights and markers; the timeline follows the player of the page and moves it.

    Args:
        analysis: The video.
        visible_people: The people with a ribbon.
        anonymize: Whether images are pixelated.
        markers: The markers of the video.
        is_live: Whether the analysis is running: then the timeline only shows what is there.
    """
    shown = {person.track_id for person in sorted(visible_people, key=lambda person: -person.duration)[:_MAX_LANES]}
    table = analysis.segments()
    table = table[table["track_id"].isin(list(shown))]
    highlights = [] if is_live else [item for item in analysis.highlights() if item.track_id in shown]
    labels = legend_order([*table["expression"], *(item.label for item in highlights)])
    style_index = {label: i for i, label in enumerate(labels)}
    segments: dict[int, list[tuple[float, float, int]]] = {
        person.track_id: [] for person in visible_people if person.track_id in shown
    }
    for track_id, start, end, label in zip(
        *(table[c] for c in ("track_id", "start", "end", "expression")), strict=True
    ):
        segments[track_id].append((round(start, 3), round(end, 3), style_index[label]))
    has_smiles = analysis.has_features and not anonymize
    smiles = _group_smiles(analysis) if has_smiles else {}
    people = {person.track_id: person for person in visible_people}
    _TIMELINE(
        key="video_timeline",
        data={
            "texts": _translate_texts(),
            "duration": round(analysis.duration, 3),
            "has_player": not is_live and not anonymize and analysis.annotated_video is not None,
            "is_live": is_live,
            "timestamp": round(analysis.last_timestamp, 3),
            "styles": [_style_to_dict(label) for label in labels],
            "smile_color": SMILE_COLOR if has_smiles else None,
            "lanes": [
                {**_lane_to_dict(people[track_id], lane, anonymize), "smiles": smiles.get(track_id, [])}
                for track_id, lane in segments.items()
            ],
            "highlights": [_highlight_to_dict(item, style_index[item.label], anonymize) for item in highlights],
            "markers": [_marker_to_dict(marker) for marker in markers],
            "seek": state.get("video_seek"),
        },
    )
    if len(visible_people) > len(segments):
        st.caption(
            _("The {shown} of {total} faces that are seen longest; the table has them all.").format(
                shown=len(segments), total=len(visible_people)
            )
        )


def _translate_texts() -> dict[str, str]:
    """Return the texts of the component; it inserts "{seconds}" itself."""
    return {
        "label": _("Time in the video"),
        "help": _("Arrow keys move by a second, up and down by a moment; Enter plays and pauses"),
        "position": _("{seconds} seconds"),
        "not_seen": _("not seen"),
        "smiles": _("smiles"),
        "jump": _("Jumps to where this face is seen first."),
        "highlights": _("Moments"),
        "markers": _("Markers"),
    }


def _marker_to_dict(marker: Marker) -> dict[str, Any]:
    time = format_clock_tenths(marker.timestamp)
    title = format_pair(time, marker.note) if marker.note else time
    return {"timestamp": marker.timestamp, "title": title}


def _group_smiles(analysis: VideoAnalysis) -> dict[int, list[tuple[float, float]]]:
    """Return start and end, in seconds, of the smiles of each track."""
    smiles: dict[int, list[tuple[float, float]]] = {}
    table = analysis.smiles()
    for track_id, start, end in zip(*(table[name] for name in ("track_id", "start", "end")), strict=True):
        smiles.setdefault(int(track_id), []).append((round(start, 3), round(end, 3)))
    return smiles


def _style_to_dict(label: str) -> dict[str, Any]:
    style = get_style(label)
    return {
        "name": translate_label(label),
        "symbol": style.symbol,
        "color": style.color,
        "text_color": text_color(label),
        "is_uncertain": style is UNCERTAIN,
    }


def _lane_to_dict(person: Person, segments: list[tuple[float, float, int]], anonymize: bool) -> dict[str, Any]:
    first, last = format_clock_tenths(person.first_seen), format_clock_tenths(person.last_seen)
    description = _("{name}, seen from {first} to {last}: {shares}.").format(
        name=person.name, first=first, last=last, shares=format_shares(person.expression_shares)
    )
    return {
        "track_id": person.track_id,
        "name": person.name,
        "image": _make_thumbnail_url(person.thumbnail, anonymize),
        "segments": segments,
        "description": description,
    }


def _highlight_to_dict(highlight: Highlight, style_index: int, anonymize: bool) -> dict[str, Any]:
    if highlight.kind == "peak":
        title = _("{name}: {label} at its clearest, {confidence}")
    elif highlight.previous_label:
        title = _("{name}: from {previous} to {label}")
    else:
        title = _("{name}: turns {label}")
    return {
        "timestamp": round(highlight.timestamp, 3),
        "track_id": highlight.track_id,
        "name": highlight.name,
        "style": style_index,
        "title": title.format(
            name=highlight.name,
            label=translate_label(highlight.label),
            previous=translate_label(highlight.previous_label or ""),
            confidence=format_percent(highlight.confidence),
        ),
        "image": _make_thumbnail_url(highlight.thumbnail, anonymize),
    }


def _make_thumbnail_url(path: Path | None, anonymize: bool) -> str:
    jpeg = frames.read_thumbnail(path, anonymize)
    return components.to_data_url(jpeg) if jpeg else ""


def seek_from_chart(key: str) -> None:
    """Seek to the time clicked in a chart of `charts.plot_expressions_over_time`; the browser may send any value."""
    try:
        timestamp = float(state[key].selection[TIME_SELECTION][0]["start"])
    except (AttributeError, KeyError, IndexError, TypeError, ValueError):
        return
    if math.isfinite(timestamp):
        seek(timestamp)


def seek(timestamp: float) -> None:
    """Move the playhead, and the player, to a second of the video in the next run of the page."""
    state["video_seek"] = {"timestamp": timestamp, "id": state.get("video_seek", {"id": 0})["id"] + 1}
