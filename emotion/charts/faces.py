"""Charts of faces: the scores of one, the labels of a group, the last half minute of a camera."""

from __future__ import annotations

import json
from typing import Final

import altair as alt
import numpy as np
import pandas as pd

from emotion.charts.style import (
    BAR_PX,
    EDGE_COLOR,
    LABEL_FONT_PX,
    LANE_PX,
    apply_layout,
    legend_height,
    make_axis,
    make_color_scale,
    make_legend,
)
from emotion.expressions import EXPRESSIONS, UNCERTAIN, get_style, symbol_and_name, text_color
from emotion.formatting import format_percent
from emotion.results.tables import get_score_labels

_MIN_TEXT_SHARE: Final = 0.04  # of a bar's width; a narrower part has no room for its count
_UNCERTAIN_EDGE_COLOR: Final = "#EBEBEB"
_LIVE_SECONDS: Final = 30
_LIVE_LEGEND_COLUMNS: Final = 3  # four do not fit beside an axis at 400 pixels
_LIVE_LEGEND_ROW_PX: Final = 30
_OPACITY_LEVELS: Final = 4  # more would be indistinguishable and would only make more and shorter segments
_MAX_GAP_SECONDS: Final = 0.6  # between two samples of a face that is still present, on a slow machine
_MIN_OPACITY: Final = 0.35  # at confidence 0
_UNCERTAIN_OPACITY: Final = 0.5


def plot_scores(table: pd.DataFrame) -> alt.LayerChart:
    """Plot one bar per expression of one face, most probable first.

    Args:
        table: `expression` and `probability` (0 to 1), as from `results.tables.scores_table`.
    """
    table = table.sort_values("probability", ascending=False, kind="stable")
    rows = table.assign(
        name=[symbol_and_name(e) for e in table["expression"]],
        text=[format_percent(p) for p in table["probability"]],
    )
    base = alt.Chart(rows).encode(
        x=alt.X("probability:Q", scale=alt.Scale(domain=[0, 1], nice=False), axis=None),
        tooltip=[alt.Tooltip("name:N", title="expression"), alt.Tooltip("text:N", title="probability")],
    )
    names = list(rows["name"])
    bars = base.mark_bar(cornerRadius=3, stroke=EDGE_COLOR, strokeWidth=1, height=BAR_PX * 0.6).encode(
        y=alt.Y("name:N", sort=names, axis=make_axis("left")),
        color=alt.Color("expression:N", scale=make_color_scale(rows["expression"].tolist()), legend=None),
    )
    # The percentages are labels of an axis on the right, because only axis labels follow the text color of the theme.
    # They are quoted as in JSON, because a label may contain an apostrophe.
    quoted = zip(map(json.dumps, rows["name"]), map(json.dumps, rows["text"]), strict=True)
    cases = "".join(f"datum.value === {name} ? {text} : " for name, text in quoted)
    percentages = base.mark_point(opacity=0).encode(
        y=alt.Y("name:N", sort=names, axis=make_axis("right", f"{cases}''"))
    )
    layers = alt.LayerChart(layer=[bars, percentages]).resolve_scale(y="independent")
    return apply_layout(layers, height=BAR_PX * max(1, len(rows)))


def plot_group_shares(table: pd.DataFrame) -> alt.LayerChart:
    """Plot one stacked bar for all faces of a group, with the counts in it.

    Args:
        table: `expression`, `count` and `share` (0 to 1) in display order, as from `results.tables.counts_table`.
    """
    names = [symbol_and_name(e) for e in table["expression"]]
    ends = table["share"].cumsum()
    rows = table.assign(
        name=names,
        start=ends - table["share"],
        end=ends,
        middle=ends - table["share"] / 2,
        text=table["count"].astype(str).where(table["share"] >= _MIN_TEXT_SHARE, ""),
        text_color=[text_color(e) for e in table["expression"]],
        part=[format_percent(share) for share in table["share"]],
    )
    base = alt.Chart(rows).encode(
        tooltip=[
            alt.Tooltip("name:N", title="expression"),
            alt.Tooltip("count:Q", title="faces"),
            alt.Tooltip("part:N", title="of all"),
        ]
    )
    is_uncertain = f"datum.expression === '{UNCERTAIN.name}'"
    bars = base.mark_bar(height=30).encode(
        stroke=alt.condition(is_uncertain, alt.value(_UNCERTAIN_EDGE_COLOR), alt.value(EDGE_COLOR)),
        strokeDash=alt.condition(is_uncertain, alt.value([5, 4]), alt.value([1, 0])),
        x=alt.X("start:Q", scale=alt.Scale(domain=[0, 1], nice=False), axis=None),
        x2="end:Q",
        color=alt.Color("name:N", scale=make_color_scale(table["expression"].tolist(), names), legend=make_legend()),
    )
    counts = base.mark_text(fontSize=14, fontWeight="bold").encode(
        x="middle:Q", text="text:N", color=alt.Color("text_color:N", scale=None)
    )
    layers = alt.LayerChart(layer=[bars, counts]).resolve_scale(color="independent")
    return apply_layout(layers, height=44 + legend_height(len(names)))


