"""Synthetic faces: change one by a slider, meet other people; on a second view, how their generator was measured."""

import streamlit as st

from emotion.expressions import symbol_and_name
from emotion.generation.sampler import make_seeds
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop
from emotion.ui import page
from emotion.ui.synthetic import faces as synthetic_faces
from emotion.ui.synthetic import favorites, research, sheet, toy, variations

FACES_VIEW = gettext_noop("Faces")
RESEARCH_VIEW = gettext_noop("Research")
WAYS = [
    gettext_noop("Through all expressions"),
    gettext_noop("To another person"),
    gettext_noop("Mix with another"),
]

with page.page_layout():
    st.title(_("Synthetic faces"), anchor=False)
    st.write(_("People who do not exist, with the expression you choose. A seed is always the same person."))
    sampler = sheet.choose_generator()
    view = st.segmented_control(
        _("View"),
        [FACES_VIEW, RESEARCH_VIEW],
        default=FACES_VIEW,
        required=True,
        format_func=_,
        key="gen_view",
        label_visibility="collapsed",
    )
    if view == RESEARCH_VIEW:
        sheet.keep_choices()
        research.show_research(sampler)
        st.stop()
    selected_label = st.pills(
        _("Expression"),
        [*sampler.labels, sheet.ALL_LABELS],
        default="happy" if "happy" in sampler.labels else sampler.labels[0],
        format_func=lambda name: symbol_and_name(name) if name != sheet.ALL_LABELS else _("all of them"),
        key="gen_expression",
        required=True,
    )
    labels = sampler.labels if selected_label == sheet.ALL_LABELS else (str(selected_label),)
    left, right = st.columns(2, gap="large", vertical_alignment="bottom")
    with left:
        seed = synthetic_faces.choose_seed(_("Seed"), "gen_seed", sheet.DEFAULT_SEED)
    with right:
        st.session_state.setdefault("gen_truncation", sampler.truncation)
        truncation = st.slider(
            _("Variety"), 0.0, 1.0, step=0.05, key="gen_truncation", help=_("Lower is safer and more alike.")
        )
    st.session_state.setdefault("gen_count", sheet.FACE_COUNTS[0])
    num_faces = st.session_state["gen_count"] if len(labels) == 1 else sheet.FACE_COUNTS[0]
    seeds = make_seeds(seed, num_faces)
    selected_seed, label = sheet.get_selected(seeds, labels)
    toy.show_toy(sampler, selected_seed, label, truncation)
    favorites.show_favorites(sampler)
    st.header(_("More people"), anchor=False)
    if len(labels) == 1:
        st.segmented_control(_("Faces"), sheet.FACE_COUNTS, key="gen_count", required=True)
    sheet.show_sheet(sampler, seeds, labels, truncation)
    st.caption(_("Quality varies. The first seeds are hand-picked."))
    sheet.show_sheet_downloads(sampler, seeds, labels, truncation)
    st.header(_("Animate"), anchor=False)
    way = st.segmented_control(
        _("Change it"), WAYS, format_func=_, key="gen_way", default=WAYS[0], required=True, label_visibility="collapsed"
    )
    if way == "To another person":
        variations.show_walk(sampler, selected_seed, label, truncation)
    elif way == "Mix with another":
        variations.show_mix(sampler, selected_seed, label, truncation)
    else:
        variations.show_morph(sampler, selected_seed, truncation)
