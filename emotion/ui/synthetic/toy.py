"""One large synthetic face: its person, a slider from one expression to another, and what can be done with it."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from emotion import charts
from emotion.expressions import symbol_and_name, translate_label
from emotion.faces import Scores
from emotion.formatting import format_list, format_percent
from emotion.generation import images
from emotion.generation.morph_video import encode_mp4
from emotion.generation.sampler import FaceImages, Sampler
from emotion.translation.messages import gettext as _
from emotion.ui import components, messages
from emotion.ui.synthetic import enlarging, favorites
from emotion.ui.synthetic import faces as synthetic_faces
from emotion.ui.synthetic.face_choice import FaceChoice

FACE_PX: Final = 384  # width of the large face
_VIDEO_FACES: Final = 25
_START_LABEL: Final = "neutral"


@st.fragment
def show_toy(sampler: Sampler, seed: int, label: str, truncation: float) -> None:
    """Show the large face of a seed, between two expressions, with the scores of the classifier."""
    with messages.error_box(_("this face")):  # a rerun of the fragment is outside the box of the page
        left, right = st.columns([1, 1], gap="large")
        with right:
            st.header(_("Seed {seed}, {label}").format(seed=seed, label=translate_label(label)), anchor=False)
            choice = _choose_expression(sampler, seed, label, truncation)
        face = choice.generate(sampler)
        (scores,) = synthetic_faces.classify_faces(face[None])
        large = enlarging.enlarge_face(face)
        with left:
            alt_text = _("Seed {seed}, requested as {label}").format(seed=seed, label=translate_label(label))
            st.image(large, width=FACE_PX, alt=alt_text)
        with right:
            _show_scores(scores)
            _show_actions(sampler, choice, large)


def _choose_expression(sampler: Sampler, seed: int, label: str, truncation: float) -> FaceChoice:
    """Choose the expression to start from, and how far the face is on the way to `label`."""
    others = [name for name in sampler.labels if name != label]
    start = st.selectbox(
        _("From"),
        others,
        index=others.index(_START_LABEL) if _START_LABEL in others else 0,
        format_func=symbol_and_name,
        key=f"gen_from_{label}",
    )
    end_name = symbol_and_name(label)
    share = st.slider(
        _("Expression: {start} to {end}").format(start=symbol_and_name(start), end=end_name),
        0,
        100,
        100,
        5,
        format="%d%%",
        key="gen_expression_share",
    )
    return FaceChoice(seed, (start, label), share / 100, truncation)


def _show_scores(scores: Scores) -> None:
    """Show what the classifier sees in the face."""
    st.markdown(
        _("Predicted: **{label}** {percent}").format(
            label=symbol_and_name(scores.label), percent=format_percent(scores[scores.label])
        )
    )
    table = pd.DataFrame({"expression": list(scores), "probability": list(scores.values())})
    alt_text = format_list(f"{translate_label(label)} {format_percent(p)}" for label, p in scores.items())
    components.show_chart(charts.plot_scores(table), key="gen_scores", alt_text=alt_text)


def _show_actions(sampler: Sampler, choice: FaceChoice, large: NDArray[np.uint8]) -> None:
    """Show the buttons below the face."""
    with st.container(horizontal=True):
        favorites.show_add(choice)
        synthetic_faces.show_download("face", _("This face"), images.encode_face_png(large), f"{choice.file_stem}.png")
        synthetic_faces.show_download(
            "video",
            _("Video (MP4)"),
            lambda: encode_mp4(_generate_video_faces(sampler, choice), sampler.bundle.name),
            f"{'-'.join(choice.labels)}-{choice.seed}.mp4",
        )


def _generate_video_faces(sampler: Sampler, choice: FaceChoice) -> FaceImages:
    """Generate the large faces of a video from one expression to the other."""
    fractions = tuple(np.linspace(0, 1, _VIDEO_FACES).tolist())
    strip = synthetic_faces.blend(sampler, choice.seed, choice.labels, fractions, choice.truncation)
    return enlarging.enlarge_faces(strip.faces)
