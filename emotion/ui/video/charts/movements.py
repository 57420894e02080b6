"""The movements of a face of a video over time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from emotion import charts
from emotion.formatting import format_clock, format_percent
from emotion.movements import CURVES
from emotion.translation.messages import gettext as _
from emotion.ui import components
from emotion.ui.video import selection
from emotion.video.analysis import VideoAnalysis
from emotion.video.curves.movements import MIN_SMILE
from emotion.video.people import Person
from emotion.video.tables import get_column


def show_movements(analysis: VideoAnalysis, visible_people: Sequence[Person]) -> None:
    """Show the curves of the movements of a face, which the user chooses where there are several."""
    st.markdown("### " + _("Movements"), anchors=False)
    longest = max(visible_people, key=lambda person: person.duration)
    names = {person.track_id: person.name for person in visible_people}
    track_id = longest.track_id
    if len(names) > 1:
        key = f"video_movements_{analysis.folder.name}"
        selection.keep_choice(key, names)
        track_id = st.selectbox(
            _("Face"),
            list(names),
            list(names).index(track_id),
            key=key,
            width=240,
            format_func=lambda option: str(names.get(option, option)),
        )
    curves = analysis.movement_curves([track_id])
    if np.isnan(get_column(curves, "strength")).all():
        st.info(
            _("This face is too small, too blurred or turned too far to see its movements."), icon=":material/face:"
        )
        return
    strongest = ", ".join(
        _("{movement} up to {strength}").format(
            movement=_(movement),
            strength=format_percent(curves.loc[curves["movement"] == movement, "strength"].max()),
        )
        for movement in CURVES
    )
    components.show_chart(
        charts.plot_movement_curves(curves, analysis.duration),
        key="video_movement_curves",
        alt_text=_("What moves in {name}, over {duration}: {movements}").format(
            name=names[track_id], duration=format_clock(analysis.duration), movements=strongest
        ),
    )
    st.caption(
        _("Estimates of a network that was taught by another network. A face smiles from {share} on.").format(
            share=format_percent(MIN_SMILE)
        )
    )
