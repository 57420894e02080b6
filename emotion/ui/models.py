"""The classifiers that a page can offer, and what they are called."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import streamlit as st

from emotion.model_store import store
from emotion.model_store.store import Bundle

_ANSWERS: Final = {"ferplus": "FER+", "fer2013": "FER-2013"}


@st.cache_data(max_entries=4, show_spinner=False)
def _recognisers(stamp: tuple[tuple[str, int], ...], _place: Path) -> tuple[list[Bundle], list[str]]:
    """Hashing the files of all models takes longer than the rest of a page; `stamp` tells when they changed."""
    return store.find_bundles("recogniser", _place)


def recognisers() -> tuple[list[Bundle], list[str]]:
    """The usable recognisers, the one to use first, and a sentence for each refused model folder."""
    place = store.SHIPPED
    stamp = tuple(sorted((str(path), path.stat().st_mtime_ns) for path in place.glob("*/*")))
    return _recognisers(stamp, place)


def accuracy(bundle: Bundle, head: str) -> float | None:
    """The share of right answers of a head on the test faces, 0 to 1, as its card says; None where it does not."""
    try:
        return float(bundle.card["metrics"]["private"][head]["accuracy"])
    except (KeyError, TypeError, ValueError):
        return None


def answer_name(bundle: Bundle, head: str) -> str:
    """An answer of a recogniser in words: "8 expressions (FER+)"."""
    return f"{len(bundle.heads[head].labels)} expressions ({_ANSWERS.get(head, head)})"
