"""The favorite synthetic faces of a session: add, remove, look at again, download."""

from __future__ import annotations

from typing import Final

import numpy as np
import streamlit as st

from emotion.expressions import get_style, symbol_and_name, translate_label
from emotion.generation import images
from emotion.generation.sampler import Sampler
from emotion.results import serialization
from emotion.translation.messages import gettext as _
from emotion.ui import components
from emotion.ui.synthetic import enlarging
from emotion.ui.synthetic import faces as synthetic_faces
from emotion.ui.synthetic.face_choice import FaceChoice

_KEY: Final = "gen_favorites"
_SIDE_PX: Final = 96
_MAX_FAVORITES: Final = 48

state = st.session_state


def show_add(choice: FaceChoice) -> None:
    """Show the button that adds a face to the favorites, or removes it from them."""
    favorites: list[FaceChoice] = state.setdefault(_KEY, [])
    is_favorite = choice in favorites
    clicked = st.button(
        _("Remove favorite") if is_favorite else _("Favorite"),
        icon=":material/heart_minus:" if is_favorite else ":material/favorite:",
        key="gen_favorite",
        disabled=not is_favorite and len(favorites) >= _MAX_FAVORITES,
    )
    if clicked:
        state[_KEY] = [one for one in favorites if one != choice] if is_favorite else [*favorites, choice]
        st.rerun()  # of the page, which shows the favorites outside of the fragment of the button


def show_favorites(sampler: Sampler) -> None:
    """Show the favorites that this generator can draw; a click shows one of them as the large face."""
    favorites = [one for one in state.get(_KEY, []) if {*one.labels} <= {*sampler.labels}]
    if not favorites:
        return
    st.markdown("## " + _("Favorites"), anchors=False)
    thumbnails = [
        components.Thumbnail(
            np.dstack([enlarging.enlarge_face(one.generate(sampler))] * 3),
            f"{one.seed}\n{symbol_and_name(one.labels[1])}",
            _("Seed {seed}, {label}").format(seed=one.seed, label=translate_label(one.labels[1])),
            get_style(one.labels[1]).color,
        )
        for one in favorites
    ]
    components.show_thumbnails(
        thumbnails,
        key="gen_favorites_strip",
        label=_("Favorites"),
        side_px=_SIDE_PX,
        max_height_px=280,
        selection=components.Selection(0, lambda number: _show_again(favorites[number - 1])),
    )
    synthetic_faces.show_download("favorites", _("All favorites"), lambda: _zip(sampler, favorites), "favorites.zip")
    st.caption(_("Favorites last until the page is closed."))


def _show_again(choice: FaceChoice) -> None:
    start, end = choice.labels
    state.update(
        gen_pick=(choice.seed, end),
        gen_seed=str(choice.seed),
        gen_expression=end,
        gen_truncation=choice.truncation,
        gen_expression_share=round(100 * choice.share),
    )
    state[f"gen_from_{end}"] = start


def _zip(sampler: Sampler, favorites: list[FaceChoice]) -> bytes:
    files = {
        f"{one.file_stem}.png": images.encode_face_png(enlarging.enlarge_face(one.generate(sampler)))
        for one in favorites
    }
    return serialization.zip_files(files)
