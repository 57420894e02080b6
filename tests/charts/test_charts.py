"""Charts of faces, videos and synthetic faces, and of detectors and generators: rows, scales, ticks."""

from typing import Any

import pandas as pd
import pytest
import vl_convert

from emotion import charts
from emotion.expressions import EXPRESSIONS, UNCERTAIN, get_style, symbol_and_name, text_color
from emotion.formatting import format_percent


def chart_rows(chart: Any) -> list[dict[str, Any]]:
    """Return the rows of the only data set of a chart."""
    (rows,) = chart.to_dict()["datasets"].values()
    return rows


def make_counts(**numbers: int) -> pd.DataFrame:
    total = max(1, sum(numbers.values()))
    return pd.DataFrame(
        {
            "expression": list(numbers),
            "count": list(numbers.values()),
            "share": [n / total for n in numbers.values()],
        }
    )


def test_scores_are_sorted_and_have_symbol_name_and_percentage() -> None:
    table = pd.DataFrame({"expression": ["sad", "happy", "neutral"], "probability": [0.126, 0.87, 0.004]})
    chart = charts.plot_scores(table)
    assert [(row["name"], row["text"]) for row in chart_rows(chart)] == [
        ("● happy", "87%"),
        ("■ sad", "13%"),
        ("○ neutral", "0%"),
    ]
    assert list(table["expression"]) == ["sad", "happy", "neutral"], "the table is not modified"


def test_movements_keep_their_order_and_have_percentages_and_units() -> None:
    table = pd.DataFrame(
        {"movement": ["jaw open", "mouth corners up"], "strength": [0.3, 0.7], "action_unit": ["AU26 jaw drop", ""]}
    )
    chart = charts.plot_movements(table)
    assert [(row["name"], row["text"], row["action_unit"]) for row in chart_rows(chart)] == [
        ("jaw open", "30%", "AU26 jaw drop"),
        ("mouth corners up", "70%", ""),
    ]
    drawn = vl_convert.vegalite_to_svg(chart.to_json())
    assert drawn.index(">jaw open<") < drawn.index(">mouth corners up<")


def test_labels_with_quotes_have_their_percentages() -> None:
    table = pd.DataFrame({"expression": ["don't know", 'so "so"', "back\\slash"], "probability": [0.6, 0.3, 0.1]})
    drawn = vl_convert.vegalite_to_svg(charts.plot_scores(table).to_json())
    assert all(f">{number}%<" in drawn for number in (60, 30, 10))


def test_scores_have_the_colors_of_the_expressions() -> None:
    table = pd.DataFrame({"expression": list(EXPRESSIONS), "probability": [0.125] * 8})
    scale = charts.plot_scores(table).to_dict()["layer"][0]["encoding"]["color"]["scale"]
    assert dict(zip(scale["domain"], scale["range"], strict=True)) == {n: e.color for n, e in EXPRESSIONS.items()}


def test_a_group_fills_one_bar() -> None:
    rows = chart_rows(charts.plot_group_shares(make_counts(happy=9, neutral=3, unsure=1)))
    assert rows[0]["start"] == 0
    assert rows[-1]["end"] == pytest.approx(1)
    assert [row["end"] for row in rows[:-1]] == pytest.approx([row["start"] for row in rows[1:]])
    assert [row["text"] for row in rows] == ["9", "3", "1"]
    assert [row["name"] for row in rows] == ["● happy", "○ neutral", "? unsure"]


def test_a_count_without_room_is_omitted() -> None:
    rows = chart_rows(charts.plot_group_shares(make_counts(happy=99, sad=1)))
    assert [row["text"] for row in rows] == ["99", ""]


@pytest.mark.parametrize("draw", [charts.plot_scores, charts.plot_group_shares])
def test_an_empty_table_is_drawn(draw: Any) -> None:
    empty = pd.DataFrame({"expression": [], "probability": [], "count": [], "share": []})
    assert draw(empty).to_dict()["layer"]


@pytest.mark.parametrize("name", [*EXPRESSIONS, UNCERTAIN.name])
def test_the_text_color_has_enough_contrast(name: str) -> None:
    def luminance(color: str) -> float:
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, light = sorted((luminance(get_style(name).color), luminance(text_color(name))))
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_charts_do_not_set_a_background() -> None:
    for chart in (
        charts.plot_scores(pd.DataFrame({"expression": ["sad"], "probability": [1.0]})),
        charts.plot_group_shares(make_counts(sad=1)),
    ):
        assert "background" not in chart.to_dict().get("config", {})


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0%"), (0.004, "0%"), (0.871, "87%"), (0.9949, "99%"), (0.997, ">99%"), (1, "100%")]
)
def test_shares_are_formatted_in_percent(share: float, text: str) -> None:
    assert format_percent(share) == text


def make_detector_table(*values: tuple[str, str, float | None]) -> pd.DataFrame:
    rows = [(d, "frame_size", n, f"time for {n}", "milliseconds", v) for d, n, v in values]
    return pd.DataFrame(rows, columns=["detector", "section", "name", "case", "metric", "value"])


