"""The form that builds a data set from photos."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import streamlit as st

from emotion.datasets.building.config import DatasetBuildConfig
from emotion.datasets.building.jobs import (
    JOB_SUFFIX,
    BuildTarget,
    UploadedPhoto,
    start_from_path,
    start_from_photos,
    start_from_zip,
)
from emotion.datasets.catalog import DatasetInfo, list_datasets
from emotion.datasets.metadata import DATASETS_FOLDER
from emotion.datasets.readers.photo_sources import sanitize_label
from emotion.datasets.splitting import parse_split_ratios
from emotion.errors import DataError
from emotion.expressions import symbol_and_name
from emotion.formatting import format_list
from emotion.jobs.job import Job
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop
from emotion.ui import messages, session, streamlit_workarounds
from emotion.ui.datasets import capture
from emotion.ui.datasets.selection import is_user_built

_FOLDER: Final = gettext_noop("A folder on this machine")
_ZIP: Final = gettext_noop("A ZIP")
_PHOTOS: Final = gettext_noop("Photos")
_CAMERA: Final = gettext_noop("Camera")
_NEW: Final = ""  # instead of the name of a data set that gets more faces
_MULTI_FACE_POLICIES: Final = {"largest": gettext_noop("Take the largest"), "none": gettext_noop("Skip the photo")}
_EXAMPLE_PATH: Final = "/home/me/photos"
_EXAMPLE_LABEL: Final = "happy"  # in English, as data sets name it
_FACE_SIZES: Final = (48, 64, 80, 96, 128, 224, 250)  # pixels, the input sizes of the networks
_MAX_UPLOAD_BYTES: Final = 500 * 2**20  # of photos that a session holds in memory until the start

StartJob = Callable[[BuildTarget], Job]  # returns the job that builds a data set

state = st.session_state


def show_form() -> None:
    """Show where the photos are, the data set that they are for, the configuration and the start."""
    sources = (_FOLDER, _ZIP, _PHOTOS, _CAMERA)
    source = st.segmented_control(
        _("Where are the photos?"), sources, default=sources[0], required=True, format_func=_, key="data_place"
    )
    existing = _choose_existing()
    start_job: StartJob | None
    if source == _ZIP:
        start_job = _choose_zip()
    elif source == _PHOTOS:
        start_job = _choose_photos()
    elif source == _CAMERA:
        start_job = _use_camera(existing.labels if existing else ())
    else:
        start_job = _choose_folder()
    config = _choose_config()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if existing:
            name = existing.path.name  # its name in the list may have a number
        else:
            uploader_id = state.setdefault("data_uploader_id", 0)
            name = st.text_input(
                _("Name of the data set"), _suggest_name(), max_chars=60, key=f"data_name_{uploader_id}", width=320
            )
        clicked = st.button(
            _("Add the faces") if existing else _("Build the data set"),
            icon=":material/play_arrow:",
            type="primary",
            key="data_start",
            disabled=start_job is None or config is None,
            help=_("Give photos first.") if start_job is None else None,
        )
    if clicked and start_job and config:
        _submit(start_job, BuildTarget(name.strip(), config, "extend" if existing else "new"))


def _choose_existing() -> DatasetInfo | None:
    """Choose the data set that gets more faces; None for a new one."""
    datasets = {info.name: info for info in list_datasets().datasets if is_user_built(info)}
    if not datasets:
        return None
    if state.get("data_existing", _NEW) not in (_NEW, *datasets):  # it was deleted
        state.pop("data_existing")
    name = st.selectbox(
        _("Data set"),
        [_NEW, *datasets],
        format_func=lambda name: name or _("A new one"),
        key="data_existing",
        width=320,
        help=_("Faces of an existing data set stay in their splits."),
    )
    return datasets.get(name)


def _submit(start_job: StartJob, target: BuildTarget) -> None:
    started = False
    with messages.error_box(_("starting")), st.spinner(_("Copying the photos")):
        start_job(target)
        started = True
    if started:
        state.pop("data_photos", None)
        state.pop("data_captured", None)
        state["data_uploader_id"] += 1  # empties the uploader
        st.rerun()


def _suggest_name() -> str:
    number = 1
    while (DATASETS_FOLDER / f"my-faces-{number}").exists() or (
        DATASETS_FOLDER / f".my-faces-{number}{JOB_SUFFIX}"
    ).exists():
        number += 1
    return f"my-faces-{number}"


def _choose_folder() -> StartJob | None:
    path = st.text_input(
        _("Folder or ZIP on this machine"),
        placeholder=_EXAMPLE_PATH,
        key="data_path",
        help=_("A folder for each label in it, such as happy/ and sad/; any words will do. Nothing there is changed."),
    ).strip()
    return (lambda target: start_from_path(Path(os.path.expanduser(path)), target)) if path else None


def _choose_zip() -> StartJob | None:
    file = st.file_uploader(
        _("Drop a ZIP here"),
        key=f"data_zip_{state.setdefault('data_drop', 0)}",
        help=_("With a folder for each label in it, up to 200 MB. It is deleted as soon as the data set is made."),
    )
    if file is None:
        return None

    def start_job(target: BuildTarget) -> Job:
        job = start_from_zip(file, target)
        streamlit_workarounds.release_upload(file.file_id)
        return job

    return start_job


def _use_camera(labels: tuple[str, ...]) -> StartJob | None:
    photos: list[UploadedPhoto] = []
    with messages.error_box(_("the camera")):
        photos = capture.capture_photos(labels)
    return (lambda target: start_from_photos(photos, target)) if photos else None


def _choose_photos() -> StartJob | None:
    """Collect photos of one label after the other until the start."""
    collected: list[UploadedPhoto] = state.setdefault("data_photos", [])
    uploader_id = state.setdefault("data_uploader_id", 0)
    label = st.text_input(
        _("Label of the next photos"),
        placeholder=_EXAMPLE_LABEL,
        max_chars=60,
        key="data_label",
        width=320,
        help=_("Any word. Drop photos of one label, then give the next label."),
    )
    files = st.file_uploader(
        _("Drop its photos here"),
        accept_multiple_files=True,
        key=f"data_photos_{uploader_id}",
        disabled=not sanitize_label(label),
    )
    if files and sum(len(photo.content) for photo in collected) + sum(file.size for file in files) > _MAX_UPLOAD_BYTES:
        st.error(
            _("These photos have more than {size:.0f} MB together; give the rest as a folder or a ZIP.").format(
                size=_MAX_UPLOAD_BYTES / 2**20
            ),
            icon=":material/error:",
        )
    elif files and sanitize_label(label):
        collected += [UploadedPhoto(sanitize_label(label), file.name, file.getvalue()) for file in files]
        for file in files:
            streamlit_workarounds.release_upload(file.file_id)
        state["data_uploader_id"] = uploader_id + 1  # or the next run would add them again
        st.rerun()
    if not collected:
        return None
    counts = Counter(photo.label for photo in collected)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            messages.escape_markdown(
                _("So far: {counts}").format(
                    counts=format_list(f"{symbol_and_name(label)} {n}" for label, n in counts.items())
                )
            )
        )
        st.button(_("Remove them"), icon=":material/close:", key="data_forget", on_click=collected.clear)
    return lambda target: start_from_photos(collected, target)


def _choose_config() -> DatasetBuildConfig | None:
    """Choose the configuration; None, after showing the reason, where it is invalid."""
    with st.expander(_("Options"), icon=":material/tune:"):
        left, right = st.columns(2, gap="large")
        with left:
            pre_cropped = st.toggle(
                _("Photos are already cropped faces"),
                key="data_pre_cropped",
                help=_("No detection: the central square of each photo is used."),
            )
            multi_face = st.segmented_control(
                _("Several faces on a photo"),
                list(_MULTI_FACE_POLICIES),
                default="largest",
                required=True,
                disabled=pre_cropped,
                format_func=lambda policy: _(_MULTI_FACE_POLICIES[policy]),
                key="data_multi_face",
            )
            min_face = st.slider(_("Smallest face, pixels"), 16, 128, 32, 4, key="data_min_face")
        with right:
            size, ratios, seed = _choose_output()
        settings = session.get_settings()
        st.caption(
            _("Faces are detected as on the Photos page, with {detector}: see the sidebar.").format(
                detector=messages.escape_markdown(settings.detector)
            )
        )
    try:
        return DatasetBuildConfig(
            size,
            parse_split_ratios(ratios),
            seed,
            "none" if multi_face == "none" else "largest",
            int(min_face),
            pre_cropped,
            settings.detector,
            settings.analyzer_settings.detection_threshold,
        )
    except DataError as error:
        st.error(messages.escape_markdown(str(error)), icon=":material/error:")
        return None


def _choose_output() -> tuple[int, str, int]:
    """Choose the size of the faces in pixels, the split ratios and the seed."""
    size = st.select_slider(
        _("Size of the faces, pixels"),
        _FACE_SIZES,
        48,
        key="data_size",
        help=_("48 is that of FER-2013, and the input size of most networks here."),
    )
    ratios = st.text_input(_("Training / validation / test"), "80/10/10", key="data_split")
    seed = st.number_input(_("Seed"), 0, 2**32 - 1, 1, key="data_seed", help=_("The same seed gives the same splits."))
    return int(size), ratios, int(seed)
