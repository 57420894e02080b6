"""DataFrame -> alt.Chart, one function per chart; nothing is computed here but places and words.

Colour never speaks alone: the sign and the word of each expression stand beside it. The charts set no colour of
text or ground, so that they can be shown in a light and in a dark theme.
"""

from __future__ import annotations

from typing import Literal

import altair as alt
import pandas as pd

from emotion.faces import EXPRESSIONS, UNSURE, expression, percent
from emotion.film_tables import clock
from emotion.tables import STREAM_COLUMNS

_EDGE = "#80808080"  # a thin rim, so that yellow stays visible on white and blue on dark
_BAR = 24  # pixels for each bar
_LEGEND_COLUMNS = 4
_LIVE_SECONDS = 30
_LIVE_COLUMNS = 3  # of its legend; four do not fit beside an axis at 400 pixels
_LANE = 24  # pixels for each face
_LEVELS = 4  # of opacity: more than eyes tell apart would only make more and smaller ribbons
_GAP = 0.6  # seconds between two samples of a face that is still there, on a slow machine
CAST_CLICK = "jump"
_CLOCK = "floor(datum.value / 60) + ':' + pad('' + floor(datum.value % 60), 2, '0', 'left')"
# Series that are no expressions: apart from each other in both themes, and each with a shape of its own.
_SERIES = ["#3B82C4", "#C2571A", "#8A8A8A", "#2E9E6B", "#B0508F", "#A88A1E", "#6C5FC7", "#4FA3B5"]
_SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left"]