def test_each_detector_has_a_color_and_a_shape() -> None:
    chart = charts.plot_detector_metrics(
        make_detector_table(("glance", "a", 0.5), ("haar", "a", 0.251), ("haar", "b", None))
    )
    encoding = chart.to_dict()["encoding"]
    for channel in ("color", "shape"):
        scale = encoding[channel]["scale"]
        assert scale["domain"] == ["glance", "haar"]
        assert len(set(scale["range"][:2])) == 2
    assert encoding["x"]["scale"]["domain"] == [0, 1]
    assert encoding["y"]["sort"] == ["a"]
    assert {(row["detector"], row["text"]) for row in chart_rows(chart)} == {("glance", "50%"), ("haar", "25%")}


def test_durations_are_in_milliseconds() -> None:
    chart = charts.plot_detector_metrics(make_detector_table(("glance", "320x240", 2.04)), in_milliseconds=True)
    assert [row["text"] for row in chart_rows(chart)] == ["2.0 ms"]
    assert chart.to_dict()["encoding"]["x"]["axis"]["title"] == "milliseconds"


def test_each_metric_has_a_line() -> None:
    table = pd.DataFrame({"epoch": [1, 2, 1], "metric": ["a", "a", "b"], "value": [0.5, 0.75, 0.1]})
    chart = charts.plot_accuracy_history(table)
    assert chart.to_dict()["encoding"]["color"]["scale"]["domain"] == ["a", "b"]
    assert [row["text"] for row in chart_rows(chart)] == ["50%", "75%", "10%"]


# ------------------------------------------------------------------ videos


def make_time_table(*rows: tuple[float, float, str, float], value: str = "mean_faces") -> pd.DataFrame:
    numbers = {"start": float, "end": float, value: float}
    return pd.DataFrame(rows, columns=["start", "end", "expression", value]).astype(numbers)


@pytest.mark.parametrize(
    ("faces", "ticks"),
    [
        (0.4, [0, 1]),
        (1, [0, 1]),
        (1.02, [0, 1, 2]),
        (3, [0, 1, 2, 3]),
        (4, [0, 1, 2, 3, 4]),
        (7, [0, 2, 4, 6, 8]),
        (12.5, [0, 5, 10, 15]),
        (45, [0, 20, 40, 60]),
    ],
)
def test_the_count_axis_has_whole_numbers(faces: float, ticks: list[int]) -> None:
    axis = charts.plot_expressions_over_time(make_time_table((0, 1, "happy", faces)), 1).to_dict()["layer"][0][
        "encoding"
    ]["y"]
    assert axis["axis"]["values"] == ticks
    assert axis["scale"]["domain"] == [0, ticks[-1]]


def test_expressions_are_stacked_for_each_time_bin() -> None:
    table = make_time_table(
        (0, 1, "happy", 2), (0, 1, "unsure", 0.5), (0, 1, "sad", 0), (1, 2, "happy", 0), (1, 2, "sad", 1)
    )
    chart = charts.plot_expressions_over_time(table, 2).to_dict()
    (rows,) = chart["datasets"].values()
    assert [(row["start"], row["name"], row["low"], row["high"], row["text_label"]) for row in rows] == [
        (0, "● happy", 0, 2, "2"),
        (0, "? unsure", 2, 2.5, "0.5"),
        (1, "■ sad", 0, 1, "1"),
    ]
    encoding = chart["layer"][0]["encoding"]
    assert encoding["color"]["scale"]["domain"] == ["● happy", "■ sad", "? unsure"]
    assert encoding["x"]["scale"]["domain"] == [0, 2]
    assert rows[2]["time_span"] == "0:01.0 to 0:02.0"


def test_a_click_selects_the_start_of_its_time_bin() -> None:
    chart = charts.plot_expressions_over_time(make_time_table((0, 1, "happy", 2)), 1).to_dict()
    (click,) = chart["params"]
    assert click["name"] == charts.TIME_SELECTION
    assert click["select"]["fields"] == ["start"]


def test_undefined_shares_leave_a_gap() -> None:
    undefined = float("nan")
    table = make_time_table(
        (0, 1, "happy", 0.75), (0, 1, "sad", 0.25), (1, 2, "happy", undefined), (1, 2, "sad", undefined), value="share"
    )
    chart = charts.plot_expressions_over_time(table, 2, as_percent=True).to_dict()
    (rows,) = chart["datasets"].values()
    assert [(row["start"], row["text_label"], row["high"]) for row in rows] == [(0, "75%", 0.75), (0, "25%", 1)]
    assert chart["layer"][0]["encoding"]["y"]["scale"]["domain"] == [0, 1]


def test_custom_labels_are_in_every_legend_of_a_video() -> None:
    rows = [(0.0, 1.0, "unsure", 0.2), (0.0, 1.0, "bored", 0.5), (0.0, 1.0, "happy", 0.3)]
    table = make_time_table(*rows).assign(share=[0.2, 0.5, 0.3], name="Face 1", confidence=0.9)
    legend_names = ["● happy", symbol_and_name("bored"), "? unsure"]
    for chart in (charts.plot_expressions_over_time(table, 1), charts.plot_people_shares(table)):
        assert chart.to_dict()["layer"][0]["encoding"]["color"]["scale"]["domain"] == legend_names
    assert charts.plot_video_timeline(table, 1).to_dict()["encoding"]["color"]["scale"]["domain"] == legend_names


