"""Charts of synthetic faces: predictions along a strip, training history, intervals of an augmentation study."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from emotion.charts.style import (
    EDGE_COLOR,
    LABEL_FONT_PX,
    LEGEND_ROW_PX,
    REFERENCE_COLOR,
    apply_layout,
    encode_series,
    legend_height,
    make_color_scale,
    make_epoch_axis,
    make_legend,
    make_series_legend,
)
from emotion.expressions import EXPRESSIONS, symbol_and_name
from emotion.formatting import format_percent
from emotion.translation.messages import gettext as _


def plot_strip_predictions(table: pd.DataFrame, ticks: Sequence[tuple[float, str]]) -> alt.Chart:
    """Plot the predictions for a row of faces as stacked areas, exactly as wide as the row.

    Args:
        table: `position` (0 to 1, the center of a face in the row), `expression`, `probability` (0 to 1).
        ticks: Positions and their labels.
    """
    labels = [label for label in EXPRESSIONS if label in set(table["expression"])]
    names = [symbol_and_name(label) for label in labels]
    rows = table.assign(
        name=[symbol_and_name(e) for e in table["expression"]],
        order=[labels.index(e) for e in table["expression"]],
        text_label=[format_percent(p) for p in table["probability"]],
    )
    cases = (f"abs(datum.value - {position:.6f}) < 1e-4 ? '{label}' : " for position, label in ticks)
    axis = alt.Axis(
        title=None,
        values=[position for position, _ in ticks],
        labelExpr="".join(cases) + "''",
        labelFontSize=LABEL_FONT_PX,
        grid=True,
        domain=False,
        labelFlush=True,
    )
    chart = (
        alt.Chart(rows)
        .mark_area(stroke=EDGE_COLOR, strokeWidth=0.5, interpolate="monotone")
        .encode(
            x=alt.X("position:Q", scale=alt.Scale(domain=[0, 1], nice=False), axis=axis),
            y=alt.Y("probability:Q", stack="zero", scale=alt.Scale(domain=[0, 1]), axis=None),
            color=alt.Color("name:N", scale=make_color_scale(labels, names), legend=make_legend()),
            order=alt.Order("order:Q"),
            tooltip=[alt.Tooltip("name:N", title=_("expression")), alt.Tooltip("text_label:N", title=_("probability"))],
        )
    )
    return chart.properties(height=130 + legend_height(len(names))).configure_view(stroke=None)


def plot_generator_history(
    table: pd.DataFrame, selected_epoch: int, *, as_percent: bool = False, log_scale: bool = False
) -> alt.LayerChart:
    """Plot metrics of a generator by epoch, with a line at `selected_epoch`.

    Args:
        table: `epoch`, `metric` (its title), `value` (0 to 1 with `as_percent`).
        selected_epoch: The epoch to mark.
        as_percent: Whether values are shown in percent.
        log_scale: Whether the vertical axis is logarithmic.
    """
    metrics = table["metric"].unique().tolist()
    color, shape = encode_series("metric", metrics, make_series_legend("bottom", columns=2, labelLimit=220))
    rows = table.assign(text=[format_percent(v) if as_percent else f"{v:.3g}" for v in table["value"]])
    lines = (
        alt.Chart(rows)
        .mark_line(point=alt.OverlayMarkDef(size=24), strokeWidth=2)
        .encode(
            x=alt.X("epoch:Q", axis=make_epoch_axis()),
            y=alt.Y(
                "value:Q",
                axis=alt.Axis(title=None, format="%" if as_percent else "~g", tickCount=5),
                scale=alt.Scale(type="log" if log_scale else "linear", zero=False, nice=True),
            ),
            color=color,
            shape=shape,
            tooltip=[
                alt.Tooltip("epoch:Q", title=_("epoch")),
                alt.Tooltip("metric:N", title=_("metric")),
                alt.Tooltip("text:N", title=_("value")),
            ],
        )
    )
    selected_line = (
        alt.Chart(pd.DataFrame({"epoch": [selected_epoch]}))
        .mark_rule(strokeDash=[4, 4], color=REFERENCE_COLOR)
        .encode(x="epoch:Q")
    )
    layers = alt.LayerChart(layer=[selected_line, lines])
    return apply_layout(layers, height=230 + legend_height(len(metrics), 2))


def plot_intervals(table: pd.DataFrame, group_title: str) -> alt.LayerChart:
    """Plot a mean with its interval for each metric and condition.

    Args:
        table: `metric` (its title, in display order), `condition`, `mean`, `low`, `high` (0 to 1).
        group_title: Title of the conditions in the tooltip.
    """
    conditions, metrics = table["condition"].unique().tolist(), table["metric"].unique().tolist()
    color, shape = encode_series("condition", conditions, make_series_legend("bottom", columns=1, labelLimit=320))
    rows = table.assign(
        text_label=[
            _("{mean} ({low} to {high})").format(
                mean=format_percent(mean), low=format_percent(low), high=format_percent(high)
            )
            for mean, low, high in table[["mean", "low", "high"]].itertuples(index=False)
        ]
    )
    base = alt.Chart(rows).encode(
        y=alt.Y(
            "metric:N",
            sort=metrics,
            axis=alt.Axis(title=None, labelFontSize=LABEL_FONT_PX, labelLimit=180, ticks=False, labelPadding=10),
        ),
        yOffset=alt.YOffset("condition:N", sort=conditions),
        color=color,
        tooltip=[
            alt.Tooltip("metric:N", title=_("metric")),
            alt.Tooltip("condition:N", title=group_title),
            alt.Tooltip("text_label:N", title=_("share")),
        ],
    )
    x = alt.X("low:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(title=None, format="%", tickCount=5))
    intervals = base.mark_rule(strokeWidth=3).encode(x=x, x2="high:Q")
    means = base.mark_point(filled=True, size=90, opacity=1).encode(x="mean:Q", shape=shape)
    height = 40 + 16 * len(conditions) * len(metrics) + LEGEND_ROW_PX * len(conditions)
    return apply_layout(alt.LayerChart(layer=[intervals, means]), height=height)
