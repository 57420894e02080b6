"""What all pages share: the error box, the sidebar and what was chosen in it, the models that are at work.

What pages are made of lies in `ui_parts`, how they read photos in `ui_reading`, what only some of them need of
Streamlit in the other `ui_*`.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

from emotion import bundles
from emotion.bundles import Bundle
from emotion.errors import EmotionError, ModelError
from emotion.recognition import detectors
from emotion.recognition.analyzer import FIND_ALL, Analyzer, Settings
from emotion.recognition.classification import Recogniser
from emotion.recognition.smoothing import HYSTERESIS

ICON: Final = str(Path(__file__).parent / "samples" / "icon.png")
_ANSWERS: Final = {"ferplus": "FER+", "fer2013": "FER-2013"}
_DETECTORS: Final = {"glance": "Glance", "yunet": "YuNet", "haar": "Haar"}
_SEARCH: Final = {"Fast": 640, "Normal": 1280, "Find all": FIND_ALL}  # as in `Settings.side`
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
        help="A label with a lower confidence is not shown: the face is called unsure, with the reason. In live images "
        f"and videos a face that shows a label keeps showing one down to {100 * HYSTERESIS:.0f} points below, so that "
        "labels do not flicker.",
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
