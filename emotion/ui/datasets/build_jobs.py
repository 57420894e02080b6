"""Jobs that build data sets: progress, results and errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import streamlit as st

from emotion.datasets.building.jobs import (
    delete_job,
    list_build_jobs,
    restart_job,
)
from emotion.errors import EmotionError
from emotion.formatting import format_percent, format_time_left
from emotion.jobs.job import Job, JobState
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop, translate_text
from emotion.ui import messages
from emotion.ui.datasets import selection

_STATUS_TEXT: Final = {
    "failed": gettext_noop("The data set {name} could not be built."),
    "stopped": gettext_noop("The data set {name} was stopped."),
    "interrupted": gettext_noop("The data set {name} was interrupted."),
}
_ENDED_TEXT: Final = gettext_noop("The data set {name} ended.")
state = st.session_state


def show_jobs() -> None:
    """Show the jobs that build data sets: completed, unfinished and running ones."""
    jobs = [(job, job.read_state()) for job in list_build_jobs()]
    for job, job_state in jobs:
        if job_state.status == "done":
            _show_completed_job(job)
        elif not job_state.is_running:
            _show_unfinished_job(job, job_state)
    running = [job.folder for job, job_state in jobs if job_state.is_running]
    if running:
        st.fragment(_show_running_jobs, run_every=1)(running)


def _show_running_jobs(folders: list[Path]) -> None:
    """Show the progress of the running jobs; rerun the page when one of them ends."""
    for folder in folders:
        job = Job(folder)
        job_state = job.read_state()
        if not job_state.is_running:
            st.rerun()
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            time_left = format_time_left(job_state.seconds_left)
            percent = format_percent(job_state.fraction) if job_state.total else _("Starting")
            message = _(job_state.message) if job_state.message else ""
            parts = [job.label, percent, time_left, message]
            st.progress(job_state.fraction, messages.escape_markdown(" · ".join(filter(None, parts))))
            st.button(
                _("Stop"),
                icon=":material/stop:",
                key=f"data_stop_{folder.name}",
                on_click=_run_action,
                args=(delete_job, job),
                help=_("Nothing is kept of an unfinished data set."),
            )
    st.caption(_("You can close this page; the work continues."))


def _run_action(action: Callable[[Job], object], job: Job) -> None:
    """Run a callback; its error is shown by the next run of the page."""
    try:
        action(job)
    except EmotionError as error:
        state["data_error"] = str(error)


def show_last_error() -> None:
    """Show the error of the last callback."""
    error = state.pop("data_error", "")
    if error:
        st.error(messages.escape_markdown(error), icon=":material/error:")


def _show_completed_job(job: Job) -> None:
    """Report a completed job once, and remove it; its data set is in the list."""
    label = job.label
    _run_action(delete_job, job)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.success(
            _("The data set **{name}** is ready.").format(name=messages.escape_markdown(label)),
            icon=":material/check:",
            width="stretch",
        )
        st.button(
            _("Open"),
            icon=":material/folder_open:",
            key=f"data_open_{job.folder.name}",
            on_click=selection.select_dataset,
            args=(label,),
        )


def _show_unfinished_job(job: Job, job_state: JobState) -> None:
    with st.container(border=True):
        status = _(_STATUS_TEXT.get(job_state.status, _ENDED_TEXT)).format(name=job.label)
        message = f"{status} {translate_text(job_state.error or '')}"
        st.warning(messages.escape_markdown(message), icon=":material/info:")
        with st.container(horizontal=True):
            st.button(
                _("Start again"),
                icon=":material/replay:",
                key=f"data_again_{job.folder.name}",
                on_click=_run_action,
                args=(restart_job, job),
            )
            st.button(
                _("Remove"),
                icon=":material/delete:",
                key=f"data_clear_{job.folder.name}",
                on_click=_run_action,
                args=(delete_job, job),
            )
