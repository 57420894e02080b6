from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.live.diagnostics import BrowserReport, Check, ConnectionState, first_failure, run_checks

NAMES = (
    "The page may use a camera",
    "You allowed it",
    "There is a camera",
    "No other program uses it",
    "It is connected",
    "Images arrive",
)
SECURE, ALLOWED, CAMERA, FREE, CONNECTED, PICTURES = range(6)
FINE = BrowserReport(True, "granted", 1, "")
NOTHING = ConnectionState()
WAITING = ConnectionState(requested_for=2.0)
RUNNING = ConnectionState(requested_for=60.0, is_connected=True, num_frames=1500, idle_for=0.03)

browsers = st.builds(
    BrowserReport,
    st.none() | st.booleans(),
    st.sampled_from([None, "granted", "denied", "prompt", "", "odd"]),
    st.sampled_from([None, 0, 1, 3]),
    st.sampled_from(
        [
            None,
            "",
            "NotAllowedError",
            "SecurityError",
            "NotFoundError",
            "OverconstrainedError",
            "NotReadableError",
            "AbortError",
            "TypeError",
        ]
    ),
)
seconds = st.none() | st.floats(0, 1e6)
connections = st.builds(ConnectionState, seconds, st.booleans(), st.integers(0, 10**9), seconds)


def bad(browser: BrowserReport, connection: ConnectionState) -> int | None:
    """The number of the first bad step."""
    step = first_failure(run_checks(browser, connection))
    return NAMES.index(step.name) if step else None


@pytest.mark.parametrize(
    ("browser", "connection", "first"),
    [
        (BrowserReport(), NOTHING, None),
        (FINE, NOTHING, None),
        (FINE, WAITING, None),
        (FINE, RUNNING, None),
        # the browser
        (BrowserReport(is_secure=False), NOTHING, SECURE),
        (BrowserReport(is_secure=False, permission="denied", num_cameras=0), NOTHING, SECURE),
        (BrowserReport(True, "denied"), NOTHING, ALLOWED),
        (BrowserReport(True, "denied", 0), NOTHING, ALLOWED),
        (BrowserReport(True, "denied", 1), NOTHING, ALLOWED),  # it is counted, and not given
        (BrowserReport(False, "granted", 1), NOTHING, SECURE),
        (BrowserReport(True, "prompt", 1, "NotAllowedError"), NOTHING, ALLOWED),
        (BrowserReport(True, "granted", 1, "NotAllowedError"), NOTHING, ALLOWED),  # the system may forbid it, too
        (BrowserReport(True, "prompt", 1, "SecurityError"), NOTHING, ALLOWED),
        (BrowserReport(True, "prompt", 1), NOTHING, None),
        (BrowserReport(True, "prompt", 0), NOTHING, CAMERA),
        (BrowserReport(True, "granted", 0), WAITING, CAMERA),
        (BrowserReport(True, "granted", 1, "NotFoundError"), NOTHING, CAMERA),
        (BrowserReport(True, "granted", 2, "OverconstrainedError"), NOTHING, CAMERA),
        (BrowserReport(True, "granted", 1, "NotReadableError"), NOTHING, FREE),
        (BrowserReport(True, "granted", 1, "AbortError"), WAITING, FREE),
        (BrowserReport(True, "granted", 1, "TypeError"), NOTHING, None),  # none that we know: nothing is claimed
        # the connection
        (FINE, ConnectionState(requested_for=7.9), None),
        (FINE, ConnectionState(requested_for=8.0), CONNECTED),
        (BrowserReport(), ConnectionState(requested_for=45.0), CONNECTED),
        (FINE, ConnectionState(requested_for=8.0, is_connected=True), None),
        (FINE, ConnectionState(requested_for=11.9, is_connected=True), None),
        (FINE, ConnectionState(requested_for=12.0, is_connected=True), PICTURES),
        (FINE, ConnectionState(requested_for=60.0, is_connected=True, num_frames=9, idle_for=3.9), None),
        (FINE, ConnectionState(requested_for=60.0, is_connected=True, num_frames=9, idle_for=4.0), PICTURES),
        (
            FINE,
            ConnectionState(requested_for=60.0, is_connected=False, num_frames=9, idle_for=30.0),
            None,
        ),  # it is being stopped
        # what was known before is overtaken by what comes
        (BrowserReport(False, "denied", 0, "NotReadableError"), RUNNING, None),
        (BrowserReport(True, "denied", 0), ConnectionState(requested_for=1.0, is_connected=True), None),
        (BrowserReport(False, None, 1, ""), NOTHING, None),
    ],
)
def test_the_first_bad_step(browser: BrowserReport, connection: ConnectionState, first: int | None) -> None:
    assert bad(browser, connection) == first


