"""The name, the note and the tags of a run on the Runs page."""

from __future__ import annotations

import streamlit as st

from emotion.errors import EmotionError
from emotion.training import manager, run_listing
from emotion.training.run_listing import RunSummary
from emotion.training.runs.annotations import (
    MAX_NAME_LENGTH,
    MAX_NOTE_LENGTH,
    MAX_TAGS,
    read_annotations,
    write_annotations,
)
from emotion.translation.messages import gettext as _
from emotion.ui import messages
from emotion.ui.runs import run_table

state = st.session_state


def show_annotations(run: RunSummary) -> None:
    """Show the tags and the note of a run."""
    if run.tags:
        st.markdown(" ".join(f":gray-badge[{messages.escape_markdown(tag)}]" for tag in run.tags))
    if run.note:
        st.markdown("  \n".join(map(messages.escape_markdown, run.note.splitlines())))


def show_edit(run: RunSummary) -> None:
    """Offer to change the name, the tags and the note of a run, except of one whose file is damaged."""
    if read_annotations(run.folder).damage:
        return
    key = f"runs_annotate_{run.folder.name}"
    known_tags = {tag for one in run_listing.list_runs(manager.RUNS_FOLDER) for tag in one.tags}
    with st.popover(_("Name and notes"), icon=":material/edit_note:"):
        st.text_input(_("Name"), run.name, max_chars=MAX_NAME_LENGTH, key=f"{key}_name")
        st.multiselect(
            _("Tags"),
            sorted(known_tags | {*run.tags}),
            run.tags,
            key=f"{key}_tags",
            max_selections=MAX_TAGS,
            accept_new_options=True,
            placeholder=_("Choose or type"),
        )
        st.text_area(_("Note"), run.note, max_chars=MAX_NOTE_LENGTH, key=f"{key}_note")
        st.button(_("Save"), key=f"{key}_save", type="primary", on_click=_on_save, args=(run, key))


def _on_save(run: RunSummary, key: str) -> None:
    try:
        write_annotations(run.folder, state[f"{key}_name"], state[f"{key}_note"], state[f"{key}_tags"])
    except EmotionError as error:
        state["runs_error"] = str(error)
        return
    run_table.select_runs(run.folder)
