"""The classifiers that a page can offer, and what they are called."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import streamlit as st

from emotion.model_store import store
from emotion.model_store.store import ModelBundle

_HEAD_NAMES: Final = {"ferplus": "FER+", "fer2013": "FER-2013"}


@st.cache_data(max_entries=4, show_spinner=False)
def _list_classifiers(
    fingerprint: tuple[tuple[str, int], ...], _folders: tuple[Path, ...]
) -> tuple[list[ModelBundle], list[str]]:
    """Hashing the files of all models takes longer than the rest of a page; `fingerprint` tells when they changed."""
    return store.list_models("classifier", *_folders)


def list_classifiers() -> tuple[list[ModelBundle], list[str]]:
    """The usable classifiers, the one to use first, and a sentence for each refused model folder."""
    folders = store.get_model_folders()
    files = [path for folder in folders for path in folder.glob("*/*")]
    fingerprint = tuple(sorted((str(path), path.stat().st_mtime_ns) for path in files))
    return _list_classifiers(fingerprint, folders)


def get_test_accuracy(bundle: ModelBundle, head: str) -> float | None:
    """The share of right answers of a head on the test faces, 0 to 1, as its card says; None where it does not."""
    try:
        return float(bundle.card.metrics["test"][head]["accuracy"])
    except (KeyError, TypeError, ValueError):
        return None


def describe_head(bundle: ModelBundle, head: str) -> str:
    """An answer of a classifier in words: "8 expressions (FER+)"."""
    return f"{len(bundle.heads[head].labels)} expressions ({_HEAD_NAMES.get(head, head)})"
