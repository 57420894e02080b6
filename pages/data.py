"""Data: the labelled faces that networks learn from; look into them, and make some of photos."""

import streamlit as st

from emotion.datasets.catalog import DatasetInfo, list_datasets
from emotion.datasets.dataset import Dataset
from emotion.expressions import symbol_and_name
from emotion.ui import messages, page
from emotion.ui.datasets import build, selection
from emotion.ui.datasets import views as datasets_views

VIEWS = {
    "Counts": datasets_views.show_counts,
    "Faces": datasets_views.show_faces,
    "Changes": lambda entry, data: datasets_views.show_augmentations(data.images, entry.name),
    "Duplicates": datasets_views.show_duplicates,
    "Agreement": datasets_views.show_agreement,
    "Blank": datasets_views.show_blank_images,
}
REJECTED = "Left out"


def show_cards(datasets: list[DatasetInfo]) -> None:
    """The data sets that are here."""
    for start in range(0, len(datasets), 3):
        for column, entry in zip(st.columns(3, gap="medium"), datasets[start : start + 3], strict=False):
            with column, st.container(border=True), messages.error_box("this data set"):
                show_card(entry)


def show_card(dataset_info: DatasetInfo) -> None:
    """One data set: name, some faces, how many, its labels; open it."""
    st.markdown(f"**{messages.escape_markdown(dataset_info.name)}**")
    with messages.error_box("its faces"):
        cover = selection.load_preview_faces(dataset_info)
        if cover is not None:
            st.image(selection.make_face_grid(cover, 8, 1), width="stretch", alt="Some of its faces")
    votes = " · with FER+ votes" if dataset_info.has_ferplus else ""
    said = " / ".join(f"{count:,}" for count in dataset_info.split_counts)
    st.caption(
        f"{dataset_info.num_faces:,} faces · {len(dataset_info.labels)} labels{votes}  \n"
        f"Training / validation / test: {said}"
    )
    st.caption(messages.escape_markdown(", ".join(symbol_and_name(label) for label in dataset_info.labels[:10])))
    if st.button("Open", icon=":material/folder_open:", key=f"data_look_{dataset_info.name}"):
        selection.select_dataset(dataset_info.name)
        st.rerun()


def show_list() -> None:
    """All data sets, those in work, and the form for another one."""
    if "dataset" in st.query_params:
        st.info("This data set is not here, or not any more.", icon=":material/folder_off:")
    build.show_jobs()
    found, refused = list_datasets()
    if found:
        show_cards(found)
    st.subheader("Make one from photos", anchor=False)
    if not found:
        with messages.error_box("the sample"):
            build.show_steps()
    build.show_form()
    if not found:
        build.show_fer2013_hint()
    if refused:
        with st.expander(f"{len(refused)} files or folders are no data sets", icon=":material/info:"):
            st.markdown("\n".join(f"- {messages.escape_markdown(sentence)}" for sentence in refused))


def show_dataset(dataset_info: DatasetInfo) -> None:
    """One data set from all sides."""
    st.subheader(messages.escape_markdown(dataset_info.name), anchor=False)
    labels = ", ".join(symbol_and_name(label) for label in dataset_info.labels)
    st.caption(f"{dataset_info.num_faces:,} faces · {messages.escape_markdown(labels)}")
    ours = selection.is_user_built(dataset_info)
    with st.container(horizontal=True):
        if st.button("All data sets", icon=":material/arrow_back:", key="data_back"):
            selection.select_dataset(None)
            st.rerun()
        with st.popover("What it is", icon=":material/info:"):
            st.dataframe(selection.make_info_table(dataset_info), hide_index=True, key="data_facts")
        if st.button("Train on it", icon=":material/school:", key="data_train"):
            st.session_state["train_data"] = str(dataset_info.path)  # the choice of that page
            st.switch_page("pages/train.py")
        if ours:
            show_delete(dataset_info)
    views = [*VIEWS, REJECTED] if ours else [*VIEWS]
    view = (
        st.segmented_control(
            "Look at", views, default=views[0], required=True, key="data_view", label_visibility="collapsed"
        )
        or views[0]
    )
    if view == REJECTED:
        datasets_views.show_rejected(dataset_info)
        return
    data: Dataset | None = None
    with messages.error_box("this data set"):
        data = selection.load(dataset_info)
    if data is not None:
        VIEWS[view](dataset_info, data)


def show_delete(dataset_info: DatasetInfo) -> None:
    """Ask, then remove a data set that was made here."""
    with st.popover("Delete", icon=":material/delete:"):
        st.write("Deletes the data set; the photos that it was made of stay. This cannot be undone.")
        if st.button("Delete for good", key="data_delete"):
            with messages.error_box("deleting the data set"):
                selection.delete_dataset(dataset_info)
                selection.select_dataset(None)
                st.rerun()


with page.page_layout():
    st.title("Data", anchor=False)
    st.write("Faces with labels, for networks to learn from: look into them, or make some of your own photos.")
    build.show_last_error()
    dataset_info = selection.get_selected_dataset()
    if dataset_info is None:
        show_list()
    else:
        show_dataset(dataset_info)
