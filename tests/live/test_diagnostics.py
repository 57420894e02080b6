from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.live.diagnostics import Browser, Connection, Step, examine, finding

NAMES = (
    "The page may use a camera", "You allowed it", "There is a camera", "Nobody else uses it", "It is connected",
    "Pictures arrive",
)  # fmt: skip
SECURE, ALLOWED, CAMERA, FREE, CONNECTED, PICTURES = range(6)
FINE = Browser(True, "granted", 1, "")
NOTHING = Connection()
WAITING = Connection(asked=2.0)
RUNNING = Connection(asked=60.0, connected=True, frames=1500, silent=0.03)

browsers = st.builds(
    Browser,
    st.none() | st.booleans(),
    st.sampled_from([None, "granted", "denied", "prompt", "", "odd"]),
    st.sampled_from([None, 0, 1, 3]),
    st.sampled_from([
        None, "", "NotAllowedError", "SecurityError", "NotFoundError", "OverconstrainedError", "NotReadableError",
        "AbortError", "TypeError",
    ]),
)  # fmt: skip
seconds = st.none() | st.floats(0, 1e6)
connections = st.builds(Connection, seconds, st.booleans(), st.integers(0, 10**9), seconds)


def bad(browser: Browser, connection: Connection) -> int | None:
    """The number of the first bad step."""
    step = finding(examine(browser, connection))
    return NAMES.index(step.name) if step else None


@pytest.mark.parametrize(
    ("browser", "connection", "first"),
    [
        (Browser(), NOTHING, None),
        (FINE, NOTHING, None),
        (FINE, WAITING, None),
        (FINE, RUNNING, None),
        # the browser
        (Browser(secure=False), NOTHING, SECURE),
        (Browser(secure=False, permission="denied", cameras=0), NOTHING, SECURE),
        (Browser(True, "denied"), NOTHING, ALLOWED),
        (Browser(True, "denied", 0), NOTHING, ALLOWED),
        (Browser(True, "denied", 1), NOTHING, ALLOWED),  # it is counted, and not given
        (Browser(False, "granted", 1), NOTHING, SECURE),
        (Browser(True, "prompt", 1, "NotAllowedError"), NOTHING, ALLOWED),
        (Browser(True, "granted", 1, "NotAllowedError"), NOTHING, ALLOWED),  # the system may forbid it, too
        (Browser(True, "prompt", 1, "SecurityError"), NOTHING, ALLOWED),
        (Browser(True, "prompt", 1), NOTHING, None),
        (Browser(True, "prompt", 0), NOTHING, CAMERA),
        (Browser(True, "granted", 0), WAITING, CAMERA),
        (Browser(True, "granted", 1, "NotFoundError"), NOTHING, CAMERA),
        (Browser(True, "granted", 2, "OverconstrainedError"), NOTHING, CAMERA),
        (Browser(True, "granted", 1, "NotReadableError"), NOTHING, FREE),
        (Browser(True, "granted", 1, "AbortError"), WAITING, FREE),
        (Browser(True, "granted", 1, "TypeError"), NOTHING, None),  # none that we know: nothing is claimed
        # the connection
        (FINE, Connection(asked=7.9), None),
        (FINE, Connection(asked=8.0), CONNECTED),
        (Browser(), Connection(asked=45.0), CONNECTED),
        (FINE, Connection(asked=8.0, connected=True), None),
        (FINE, Connection(asked=11.9, connected=True), None),
        (FINE, Connection(asked=12.0, connected=True), PICTURES),
        (FINE, Connection(asked=60.0, connected=True, frames=9, silent=3.9), None),
        (FINE, Connection(asked=60.0, connected=True, frames=9, silent=4.0), PICTURES),
        (FINE, Connection(asked=60.0, connected=False, frames=9, silent=30.0), None),  # it is being stopped
        # what was known before is overtaken by what comes
        (Browser(False, "denied", 0, "NotReadableError"), RUNNING, None),
        (Browser(True, "denied", 0), Connection(asked=1.0, connected=True), None),
        (Browser(False, None, 1, ""), NOTHING, None),
    ],
)  # fmt: skip
def test_the_first_bad_step(browser: Browser, connection: Connection, first: int | None) -> None:
    assert bad(browser, connection) == first


@given(browsers, connections)
def test_six_steps_in_their_order(browser: Browser, connection: Connection) -> None:
    steps = examine(browser, connection)
    assert tuple(step.name for step in steps) == NAMES
    answers = [step.answer for step in steps]
    last = max((i for i, answer in enumerate(answers) if answer == "good" and i >= FREE), default=-1)
    assert set(answers[: last + 1]) <= {"good"}, "a camera that was opened proves what lies before it"
    for step in steps:
        assert bool(step.sentence) == (step.answer == "bad"), step
        assert step.sentence == step.sentence.strip()
    first = finding(steps)
    assert first == next((step for step in steps if step.answer == "bad"), None)


@given(browsers, st.floats(0, 1e6))
def test_frames_that_come_end_every_doubt(browser: Browser, asked: float) -> None:
    steps = examine(browser, Connection(asked, True, 1, 0.0))
    assert {step.answer for step in steps} == {"good"}


@given(connections)
def test_nothing_known_is_nothing_bad(connection: Connection) -> None:
    steps = examine(Browser(), Connection())
    assert {step.answer for step in steps} == {"open"}
    assert finding(steps) is None
    number = bad(Browser(), connection)
    assert number in (None, CONNECTED, PICTURES), "of the browser nothing is claimed"


def test_nobody_waits_for_what_was_not_asked_for() -> None:
    assert bad(FINE, Connection(asked=None, connected=False, frames=0, silent=1e6)) is None


@pytest.mark.parametrize("step", [SECURE, ALLOWED, CAMERA, FREE, CONNECTED, PICTURES])
def test_every_sentence_says_what_to_do(step: int) -> None:
    cases = {
        SECURE: (Browser(secure=False), NOTHING, "HTTPS"),
        ALLOWED: (Browser(True, "denied"), NOTHING, "Allow it"),
        CAMERA: (Browser(True, "granted", 0), NOTHING, "demo"),
        FREE: (Browser(True, "granted", 1, "NotReadableError"), NOTHING, "Close it"),
        CONNECTED: (FINE, Connection(asked=12.34), "For 12 seconds"),
        PICTURES: (FINE, Connection(asked=60.0, connected=True, frames=9, silent=33.3), "for 33 seconds"),
    }
    browser, connection, words = cases[step]
    found = finding(examine(browser, connection))
    assert isinstance(found, Step)
    assert words in found.sentence


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


@given(ANYTHING)
def test_a_browser_may_say_anything(said: Any) -> None:
    assert isinstance(Browser.of(said), Browser)


@given(st.fixed_dictionaries(dict.fromkeys(("secure", "permission", "cameras", "error"), ANYTHING)))
def test_what_is_of_the_wrong_kind_is_not_known(said: dict[str, Any]) -> None:
    browser = Browser.of(said)
    assert browser.secure is (said["secure"] if isinstance(said["secure"], bool) else None)
    assert browser.permission == (said["permission"] if isinstance(said["permission"], str) else None)
    assert browser.cameras == (said["cameras"] if isinstance(said["cameras"], int) else None)
    assert browser.error == (said["error"] if isinstance(said["error"], str) else None)
    assert len(examine(browser, NOTHING)) == len(NAMES)


def test_what_a_browser_says() -> None:
    assert Browser.of({"secure": True, "permission": "prompt", "cameras": 2, "error": "", "more": 1}) == Browser(
        True, "prompt", 2, ""
    )
    assert Browser.of({}) == Browser.of(None) == Browser()
