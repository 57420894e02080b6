"""Facial features on the Photos page: their switch, and the features of the selected face."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import streamlit as st

from emotion import charts
from emotion.expressions import translate_label
from emotion.faces import Face
from emotion.formatting import format_list, format_percent
from emotion.recognition.features.label_movements import explain_label
from emotion.recognition.features.wording import describe_pose
from emotion.results import photos, tables
from emotion.translation.messages import gettext as _
from emotion.ui import components
from emotion.ui.features_switch import ESTIMATES_NOTE, is_on, show_features_switch

_SWITCH_KEY: Final = "photo_features"


def show_switch() -> None:
    """Show the switch of points, head pose and movements."""
    show_features_switch(_SWITCH_KEY, _("Points, outlines, head pose and movements of each face, also in downloads."))


def select_features(faces: Sequence[Face]) -> tuple[Face, ...]:
    """Return the faces with their features where these are switched on, and without them where faces are blurred."""
    return tuple(faces) if is_on(_SWITCH_KEY) else photos.remove_features(faces)


def show_features(face: Face) -> None:
    """Show what speaks for the label of a face, the direction of its head and its strongest movements."""
    if face.features is None:
        return
    if face.features.pose is None:
        st.caption(_("No facial features: the network does not see this face well enough."))
        return
    reasons = explain_label(face)
    lines = [_("**Head:** {direction}").format(direction=describe_pose(face.features.pose))]
    if reasons:
        movements = format_list(map(_, reasons))
        label = translate_label(face.label or "")
        lines.insert(0, _("**Speaks for {label}:** {movements}").format(label=label, movements=movements))
    st.markdown("  \n".join(lines))
    table = tables.movements_table(face.features)
    if table.empty:
        st.caption(_("No movement is seen in this face."))
        return
    pairs = zip(table["movement"], table["strength"], strict=True)
    alt_text = format_list(f"{movement} {format_percent(strength)}" for movement, strength in pairs)
    st.markdown(_("**Movements**"), help=_(ESTIMATES_NOTE))
    components.show_chart(charts.plot_movements(table), key="photo_movements", alt_text=alt_text)
