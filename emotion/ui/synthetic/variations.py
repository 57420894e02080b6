"""Variations of a synthetic face: morph, walk and mix."""

from __future__ import annotations

from typing import Final

import streamlit as st

from emotion import charts
from emotion.expressions import get_style, symbol_and_name
from emotion.formatting import format_list
from emotion.generation import images
from emotion.generation.morph_video import encode_mp4
from emotion.generation.sampler import FaceImages, Sampler
from emotion.translation.messages import gettext as _
from emotion.ui import components
from emotion.ui.synthetic import enlarging
from emotion.ui.synthetic import faces as synthetic_faces

_ROW_STEPS, _GIF_STEPS = 2, 6  # faces from one expression to the next, in the row and in the GIF
_WALK_FACES: Final = 25
_WALK_SEED, _MIX_SEED = 158, 160  # faces that turn out well


def show_morph(sampler: Sampler, seed: int, truncation: float) -> None:
    """Show one person through all expressions."""
    strip, labels = synthetic_faces.morph(sampler, seed, _GIF_STEPS, truncation), sampler.labels
    stride = _GIF_STEPS // _ROW_STEPS
    row = strip.faces[::stride]
    synthetic_faces.show_row(row, _("Seed {seed} through all expressions").format(seed=seed))
    marks = [((i * _ROW_STEPS + 0.5) / len(row), get_style(label).symbol) for i, label in enumerate(labels)]
    positions = [(i / stride + 0.5) / len(row) for i in range(len(strip.faces))]
    chart = charts.plot_strip_predictions(synthetic_faces.make_scores_table(strip.faces, positions), marks)
    components.show_chart(chart, key="gen_seen", alt_text=_("Predictions along the row"))
    text = _("Above the faces, below the predictions of the classifier. Requested: {labels}.")
    st.caption(text.format(labels=format_list(map(symbol_and_name, labels))))
    _show_downloads("morph", strip.faces, f"morph-{seed}")


def show_walk(sampler: Sampler, seed: int, label: str, truncation: float) -> None:
    """Show the way from one person to another."""
    other_seed = synthetic_faces.choose_seed(_("To the seed"), "gen_walk_seed", _WALK_SEED)
    strip = synthetic_faces.walk(sampler, (seed, other_seed), label, _WALK_FACES, truncation)
    alt_text = _("From seed {first} to seed {second}").format(first=seed, second=other_seed)
    synthetic_faces.show_row(strip.faces[::2], alt_text)
    _show_downloads("walk", strip.faces, f"walk-{seed}-{other_seed}")


def _show_downloads(key: str, faces: FaceImages, file_stem: str) -> None:
    """Show downloads of an animation, which are made on the click."""
    with st.container(horizontal=True):
        synthetic_faces.show_download(
            f"{key}_video",
            _("Video (MP4)"),
            lambda: encode_mp4(enlarging.enlarge_faces(faces)),
            f"{file_stem}.mp4",
        )
        synthetic_faces.show_download(key, "GIF", lambda: images.encode_gif(faces), f"{file_stem}.gif")


def show_mix(sampler: Sampler, seed: int, label: str, truncation: float) -> None:
    """Show a mixture of two people."""
    other_seed = synthetic_faces.choose_seed(_("With the seed"), "gen_mix_seed", _MIX_SEED)
    share = st.slider(_("How much of the second"), 0, 100, 50, 5, format="%d%%", key="gen_share") / 100
    (mixed,) = sampler.interpolate_many(seed, other_seed, label, [share], truncation).faces
    ends: FaceImages = synthetic_faces.generate_faces(sampler, (seed, other_seed), label, truncation)
    with st.container(horizontal=True):
        captions = (_("Seed {seed}").format(seed=seed), _("Mixed"), _("Seed {seed}").format(seed=other_seed))
        for face, caption in zip((ends[0], mixed, ends[1]), captions, strict=True):
            st.image(enlarging.enlarge_face(face), caption, width=190, alt=caption)
    png = images.encode_face_png(enlarging.enlarge_face(mixed))
    synthetic_faces.show_download("mix", _("The mixed face"), png, f"mix-{seed}-{other_seed}.png")
