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

from emotion.charts.datasets import AGREEMENT_CLICK, agreement_heat, class_counts
from emotion.charts.export import chart_file
from emotion.datasets import tables
from emotion.datasets.augmentation import Augmentation, augment
from emotion.datasets.build_jobs import read_prepared
from emotion.datasets.builder import LEFT_OUT
from emotion.datasets.catalog import Entry
from emotion.datasets.dataset import Dataset
from emotion.datasets.tables import MAJORITIES, SPLIT_WORDS, Twins
from emotion.expressions import FER2013_LABELS, named
from emotion.formatting import percent
from emotion.media.image_reader import encode_png, read_image
from emotion.recognition.anonymizer import hidden
from emotion.results import tables as results_tables
from emotion.ui import components, messages, session
from emotion.ui.datasets import selection

_SHEET: Final = 60  # faces
_CELL_FACES: Final = 36
_GROUPS: Final = 8  # of near-duplicates on a page
_TWINS: Final = 4  # of a group, side by side
_LEFT_OUT: Final = 24  # on a page
_ALL: Final = "All"
# Words, end and step of each change to the faces.
_COMMON: Final = {
    "shift": ("Shift, of the side", 0.3, 0.01), "rotation": ("Turn, degrees", 45.0, 1.0),
    "brightness": ("Brightness, grey levels", 80.0, 5.0), "contrast": ("Contrast", 0.8, 0.05),
    "gamma": ("Gamma", 0.8, 0.05), "p_erase": ("One box erased, chance", 1.0, 0.05),
}  # fmt: skip
_RARE: Final = {
    "p_blur": ("Blur, chance", 1.0, 0.02), "p_noise": ("Noise, chance", 1.0, 0.02),
    "p_jpeg": ("JPEG, chance", 1.0, 0.02), "p_low_resolution": ("Low resolution, chance", 1.0, 0.02),
}  # fmt: skip

state = st.session_state


def show_counts(entry: Entry, data: Dataset) -> None:
    """How many faces of each label, in each split."""
    numbers = tables.counts(data)
    totals = numbers.sum(axis=1)
    said = ", ".join(f"{label} {total:,}" for label, total in zip(data.label_names, totals, strict=True))
    chart = class_counts(tables.counts_table(data))
    components.chart(chart, key="data_counts", alt_text=f"Faces by label: {said}")
    least = max(1, totals.min())
    if totals.max() > 5 * least:
        st.caption(
            f"The largest label has {totals.max() / least:.0f} times as many faces as the smallest: a network "
            "will take the small ones for the large ones."
        )
    empty = [f"{data.label_names[i]} ({SPLIT_WORDS[j]})" for i, j in np.argwhere(numbers == 0)]
    if empty:
        st.caption(
            messages.plain(f"Without a face: {', '.join(empty)}. What is not there cannot be learned or tested.")
        )
    table = tables.counts_by_label(data)
    st.dataframe(table, hide_index=True, key="data_counts_table")
    with st.container(horizontal=True):
        selection.save(
            "Table (CSV)", lambda: results_tables.to_csv(table), f"{selection.stem(entry)}-counts.csv", "counts"
        )
        selection.save(
            "Chart (PNG)", lambda: chart_file(chart, "png"), f"{selection.stem(entry)}-counts.png", "counts_chart"
        )
    if data.notes:
        with st.expander("What was left out", icon=":material/broken_image:"):
            more = [f"and {len(data.notes) - 50:,} more."] if len(data.notes) > 50 else []
            st.markdown("\n".join(f"- {messages.plain(note)}" for note in [*data.notes[:50], *more]))


