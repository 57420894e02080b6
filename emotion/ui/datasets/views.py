"""What the Data page shows of one data set: counts, faces, changes, duplicates, agreement, blank pictures, left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from emotion.charts.datasets import AGREEMENT_SELECTION, plot_class_counts, plot_label_agreement
from emotion.charts.export import export_chart
from emotion.datasets import rejections, tables
from emotion.datasets.augmentation import Augmentation, augment
from emotion.datasets.catalog import DatasetInfo
from emotion.datasets.dataset import SPLITS, Dataset
from emotion.datasets.label_sets import count_labels
from emotion.datasets.metadata import read_metadata
from emotion.datasets.rejections import REJECTED_COLUMNS
from emotion.datasets.tables import MAJORITY_LABELS, DuplicateGroup
from emotion.expressions import FER2013_LABELS, symbol_and_name
from emotion.formatting import format_percent
from emotion.media.image_reader import encode_png, read_image
from emotion.recognition.anonymizer import pixelate_all
from emotion.results import tables as results_tables
from emotion.ui import components, messages, session
from emotion.ui.datasets import selection

_MAX_FACES: Final = 60  # faces
_MAX_CELL_FACES: Final = 36
_GROUPS_PER_PAGE: Final = 8  # of near-duplicates on a page
_FACES_PER_GROUP: Final = 4  # of a group, side by side
_MAX_REJECTED: Final = 24  # on a page
_ALL: Final = "All"
# Words, end and step of each change to the faces.
_COMMON_AUGMENTATIONS: Final = {
    "shift": ("Shift, of the side", 0.3, 0.01),
    "rotation": ("Turn, degrees", 45.0, 1.0),
    "brightness": ("Brightness, grey levels", 80.0, 5.0),
    "contrast": ("Contrast", 0.8, 0.05),
    "gamma": ("Gamma", 0.8, 0.05),
    "erase_prob": ("One box erased, chance", 1.0, 0.05),
}
_DEGRADATIONS: Final = {
    "blur_prob": ("Blur, chance", 1.0, 0.02),
    "noise_prob": ("Noise, chance", 1.0, 0.02),
    "jpeg_prob": ("JPEG, chance", 1.0, 0.02),
    "low_resolution_prob": ("Low resolution, chance", 1.0, 0.02),
}

state = st.session_state


def show_counts(dataset_info: DatasetInfo, dataset: Dataset) -> None:
    """How many faces of each label, in each split."""
    numbers = count_labels(dataset)
    totals = numbers.sum(axis=1)
    said = ", ".join(f"{label} {total:,}" for label, total in zip(dataset.label_names, totals, strict=True))
    chart = plot_class_counts(tables.counts_table(dataset))
    components.show_chart(chart, key="data_counts", alt_text=f"Faces by label: {said}")
    least = max(1, totals.min())
    if totals.max() > 5 * least:
        st.caption(
            f"The largest label has {totals.max() / least:.0f} times as many faces as the smallest: a network "
            "will take the small ones for the large ones."
        )
    empty = [f"{dataset.label_names[i]} ({SPLITS[j]})" for i, j in np.argwhere(numbers == 0)]
    if empty:
        st.caption(
            messages.escape_markdown(
                f"Without a face: {', '.join(empty)}. What is not there cannot be learned or tested."
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
        with st.expander("What was left out", icon=":material/broken_image:"):
            more = [f"and {len(dataset.notes) - 50:,} more."] if len(dataset.notes) > 50 else []
            st.markdown("\n".join(f"- {messages.escape_markdown(note)}" for note in [*dataset.notes[:50], *more]))


def show_faces(dataset_info: DatasetInfo, dataset: Dataset) -> None:
    """A sheet of faces, by label and split, another one at a click."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label = _choose_label(dataset, "data_faces_label")
        split = st.selectbox("Split", [_ALL, *SPLITS], key="data_faces_split", width=180)
        seed = state.setdefault("data_faces_seed", 0)
        _show_shuffle_button("data_faces_seed")
    chosen = (split == _ALL) | (dataset.split == max(0, [_ALL, *SPLITS].index(split) - 1))
    chosen = chosen & ((label == _ALL) | (dataset.labels == _find_label_index(dataset, label)))
    rows = np.flatnonzero(chosen)
    if not len(rows):
        st.info("No face has this label in this split.", icon=":material/grid_off:")
        return
    rows = np.sort(np.random.default_rng(seed).permutation(rows)[:_MAX_FACES])
    shown = selection.make_face_grid(dataset.images[rows], 12)
    words = "faces" if label == _ALL else f"faces that are {label}"
    st.image(shown, f"{len(rows)} of {int(chosen.sum()):,}", width="stretch", alt=f"{len(rows)} {words}")
    with st.container(horizontal=True):
        selection.show_download(
            "Sheet (PNG)", lambda: encode_png(shown), f"{selection.get_file_stem(dataset_info)}-faces.png", "faces"
        )
        table = tables.rows_table(dataset, rows)
        selection.show_download(
            "Rows (CSV)",
            lambda: results_tables.to_csv(table),
            f"{selection.get_file_stem(dataset_info)}-faces.csv",
            "rows",
        )


