"""Views of one data set on the Data page: counts, faces, and blank images."""

from __future__ import annotations

from typing import Final

import numpy as np
import streamlit as st

from emotion.charts.datasets import plot_class_counts
from emotion.charts.export import export_chart
from emotion.datasets import tables
from emotion.datasets.catalog import DatasetInfo
from emotion.datasets.dataset import SPLITS, Dataset
from emotion.datasets.label_sets import count_labels
from emotion.expressions import symbol_and_name
from emotion.media.image_reader import encode_png
from emotion.results import tables as results_tables
from emotion.ui import components, messages
from emotion.ui.datasets import selection

_MAX_FACES: Final = 60
_IMBALANCE_RATIO: Final = 5  # from which on the page warns
_MAX_NOTES: Final = 50
_ALL: Final = "All"

state = st.session_state


def show_counts(dataset_info: DatasetInfo, dataset: Dataset) -> None:
    """Show how many faces each label has in each split."""
    counts = count_labels(dataset)
    totals = counts.sum(axis=1)
    alt_counts = ", ".join(f"{label} {total:,}" for label, total in zip(dataset.label_names, totals, strict=True))
    chart = plot_class_counts(tables.counts_table(dataset))
    components.show_chart(chart, key="data_counts", alt_text=f"Faces by label: {alt_counts}")
    smallest = max(1, totals.min())
    if totals.max() > _IMBALANCE_RATIO * smallest:
        st.caption(
            f"The largest label has {totals.max() / smallest:.0f} times as many faces as the smallest: a network "
            "will confuse the small ones with the large ones."
        )
    empty = [f"{dataset.label_names[i]} ({SPLITS[j]})" for i, j in np.argwhere(counts == 0)]
    if empty:
        st.caption(
            messages.escape_markdown(
                f"Without a face: {', '.join(empty)}. Labels without faces cannot be learned or tested."
            )
        )
    table = tables.counts_by_label(dataset)
    st.dataframe(table, hide_index=True, key="data_counts_table")
    with st.container(horizontal=True):
        selection.show_download(
            "Table (CSV)",
            lambda: results_tables.to_csv(table),
            f"{selection.get_file_stem(dataset_info)}-counts.csv",
            "counts",
        )
        selection.show_download(
            "Chart (PNG)",
            lambda: export_chart(chart, "png"),
            f"{selection.get_file_stem(dataset_info)}-counts.png",
            "counts_chart",
        )
    if dataset.notes:
        with st.expander("Skipped", icon=":material/broken_image:"):
            num_more = len(dataset.notes) - _MAX_NOTES
            more = [f"and {num_more:,} more."] if num_more > 0 else []
            st.markdown(
                "\n".join(f"- {messages.escape_markdown(note)}" for note in [*dataset.notes[:_MAX_NOTES], *more])
            )


def show_faces(dataset_info: DatasetInfo, dataset: Dataset) -> None:
    """Show a random sample of faces, by label and split."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label = _choose_label(dataset, "data_faces_label")
        split = st.selectbox("Split", [_ALL, *SPLITS], key="data_faces_split", width=180)
        seed = state.setdefault("data_faces_seed", 0)
        show_shuffle_button("data_faces_seed")
    mask = (split == _ALL) | (dataset.split == max(0, [_ALL, *SPLITS].index(split) - 1))
    mask = mask & ((label == _ALL) | (dataset.labels == _find_label_index(dataset, label)))
    rows = np.flatnonzero(mask)
    if not len(rows):
        st.info("No face has this label in this split.", icon=":material/grid_off:")
        return
    rows = np.sort(np.random.default_rng(seed).permutation(rows)[:_MAX_FACES])
    sheet = selection.make_face_grid(dataset.images[rows], 12)
    noun = "faces" if label == _ALL else f"faces labeled {label}"
    st.image(sheet, f"{len(rows)} of {int(mask.sum()):,}", width="stretch", alt=f"{len(rows)} {noun}")
    with st.container(horizontal=True):
        selection.show_download(
            "Sheet (PNG)", lambda: encode_png(sheet), f"{selection.get_file_stem(dataset_info)}-faces.png", "faces"
        )
        table = tables.rows_table(dataset, rows)
        selection.show_download(
            "Rows (CSV)",
            lambda: results_tables.to_csv(table),
            f"{selection.get_file_stem(dataset_info)}-faces.csv",
            "rows",
        )


def show_shuffle_button(key: str) -> None:
    """Show a button that increments the seed in the session state, for other faces."""

    def count_up() -> None:
        state[key] += 1

    st.button("Shuffle", icon=":material/shuffle:", key=f"{key}_up", on_click=count_up)


def _choose_label(dataset: Dataset, key: str) -> str:
    label = st.selectbox("Label", [_ALL, *dataset.label_names], key=key, width=180, format_func=_format_label)
    return label if label in dataset.label_names else _ALL


def _format_label(label: str) -> str:
    return label if label == _ALL else symbol_and_name(label)


def _find_label_index(dataset: Dataset, label: str) -> int:
    return dataset.label_names.index(label) if label in dataset.label_names else -1


def show_blank_images(dataset_info: DatasetInfo, dataset: Dataset) -> None:
    """Show the images that are of a single gray."""
    rows = tables.find_blank_rows(dataset)
    if not len(rows):
        st.success("No image is blank.", icon=":material/check:")
        return
    st.write(f"{len(rows):,} of {len(dataset):,} images are of a single gray: nothing can be learned from them.")
    st.image(
        selection.make_face_grid(dataset.images[rows[:_MAX_FACES]], 12, 1), width="content", alt="The blank images"
    )
    table = tables.rows_table(dataset, rows)
    st.dataframe(table, hide_index=True, key="data_blank")
    selection.show_download(
        "Table (CSV)",
        lambda: results_tables.to_csv(table),
        f"{selection.get_file_stem(dataset_info)}-blank.csv",
        "blank",
    )
