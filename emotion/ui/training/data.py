"""The part of the Training form that chooses the data set and its labels, and says what cannot be learned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import streamlit as st

from emotion.datasets.catalog import DatasetInfo, get_dataset_info, list_datasets
from emotion.datasets.label_sets import LABEL_SETS, LabelSet, default_label_set, native_label_set
from emotion.errors import DataError, EmotionError
from emotion.expressions import symbol_and_name
from emotion.training.classifier.zoo import ArchitectureInfo
from emotion.training.preflight import check_dataset
from emotion.ui import messages

CUSTOM_PATH: Final = "Another place"

state = st.session_state


def choose_dataset(architecture: ArchitectureInfo, errors: list[str]) -> tuple[str, str, str, DatasetInfo | None]:
    """Choose the data set, its votes and the labels: path, path of the votes or "", name of the label set, and what is
    known of the data set. What cannot be learned is shown beside the setting that causes it, and added to `errors`.
    """
    path, votes, entry = _choose_dataset_path(errors)
    key, of = f"train_label_set_{architecture.name}", f"train_label_set_of_{architecture.name}"
    names = _list_label_sets(architecture, entry)
    if state.get(key) not in names or state.get(of) != path:  # another data set begins with its own labels
        state.pop(key, None)
    state[of] = path
    first = default_label_set(architecture.label_set, entry.labels) if entry else architecture.label_set
    labels = st.selectbox(
        "Labels",
        names,
        key=key,
        format_func=lambda name: LABEL_SETS[name].title,
        index=0 if key in state else names.index(first),
    )
    st.caption(format_label_mapping(LABEL_SETS[labels], entry))
    if entry:
        with collect_errors(errors):
            check_dataset(entry, architecture, LABEL_SETS[labels], has_votes=bool(votes))
    return path, votes, labels, entry


def _choose_dataset_path(errors: list[str]) -> tuple[str, str, DatasetInfo | None]:
    """Path, path of the votes or "", and what is known of the data set."""
    found = {str(entry.path): entry for entry in list_datasets().datasets}
    options = [*found, CUSTOM_PATH]
    if state.get("train_data") not in options:
        state.pop("train_data", None)
    largest = max(found.values(), key=lambda entry: entry.num_faces, default=None)
    chosen = st.selectbox(
        "Data set",
        options,
        key="train_data",
        index=options.index(str(largest.path) if largest else CUSTOM_PATH),
        format_func=lambda path: f"{found[path].name} ({found[path].num_faces:,} faces)" if path in found else path,
    )
    if chosen != CUSTOM_PATH:
        return chosen, "", found[chosen]
    path = st.text_input(
        "Path on this machine",
        key="train_path",
        placeholder="fer2013.csv, an .npz, or a folder train/happy/…",
        help="FER-2013 is not part of this program. A set of your own photos can be made on the Data page.",
    ).strip()
    entry = None
    if path:
        with collect_errors(errors), st.spinner("Looking into it"):
            entry = get_dataset_info(Path(path))
    votes = st.text_input("FER+ votes (fer2013new.csv), where they lie apart", key="train_ferplus_csv").strip()
    if votes:
        with collect_errors(errors):
            if not Path(votes).is_file():
                raise DataError(f"There is no {votes}; give fer2013new.csv of FER+.")
    return path, votes, entry


@contextmanager
def collect_errors(errors: list[str]) -> Iterator[None]:
    """Show an `EmotionError` where it is raised, and add it to `errors`."""
    try:
        yield
    except EmotionError as error:
        errors.append(str(error))
        st.error(messages.escape_markdown(str(error)), icon=":material/error:")


def _list_label_sets(architecture: ArchitectureInfo, dataset_info: DatasetInfo | None) -> list[str]:
    """The names of those that can be chosen; the project's own classifier always learns all labels of a data set."""
    return (
        [native_label_set(dataset_info.labels)]
        if architecture.is_native and dataset_info
        else list(architecture.label_sets)
    )


def format_label_mapping(label_set: LabelSet, dataset_info: DatasetInfo | None) -> str:
    """Which labels of a data set become which, and which are left out, as Markdown."""
    if label_set.is_vote_based:
        return messages.escape_markdown(f"{label_set.description[:1].upper()}{label_set.description[1:]}.")
    there = list(dataset_info.labels) if dataset_info else list(label_set.mapping)
    mapping = label_set.mapping or {name: name for name in there}
    kept = [(name, mapping.get(name)) for name in there if mapping.get(name)]
    out = [name for name in there if not mapping.get(name)]
    words = ", ".join(
        f"{symbol_and_name(str(new))}" if new == old else f"{old} → {symbol_and_name(str(new))}" for old, new in kept
    )
    said = f"It learns {words}." if words else "It learns whatever labels the data set has."
    return messages.escape_markdown(said + (f" Left out: {', '.join(out)}." if out else ""))
