"""Charts of faces: one, a group, the last half minute of a camera."""

from __future__ import annotations

import json

import altair as alt
import numpy as np
import pandas as pd

from emotion.charts.style import BAR, EDGE, LANE, LEGEND_COLUMNS, axis, calm, colours, legend
from emotion.expressions import EXPRESSIONS, UNSURE, expression, ink, named
from emotion.formatting import percent
from emotion.results.tables import STREAM_COLUMNS, label_of

_LIVE_SECONDS = 30
_LIVE_COLUMNS = 3  # of its legend; four do not fit beside an axis at 400 pixels
_LEVELS = 4  # of opacity: more than eyes tell apart would only make more and smaller ribbons
_GAP = 0.6  # seconds between two samples of a face that is still there, on a slow machine


def scores_bar(table: pd.DataFrame) -> alt.LayerChart:
    """One bar for each expression of one face, most probable first.

    `table` as from `tables.scores_table`: `expression`, `probability` (0 to 1).
    """
    table = table.sort_values("probability", ascending=False, kind="stable")
    rows = table.assign(
        name=[named(e) for e in table["expression"]],
        text=[percent(p) for p in table["probability"]],
    )
    # The numbers are labels of an axis on the right: only those take the colour of the theme's text.
    # They are quoted as in JSON, since a label may have an apostrophe.
    quoted = zip(map(json.dumps, rows["name"]), map(json.dumps, rows["text"]), strict=True)
    numbers = "".join(f"datum.value === {name} ? {text} : " for name, text in quoted)
    base = alt.Chart(rows).encode(
        x=alt.X("probability:Q", scale=alt.Scale(domain=[0, 1], nice=False), axis=None),
        tooltip=[alt.Tooltip("name:N", title="expression"), alt.Tooltip("text:N", title="probability")],
    )
    bars = base.mark_bar(cornerRadius=3, stroke=EDGE, strokeWidth=1, height=BAR * 0.6).encode(
        y=alt.Y("name:N", sort=list(rows["name"]), axis=axis("left")),
        color=alt.Color("expression:N", scale=colours(rows["expression"].tolist()), legend=None),
    )
    words = base.mark_point(opacity=0).encode(
        y=alt.Y("name:N", sort=list(rows["name"]), axis=axis("right", f"{numbers}''"))
    )
    return calm(alt.LayerChart(layer=[bars, words]).resolve_scale(y="independent"), height=BAR * max(1, len(rows)))


