"""Render the report of a video: one HTML file with interactive charts that needs no network."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import altair as alt
import jinja2

from emotion import charts
from emotion.expressions import get_style, symbol_and_name
from emotion.formatting import format_clock, format_clock_tenths, format_percent
from emotion.results.photos import make_unique_names
from emotion.video.analysis import VideoAnalysis
from emotion.video.edits.markers import read_markers
from emotion.video.people import Person
from emotion.video.tables import build_share_table

DISCLAIMERS: Final = (
    "An expression is what a face shows at one moment; it is not what a person feels.",
    "A label is a guess that is often wrong; it must not decide anything about a person.",
    "Where the guess is weak, the face is called unsure.",
    "The video was analyzed on the computer where this report was made, and was not sent anywhere.",
)
FEATURES_DISCLAIMER: Final = "Movements and smiles are estimates of a network that was taught by another network."
_TEMPLATE: Final = "report.html.j2"
_MAX_CHART_PEOPLE: Final = 40  # those with the longest duration
_VEGA_LITE_VERSION: Final = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])


class _Chart(NamedTuple):
    element_id: str
    title: str
    specification: dict[str, Any]  # Vega-Lite


def render_report(analysis: VideoAnalysis) -> str:
    """Render the report as an HTML document of about a megabyte; hidden people do not appear in it."""
    all_people = analysis.people()
    people = [person for person in all_people if not person.is_hidden]
    return _load_template().render(
        analysis=analysis,
        facts=_list_facts(analysis),
        people=people,
        has_hidden_people=bool(all_people) and not people,
        highlights=analysis.highlights(),
        markers=read_markers(analysis.folder),
        charts=_build_charts(analysis, people) if people else [],
        vega_script=_load_vega_script() if people else "",
        disclaimers=[*DISCLAIMERS, *([FEATURES_DISCLAIMER] if analysis.has_features else [])],
    )


@cache
def _load_template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "base64": lambda path: base64.b64encode(path.read_bytes()).decode("ascii"),
        "clock": format_clock_tenths,
        "color": lambda label: get_style(label).color,
        "expression": symbol_and_name,
        "percent": format_percent,
    }
    return environment.get_template(_TEMPLATE)


def _list_facts(analysis: VideoAnalysis) -> list[str]:
    info = analysis.video_info
    facts = [f"{format_clock(analysis.duration)} long"]
    if info:
        facts.append(f"{info.width} x {info.height} pixels")
    facts.append(f"{analysis.num_frames:,} frames were analyzed")
    if analysis.summary.get("status") != "done":
        facts.append("it was not analyzed to its end")
    return facts


def _build_charts(analysis: VideoAnalysis, people: list[Person]) -> list[_Chart]:
    selected = sorted(people, key=lambda person: -person.duration)[:_MAX_CHART_PEOPLE]
    selected.sort(key=lambda person: (person.first_seen, person.track_id))
    unique_names = make_unique_names([person.name for person in selected])
    names = dict(zip((person.track_id for person in selected), unique_names, strict=True))
    segments = analysis.segments()
    segments = segments[segments["track_id"].isin(list(names))]
    segments = segments.assign(name=[names[track] for track in segments["track_id"]])
    shares = build_share_table(
        [(person.name, person.expression_shares) for person in selected], analysis.expression_shares()
    )
    face_counts, duration = analysis.face_counts(), analysis.duration
    with alt.data_transformers.enable("default", max_rows=None):
        plots: list[tuple[str, str, alt.Chart | alt.LayerChart]] = [
            ("lanes", "Each face over time", charts.plot_video_timeline(segments, duration)),
            ("crowd", "All faces over time", charts.plot_expressions_over_time(face_counts, duration)),
            ("scores", "Scores of all faces over time", charts.plot_score_curves(analysis.score_curves(), duration)),
            ("parts", "Share of time of each face", charts.plot_people_shares(shares)),
        ]
        if analysis.has_features:
            plots += _build_movement_plots(analysis, names)
        return [_Chart(name, title, plot.properties(width="container").to_dict()) for name, title, plot in plots]


def _build_movement_plots(analysis: VideoAnalysis, names: Mapping[int, str]) -> list[tuple[str, str, alt.Chart]]:
    """Return element, title and chart of the smiles and the movements of the tracks in `names`."""
    smiles, curves = (
        table[table["track_id"].isin(list(names))].assign(
            name=[names[track] for track in table["track_id"] if track in names]
        )
        for table in (analysis.smiles(), analysis.movement_curves(list(names)))
    )
    duration = analysis.duration
    plots = [("smiles", "Smiles of each face", charts.plot_smiles(smiles, list(names.values()), duration))]
    if not curves.empty:
        chart = charts.plot_movement_curves(curves, duration, choose_face=True)
        plots.append(("movements", "Movements of a face", chart))
    return plots


@cache
def _load_vega_script() -> str:
    """Return Vega, Vega-Lite and vega-embed as one script."""
    import vl_convert  # slow to import, and needed by reports only

    script = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", _VEGA_LITE_VERSION)
    return script.replace("</script", "<\\/script")
