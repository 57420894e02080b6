from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import pytest
from starlette.types import Message, Receive, Scope, Send
from streamlit.testing.v1.util import patch_config_options

from emotion.ui.streamlit_workarounds import read_index_page
from emotion.ui.visitors.security import SecurityMiddleware, format_policy


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def ask(path: str = "/", host: str = "localhost", **own_headers: str) -> Answer:
    """Ask a server that answers everything, with headers of its own."""
    sent: list[Message] = []

    async def server(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in own_headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"page"})

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": path, "headers": [(b"host", host.encode())]}
    asyncio.run(SecurityMiddleware(server)(scope, receive, send))
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], found, sent[1]["body"])


@pytest.mark.parametrize("path", ["/", "/_stcore/health", "/media/a.png", "/component/a/index.html"])
def test_every_answer_has_the_security_headers(path: str) -> None:
    headers = ask(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "camera=(self), microphone=()" in headers["permissions-policy"]
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["connect-src"] == policy["frame-ancestors"] == "'self'"
    assert policy["object-src"] == "'none'"


def test_scripts_of_a_page_run_only_where_they_are_known() -> None:
    policy = format_policy("<script>known()</script><script src='a.js'></script>")
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert scripts == "script-src 'self' blob: 'sha256-Q/AXd3qmS6Qn7Mz/w8j0s+b3PXaM6t3gNKjFiV7qTXU='"


def test_the_page_of_streamlit_has_inline_scripts_that_the_policy_names() -> None:
    number = read_index_page().count("<script>")
    assert number > 0
    assert ask().headers["content-security-policy"].count("'sha256-") == number


def test_an_answer_keeps_a_header_of_its_own() -> None:
    assert ask(referrer_policy="no-referrer").headers["referrer-policy"] == "no-referrer"


def test_under_an_unknown_name_nothing_but_the_health_is_served() -> None:
    with patch_config_options({"server.allowedHosts": ["localhost", "studio.example.org"]}):
        assert ask(host="localhost:8501").body == b"page"
        assert ask(host="studio.example.org").body == b"page"
        for path in ("/", "/media/a.png", "/_stcore/upload_file/a/b"):
            refused = ask(path, host="elsewhere.example")
            assert refused.status == 403
            assert b"EMOTION_HOSTS" in refused.body
        assert ask("/_stcore/health", host="10.0.0.7:8501").status == 200
