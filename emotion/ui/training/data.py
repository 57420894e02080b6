"""The part of the Training form that chooses the data set and its labels, and shows what cannot be learned."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import streamlit as st

from emotion.datasets.catalog import DatasetInfo, get_dataset_info, list_datasets
from emotion.datasets.label_sets import LABEL_SETS, LabelSet, default_label_set, native_label_set
from emotion.errors import DataError, EmotionError
from emotion.expressions import symbol_and_name, translate_label
from emotion.formatting import format_list
from emotion.training.classifier.networks.zoo import ArchitectureInfo
from emotion.training.preflight import check_dataset
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop, ngettext
from emotion.ui import messages

CUSTOM_PATH: Final = gettext_noop("Another path")

state = st.session_state


class DatasetSource(NamedTuple):
    """A data set that is chosen, before its labels are."""

    path: str
    ferplus_csv: str
    info: DatasetInfo | None


@dataclass(frozen=True)
class DatasetChoice:
    """What a training learns from; the fields are those of `TrainingPlan`, and what is known of the data set."""

    path: str
    ferplus_csv: str  # "" where the data set has the FER+ votes itself, or none
    label_set: str
    info: DatasetInfo | None  # None where the path cannot be read


def choose_labels(source: DatasetSource, architecture: ArchitectureInfo, errors: list[str]) -> DatasetChoice:
    """Choose the labels that are learned.

    Args:
        source: The data set.
        architecture: The network that learns.
        errors: As in `choose_source`.
    """
    path, ferplus_csv, info = source
    key, path_key = f"train_label_set_{architecture.name}", f"train_label_set_of_{architecture.name}"
    names = _list_label_sets(architecture, info)
    if state.get(key) not in names or state.get(path_key) != path:  # another data set starts with its own labels
        state.pop(key, None)
    state[path_key] = path
    default = default_label_set(architecture.label_set, info.labels) if info else architecture.label_set
    label_set = st.selectbox(
        _("Labels"),
        names,
        key=key,
        format_func=lambda name: _(LABEL_SETS[name].title),
        index=0 if key in state else names.index(default),
    )
    st.caption(format_label_mapping(LABEL_SETS[label_set], info))
    if info:
        with collect_errors(errors):
            check_dataset(info, architecture, LABEL_SETS[label_set], has_votes=bool(ferplus_csv))
    return DatasetChoice(path, ferplus_csv, label_set, info)


def choose_source(errors: list[str]) -> DatasetSource:
    """Choose the data set, and the file of its FER+ votes where it has none itself.

    Args:
        errors: Messages of settings that cannot be learned; each is also shown beside the setting that causes it.
    """
    datasets = {str(info.path): info for info in list_datasets().datasets}
    options = [*datasets, CUSTOM_PATH]
    if state.get("train_data") not in options:
        state.pop("train_data", None)
    largest = max(datasets.values(), key=lambda info: info.num_faces, default=None)
    selected = st.selectbox(
        _("Data set"),
        options,
        key="train_data",
        index=options.index(str(largest.path) if largest else CUSTOM_PATH),
        format_func=lambda path: _format_dataset(datasets[path]) if path in datasets else _(path),
    )
    if selected != CUSTOM_PATH:
        return DatasetSource(selected, "", datasets[selected])
    path = st.text_input(
        _("Path on this machine"),
        key="train_path",
        placeholder=_("fer2013.csv, an .npz or a folder train/happy/…"),
        help=_("FER-2013 is not part of this program. A set of your own photos can be made on the Data page."),
    ).strip()
    info = None
    if path:
        with collect_errors(errors), st.spinner(_("Looking into it")):
            info = get_dataset_info(Path(path))
    ferplus_csv = st.text_input(_("FER+ votes (fer2013new.csv), where they lie apart"), key="train_ferplus_csv").strip()
    if ferplus_csv:
        with collect_errors(errors):
            if not os.path.isfile(ferplus_csv):
                raise DataError(_("There is no {path}; give fer2013new.csv of FER+.").format(path=ferplus_csv))
    return DatasetSource(path, ferplus_csv, info)


def _format_dataset(info: DatasetInfo) -> str:
    """Format a data set: "fer2013 (35,887 faces)"."""
    text = ngettext("{name} ({count:,} face)", "{name} ({count:,} faces)", info.num_faces)
    return text.format(name=info.name, count=info.num_faces)


@contextmanager
def collect_errors(errors: list[str]) -> Iterator[None]:
    """Show an `EmotionError` where it is raised, and add it to `errors`."""
    try:
        yield
    except EmotionError as error:
        errors.append(str(error))
        st.error(messages.escape_markdown(str(error)), icon=":material/error:")


def _list_label_sets(architecture: ArchitectureInfo, info: DatasetInfo | None) -> list[str]:
    """List the names of the label sets to choose from; the native classifier always learns all labels of a data set."""
    return [native_label_set(info.labels)] if architecture.is_native and info else list(architecture.label_sets)


def format_label_mapping(label_set: LabelSet, info: DatasetInfo | None) -> str:
    """Format which labels of a data set become which, and which are left out, as Markdown."""
    if label_set.is_vote_based:
        return messages.escape_markdown(_(label_set.description))
    labels = list(info.labels) if info else list(label_set.mapping)
    mapping = label_set.mapping or {label: label for label in labels}
    kept = [(label, mapping.get(label)) for label in labels if mapping.get(label)]
    dropped = [label for label in labels if not mapping.get(label)]
    learned = format_list(
        symbol_and_name(str(new)) if new == old else f"{translate_label(old)} → {symbol_and_name(str(new))}"
        for old, new in kept
    )
    sentence = _("Labels: {labels}.").format(labels=learned) if learned else _("Labels: those of the data set.")
    excluded = _("Excluded: {labels}.").format(labels=format_list(map(translate_label, dropped))) if dropped else ""
    return messages.escape_markdown(" ".join(filter(None, [sentence, excluded])))
