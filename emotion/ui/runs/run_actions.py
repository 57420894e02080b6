"""Actions on one run on the Runs page: use as model, remove, repeat, download, delete."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import streamlit as st

from emotion.errors import EmotionError
from emotion.model_store import store
from emotion.results import serialization
from emotion.results import tables as results_tables
from emotion.training import install, manager, tables
from emotion.training.classifier.config import TrainingPlan
from emotion.training.classifier.networks.zoo import list_architectures
from emotion.training.run_listing import RunSummary
from emotion.training.runs.predictions import Predictions
from emotion.translation.messages import gettext as _
from emotion.ui import components, messages
from emotion.ui.runs import annotations, run_table

# Puts the settings of a run into the form of the Training page.
FillForm = Callable[[TrainingPlan], None]

state = st.session_state


def show_actions(name: str, run: RunSummary, preds: Predictions | None, fill_form: FillForm) -> None:
    """Show the buttons of a run, and the result of the last callback; a damaged run can only be deleted."""
    with st.container(horizontal=True):
        if not run.is_damaged:
            _show_uses(name, run, preds, fill_form)
        if not run.is_builtin:
            annotations.show_edit(run)
        if run.folder.parent == manager.RUNS_FOLDER:  # a trial is deleted with its sweep
            _show_delete(run)
    message = state.pop("runs_message", None)
    if message:
        st.success(messages.escape_markdown(message), icon=":material/check:")
    error = state.pop("runs_error", None)
    if error:
        st.error(messages.escape_markdown(error), icon=":material/error:")


def _show_uses(name: str, run: RunSummary, preds: Predictions | None, fill_form: FillForm) -> None:
    """Show the buttons of a run that need its files."""
    if run.has_model and run.kind == "classifier" and run.folder.parent not in store.get_model_folders():
        _show_install(run)
    for model in (run.folder,) if run.source_run else run.installed_models:
        _show_remove(model)
    with messages.error_box(_("these settings")):
        _show_repeat(run, fill_form)
    with st.popover(_("Download"), icon=":material/download:"):
        _show_downloads(name, run, preds)


def _show_install(run: RunSummary) -> None:
    """Offer to copy the run to the models, where all pages find it."""
    with st.popover(_("Use this model"), icon=":material/check_circle:"):
        st.text_input(_("Name"), run.folder.name, max_chars=60, key=f"runs_name_{run.folder.name}")
        st.toggle(
            _("Make default for everyone"),
            key=f"runs_default_{run.folder.name}",
            help=_("The app begins with this classifier, for everybody. Otherwise it can be chosen in the sidebar."),
        )
        st.toggle(
            _("Replace a model of this name"),
            key=f"runs_replace_{run.folder.name}",
            help=_("If this name belongs to a model made from a run, this run takes its place. Built-in models stay."),
        )
        st.button(_("Use"), key=f"runs_use_{run.folder.name}", on_click=_on_install, args=(run,))


def _on_install(run: RunSummary) -> None:
    # A callback: text typed just before the click is in the session state, but not yet on the page.
    name = state[f"runs_name_{run.folder.name}"].strip()
    default, replace = (state[f"runs_{option}_{run.folder.name}"] for option in ("default", "replace"))
    try:
        bundle = install.install_model(run.folder, store.get_user_models(), name, default=default, overwrite=replace)
    except EmotionError as error:
        state["runs_error"] = str(error)
        return
    state["side_classifier"] = bundle.name
    state["runs_message"] = _("All pages use {name}; the sidebar has the others.").format(name=bundle.name)


def _show_remove(model_folder: Path) -> None:
    """Offer to remove a model that was copied from a run."""
    with st.popover(
        _("Remove {name} from the models").format(name=messages.escape_markdown(model_folder.name)),
        icon=":material/remove_circle:",
    ):
        st.write(
            _(
                "All pages stop using this model, and the built-in default takes its place where it was "
                "chosen. Its run stays, if it still exists."
            )
        )
        st.button(
            _("Remove this model"), key=f"runs_remove_{model_folder.name}", on_click=_on_remove, args=(model_folder,)
        )


def _on_remove(model_folder: Path) -> None:
    try:
        install.remove_model(model_folder, store.get_user_models())
    except EmotionError as error:
        state["runs_error"] = str(error)
        return
    if state.get("side_classifier") == model_folder.name:
        del state["side_classifier"]
    state["runs_message"] = _("{name} was removed from the models.").format(name=model_folder.name)


def _show_repeat(run: RunSummary, fill_form: FillForm) -> None:
    """Offer to fill the form of the Training page with the settings of the run."""
    if run.network not in {info.name for info in list_architectures()}:
        return  # the form has no detectors, nor networks of other programs
    plan, reason = None, ""
    try:
        plan = TrainingPlan.from_config(run.config)
    except EmotionError as error:
        reason = str(error)
    clicked = st.button(
        _("Repeat"),
        icon=":material/replay:",
        key=f"runs_repeat_{run.folder.name}",
        disabled=plan is None,
        help=reason or None,
    )
    if clicked and plan is not None:
        fill_form(plan)
        st.switch_page("pages/train.py")


def _show_downloads(name: str, run: RunSummary, preds: Predictions | None) -> None:
    stem = serialization.sanitize_filename(run.folder.name)

    def show_download(label: str, data: Callable[[], str] | str, suffix: str) -> None:
        components.download_button(label, data, f"{stem}{suffix}", f"runs_take_{suffix}")

    rows = run_table.load_history(run)
    history = pd.DataFrame([{name: float(cell or "nan") for name, cell in row.items()} for row in rows])
    show_download(_("Card (Markdown)"), lambda: tables.format_run_card(name, run, preds), suffix="-card.md")
    show_download(
        _("Settings (JSON)"), json.dumps(tables.remove_folders(run.config), indent=2), suffix="-settings.json"
    )
    if len(history):
        show_download(_("History (CSV)"), results_tables.to_csv(history), suffix="-history.csv")


def _show_delete(run: RunSummary) -> None:
    """Offer to delete the run."""
    with st.popover(_("Delete"), icon=":material/delete:", key=f"runs_delete_menu_{run.folder.name}"):
        st.write(_("Deletes this run with all that it learned. A copy among the models stays. This cannot be undone."))
        st.button(_("Delete for good"), key=f"runs_delete_{run.folder.name}", on_click=_on_delete, args=(run,))


def _on_delete(run: RunSummary) -> None:
    try:
        manager.delete_run(run.folder, manager.RUNS_FOLDER)
    except EmotionError as error:
        state["runs_error"] = str(error)
        return
    run_table.select_runs()
