from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.live.diagnostics import BrowserReport, Check, ConnectionState, first_failure, run_checks

CHECK_NAMES = (
    "Secure page",
    "Permission granted",
    "Camera found",
    "Not in use by another app",
    "Connected",
    "Receiving video",
)
SECURE, ALLOWED, CAMERA, FREE, CONNECTED, FRAMES = range(6)
OPEN_CAMERA = BrowserReport(True, "granted", 1, "")
NO_REQUEST = ConnectionState()
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


def first_failure_index(browser: BrowserReport, connection: ConnectionState) -> int | None:
    """The index of the first failed check, None if none failed."""
    step = first_failure(run_checks(browser, connection))
    return CHECK_NAMES.index(step.name) if step else None


@pytest.mark.parametrize(
    ("browser", "connection", "first"),
    [
        (BrowserReport(), NO_REQUEST, None),
        (OPEN_CAMERA, NO_REQUEST, None),
        (OPEN_CAMERA, WAITING, None),
        (OPEN_CAMERA, RUNNING, None),
        # the browser
        (BrowserReport(is_secure=False), NO_REQUEST, SECURE),
        (BrowserReport(is_secure=False, permission="denied", num_cameras=0), NO_REQUEST, SECURE),
        (BrowserReport(True, "denied"), NO_REQUEST, ALLOWED),
        (BrowserReport(True, "denied", 0), NO_REQUEST, ALLOWED),
        (BrowserReport(True, "denied", 1), NO_REQUEST, ALLOWED),  # browsers count cameras that they do not allow
        (BrowserReport(False, "granted", 1), NO_REQUEST, SECURE),
        (BrowserReport(True, "prompt", 1, "NotAllowedError"), NO_REQUEST, ALLOWED),
        (
            BrowserReport(True, "granted", 1, "NotAllowedError"),
            NO_REQUEST,
            ALLOWED,
        ),  # the operating system may forbid it
        (BrowserReport(True, "prompt", 1, "SecurityError"), NO_REQUEST, ALLOWED),
        (BrowserReport(True, "prompt", 1), NO_REQUEST, None),
        (BrowserReport(True, "prompt", 0), NO_REQUEST, CAMERA),
        (BrowserReport(True, "granted", 0), WAITING, CAMERA),
        (BrowserReport(True, "granted", 1, "NotFoundError"), NO_REQUEST, CAMERA),
        (BrowserReport(True, "granted", 2, "OverconstrainedError"), NO_REQUEST, CAMERA),
        (BrowserReport(True, "granted", 1, "NotReadableError"), NO_REQUEST, FREE),
        (BrowserReport(True, "granted", 1, "AbortError"), WAITING, FREE),
        (BrowserReport(True, "granted", 1, "TypeError"), NO_REQUEST, None),  # an unknown error is no failure
        # the connection
        (OPEN_CAMERA, ConnectionState(requested_for=7.9), None),
        (OPEN_CAMERA, ConnectionState(requested_for=8.0), CONNECTED),
        (BrowserReport(), ConnectionState(requested_for=45.0), CONNECTED),
        (OPEN_CAMERA, ConnectionState(requested_for=8.0, is_connected=True), None),
        (OPEN_CAMERA, ConnectionState(requested_for=11.9, is_connected=True), None),
        (OPEN_CAMERA, ConnectionState(requested_for=12.0, is_connected=True), FRAMES),
        (OPEN_CAMERA, ConnectionState(requested_for=60.0, is_connected=True, num_frames=9, idle_for=3.9), None),
        (OPEN_CAMERA, ConnectionState(requested_for=60.0, is_connected=True, num_frames=9, idle_for=4.0), FRAMES),
        (
            OPEN_CAMERA,
            ConnectionState(requested_for=60.0, is_connected=False, num_frames=9, idle_for=30.0),
            None,
        ),  # it is being stopped
        # arriving frames override earlier facts
        (BrowserReport(False, "denied", 0, "NotReadableError"), RUNNING, None),
        (BrowserReport(True, "denied", 0), ConnectionState(requested_for=1.0, is_connected=True), None),
        (BrowserReport(False, None, 1, ""), NO_REQUEST, None),
    ],
)
def test_first_failed_check_is_found(browser: BrowserReport, connection: ConnectionState, first: int | None) -> None:
    assert first_failure_index(browser, connection) == first


