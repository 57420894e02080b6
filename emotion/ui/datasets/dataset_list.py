"""The list of all data sets, and the form that builds another one."""

from __future__ import annotations

import streamlit as st

from emotion.datasets.catalog import DatasetInfo, list_datasets
from emotion.expressions import symbol_and_name
from emotion.formatting import format_list
from emotion.translation.messages import gettext as _
from emotion.translation.messages import ngettext
from emotion.ui import messages
from emotion.ui.datasets import build_form, build_jobs, introduction, selection
from emotion.ui.datasets.selection import format_face_count


def show_list() -> None:
    """Show all data sets, the jobs that build some, and the form for another one."""
    if "dataset" in st.query_params:
        st.info(_("There is no such data set; it may have been deleted."), icon=":material/folder_off:")
    build_jobs.show_jobs()
    datasets, errors = list_datasets()
    if datasets:
        _show_cards(datasets)
    st.header(_("Make one from photos"), anchor=False)
    if not datasets:
        with messages.error_box(_("the sample")):
            introduction.show_steps()
    build_form.show_form()
    if not datasets:
        introduction.show_fer2013_hint()
    if errors:
        with st.expander(
            ngettext(
                "{count} file or folder is no data set", "{count} files or folders are no data sets", len(errors)
            ).format(count=len(errors)),
            icon=":material/info:",
        ):
            st.markdown("\n".join(f"- {messages.escape_markdown(error)}" for error in errors))


def _show_cards(datasets: list[DatasetInfo]) -> None:
    """Show a card for each data set."""
    for start in range(0, len(datasets), 3):
        for column, dataset_info in zip(st.columns(3, gap="medium"), datasets[start : start + 3], strict=False):
            with column, st.container(border=True), messages.error_box(_("this data set")):
                _show_card(dataset_info)


def _show_card(dataset_info: DatasetInfo) -> None:
    """Show a data set with some faces, counts and labels, and a button that opens it."""
    st.markdown(f"**{messages.escape_markdown(dataset_info.name)}**")
    with messages.error_box(_("its faces")):
        faces = selection.load_preview_faces(dataset_info)
        if faces is not None:
            st.image(selection.make_face_grid(faces, 8, 1), width="stretch", alt=_("Some of its faces"))
    num_labels = len(dataset_info.labels)
    parts = [
        format_face_count(dataset_info.num_faces),
        ngettext("{count} label", "{count} labels", num_labels).format(count=num_labels),
        *([_("with FER+ votes")] if dataset_info.has_ferplus else []),
    ]
    counts = " / ".join(f"{count:,}" for count in dataset_info.split_counts)
    splits = _("Training / validation / test: {counts}").format(counts=counts)
    st.caption(f"{' · '.join(parts)}  \n{splits}")
    st.caption(messages.escape_markdown(format_list(symbol_and_name(label) for label in dataset_info.labels[:10])))
    if st.button(_("Open"), icon=":material/folder_open:", key=f"data_look_{dataset_info.name}"):
        selection.select_dataset(dataset_info.name)
        st.rerun()
