"""Agreement of the FER-2013 labels of a data set with its FER+ votes."""

from __future__ import annotations

from typing import Final

import streamlit as st

from emotion.charts.datasets import AGREEMENT_SELECTION, plot_label_agreement
from emotion.charts.export import export_chart
from emotion.datasets import tables
from emotion.datasets.catalog import DatasetInfo
from emotion.datasets.dataset import Dataset
from emotion.datasets.tables import MAJORITY_LABELS
from emotion.expressions import FER2013_LABELS, symbol_and_name, translate_label
from emotion.formatting import format_percent
from emotion.media.image_reader import encode_png
from emotion.results import tables as results_tables
from emotion.translation.messages import gettext as _
from emotion.ui import components
from emotion.ui.datasets import selection

_MAX_CELL_FACES: Final = 36
state = st.session_state


def show_agreement(dataset_info: DatasetInfo, dataset: Dataset) -> None:
    """Show the FER-2013 labels against the FER+ majority, and the faces of one cell."""
    if dataset.votes is None:
        st.info(
            _(
                "This data set has no FER+ votes. FER+ asked ten people for each face of FER-2013; with "
                "its votes this page shows where the two disagree."
            ),
            icon=":material/how_to_vote:",
        )
        return
    num_equal, num_decided = tables.count_agreements(dataset)
    st.write(
        _(
            "Of {num_faces:,} faces, {num_decided:,} have a FER+ label on which more than half of ten "
            "people agree; {percent} of these have the same label in FER-2013."
        ).format(
            num_faces=len(dataset), num_decided=num_decided, percent=format_percent(num_equal / max(1, num_decided))
        )
    )
    table = tables.agreement_table(dataset)
    components.show_chart(
        plot_label_agreement(table, dark=st.context.theme.type == "dark"),
        key="data_agreement",
        alt_text=_("{num_equal:,} of {num_decided:,} faces have the same label in both").format(
            num_equal=num_equal, num_decided=num_decided
        ),
        on_select=_on_cell_click,
    )
    st.caption(_("Click a cell to see its faces."))
    stem = selection.get_file_stem(dataset_info)
    with st.container(horizontal=True):
        selection.show_download(
            _("Table (CSV)"), lambda: results_tables.to_csv(table), file_name=f"{stem}-agreement.csv", key="agreement"
        )
        light_chart = plot_label_agreement(table)
        selection.show_download(
            _("Chart (PNG)"),
            lambda: export_chart(light_chart, "png"),
            file_name=f"{stem}-agreement.png",
            key="agreement_chart",
        )
    _show_cell(dataset, stem)


def _show_cell(dataset: Dataset, file_stem: str) -> None:
    """Show the faces of the selected pair of labels, at first the most frequent disagreement."""
    row, column = tables.find_largest_disagreement(dataset)
    with st.container(horizontal=True):
        label = st.selectbox(
            _("FER-2013 label"),
            range(len(dataset.label_names)),
            row,
            key="data_agreement_label",
            width=220,
            format_func=lambda i: symbol_and_name(dataset.label_names[i]),
        )
        majority = st.selectbox(
            _("FER+ label"),
            range(len(MAJORITY_LABELS)),
            column,
            key="data_agreement_majority",
            width=220,
            format_func=_format_majority,
        )
    rows = tables.find_agreement_rows(dataset, label, majority)
    if not len(rows):
        st.caption(_("No face has these two labels."))
        return
    sheet = selection.make_face_grid(dataset.images[rows[:_MAX_CELL_FACES]], 12)
    cell = f"{dataset.label_names[label]}-{MAJORITY_LABELS[majority]}"
    num_shown = min(len(rows), _MAX_CELL_FACES)
    st.image(
        sheet,
        _("{num_shown:,} of {count:,}").format(num_shown=num_shown, count=len(rows)),
        width="stretch",
        alt=_("Faces with the FER-2013 label {label} and the FER+ label {majority}").format(
            label=translate_label(dataset.label_names[label]), majority=_(MAJORITY_LABELS[majority])
        ),
    )
    selection.show_download(
        _("Sheet (PNG)"), lambda: encode_png(sheet), file_name=f"{file_stem}-{cell}.png", key="agreement_sheet"
    )


def _on_cell_click() -> None:
    """Select the clicked cell; the browser may send any value."""
    try:
        cell = state["data_agreement"]["selection"][AGREEMENT_SELECTION][0]
        row, column = int(cell["row"]), int(cell["column"])
    except (KeyError, IndexError, TypeError, ValueError):
        return
    if 0 <= row < len(FER2013_LABELS) and 0 <= column < len(MAJORITY_LABELS):
        state.update(data_agreement_label=row, data_agreement_majority=column)


def _format_majority(index: int) -> str:
    return symbol_and_name(MAJORITY_LABELS[index]) if index < len(MAJORITY_LABELS) - 1 else _(MAJORITY_LABELS[index])
