"""The views of one data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import streamlit as st

from emotion.datasets.catalog import DatasetInfo
from emotion.datasets.dataset import Dataset
from emotion.expressions import symbol_and_name
from emotion.formatting import format_list
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop
from emotion.ui import messages
from emotion.ui.datasets import selection, views
from emotion.ui.datasets.agreement import show_agreement
from emotion.ui.datasets.augmentation import show_augmentations
from emotion.ui.datasets.duplicates import show_duplicates
from emotion.ui.datasets.edit_faces import show_editor
from emotion.ui.datasets.rejected import show_rejected

_VIEWS: Final[Mapping[str, Callable[[DatasetInfo, Dataset], None]]] = {
    gettext_noop("Counts"): views.show_counts,
    gettext_noop("Faces"): views.show_faces,
    gettext_noop("Augmentation"): lambda info, dataset: show_augmentations(dataset.images, info.name),
    gettext_noop("Duplicates"): show_duplicates,
    gettext_noop("Label agreement"): show_agreement,
    gettext_noop("Empty images"): views.show_blank_images,
}
_REJECTED: Final = gettext_noop("Skipped")
_EDIT: Final = gettext_noop("Edit")


def show_dataset(dataset_info: DatasetInfo) -> None:
    """Show one data set: its actions, and the selected view."""
    st.header(messages.escape_markdown(dataset_info.name), anchor=False)
    labels = format_list(symbol_and_name(label) for label in dataset_info.labels)
    st.caption(f"{selection.format_face_count(dataset_info.num_faces)} · {messages.escape_markdown(labels)}")
    is_user_built = selection.is_user_built(dataset_info)
    with st.container(horizontal=True):
        if st.button(_("All data sets"), icon=":material/arrow_back:", key="data_back"):
            selection.select_dataset(None)
            st.rerun()
        with st.popover(_("What it is"), icon=":material/info:"):
            st.dataframe(
                selection.make_info_table(dataset_info),
                hide_index=True,
                key="data_facts",
                column_config={"property": _("property"), "value": _("value")},
            )
        if st.button(_("Train on it"), icon=":material/school:", key="data_train"):
            st.session_state["train_data"] = str(dataset_info.path)
            st.switch_page("pages/train.py")
        if is_user_built:
            _show_delete(dataset_info)
    names = [*_VIEWS, _EDIT, _REJECTED] if is_user_built else [*_VIEWS]
    view = (
        st.segmented_control(
            _("View"),
            names,
            default=names[0],
            required=True,
            format_func=_,
            key="data_view",
            label_visibility="collapsed",
        )
        or names[0]
    )
    if view == _REJECTED:
        show_rejected(dataset_info)
        return
    if view == _EDIT:
        with messages.error_box(_("this data set")):
            show_editor(dataset_info)
        return
    dataset: Dataset | None = None
    with messages.error_box(_("this data set")):
        dataset = selection.load(dataset_info)
    if dataset is not None:
        _VIEWS[view](dataset_info, dataset)


def _show_delete(dataset_info: DatasetInfo) -> None:
    """Offer to delete a data set that was built on this page."""
    with st.popover(_("Delete"), icon=":material/delete:", key=f"data_delete_menu_{dataset_info.name}"):
        st.write(_("Deletes the data set; the photos that it was built from stay. This cannot be undone."))
        if st.button(_("Delete for good"), key="data_delete"):
            with messages.error_box(_("deleting the data set")):
                selection.delete_dataset(dataset_info)
                selection.select_dataset(None)
                st.rerun()
