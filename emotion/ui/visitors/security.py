"""What the server does with each request of anybody: refuse unknown host names, and set security headers."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emotion.ui import streamlit_workarounds
from emotion.ui.visitors.hosts import HOSTS_VAR

_HEALTH_PATH: Final = "/_stcore/health"  # asked for by machines, under any name
_FORBIDDEN: Final = 403  # HTTP status, as of Streamlit's answer to a WebSocket
_UNKNOWN_HOST: Final = f"The app is not served under this name: open it under another one, or name it in {HOSTS_VAR}."
_INLINE_SCRIPT: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)
SECURITY_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
}
# `frame-ancestors`: Streamlit frames its own components. "'self'" includes the WebSocket of the same host.
_POLICY: Final = {
    "default-src": "'self'",
    "img-src": "'self' data: blob:",
    "media-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "style-src": "'self' 'unsafe-inline'",  # Streamlit and the elements of `st.html`
    "connect-src": "'self'",
    "worker-src": "'self' blob:",
    "frame-src": "'self'",
    "frame-ancestors": "'self'",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
}


class SecurityMiddleware:
    """Refuses requests under unknown host names, and sets security headers; wraps the whole server."""

    def __init__(self, app: ASGIApp, base_path: str = "") -> None:
        """Wrap a server.

        Args:
            app: The server.
            base_path: The path below which the server answers: "" or "/PATH".
        """
        self._app = app
        self._health_path = base_path + _HEALTH_PATH
        self._policy = format_policy(streamlit_workarounds.read_index_page())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":  # Streamlit refuses a WebSocket under an unknown name by itself
            return await self._app(scope, receive, send)
        app = self._app if self._may_answer(scope) else PlainTextResponse(_UNKNOWN_HOST, _FORBIDDEN)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Content-Security-Policy", self._policy)
            await send(message)

        await app(scope, receive, send_with_headers)

    def _may_answer(self, scope: Scope) -> bool:
        host = Headers(scope=scope).get("host")
        return scope["path"] == self._health_path or streamlit_workarounds.is_host_allowed(host)


def format_policy(*pages: str) -> str:
    """Return the Content-Security-Policy under which the inline scripts of these HTML pages, and no others, run."""
    scripts = ("'self'", "blob:", *_hash_scripts(pages))  # Streamlit makes a "blob:" of each custom component
    return "; ".join([*(f"{name} {value}" for name, value in _POLICY.items()), f"script-src {' '.join(scripts)}"])


def _hash_scripts(pages: Iterable[str]) -> list[str]:
    scripts = [script for page in pages for script in _INLINE_SCRIPT.findall(page)]
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    return [f"'sha256-{digest}'" for digest in digests]
