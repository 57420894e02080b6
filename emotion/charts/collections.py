"""Charts of collections: expressions of many faces, over time and by folder."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import altair as alt
import pandas as pd
from babel import Locale

from emotion.charts.style import (
    BAR_PX,
    EDGE_COLOR,
    LABEL_FONT_PX,
    apply_layout,
    legend_height,
    make_axis,
    make_color_scale,
    make_legend,
)
from emotion.expressions import legend_order, symbol_and_name
from emotion.formatting import format_percent
from emotion.translation.languages import get_language
from emotion.translation.messages import gettext as _
from emotion.translation.messages import pgettext

_TIME_HEIGHT_PX: Final = 220
_FOLDER_LABEL_PX: Final = 260  # width of the names of folders


def plot_expression_counts(table: pd.DataFrame) -> alt.LayerChart:
    """Plot one bar per expression with its count.

    Args:
        table: `expression`, `count` and `share` (0 to 1), as from `Collection.count_expressions`.
    """
    names = [symbol_and_name(e) for e in table["expression"]]
    rows = table.assign(name=names, number=range(len(table)), part=[format_percent(share) for share in table["share"]])
    base = alt.Chart(rows).encode(
        tooltip=[
            alt.Tooltip("name:N", title=_("expression")),
            alt.Tooltip("count:Q", title=_("faces"), format=","),
            alt.Tooltip("part:N", title=_("of all")),
        ]
    )
    bars = base.mark_bar(cornerRadius=3, stroke=EDGE_COLOR, strokeWidth=1, height=BAR_PX * 0.6).encode(
        x=alt.X("count:Q", axis=None),
        y=alt.Y("name:N", sort=names, axis=make_axis("left", allow_overlap=False)),
        color=alt.Color("expression:N", scale=make_color_scale(list(table["expression"])), legend=None),
    )
    # The counts are labels of an axis on the right, because only axis labels follow the text color of the theme.
    texts = [f"{count:,} ({part})" for count, part in zip(rows["count"], rows["part"], strict=True)]
    cases = "".join(f"datum.value === {index} ? '{text}' : " for index, text in enumerate(texts))
    counts = base.mark_point(opacity=0).encode(
        y=alt.Y("number:O", sort=None, axis=make_axis("right", f"{cases}''", allow_overlap=False))
    )
    layers = alt.LayerChart(layer=[bars, counts]).resolve_scale(y="independent")
    return apply_layout(layers, height=BAR_PX * max(1, len(rows)))


def plot_counts_over_time(table: pd.DataFrame) -> alt.LayerChart:
    """Plot stacked bars of faces over time.

    Args:
        table: `start` (a date, or the second of a video), `expression` and `count`, as from
            `Collection.count_over_time`.
    """
    expressions = legend_order(table["expression"])
    names = [symbol_and_name(e) for e in expressions]
    is_date = pd.api.types.is_datetime64_any_dtype(table["start"])
    rows = table.assign(
        name=[symbol_and_name(e) for e in table["expression"]],
        place=[expressions.index(e) for e in table["expression"]],
        end=table["start"] + _bin_width(list(table["start"]), datetime.timedelta(days=1) if is_date else 1.0),
    )
    kind = "T" if is_date else "Q"
    title = None if is_date else _("seconds from the beginning of the video")
    bars = (
        alt.Chart(rows)
        .mark_bar(orient="vertical", stroke=EDGE_COLOR, strokeWidth=0.5)
        .encode(
            x=alt.X(f"start:{kind}", title=title, axis=alt.Axis(grid=False, labelFontSize=LABEL_FONT_PX)),
            x2="end",
            y=alt.Y("count:Q", title=_("faces"), stack="zero", axis=alt.Axis(format="~s", labelFontSize=LABEL_FONT_PX)),
            order="place:Q",
            color=alt.Color("name:N", scale=make_color_scale(expressions, names), legend=make_legend()),
            tooltip=[
                alt.Tooltip(f"start:{kind}", title=pgettext("time", "from")),
                alt.Tooltip("name:N", title=_("expression")),
                alt.Tooltip("count:Q", title=_("faces"), format=","),
            ],
        )
    )
    chart = alt.LayerChart(layer=[bars])
    if is_date:
        chart = chart.configure(locale=alt.Locale(time=_make_time_locale()))
    return apply_layout(chart, height=_TIME_HEIGHT_PX + legend_height(len(names)))


def _make_time_locale() -> alt.TimeLocale:
    """Return the names of months and days in the language of the page, for the ticks of the time axis."""
    locale = Locale.parse(get_language().replace("-", "_"))
    months, days = locale.months["stand-alone"], locale.days["stand-alone"]
    from_sunday = (6, *range(6))  # Babel counts from Monday
    return alt.TimeLocale(
        date="%Y-%m-%d",
        dateTime="%Y-%m-%d %H:%M:%S",
        time="%H:%M:%S",
        periods=["AM", "PM"],
        months=[months["wide"][number] for number in range(1, 13)],
        shortMonths=[months["abbreviated"][number] for number in range(1, 13)],
        days=[days["wide"][number] for number in from_sunday],
        shortDays=[days["abbreviated"][number] for number in from_sunday],
    )


def plot_folder_expressions(table: pd.DataFrame) -> alt.LayerChart:
    """Plot the shares of the expressions in each folder as one stacked bar per folder.

    Args:
        table: `folder`, `expression` and `count`, as from `Collection.count_by_folder`; the order of the folders is
            kept.
    """
    expressions = legend_order(table["expression"])
    names = [symbol_and_name(e) for e in expressions]
    totals = table.groupby("folder")["count"].transform("sum")
    rows = table.assign(
        name=[symbol_and_name(e) for e in table["expression"]],
        place=[expressions.index(e) for e in table["expression"]],
        part=[format_percent(share) for share in table["count"] / totals],
        total=totals,
    )
    axis = make_axis("left", allow_overlap=False)
    axis.labelLimit = _FOLDER_LABEL_PX
    bars = (
        alt.Chart(rows)
        .mark_bar(stroke=EDGE_COLOR, strokeWidth=0.5, height=BAR_PX * 0.6)
        .encode(
            x=alt.X("count:Q", stack="normalize", axis=None),
            y=alt.Y("folder:N", sort=list(dict.fromkeys(table["folder"])), axis=axis),
            order="place:Q",
            color=alt.Color("name:N", scale=make_color_scale(expressions, names), legend=make_legend()),
            tooltip=[
                alt.Tooltip("folder:N", title=_("folder")),
                alt.Tooltip("name:N", title=_("expression")),
                alt.Tooltip("count:Q", title=_("faces"), format=","),
                alt.Tooltip("part:N", title=_("of the folder")),
                alt.Tooltip("total:Q", title=_("faces in the folder"), format=","),
            ],
        )
    )
    num_folders = len(set(table["folder"]))
    return apply_layout(alt.LayerChart(layer=[bars]), height=BAR_PX * max(1, num_folders) + legend_height(len(names)))


def _bin_width(starts: Sequence[Any], single: Any) -> Any:
    """Return the smallest difference between two bins, `single` where there is only one."""
    ordered = sorted(set(starts))
    return min((after - before for before, after in pairwise(ordered)), default=single)
