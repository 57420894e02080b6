"""Data: the labeled faces that networks learn from; look into them, and build data sets from photos."""

import streamlit as st

from emotion.translation.messages import gettext as _
from emotion.ui import page
from emotion.ui.datasets import build_jobs, dataset_list, detail, selection

with page.page_layout():
    st.title(_("Data"), anchor=False)
    st.write(_("Faces with labels, for networks to learn from: look into them, or make some of your own photos."))
    build_jobs.show_last_error()
    dataset_info = selection.get_selected_dataset()
    if dataset_info is None:
        dataset_list.show_list()
    else:
        detail.show_dataset(dataset_info)
