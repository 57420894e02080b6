"""Downloads of the card and of all scores of a classifier."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import streamlit as st

from emotion.model_store.store import ModelBundle
from emotion.results import serialization
from emotion.training import tables
from emotion.translation.messages import gettext as _
from emotion.ui import components
from emotion.ui.runs import run_table


def show_downloads(bundle: ModelBundle, report: Mapping[str, Any]) -> None:
    """Show downloads of the card and the report."""
    stem = serialization.sanitize_filename(bundle.name)
    with st.container(horizontal=True):
        for key, label, data in (
            ("json", _("Card (JSON)"), bundle.card_fields),
            ("report", _("All scores (JSON)"), report),
        ):
            components.download_button(
                label, json.dumps(dict(data), indent=1), f"{stem}-{key}.json", f"card_save_{key}"
            )
        run = next((run for run in run_table.list_runs().values() if run.folder == bundle.folder), None)
        if run is not None:
            components.download_button(
                _("Card (Markdown)"),
                lambda: tables.format_run_card(bundle.name, run, None),
                f"{stem}.md",
                "card_save_md",
            )