def _show_shuffle_button(key: str) -> None:
    """A button for other faces: another seed."""

    def count_up() -> None:
        state[key] += 1

    st.button("Others", icon=":material/shuffle:", key=f"{key}_up", on_click=count_up)


def _choose_label(dataset: Dataset, key: str) -> str:
    label = st.selectbox("Label", [_ALL, *dataset.label_names], key=key, width=180, format_func=_format_label)
    return label if label in dataset.label_names else _ALL


def _format_label(label: str) -> str:
    return label if label == _ALL else symbol_and_name(label)


def _find_label_index(dataset: Dataset, label: str) -> int:
    return dataset.label_names.index(label) if label in dataset.label_names else -1


def show_augmentations(faces: NDArray[np.uint8], file_stem: str) -> None:
    """Some faces as a training changes them, with the real function; grey uint8 (n, s, s)."""
    st.write(
        "While a network learns, every face comes a little different in each epoch, so that it cannot learn them by "
        "heart. The first column is as it is."
    )
    left, right = st.columns([2, 1], gap="large")
    with right:
        amount = _choose_augmentation()
        mirrored = st.toggle("Mirrored, every second one", True, key="data_changes_flip")
        seed = state.setdefault("data_changes_seed", 0)
        _show_shuffle_button("data_changes_seed")
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(faces))[:5]
    size, columns = faces.shape[1], 8
    sheet = []
    for row in rows:
        copies = np.repeat(faces[row][None], columns - 1, axis=0)
        flip = np.arange(columns - 1) % 2 == 1 if mirrored else np.zeros(columns - 1, bool)
        sheet += [faces[row], *augment(copies, size, flip, amount, rng)]
    shown = selection.make_face_grid(np.stack(sheet), columns, 3)
    with left:
        st.image(shown, width="stretch", alt="Each row is one face, and seven ways in which it is changed")
        selection.show_download("Sheet (PNG)", lambda: encode_png(shown), f"{file_stem}-changes.png", "changes")


def _choose_augmentation() -> Augmentation:
    usual = Augmentation()
    common = {
        name: _choose_strength(name, *words, getattr(usual, name)) for name, words in _COMMON_AUGMENTATIONS.items()
    }
    least, most = st.slider(
        "Size, smallest and largest", 0.5, 2.0, (usual.min_scale, usual.max_scale), 0.05, key="data_change_scale"
    )
    with st.expander("What webcams do"):
        rare = {name: _choose_strength(name, *words, getattr(usual, name)) for name, words in _DEGRADATIONS.items()}
    return replace(usual, min_scale=least, max_scale=most, **common, **rare)


def _choose_strength(name: str, label: str, max_value: float, step: float, default: float) -> float:
    return st.slider(label, 0.0, max_value, default, step, key=f"data_change_{name}")


