"""The available classifiers, and texts about them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import streamlit as st

from emotion.model_store import store
from emotion.model_store.store import ModelBundle, ModelListing
from emotion.translation.languages import in_english
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop, ngettext, translate_text

_HEAD_NAMES: Final = {"expression": gettext_noop("default"), "ferplus": "FER+", "fer2013": "FER-2013"}


@st.cache_data(max_entries=4, show_spinner=False)
def _list_classifiers(fingerprint: tuple[tuple[str, int], ...], _folders: tuple[Path, ...]) -> ModelListing:
    """Cache the listing: hashing all model files takes longer than the rest of a page."""
    with in_english():  # for the sessions of all languages
        return store.list_models("classifier", *_folders)


def list_classifiers() -> ModelListing:
    """List the usable classifiers, the default one first, and a message for each other model folder."""
    folders = store.get_model_folders()
    files = (path for folder in folders for path in folder.glob("*/*"))
    listing = _list_classifiers(tuple(sorted((str(path), path.stat().st_mtime_ns) for path in files)), folders)
    return listing._replace(errors=[translate_text(error) for error in listing.errors])


def get_test_accuracy(bundle: ModelBundle, head: str) -> float | None:
    """Return the test accuracy of a head from the model card, 0 to 1; None where the card lacks it.

    The default head may be measured as it is displayed, on the majority of the FER+ votes.
    """
    test = bundle.card.metrics.get("test", {})
    scores = test.get(head) or (test.get("as_displayed") if head == bundle.default_head else None)
    accuracy = scores.get("accuracy") if isinstance(scores, Mapping) else None
    return accuracy if isinstance(accuracy, float) else None


def describe_head(bundle: ModelBundle, head: str) -> str:
    """Describe a head of a classifier: "8 expressions (FER+)"."""
    name = _(_HEAD_NAMES[head]) if head in _HEAD_NAMES else head
    num_labels = len(bundle.heads[head].labels)
    text = ngettext("{count} expression ({name})", "{count} expressions ({name})", num_labels)
    return text.format(count=num_labels, name=name)
