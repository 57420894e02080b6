"""Charts of faces: one, a group, the last half minute of a camera."""

from __future__ import annotations

import json

import altair as alt
import numpy as np
import pandas as pd

from emotion.charts.style import (
    BAR_PX,
    EDGE_COLOR,
    LANE_PX,
    LEGEND_COLUMNS,
    apply_layout,
    make_axis,
    make_color_scale,
    make_legend,
)
from emotion.expressions import EXPRESSIONS, UNCERTAIN, get_style, symbol_and_name, text_color
from emotion.formatting import format_percent
from emotion.results.tables import get_score_labels

_LIVE_SECONDS = 30
_LIVE_LEGEND_COLUMNS = 3  # of its legend; four do not fit beside an axis at 400 pixels
_OPACITY_LEVELS = 4  # of opacity: more than eyes tell apart would only make more and smaller ribbons
_MAX_GAP_SECONDS = 0.6  # seconds between two samples of a face that is still there, on a slow machine


def plot_scores(table: pd.DataFrame) -> alt.LayerChart:
    """One bar for each expression of one face, most probable first.

    `table` as from `tables.scores_table`: `expression`, `probability` (0 to 1).
    """
    table = table.sort_values("probability", ascending=False, kind="stable")
    rows = table.assign(
        name=[symbol_and_name(e) for e in table["expression"]],
        text=[format_percent(p) for p in table["probability"]],
    )
    # The numbers are labels of an axis on the right: only those take the colour of the theme's text.
    # They are quoted as in JSON, since a label may have an apostrophe.
    quoted = zip(map(json.dumps, rows["name"]), map(json.dumps, rows["text"]), strict=True)
    numbers = "".join(f"datum.value === {name} ? {text} : " for name, text in quoted)
    base = alt.Chart(rows).encode(
        x=alt.X("probability:Q", scale=alt.Scale(domain=[0, 1], nice=False), axis=None),
        tooltip=[alt.Tooltip("name:N", title="expression"), alt.Tooltip("text:N", title="probability")],
    )
    bars = base.mark_bar(cornerRadius=3, stroke=EDGE_COLOR, strokeWidth=1, height=BAR_PX * 0.6).encode(
        y=alt.Y("name:N", sort=list(rows["name"]), axis=make_axis("left")),
        color=alt.Color("expression:N", scale=make_color_scale(rows["expression"].tolist()), legend=None),
    )
    words = base.mark_point(opacity=0).encode(
        y=alt.Y("name:N", sort=list(rows["name"]), axis=make_axis("right", f"{numbers}''"))
    )
    return apply_layout(
        alt.LayerChart(layer=[bars, words]).resolve_scale(y="independent"), height=BAR_PX * max(1, len(rows))
    )