def group_bar(table: pd.DataFrame) -> alt.LayerChart:
    """One stacked bar for the faces of a whole group, the counts in it and the words in its legend.

    `table` as from `tables.counts_table`: `expression`, `count`, `share` (0 to 1), in the order to show.
    """
    names = [named(e) for e in table["expression"]]
    ends = table["share"].cumsum()
    rows = table.assign(
        name=names,
        start=ends - table["share"],
        end=ends,
        middle=ends - table["share"] / 2,
        text=table["count"].astype(str).where(table["share"] >= 0.04, ""),
        ink=[ink(e) for e in table["expression"]],
        part=[percent(share) for share in table["share"]],
    )
    base = alt.Chart(rows).encode(
        tooltip=[
            alt.Tooltip("name:N", title="expression"),
            alt.Tooltip("count:Q", title="faces"),
            alt.Tooltip("part:N", title="of all"),
        ]
    )
    unsure = f"datum.expression === '{UNSURE.name}'"
    bars = base.mark_bar(height=30).encode(
        stroke=alt.condition(unsure, alt.value("#EBEBEB"), alt.value(EDGE)),
        strokeDash=alt.condition(unsure, alt.value([5, 4]), alt.value([1, 0])),
        x=alt.X("start:Q", scale=alt.Scale(domain=[0, 1], nice=False), axis=None),
        x2="end:Q",
        color=alt.Color(
            "name:N",
            scale=colours(table["expression"].tolist(), names),
            legend=legend(),
        ),
    )
    counts = base.mark_text(fontSize=14, fontWeight="bold").encode(
        x="middle:Q", text="text:N", color=alt.Color("ink:N", scale=None)
    )
    # Streamlit fits the legend into the height as well.
    height = 44 + 24 * -(-len(names) // LEGEND_COLUMNS)
    return calm(alt.LayerChart(layer=[bars, counts]).resolve_scale(color="independent"), height=height)


def live_lines(table: pd.DataFrame) -> alt.Chart:
    """The last half minute: one lane a face, named by its number and by the sign of what it shows now, a ribbon in it
    in the colour of what was shown, paler where that was less certain; unsure is thin and grey.

    `table` as from `LiveSession.history`: `seconds` (before now, -30 to 0), `track`, `shown`, `confidence`, and the
    labels behind `tables.STREAM_COLUMNS`.
    """
    words = [*map(label_of, table.columns[len(STREAM_COLUMNS) :])] or [*EXPRESSIONS]
    names = [named(word) for word in (*words, UNSURE.name)]
    rows = _ribbons(table)
    lanes = [f"{track} {expression(part['shown'].iloc[-1]).sign}" for track, part in rows.groupby("track")]
    lane_of = dict(zip(sorted(rows["track"].unique()), lanes, strict=True))
    rows = rows.assign(lane=[lane_of[track] for track in rows["track"]], name=[named(word) for word in rows["shown"]])
    chart = (
        alt.Chart(rows)
        .mark_bar(stroke=EDGE, strokeWidth=0.5)
        .encode(
            x=alt.X(
                "start:Q",
                scale=alt.Scale(domain=[-_LIVE_SECONDS, 0], nice=False, clamp=True),
                axis=alt.Axis(
                    title=None, values=[*range(-_LIVE_SECONDS, 1, 10)], grid=True, domain=False, labelFontSize=13,
                    labelExpr="datum.value ? -datum.value + ' s' : 'now'", labelBound=True, labelFlush=True,
                ),
            ),
            x2="end:Q",
            y=alt.Y("lane:N", sort=lanes, axis=axis("left", overlap=False)),
            color=alt.Color(
                "name:N",
                scale=colours([*words, UNSURE.name], names),
                legend=alt.Legend(
                    title=None, orient="bottom", columns=_LIVE_COLUMNS, symbolType="square", labelFontSize=13
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
    )  # fmt: skip
    # Streamlit fits axis and legend into the height; the legend is always whole, so that nothing jumps.
    height = 100 + LANE * max(1, len(lanes)) + 30 * -(-len(names) // _LIVE_COLUMNS)
    return chart.properties(height=height).configure_view(stroke=None)


def _ribbons(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of `live_lines` that follow each other and look alike as one: `track`, `shown`, `start`, `end`, `opacity`,
    `height` (pixels), `text`."""
    rows = []
    for track, part in table.groupby("track", sort=True):
        seconds, shown, confidence = (part[name].to_numpy() for name in ("seconds", "shown", "confidence"))
        confidence = np.nan_to_num(confidence.astype(float)).clip(0, 1)
        level = (confidence * _LEVELS).round()
        # Whoever was not seen for that long was away, and the newest sample is shown to now.
        ends = np.minimum(np.append(seconds[1:], 0.0), seconds + _GAP)
        new = (shown[1:] != shown[:-1]) | (level[1:] != level[:-1]) | (np.diff(seconds) > _GAP)
        firsts = np.append(0, np.flatnonzero(new) + 1)
        for first, after in zip(firsts, np.append(firsts[1:], len(part)), strict=True):
            sure = shown[first] != UNSURE.name
            opacity = 0.35 + 0.65 * level[first] / _LEVELS if sure else 0.5
            text = percent(float(confidence[first:after].mean()))
            height = LANE * (0.7 if sure else 0.25)
            rows.append((track, shown[first], seconds[first], ends[after - 1], opacity, height, text))
    return pd.DataFrame(rows, columns=["track", "shown", "start", "end", "opacity", "height", "text"])
