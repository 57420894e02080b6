"""Results of the live stream: cards, statistics, and the diagnostics of the camera."""

from __future__ import annotations

import time
from typing import Any, Final

import streamlit as st

from emotion.expressions import get_style, symbol_and_name
from emotion.faces import HeadPose
from emotion.formatting import format_pair, format_percent
from emotion.live.diagnostics import BrowserReport, Check, ConnectionState, first_failure, run_checks
from emotion.live.state import LiveFace, LiveState
from emotion.live.stream_metrics import WINDOW_SECONDS
from emotion.media.image_reader import encode_jpeg
from emotion.recognition.features.wording import describe_pose
from emotion.recognition.uncertainty import translate_reason
from emotion.translation.messages import gettext as _
from emotion.translation.messages import ngettext
from emotion.ui import components, messages
from emotion.ui.live.controller import LiveController

MAX_CARDS: Final = 6
_MAX_BARS: Final = 4  # of a card; the other scores are near 0
_GAUGE_DEGREES: Final = 60.0  # of a head whose nose is at the edge of the gauge

_CARDS: Final = components.load_component("cards")
_DIAGNOSTICS: Final = components.load_component("diagnostics")


def show_cards(live_state: LiveState, is_mirrored: bool) -> None:
    """Show a card for each of the first `MAX_CARDS` faces, and the number of the others.

    Args:
        live_state: The state of the session.
        is_mirrored: Whether the image is mirrored, and with it the gauge of the head pose.
    """
    num_more = len(live_state.faces) - MAX_CARDS
    _CARDS(
        key="live_cards",
        data={
            "label": _("Faces in the image"),
            "faces": [_make_card(face, is_mirrored) for face in live_state.faces[:MAX_CARDS]],
            "more": ngettext("and {count} more face", "and {count} more faces", num_more).format(count=num_more)
            if num_more > 0
            else "",
            "empty": "" if live_state.faces else _explain_no_faces(live_state),
        },
    )


def _explain_no_faces(live_state: LiveState) -> str:
    if live_state.is_paused:
        return _("Paused: the video keeps playing; nothing is analyzed.")
    if live_state.counters.num_frames == 0:
        return _("Each face gets a card here.")
    return _("No face found. Look at the camera, come closer, or add light from the front.")


def _make_card(live_face: LiveFace, is_mirrored: bool) -> dict[str, Any]:
    face, scores = live_face.face, live_face.face.scores or {}
    top_scores = sorted(scores.items(), key=lambda item: -item[1])[:_MAX_BARS]
    return {
        "image": components.to_data_url(encode_jpeg(live_face.thumbnail, 80)),
        "title": f"{face.track_id} {get_style(face.display_label).symbol} {components.format_prediction(face)}",
        "reason": translate_reason(face.uncertainty_reason or "").capitalize(),
        "color": get_style(face.display_label).color,
        "scores": [
            {
                "name": symbol_and_name(label),
                "score": p,
                "text": format_percent(p),
                "color": get_style(label).color,
                **_make_raw_score(live_face, label),
            }
            for label, p in top_scores
        ],
        "pose": _make_gauge(face.features.pose, is_mirrored) if face.features and face.features.pose else None,
    }


def _make_raw_score(live_face: LiveFace, label: str) -> dict[str, Any]:
    """Return the score of a label without calibration and its description; both None where there is none."""
    score = live_face.raw_scores.get(label) if live_face.raw_scores else None
    text = None if score is None else _("before {score}").format(score=format_percent(score))
    return {"raw_score": score, "raw_text": text}


def _make_gauge(pose: HeadPose, is_mirrored: bool) -> dict[str, Any]:
    """Return where the nose of a drawn head is, -1 to 1 to the right and downward, its roll in degrees, and words."""
    sign = -1 if is_mirrored else 1
    x, y = (max(-1.0, min(1.0, angle / _GAUGE_DEGREES)) for angle in (sign * pose.yaw, pose.pitch))
    text = _("Head: {direction}").format(direction=describe_pose(pose))
    return {"x": round(x, 2), "y": round(y, 2), "roll": round(sign * pose.roll), "text": text}


