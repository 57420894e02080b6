"""Several videos on one time axis."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import streamlit as st

from emotion import charts
from emotion.expressions import symbol_and_name, translate_label
from emotion.formatting import format_list, format_pair
from emotion.results.photos import make_unique_names
from emotion.translation.messages import gettext as _
from emotion.ui import components, messages
from emotion.ui.video import selection
from emotion.video.analysis import VideoAnalysis
from emotion.video.comparison import compare_scores, list_common_labels
from emotion.video.tables import build_share_table

_MAX_VIDEOS: Final = 6  # more lines cannot be told apart
_OPENED_KEY: Final = "video_compared"  # session state: the chosen videos by folder, which cache what they have read

state = st.session_state


def show_comparison(videos: Sequence[VideoAnalysis]) -> None:
    """Let the user choose videos, and show one expression in all of them; nothing below two finished videos."""
    finished = {video.folder.name: video for video in videos if video.is_finished}
    if len(finished) < 2:
        return
    with st.expander(_("Compare videos"), icon=":material/compare:"), messages.error_box(_("the comparison")):
        chosen = st.multiselect(
            _("Videos"),
            list(finished),
            key="video_compare",
            max_selections=_MAX_VIDEOS,
            placeholder=_("Choose two or more"),
            format_func=lambda folder: _format_option(finished[folder]) if folder in finished else str(folder),
        )
        if len(chosen) > 1:
            _show_charts(_open_videos([finished[folder].folder for folder in chosen]))


def _format_option(analysis: VideoAnalysis) -> str:
    return f"{analysis.name} ({selection.format_date(analysis)})"


def _open_videos(folders: Sequence[Path]) -> list[VideoAnalysis]:
    opened: dict[Path, VideoAnalysis] = state.get(_OPENED_KEY, {})
    state[_OPENED_KEY] = {folder: opened.get(folder) or VideoAnalysis.open(folder) for folder in folders}
    return [*state[_OPENED_KEY].values()]


def _show_charts(analyses: Sequence[VideoAnalysis]) -> None:
    """Show the curves of one expression, and the shares of all of them."""
    labels = list_common_labels(analyses)
    if not labels:
        st.info(
            _("These videos have no label in common: different models analyzed their faces, or none was found."),
            icon=":material/info:",
        )
        return
    names = [analysis.name for analysis in analyses]
    if len(set(names)) < len(names):
        names = make_unique_names([_format_option(analysis) for analysis in analyses])
    by_name = dict(zip(names, analyses, strict=True))
    expression = st.selectbox(
        _("Expression"),
        labels,
        labels.index("happy") if "happy" in labels else 0,
        key="video_compare_label",
        width=240,
        format_func=symbol_and_name,
    )
    components.show_chart(
        charts.plot_video_comparison(
            compare_scores(by_name, expression), max(analysis.duration for analysis in analyses), names
        ),
        key="video_compare_curves",
        alt_text=_("The score of {label} over time in {names}").format(
            label=translate_label(expression), names=format_list(names)
        ),
    )
    st.caption(_("Average score of all faces; times count from the start of each video."))
    shares = {name: analysis.expression_shares() for name, analysis in by_name.items()}
    components.show_chart(
        charts.plot_people_shares(build_share_table([*shares.items()], {})),
        key="video_compare_shares",
        alt_text="; ".join(format_pair(name, selection.format_shares(parts)) for name, parts in shares.items()),
    )
