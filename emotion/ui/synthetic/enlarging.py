"""Large synthetic faces: enlarged by the upscaler, or by interpolation where there is none for their size."""

from __future__ import annotations

import logging
from typing import Final

import cv2
import numpy as np
import streamlit as st
from numpy.typing import NDArray

from emotion.errors import ModelError
from emotion.generation.sampler import FaceImages
from emotion.generation.upscaling.upscaler import Upscaler
from emotion.model_store import store
from emotion.model_store.card import CARD_FILE
from emotion.translation.messages import gettext_noop
from emotion.ui.language import translate_spinner

_INTERPOLATED_PX: Final = 192
_log = logging.getLogger(__name__)


@translate_spinner(st.cache_resource, gettext_noop("Starting the upscaler"), max_entries=1)
def _load_upscaler(fingerprint: tuple[tuple[str, int], ...]) -> Upscaler | None:
    models, _ = store.list_models("upscaler")
    for bundle in models:
        try:
            return Upscaler(bundle)
        except ModelError as error:  # faces are enlarged by interpolation then
            _log.warning("the upscaler %s is not used: %s", bundle.name, error)
    return None


def _get_upscaler() -> Upscaler | None:
    """Return the upscaler, loaded once for all sessions and again when a model has changed."""
    cards = [card for folder in store.get_model_folders() for card in folder.glob(f"*/{CARD_FILE}")]
    return _load_upscaler(tuple(sorted((str(path), path.stat().st_mtime_ns) for path in cards)))


def enlarge_face(face: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a gray face, uint8 (size, size), in the size in which it is shown and saved."""
    upscaler = _get_upscaler()
    if upscaler is not None and face.shape == (upscaler.input_size, upscaler.input_size):
        return upscaler.enlarge(face[None])[0]
    return interpolate_face(face)


def interpolate_face(face: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a gray face, uint8 (size, size), enlarged without adding details."""
    size = (_INTERPOLATED_PX, _INTERPOLATED_PX)
    return np.asarray(cv2.resize(face, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def enlarge_faces(faces: FaceImages) -> FaceImages:
    """Return gray faces, uint8 (n, size, size), in the size in which they are shown and saved."""
    return np.stack([enlarge_face(face) for face in faces])
