"""One synthetic face, and its variations: morph, walk and mix."""

from __future__ import annotations

from typing import Final

import pandas as pd
import streamlit as st

from emotion import charts
from emotion.expressions import get_style, symbol_and_name, translate_label
from emotion.faces import Scores
from emotion.formatting import format_list, format_percent
from emotion.generation import images
from emotion.generation.sampler import FaceImages, Sampler
from emotion.translation.messages import gettext as _
from emotion.ui import components
from emotion.ui.synthetic import enlarging, generator
from emotion.ui.synthetic import faces as synthetic_faces

_ROW_STEPS, _GIF_STEPS = 2, 6  # faces from one expression to the next, in the row and in the GIF
_WALK_FACES: Final = 25
_WALK_SEED, _MIX_SEED = 158, 160  # faces that turn out well


def show_face(sampler: Sampler, seed: int, label: str, truncation: float) -> None:
    """Show one face: the requested label, and the scores of the classifier."""
    (face,) = synthetic_faces.generate_faces(sampler, (seed,), label, truncation)
    left, right = st.columns([1, 2], gap="medium")
    with left:
        large = enlarging.enlarge_face(face)
        alt_text = _("Seed {seed}, requested as {label}").format(seed=seed, label=translate_label(label))
        st.image(large, _("Seed {seed}").format(seed=seed), width=256, alt=alt_text)
        synthetic_faces.show_download("face", _("This face"), images.encode_face_png(large), f"{label}-{seed}.png")
    with right:
        (scores,) = synthetic_faces.classify_faces(face[None])
        text = _("Requested {requested}, predicted {predicted}")
        text = text.format(requested=symbol_and_name(label), predicted=symbol_and_name(scores.label))
        st.markdown(f"##### {text}", anchors=False)
        _show_scores(scores)
    generator.show_nearest(sampler.bundle, face, seed, label, truncation)


def _show_scores(scores: Scores) -> None:
    """Show the scores of the classifier."""
    table = pd.DataFrame({"expression": list(scores), "probability": list(scores.values())})
    alt_text = format_list(f"{translate_label(label)} {format_percent(p)}" for label, p in scores.items())
    components.show_chart(charts.plot_scores(table), key="gen_scores", alt_text=alt_text)


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
    synthetic_faces.show_download("morph", "GIF", lambda: images.encode_gif(strip.faces), f"morph-{seed}.gif")


def show_walk(sampler: Sampler, seed: int, label: str, truncation: float) -> None:
    """Show the way from one person to another."""
    other_seed = synthetic_faces.choose_seed(_("To the seed"), "gen_walk_seed", _WALK_SEED)
    strip = synthetic_faces.walk(sampler, (seed, other_seed), label, _WALK_FACES, truncation)
    alt_text = _("From seed {first} to seed {second}").format(first=seed, second=other_seed)
    synthetic_faces.show_row(strip.faces[::2], alt_text)
    synthetic_faces.show_download(
        "walk", "GIF", lambda: images.encode_gif(strip.faces), f"walk-{seed}-{other_seed}.gif"
    )


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
