"""The second view of the Synthetic faces page: how the generator learned, how good it is, whether it helps."""

from __future__ import annotations

import streamlit as st

from emotion.generation.sampler import Sampler
from emotion.translation.messages import gettext as _
from emotion.ui.synthetic import faces as synthetic_faces
from emotion.ui.synthetic import generator, sheet


def show_research(sampler: Sampler) -> None:
    """Show training history, quality, nearest training faces and the study of augmentation."""
    st.header(_("Training history"), anchor=False)
    generator.show_training_history(sampler.bundle)
    st.header(_("Quality"), anchor=False)
    generator.show_quality(sampler.bundle)
    st.header(_("Does synthetic data help training?"), anchor=False)
    generator.show_augmentation_study(sampler.bundle)
    st.header(_("Nearest training faces"), anchor=False)
    seed, label = st.session_state.get("gen_pick") or (sheet.DEFAULT_SEED, sampler.labels[0])
    if label not in sampler.labels:
        label = sampler.labels[0]
    (face,) = synthetic_faces.generate_faces(sampler, (seed,), label, sampler.truncation)
    generator.show_nearest(sampler.bundle, face, seed, label, sampler.truncation)