def show_duplicates(dataset_info: DatasetInfo, dataset: Dataset) -> None:
    """Faces that are there more than once, those across splits first, side by side."""
    found = selection.get_duplicate_groups(dataset_info, dataset)
    seen = selection.get_duplicate_counts(dataset_info, dataset)["test_rows_in_train"]

    def format_count(groups: list[DuplicateGroup]) -> str:
        return f"{sum(len(group.rows) for group in groups):,}"

    with st.container(horizontal=True):
        st.metric(
            "Faces in several splits",
            format_count([one for one in found if one.spans_splits]),
            border=True,
            help="What is learned and tested with the same photo makes a test too good.",
        )
        st.metric(
            "Faces there again",
            format_count(found),
            border=True,
            help="Saved anew, smaller, brighter or mirrored; blank pictures do not count.",
        )
        st.metric("With several labels", format_count([one for one in found if one.has_label_conflict]), border=True)
        st.metric(
            "Test in training", f"{seen:,}", border=True, help="Test faces whose very pixels are in training, too."
        )
    if not found:
        st.success("No face is there twice.", icon=":material/check:")
        return
    pages = -(-len(found) // _GROUPS_PER_PAGE)
    page = st.pagination(pages, key="data_duplicates_page") if pages > 1 else 1
    columns = st.columns(4, gap="medium")
    for place, one in enumerate(found[(page - 1) * _GROUPS_PER_PAGE : page * _GROUPS_PER_PAGE]):
        with columns[place % 4]:
            _show_duplicate_group(dataset, one)
    table = tables.duplicates_table(dataset, found)
    selection.show_download(
        "All of them (CSV)",
        lambda: results_tables.to_csv(table),
        f"{selection.get_file_stem(dataset_info)}-duplicates.csv",
        "duplicates",
    )


def _show_duplicate_group(dataset: Dataset, group: DuplicateGroup) -> None:
    rows = group.rows[:_FACES_PER_GROUP]
    lines = [
        f"{SPLITS[dataset.split[i]]} · {symbol_and_name(dataset.label_names[dataset.labels[i]])} · row {i}"
        for i in rows
    ]
    lines += [f"and {len(group.rows) - _FACES_PER_GROUP} more"] if len(group.rows) > _FACES_PER_GROUP else []
    st.image(
        selection.make_face_grid(dataset.images[[*rows]], _FACES_PER_GROUP, 2),
        width="content",
        alt=f"The same face: {'; '.join(lines)}",
    )
    st.caption("  \n".join(messages.escape_markdown(line) for line in lines))


def show_agreement(dataset_info: DatasetInfo, dataset: Dataset) -> None:
    """What FER-2013 says beside what most of the people of FER+ say, and the faces of any cell."""
    if dataset.votes is None:
        st.info(
            "This data set has no FER+ votes. FER+ asked ten people for each face of FER-2013; with its votes this "
            "page shows where the two disagree.",
            icon=":material/how_to_vote:",
        )
        return
    same, decided = tables.count_agreements(dataset)
    st.write(
        f"Of {len(dataset):,} faces, {decided:,} have a FER+ label on which more than half of ten people agree; "
        f"{format_percent(same / max(1, decided))} of these have the same label in FER-2013."
    )
    table = tables.agreement_table(dataset)
    heat = plot_label_agreement(table, dark=st.context.theme.type == "dark")
    components.show_chart(
        heat,
        key="data_agreement",
        alt_text=f"{same:,} of {decided:,} faces have the same label in both",
        on_select=_on_cell_click,
    )
    st.caption("A click in a cell shows its faces.")
    with st.container(horizontal=True):
        selection.show_download(
            "Table (CSV)",
            lambda: results_tables.to_csv(table),
            f"{selection.get_file_stem(dataset_info)}-agreement.csv",
            "agreement",
        )
        on_white = plot_label_agreement(table)
        selection.show_download(
            "Chart (PNG)",
            lambda: export_chart(on_white, "png"),
            f"{selection.get_file_stem(dataset_info)}-agreement.png",
            "agreement_chart",
        )
    row, column = tables.find_largest_disagreement(dataset)
    with st.container(horizontal=True):
        label = st.selectbox(
            "FER-2013 says",
            range(len(dataset.label_names)),
            row,
            key="data_agreement_label",
            width=220,
            format_func=lambda i: symbol_and_name(dataset.label_names[i]),
        )
        majority = st.selectbox(
            "FER+ says",
            range(len(MAJORITY_LABELS)),
            column,
            key="data_agreement_majority",
            width=220,
            format_func=_format_majority,
        )
    rows = tables.find_agreement_rows(dataset, label, majority)
    if not len(rows):
        st.caption("No face is called so by both.")
        return
    shown = selection.make_face_grid(dataset.images[rows[:_MAX_CELL_FACES]], 12)
    words = f"{dataset.label_names[label]}-{MAJORITY_LABELS[majority]}"
    st.image(shown, f"{min(len(rows), _MAX_CELL_FACES)} of {len(rows):,}", width="stretch", alt=f"Faces: {words}")
    selection.show_download(
        "Sheet (PNG)",
        lambda: encode_png(shown),
        f"{selection.get_file_stem(dataset_info)}-{words}.png",
        "agreement_sheet",
    )


def _on_cell_click() -> None:
    """After a click in the matrix; a browser may say anything."""
    try:
        cell = state["data_agreement"]["selection"][AGREEMENT_SELECTION][0]
        row, column = int(cell["row"]), int(cell["column"])
    except (KeyError, IndexError, TypeError, ValueError):
        return
    if 0 <= row < len(FER2013_LABELS) and 0 <= column < len(MAJORITY_LABELS):
        state.update(data_agreement_label=row, data_agreement_majority=column)


def _format_majority(index: int) -> str:
    return symbol_and_name(MAJORITY_LABELS[index]) if index < len(MAJORITY_LABELS) - 1 else MAJORITY_LABELS[index]


def show_blank_images(dataset_info: DatasetInfo, dataset: Dataset) -> None:
    """Pictures of a single grey, which teach nothing."""
    rows = tables.find_blank_rows(dataset)
    if not len(rows):
        st.success("No picture is blank.", icon=":material/check:")
        return
    st.write(f"{len(rows):,} of {len(dataset):,} pictures are of a single grey: nothing can be learned from them.")
    st.image(
        selection.make_face_grid(dataset.images[rows[:_MAX_FACES]], 12, 1), width="content", alt="The blank pictures"
    )
    table = tables.rows_table(dataset, rows)
    st.dataframe(table, hide_index=True, key="data_blank")
    selection.show_download(
        "Table (CSV)",
        lambda: results_tables.to_csv(table),
        f"{selection.get_file_stem(dataset_info)}-blank.csv",
        "blank",
    )


def show_rejected(dataset_info: DatasetInfo) -> None:
    """What the preparation left out and why, with pictures."""
    photos, found = (
        (read_metadata(dataset_info.path) or {}).get("photos", 0),
        rejections.read_rejected(dataset_info.path),
    )
    if not found:
        st.success("No photo was left out.", icon=":material/check:")
        return
    counts = Counter(one.reason for one in found)
    st.write(f"{len(found):,} of {photos:,} photos gave no face for this data set.")
    reason = st.pills(
        "Why",
        [_ALL, *counts],
        default=_ALL,
        required=True,
        key="data_left_out",
        label_visibility="collapsed",
        format_func=lambda word: f"{word} {counts[word] if word in counts else len(found):,}",
    )
    some = [one for one in found if reason in (None, _ALL, one.reason)]
    columns = st.columns(4, gap="medium")
    for place, one in enumerate(some[:_MAX_REJECTED]):
        with columns[place % 4], st.container(border=True):
            image = _load_thumbnail(dataset_info.path, one.thumbnail)
            if image is not None:
                st.image(image, width=180, alt=f"Left out: {one.reason}")
            st.caption(
                f"**{messages.escape_markdown(one.reason)}** · {messages.escape_markdown(one.name)}  \n"
                f"{messages.escape_markdown(one.message)}"
            )
    if len(some) > _MAX_REJECTED:
        st.caption(f"The first {_MAX_REJECTED} of {len(some):,}; the table has them all.")
    table = pd.DataFrame(found, columns=[*REJECTED_COLUMNS])
    selection.show_download(
        "Table (CSV)",
        lambda: results_tables.to_csv(table),
        f"{selection.get_file_stem(dataset_info)}-rejected.csv",
        "left_out",
    )


def _load_thumbnail(folder: Path, name: str) -> NDArray[np.uint8] | None:
    """A picture of what was left out, as it may be shown; a list that was changed by hand may name anything."""
    path = folder / name
    if not name or path.resolve().parent.parent != folder.resolve() or not path.is_file():
        return None
    image = read_image(path)
    return pixelate_all(image) if session.get_settings().anonymize else image