def test_an_empty_video_is_drawn() -> None:
    chart = charts.plot_expressions_over_time(make_time_table(), 0).to_dict()
    assert chart["height"] > 0


def make_curves(*rows: tuple[str, str, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["name", "movement", "start", "strength"])


def test_each_movement_has_a_color_and_a_dash_and_a_gap_where_it_is_unknown() -> None:
    unknown = float("nan")
    curves = make_curves(("Anna", "smile", 0, 0.5), ("Anna", "smile", 1, unknown), ("Anna", "jaw open", 0, 1))
    chart = charts.plot_movement_curves(curves, 2).to_dict()
    (rows,) = chart["datasets"].values()
    assert [row["strength"] for row in rows] == [0.5, None, 1]
    for channel in ("color", "strokeDash"):
        scale = chart["encoding"][channel]["scale"]
        assert scale["domain"] == ["smile", "jaw open"]
        assert scale["range"][0] != scale["range"][1]
    assert "params" not in chart


def test_a_face_can_be_chosen_in_a_chart_of_several() -> None:
    curves = make_curves(("Anna", "smile", 0, 0.5), ("Ben", "smile", 0, 0.25), ("Ben", "smile", 1, 0.5))
    chart = charts.plot_movement_curves(curves, 1, choose_face=True).to_dict()
    (choice,) = chart["params"]
    assert choice["bind"]["options"] == ["Anna", "Ben"]
    assert choice["value"] == "Ben"
    assert chart["transform"] == [{"filter": "(datum.name === face)"}]


def test_smiles_have_a_lane_for_each_face() -> None:
    smiles = pd.DataFrame([("Ben", 1.0, 2.5, 0.7)], columns=["name", "start", "end", "strength"])
    chart = charts.plot_smiles(smiles, ["Anna", "Ben"], 4).to_dict()
    assert chart["encoding"]["y"]["scale"]["domain"] == ["Anna", "Ben"]
    (rows,) = chart["datasets"].values()
    assert (rows[0]["time_span"], rows[0]["text"]) == ("0:01.0 to 0:02.5", "70%")
    assert charts.plot_smiles(smiles[:0], ["Anna"], 4).to_dict()["height"] > 0


def test_each_person_has_a_full_bar_with_symbols() -> None:
    table = pd.DataFrame(
        [("Everyone", "happy", 0.7), ("Everyone", "unsure", 0.3), ("<b>", "happy", 1.0)],
        columns=["name", "expression", "share"],
    )
    chart = charts.plot_people_shares(table).to_dict()
    (rows,) = chart["datasets"].values()
    assert [(row["name"], row["start"], row["end"], row["symbol"]) for row in rows] == [
        ("Everyone", 0, 0.7, "●"),
        ("Everyone", 0.7, pytest.approx(1), "?"),
        ("<b>", 0, 1, "●"),
    ]
    assert chart["layer"][0]["encoding"]["y"]["sort"] == ["Everyone", "<b>"]
    assert "background" not in chart.get("config", {})


def test_predictions_along_a_strip_have_its_positions() -> None:
    rows = [(position, *prediction) for position in (0.1, 0.5, 0.9) for prediction in (("happy", 0.7), ("sad", 0.3))]
    table = pd.DataFrame(rows, columns=["position", "expression", "probability"])
    spec = charts.plot_strip_predictions(table, [(0.1, "○"), (0.9, "●")]).to_dict()
    assert spec["encoding"]["x"]["scale"] == {"domain": [0, 1], "nice": False}
    assert spec["encoding"]["x"]["axis"]["values"] == [0.1, 0.9]
    assert spec["encoding"]["color"]["scale"]["domain"] == [symbol_and_name("happy"), symbol_and_name("sad")]
    (strip_rows,) = spec["datasets"].values()
    assert {row["text_label"] for row in strip_rows} == {"70%", "30%"}


def test_a_line_marks_the_selected_epoch() -> None:
    table = pd.DataFrame({"epoch": [1, 2], "metric": "distance", "value": [2.0, 1.0]})
    rule, _ = charts.plot_generator_history(table, 2, log_scale=True).to_dict()["layer"]
    assert rule["mark"]["type"] == "rule"
    datasets = charts.plot_generator_history(table, 2).to_dict()["datasets"]
    assert [{"epoch": 2}] in datasets.values()


def test_every_condition_has_its_interval() -> None:
    rows = [("all", "real", 0.5, 0.4, 0.6), ("all", "both", 0.55, 0.45, 0.65)]
    table = pd.DataFrame(rows, columns=["metric", "condition", "mean", "low", "high"])
    spec = charts.plot_intervals(table, "learned from").to_dict()
    (interval_rows,) = spec["datasets"].values()
    assert [row["text_label"] for row in interval_rows] == ["50% (40% to 60%)", "55% (45% to 65%)"]
    assert {layer["mark"]["type"] for layer in spec["layer"]} == {"rule", "point"}
