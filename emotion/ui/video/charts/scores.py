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


def show_scores(analysis: VideoAnalysis, visible_people: Sequence[Person]) -> None:
    """Show the curves of all scores of everyone, or of a face that the user chooses."""
    st.markdown("### " + _("Scores over time"), anchors=False)
    key = f"video_scores_of_{analysis.folder.name}"
    track_id = selection.choose_face(_("Face"), _("Everyone"), visible_people, key)
    curves = analysis.score_curves(track_id)
    if np.isnan(get_column(curves, "probability")).all():
        st.info(_("No frame with this face was classified."), icon=":material/face:")
        return
    scores = get_column(curves, "probability")
    means = {label: float(np.nanmean(scores[get_column(curves, "expression") == label])) for label in analysis.labels}
    components.show_chart(
        charts.plot_score_curves(curves, analysis.duration),
        key=_KEY,
        alt_text=_("Scores of {name} over {duration}, on average: {scores}").format(
            name=next((person.name for person in visible_people if person.track_id == track_id), _("Everyone")),
            duration=format_clock(analysis.duration),
            scores=selection.format_shares(dict(sorted(means.items(), key=lambda item: -item[1]))),
        ),
        on_select=lambda: timeline.seek_from_chart(_KEY),
        selection=TIME_SELECTION,
    )
    st.caption(_("Click to seek; click an expression to show it alone."))
