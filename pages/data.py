"""Data: the labelled faces that networks learn from; look into them, and make some of photos."""

import streamlit as st

from emotion.datasets.catalog import Entry, find_datasets, refused_datasets
from emotion.datasets.dataset import Dataset
from emotion.expressions import named
from emotion.ui import messages, page
from emotion.ui.datasets import build, selection
from emotion.ui.datasets import views as datasets_views

VIEWS = {
    "Counts": datasets_views.show_counts,
    "Faces": datasets_views.show_faces,
    "Changes": lambda entry, data: datasets_views.show_changes(data.images, entry.name),
    "Duplicates": datasets_views.show_duplicates,
    "Agreement": datasets_views.show_agreement,
    "Blank": datasets_views.show_blank,
}
LEFT_OUT = "Left out"


def show_cards(found: list[Entry]) -> None:
    """The data sets that are here."""
    for start in range(0, len(found), 3):
        for column, entry in zip(st.columns(3, gap="medium"), found[start : start + 3], strict=False):
            with column, st.container(border=True), messages.error_box("this data set"):
                show_card(entry)


def show_card(entry: Entry) -> None:
    """One data set: name, some faces, how many, its labels; open it."""
    st.markdown(f"**{messages.plain(entry.name)}**")
    with messages.error_box("its faces"):
        cover = selection.cover(entry)
        if cover is not None:
            st.image(selection.picture(cover, 8, 1), width="stretch", alt="Some of its faces")
    votes = " · with FER+ votes" if entry.votes else ""
    said = " / ".join(f"{count:,}" for count in entry.splits)
    st.caption(f"{entry.rows:,} faces · {len(entry.labels)} labels{votes}  \nTraining / validation / test: {said}")
    st.caption(messages.plain(", ".join(named(label) for label in entry.labels[:10])))
    if st.button("Open", icon=":material/folder_open:", key=f"data_look_{entry.name}"):
        selection.show(entry.name)
        st.rerun()


def show_list() -> None:
    """All data sets, those in work, and the form for another one."""
    if "data" in st.query_params:
        st.info("This data set is not here, or not any more.", icon=":material/folder_off:")
    build.show_jobs()
    found, refused = find_datasets(), refused_datasets()
    if found:
        show_cards(found)
    st.subheader("Make one from photos", anchor=False)
    if not found:
        with messages.error_box("the sample"):
            build.show_steps()
    build.show_form()
    if not found:
        build.show_where_from()
    if refused:
        with st.expander(f"{len(refused)} files or folders are no data sets", icon=":material/info:"):
            st.markdown("\n".join(f"- {messages.plain(sentence)}" for sentence in refused))


def show_one(entry: Entry) -> None:
    """One data set from all sides."""
    st.subheader(messages.plain(entry.name), anchor=False)
    st.caption(f"{entry.rows:,} faces · {messages.plain(', '.join(named(label) for label in entry.labels))}")
    ours = selection.is_ours(entry)
    with st.container(horizontal=True):
        if st.button("All data sets", icon=":material/arrow_back:", key="data_back"):
            selection.show(None)
            st.rerun()
        with st.popover("What it is", icon=":material/info:"):
            st.dataframe(selection.facts(entry), hide_index=True, key="data_facts")
        if st.button("Train on it", icon=":material/school:", key="data_train"):
            st.session_state["train_data"] = str(entry.path)  # the choice of that page
            st.switch_page("pages/train.py")
        if ours:
            show_delete(entry)
    views = [*VIEWS, LEFT_OUT] if ours else [*VIEWS]
    view = st.segmented_control("Look at", views, default=views[0], required=True, key="data_view",
                                label_visibility="collapsed") or views[0]  # fmt: skip
    if view == LEFT_OUT:
        datasets_views.show_left_out(entry)
        return
    data: Dataset | None = None
    with messages.error_box("this data set"):
        data = selection.load(entry)
    if data is not None:
        VIEWS[view](entry, data)


def show_delete(entry: Entry) -> None:
    """Ask, then remove a data set that was made here."""
    with st.popover("Delete", icon=":material/delete:"):
        st.write("Deletes the data set; the photos that it was made of stay. This cannot be undone.")
        if st.button("Delete for good", key="data_delete"):
            with messages.error_box("deleting the data set"):
                selection.delete(entry)
                selection.show(None)
                st.rerun()


with page.page():
    st.title("Data", anchor=False)
    st.write("Faces with labels, for networks to learn from: look into them, or make some of your own photos.")
    build.show_refused()
    entry = selection.chosen()
    if entry is None:
        show_list()
    else:
        show_one(entry)
