"""Why no picture comes from a camera: the steps from the browser to the first frame, and what to do at each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

Answer = Literal["good", "bad", "open"]  # open: not known yet

_CONNECTED_WITHIN: Final = 8.0  # seconds; on one machine it takes less than one
_PICTURE_WITHIN: Final = 4.0
_PROOF: Final = 3  # from this step on a good one proves those before it: a camera was opened
_AGAIN: Final = "then press Enable camera again"


@dataclass(frozen=True)
class Browser:
    """What the browser says of itself; None where it does not."""

    secure: bool | None = None  # whether it gives cameras to this page at all
    permission: str | None = None  # "granted", "denied" or "prompt"
    cameras: int | None = None
    error: str | None = None  # the name of the error with which the last try to open a camera ended, "" for none

    @classmethod
    def of(cls, said: object) -> Browser:
        """Read what a browser sent, which may be anything."""
        facts: Mapping[str, Any] = said if isinstance(said, Mapping) else {}

        def known(name: str, kind: type) -> Any:
            return facts[name] if isinstance(facts.get(name), kind) else None

        return cls(known("secure", bool), known("permission", str), known("cameras", int), known("error", str))


@dataclass(frozen=True)
class Connection:
    """How far a stream is: seconds since it was `asked` for, None where it was not; whether the browser says that it
    is `connected`; how many `frames` came, and for how many seconds none did (`silent`)."""

    asked: float | None = None
    connected: bool = False
    frames: int = 0
    silent: float | None = None


class Step(NamedTuple):
    """One step on the way of a picture: its name, how it stands, and where it is bad what to do."""

    name: str
    answer: Answer
    sentence: str = ""


def examine(browser: Browser, connection: Connection) -> tuple[Step, ...]:
    """The six steps in their order. A camera that was opened, and all that comes of it, proves the steps before it;
    that there is one does not: browsers count cameras that they do not give."""
    steps = [
        _secure(browser), _permission(browser), _camera(browser), _free(browser), _connection(connection),
        _picture(connection),
    ]  # fmt: skip
    reached = max((i for i, step in enumerate(steps) if step.answer == "good" and i >= _PROOF), default=-1)
    return tuple(step._replace(answer="good", sentence="") if i < reached else step for i, step in enumerate(steps))


def finding(steps: tuple[Step, ...]) -> Step | None:
    """The first step that is bad, None where none is."""
    return next((step for step in steps if step.answer == "bad"), None)


def _secure(browser: Browser) -> Step:
    name = "The page may use a camera"
    if browser.secure is None:
        return Step(name, "open")
    return Step(name, "good") if browser.secure else Step(
        name, "bad",
        "Browsers give a camera only to pages from the same computer or over HTTPS; this page came over plain HTTP. "
        "Open it as http://localhost:8501 on the computer it runs on, or put it behind HTTPS as the README shows.",
    )  # fmt: skip


def _permission(browser: Browser) -> Step:
    name = "You allowed it"
    if browser.permission == "denied" or browser.error in ("NotAllowedError", "SecurityError"):
        return Step(
            name, "bad",
            "The browser was told not to give this page the camera. Allow it by the sign at the left of the address "
            f"(and in the settings of the system), {_AGAIN}.",
        )  # fmt: skip
    return Step(name, "good" if browser.permission == "granted" or browser.error == "" else "open")


def _camera(browser: Browser) -> Step:
    name = "There is a camera"
    if browser.cameras == 0 or browser.error in ("NotFoundError", "OverconstrainedError"):
        return Step(
            name, "bad",
            f"The browser sees no camera that fits. Plug one in, or open its shutter or switch, {_AGAIN}; or watch "
            "the demo.",
        )  # fmt: skip
    return Step(name, "good" if browser.cameras else "open")


def _free(browser: Browser) -> Step:
    name = "Nobody else uses it"
    if browser.error in ("NotReadableError", "AbortError"):
        return Step(
            name, "bad",
            f"Another program or tab holds the camera. Close it there (often a meeting), {_AGAIN}.",
        )  # fmt: skip
    return Step(name, "good" if browser.error == "" else "open")


def _connection(connection: Connection) -> Step:
    name = "It is connected"
    if connection.connected or connection.frames:
        return Step(name, "good")
    if connection.asked is None or connection.asked < _CONNECTED_WITHIN:
        return Step(name, "open")
    return Step(
        name, "bad",
        f"For {connection.asked:.0f} seconds the picture has found no way to the program. On one computer a VPN or "
        "firewall stands between; across networks a TURN server is needed, as the README shows.",
    )  # fmt: skip


def _picture(connection: Connection) -> Step:
    name = "Pictures arrive"
    quiet = connection.silent if connection.frames else connection.asked
    if connection.frames and (quiet or 0.0) < _PICTURE_WITHIN:
        return Step(name, "good")
    # Before the first picture the connection takes its time, too.
    patience = _PICTURE_WITHIN if connection.frames else _PICTURE_WITHIN + _CONNECTED_WITHIN
    if not connection.connected or quiet is None or quiet < patience:
        return Step(name, "open")
    return Step(
        name, "bad",
        f"The connection stands, but for {quiet:.0f} seconds no picture came. Choose another camera or a smaller "
        "picture; if it was unplugged, plug it in and press Stop, then Enable camera.",
    )  # fmt: skip
