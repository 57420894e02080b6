"""Synthetic faces: generate them, inspect one, vary it, see how their generator learned."""

import streamlit as st

from emotion.expressions import symbol_and_name, translate_label
from emotion.generation.sampler import make_seeds
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop
from emotion.ui import page
from emotion.ui.synthetic import faces as synthetic_faces
from emotion.ui.synthetic import generator, sheet, variations

with page.page_layout():
    st.title(_("Synthetic faces"), anchor=False)
    st.write(_("People who do not exist, with the expression you choose. A seed is always the same person."))
    sampler = sheet.choose_generator()
    selected_label = st.pills(
        _("Expression"),
        [*sampler.labels, sheet.ALL_LABELS],
        default="happy" if "happy" in sampler.labels else sampler.labels[0],
        format_func=lambda name: symbol_and_name(name) if name != sheet.ALL_LABELS else _("all of them"),
        key="gen_expression",
        required=True,
    )
    labels = sampler.labels if selected_label == sheet.ALL_LABELS else (str(selected_label),)
    left, middle, right = st.columns([2, 2, 2], gap="medium")
    with left:
        seed = synthetic_faces.choose_seed(_("First seed"), "gen_seed", sheet.DEFAULT_SEED)
    with middle:
        num_faces = st.segmented_control(_("Faces"), sheet.FACE_COUNTS, default=8, key="gen_count", required=True) or 8
    with right:
        truncation = st.slider(
            _("Variety"),
            0.0,
            1.0,
            sampler.truncation,
            0.05,
            key="gen_truncation",
            help=_("Lower is safer and more alike."),
        )
    seeds = make_seeds(seed, num_faces if len(labels) == 1 else 8)
    sheet.show_sheet(sampler, seeds, labels, truncation)
    st.caption(_("Quality varies. The first seeds are hand-picked."))
    sheet.show_sheet_downloads(sampler, seeds, labels, truncation)
    selected_seed, label = st.session_state.get("gen_pick") or (seeds[0], labels[0])
    if selected_seed not in seeds or label not in labels:
        selected_seed, label = seeds[0], str(labels[0])
    st.subheader(_("Seed {seed}, {label}").format(seed=selected_seed, label=translate_label(label)), anchor=False)
    variations.show_face(sampler, selected_seed, label, truncation)
    mode = st.segmented_control(
        _("Change it"),
        [
            gettext_noop("Through all expressions"),
            gettext_noop("To another person"),
            gettext_noop("Mix with another"),
        ],
        format_func=_,
        key="gen_way",
        default="Through all expressions",
        required=True,
    )
    if mode == "To another person":
        variations.show_walk(sampler, selected_seed, label, truncation)
    elif mode == "Mix with another":
        variations.show_mix(sampler, selected_seed, label, truncation)
    else:
        variations.show_morph(sampler, selected_seed, truncation)
    st.subheader(_("Training history"), anchor=False)
    generator.show_training_history(sampler.bundle)
    st.subheader(_("Quality"), anchor=False)
    generator.show_quality(sampler.bundle)
    st.subheader(_("Does synthetic data help training?"), anchor=False)
    generator.show_augmentation_study(sampler.bundle)
