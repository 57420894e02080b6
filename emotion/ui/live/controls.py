"""Controls under the live stream: snapshot, recording, calibration, and their downloads."""

from __future__ import annotations

import json
from typing import BinaryIO, Final

import streamlit as st

from emotion.live.state import LiveState
from emotion.ui import components, messages, streamlit_workarounds
from emotion.ui.live.controller import LiveController

_PAUSED_MESSAGE: Final = "While the stream is paused, no image is analyzed; end the pause first."
_STALE_SECONDS: Final = 1.0  # without a new result, after which the stream counts as stopped
_NOT_ANONYMIZED_MESSAGE: Final = "shows faces, and Blur faces is on; it is available again when that is off."

state = st.session_state


def show_buttons(controller: LiveController, live_state: LiveState) -> None:
    """Show the buttons for snapshot and recording."""
    with st.container(horizontal=True, vertical_alignment="center"):
        is_paused = controller.session.options.is_paused
        st.button(
            "Snapshot",
            icon=":material/photo_camera:",
            key="live_snapshot",
            on_click=controller.take_snapshot,
            disabled=is_paused or live_state.result_age_seconds is None,
            help=_PAUSED_MESSAGE if is_paused else None,
        )
        # One button that changes its text: two would be side by side for a moment, and move what is below.
        recording = live_state.recording
        st.button(
            f"Stop recording ({recording.duration:.0f} s)" if recording else "Record",
            key="live_record",
            icon=":material/stop:" if recording else ":material/fiber_manual_record:",
            on_click=controller.stop_recording if recording else _start_recording,
            args=[] if recording else [controller],
            disabled=controller.is_finishing
            or ((is_paused or live_state.result_age_seconds is None) and recording is None),
            help=_PAUSED_MESSAGE if is_paused and recording is None else None,
        )
        st.checkbox("Include video", key="live_write_video", disabled=recording is not None)


def _start_recording(controller: LiveController) -> None:
    """Start as the checkbox is at the click: it may have changed since the button was drawn."""
    controller.start_recording(bool(state.get("live_write_video")))


def show_calibration(controller: LiveController, live_state: LiveState) -> None:
    """Show the calibration to neutral faces, and its progress."""
    with st.container(horizontal=True, vertical_alignment="center"):
        # The button stays: a button that vanishes is beside the text for a moment, as if it were to be clicked again.
        st.button(
            "Calibrate to my neutral face",
            icon=":material/self_improvement:",
            key="live_calibrate",
            on_click=controller.calibrate,
            disabled=not live_state.faces
            or controller.session.options.is_paused
            or bool(live_state.calibration.seconds_left),
            help="Some faces look stern or glad at rest. For three seconds the program looks at every face in the "
            "image; from then on their scores are relative to that. A thin line in a bar shows the score without it.",
        )
        if any(face.raw_scores for face in live_state.faces):
            st.button(
                "Reset calibration",
                icon=":material/restart_alt:",
                key="live_uncalibrate",
                on_click=controller.session.clear_calibration,
            )
    if live_state.calibration.seconds_left:
        seconds = max(1, round(live_state.calibration.seconds_left))
        st.markdown(f":material/self_improvement: Relax your face: {seconds} s")
    elif live_state.calibration.seconds_left == 0 and (live_state.result_age_seconds or 0.0) > _STALE_SECONDS:
        st.caption("Not calibrated: the stream stopped before the three seconds were over.")
    elif live_state.calibration.succeeded is False:
        st.caption("Not calibrated: no face was clear enough. Try again.")


def show_snapshot_downloads(controller: LiveController) -> None:
    """Show the last snapshot and its downloads."""
    if controller.snapshot is None:
        return
    png, record = controller.snapshot
    if controller.session.options.anonymize and not record["settings"]["anonymize"]:
        st.caption(f"The snapshot {_NOT_ANONYMIZED_MESSAGE}")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.image(png, width=160, alt="The snapshot")
        _show_download("snapshot_png", "Image", png, "snapshot.png")
        _show_download(
            "snapshot_json", "Data (JSON)", json.dumps(record, indent=1, ensure_ascii=False), "snapshot.json"
        )


def show_recording_downloads(controller: LiveController) -> None:
    """Show the last recording and its downloads."""
    recording = controller.recording
    if recording is None:
        return
    if not recording.num_frames:
        st.markdown("Nothing was recorded: no frame was analyzed between start and stop.")
        return
    parts = (
        f"{recording.duration:.0f} s",
        _pluralize(recording.num_frames, "frame"),
        f"{recording.num_tracks} {'person' if recording.num_tracks == 1 else 'people'}",
    )
    sizes = " to ".join(
        map(components.format_size, dict.fromkeys((recording.frame_sizes[0], recording.frame_sizes[-1])))
    )
    st.markdown(f"Recorded {' · '.join((*parts, sizes))}")
    can_show_video = recording.is_anonymized or not controller.session.options.anonymize
    with st.container(horizontal=True):
        _show_download("csv", "Table (CSV)", recording.csv, "live.csv")
        _show_download("json", "Data (JSON)", recording.json, "live.json")
        if recording.video_path is not None and can_show_video:
            _show_download(
                "video", "Video (MP4)", streamlit_workarounds.open_media_file(recording.video_path), "live.mp4"
            )
    if recording.video_path is not None and not can_show_video:
        st.caption(f"The video {_NOT_ANONYMIZED_MESSAGE}")
    if recording.warning is not None:
        st.caption(messages.escape_markdown(recording.warning))
    if recording.dropped_frames:
        num_dropped = _pluralize(recording.dropped_frames, "frame")
        st.caption(f"The video lacks {num_dropped}, for which the computer was too slow.")


def _pluralize(count: int, noun: str) -> str:
    """Format a number of things: "1 frame", "2 frames"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _show_download(key: str, label: str, data: bytes | str | BinaryIO, file_name: str) -> None:
    components.download_button(label, data, file_name, f"live_save_{key}")