def show_faces(entry: Entry, data: Dataset) -> None:
    """A sheet of faces, by label and split, another one at a click."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label = _choose_label(data, "data_faces_label")
        split = st.selectbox("Split", [_ALL, *SPLIT_WORDS], key="data_faces_split", width=180)
        seed = state.setdefault("data_faces_seed", 0)
        _others("data_faces_seed")
    chosen = (split == _ALL) | (data.split == max(0, [_ALL, *SPLIT_WORDS].index(split) - 1))
    chosen = chosen & ((label == _ALL) | (data.labels == _index(data, label)))
    rows = np.flatnonzero(chosen)
    if not len(rows):
        st.info("No face has this label in this split.", icon=":material/grid_off:")
        return
    rows = np.sort(np.random.default_rng(seed).permutation(rows)[:_SHEET])
    shown = selection.picture(data.images[rows], 12)
    words = "faces" if label == _ALL else f"faces that are {label}"
    st.image(shown, f"{len(rows)} of {int(chosen.sum()):,}", width="stretch", alt=f"{len(rows)} {words}")
    with st.container(horizontal=True):
        selection.save("Sheet (PNG)", lambda: encode_png(shown), f"{selection.stem(entry)}-faces.png", "faces")
        table = tables.rows_table(data, rows)
        selection.save("Rows (CSV)", lambda: results_tables.to_csv(table), f"{selection.stem(entry)}-faces.csv", "rows")


def _others(key: str) -> None:
    """A button for other faces: another seed."""

    def count_up() -> None:
        state[key] += 1

    st.button("Others", icon=":material/shuffle:", key=f"{key}_up", on_click=count_up)


def _choose_label(data: Dataset, key: str) -> str:
    label = st.selectbox("Label", [_ALL, *data.label_names], key=key, width=180, format_func=_named)
    return label if label in data.label_names else _ALL


def _named(label: str) -> str:
    return label if label == _ALL else named(label)


def _index(data: Dataset, label: str) -> int:
    return data.label_names.index(label) if label in data.label_names else -1


def show_changes(faces: NDArray[np.uint8], stem: str) -> None:
    """Some faces as a training changes them, with the real function; grey uint8 (n, s, s)."""
    st.write(
        "While a network learns, every face comes a little different in each epoch, so that it cannot learn them by "
        "heart. The first column is as it is."
    )
    left, right = st.columns([2, 1], gap="large")
    with right:
        amount = _choose_amount()
        mirrored = st.toggle("Mirrored, every second one", True, key="data_changes_flip")
        seed = state.setdefault("data_changes_seed", 0)
        _others("data_changes_seed")
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(faces))[:5]
    size, columns = faces.shape[1], 8
    sheet = []
    for row in rows:
        copies = np.repeat(faces[row][None], columns - 1, axis=0)
        flip = np.arange(columns - 1) % 2 == 1 if mirrored else np.zeros(columns - 1, bool)
        sheet += [faces[row], *augment(copies, size, flip, amount, rng)]
    shown = selection.picture(np.stack(sheet), columns, 3)
    with left:
        st.image(shown, width="stretch", alt="Each row is one face, and seven ways in which it is changed")
        selection.save("Sheet (PNG)", lambda: encode_png(shown), f"{stem}-changes.png", "changes")


def _choose_amount() -> Augmentation:
    usual = Augmentation()
    common = {name: _slider(name, *words, getattr(usual, name)) for name, words in _COMMON.items()}
    least, most = st.slider(
        "Size, smallest and largest", 0.5, 2.0, (usual.least_scale, usual.most_scale), 0.05, key="data_change_scale"
    )
    with st.expander("What webcams do"):
        rare = {name: _slider(name, *words, getattr(usual, name)) for name, words in _RARE.items()}
    return replace(usual, least_scale=least, most_scale=most, **common, **rare)


def _slider(name: str, words: str, most: float, step: float, usual: float) -> float:
    return st.slider(words, 0.0, most, usual, step, key=f"data_change_{name}")


def show_duplicates(entry: Entry, data: Dataset) -> None:
    """Faces that are there more than once, those across splits first, side by side."""
    found = selection.twins(entry, data)
    seen = selection.duplicate_counts(entry, data)["private_rows_in_training"]

    def many(some: list[Twins]) -> str:
        return f"{sum(len(one.rows) for one in some):,}"

    with st.container(horizontal=True):
        st.metric("Faces in several splits", many([one for one in found if one.across]), border=True,
                  help="What is learned and tested with the same photo makes a test too good.")  # fmt: skip
        st.metric("Faces there again", many(found), border=True,
                  help="Saved anew, smaller, brighter or mirrored; blank pictures do not count.")  # fmt: skip
        st.metric("With several labels", many([one for one in found if one.torn]), border=True)
        st.metric("Test in training", f"{seen:,}", border=True,
                  help="Test faces whose very pixels are in training, too.")  # fmt: skip
    if not found:
        st.success("No face is there twice.", icon=":material/check:")
        return
    pages = -(-len(found) // _GROUPS)
    page = st.pagination(pages, key="data_duplicates_page") if pages > 1 else 1
    columns = st.columns(4, gap="medium")
    for place, one in enumerate(found[(page - 1) * _GROUPS : page * _GROUPS]):
        with columns[place % 4]:
            _show_twins(data, one)
    table = tables.twins_table(data, found)
    selection.save(
        "All of them (CSV)",
        lambda: results_tables.to_csv(table),
        f"{selection.stem(entry)}-duplicates.csv",
        "duplicates",
    )


def _show_twins(data: Dataset, one: Twins) -> None:
    rows = one.rows[:_TWINS]
    lines = [f"{SPLIT_WORDS[data.split[i]]} · {named(data.label_names[data.labels[i]])} · row {i}" for i in rows]
    lines += [f"and {len(one.rows) - _TWINS} more"] if len(one.rows) > _TWINS else []
    st.image(
        selection.picture(data.images[[*rows]], _TWINS, 2), width="content", alt=f"The same face: {'; '.join(lines)}"
    )
    st.caption("  \n".join(messages.plain(line) for line in lines))


def show_agreement(entry: Entry, data: Dataset) -> None:
    """What FER-2013 says beside what most of the people of FER+ say, and the faces of any cell."""
    if data.votes is None:
        st.info(
            "This data set has no FER+ votes. FER+ asked ten people for each face of FER-2013; with its votes this "
            "page shows where the two disagree.", icon=":material/how_to_vote:",
        )  # fmt: skip
        return
    same, decided = tables.same_label(data)
    st.write(
        f"Of {len(data):,} faces, {decided:,} have a FER+ label on which more than half of ten people agree; "
        f"{percent(same / max(1, decided))} of these have the same label in FER-2013."
    )
    table = tables.agreement_table(data)
    heat = agreement_heat(table, dark=st.context.theme.type == "dark")
    components.chart(
        heat, key="data_agreement", alt_text=f"{same:,} of {decided:,} faces have the same label in both",
        choose=_choose_cell,
    )  # fmt: skip
    st.caption("A click in a cell shows its faces.")
    with st.container(horizontal=True):
        selection.save(
            "Table (CSV)", lambda: results_tables.to_csv(table), f"{selection.stem(entry)}-agreement.csv", "agreement"
        )
        on_white = agreement_heat(table)
        selection.save(
            "Chart (PNG)",
            lambda: chart_file(on_white, "png"),
            f"{selection.stem(entry)}-agreement.png",
            "agreement_chart",
        )
    row, column = tables.largest_disagreement(data)
    with st.container(horizontal=True):
        label = st.selectbox("FER-2013 says", range(len(data.label_names)), row, key="data_agreement_label", width=220,
                             format_func=lambda i: named(data.label_names[i]))  # fmt: skip
        majority = st.selectbox("FER+ says", range(len(MAJORITIES)), column, key="data_agreement_majority", width=220,
                                format_func=_majority)  # fmt: skip
    rows = tables.agreement_rows(data, label, majority)
    if not len(rows):
        st.caption("No face is called so by both.")
        return
    shown = selection.picture(data.images[rows[:_CELL_FACES]], 12)
    words = f"{data.label_names[label]}-{MAJORITIES[majority]}"
    st.image(shown, f"{min(len(rows), _CELL_FACES)} of {len(rows):,}", width="stretch", alt=f"Faces: {words}")
    selection.save("Sheet (PNG)", lambda: encode_png(shown), f"{selection.stem(entry)}-{words}.png", "agreement_sheet")


def _choose_cell() -> None:
    """After a click in the matrix; a browser may say anything."""
    try:
        cell = state["data_agreement"]["selection"][AGREEMENT_CLICK][0]
        row, column = int(cell["row"]), int(cell["column"])
    except (KeyError, IndexError, TypeError, ValueError):
        return
    if 0 <= row < len(FER2013_LABELS) and 0 <= column < len(MAJORITIES):
        state.update(data_agreement_label=row, data_agreement_majority=column)


def _majority(place: int) -> str:
    return named(MAJORITIES[place]) if place < len(MAJORITIES) - 1 else MAJORITIES[place]


def show_blank(entry: Entry, data: Dataset) -> None:
    """Pictures of a single grey, which teach nothing."""
    rows = tables.blank_rows(data)
    if not len(rows):
        st.success("No picture is blank.", icon=":material/check:")
        return
    st.write(f"{len(rows):,} of {len(data):,} pictures are of a single grey: nothing can be learned from them.")
    st.image(selection.picture(data.images[rows[:_SHEET]], 12, 1), width="content", alt="The blank pictures")
    table = tables.rows_table(data, rows)
    st.dataframe(table, hide_index=True, key="data_blank")
    selection.save("Table (CSV)", lambda: results_tables.to_csv(table), f"{selection.stem(entry)}-blank.csv", "blank")


def show_left_out(entry: Entry) -> None:
    """What the preparation left out and why, with pictures."""
    photos, found = (read_prepared(entry.path) or {}).get("photos", 0), tables.left_out(entry.path)
    if not found:
        st.success("No photo was left out.", icon=":material/check:")
        return
    counts = Counter(one.reason for one in found)
    st.write(f"{len(found):,} of {photos:,} photos gave no face for this data set.")
    reason = st.pills(
        "Why", [_ALL, *counts], default=_ALL, required=True, key="data_left_out", label_visibility="collapsed",
        format_func=lambda word: f"{word} {counts[word] if word in counts else len(found):,}",
    )  # fmt: skip
    some = [one for one in found if reason in (None, _ALL, one.reason)]
    columns = st.columns(4, gap="medium")
    for place, one in enumerate(some[:_LEFT_OUT]):
        with columns[place % 4], st.container(border=True):
            image = _small_picture(entry.path, one.picture)
            if image is not None:
                st.image(image, width=180, alt=f"Left out: {one.reason}")
            st.caption(
                f"**{messages.plain(one.reason)}** · {messages.plain(one.name)}  \n{messages.plain(one.sentence)}"
            )
    if len(some) > _LEFT_OUT:
        st.caption(f"The first {_LEFT_OUT} of {len(some):,}; the table has them all.")
    table = pd.DataFrame(found, columns=[*LEFT_OUT])
    selection.save(
        "Table (CSV)", lambda: results_tables.to_csv(table), f"{selection.stem(entry)}-left-out.csv", "left_out"
    )


def _small_picture(folder: Path, name: str) -> NDArray[np.uint8] | None:
    """A picture of what was left out, as it may be shown; a list that was changed by hand may name anything."""
    path = folder / name
    if not name or path.resolve().parent.parent != folder.resolve() or not path.is_file():
        return None
    image = read_image(path)
    return hidden(image) if session.choice().blur else image