def plot_group_shares(table: pd.DataFrame) -> alt.LayerChart:
    """One stacked bar for the faces of a whole group, the counts in it and the words in its legend.

    `table` as from `tables.counts_table`: `expression`, `count`, `share` (0 to 1), in the order to show.
    """
    names = [symbol_and_name(e) for e in table["expression"]]
    ends = table["share"].cumsum()
    rows = table.assign(
        name=names,
        start=ends - table["share"],
        end=ends,
        middle=ends - table["share"] / 2,
        text=table["count"].astype(str).where(table["share"] >= 0.04, ""),
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
    unsure = f"datum.expression === '{UNCERTAIN.name}'"
    bars = base.mark_bar(height=30).encode(
        stroke=alt.condition(unsure, alt.value("#EBEBEB"), alt.value(EDGE_COLOR)),
        strokeDash=alt.condition(unsure, alt.value([5, 4]), alt.value([1, 0])),
        x=alt.X("start:Q", scale=alt.Scale(domain=[0, 1], nice=False), axis=None),
        x2="end:Q",
        color=alt.Color(
            "name:N",
            scale=make_color_scale(table["expression"].tolist(), names),
            legend=make_legend(),
        ),
    )
    counts = base.mark_text(fontSize=14, fontWeight="bold").encode(
        x="middle:Q", text="text:N", color=alt.Color("text_color:N", scale=None)
    )
    # Streamlit fits the legend into the height as well.
    height = 44 + 24 * -(-len(names) // LEGEND_COLUMNS)
    return apply_layout(alt.LayerChart(layer=[bars, counts]).resolve_scale(color="independent"), height=height)


def plot_live_timeline(table: pd.DataFrame) -> alt.Chart:
    """The last half minute: one lane a face, named by its number and by the sign of what it shows now, a ribbon in it
    in the colour of what was shown, paler where that was less certain; unsure is thin and grey.

    `table` as from `LiveState.to_dataframe`: `timestamp` (before now, -30 to 0), `track_id`, `display_label`,
    `confidence`, and a `score_<label>` for each label.
    """
    words = get_score_labels(table) or [*EXPRESSIONS]
    names = [symbol_and_name(word) for word in (*words, UNCERTAIN.name)]
    rows = _merge_samples(table)
    lanes = [f"{track} {get_style(part['display_label'].iloc[-1]).symbol}" for track, part in rows.groupby("track_id")]
    lane_of = dict(zip(sorted(rows["track_id"].unique()), lanes, strict=True))
    rows = rows.assign(
        lane=[lane_of[track] for track in rows["track_id"]],
        name=[symbol_and_name(word) for word in rows["display_label"]],
    )
    chart = (
        alt.Chart(rows)
        .mark_bar(stroke=EDGE_COLOR, strokeWidth=0.5)
        .encode(
            x=alt.X(
                "start:Q",
                scale=alt.Scale(domain=[-_LIVE_SECONDS, 0], nice=False, clamp=True),
                axis=alt.Axis(
                    title=None,
                    values=[*range(-_LIVE_SECONDS, 1, 10)],
                    grid=True,
                    domain=False,
                    labelFontSize=13,
                    labelExpr="datum.value ? -datum.value + ' s' : 'now'",
                    labelBound=True,
                    labelFlush=True,
                ),
            ),
            x2="end:Q",
            y=alt.Y("lane:N", sort=lanes, axis=make_axis("left", allow_overlap=False)),
            color=alt.Color(
                "name:N",
                scale=make_color_scale([*words, UNCERTAIN.name], names),
                legend=alt.Legend(
                    title=None, orient="bottom", columns=_LIVE_LEGEND_COLUMNS, symbolType="square", labelFontSize=13
                ),
            ),
            opacity=alt.Opacity("opacity:Q", scale=None),
            size=alt.Size("height:Q", scale=None),
            tooltip=[
                alt.Tooltip("lane:N", title="face"),
                alt.Tooltip("name:N", title="expression"),
                alt.Tooltip("text:N", title="probability"),
            ],
        )
    )
    # Streamlit fits axis and legend into the height; the legend is always whole, so that nothing jumps.
    height = 100 + LANE_PX * max(1, len(lanes)) + 30 * -(-len(names) // _LIVE_LEGEND_COLUMNS)
    return chart.properties(height=height).configure_view(stroke=None)


def _merge_samples(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of `plot_live_timeline` that follow each other and look alike as one: `track_id`, `display_label`, `start`,
    `end`, `opacity`, `height` (pixels), `text`."""
    rows = []
    for track_id, part in table.groupby("track_id", sort=True):
        seconds, shown, confidence = (part[name].to_numpy() for name in ("timestamp", "display_label", "confidence"))
        confidence = np.nan_to_num(confidence.astype(float)).clip(0, 1)
        level = (confidence * _OPACITY_LEVELS).round()
        # Whoever was not seen for that long was away, and the newest sample is shown to now.
        ends = np.minimum(np.append(seconds[1:], 0.0), seconds + _MAX_GAP_SECONDS)
        new = (shown[1:] != shown[:-1]) | (level[1:] != level[:-1]) | (np.diff(seconds) > _MAX_GAP_SECONDS)
        firsts = np.append(0, np.flatnonzero(new) + 1)
        for first, after in zip(firsts, np.append(firsts[1:], len(part)), strict=True):
            sure = shown[first] != UNCERTAIN.name
            opacity = 0.35 + 0.65 * level[first] / _OPACITY_LEVELS if sure else 0.5
            text = format_percent(float(confidence[first:after].mean()))
            height = LANE_PX * (0.7 if sure else 0.25)
            rows.append((track_id, shown[first], seconds[first], ends[after - 1], opacity, height, text))
    return pd.DataFrame(rows, columns=["track_id", "display_label", "start", "end", "opacity", "height", "text"])