def run_diagnostics(controller: LiveController, live_state: LiveState) -> tuple[Check, ...]:
    """Check the steps from the camera to the image, by the reports of browser and server."""
    report = st.session_state.get("live_diagnostics")
    requested_for = (
        time.monotonic() - controller.requested_timestamp if controller.requested_timestamp is not None else None
    )
    connection = ConnectionState(
        requested_for,
        controller.is_connected,
        live_state.counters.num_frames - controller.num_earlier_frames if requested_for is not None else 0,
        live_state.rates.idle_seconds,
    )
    return run_checks(BrowserReport.from_dict(report and report.get("facts")), connection)


def show_diagnostics(checks: tuple[Check, ...], *, is_connected: bool) -> None:
    """Show the first failed step, and all steps in an expander; hidden while a camera is connected and none failed."""
    failure = first_failure(checks)
    # All is always drawn, or the component below would be recreated and lose its report.
    warning_slot, style_slot, steps = st.container(), st.container(), st.container(key="live_steps")
    if failure is not None:
        warning_slot.warning(failure.message, icon=":material/videocam_off:")
    elif is_connected:
        with style_slot:  # not a style alone, which Streamlit would put outside of the fragment
            st.html("<span hidden></span><style>.st-key-live_steps { display: none }</style>")
    with (
        steps,
        st.expander(_("Camera not working?"), icon=":material/health_and_safety:", expanded=failure is not None),
    ):
        icons = {"ok": ":material/check_circle: ", "failed": ":material/cancel: ", "unknown": ":material/pending: "}
        status_texts = {"ok": _("yes"), "failed": _("no"), "unknown": _("waiting")}
        st.markdown(
            "\n".join(
                f"- {icons[check.status]}{format_pair(check.name, status_texts[check.status])}" for check in checks
            )
        )
        _DIAGNOSTICS(
            key="live_diagnostics",
            data={"label": _("Check the camera")},
            default={"facts": None},
            on_facts_change=lambda: None,
        )


def _explain_no_frames(live_state: LiveState) -> str:
    """Return since when no frame came; "" while frames come."""
    if live_state.result_age_seconds is None:
        return _("No frame yet")
    if live_state.rates.idle_seconds is not None and live_state.rates.idle_seconds > WINDOW_SECONDS:
        seconds = round(live_state.rates.idle_seconds)
        return ngettext("No frame for {seconds} second", "No frame for {seconds} seconds", seconds).format(
            seconds=seconds
        )
    return ""


def _format_stats(live_state: LiveState) -> str:
    """Format the statistics of the stream as one line."""
    parts = [components.format_size(live_state.frame_size)] if live_state.frame_size else []
    parts += [
        _("{fps:.0f} fps, {analyzed:.0f} analyzed").format(
            fps=live_state.rates.fps_in, analyzed=live_state.rates.fps_out
        ),
        _("detection {detection:.0f} ms, classification {classification:.0f} ms, drawing {drawing:.0f} ms").format(
            detection=live_state.stats.detect_ms,
            classification=live_state.stats.classify_ms,
            drawing=live_state.draw_ms,
        ),
        _("result {seconds:.0f} s old").format(seconds=live_state.result_age_seconds or 0.0)
        if live_state.rates.latency_p95_seconds is None
        else _("latency {latency:.0f} ms").format(latency=1000 * live_state.rates.latency_p95_seconds),
    ]
    counts = (
        (live_state.counters.dropped_frames, _("{count} dropped")),
        (live_state.counters.late_frames, _("{count} late")),
        (live_state.counters.errors, _("{count} failed")),
    )
    parts += [text.format(count=count) for count, text in counts if count]
    return " · ".join(parts)


def show_stats(live_state: LiveState, *, with_numbers: bool) -> None:
    """Show that no frame comes, and the last error; with `with_numbers` the statistics of the stream, too."""
    text = _explain_no_frames(live_state) or (_format_stats(live_state) if with_numbers else "")
    if text:
        st.caption(text)
    if live_state.counters.last_error and live_state.counters.errors:
        error = messages.escape_markdown(live_state.counters.last_error)
        st.caption(_("Last error: {error}").format(error=error))
