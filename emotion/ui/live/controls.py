"""Under the Live picture: snapshot, recording, the resting face, and the files that they make."""

from __future__ import annotations

import json
from typing import Final

import streamlit as st

from emotion.live.state import LiveView
from emotion.ui import components, messages
from emotion.ui.live.stream import Live
from emotion.ui.video.player import film_file

_PAUSED: Final = "While the stream is paused, no image is analyzed; end the pause first."
_STALE: Final = 1.0  # seconds without a new result, after which the pictures have stopped
_UNHIDDEN: Final = "shows faces, and Blur faces is on now; it is here again when that is off."

state = st.session_state


def show_buttons(live: Live, view: LiveView) -> None:
    """Snapshot and recording."""
    with st.container(horizontal=True, vertical_alignment="center"):
        paused = live.session.options.paused
        st.button("Snapshot", icon=":material/photo_camera:", key="live_snap", on_click=live.snap,
                  disabled=paused or view.age is None,
                  help=_PAUSED if paused else None)  # fmt: skip
        # One button that changes its words: two would stand side by side for a moment, and push down what is below.
        recording = view.recording is not None
        st.button(
            f"Stop recording ({view.recording:.0f} s)" if recording else "Record", key="live_record",
            icon=":material/stop:" if recording else ":material/fiber_manual_record:",
            on_click=live.stop if recording else _record, args=[] if recording else [live],
            disabled=live.finishing or ((paused or view.age is None) and not recording),
            help=_PAUSED if paused and not recording else None,
        )  # fmt: skip
        st.checkbox("with the film", key="live_film", disabled=recording)


def _record(live: Live) -> None:
    """Begin as the checkbox says at the click: it may have changed since the button was drawn."""
    live.record(bool(state.get("live_film")))


def show_resting(live: Live, view: LiveView) -> None:
    """Take the faces as they rest for their zero."""
    with st.container(horizontal=True, vertical_alignment="center"):
        # The button stays: one that went would stand beside the words for a moment, as if it were to be pressed again.
        st.button(
            "This is my resting face", icon=":material/self_improvement:", key="live_rest", on_click=live.rest,
            disabled=not view.faces or live.session.options.paused or bool(view.calibrating),
            help="Some faces look stern or glad at rest. For three seconds the program looks at every face in the "
            "picture; from then on it reads them against that. A thin line in a bar shows the score without it.",
        )  # fmt: skip
        if any(face.raw for face in view.faces):
            st.button("Forget it", icon=":material/restart_alt:", key="live_forget", on_click=live.session.uncalibrate)
    if view.calibrating:
        left = _many(max(1, round(view.calibrating)), "more second")
        st.markdown(f":material/self_improvement: Look relaxed for {left}.")
    elif view.calibrating == 0 and (view.age or 0.0) > _STALE:
        st.caption("No resting face was taken: the pictures stopped before its three seconds were over.")
    elif view.rested is False:
        st.caption("No resting face was taken: nobody was seen well enough for these three seconds. Try again.")


def save_snapshot(live: Live) -> None:
    """The last snapshot as files."""
    if live.snapshot is None:
        return
    png, record = live.snapshot
    if live.session.options.blur and not record["settings"]["blur"]:
        st.caption(f"The snapshot {_UNHIDDEN}")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.image(png, width=160, alt="The snapshot")
        _save("snapshot_png", "Picture", png, "snapshot.png")
        _save("snapshot_json", "Data (JSON)", json.dumps(record, indent=1, ensure_ascii=False), "snapshot.json")


def save_recording(live: Live) -> None:
    """The last recording as files."""
    made = live.recording
    if made is None:
        return
    if not made.frames:
        st.markdown("Nothing was recorded: no image was analyzed between start and stop.")
        return
    parts = (round(made.seconds), "second"), (made.frames, "picture"), (made.faces, "different face")
    sizes = " to ".join(map(components.pixels, dict.fromkeys((made.sizes[0], made.sizes[-1]))))
    st.markdown(f"Recorded {', '.join(_many(*part) for part in parts)}, in {sizes}.")
    shown = made.hidden or not live.session.options.blur
    with st.container(horizontal=True):
        _save("csv", "Table (CSV)", made.csv, "live.csv")
        _save("json", "Data (JSON)", made.json, "live.json")
        if made.film is not None and shown:
            _save("film_file", "Film (MP4)", film_file(made.film), "live.mp4")
    if made.film is not None and not shown:
        st.caption(f"The film {_UNHIDDEN}")
    if made.note is not None:
        st.caption(messages.plain(made.note))
    if made.film_dropped:
        missing = _many(made.film_dropped, "picture")
        st.caption(f"The film left out {missing}, for which the computer was too slow.")


def _many(number: int, what: str) -> str:
    """A number of things in words: "1 picture", "2 pictures"."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _save(key: str, label: str, data: object, file: str) -> None:
    """A button that saves a file."""
    st.download_button(label, data, file, key=f"live_save_{key}", on_click="ignore", icon=":material/download:")  # pyright: ignore[reportArgumentType]
