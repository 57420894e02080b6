"""The scores of the faces of a video over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import streamlit as st

from emotion import charts
from emotion.charts.video import TIME_SELECTION
from emotion.formatting import format_clock
from emotion.translation.messages import gettext as _
from emotion.ui import components
from emotion.ui.video import selection
from emotion.ui.video.charts import timeline
from emotion.video.analysis import VideoAnalysis
from emotion.video.people import Person
from emotion.video.tables import get_column

_KEY: Final = "video_scores"
_EVERYONE: Final = 0  # an option beside the numbers of faces, which begin at 1


def show_scores(analysis: VideoAnalysis, visible_people: Sequence[Person]) -> None:
    """Show the curves of all scores of everyone, or of a face that the user chooses."""
    st.markdown("### " + _("Scores over time"), anchors=False)
    names = {person.track_id: person.name for person in visible_people}
    track_id = _EVERYONE
    if len(names) > 1:
        track_id = st.selectbox(
            _("Face"),
            [_EVERYONE, *names],
            key=f"video_scores_of_{analysis.folder.name}",
            width=240,
            format_func=lambda option: _("Everyone") if option == _EVERYONE else str(names.get(option, option)),
        )
    curves = analysis.score_curves(None if track_id == _EVERYONE else track_id)
    if np.isnan(get_column(curves, "probability")).all():
        st.info(_("No frame with this face was classified."), icon=":material/face:")
        return
    scores = get_column(curves, "probability")
    means = {label: float(np.nanmean(scores[get_column(curves, "expression") == label])) for label in analysis.labels}
    components.show_chart(
        charts.plot_score_curves(curves, analysis.duration),
        key=_KEY,
        alt_text=_("Scores of {name} over {duration}, on average: {scores}").format(
            name=_("Everyone") if track_id == _EVERYONE else names[track_id],
            duration=format_clock(analysis.duration),
            scores=selection.format_shares(dict(sorted(means.items(), key=lambda item: -item[1]))),
        ),
        on_select=lambda: timeline.seek_from_chart(_KEY),
        selection=TIME_SELECTION,
    )
    st.caption(_("Click to seek; click an expression to show it alone."))
