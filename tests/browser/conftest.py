"""A started app and a real browser. Without a browser these tests are skipped, and fail where CI is set."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from emotion.video import library

ROOT = Path(__file__).resolve().parents[2]
SYSTEM_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TIMEOUT_MS = 60_000  # of an action or an expectation: a machine that also trains is slow
START_SECONDS = 120
FLAGS = ["--no-sandbox", "--headless", "--disable-gpu", "--disable-background-networking"]


def missing(what: str) -> None:
    message = f"THE BROWSER TESTS DID NOT RUN: {what}"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


@pytest.fixture(scope="package")
def start_browser() -> Iterator[Callable[..., Any]]:
    """`start_browser(*flags)`: Chromium of the system, or Playwright's own; closed after these tests, or
    its event loop would be in the way of others."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        found = next(filter(None, map(shutil.which, SYSTEM_BROWSERS)), playwright.chromium.executable_path)
        if not Path(found).exists():
            missing("there is no Chromium (apt install chromium, or playwright install chromium)")
        opened = list[Any]()

        def start(*flags: str) -> Any:
            opened.append(playwright.chromium.launch(executable_path=found, args=[*FLAGS, *flags]))
            return opened[-1]

        yield start
        for opened_browser in opened:
            opened_browser.close()


@pytest.fixture(scope="package")
def browser(start_browser: Callable[..., Any]) -> Any:
    """A browser without a camera."""
    return start_browser()


def is_healthy(url: str) -> bool:
    try:
        return urllib.request.urlopen(f"{url}/_stcore/health", timeout=5).status == HTTPStatus.OK
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def started(
    *flags: str,
    log: Path = Path(os.devnull),
    workspace: Path | None = None,
    program: Sequence[str] = ("emotion", "app"),
) -> Iterator[str]:
    """Yield the address of a new app with the detector that is always available; `flags` are Streamlit's."""
    env = os.environ | {"EMOTION_YUNET": "none"} | ({"EMOTION_WORKSPACE": str(workspace)} if workspace else {})
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", *program, "--server.headless=true", f"--server.port={port}", *flags]
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=out, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_healthy(url):
            assert process.poll() is None, "the app did not start"
            assert time.monotonic() < deadline, f"the app did not answer within {START_SECONDS} s"
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="package")
def app() -> Iterator[str]:
    """Yield the address of the app of all tests, see `light_app`."""
    with started(program=["tests.browser.light_app"]) as url:
        yield url


@pytest.fixture(scope="package")
def video_url(app: str, browser: Any) -> Iterator[str]:
    """Yield the address of the analyzed sample video, which is deleted at the end."""
    from playwright.sync_api import expect

    before = {video.folder for video in library.list_videos()}
    page = browser.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    try:
        page.goto(f"{app}/video")
        page.get_by_text("Fast", exact=True).last.click()
        page.get_by_role("button", name="Sample video").click()
        expect(page.get_by_role("button", name="Stop and keep results so far")).to_be_visible()
        expect(page.locator(".timeline.live")).to_be_visible()
        page.reload()  # the analysis goes on without the page, and the page finds it again
        expect(page.get_by_role("heading", name="Download")).to_be_visible(timeout=300_000)
        url = page.url
        page.close()
        yield url
    finally:
        page.close()
        for video in library.list_videos():
            if video.folder not in before:
                library.delete(video.folder)


@pytest.fixture
def start_app() -> Callable[..., Any]:
    """`with start_app(*flags) as url`: a new app without visitors."""
    return started


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """`open_page(url, width=1280, within=browser)`: a page that fails the test for a dialog, an error, a request
    elsewhere, or what the Content-Security-Policy forbids."""
    contexts, problems = [], []

    def open_url(url: str, width: int = 1280, within: Any = browser) -> Any:
        context = within.new_context(viewport={"width": width, "height": 800})
        context.set_default_timeout(TIMEOUT_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("dialog", lambda dialog: (problems.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("pageerror", lambda error: problems.append(f"error: {error}"))
        page.on("console", lambda it: problems.append(it.text) if "Content Security Policy" in it.text else None)
        page.on("request", lambda request: None if is_local(request.url) else problems.append(request.url))
        page.goto(url)
        return page

    yield open_url
    found = list(problems)  # requests that closing aborts do not count
    for context in contexts:
        context.close()
    assert found == []


def is_local(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "data:", "blob:"))
