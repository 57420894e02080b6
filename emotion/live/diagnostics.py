"""Why no picture comes from a camera: the steps from the browser to the first frame, and what to do at each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

CheckStatus = Literal["ok", "failed", "unknown"]

_CONNECT_TIMEOUT_SECONDS: Final = 8.0  # seconds; on one machine it takes less than one
_FRAME_TIMEOUT_SECONDS: Final = 4.0
_FIRST_PROOF_INDEX: Final = 3  # from this step on a good one proves those before it: a camera was opened
_RETRY_ADVICE: Final = "then press Enable camera again"


@dataclass(frozen=True)
class BrowserReport:
    """What the browser says of itself; None where it does not."""

    is_secure: bool | None = None  # whether it gives cameras to this page at all
    permission: str | None = None  # "granted", "denied" or "prompt"
    num_cameras: int | None = None
    error_name: str | None = None  # the name of the error with which the last try to open a camera ended, "" for none

    @classmethod
    def from_dict(cls, data: object) -> BrowserReport:
        """Read what a browser sent, which may be anything."""
        facts: Mapping[str, Any] = data if isinstance(data, Mapping) else {}

        def known(name: str, kind: type) -> Any:
            return facts[name] if isinstance(facts.get(name), kind) else None

        return cls(known("secure", bool), known("permission", str), known("cameras", int), known("error", str))


@dataclass(frozen=True)
class ConnectionState:
    """How far a stream is: seconds since it was `requested_for` for, None where it was not; whether the browser says that it
    is `is_connected`; how many `num_frames` came, and for how many seconds none did (`idle_for`)."""

    requested_for: float | None = None
    is_connected: bool = False
    num_frames: int = 0
    idle_for: float | None = None


class Check(NamedTuple):
    """One step on the way of a picture: its name, its status, and what to do if it failed."""

    name: str
    status: CheckStatus
    message: str = ""


def run_checks(browser: BrowserReport, connection: ConnectionState) -> tuple[Check, ...]:
    """The six steps in their order. A camera that was opened, and all that comes of it, proves the steps before it;
    that there is one does not: browsers count cameras that they do not give."""
    steps = [
        _check_secure_context(browser),
        _check_permission(browser),
        _check_camera(browser),
        _check_availability(browser),
        _check_connection(connection),
        _check_frames(connection),
    ]
    reached = max((i for i, step in enumerate(steps) if step.status == "ok" and i >= _FIRST_PROOF_INDEX), default=-1)
    return tuple(step._replace(status="ok", message="") if i < reached else step for i, step in enumerate(steps))


def first_failure(checks: tuple[Check, ...]) -> Check | None:
    """The first check that failed, None if none did."""
    return next((step for step in checks if step.status == "failed"), None)


def _check_secure_context(browser: BrowserReport) -> Check:
    name = "The page may use a camera"
    if browser.is_secure is None:
        return Check(name, "unknown")
    return (
        Check(name, "ok")
        if browser.is_secure
        else Check(
            name,
            "failed",
            "Browsers give a camera only to pages from the same computer or over HTTPS; this page came over plain HTTP. "
            "Open it as http://localhost:8501 on the computer it runs on, or put it behind HTTPS as the README shows.",
        )
    )


def _check_permission(browser: BrowserReport) -> Check:
    name = "You allowed it"
    if browser.permission == "denied" or browser.error_name in ("NotAllowedError", "SecurityError"):
        return Check(
            name,
            "failed",
            "The browser was told not to give this page the camera. Allow it by the sign at the left of the address "
            f"(and in the settings of the system), {_RETRY_ADVICE}.",
        )
    return Check(name, "ok" if browser.permission == "granted" or browser.error_name == "" else "unknown")


def _check_camera(browser: BrowserReport) -> Check:
    name = "There is a camera"
    if browser.num_cameras == 0 or browser.error_name in ("NotFoundError", "OverconstrainedError"):
        return Check(
            name,
            "failed",
            f"The browser sees no camera that fits. Plug one in, or open its shutter or switch, {_RETRY_ADVICE}; or watch "
            "the demo.",
        )
    return Check(name, "ok" if browser.num_cameras else "unknown")


def _check_availability(browser: BrowserReport) -> Check:
    name = "Nobody else uses it"
    if browser.error_name in ("NotReadableError", "AbortError"):
        return Check(
            name,
            "failed",
            f"Another program or tab holds the camera. Close it there (often a meeting), {_RETRY_ADVICE}.",
        )
    return Check(name, "ok" if browser.error_name == "" else "unknown")


def _check_connection(connection: ConnectionState) -> Check:
    name = "It is connected"
    if connection.is_connected or connection.num_frames:
        return Check(name, "ok")
    if connection.requested_for is None or connection.requested_for < _CONNECT_TIMEOUT_SECONDS:
        return Check(name, "unknown")
    return Check(
        name,
        "failed",
        f"For {connection.requested_for:.0f} seconds the picture has found no way to the program. On one computer a VPN or "
        "firewall stands between; across networks a TURN server is needed, as the README shows.",
    )


def _check_frames(connection: ConnectionState) -> Check:
    name = "Pictures arrive"
    quiet = connection.idle_for if connection.num_frames else connection.requested_for
    if connection.num_frames and (quiet or 0.0) < _FRAME_TIMEOUT_SECONDS:
        return Check(name, "ok")
    # Before the first picture the connection takes its time, too.
    patience = _FRAME_TIMEOUT_SECONDS if connection.num_frames else _FRAME_TIMEOUT_SECONDS + _CONNECT_TIMEOUT_SECONDS
    if not connection.is_connected or quiet is None or quiet < patience:
        return Check(name, "unknown")
    return Check(
        name,
        "failed",
        f"The connection stands, but for {quiet:.0f} seconds no picture came. Choose another camera or a smaller "
        "picture; if it was unplugged, plug it in and press Stop, then Enable camera.",
    )