def named(name: str) -> str:
    """Sign and word of an expression as they stand in every chart and table: "● happy"."""
    return f"{expression(name).sign} {name}"


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
    numbers = "".join(f"datum.value === '{n}' ? '{t}' : " for n, t in zip(rows["name"], rows["text"], strict=True))
    base = alt.Chart(rows).encode(
        x=alt.X("probability:Q", scale=alt.Scale(domain=[0, 1], nice=False), axis=None),
        tooltip=[alt.Tooltip("name:N", title="expression"), alt.Tooltip("text:N", title="probability")],
    )
    bars = base.mark_bar(cornerRadius=3, stroke=_EDGE, strokeWidth=1, height=_BAR * 0.6).encode(
        y=alt.Y("name:N", sort=list(rows["name"]), axis=_axis("left")),
        color=alt.Color("expression:N", scale=_colours(rows["expression"].tolist()), legend=None),
    )
    words = base.mark_point(opacity=0).encode(
        y=alt.Y("name:N", sort=list(rows["name"]), axis=_axis("right", f"{numbers}''"))
    )
    return _calm(alt.LayerChart(layer=[bars, words]).resolve_scale(y="independent"), height=_BAR * max(1, len(rows)))


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
        stroke=alt.condition(unsure, alt.value("#EBEBEB"), alt.value(_EDGE)),
        strokeDash=alt.condition(unsure, alt.value([5, 4]), alt.value([1, 0])),
        x=alt.X("start:Q", scale=alt.Scale(domain=[0, 1], nice=False), axis=None),
        x2="end:Q",
        color=alt.Color(
            "name:N",
            scale=_colours(table["expression"].tolist(), names),
            legend=_legend(),
        ),
    )
    counts = base.mark_text(fontSize=14, fontWeight="bold").encode(
        x="middle:Q", text="text:N", color=alt.Color("ink:N", scale=None)
    )
    # Streamlit fits the legend into the height as well.
    height = 44 + 24 * -(-len(names) // _LEGEND_COLUMNS)
    return _calm(alt.LayerChart(layer=[bars, counts]).resolve_scale(color="independent"), height=height)


def detectors_dots(table: pd.DataFrame, *, milliseconds: bool = False) -> alt.Chart:
    """One row for each case and a point in it for each detector, known by colour and by shape.

    `table` as from `tables.detectors_long`, of one measure: shares (0 to 1) or `milliseconds`.
    """
    rows = table.dropna(subset="value")
    detectors, names = rows["detector"].unique().tolist(), rows["name"].unique().tolist()
    text = [f"{v:.1f} ms" if milliseconds else percent(v) for v in rows["value"]]
    scale = alt.Scale(zero=True) if milliseconds else alt.Scale(domain=[0, 1])
    axis = (
        alt.Axis(title="milliseconds", grid=True)
        if milliseconds
        else alt.Axis(title=None, format="%", grid=True, values=[0, 0.25, 0.5, 0.75, 1])
    )
    legend = alt.Legend(title=None, orient="top", labelFontSize=13, symbolSize=110)
    chart = (
        alt.Chart(rows.assign(text=text)[::-1])  # the first detector lies on top of the others
        .mark_point(filled=True, size=120, opacity=1, stroke=_EDGE, strokeWidth=1)
        .encode(
            x=alt.X("value:Q", scale=scale, axis=axis),
            y=alt.Y("name:N", sort=names, axis=alt.Axis(title=None, labelFontSize=13, labelLimit=200, grid=True)),
            color=alt.Color("detector:N", scale=alt.Scale(domain=detectors, range=_SERIES), legend=legend),
            shape=alt.Shape("detector:N", scale=alt.Scale(domain=detectors, range=_SHAPES), legend=legend),
            tooltip=[
                alt.Tooltip("detector:N"),
                alt.Tooltip("case:N", title="for"),
                alt.Tooltip("text:N", title=rows["measure"].iloc[0]),
            ],
        )
    )  # fmt: skip
    return chart.properties(height=80 + 28 * len(names)).configure_view(stroke=None)


def learning_curves(table: pd.DataFrame) -> alt.Chart:
    """How often a network was right after each epoch, one line for each measure.

    `table` as from `tables.history_table`.
    """
    measures = table["measure"].unique().tolist()
    legend = alt.Legend(title=None, orient="bottom", columns=2, labelFontSize=13, labelLimit=260, symbolSize=110)
    chart = (
        alt.Chart(table.assign(text=[percent(v) for v in table["value"]]))
        .mark_line(point=alt.OverlayMarkDef(size=26), strokeWidth=2)
        .encode(
            x=alt.X("epoch:Q", axis=alt.Axis(title="epoch", tickMinStep=1, grid=False)),
            y=alt.Y("value:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title=None, format="%")),
            color=alt.Color("measure:N", scale=alt.Scale(domain=measures, range=_SERIES), legend=legend),
            shape=alt.Shape("measure:N", scale=alt.Scale(domain=measures, range=_SHAPES), legend=legend),
            tooltip=[alt.Tooltip("epoch:Q"), alt.Tooltip("measure:N"), alt.Tooltip("text:N", title="right")],
        )
    )
    # Streamlit fits the legend into the height as well.
    return chart.properties(height=300 + 24 * -(-len(measures) // 2)).configure_view(stroke=None)


def live_lines(table: pd.DataFrame) -> alt.Chart:
    """The last half minute: one lane a face, named by its number and by the sign of what it shows now, a ribbon in it
    in the colour of what was shown, paler where that was less certain; unsure is thin and grey.

    `table` as from `LiveSession.history`: `seconds` (before now, -30 to 0), `track`, `shown`, `confidence`, and the
    labels behind `tables.STREAM_COLUMNS`.
    """
    words = [*table.columns[len(STREAM_COLUMNS) :]] or [*EXPRESSIONS]
    names = [named(word) for word in (*words, UNSURE.name)]
    rows = _ribbons(table)
    lanes = [f"{track} {expression(part['shown'].iloc[-1]).sign}" for track, part in rows.groupby("track")]
    lane_of = dict(zip(sorted(rows["track"].unique()), lanes, strict=True))
    rows = rows.assign(lane=[lane_of[track] for track in rows["track"]], name=[named(word) for word in rows["shown"]])
    chart = (
        alt.Chart(rows)
        .mark_bar(stroke=_EDGE, strokeWidth=0.5)
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
            y=alt.Y("lane:N", sort=lanes, axis=_axis("left", overlap=False)),
            color=alt.Color(
                "name:N",
                scale=_colours([*words, UNSURE.name], names),
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
    height = 100 + _LANE * max(1, len(lanes)) + 30 * -(-len(names) // _LIVE_COLUMNS)
    return chart.properties(height=height).configure_view(stroke=None)


def film_ribbons(table: pd.DataFrame, seconds: float) -> alt.Chart:
    """One lane a face of a film, in the order given, with a ribbon in the colour of what was shown; paler where that
    was less certain, thin where it was unsure. The wheel and dragging move along the time, a click in the legend
    leaves one expression.

    `table` as from `Analysis.lanes`, with a different `name` for each face. `seconds`: how long the film is.
    """
    words = [word for word in (*EXPRESSIONS, UNSURE.name) if word in set(table["expression"])]
    names = [named(word) for word in words]
    sure = table["expression"] != UNSURE.name
    rows = table.assign(
        word=[named(e) for e in table["expression"]],
        opacity=(0.35 + 0.65 * table["confidence"].fillna(0)).where(sure, 0.5),
        height=(sure * 0.45 + 0.25) * _LANE,
        said=[percent(c) if c == c else "" for c in table["confidence"]],
        when=[f"{clock(a)} to {clock(b)}" for a, b in zip(table["start"], table["end"], strict=True)],
    )
    lanes = list(dict.fromkeys(rows["name"]))
    chosen = alt.selection_point(fields=["word"], bind="legend")
    chart = (
        alt.Chart(rows)
        .mark_bar(stroke=_EDGE, strokeWidth=0.5, clip=True)
        .encode(
            x=alt.X(
                "start:Q",
                scale=alt.Scale(domain=[0, max(seconds, 0.1)], nice=False),
                axis=alt.Axis(title=None, labelFontSize=13, labelExpr=_CLOCK, labelFlush=True, tickMinStep=1),
            ),
            x2="end:Q",
            y=alt.Y("name:N", sort=lanes, axis=_axis("left", overlap=False)),
            color=alt.Color("word:N", scale=_colours(words, names), legend=_legend()),
            opacity=alt.condition(chosen, alt.Opacity("opacity:Q", scale=None), alt.value(0.06)),
            size=alt.Size("height:Q", scale=None),
            tooltip=[
                alt.Tooltip("name:N", title="face"),
                alt.Tooltip("word:N", title="expression"),
                alt.Tooltip("when:N", title="time"),
                alt.Tooltip("said:N", title="probability"),
            ],
        )
        .add_params(chosen)
        .interactive(bind_y=False)
    )
    return chart.properties(height=20 + _LANE * max(1, len(lanes))).configure_view(stroke=None)


def cast_over_time(table: pd.DataFrame, seconds: float, *, shares: bool = False) -> alt.LayerChart:
    """What the faces of a film show over its time, stacked; a click gives the selection `CAST_CLICK` with `start`.

    `table` as from `Analysis.crowd`: `start`, `end` (seconds), `expression`, `faces`; with `shares` as from
    `Analysis.audience`, of which `share` (0 to 1, NaN where nothing is to be shown) counts. `seconds`: how long the
    film is.
    """
    value = "share" if shares else "faces"
    rows = table[table[value] > 0]
    words = [word for word in (*EXPRESSIONS, UNSURE.name) if word in set(rows["expression"])]
    names = [named(word) for word in words]
    tops = rows.groupby("start")[value].cumsum()
    most = 1.0 if shares else max([1.0, *tops.tolist()])
    rows = rows.assign(
        name=[named(e) for e in rows["expression"]],
        low=tops - rows[value],
        high=tops,
        said=[percent(v) if shares else f"{v:.1f}".removesuffix(".0") for v in rows[value]],
        when=[f"{clock(a)} to {clock(b)}" for a, b in zip(rows["start"], rows["end"], strict=True)],
    )
    areas = (
        alt.Chart(rows)
        .mark_rect(cursor="pointer")
        .encode(
            x=alt.X(
                "start:Q",
                scale=alt.Scale(domain=[0, max(seconds, 0.1)], nice=False),
                axis=alt.Axis(
                    title=None, labelFontSize=13, labelExpr=_CLOCK, labelFlush=True, labelOverlap="greedy",
                    labelSeparation=6, grid=False, tickMinStep=1,
                ),
            ),
            x2="end:Q",
            y=alt.Y(
                "low:Q",
                scale=alt.Scale(domain=[0, most], nice=not shares),
                axis=alt.Axis(
                    title=None, labelFontSize=13, format="%" if shares else "d", tickMinStep=0.25 if shares else 1,
                    tickCount=4, domain=False,
                ),
            ),
            y2="high:Q",
            color=alt.Color("name:N", scale=_colours(words, names), legend=_legend()),
            tooltip=[
                alt.Tooltip("when:N", title="time"),
                alt.Tooltip("name:N", title="expression"),
                alt.Tooltip("said:N", title="of all" if shares else "faces"),
            ],
        )
        .add_params(alt.selection_point(name=CAST_CLICK, fields=["start"], on="click", clear=False))
    )  # fmt: skip
    # Streamlit fits the legend into the height as well.
    return _calm(alt.LayerChart(layer=[areas]), height=180 + 24 * -(-len(names) // _LEGEND_COLUMNS))


def people_bars(table: pd.DataFrame) -> alt.LayerChart:
    """A whole bar for each face of a film: the share of its time by expression, with the signs in it.

    `table`: `name` (in the order to show), `expression`, `share` (0 to 1, together 1 for each name).
    """
    people = list(dict.fromkeys(table["name"]))
    words = [word for word in (*EXPRESSIONS, UNSURE.name) if word in set(table["expression"])]
    names = [named(word) for word in words]
    ends = table.groupby("name")["share"].cumsum()
    rows = table.assign(
        word=[named(e) for e in table["expression"]],
        start=ends - table["share"],
        end=ends,
        middle=ends - table["share"] / 2,
        sign=[expression(e).sign for e in table["expression"]],
        ink=[ink(e) for e in table["expression"]],
        part=[percent(share) for share in table["share"]],
    )
    base = alt.Chart(rows).encode(
        y=alt.Y("name:N", sort=people, axis=_axis("left", overlap=False)),
        tooltip=[
            alt.Tooltip("name:N", title="face"),
            alt.Tooltip("word:N", title="expression"),
            alt.Tooltip("part:N", title="of the time"),
        ],
    )
    bars = base.mark_bar(height=_BAR * 0.8, stroke=_EDGE, strokeWidth=1).encode(
        x=alt.X("start:Q", scale=alt.Scale(domain=[0, 1], nice=False), axis=None),
        x2="end:Q",
        color=alt.Color("word:N", scale=_colours(words, names), legend=_legend()),
    )
    signs = (
        base.transform_filter("datum.share >= 0.05")
        .mark_text(fontSize=13, fontWeight="bold")
        .encode(x="middle:Q", text="sign:N", color=alt.Color("ink:N", scale=None))
    )
    height = 30 + (_BAR + 8) * max(1, len(people)) + 24 * -(-len(names) // _LEGEND_COLUMNS)
    return _calm(alt.LayerChart(layer=[bars, signs]).resolve_scale(color="independent"), height=height)


def _legend() -> alt.Legend:
    return alt.Legend(
        title=None, orient="bottom", columns=_LEGEND_COLUMNS, symbolType="square", symbolOpacity=1, labelFontSize=13
    )


def _ribbons(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of `live_lines` that follow each other and look alike as one: `track`, `shown`, `start`, `end`, `opacity`,
    `height` (pixels), `text`."""
    rows = []
    for track, part in table.groupby("track", sort=True):
        level = (part["confidence"].fillna(0).clip(0, 1) * _LEVELS).round()
        # Whoever was not seen for that long was away, and the newest sample is shown to now.
        ends = part["seconds"].shift(-1, fill_value=0.0).clip(upper=part["seconds"] + _GAP)
        alone = part["seconds"] - part["seconds"].shift() > _GAP
        new = (part["shown"] != part["shown"].shift()) | (level != level.shift()) | alone
        for _, run in part.assign(level=level, end=ends).groupby(new.cumsum()):
            shown, sure = run["shown"].iloc[0], run["shown"].iloc[0] != UNSURE.name
            opacity = 0.35 + 0.65 * run["level"].iloc[0] / _LEVELS if sure else 0.5
            height, text = (
                _LANE * (0.7 if sure else 0.25),
                percent(float(run["confidence"].fillna(0).to_numpy().mean())),
            )
            rows.append((track, shown, run["seconds"].iloc[0], run["end"].iloc[-1], opacity, height, text))
    return pd.DataFrame(rows, columns=["track", "shown", "start", "end", "opacity", "height", "text"])


def _axis(orient: Literal["left", "right"], label: str | None = None, overlap: bool = True) -> alt.Axis:
    return alt.Axis(
        title=None, orient=orient, labelFontSize=13, labelLimit=140, domain=False, ticks=False, labelPadding=6,
        grid=False, labelExpr=label or alt.Undefined, labelOverlap=alt.Undefined if overlap else False,
    )  # fmt: skip


def _colours(expressions: list[str], names: list[str] | None = None) -> alt.Scale:
    return alt.Scale(domain=names or expressions, range=[expression(e).colour for e in expressions])


def ink(name: str) -> str:
    """Black or white, whichever stands out from the colour of an expression."""
    colour = expression(name).colour
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#111111" if name != UNSURE.name and 0.3 * red + 0.59 * green + 0.11 * blue > 100 else "#FFFFFF"


def _calm(chart: alt.LayerChart, height: float) -> alt.LayerChart:
    return chart.properties(height=height).configure_view(stroke=None)