def plot_live_timeline(table: pd.DataFrame) -> alt.Chart:
    """Plot one lane per track, with segments in the color of the displayed label.

    A lane is named by the track's number and the symbol of its latest label. Less confident segments are paler,
    uncertain ones thin and gray.

    Args:
        table: `timestamp` (-30 to 0, before now), `track_id`, `display_label`, `confidence` and a `score_<label>` for
            each label, as from `LiveState.to_dataframe`.
    """
    labels = [*(get_score_labels(table) or EXPRESSIONS), UNCERTAIN.name]
    names = [symbol_and_name(label) for label in labels]
    segments = _merge_samples(table)
    lane_of = {
        track_id: f"{track_id} {get_style(part['display_label'].iloc[-1]).symbol}"
        for track_id, part in segments.groupby("track_id", sort=True)
    }
    rows = segments.assign(
        lane=[lane_of[track_id] for track_id in segments["track_id"]],
        name=[symbol_and_name(label) for label in segments["display_label"]],
    )
    legend = alt.Legend(
        title=None,
        orient="bottom",
        columns=_LIVE_LEGEND_COLUMNS,
        symbolType="square",
        labelFontSize=LABEL_FONT_PX,
    )
    chart = (
        alt.Chart(rows)
        .mark_bar(stroke=EDGE_COLOR, strokeWidth=0.5)
        .encode(
            x=_make_live_x(),
            x2="end:Q",
            y=alt.Y("lane:N", sort=list(lane_of.values()), axis=make_axis("left", allow_overlap=False)),
            color=alt.Color("name:N", scale=make_color_scale(labels, names), legend=legend),
            opacity=alt.Opacity("opacity:Q", scale=None),
            size=alt.Size("height:Q", scale=None),
            tooltip=[
                alt.Tooltip("lane:N", title="face"),
                alt.Tooltip("name:N", title="expression"),
                alt.Tooltip("text:N", title="probability"),
            ],
        )
    )
    # Streamlit fits axis and legend into the height; the legend is always complete, so that the layout is stable.
    legend_rows = -(-len(names) // _LIVE_LEGEND_COLUMNS)
    height = 100 + LANE_PX * max(1, len(lane_of)) + _LIVE_LEGEND_ROW_PX * legend_rows
    return chart.properties(height=height).configure_view(stroke=None)


def _make_live_x() -> alt.X:
    return alt.X(
        "start:Q",
        scale=alt.Scale(domain=[-_LIVE_SECONDS, 0], nice=False, clamp=True),
        axis=alt.Axis(
            title=None,
            values=[*range(-_LIVE_SECONDS, 1, 10)],
            grid=True,
            domain=False,
            labelFontSize=LABEL_FONT_PX,
            labelExpr="datum.value ? -datum.value + ' s' : 'now'",
            labelBound=True,
            labelFlush=True,
        ),
    )


def _merge_samples(table: pd.DataFrame) -> pd.DataFrame:
    """Merge consecutive samples of `plot_live_timeline` that look the same into segments.

    Returns:
        `track_id`, `display_label`, `start` and `end` (seconds), `opacity`, `height` (pixels), `text`.
    """
    segments = []
    for track_id, part in table.groupby("track_id", sort=True):
        timestamps, labels, confidence = (
            part[name].to_numpy() for name in ("timestamp", "display_label", "confidence")
        )
        confidence = np.nan_to_num(confidence.astype(float)).clip(0, 1)
        level = (confidence * _OPACITY_LEVELS).round()
        # A longer gap means that the face was absent; the latest sample lasts until now.
        ends = np.minimum(np.append(timestamps[1:], 0.0), timestamps + _MAX_GAP_SECONDS)
        is_changed = (labels[1:] != labels[:-1]) | (level[1:] != level[:-1]) | (np.diff(timestamps) > _MAX_GAP_SECONDS)
        firsts = np.append(0, np.flatnonzero(is_changed) + 1)
        for first, stop in zip(firsts, np.append(firsts[1:], len(part)), strict=True):
            is_certain = labels[first] != UNCERTAIN.name
            opacity = _MIN_OPACITY + (1 - _MIN_OPACITY) * level[first] / _OPACITY_LEVELS
            text = format_percent(float(confidence[first:stop].mean()))
            segments.append(
                (
                    track_id,
                    labels[first],
                    timestamps[first],
                    ends[stop - 1],
                    opacity if is_certain else _UNCERTAIN_OPACITY,
                    LANE_PX * (0.7 if is_certain else 0.25),
                    text,
                )
            )
    return pd.DataFrame(segments, columns=["track_id", "display_label", "start", "end", "opacity", "height", "text"])
