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
from emotion.expressions import symbol_and_name, translate_label
from emotion.formatting import format_list
from emotion.media.image_reader import encode_png
from emotion.results import tables as results_tables
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop, ngettext
from emotion.ui import components, messages
from emotion.ui.datasets import selection

_MAX_FACES: Final = 60
_IMBALANCE_RATIO: Final = 5  # from which on the page warns
_MAX_NOTES: Final = 50
_ALL: Final = gettext_noop("All")

state = st.session_state


def show_counts(dataset_info: DatasetInfo, dataset: Dataset) -> None:
    """Show how many faces each label has in each split."""
    counts = count_labels(dataset)
    totals = counts.sum(axis=1)
    alt_counts = format_list(
        f"{translate_label(label)} {total:,}" for label, total in zip(dataset.label_names, totals, strict=True)
    )
    chart = plot_class_counts(tables.counts_table(dataset))
    components.show_chart(chart, key="data_counts", alt_text=_("Faces by label: {counts}").format(counts=alt_counts))
    smallest = max(1, totals.min())
    if totals.max() > _IMBALANCE_RATIO * smallest:
        st.caption(
            _(
                "The largest label has {ratio:.0f} times as many faces as the smallest: a network will "
                "confuse the small ones with the large ones."
            ).format(ratio=totals.max() / smallest)
        )
    empty = [f"{translate_label(dataset.label_names[i])} ({_(SPLITS[j])})" for i, j in np.argwhere(counts == 0)]
    if empty:
        st.caption(
            messages.escape_markdown(
                _("Without a face: {labels}. Labels without faces cannot be learned or tested.").format(
                    labels=format_list(empty)
                )
            )
        )
    table = tables.counts_by_label(dataset)
    st.dataframe(
        table.assign(label=[symbol_and_name(label) for label in table["label"]]),
        hide_index=True,
        key="data_counts_table",
        column_config={"label": _("label"), **{split: _(split) for split in SPLITS}, "all": _("all")},
    )
    with st.container(horizontal=True):
        selection.show_download(
            _("Table (CSV)"),
            lambda: results_tables.to_csv(table),
            file_name=f"{selection.get_file_stem(dataset_info)}-counts.csv",
            key="counts",
        )
        selection.show_download(
            _("Chart (PNG)"),
            lambda: export_chart(chart, "png"),
            file_name=f"{selection.get_file_stem(dataset_info)}-counts.png",
            key="counts_chart",
        )
    _show_notes(dataset)


def _show_notes(dataset: Dataset) -> None:
    if not dataset.notes:
        return
    with st.expander(_("Skipped"), icon=":material/broken_image:"):
        num_more = len(dataset.notes) - _MAX_NOTES
        more = [_("and {count:,} more.").format(count=num_more)] if num_more > 0 else []
        st.markdown("\n".join(f"- {messages.escape_markdown(note)}" for note in [*dataset.notes[:_MAX_NOTES], *more]))


def show_faces(dataset_info: DatasetInfo, dataset: Dataset) -> None:
    """Show a random sample of faces, by label and split."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label = _choose_label(dataset, "data_faces_label")
        split = st.selectbox(_("Split"), [_ALL, *SPLITS], key="data_faces_split", width=180, format_func=_)
        seed = state.setdefault("data_faces_seed", 0)
        show_shuffle_button(key="data_faces_seed")
    mask = (split == _ALL) | (dataset.split == max(0, [_ALL, *SPLITS].index(split) - 1))
    mask = mask & ((label == _ALL) | (dataset.labels == _find_label_index(dataset, label)))
    rows = np.flatnonzero(mask)
    if not len(rows):
        st.info(_("No face has this label in this split."), icon=":material/grid_off:")
        return
    rows = np.sort(np.random.default_rng(seed).permutation(rows)[:_MAX_FACES])
    sheet = selection.make_face_grid(dataset.images[rows], 12)
    alt = selection.format_face_count(len(rows))
    if label != _ALL:
        alt = ngettext("{count} face labeled {label}", "{count} faces labeled {label}", len(rows)).format(
            count=len(rows), label=translate_label(label)
        )
    caption = _("{num_shown:,} of {count:,}").format(num_shown=len(rows), count=int(mask.sum()))
    st.image(sheet, caption, width="stretch", alt=alt)
    with st.container(horizontal=True):
        selection.show_download(
            _("Sheet (PNG)"),
            lambda: encode_png(sheet),
            file_name=f"{selection.get_file_stem(dataset_info)}-faces.png",
            key="faces",
        )
        table = tables.rows_table(dataset, rows)
        selection.show_download(
            _("Rows (CSV)"),
            lambda: results_tables.to_csv(table),
            file_name=f"{selection.get_file_stem(dataset_info)}-faces.csv",
            key="rows",
        )


def show_shuffle_button(key: str) -> None:
    """Show a button that increments the seed in the session state, for other faces."""

    def count_up() -> None:
        state[key] += 1

    st.button(_("Shuffle"), icon=":material/shuffle:", key=f"{key}_up", on_click=count_up)


def _choose_label(dataset: Dataset, key: str) -> str:
    label = st.selectbox(_("Label"), [_ALL, *dataset.label_names], key=key, width=180, format_func=_format_label)
    return label if label in dataset.label_names else _ALL


def _format_label(label: str) -> str:
    return _(label) if label == _ALL else symbol_and_name(label)


def _find_label_index(dataset: Dataset, label: str) -> int:
    return dataset.label_names.index(label) if label in dataset.label_names else -1


def show_blank_images(dataset_info: DatasetInfo, dataset: Dataset) -> None:
    """Show the images that are of a single gray."""
    rows = tables.find_blank_rows(dataset)
    if not len(rows):
        st.success(_("No image is blank."), icon=":material/check:")
        return
    st.write(
        _("{num_blank:,} of {count:,} images are of a single gray: nothing can be learned from them.").format(
            num_blank=len(rows), count=len(dataset)
        )
    )
    st.image(
        selection.make_face_grid(dataset.images[rows[:_MAX_FACES]], 12, 1), width="content", alt=_("The blank images")
    )
    table = tables.rows_table(dataset, rows)
    st.dataframe(
        table.assign(label=table["label"].map(symbol_and_name), split=table["split"].map(_)),
        hide_index=True,
        key="data_blank",
        column_config={"row": _("row"), "label": _("label"), "split": _("split")},
    )
    selection.show_download(
        _("Table (CSV)"),
        lambda: results_tables.to_csv(table),
        file_name=f"{selection.get_file_stem(dataset_info)}-blank.csv",
        key="blank",
    )
