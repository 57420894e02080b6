"""The layout of the Live page: a large image, the cards beside it, the controls below; the cards follow on a phone."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


class LiveLayout(NamedTuple):
    """The containers of the page: for the image, the cards or the game, and the controls."""

    stage: DeltaGenerator
    side: DeltaGenerator
    tools: DeltaGenerator


def make_layout() -> LiveLayout:
    """Make the containers."""
    # Each container is in a wrapper of Streamlit, which is the item of the grid. The image is as large as its column,
    # and as the window allows with the title and a row of buttons; `static/overlay.js` sets its ratio.
    st.html(
        """<style>
        [data-testid=stMainBlockContainer] { padding-left: 2rem; padding-right: 2rem }
        .stVerticalBlock.st-key-live_layout {
          --live-ratio: 1.3333; display: grid; gap: 1rem; align-items: start;
          grid-template: "stage side" auto "tools tools" auto /
            minmax(0, max(18rem, calc((100dvh - 15.5rem) * var(--live-ratio)))) minmax(16rem, 1fr);
        }
        .st-key-live_layout > :has(> .st-key-live_stage) { grid-area: stage; min-width: 0 }
        .st-key-live_layout > :has(> .st-key-live_side) { grid-area: side; min-width: 0 }
        .st-key-live_layout > :has(> .st-key-live_tools) { grid-area: tools; min-width: 0 }
        .st-key-live_side > :has(> .st-key-live_over) { height: 0; margin-bottom: -1rem }
        @media (max-width: 640px) {
          [data-testid=stMainBlockContainer] { padding-left: 1rem; padding-right: 1rem }
          .stVerticalBlock.st-key-live_layout { grid-template: "stage" auto "side" auto "tools" auto / minmax(0, 1fr) }
        }
        .stVerticalBlock.st-key-live_layout:fullscreen {
          grid-template: "stage" 100dvh / 100dvw; justify-items: center; overflow: hidden; background: black;
        }
        .st-key-live_layout:fullscreen > :has(> .st-key-live_stage) {
          width: min(100dvw, calc(100dvh * var(--live-ratio)));
        }
        .st-key-live_layout:fullscreen > :has(> .st-key-live_side) {
          position: absolute; top: 4rem; right: 1rem; width: 18rem;
        }
        .st-key-live_layout:fullscreen > :has(> .st-key-live_tools),
        .st-key-live_layout:fullscreen .st-key-live_faces { display: none }
        </style>"""
    )
    with st.container(key="live_layout"):
        return LiveLayout(*(st.container(key=f"live_{name}") for name in LiveLayout._fields))
