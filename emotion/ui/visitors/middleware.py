"""What a public server does with each request: give the browser an id, and close what is not for visitors."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emotion.ui.visitors import identity
from emotion.ui.visitors.link_page import render_link_page
from emotion.ui.visitors.security import format_policy

_CLOSED_PATH: Final = "/_stcore/metrics"  # counts of all visitors


class VisitorMiddleware:
    """Identifies the visitor of each request; wraps the whole server."""

    def __init__(self, app: ASGIApp, cookie_seconds: int, base_path: str = "") -> None:
        """Wrap a server.

        Args:
            app: The server.
            cookie_seconds: How long a browser keeps the id after its last visit.
            base_path: The path below which the server answers: "" or "/PATH".
        """
        self._app = app
        self._cookie_seconds = cookie_seconds
        self._base_path = base_path
        self._link_headers = {
            "Cache-Control": "no-store",
            "X-Frame-Options": "DENY",
            "Content-Security-Policy": format_policy(render_link_page("")),  # the script is the same in all languages
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        visitor_id = identity.read_id(HTTPConnection(scope).cookies)
        identity.set_request_key(identity.make_key(visitor_id))
        if scope["type"] == "websocket":
            return await self._app(scope, receive, send)
        request = Request(scope, receive)
        answer = await self._answer_itself(request) or self._app
        if isinstance(answer, Response) or not _is_navigation(request):
            visitor_id = ""
        else:
            visitor_id = visitor_id or identity.make_id()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if visitor_id:
                    headers.append("Set-Cookie", self._make_cookie(request, visitor_id))
                    headers["Cache-Control"] = "private, no-cache"
            await send(message)

        await answer(scope, receive, send_with_headers)

    async def _answer_itself(self, request: Request) -> Response | None:
        path = request.url.path.removeprefix(self._base_path)
        if path == _CLOSED_PATH:
            return PlainTextResponse("Not found", 404)
        if path != identity.LINK_PATH:
            return None
        if request.method != "POST":
            page = render_link_page(request.headers.get("accept-language", ""))
            return HTMLResponse(page, headers=self._link_headers)
        visitor_id = str((await request.form()).get("id", ""))
        # Another site must not change whose videos this browser adds to.
        is_own_site = urlsplit(request.headers.get("origin", "")).netloc == request.headers.get("host")
        if not is_own_site or not identity.is_id(visitor_id):
            return PlainTextResponse("This link is not complete: copy it again, as a whole.", 400)
        response = RedirectResponse(f"{self._base_path}/video", 303)
        response.headers.append("Set-Cookie", self._make_cookie(request, visitor_id))
        return response

    def _make_cookie(self, request: Request, visitor_id: str) -> str:
        is_secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
        parts = [
            f"{identity.COOKIE_NAME}={visitor_id}",
            f"Max-Age={self._cookie_seconds}",
            f"Path={self._base_path or '/'}",
            "HttpOnly",
            "SameSite=Lax",
            *(["Secure"] if is_secure else []),
        ]
        return "; ".join(parts)


def _is_navigation(request: Request) -> bool:
    """Return whether a browser opens a page, not one of its parts."""
    return request.method == "GET" and "text/html" in request.headers.get("accept", "")
