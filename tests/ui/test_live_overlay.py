"""What lies over the live image."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import streamlit as st

from emotion.faces import Box, Face, FrameResult, Scores
from emotion.live.state import LiveFace, LiveState, RecordingState
from emotion.ui.live.overlays import overlay

CONTROLLER: Any = SimpleNamespace(add_marker=lambda: None)


def make_face(track_id: int, x: int, side: int) -> LiveFace:
    face = Face(Box(x, 0, x + side, side), 0.9, track_id=track_id)
    face = face.with_scores(Scores(["happy", "sad", "fear", "angry"], [0.7, 0.2, 0.06, 0.04]), None)
    return LiveFace(face, np.zeros((4, 4, 3), np.uint8), None)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The data of each call of the component."""
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(overlay, "_OVERLAY", lambda **call: calls.append(call["data"]))
    monkeypatch.setattr(st, "session_state", {})
    return calls


def test_a_press_that_is_reported_twice_sets_one_marker(monkeypatch: pytest.MonkeyPatch) -> None:
    session_state = dict[str, Any]()
    callbacks: list[Any] = []
    markers: list[bool] = []
    monkeypatch.setattr(overlay, "_OVERLAY", lambda **call: callbacks.append(call["on_marker_change"]))
    monkeypatch.setattr(st, "session_state", session_state)
    overlay.show_overlay(SimpleNamespace(add_marker=lambda: markers.append(True)), LiveState())  # type: ignore[arg-type]
    for pressed_at in (1041.5, 1041.5, 2300.0):
        session_state["live_overlay"] = {"marker": pressed_at}
        callbacks[0]()
    assert len(markers) == 2


def test_bars_are_those_of_the_two_largest_faces(shown: list[dict[str, Any]]) -> None:
    faces = (make_face(1, 0, 10), make_face(2, 40, 30), make_face(3, 70, 20))
    overlay.show_overlay(CONTROLLER, LiveState(faces=faces, frame_size=(100, 80)))
    bars = shown[-1]["faces"]
    assert [(face["title"], face["x"]) for face in bars] == [("2 ● happy 70%", 0.55), ("3 ● happy 70%", 0.8)]
    assert [score["text"] for score in bars[0]["scores"]] == ["70%", "20%", "6%"]


@pytest.mark.parametrize(
    ("recording", "countdown", "words"),
    [
        (None, "", ""),
        (RecordingState(0.0, seconds_to_start=2.2), "3", ""),
        (RecordingState(12.0), "", "0:12"),
        (RecordingState(75.0, num_markers=2), "", "1:15 · 2 markers"),
    ],
)
def test_countdown_and_recording_are_shown(
    shown: list[dict[str, Any]], recording: RecordingState | None, countdown: str, words: str
) -> None:
    overlay.show_overlay(CONTROLLER, LiveState(recording=recording))
    assert (shown[-1]["countdown"], shown[-1]["recording"]) == (countdown, words)


def test_switches_leave_bars_and_timeline_out(shown: list[dict[str, Any]]) -> None:
    result = FrameResult(0, 0.0, (make_face(1, 0, 10).face,))
    state = LiveState(faces=(make_face(1, 0, 10),), frame_size=(100, 80), recent_results=((-1.0, result),))
    overlay.show_overlay(CONTROLLER, state)
    assert shown[-1]["faces"]
    assert shown[-1]["lanes"]
    st.session_state.update({overlay.BARS_KEY: False, overlay.TIMELINE_KEY: False})
    overlay.show_overlay(CONTROLLER, state)
    assert (shown[-1]["faces"], shown[-1]["lanes"]) == ([], [])
