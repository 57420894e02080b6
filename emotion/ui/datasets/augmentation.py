"""Training faces of a data set as the augmentation changes them."""

from __future__ import annotations

from typing import Final

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from emotion.datasets.augmentation import Augmentation, augment
from emotion.media.image_reader import encode_png
from emotion.translation.messages import gettext as _
from emotion.ui import augmentation_controls
from emotion.ui.datasets import selection
from emotion.ui.datasets.views import show_shuffle_button

_NUM_ROWS: Final = 5
_NUM_COLUMNS: Final = 8  # the face itself, and seven augmented copies

state = st.session_state


def show_augmentations(faces: NDArray[np.uint8], file_stem: str) -> None:
    """Show some faces as a training augments them, with the same function.

    Args:
        faces: Gray uint8 (n, size, size).
        file_stem: Start of the name of the saved file.
    """
    st.write(
        _(
            "During training every face changes a little in each epoch, which prevents overfitting. "
            "The first column is unchanged."
        )
    )
    left, right = st.columns([2, 1], gap="large")
    with right:
        augmentation = _choose_augmentation()
        is_mirrored = st.toggle(_("Mirror every second face"), True, key="data_changes_flip")
        seed = state.setdefault("data_changes_seed", 0)
        show_shuffle_button(key="data_changes_seed")
    rng = np.random.default_rng(seed)
    num_copies = _NUM_COLUMNS - 1
    flip = np.arange(num_copies) % 2 == 1 if is_mirrored else np.zeros(num_copies, bool)
    cells = []
    for face in faces[rng.permutation(len(faces))[:_NUM_ROWS]]:
        cells += [face, *augment(np.repeat(face[None], num_copies, axis=0), faces.shape[1], flip, augmentation, rng)]
    sheet = selection.make_face_grid(np.stack(cells), _NUM_COLUMNS, 3)
    with left:
        st.image(sheet, width="stretch", alt=_("Each row is one face, and seven ways to change it"))
        selection.show_download(
            _("Sheet (PNG)"), lambda: encode_png(sheet), file_name=f"{file_stem}-changes.png", key="changes"
        )


def _choose_augmentation() -> Augmentation:
    default = Augmentation()
    strengths = {
        field: augmentation_controls.choose_strength(field, f"data_change_{field}", default)
        for field in augmentation_controls.COMMON
    }
    min_scale, max_scale = augmentation_controls.choose_scale("data_change_scale", default)
    with st.expander(_("Like webcams")):
        for field in augmentation_controls.DEGRADATIONS:
            strengths[field] = augmentation_controls.choose_strength(field, f"data_change_{field}", default)
    return Augmentation(**strengths, min_scale=min_scale, max_scale=max_scale)
