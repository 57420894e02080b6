"""Controls under the live stream: snapshot, recording, calibration, and their downloads."""

from __future__ import annotations

import json
import math
from typing import BinaryIO, Final

import streamlit as st

from emotion.live.recording import Recording
from emotion.live.state import LiveState, RecordingState
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop, ngettext, translate_text
from emotion.ui import components, messages, streamlit_workarounds
from emotion.ui.live.controller import LiveController

_PAUSED_MESSAGE: Final = gettext_noop("While the stream is paused, no image is analyzed; end the pause first.")
_STALE_SECONDS: Final = 1.0  # without a new result, after which the stream counts as stopped

state = st.session_state


def show_buttons(controller: LiveController, live_state: LiveState) -> None:
    """Show the buttons for snapshot, recording and calibration, and the progress of the calibration."""
    with st.container(horizontal=True, vertical_alignment="center"):
        is_paused = controller.session.options.is_paused
        st.button(
            _("Snapshot"),
            icon=":material/photo_camera:",
            key="live_snapshot",
            on_click=controller.take_snapshot,
            disabled=is_paused or live_state.result_age_seconds is None,
            help=_(_PAUSED_MESSAGE) if is_paused else None,
        )
        # One button that changes its text: two would be side by side for a moment, and move what is below.
        recording = live_state.recording
        st.button(
            _format_record_label(recording),
            key="live_record",
            icon=":material/stop:" if recording else ":material/fiber_manual_record:",
            on_click=controller.stop_recording if recording else _start_recording,
            args=[] if recording else [controller],
            disabled=controller.is_finishing
            or ((is_paused or live_state.result_age_seconds is None) and recording is None),
            help=_(_PAUSED_MESSAGE) if is_paused and recording is None else None,
        )
        if recording is not None:
            st.button(
                _("Add marker"),
                icon=":material/flag:",
                key="live_marker",
                on_click=controller.add_marker,
                disabled=recording.seconds_to_start > 0,
                help=_("Marks this moment in the table, the data and the report. The space key does the same."),
            )
        st.checkbox(_("Include video"), True, key="live_write_video", disabled=recording is not None)
        _show_calibration_buttons(controller, live_state)
    _show_calibration_state(live_state)


def _format_record_label(recording: RecordingState | None) -> str:
    if recording is None:
        return _("Record")
    if recording.seconds_to_start > 0:
        return _("Cancel ({seconds} s)").format(seconds=math.ceil(recording.seconds_to_start))
    return _("Stop recording ({seconds:.0f} s)").format(seconds=recording.duration)


def _start_recording(controller: LiveController) -> None:
    """Start as the checkbox is at the click: it may have changed since the button was drawn."""
    controller.start_recording(bool(state.get("live_write_video")))


def _show_calibration_buttons(controller: LiveController, live_state: LiveState) -> None:
    """Show the buttons that begin and undo the calibration to neutral faces."""
    # The button stays: a button that vanishes is beside the text for a moment, as if it were to be clicked again.
    st.button(
        _("Calibrate to my neutral face"),
        icon=":material/self_improvement:",
        key="live_calibrate",
        on_click=controller.calibrate,
        disabled=not live_state.faces
        or controller.session.options.is_paused
        or bool(live_state.calibration.seconds_left),
        help=_(
            "Some faces look stern or glad at rest. For three seconds the program looks at every face in the "
            "image; from then on their scores are relative to that. A thin line in a bar shows the score without "
            "it."
        ),
    )
    if any(face.raw_scores for face in live_state.faces):
        st.button(
            _("Reset calibration"),
            icon=":material/restart_alt:",
            key="live_uncalibrate",
            on_click=controller.session.clear_calibration,
        )


def _show_calibration_state(live_state: LiveState) -> None:
    """Show the progress of the calibration, or why there is none."""
    if live_state.calibration.seconds_left:
        seconds = max(1, round(live_state.calibration.seconds_left))
        st.markdown(_(":material/self_improvement: Relax your face: {seconds} s").format(seconds=seconds))
    elif live_state.calibration.seconds_left == 0 and (live_state.result_age_seconds or 0.0) > _STALE_SECONDS:
        st.caption(_("Not calibrated: the stream stopped before the three seconds were over."))
    elif live_state.calibration.succeeded is False:
        st.caption(_("Not calibrated: no face was clear enough. Try again."))


def show_snapshot_downloads(controller: LiveController) -> None:
    """Show the last snapshot and its downloads."""
    if controller.snapshot is None:
        return
    png, record = controller.snapshot
    if controller.session.options.anonymize and not record["settings"]["anonymize"]:
        st.caption(_("The snapshot shows faces, and Blur faces is on; it is available again when that is off."))
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.image(png, width=160, alt=_("The snapshot"))
        _show_download("snapshot_png", _("Image"), png, "snapshot.png")
        _show_download(
            "snapshot_json", _("Data (JSON)"), json.dumps(record, indent=1, ensure_ascii=False), "snapshot.json"
        )


def show_recording_downloads(controller: LiveController) -> None:
    """Show the last recording and its downloads."""
    recording = controller.recording
    if recording is None:
        return
    if not recording.num_frames:
        st.markdown(_("Nothing was recorded: no frame was analyzed between start and stop."))
        return
    st.markdown(_describe_recording(recording))
    can_show_faces = recording.is_anonymized or not controller.session.options.anonymize
    with st.container(horizontal=True):
        _show_download("csv", _("Table (CSV)"), recording.csv, "live.csv")
        _show_download("json", _("Data (JSON)"), recording.json, "live.json")
        if can_show_faces and controller.report:
            _show_download("report", _("Report"), controller.report, "live.html")
        if recording.video_path is not None and can_show_faces:
            _show_download(
                "video", _("Video (MP4)"), streamlit_workarounds.open_media_file(recording.video_path), "live.mp4"
            )
    if not can_show_faces:
        st.caption(_("Video and report show faces, and Blur faces is on; they are available again when that is off."))
    for warning in recording.warnings:
        st.caption(messages.escape_markdown(translate_text(warning)))
    if recording.dropped_frames:
        text = ngettext(
            "The video lacks {count} frame, for which the computer was too slow.",
            "The video lacks {count} frames, for which the computer was too slow.",
            recording.dropped_frames,
        )
        st.caption(text.format(count=recording.dropped_frames))


def _describe_recording(recording: Recording) -> str:
    """Describe a recording: "Recorded 10 s · 248 frames · 1 person · 640 × 480 pixels"."""
    first_size, last_size = map(components.format_size, (recording.frame_sizes[0], recording.frame_sizes[-1]))
    parts = [
        _("{seconds} s").format(seconds=round(recording.duration)),
        ngettext("{count} frame", "{count} frames", recording.num_frames).format(count=recording.num_frames),
        ngettext("{count} person", "{count} people", recording.num_tracks).format(count=recording.num_tracks),
        first_size if first_size == last_size else _("{first} to {last}").format(first=first_size, last=last_size),
    ]
    if recording.markers:
        count = len(recording.markers)
        parts.append(ngettext("{count} marker", "{count} markers", count).format(count=count))
    return _("Recorded {details}").format(details=" · ".join(parts))


def _show_download(key: str, label: str, data: bytes | str | BinaryIO, file_name: str) -> None:
    components.download_button(label, data, file_name, f"live_save_{key}")