@given(browsers, connections)
def test_six_steps_in_their_order(browser: BrowserReport, connection: ConnectionState) -> None:
    steps = run_checks(browser, connection)
    assert tuple(step.name for step in steps) == NAMES
    answers = [step.status for step in steps]
    last = max((i for i, answer in enumerate(answers) if answer == "ok" and i >= FREE), default=-1)
    assert set(answers[: last + 1]) <= {"ok"}, "a camera that was opened proves what lies before it"
    for step in steps:
        assert bool(step.message) == (step.status == "failed"), step
        assert step.message == step.message.strip()
    first = first_failure(steps)
    assert first == next((step for step in steps if step.status == "failed"), None)


@given(browsers, st.floats(0, 1e6))
def test_frames_that_come_end_every_doubt(browser: BrowserReport, asked: float) -> None:
    steps = run_checks(browser, ConnectionState(asked, True, 1, 0.0))
    assert {step.status for step in steps} == {"ok"}


@given(connections)
def test_nothing_known_is_nothing_bad(connection: ConnectionState) -> None:
    steps = run_checks(BrowserReport(), ConnectionState())
    assert {step.status for step in steps} == {"unknown"}
    assert first_failure(steps) is None
    number = bad(BrowserReport(), connection)
    assert number in (None, CONNECTED, PICTURES), "of the browser nothing is claimed"


def test_nobody_waits_for_what_was_not_asked_for() -> None:
    assert bad(FINE, ConnectionState(requested_for=None, is_connected=False, num_frames=0, idle_for=1e6)) is None


@pytest.mark.parametrize("step", [SECURE, ALLOWED, CAMERA, FREE, CONNECTED, PICTURES])
def test_every_sentence_says_what_to_do(step: int) -> None:
    cases = {
        SECURE: (BrowserReport(is_secure=False), NOTHING, "HTTPS"),
        ALLOWED: (BrowserReport(True, "denied"), NOTHING, "Allow it"),
        CAMERA: (BrowserReport(True, "granted", 0), NOTHING, "demo"),
        FREE: (BrowserReport(True, "granted", 1, "NotReadableError"), NOTHING, "Close it"),
        CONNECTED: (FINE, ConnectionState(requested_for=12.34), "For 12 seconds"),
        PICTURES: (
            FINE,
            ConnectionState(requested_for=60.0, is_connected=True, num_frames=9, idle_for=33.3),
            "for 33 seconds",
        ),
    }
    browser, connection, words = cases[step]
    found = first_failure(run_checks(browser, connection))
    assert isinstance(found, Check)
    assert words in found.message


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


@given(ANYTHING)
def test_a_browser_may_say_anything(said: Any) -> None:
    assert isinstance(BrowserReport.from_dict(said), BrowserReport)


@given(st.fixed_dictionaries(dict.fromkeys(("secure", "permission", "cameras", "error"), ANYTHING)))
def test_what_is_of_the_wrong_kind_is_not_known(said: dict[str, Any]) -> None:
    browser = BrowserReport.from_dict(said)
    assert browser.is_secure is (said["secure"] if isinstance(said["secure"], bool) else None)
    assert browser.permission == (said["permission"] if isinstance(said["permission"], str) else None)
    assert browser.num_cameras == (said["cameras"] if isinstance(said["cameras"], int) else None)
    assert browser.error_name == (said["error"] if isinstance(said["error"], str) else None)
    assert len(run_checks(browser, NOTHING)) == len(NAMES)


def test_what_a_browser_says() -> None:
    assert BrowserReport.from_dict(
        {"secure": True, "permission": "prompt", "cameras": 2, "error": "", "more": 1}
    ) == BrowserReport(True, "prompt", 2, "")
    assert BrowserReport.from_dict({}) == BrowserReport.from_dict(None) == BrowserReport()
