"""The part of the Training form that chooses the data set and its labels, and says what cannot be learned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import streamlit as st

from emotion.datasets.catalog import Entry, entry_at, find_datasets
from emotion.datasets.label_sets import LABEL_SETS, LabelSet, default_labels, learned_whole
from emotion.errors import DataError, EmotionError
from emotion.expressions import named
from emotion.training.classifier.zoo import NetworkCard
from emotion.training.preflight import check_entry
from emotion.ui import messages

OTHER: Final = "Another place"

state = st.session_state


def on_what(card: NetworkCard, problems: list[str]) -> tuple[str, str, str, Entry | None]:
    """Choose the data set, its votes and the labels: path, path of the votes or "", name of the label set, and what is
    known of the data set. What cannot be learned is shown beside the setting that causes it, and added to `problems`.
    """
    path, votes, entry = _data_set(problems)
    key, of = f"train_labels_{card.name}", f"train_labels_of_{card.name}"
    names = _label_sets(card, entry)
    if state.get(key) not in names or state.get(of) != path:  # another data set begins with its own labels
        state.pop(key, None)
    state[of] = path
    first = default_labels(card.label_set, entry.labels) if entry else card.label_set
    labels = st.selectbox(
        "Labels",
        names,
        key=key,
        format_func=lambda name: LABEL_SETS[name].title,
        index=0 if key in state else names.index(first),
    )
    st.caption(mapping_sentence(LABEL_SETS[labels], entry))
    if entry:
        with told_in(problems):
            check_entry(entry, card, LABEL_SETS[labels], votes=bool(votes))
    return path, votes, labels, entry


def _data_set(problems: list[str]) -> tuple[str, str, Entry | None]:
    """Path, path of the votes or "", and what is known of the data set."""
    found = {str(entry.path): entry for entry in find_datasets()}
    options = [*found, OTHER]
    if state.get("train_data") not in options:
        state.pop("train_data", None)
    largest = max(found.values(), key=lambda entry: entry.rows, default=None)
    chosen = st.selectbox(
        "Data set", options, key="train_data", index=options.index(str(largest.path) if largest else OTHER),
        format_func=lambda path: f"{found[path].name} ({found[path].rows:,} faces)" if path in found else path,
    )  # fmt: skip
    if chosen != OTHER:
        return chosen, "", found[chosen]
    path = st.text_input(
        "Path on this machine", key="train_path", placeholder="fer2013.csv, an .npz, or a folder train/happy/…",
        help="FER-2013 is not part of this program. A set of your own photos can be made on the Data page.",
    ).strip()  # fmt: skip
    entry = None
    if path:
        with told_in(problems), st.spinner("Looking into it"):
            entry = entry_at(Path(path))
    votes = st.text_input("FER+ votes (fer2013new.csv), where they lie apart", key="train_votes").strip()
    if votes:
        with told_in(problems):
            if not Path(votes).is_file():
                raise DataError(f"There is no {votes}; give fer2013new.csv of FER+.")
    return path, votes, entry


@contextmanager
def told_in(problems: list[str]) -> Iterator[None]:
    """Show an `EmotionError` where it is raised, and add it to `problems`."""
    try:
        yield
    except EmotionError as error:
        problems.append(str(error))
        st.error(messages.plain(str(error)), icon=":material/error:")


def _label_sets(card: NetworkCard, entry: Entry | None) -> list[str]:
    """The names of those that can be chosen; the project's own recogniser always learns all labels of a data set."""
    return [learned_whole(entry.labels)] if card.own and entry else list(card.label_sets)


def mapping_sentence(chosen: LabelSet, entry: Entry | None) -> str:
    """Which labels of a data set become which, and which are left out, as Markdown."""
    if chosen.by_votes:
        return messages.plain(f"{chosen.origin[:1].upper()}{chosen.origin[1:]}.")
    there = list(entry.labels) if entry else list(chosen.mapping)
    mapping = chosen.mapping or {name: name for name in there}
    kept = [(name, mapping.get(name)) for name in there if mapping.get(name)]
    out = [name for name in there if not mapping.get(name)]
    words = ", ".join(f"{named(str(new))}" if new == old else f"{old} → {named(str(new))}" for old, new in kept)
    said = f"It learns {words}." if words else "It learns whatever labels the data set has."
    return messages.plain(said + (f" Left out: {', '.join(out)}." if out else ""))