@given(browsers, connections)
def test_checks_have_a_fixed_order_and_success_implies_earlier_ones(
    browser: BrowserReport, connection: ConnectionState
) -> None:
    checks = run_checks(browser, connection)
    assert tuple(step.name for step in checks) == CHECK_NAMES
    statuses = [step.status for step in checks]
    last = max((i for i, status in enumerate(statuses) if status == "ok" and i >= FREE), default=-1)
    assert set(statuses[: last + 1]) <= {"ok"}, "an open camera implies the checks before it"
    for step in checks:
        assert bool(step.message) == (step.status == "failed"), step
        assert step.message == step.message.strip()
    first = first_failure(checks)
    assert first == next((step for step in checks if step.status == "failed"), None)


@given(browsers, st.floats(0, 1e6))
def test_arriving_frames_prove_all_checks(browser: BrowserReport, requested_for: float) -> None:
    checks = run_checks(browser, ConnectionState(requested_for, True, 1, 0.0))
    assert {step.status for step in checks} == {"ok"}


@given(connections)
def test_missing_facts_are_no_failure(connection: ConnectionState) -> None:
    checks = run_checks(BrowserReport(), ConnectionState())
    assert {step.status for step in checks} == {"unknown"}
    assert first_failure(checks) is None
    number = first_failure_index(BrowserReport(), connection)
    assert number in (None, CONNECTED, FRAMES), "without facts the browser checks do not fail"


def test_stream_that_was_not_requested_does_not_fail() -> None:
    assert (
        first_failure_index(
            OPEN_CAMERA, ConnectionState(requested_for=None, is_connected=False, num_frames=0, idle_for=1e6)
        )
        is None
    )


@pytest.mark.parametrize("step", [SECURE, ALLOWED, CAMERA, FREE, CONNECTED, FRAMES])
def test_messages_contain_advice(step: int) -> None:
    cases = {
        SECURE: (BrowserReport(is_secure=False), NO_REQUEST, "HTTPS"),
        ALLOWED: (BrowserReport(True, "denied"), NO_REQUEST, "Allow it"),
        CAMERA: (BrowserReport(True, "granted", 0), NO_REQUEST, "demo"),
        FREE: (BrowserReport(True, "granted", 1, "NotReadableError"), NO_REQUEST, "Close it"),
        CONNECTED: (OPEN_CAMERA, ConnectionState(requested_for=12.34), "after 12 seconds"),
        FRAMES: (
            OPEN_CAMERA,
            ConnectionState(requested_for=60.0, is_connected=True, num_frames=9, idle_for=33.3),
            "for 33 seconds",
        ),
    }
    browser, connection, message = cases[step]
    failure = first_failure(run_checks(browser, connection))
    assert isinstance(failure, Check)
    assert message in failure.message


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


@given(ANYTHING)
def test_any_browser_data_is_accepted(data: Any) -> None:
    assert isinstance(BrowserReport.from_dict(data), BrowserReport)


@given(st.fixed_dictionaries(dict.fromkeys(("secure", "permission", "cameras", "error"), ANYTHING)))
def test_values_of_wrong_types_become_none(data: dict[str, Any]) -> None:
    browser = BrowserReport.from_dict(data)
    assert browser.is_secure is (data["secure"] if isinstance(data["secure"], bool) else None)
    assert browser.permission == (data["permission"] if isinstance(data["permission"], str) else None)
    assert browser.num_cameras == (data["cameras"] if isinstance(data["cameras"], int) else None)
    assert browser.error_name == (data["error"] if isinstance(data["error"], str) else None)
    assert len(run_checks(browser, NO_REQUEST)) == len(CHECK_NAMES)


def test_browser_report_is_parsed() -> None:
    assert BrowserReport.from_dict(
        {"secure": True, "permission": "prompt", "cameras": 2, "error": "", "more": 1}
    ) == BrowserReport(True, "prompt", 2, "")
    assert BrowserReport.from_dict({}) == BrowserReport.from_dict(None) == BrowserReport()
