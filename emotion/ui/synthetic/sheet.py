"""Generator, seeds and the sheet of synthetic faces."""

from __future__ import annotations

from typing import Final

import streamlit as st

from emotion.expressions import symbol_and_name, translate_label
from emotion.generation import images
from emotion.generation.sampler import Sampler
from emotion.results import serialization
from emotion.translation.messages import gettext as _
from emotion.ui import components, messages
from emotion.ui.synthetic import enlarging
from emotion.ui.synthetic import faces as synthetic_faces

ALL_LABELS: Final = "all seven"
FACE_COUNTS: Final = (8, 16, 32, 64)
DEFAULT_SEED: Final = 153  # a face that turns out well, as those of `variations`
_SIDE_PX: Final = 192
_SMALL_SIDE_PX: Final = 86  # eight people in a row, for each expression
_CHOICE_KEYS: Final = ("gen_expression", "gen_seed", "gen_count", "gen_truncation", "gen_expression_share")
state = st.session_state


def choose_generator() -> Sampler:
    """Choose and load a generator; without one the page ends here."""
    generators, errors = synthetic_faces.list_generators()
    for error in errors:
        st.caption(messages.escape_markdown(error))
    if not generators:
        st.info(
            _(
                "There is no generator in models/ yet. `emotion generator train --data fer2013.npz --out runs/faces` "
                "trains one; it appears here when it is done."
            ),
            icon=":material/face_retouching_natural:",
        )
        st.stop()
    names = [bundle.name for bundle in generators]
    name = st.selectbox(_("Generator"), names, key="gen_model", width=260) if len(names) > 1 else names[0]
    return synthetic_faces.load_sampler(generators[names.index(name)])


def keep_choices() -> None:
    """Keep what is chosen on the first view while the other one is shown: Streamlit forgets hidden widgets."""
    for key in _CHOICE_KEYS:
        if key in state:
            state[key] = state[key]


def get_selected(seeds: tuple[int, ...], labels: tuple[str, ...]) -> tuple[int, str]:
    """Return seed and label of the selected face, of the first one without a selection in this sheet."""
    seed, label = state.get("gen_pick") or (seeds[0], labels[0])
    return (seed, label) if seed in seeds and label in labels else (seeds[0], labels[0])


def _select_face(seed: int, label: str) -> None:
    """Select a face of the sheet."""
    state.update(gen_pick=(seed, label))


def show_sheet(sampler: Sampler, seeds: tuple[int, ...], labels: tuple[str, ...], truncation: float) -> None:
    """Show faces of several people, a row of people for each expression."""
    selected_face = state.get("gen_pick")
    for label in labels:
        if len(labels) > 1:
            st.markdown(f"**{symbol_and_name(label)}**")
        faces = synthetic_faces.generate_faces(sampler, seeds, label, truncation)
        row = [(seed, label) for seed in seeds]
        components.show_thumbnails(
            synthetic_faces.make_thumbnails(enlarging.enlarge_faces(faces), seeds, label),
            key=f"gen_sheet_{label}",
            label=_("{label} faces").format(label=translate_label(label)),
            max_height_px=700,
            selection=components.Selection(
                row.index(selected_face) + 1 if selected_face in row else 0,
                lambda number, label=label: _select_face(seeds[number - 1], label),
            ),
            side_px=_SIDE_PX if len(labels) == 1 else _SMALL_SIDE_PX,
        )


def show_sheet_downloads(sampler: Sampler, seeds: tuple[int, ...], labels: tuple[str, ...], truncation: float) -> None:
    """Show downloads of the sheet, which are made on the click."""

    def build_files() -> dict[str, bytes]:
        return images.build_files(sampler, seeds, labels, truncation)

    with st.container(horizontal=True):
        synthetic_faces.show_download("sheet", _("Sheet"), lambda: build_files()["sheet.png"], "sheet.png")
        synthetic_faces.show_download(
            "zip", _("All faces"), lambda: serialization.zip_files(build_files()), "faces.zip"
        )
