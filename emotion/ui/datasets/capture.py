"""Take faces for a data set from the camera: a button for each label, held while frames are taken."""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import streamlit as st

from emotion.datasets.building.config import DatasetBuildConfig
from emotion.datasets.building.face_crops import crop_labeled_face
from emotion.datasets.building.jobs import UploadedPhoto
from emotion.datasets.building.rejections import RejectionError
from emotion.datasets.readers.photo_sources import sanitize_label
from emotion.errors import ImageError
from emotion.expressions import EXPRESSIONS, get_style, symbol_and_name
from emotion.media.image_array import ImageArray
from emotion.media.image_reader import read_image
from emotion.recognition.anonymizer import pixelate_all
from emotion.translation.messages import gettext as _
from emotion.translation.messages import ngettext
from emotion.ui import components, session

_CAPTURE: Final = components.load_component("capture")
_DEFAULT_LABELS: Final = ("happy", "sad", "neutral")
_MAX_LABELS: Final = 20
_MAX_FACES: Final = 2000  # in a session
_MAX_FRAMES: Final = 50  # of one message of the browser
_FACE_SIDE_PX: Final = 64

state = st.session_state


class CapturedFace(NamedTuple):
    """A frame of the camera and the face in it, gray uint8 (size, size)."""

    photo: UploadedPhoto
    crop: ImageArray


def capture_photos(labels: Sequence[str]) -> list[UploadedPhoto]:
    """Show the camera with a button for each label, and the faces that were taken.

    Args:
        labels: Those that are offered at first, empty for some expressions.

    Returns:
        The frames with a face.
    """
    faces: list[CapturedFace] = state.setdefault("data_captured", [])
    chosen = st.multiselect(
        _("Labels"),
        list(dict.fromkeys([*labels, *(name for name in EXPRESSIONS), *(face.photo.label for face in faces)])),
        default=list(labels or _DEFAULT_LABELS),
        max_selections=_MAX_LABELS,
        accept_new_options=True,
        key=f"data_capture_labels_{'-'.join(labels)}",
        format_func=symbol_and_name,
        help=_("Choose expressions, or write any word and press Enter."),
    )
    names = [name for name in dict.fromkeys(map(sanitize_label, chosen)) if name]
    num_missed = _take_frames(faces, names)
    counts = Counter(face.photo.label for face in faces)
    texts = {
        "label": _("Camera"),
        "start": _("Turn camera on"),
        "hint": _("Hold a button and move your head a little; 30 faces for each label are a good start."),
        "refused": _("No camera: allow it in the browser, or choose photos instead."),
    }
    buttons = [
        {"name": name, "text": symbol_and_name(name), "color": get_style(name).color, "count": counts[name]}
        for name in names
    ]
    _CAPTURE(key="data_capture", data={"labels": buttons, "texts": texts}, on_frames_change=_keep_frames)
    if num_missed:
        text = ngettext("{count} frame has no clear face.", "{count} frames have no clear face.", num_missed)
        st.caption(text.format(count=num_missed))
    _show_faces(faces)
    return [face.photo for face in faces]


def _keep_frames() -> None:
    """Keep a message of the browser for the run of the page; the browser may send any value."""
    message = state["data_capture"].get("frames")
    if isinstance(message, dict):
        state.setdefault("data_frames", []).append(message)


def _take_frames(faces: list[CapturedFace], names: Sequence[str]) -> int:
    """Add the faces of the frames that the browser has sent, and return in how many frames there was none."""
    num_missed = 0
    for message in state.pop("data_frames", []):
        label, images = message.get("label"), message.get("images")
        if label not in names or not isinstance(images, list):
            continue
        for image in images[:_MAX_FRAMES]:
            face = _crop_frame(label, f"camera-{len(faces) + 1:05d}.jpg", image)
            if face is None:
                num_missed += 1
            elif len(faces) < _MAX_FACES:
                faces.append(face)
    return num_missed


def _crop_frame(label: str, file_name: str, data_url: Any) -> CapturedFace | None:
    """Return the face of a frame, None where it shows none."""
    settings = session.get_settings()
    config = DatasetBuildConfig(
        detector=settings.detector, detection_threshold=settings.analyzer_settings.detection_threshold
    )
    try:
        content = base64.b64decode(str(data_url).partition(",")[2], validate=True)
        image = read_image(content, name=file_name)
        crop, _face = crop_labeled_face(image, session.get_analyzer(), config)
    except (binascii.Error, ImageError, RejectionError):
        return None
    return CapturedFace(UploadedPhoto(label, file_name, content), crop)


def _show_faces(faces: list[CapturedFace]) -> None:
    """Show the faces, the newest first; a click removes one."""
    if not faces:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        count = ngettext(
            "**{count} face.** Click one to remove it.", "**{count} faces.** Click one to remove it.", len(faces)
        )
        st.markdown(count.format(count=len(faces)))
        st.button(_("Remove all"), icon=":material/close:", key="data_capture_clear", on_click=faces.clear)
    anonymize = session.get_settings().anonymize
    newest_first = faces[::-1]
    thumbnails = [
        components.Thumbnail(
            pixelate_all(_to_rgb(face.crop)) if anonymize else _to_rgb(face.crop),
            symbol_and_name(face.photo.label),
            _("Remove this face: {label}").format(label=symbol_and_name(face.photo.label)),
            get_style(face.photo.label).color,
        )
        for face in newest_first
    ]

    def remove(number: int) -> None:
        faces.remove(newest_first[number - 1])

    components.show_thumbnails(
        thumbnails,
        key="data_captured_faces",
        label=_("Faces from the camera"),
        side_px=_FACE_SIDE_PX,
        max_height_px=4 * _FACE_SIDE_PX,
        selection=components.Selection(0, remove),
    )


def _to_rgb(gray: ImageArray) -> ImageArray:
    return gray[..., None].repeat(3, axis=2)
