"""One HTML file that tells all of a film, with charts that move, and needs nothing else: no network, no program."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import altair as alt

from emotion import charts
from emotion.expressions import get_style, symbol_and_name
from emotion.formatting import format_clock, format_clock_tenths, format_percent
from emotion.results.photos import make_unique_names
from emotion.video.analysis import VideoAnalysis
from emotion.video.people import Highlight, Person
from emotion.video.tables import build_share_table

DISCLAIMERS: Final = (
    "An expression is what a face shows at one moment; it is not what a person feels.",
    "A label is a guess that is often wrong; it must not decide anything about a person.",
    "Where the guess is weak, the face is called unsure.",
    "The film was read on the computer of whoever made this report, and was sent nowhere.",
)
_MAX_CHART_PEOPLE: Final = 40  # those that are seen longest
_VEGA_LITE_VERSION: Final = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])

_CSS: Final = """
:root { color-scheme: light; font-family: system-ui, sans-serif; line-height: 1.45; color: #1c1c1c; }
body { max-width: 62rem; margin: 2rem auto; padding: 0 1rem; background: #fff; }
h1 { margin-bottom: 0; overflow-wrap: anywhere; } h2 { margin-top: 2.5rem; font-size: 1.2rem; }
.facts { color: #555; margin-top: .3rem; }
.chart { width: 100%; }
table { border-collapse: collapse; width: 100%; }
td, th { padding: .4rem .6rem; text-align: left; overflow-wrap: anywhere; }
tr + tr { border-top: 1px solid #ddd; }
img { border-radius: 6px; display: block; object-fit: cover; }
td img { width: 56px; height: 56px; }
.moments { display: flex; flex-wrap: wrap; gap: .8rem; padding: 0; }
.moments li { list-style: none; width: 7.5rem; font-size: .85rem; overflow-wrap: anywhere; }
.moments img { width: 7.5rem; height: 7.5rem; border: 3px solid var(--colour); box-sizing: border-box; }
dt { font-weight: 600; } dd { margin: 0 0 .4rem; overflow-wrap: anywhere; font-size: .9rem; }
"""
# Nothing is fetched, whatever stands in the data: what is needed is in the file.
_CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'"
)


def render_report(analysis: VideoAnalysis) -> str:
    """The report as one HTML document of about a megabyte; who is hidden does not appear in it."""
    everybody = analysis.people()
    people = [person for person in everybody if not person.is_hidden]
    drawn = _build_charts(analysis, people) if people else {}
    scripts = [_load_vega_bundle()] if drawn else []
    scripts += [
        f'vegaEmbed("#{name}", {_to_safe_json(spec)}, {{actions: false}});' for name, (_, spec) in drawn.items()
    ]
    parts = (
        _render_header(analysis),
        _render_charts(drawn),
        _render_people(people, len(everybody)),
        _render_highlights(analysis.highlights()),
        _render_footer(analysis),
    )
    body = "\n".join(line for part in parts for line in part)
    code = "\n".join(f"<script>{script}</script>" for script in scripts)
    title = html.escape(analysis.name)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_CONTENT_SECURITY_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_CSS}</style></head>\n<body>\n{body}\n{code}\n</body></html>\n"
    )


def _build_charts(analysis: VideoAnalysis, people: list[Person]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Title and Vega-Lite specification of each chart, by the name of its place."""
    shown = sorted(people, key=lambda person: -person.duration)[:_MAX_CHART_PEOPLE]
    shown.sort(key=lambda person: (person.first_seen, person.track_id))
    names = dict(zip((one.track_id for one in shown), make_unique_names([one.name for one in shown]), strict=True))
    lanes = analysis.segments()
    lanes = lanes[lanes["track_id"].isin(list(names))]
    lanes = lanes.assign(name=[names[track] for track in lanes["track_id"]])
    parts = build_share_table([(one.name, one.expression_shares) for one in shown], analysis.expression_shares())
    with alt.data_transformers.enable("default", max_rows=None):
        drawn = {
            "lanes": ("Each face over time", charts.plot_video_timeline(lanes, analysis.duration)),
            "crowd": (
                "All faces over time",
                charts.plot_expressions_over_time(analysis.face_counts(), analysis.duration),
            ),
            "parts": ("Share of time of each face", charts.plot_people_shares(parts)),
        }
        return {name: (title, chart.properties(width="container").to_dict()) for name, (title, chart) in drawn.items()}


@cache
def _load_vega_bundle() -> str:
    """Vega, Vega-Lite and vega-embed as one script."""
    import vl_convert

    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", _VEGA_LITE_VERSION).replace(
        "</script", "<\\/script"
    )


def _to_safe_json(value: object) -> str:
    """JSON that may stand in a script: names of people cannot end it."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _render_header(analysis: VideoAnalysis) -> Iterator[str]:
    facts, summary = analysis.video_info, analysis.summary
    told = [f"{format_clock(analysis.duration)} long"]
    if facts:
        told.append(f"{facts.width} x {facts.height} pixels")
    told.append(f"{analysis.num_frames:,} frames were looked at")
    if summary.get("status") != "done":
        told.append("it was not read to its end")
    yield f"<h1>{html.escape(analysis.name)}</h1>"
    yield f'<p class="facts">{html.escape(", ".join(told))}. {analysis.created_at:%Y-%m-%d %H:%M}</p>'


def _render_charts(chart_specs: dict[str, tuple[str, dict[str, Any]]]) -> Iterator[str]:
    for name, (title, _) in chart_specs.items():
        yield f'<h2>{html.escape(title)}</h2><div class="chart" id="{name}"></div>'


def _render_people(people: list[Person], num_found: int) -> Iterator[str]:
    """A row for each that may be shown, of so many that were found."""
    yield "<h2>Faces</h2>"
    if not people:
        nobody = "All faces that were found in it are hidden." if num_found else "No face was found in this film."
        yield f"<p>{nobody}</p>"
        return
    yield "<table><tr><th></th><th>Name</th><th>Seen</th><th>Shows</th></tr>"
    for one in people:
        shares = ", ".join(
            f"{symbol_and_name(word)} {format_percent(share)}" for word, share in one.expression_shares.items()
        )
        seen = (
            f"{one.duration:.1f} s, from {format_clock_tenths(one.first_seen)} to {format_clock_tenths(one.last_seen)}"
        )
        cells = (_render_image(one.thumbnail, one.name), html.escape(one.name), seen, html.escape(shares))
        yield "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
    yield "</table>"


def _render_highlights(highlights: list[Highlight]) -> Iterator[str]:
    if highlights:
        yield '<h2>Moments</h2><ul class="moments">'
        for one in highlights:
            words = f"{symbol_and_name(one.label)} {format_percent(one.confidence)}"
            why = f"after {one.previous_label}" if one.previous_label else "at its clearest"
            text = f"{format_clock_tenths(one.timestamp)} {one.name}: {words}, {why}"
            colour = get_style(one.label).color
            yield f'<li style="--colour: {colour}">{_render_image(one.thumbnail, text)}{html.escape(text)}</li>'
        yield "</ul>"


def _render_footer(analysis: VideoAnalysis) -> Iterator[str]:
    yield "<h2>What a label means</h2><ul>"
    yield from (f"<li>{html.escape(sentence)}</li>" for sentence in DISCLAIMERS)
    yield "</ul><h2>Receipt</h2>"
    yield f"<p>{html.escape(analysis.request.provenance_line)}</p>"


def _render_image(path: Path | None, alt_text: str) -> str:
    if path is None:
        return ""
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return f'<img src="data:image/jpeg;base64,{data}" alt="{html.escape(alt_text, quote=True)}">'
