"""Diagnose why a camera delivers no frames: the steps from the browser to the first frame, with advice for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from emotion.translation.messages import gettext as _

CheckStatus = Literal["ok", "failed", "unknown"]

_CONNECT_TIMEOUT_SECONDS: Final = 8.0  # on one machine it takes less than one
_FRAME_TIMEOUT_SECONDS: Final = 4.0
_FIRST_PROOF_INDEX: Final = 3  # from this check on, success implies the checks before it: a camera is open


@dataclass(frozen=True)
class BrowserReport:
    """What the browser reports about cameras; None where it reports nothing."""

    is_secure: bool | None = None  # whether this page may use cameras at all
    permission: str | None = None  # "granted", "denied" or "prompt"
    num_cameras: int | None = None
    error_name: str | None = None  # of the last attempt to open a camera, "" for success

    @classmethod
    def from_dict(cls, data: object) -> BrowserReport:
        """Parse what a browser sent, which may be anything."""
        values: Mapping[str, Any] = data if isinstance(data, Mapping) else {}

        def get_typed(name: str, kind: type) -> Any:
            return values[name] if isinstance(values.get(name), kind) else None

        return cls(
            is_secure=get_typed("secure", bool),
            permission=get_typed("permission", str),
            num_cameras=get_typed("cameras", int),
            error_name=get_typed("error", str),
        )


@dataclass(frozen=True)
class ConnectionState:
    """The progress of a stream.

    Attributes:
        requested_for: Seconds since it was requested, None where it was not.
        is_connected: Whether the browser reports a connection.
        num_frames: How many frames arrived.
        idle_for: Seconds since the last frame arrived, None before the first.
    """

    requested_for: float | None = None
    is_connected: bool = False
    num_frames: int = 0
    idle_for: float | None = None


class Check(NamedTuple):
    """One step on the way of a frame: its name, its status, and what to do if it failed."""

    name: str
    status: CheckStatus
    message: str = ""


def run_checks(browser: BrowserReport, connection: ConnectionState) -> tuple[Check, ...]:
    """Return the six checks in order.

    From an open camera on, a check that succeeds implies those before it. The existence of a camera does not: browsers
    count cameras that they do not let a page use.
    """
    checks = [
        _check_secure_context(browser),
        _check_permission(browser),
        _check_camera(browser),
        _check_availability(browser),
        _check_connection(connection),
        _check_frames(connection),
    ]
    proofs = (i for i, check in enumerate(checks) if check.status == "ok" and i >= _FIRST_PROOF_INDEX)
    last_proof = max(proofs, default=-1)
    return tuple(check._replace(status="ok", message="") if i < last_proof else check for i, check in enumerate(checks))


def first_failure(checks: tuple[Check, ...]) -> Check | None:
    """Return the first check that failed, None if none did."""
    return next((check for check in checks if check.status == "failed"), None)


def _check_secure_context(browser: BrowserReport) -> Check:
    name = _("Secure page")
    if browser.is_secure is None:
        return Check(name, "unknown")
    return (
        Check(name, "ok")
        if browser.is_secure
        else Check(
            name,
            "failed",
            _(
                "Browsers allow cameras only on pages from the same computer or over HTTPS; this page uses plain HTTP. "
                "Open it as http://localhost:8501 on the computer it runs on, or use HTTPS, see docs/deployment.md."
            ),
        )
    )


def _check_permission(browser: BrowserReport) -> Check:
    name = _("Permission granted")
    if browser.permission == "denied" or browser.error_name in ("NotAllowedError", "SecurityError"):
        return Check(
            name,
            "failed",
            _(
                "The browser blocks the camera. Allow it with the icon left of the address (and in the settings of the "
                "system), then press Enable camera again."
            ),
        )
    return Check(name, "ok" if browser.permission == "granted" or browser.error_name == "" else "unknown")


def _check_camera(browser: BrowserReport) -> Check:
    name = _("Camera found")
    if browser.num_cameras == 0 or browser.error_name in ("NotFoundError", "OverconstrainedError"):
        return Check(
            name,
            "failed",
            _(
                "No camera found. Plug one in, or open its shutter or switch, then press Enable camera again; or watch "
                "the demo."
            ),
        )
    return Check(name, "ok" if browser.num_cameras else "unknown")


def _check_availability(browser: BrowserReport) -> Check:
    name = _("Not in use by another app")
    if browser.error_name in ("NotReadableError", "AbortError"):
        return Check(
            name,
            "failed",
            _(
                "The camera is in use by another app or tab. Close it there (often a meeting), then press Enable "
                "camera again."
            ),
        )
    return Check(name, "ok" if browser.error_name == "" else "unknown")


def _check_connection(connection: ConnectionState) -> Check:
    name = _("Connected")
    if connection.is_connected or connection.num_frames:
        return Check(name, "ok")
    if connection.requested_for is None or connection.requested_for < _CONNECT_TIMEOUT_SECONDS:
        return Check(name, "unknown")
    return Check(
        name,
        "failed",
        _(
            "No connection after {seconds:.0f} seconds. On one computer a VPN or firewall blocks it; across networks a "
            "TURN server is needed, see docs/deployment.md."
        ).format(seconds=connection.requested_for),
    )


def _check_frames(connection: ConnectionState) -> Check:
    name = _("Receiving video")
    idle_for = connection.idle_for if connection.num_frames else connection.requested_for
    if connection.num_frames and (idle_for or 0.0) < _FRAME_TIMEOUT_SECONDS:
        return Check(name, "ok")
    # Before the first frame, the time to connect counts too.
    timeout = _FRAME_TIMEOUT_SECONDS if connection.num_frames else _FRAME_TIMEOUT_SECONDS + _CONNECT_TIMEOUT_SECONDS
    if not connection.is_connected or idle_for is None or idle_for < timeout:
        return Check(name, "unknown")
    return Check(
        name,
        "failed",
        _(
            "Connected, but no video for {seconds:.0f} seconds. Choose another camera or a lower resolution; if it was "
            "unplugged, plug it in and press Stop, then Enable camera."
        ).format(seconds=idle_for),
    )
