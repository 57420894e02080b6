from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import pytest
from starlette.types import Message, Receive, Scope, Send

from emotion.ui.visitors import identity
from emotion.ui.visitors.middleware import VisitorMiddleware

VISITOR = identity.make_id()


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    key: str | None  # of the visitor, as the server behind the middleware sees it


def ask(path: str = "/", method: str = "GET", body: bytes = b"", base: str = "", **headers: str) -> Answer:
    """Ask a server that answers everything."""
    sent: list[Message] = []
    keys: list[str | None] = []

    async def server(scope: Scope, receive: Receive, send: Send) -> None:
        keys.append(identity.get_request_key())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"page"})

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    names = {"host": "studio.example", "accept": "text/html", **headers}
    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "scheme": "http",
        "server": ("studio.example", 80),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in names.items()],
    }
    asyncio.run(VisitorMiddleware(server, 7200, base)(scope, receive, send))
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], found, keys[0] if keys else None)


def test_first_page_gives_the_browser_an_id_that_scripts_cannot_read() -> None:
    cookie = ask().headers["set-cookie"]
    name, value = cookie.split("; ")[0].split("=")
    assert name == identity.COOKIE_NAME
    assert identity.is_id(value)
    assert cookie.endswith("; Max-Age=7200; Path=/; HttpOnly; SameSite=Lax")
    assert cookie != ask().headers["set-cookie"], "each browser gets another one"


def test_an_id_is_kept_and_renewed() -> None:
    answer = ask(cookie=f"{identity.COOKIE_NAME}={VISITOR}")
    assert f"{identity.COOKIE_NAME}={VISITOR};" in answer.headers["set-cookie"]
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.key == identity.make_key(VISITOR)


@pytest.mark.parametrize(
    "value", ["", "short", "a" * 44, "a" * 42 + "!", pytest.param(identity.make_key(VISITOR), id="key")]
)
def test_a_value_that_is_no_id_is_replaced(value: str) -> None:
    answer = ask(cookie=f"{identity.COOKIE_NAME}={value}")
    assert answer.key == ""
    assert "set-cookie" in answer.headers


def test_parts_of_a_page_set_no_cookie() -> None:
    assert "set-cookie" not in ask("/static/a.js", accept="*/*").headers
    assert "set-cookie" not in ask("/_stcore/upload_file/a/b", "PUT").headers


def test_cookie_is_sent_only_over_https_where_the_page_was() -> None:
    assert ask(x_forwarded_proto="https").headers["set-cookie"].endswith("; Secure")


def test_a_link_is_opened_only_from_its_own_page() -> None:
    body = f"id={VISITOR}".encode()
    kind = {"content_type": "application/x-www-form-urlencoded"}
    answer = ask("/open-link", "POST", body, origin="http://studio.example", **kind)
    assert (answer.status, answer.headers["location"]) == (303, "/video")
    assert VISITOR in answer.headers["set-cookie"]
    for origin in ("http://elsewhere.example", "null", ""):
        answer = ask("/open-link", "POST", body, origin=origin, **kind)
        assert (answer.status, "set-cookie" in answer.headers) == (400, False)


def test_the_page_of_a_link_cannot_be_framed_nor_stored() -> None:
    headers = ask("/open-link").headers
    assert (headers["x-frame-options"], headers["cache-control"]) == ("DENY", "no-store")
    assert "script-src 'self' blob: 'sha256-" in headers["content-security-policy"], "its own script runs"
    assert "set-cookie" not in headers


def test_a_server_below_a_path_answers_there() -> None:
    assert ask("/studio/_stcore/metrics", base="/studio").status == 404
    assert "Path=/studio;" in ask("/studio/", base="/studio").headers["set-cookie"]
