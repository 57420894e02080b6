"""The table of end-to-end accuracy: detector and classifier together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import streamlit as st

from emotion import charts
from emotion.formatting import format_percent
from emotion.training import prediction_tables
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop
from emotion.ui import components
from emotion.ui.runs import run_table

_METRIC_NAMES: Final = {
    "detection_rate": gettext_noop("detected"),
    "accuracy_detected": gettext_noop("accuracy, detected faces"),
    "accuracy_all": gettext_noop("accuracy, all faces"),
    "accuracy_crops": gettext_noop("accuracy, original crops"),
}


def show_end_to_end(results: Sequence[Mapping[str, Any]]) -> None:
    """Show the detection rate and the accuracy of detector and classifier together, for each detector."""
    if not results:
        return
    st.header(_("End-to-end accuracy"), anchor=False)
    table = prediction_tables.end_to_end_intervals(results, {key: _(name) for key, name in _METRIC_NAMES.items()})
    alt_text = "; ".join(
        _("{detector}: accuracy {percent} on all faces").format(
            detector=row["detector"], percent=format_percent(row["accuracy_all"])
        )
        for row in results
    )
    components.show_chart(charts.plot_intervals(table, _("detector")), key="card_way", alt_text=alt_text)
    widths, angles = ([group["value"] for group in results[0][key]] for key in ("by_face_size", "by_rotation"))
    st.caption(
        _(
            "{count:,} faces of the {split} split, each somewhere in an image: {min} to {max} pixels wide, "
            "rotated by up to {angle} degrees."
        ).format(
            count=results[0]["n"], split=_(results[0]["split"]), min=min(widths), max=max(widths), angle=max(angles)
        )
    )
    by_size = prediction_tables.end_to_end_by_size(results)
    components.show_chart(
        charts.plot_robustness(by_size, _("pixels a side")), key="card_sides", alt_text=_("Faces found, by their size")
    )
    st.caption(_("How many of them are found, by their size."))
    run_table.show_table_download(
        prediction_tables.end_to_end_table(results), file_stem="image-to-label", key="card_way_save"
    )
