"""Under the Live picture: snapshot, recording, the resting face, and the files that they make."""

from __future__ import annotations

import json
from typing import Final

import streamlit as st

from emotion.live.state import LiveState
from emotion.ui import components, messages
from emotion.ui.live.stream import LiveController
from emotion.ui.video.player import open_video_file

_PAUSED_MESSAGE: Final = "While the stream is paused, no image is analyzed; end the pause first."
_STALE_SECONDS: Final = 1.0  # seconds without a new result, after which the pictures have stopped
_NOT_ANONYMIZED_MESSAGE: Final = "shows faces, and Blur faces is on now; it is here again when that is off."

state = st.session_state


def show_buttons(controller: LiveController, live_state: LiveState) -> None:
    """Snapshot and recording."""
    with st.container(horizontal=True, vertical_alignment="center"):
        paused = controller.session.options.is_paused
        st.button(
            "Snapshot",
            icon=":material/photo_camera:",
            key="live_snapshot",
            on_click=controller.take_snapshot,
            disabled=paused or live_state.result_age_seconds is None,
            help=_PAUSED_MESSAGE if paused else None,
        )
        # One button that changes its words: two would stand side by side for a moment, and push down what is below.
        recording = live_state.recording
        st.button(
            f"Stop recording ({recording.duration:.0f} s)" if recording else "Record",
            key="live_record",
            icon=":material/stop:" if recording else ":material/fiber_manual_record:",
            on_click=controller.stop_recording if recording else _start_recording,
            args=[] if recording else [controller],
            disabled=controller.is_finishing or ((paused or live_state.result_age_seconds is None) and not recording),
            help=_PAUSED_MESSAGE if paused and not recording else None,
        )
        st.checkbox("with the film", key="live_write_video", disabled=recording is not None)


def _start_recording(controller: LiveController) -> None:
    """Begin as the checkbox says at the click: it may have changed since the button was drawn."""
    controller.start_recording(bool(state.get("live_write_video")))


def show_calibration(controller: LiveController, live_state: LiveState) -> None:
    """Take the faces as they rest for their zero."""
    with st.container(horizontal=True, vertical_alignment="center"):
        # The button stays: one that went would stand beside the words for a moment, as if it were to be pressed again.
        st.button(
            "This is my resting face",
            icon=":material/self_improvement:",
            key="live_calibrate",
            on_click=controller.calibrate,
            disabled=not live_state.faces
            or controller.session.options.is_paused
            or bool(live_state.calibration.seconds_left),
            help="Some faces look stern or glad at rest. For three seconds the program looks at every face in the "
            "picture; from then on it reads them against that. A thin line in a bar shows the score without it.",
        )
        if any(face.raw_scores for face in live_state.faces):
            st.button(
                "Forget it",
                icon=":material/restart_alt:",
                key="live_uncalibrate",
                on_click=controller.session.clear_calibration,
            )
    if live_state.calibration.seconds_left:
        left = _pluralize(max(1, round(live_state.calibration.seconds_left)), "more second")
        st.markdown(f":material/self_improvement: Look relaxed for {left}.")
    elif live_state.calibration.seconds_left == 0 and (live_state.result_age_seconds or 0.0) > _STALE_SECONDS:
        st.caption("No resting face was taken: the pictures stopped before its three seconds were over.")
    elif live_state.calibration.succeeded is False:
        st.caption("No resting face was taken: nobody was seen well enough for these three seconds. Try again.")


def show_snapshot_downloads(controller: LiveController) -> None:
    """The last snapshot as files."""
    if controller.snapshot is None:
        return
    png, record = controller.snapshot
    if controller.session.options.anonymize and not record["settings"]["anonymize"]:
        st.caption(f"The snapshot {_NOT_ANONYMIZED_MESSAGE}")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.image(png, width=160, alt="The snapshot")
        _show_download("snapshot_png", "Picture", png, "snapshot.png")
        _show_download(
            "snapshot_json", "Data (JSON)", json.dumps(record, indent=1, ensure_ascii=False), "snapshot.json"
        )


def show_recording_downloads(controller: LiveController) -> None:
    """The last recording as files."""
    made = controller.recording
    if made is None:
        return
    if not made.num_frames:
        st.markdown("Nothing was recorded: no image was analyzed between start and stop.")
        return
    parts = (round(made.duration), "second"), (made.num_frames, "picture"), (made.num_tracks, "different face")
    sizes = " to ".join(map(components.format_size, dict.fromkeys((made.frame_sizes[0], made.frame_sizes[-1]))))
    st.markdown(f"Recorded {', '.join(_pluralize(*part) for part in parts)}, in {sizes}.")
    shown = made.is_anonymized or not controller.session.options.anonymize
    with st.container(horizontal=True):
        _show_download("csv", "Table (CSV)", made.csv, "live.csv")
        _show_download("json", "Data (JSON)", made.json, "live.json")
        if made.video_path is not None and shown:
            _show_download("video", "Film (MP4)", open_video_file(made.video_path), "live.mp4")
    if made.video_path is not None and not shown:
        st.caption(f"The film {_NOT_ANONYMIZED_MESSAGE}")
    if made.warning is not None:
        st.caption(messages.escape_markdown(made.warning))
    if made.dropped_frames:
        missing = _pluralize(made.dropped_frames, "picture")
        st.caption(f"The film left out {missing}, for which the computer was too slow.")


def _pluralize(count: int, noun: str) -> str:
    """A number of things in words: "1 picture", "2 pictures"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _show_download(key: str, label: str, data: object, file_name: str) -> None:
    """A button that saves a file."""
    st.download_button(label, data, file_name, key=f"live_save_{key}", on_click="ignore", icon=":material/download:")  # pyright: ignore[reportArgumentType]
