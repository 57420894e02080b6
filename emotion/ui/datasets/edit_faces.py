"""Correct a data set that was built here: a click on a face, then another label, or no face."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import streamlit as st

from emotion.datasets.building.editing import relabel_face, remove_face
from emotion.datasets.catalog import DatasetInfo, cache_key
from emotion.datasets.readers.image_folders import LabeledImage, center_crop, scan_image_tree
from emotion.errors import EmotionError
from emotion.expressions import EXPRESSIONS, get_style, symbol_and_name
from emotion.media.image_array import ImageArray
from emotion.media.image_reader import read_image
from emotion.recognition.anonymizer import pixelate_all
from emotion.recognition.cropping import to_gray
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop
from emotion.ui import components, messages, session
from emotion.ui.datasets.selection import format_face_count
from emotion.ui.language import translate_spinner

_PAGE_SIZE: Final = 60
_FACE_SIDE_PX: Final = 72
_MAX_HEIGHT_PX: Final = 420

state = st.session_state


def show_editor(dataset_info: DatasetInfo) -> None:
    """Show the faces of one label, and what can be done with the selected one."""
    labels = list(dataset_info.labels)
    if state.get("data_edit_label") not in labels:
        state["data_edit_label"] = labels[0]
    label = st.pills(
        _("Label"),
        labels,
        required=True,
        key="data_edit_label",
        format_func=symbol_and_name,
        label_visibility="collapsed",
    )
    images = [image for image in scan_image_tree(dataset_info.path).images if image.label == label]
    images = _sort_by_doubt(dataset_info, images, str(label))
    page = _choose_page(len(images))
    images = images[(page - 1) * _PAGE_SIZE : page * _PAGE_SIZE]
    names = [image.path.relative_to(dataset_info.path).as_posix() for image in images]
    selected = state.get("data_edit_face")

    def select(number: int) -> None:
        state["data_edit_face"] = names[number - 1]

    components.show_thumbnails(
        [_make_thumbnail(image) for image in images],
        key="data_edit_faces",
        label=_("Faces labeled {label}").format(label=symbol_and_name(str(label))),
        side_px=_FACE_SIDE_PX,
        max_height_px=_MAX_HEIGHT_PX,
        selection=components.Selection(names.index(selected) + 1 if selected in names else 0, select),
    )
    if selected in names:
        _show_actions(dataset_info, selected, str(label))
    else:
        st.caption(_("Click a face whose label is wrong."))
    if error := state.pop("data_edit_error", ""):
        st.error(messages.escape_markdown(error), icon=":material/error:")


def _sort_by_doubt(dataset_info: DatasetInfo, images: list[LabeledImage], label: str) -> list[LabeledImage]:
    """Offer to put faces first whose label the classifier in use finds the least likely."""
    bundle = session.get_bundle()
    if label not in bundle.heads[bundle.default_head].labels:
        return images
    by_doubt = st.toggle(
        _("Most doubtful first"),
        key="data_edit_by_doubt",
        help=_("Faces whose label the classifier in use finds the least likely."),
    )
    if not by_doubt:
        return images
    probabilities = _predict_label((*cache_key(dataset_info.path), bundle.sha256, label), [i.path for i in images])
    return [images[index] for index in np.argsort(probabilities, kind="stable")]


@translate_spinner(st.cache_data, gettext_noop("Looking at the faces"), max_entries=20)
def _predict_label(key: tuple[str, int, int, str, str], _paths: list[Path]) -> list[float]:
    """Return the probability of the label in `key` for each face."""
    label, classifier = key[-1], session.get_analyzer().classifier
    faces = [center_crop(to_gray(read_image(path)), classifier.input_size) for path in _paths]
    return [prediction.scores[label] for prediction in classifier.predict(np.stack(faces))]


def _choose_page(num_faces: int) -> int:
    num_pages = max(1, -(-num_faces // _PAGE_SIZE))
    if num_pages == 1:
        st.caption(format_face_count(num_faces))
        return 1
    state["data_edit_page"] = min(state.get("data_edit_page", 1), num_pages)
    return int(
        st.number_input(
            _("Page, of {count}").format(count=num_pages),
            1,
            num_pages,
            key="data_edit_page",
            width=180,
        )
    )


def _show_actions(dataset_info: DatasetInfo, file: str, label: str) -> None:
    """Show the labels that the selected face can get; a click gives one, or removes the face."""
    others = list(dict.fromkeys([*dataset_info.labels, *EXPRESSIONS]))
    others.remove(label)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        new = st.selectbox(
            _("Right label"),
            others,
            index=None,
            key=f"data_edit_new_{file}",
            accept_new_options=True,
            format_func=symbol_and_name,
            placeholder=_("Choose or write one"),
            width=260,
        )
        st.button(
            _("Change label"),
            icon=":material/label:",
            key="data_edit_relabel",
            type="primary",
            disabled=not new,
            on_click=_edit,
            args=(lambda: relabel_face(dataset_info.path, file, str(new)),),
        )
        st.button(
            _("Remove face"),
            icon=":material/delete:",
            key="data_edit_remove",
            on_click=_edit,
            args=(lambda: remove_face(dataset_info.path, file),),
        )


def _edit(action: Callable[[], None]) -> None:
    """Run a callback; its error is shown by the next run of the page."""
    try:
        action()
    except EmotionError as error:
        state["data_edit_error"] = str(error)
    state.pop("data_edit_face", None)


def _make_thumbnail(image: LabeledImage) -> components.Thumbnail:
    pixels = _read_face(image.path)
    return components.Thumbnail(
        pixels, "", _("A face labeled {label}").format(label=symbol_and_name(image.label)), get_style(image.label).color
    )


def _read_face(path: Path) -> ImageArray:
    pixels = read_image(path)
    return pixelate_all(pixels) if session.get_settings().anonymize else pixels
