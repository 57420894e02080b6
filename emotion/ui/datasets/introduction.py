"""What building a data set does, and where FER-2013 comes from."""

from __future__ import annotations

import numpy as np
import streamlit as st

from emotion.datasets.augmentation import Augmentation, augment
from emotion.translation.messages import gettext as _
from emotion.ui import session
from emotion.ui.datasets import selection
from emotion.ui.photos import photo_cache


def show_steps() -> None:
    """Show the steps of building a data set with the sample photo, by the functions that do them."""
    name, content = photo_cache.read_sample_photo()
    analysis = photo_cache.analyze_photo(content, name)
    anonymize = session.get_settings().anonymize
    columns = st.columns([3, 2, 2, 4], gap="medium", vertical_alignment="bottom")
    columns[0].image(
        analysis.render_preview(anonymize), _("1 · A photo, in a folder named happy"), alt=_("A photo of an astronaut")
    )
    if not analysis.faces:
        return
    columns[1].image(
        analysis.render_crops(anonymize)[0], _("2 · Its face is found"), width="stretch", alt=_("The face in color")
    )
    gray = analysis.gray_crops[:1]
    columns[2].image(
        selection.make_face_grid(gray, 1, 4),
        _("3 · cropped, gray, 48 x 48"),
        width="stretch",
        alt=_("The face, gray and small"),
    )
    augmented = augment(
        gray.repeat(8, axis=0), gray.shape[1], np.arange(8) % 2 == 1, Augmentation(), np.random.default_rng(3)
    )
    columns[3].image(
        selection.make_face_grid(augmented, 4, 3),
        _("4 · augmented during training"),
        width="stretch",
        alt=_("The face turned, moved, brighter, mirrored"),
    )


def show_fer2013_hint() -> None:
    """Explain where FER-2013 comes from."""
    st.markdown(
        _(
            "**No photos at hand?** FER-2013 is what most classifiers of expressions learn from: "
            "35,887 gray faces of 48 x 48 pixels with seven labels. It is not part of this program. "
            "Kaggle has it (search for FER-2013), as `fer2013.csv` or as folders. Put the file into "
            "`data/`, or the folders into `data/sets/fer2013/`, and reload this page. Or start with "
            "`EMOTION_DATA=/where/it/lies make app`."
        )
    )
