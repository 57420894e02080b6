"""What the pages share; what only one page needs of Streamlit lies in `ui_live`, `ui_film` and `ui_cast`.

Cached loaders, the sidebar and what was chosen in it, the error box, and two small components: a picture with
a button over each face, and a strip of small pictures.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.components.v2 import component
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

from emotion import bundles, photos
from emotion.bundles import Bundle
from emotion.errors import EmotionError, ModelError
from emotion.faces import Box, Face, expression, ink, named, percent
from emotion.lines import Line
from emotion.photos import Photo, Reading
from emotion.recognition import detectors
from emotion.recognition.analyzer import Analyzer, Settings
from emotion.recognition.annotation import MOST_WORDS
from emotion.recognition.classification import Recogniser
from emotion.recognition.images import encode_jpeg

if TYPE_CHECKING:  # altair takes a third of a second, and the first page has no chart
    import altair as alt

Picture = NDArray[np.uint8]

SAMPLE: Final = Path(__file__).parent / "samples" / "astronaut.jpg"
_ANSWERS: Final = {"ferplus": "FER+", "fer2013": "FER-2013"}
_DETECTORS: Final = {"glance": "Glance", "yunet": "YuNet", "haar": "Haar"}
_SEARCH: Final = {"Fast": 640, "Normal": 1280, "Find all": 2560}  # long side in pixels that is searched
_log: Final = logging.getLogger("emotion")


# ------------------------------------------------------------------ words and errors


def plain(text: str) -> str:
    """Text of others as Markdown that shows exactly this text: no links, colours, formulas or icons."""
    # Backslashes do not stop the links, dashes, arrows and ":icons:" that are looked for in the finished text;
    # a word joiner, which cannot be seen, does.
    joined = re.sub(r"([:@<>-]|www)", "\\1\u2060", " ".join(text.split()))
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~$&:^=\"'])", r"\\\1", joined)


@contextmanager
def error_box(doing: str = "this") -> Iterator[None]:
    """Show an `EmotionError` as its sentence; log everything else with its traceback and say so politely.

    The page goes on after the block; what follows must not need what the block failed to make.
    """
    try:
        yield
    except EmotionError as error:
        st.error(plain(str(error)), icon=":material/error:")
    except Exception:
        _log.exception("failed: %s", doing)
        st.error(
            f"Something went wrong with {plain(doing)}. It is a fault of this program; its log has the details.",
            icon=":material/error:",
        )


# ------------------------------------------------------------------ what is at work


@dataclass(frozen=True)
class Choice:
    """What was chosen in the sidebar: it holds for all pages of a session."""

    detector: str
    bundle: Bundle | None  # None where no usable recogniser is there
    refused: tuple[str, ...]  # a sentence for each model folder that cannot be used
    settings: Settings  # its `unsure` is what a person chose
    blur: bool


def choice() -> Choice:
    """What was chosen in the sidebar of this session."""
    return st.session_state["choice"]


@contextmanager
def page() -> Iterator[Choice]:
    """Everything that a page shows belongs in this block: it has the sidebar, and its errors get said."""
    if not st.session_state.pop("sidebar_drawn", False):
        if PagesManager.uses_pages_directory:
            # The first visitor after a start who opens the address of a page gets the bare file from Streamlit, as
            # it was before st.navigation. The entrance leads back here, and from then on everybody goes through it.
            entrance = Path(__file__).parents[1] / "app.py"
            exec(compile(entrance.read_bytes(), entrance, "exec"), {"__name__": "__main__"})
            st.stop()
        sidebar()  # the page is run alone
        del st.session_state["sidebar_drawn"]
    with error_box("this page"):
        yield choice()


def bundle() -> Bundle:
    """The recogniser that was chosen; `ModelError` where there is none."""
    chosen = choice()
    if chosen.bundle is None:
        raise ModelError(" ".join(chosen.refused) or "There is no recogniser in models/ yet; train one first.")
    return chosen.bundle


def analyzer() -> Analyzer:
    """The analyzer that was chosen, loaded once for all sessions; `ModelError` where there is none."""
    chosen = bundle()
    return _load_analyzer(choice().detector, chosen.sha256, chosen)


@st.cache_resource(max_entries=4, show_spinner="Starting the recogniser")
def _load_analyzer(detector: str, sha256: str, _bundle: Bundle) -> Analyzer:
    return Analyzer(detectors.make_detector(detector), Recogniser(_bundle))


@st.cache_data(max_entries=4, show_spinner=False)
def _recognisers(stamp: tuple[tuple[str, int], ...], _place: Path) -> tuple[list[Bundle], list[str]]:
    """Hashing the files of all models takes longer than the rest of a page; `stamp` tells when they changed."""
    return bundles.find_bundles("recogniser", _place)


def recognisers() -> tuple[list[Bundle], list[str]]:
    """The usable recognisers, the one to use first, and a sentence for each refused model folder."""
    place = bundles.SHIPPED
    stamp = tuple(sorted((str(path), path.stat().st_mtime_ns) for path in place.glob("*/*")))
    return _recognisers(stamp, place)


def accuracy(bundle: Bundle, head: str) -> float | None:
    """The share of right answers of a head on the test faces, 0 to 1, as its card says; None where it does not."""
    try:
        return float(bundle.card["metrics"]["private"][head]["accuracy"])
    except (KeyError, TypeError, ValueError):
        return None


def answer_name(bundle: Bundle, head: str) -> str:
    """An answer of a recogniser in words: "8 expressions (FER+)"."""
    return f"{len(bundle.heads[head].labels)} expressions ({_ANSWERS.get(head, head)})"


# ------------------------------------------------------------------ the sidebar


def sidebar() -> None:
    """Draw the settings that all pages share, and keep what is chosen for `choice`."""
    with error_box("the settings"), st.sidebar:
        st.session_state.update(choice=_choose(), sidebar_drawn=True)
        return
    st.stop()


def _choose() -> Choice:
    unsure = st.slider(
        "Unsure below", 0, 95, 50, 5, format="%d %%", key="side_unsure",
        help="A label that is less certain than this is not shown: the face is called unsure, with the reason. In "
        "moving pictures a face that has a label keeps it until ten points below.",
    )  # fmt: skip
    blur = st.toggle(
        "Blur faces", key="side_blur",
        help="Makes every face unrecognisable, in all that is shown and in all that is saved.",
    )  # fmt: skip
    bundle, head, refused = _choose_recogniser()
    detector = _choose_detector()
    least = st.slider(
        "Face threshold", 30, 95, 60, 5, format="%d %%", key="side_detection",
        help="How certain it must be that something is a face. Lower finds more faces and more mistakes.",
    )  # fmt: skip
    search = st.segmented_control(
        "Search", list(_SEARCH), default="Normal", required=True, key="side_search",
        help="How large the picture is while faces are looked for. Find all also finds very small ones, "
        "and takes longer.",
    )  # fmt: skip
    settings = Settings(least / 100, unsure / 100, _SEARCH[search or "Normal"], head)
    return Choice(detector, bundle, refused, settings, blur)


def _choose_detector() -> str:
    """Which detector looks for faces; where YuNet is missing, a way to fetch it."""
    try:
        names = detectors.available_detectors()
    except ModelError as error:
        st.warning(plain(str(error)), icon=":material/info:")
        names = (*detectors.own_detectors(), "haar")
    name = st.selectbox(
        "Face detector", names, format_func=lambda name: str(_DETECTORS.get(name, name)),
        key=f"side_detector_{len(names)}",
        help="What looks for the faces before their expression is read.",
    )  # fmt: skip
    st.caption(detectors.describe_detector(name))
    if "yunet" not in names and not os.environ.get("EMOTION_YUNET"):
        st.caption("To compare: YuNet is a download of 0.2 MB from the OpenCV project.")
        if st.button("Fetch YuNet", icon=":material/download:", key="side_fetch"):
            with error_box("fetching YuNet"), st.spinner("Fetching YuNet"):
                detectors.fetch_yunet()
                st.session_state[f"side_detector_{len(names) + 1}"] = "yunet"  # who fetches it wants to see it
                st.rerun()
    return name


def _choose_recogniser() -> tuple[Bundle | None, str | None, tuple[str, ...]]:
    """The recogniser and its answer, and why others were refused."""
    good, refused = recognisers()
    if refused:
        st.caption(f":material/info: {len(refused)} of the model folders cannot be used; Home says why.")
    if not good:
        return None, None, tuple(refused)
    bundle = good[0]
    if len(good) > 1:
        names = [b.name for b in good]
        name = st.selectbox("Recogniser", names, key="side_recogniser", help="What reads the expression of a face.")
        bundle = good[names.index(name)]
    heads = sorted(bundle.heads, key=lambda head: head != bundle.shown_head)
    head = st.selectbox(
        "Answer", heads, format_func=lambda h: answer_name(bundle, h), key=f"side_answer_{bundle.name}",
        help="The recogniser learned two lists of expressions at once. FER+ also knows contempt, and was "
        "labelled by ten people for each picture.",
    )  # fmt: skip
    return bundle, head, tuple(refused)


# ------------------------------------------------------------------ photos


def read_photo(content: bytes, name: str) -> Reading:
    """Read one photo with what is chosen in the sidebar; kept for the session by its content and the settings.

    `name` is what an `ImageError` calls it.
    """
    chosen, reader = choice(), analyzer()
    settings = replace(chosen.settings, unsure=0)  # the reading does not depend on it
    key = (hashlib.sha256(content).hexdigest(), chosen.detector, reader.recogniser.bundle.sha256, settings)
    known: set[object] = st.session_state.setdefault("photos_read", set())
    if key in known:  # most likely kept; who only looks at it again waits for nobody
        return _read_photo(key, content, name, reader, settings)
    words = []

    def wait(before: int) -> None:
        words[:] = words or [st.empty()]
        yours = f"{before} before yours" if before else "yours is next"
        words[0].caption(f"Many photos are being read right now; {yours}.")

    with _line().place(wait):
        for place in words:
            place.empty()
        reading = _read_photo(key, content, name, reader, settings)
    known.add(key)
    return reading


@st.cache_resource(show_spinner=False)
def _line() -> Line:
    """All visitors share the processors: more photos at once would only all be slower, and take more memory."""
    return Line(os.cpu_count() or 1)


@st.cache_data(max_entries=200, show_spinner=False, scope="session")
def _read_photo(key: tuple[Any, ...], _content: bytes, _name: str, _reader: Analyzer, _settings: Settings) -> Reading:
    return photos.read(_content, _reader, _settings, _name)


def thumbnail(photo: Photo, blur: bool) -> Picture:
    """A small picture of a photo as it may be shown, RGB uint8; kept for the session."""
    hidden = tuple(face.box for face in photo.faces) if blur else ()
    return _thumbnail(photo.reading.preview, hidden, photo)


@st.cache_data(max_entries=200, show_spinner=False, scope="session")
def _thumbnail(preview: bytes, hidden: tuple[Box, ...], _photo: Photo) -> Picture:
    return _photo.thumbnail(bool(hidden))


def forget_photos() -> None:
    """Free the memory of what this session read in photos that it no longer shows."""
    _read_photo.clear()
    _thumbnail.clear()
    st.session_state.pop("photos_read", None)


def forget_upload(file_id: str) -> None:
    """Free the memory of an upload now; Streamlit would keep it until the session ends."""
    context = get_script_run_ctx()
    if context is not None and isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        context.uploaded_file_mgr.remove_file(context.session_id, file_id)


def sample_photo() -> tuple[str, bytes]:
    """Name and content of a photo to try the program with."""
    return SAMPLE.name, SAMPLE.read_bytes()


# ------------------------------------------------------------------ components


def own_component(name: str) -> Callable[..., Any]:
    """Our own small component `name`, whose two files lie beside this one."""
    here = Path(__file__).parent
    return component(
        f"emotion_{name}",
        html=f'<div class="{name}" role="group"></div>',
        css=(here / f"ui_{name}.css").read_text(encoding="utf-8"),
        js=(here / f"ui_{name}.js").read_text(encoding="utf-8"),
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
        "faces": [_face_data(number, face) for number, face in enumerate(faces, 1)],
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


# ------------------------------------------------------------------ a face in words


def title(face: Face) -> str:
    """What a face is called: "happy 87 %" or "unsure"."""
    if face.unsure is not None or face.scores is None:
        return face.shown
    return f"{face.scores.label} {percent(face.scores.confidence)}"


def reason(face: Face) -> str:
    """Why a face is unsure, as a sentence; "" where it is not."""
    if face.unsure is None or face.scores is None:
        return ""
    best = f"{face.scores.label} at {percent(face.scores.confidence)}"
    return f"{face.unsure[:1].upper()}{face.unsure[1:]}. The best guess is {best}."
