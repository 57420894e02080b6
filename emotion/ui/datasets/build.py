"""Make a data set of photos from the page: what it does, the form, the jobs at work."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import streamlit as st

from emotion.datasets.augmentation import Augmentation, augment
from emotion.datasets.build_config import DatasetBuildConfig
from emotion.datasets.build_jobs import (
    JOB_SUFFIX,
    UploadedPhoto,
    delete_job,
    list_build_jobs,
    restart_job,
    start_from_path,
    start_from_photos,
    start_from_zip,
)
from emotion.datasets.metadata import DATASETS_FOLDER
from emotion.datasets.photo_sources import sanitize_label
from emotion.datasets.splitting import parse_split_ratios
from emotion.errors import DataError, EmotionError
from emotion.expressions import symbol_and_name
from emotion.formatting import format_percent
from emotion.jobs.job import Job
from emotion.ui import messages, photo_cache, session
from emotion.ui.datasets import selection

_SOURCES: Final = ("A folder on this machine", "A ZIP", "Photos")
_MULTI_FACE_POLICIES: Final = {"largest": "Take the largest", "none": "Leave the photo out"}
_FACE_SIZES: Final = (48, 64, 80, 96, 128, 224, 250)  # pixels, as the networks read
_MAX_UPLOAD_BYTES: Final = 500 * 2**20  # bytes of photos that wait for the start in the memory of a session
_STATUS_TEXT: Final = {"failed": "could not be made", "stopped": "was stopped", "interrupted": "was broken off"}

state = st.session_state


# ------------------------------------------------------------------ before there is any


def show_steps() -> None:
    """What preparing does, shown with the sample photo by the very functions that do it."""
    name, content = photo_cache.read_sample_photo()
    reading = photo_cache.analyze_photo(content, name)
    blur = session.get_settings().anonymize
    columns = st.columns([3, 2, 2, 4], gap="medium", vertical_alignment="bottom")
    columns[0].image(
        reading.render_preview(blur), "1 · A photo, in a folder named happy", alt="A photo of an astronaut"
    )
    if not reading.faces:
        return
    columns[1].image(reading.render_crops(blur)[0], "2 · Its face is found", width="stretch", alt="The face in colour")
    grey = reading.gray_crops[:1]
    columns[2].image(
        selection.make_face_grid(grey, 1, 4), "3 · cut, grey, 48 x 48", width="stretch", alt="The face, grey and small"
    )
    changed = augment(
        grey.repeat(8, axis=0), grey.shape[1], np.arange(8) % 2 == 1, Augmentation(), np.random.default_rng(3)
    )
    columns[3].image(
        selection.make_face_grid(changed, 4, 3),
        "4 · and comes a little different each time it is learned",
        width="stretch",
        alt="The face turned, moved, brighter, mirrored",
    )


def show_fer2013_hint() -> None:
    """Where the usual data set comes from."""
    st.markdown(
        "**No photos at hand?** FER-2013 is what most classifiers of expressions learn from: 35,887 grey faces of "
        "48 x 48 pixels with seven labels. It is not part of this program. Kaggle has it (search for FER-2013), as "
        "`fer2013.csv` or as folders. Put the file into `data/`, or the folders into `data/sets/fer2013/`, and reload "
        "this page. Or start with `EMOTION_DATA=/where/it/lies make app`."
    )


# ------------------------------------------------------------------ the form


def show_form() -> None:
    """Where the photos are, how the faces shall be, a name, the start."""
    where = st.segmented_control(
        "Where are the photos?", _SOURCES, default=_SOURCES[0], required=True, key="data_place"
    )
    start_job: Callable[[str, DatasetBuildConfig], Job] | None
    if where == _SOURCES[1]:
        start_job = _choose_zip()
    elif where == _SOURCES[2]:
        start_job = _choose_photos()
    else:
        start_job = _choose_folder()
    config = _choose_config()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        zone = state.setdefault("data_uploader_id", 0)
        name = st.text_input("Name of the data set", _suggest_name(), max_chars=60, key=f"data_name_{zone}", width=320)
        clicked = st.button(
            "Start",
            icon=":material/play_arrow:",
            key="data_start",
            disabled=start_job is None or config is None,
            help="Give photos first." if start_job is None else None,
        )
    if clicked and start_job and config:
        _submit(start_job, name.strip(), config)


def _submit(start_job: Callable[[str, DatasetBuildConfig], Job], name: str, config: DatasetBuildConfig) -> None:
    started = False
    with messages.error_box("starting"), st.spinner("Keeping the photos"):
        start_job(name, config)
        started = True
    if started:
        state.pop("data_photos", None)
        state["data_uploader_id"] += 1  # empties what was given for this one
        st.rerun()


def _suggest_name() -> str:
    number = 1
    while (DATASETS_FOLDER / f"my-faces-{number}").exists() or (
        DATASETS_FOLDER / f".my-faces-{number}{JOB_SUFFIX}"
    ).exists():
        number += 1
    return f"my-faces-{number}"


def _choose_folder() -> Callable[[str, DatasetBuildConfig], Job] | None:
    typed = st.text_input(
        "Folder or ZIP on this machine",
        placeholder="/home/me/photos",
        key="data_path",
        help="A folder for each label in it, such as happy/ and sad/; any words will do. Nothing there is changed.",
    ).strip()
    return (lambda name, settings: start_from_path(Path(os.path.expanduser(typed)), name, settings)) if typed else None


def _choose_zip() -> Callable[[str, DatasetBuildConfig], Job] | None:
    file = st.file_uploader(
        "Drop a ZIP here",
        key=f"data_zip_{state.setdefault('data_drop', 0)}",
        help="With a folder for each label in it, up to 200 MB. It is deleted as soon as the data set is made.",
    )
    if file is None:
        return None

    def start_job(name: str, settings: DatasetBuildConfig) -> Job:
        job = start_from_zip(file, name, settings)
        photo_cache.release_upload(file.file_id)
        return job

    return start_job


def _choose_photos() -> Callable[[str, DatasetBuildConfig], Job] | None:
    """Photos of one label after the other, kept until the start."""
    kept: list[UploadedPhoto] = state.setdefault("data_photos", [])
    zone = state.setdefault("data_uploader_id", 0)
    label = st.text_input(
        "Label of the next photos",
        placeholder="happy",
        max_chars=60,
        key="data_label",
        width=320,
        help="Any word. Drop photos of one label, then give the next label.",
    )
    files = st.file_uploader(
        "Drop its photos here",
        accept_multiple_files=True,
        key=f"data_photos_{zone}",
        disabled=not sanitize_label(label),
    )
    if files and sum(len(photo.content) for photo in kept) + sum(file.size for file in files) > _MAX_UPLOAD_BYTES:
        st.error(
            f"These photos have more than {_MAX_UPLOAD_BYTES / 2**20:.0f} MB together; "
            "give the rest as a folder or a ZIP.",
            icon=":material/error:",
        )
    elif files and sanitize_label(label):
        kept += [UploadedPhoto(sanitize_label(label), file.name, file.getvalue()) for file in files]
        for file in files:
            photo_cache.release_upload(file.file_id)
        state["data_uploader_id"] = zone + 1  # or they would be added again at every click
        st.rerun()
    if not kept:
        return None
    counts = Counter(photo.label for photo in kept)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            messages.escape_markdown(
                "So far: " + ", ".join(f"{symbol_and_name(label)} {n}" for label, n in counts.items())
            )
        )
        st.button("Forget them", icon=":material/close:", key="data_forget", on_click=kept.clear)
    return lambda name, settings: start_from_photos(kept, name, settings)


def _choose_config() -> DatasetBuildConfig | None:
    """What was chosen; None where it makes no sense, which is said."""
    with st.expander("How", icon=":material/tune:"):
        left, right = st.columns(2, gap="large")
        with left:
            pre_cropped = st.toggle(
                "The photos are cut faces already",
                key="data_pre_cropped",
                help="Nothing is searched in them: the middle square of each is taken.",
            )
            multi_face = st.segmented_control(
                "Several faces on a photo",
                list(_MULTI_FACE_POLICIES),
                default="largest",
                required=True,
                disabled=pre_cropped,
                format_func=lambda word: _MULTI_FACE_POLICIES[word],
                key="data_multi_face",
            )
            min_face = st.slider("Smallest face, pixels", 16, 128, 32, 4, key="data_min_face")
        with right:
            size = st.select_slider(
                "Size of the faces, pixels",
                _FACE_SIZES,
                48,
                key="data_size",
                help="48 is that of FER-2013, and what most networks here read.",
            )
            split = st.text_input("Training / validation / test", "80/10/10", key="data_split")
            seed = st.number_input(
                "Seed", 0, 2**32 - 1, 1, key="data_seed", help="The same seed shares the faces out in the same way."
            )
        settings = session.get_settings()
        st.caption(
            f"Faces are searched as on the Photos page, now with {messages.escape_markdown(settings.detector)}: "
            "see the sidebar."
        )
    try:
        return DatasetBuildConfig(
            int(size),
            parse_split_ratios(split),
            int(seed),
            "none" if multi_face == "none" else "largest",
            int(min_face),
            pre_cropped,
            settings.detector,
            settings.analyzer_settings.detection_threshold,
        )
    except DataError as error:
        st.error(messages.escape_markdown(str(error)), icon=":material/error:")
        return None


# ------------------------------------------------------------------ the jobs


def show_jobs() -> None:
    """What is being made, what could not be made, and what is ready."""
    jobs = [(job, job.read_state()) for job in list_build_jobs()]
    running = [job for job, now in jobs if now.is_running]
    for job, now in jobs:
        if now.status == "done":
            _show_completed_job(job)
        elif not now.is_running:
            _show_unfinished_job(job)
    if running:
        st.fragment(_show_running_jobs, run_every=1)([job.folder for job in running])


def _show_running_jobs(folders: list[Path]) -> None:
    """All that run, as they are now; the whole page is drawn when one of them ends."""
    for folder in folders:
        job = Job(folder)
        now = job.read_state()
        if not now.is_running:
            st.rerun()
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            left = f", about {_format_time_left(now.seconds_left)} left" if now.seconds_left is not None else ""
            done = f"{format_percent(now.fraction)}{left}" if now.total else "Begins"
            st.progress(now.fraction, messages.escape_markdown(f"{job.label}: {done}. {now.message}"))
            st.button(
                "Stop",
                icon=":material/stop:",
                key=f"data_stop_{folder.name}",
                on_click=_run_action,
                args=(delete_job, job),
                help="Nothing is kept of a data set that is not finished.",
            )
    st.caption("This page may be closed: the work goes on.")


def _format_time_left(seconds: float) -> str:
    return f"{round(seconds)} s" if seconds < 90 else f"{round(seconds / 60)} min"


def _run_action(action: Callable[[Job], object], job: Job) -> None:
    """For clicks: what goes wrong is said when the page is drawn."""
    try:
        action(job)
    except EmotionError as error:
        state["data_error"] = str(error)


def show_last_error() -> None:
    """Say what went wrong at the last click."""
    sentence = state.pop("data_error", "")
    if sentence:
        st.error(messages.escape_markdown(sentence), icon=":material/error:")


def _show_completed_job(job: Job) -> None:
    """Said once: from then on it is one of the data sets."""
    label = job.label
    _run_action(delete_job, job)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.success(
            f"The data set **{messages.escape_markdown(label)}** is ready.", icon=":material/check:", width="stretch"
        )
        st.button(
            "Open it", icon=":material/folder_open:", key="data_open", on_click=selection.select_dataset, args=(label,)
        )


def _show_unfinished_job(job: Job) -> None:
    now = job.read_state()
    with st.container(border=True):
        words = f"The data set {job.label} {_STATUS_TEXT.get(now.status, 'ended')}. {now.error or ''}"
        st.warning(messages.escape_markdown(words), icon=":material/info:")
        with st.container(horizontal=True):
            st.button(
                "Begin again",
                icon=":material/replay:",
                key=f"data_again_{job.folder.name}",
                on_click=_run_action,
                args=(restart_job, job),
            )
            st.button(
                "Remove",
                icon=":material/delete:",
                key=f"data_clear_{job.folder.name}",
                on_click=_run_action,
                args=(delete_job, job),
            )
