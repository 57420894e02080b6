"""Groups of near-duplicate faces of a data set."""

from __future__ import annotations

from typing import Final

import streamlit as st

from emotion.datasets import tables
from emotion.datasets.catalog import DatasetInfo
from emotion.datasets.dataset import SPLITS, Dataset
from emotion.datasets.tables import DuplicateGroup
from emotion.expressions import symbol_and_name
from emotion.results import tables as results_tables
from emotion.translation.messages import gettext as _
from emotion.ui import messages
from emotion.ui.datasets import selection

_GROUPS_PER_PAGE: Final = 8
_FACES_PER_GROUP: Final = 4  # shown of a group, side by side


def show_duplicates(dataset_info: DatasetInfo, dataset: Dataset) -> None:
    """Show the groups of near-duplicates, those across splits first."""
    groups = selection.get_duplicate_groups(dataset_info, dataset)
    num_leaked = selection.get_duplicate_counts(dataset_info, dataset)["test_rows_in_train"]

    def count_faces(some: list[DuplicateGroup]) -> str:
        return f"{sum(len(group.rows) for group in some):,}"

    with st.container(horizontal=True):
        st.metric(
            _("Faces in several splits"),
            count_faces([group for group in groups if group.spans_splits]),
            border=True,
            help=_("A test with the photos of the training gives too good a result."),
        )
        st.metric(
            _("Duplicate faces"),
            count_faces(groups),
            border=True,
            help=_("Resized, brightened or mirrored copies; empty images do not count."),
        )
        st.metric(
            _("With several labels"), count_faces([group for group in groups if group.has_label_conflict]), border=True
        )
        st.metric(
            _("Test in training"),
            f"{num_leaked:,}",
            border=True,
            help=_("Test faces whose exact pixels are also in training."),
        )
    if not groups:
        st.success(_("No duplicates."), icon=":material/check:")
        return
    num_pages = -(-len(groups) // _GROUPS_PER_PAGE)
    page = st.pagination(num_pages, key="data_duplicates_page") if num_pages > 1 else 1
    columns = st.columns(4, gap="medium")
    for i, group in enumerate(groups[(page - 1) * _GROUPS_PER_PAGE : page * _GROUPS_PER_PAGE]):
        with columns[i % 4]:
            _show_group(dataset, group)
    table = tables.duplicates_table(dataset, groups)
    selection.show_download(
        _("Table (CSV)"),
        lambda: results_tables.to_csv(table),
        file_name=f"{selection.get_file_stem(dataset_info)}-duplicates.csv",
        key="duplicates",
    )


def _show_group(dataset: Dataset, group: DuplicateGroup) -> None:
    rows = group.rows[:_FACES_PER_GROUP]
    lines = [
        _("{split} · {label} · row {row}").format(
            split=_(SPLITS[dataset.split[i]]), label=symbol_and_name(dataset.label_names[dataset.labels[i]]), row=i
        )
        for i in rows
    ]
    if len(group.rows) > _FACES_PER_GROUP:
        lines.append(_("and {count} more").format(count=len(group.rows) - _FACES_PER_GROUP))
    st.image(
        selection.make_face_grid(dataset.images[[*rows]], _FACES_PER_GROUP, 2),
        width="content",
        alt=_("Same face: {descriptions}").format(descriptions="; ".join(lines)),
    )
    st.caption("  \n".join(messages.escape_markdown(line) for line in lines))
