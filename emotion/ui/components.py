"""What pages are made of besides Streamlit's own: a picture with a button over each face, a strip of small pictures,
a chart, and a face in words."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.components.v2 import component

from emotion.expressions import expression, ink, named
from emotion.faces import Face
from emotion.formatting import percent
from emotion.media.image_reader import encode_jpeg
from emotion.recognition.annotation import MOST_WORDS
from emotion.results import photos
from emotion.results.photos import Reading
from emotion.storage import PROJECT_ROOT

if TYPE_CHECKING:  # altair takes a third of a second, and the first page has no chart
    import altair as alt

Picture = NDArray[np.uint8]


def own_component(name: str) -> Callable[..., Any]:
    """Our own small component `name`, whose two files lie in `static`."""
    here = PROJECT_ROOT / "emotion" / "ui" / "static"
    return component(
        f"emotion_{name}",
        html=f'<div class="{name}" role="group"></div>',
        css=(here / f"{name}.css").read_text(encoding="utf-8"),
        js=(here / f"{name}.js").read_text(encoding="utf-8"),
    )


_PICTURE: Final = own_component("picture")
_STRIP: Final = own_component("strip")


def picture(
    reading: Reading, faces: Sequence[Face], *, key: str, alt: str, blur: bool, chosen: int,
    choose: Callable[[int], None],
) -> None:  # fmt: skip
    """A photo with its boxes: pointing at one shows all scores; a click calls `choose` with its number from 1."""
    data = {
        "src": jpeg_url(reading.preview_shown(blur)),
        "alt": alt,
        "width": reading.width,
        "height": reading.height,
        # A tuple: of a list Streamlit asks whether it is a table, and loads pandas for that.
        "faces": tuple(_face_data(number, face) for number, face in enumerate(faces, 1)),
        "chosen": chosen,
        "most_words": MOST_WORDS,
    }
    _PICTURE(key=key, data=data, on_chosen_change=_chosen(key, len(faces), choose))


def _face_data(number: int, face: Face) -> dict[str, Any]:
    look, scores = expression(face.shown), face.scores or {}
    return {
        "number": number,
        "box": list(face.box.rounded()),
        "sign": look.sign,
        "title": title(face),
        "reason": reason(face),
        "colour": look.colour,
        "ink": ink(look.name),
        "scores": [
            {"name": named(e), "share": p, "text": percent(p), "colour": expression(e).colour}
            for e, p in sorted(scores.items(), key=lambda one: -one[1])
        ],
    }


class Item(NamedTuple):
    """One small picture of a strip, RGB uint8: the lines below it, what it says aloud, and its colour or ""."""

    image: Picture
    text: str
    title: str
    colour: str = ""


def strip(
    items: Sequence[Item], *, key: str, label: str, side: int, height: int, chosen: int,
    choose: Callable[[int], None],
) -> None:  # fmt: skip
    """A strip of small pictures, `side` pixels each, that scrolls from `height` on; `choose` as in `picture`."""
    data = {
        "items": [
            {**item._asdict(), "image": jpeg_url(encode_jpeg(photos.smaller(item.image, 2 * side), 85))}
            for item in items
        ],
        "label": label,
        "side": side,
        "height": height,
        "chosen": chosen,
    }
    _STRIP(key=key, data=data, on_chosen_change=_chosen(key, len(items), choose))


def chart(
    drawn: alt.Chart | alt.LayerChart, *, key: str, alt_text: str, choose: Callable[[], None] | None = None
) -> None:
    """A chart of `emotion.charts` over the whole width, in the colours of the page; `choose` is called after a click
    in it, when what was chosen stands in the session's state below `key`."""
    # Streamlit's own chart theme writes labels in a grey that is too pale to read on white.
    st.altair_chart(drawn, key=key, theme=None, width="stretch", alt=alt_text, on_select=choose or "ignore")


def _chosen(key: str, most: int, choose: Callable[[int], None]) -> Callable[[], None]:
    """What runs when a component says that something was chosen; a browser may say anything."""

    def run() -> None:
        number = st.session_state[key].get("chosen")
        if isinstance(number, (int, float)) and 1 <= number <= most:
            choose(int(number))

    return run


def jpeg_url(jpeg: bytes) -> str:
    """A JPEG as an address that a component can show without asking for a file."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def pixels(size: tuple[int, int]) -> str:
    """A width and height in words: "640 × 480 pixels"."""
    return f"{size[0]} × {size[1]} pixels"


def title(face: Face) -> str:
    """What a face is called: "happy 87 %" or "unsure"."""
    if face.unsure is not None or face.confidence is None:
        return face.shown
    return f"{face.label} {percent(face.confidence)}"


def reason(face: Face) -> str:
    """Why a face is unsure, as a sentence; "" where it is not."""
    if face.unsure is None or face.confidence is None:
        return ""
    best = f"{face.label} at {percent(face.confidence)}"
    return f"{face.unsure[:1].upper()}{face.unsure[1:]}. The best guess is {best}."
