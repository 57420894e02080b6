"""A visitor presses every button of a public server, which downloads nothing and writes for that visitor alone."""

from __future__ import annotations

import os
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from emotion.jobs.ownership import OWNER_FILE
from tests import tracing
from tests.conftest import ROOT
from tests.tracing import Traced
from tests.waiting import wait_until

if os.environ.get("CI", "").lower() != "true":  # there a missing Playwright is a failure
    pytest.importorskip("playwright", reason="THE BROWSER TESTS DID NOT RUN: Playwright is not installed")
from playwright.sync_api import Page, expect

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get("EMOTION_PRESS_BUTTONS"),
        reason="It takes minutes: make public-test, or EMOTION_PRESS_BUTTONS=1",
    ),
]

START_SECONDS = 240  # the trace makes it slow
TIMEOUT_MS = 300_000
PAGES = ("", "webcam", "photo", "video", "synthetic_faces", "model_card")
HIDDEN_PAGES = ("collection", "data", "train", "runs")
MAX_PRESSES = 60  # on a page; each press may show more buttons
BUTTONS = (
    ":is([data-testid=stMain], [data-testid=stSidebarUserContent], [data-testid=stPopoverBody]) button:enabled:visible"
)
LABEL_OF = r"""b => (b.querySelector('[data-testid=stMarkdownContainer] p') ?? b).innerText.trim().split("\n").pop()"""
MAX_POLLS = 60  # of a page, a second apart
# They end what other buttons are for.
LAST = ("All videos", "Delete", "Mirror game", "Single image", "Start over")
APPEARS_LATER = {"Demo": "Snapshot"}  # what a button shows after some seconds


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Traced]]:
    """The address of a public server, and the server under strace, which may write what belongs to a visitor."""
    folder = tmp_path_factory.mktemp("server")
    for name in ("home", "tmp", "workspace"):
        (folder / name).mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "EMOTION_PUBLIC": "1",
        "EMOTION_WORKSPACE": str(folder / "workspace"),
    }
    data = folder / "workspace" / "data"
    (data / "samples").mkdir(parents=True)
    # The sample video is the same for all.
    allowed = [folder / "tmp", data / "videos", data / "samples"]
    words = ["-m", "emotion", "app", "--server.headless=true", f"--server.port={port}"]
    traced = tracing.start(words, folder / "trace.txt", ROOT, allowed, variables)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: answers(traced, url), START_SECONDS)
        yield url, traced
    finally:
        traced.stop()


def answers(server: Traced, url: str) -> bool:
    assert server.running, "the app did not start"
    try:
        with urllib.request.urlopen(f"{url}/_stcore/health", timeout=1):
            return True
    except OSError:
        return False


def test_no_button_makes_the_server_download_or_write_elsewhere(server: tuple[str, Traced], browser: Any) -> None:
    url, traced = server
    context = browser.new_context()
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    pressed = {name: press_all(page, f"{url}/{name}") for name in PAGES}
    for name in HIDDEN_PAGES:
        page.goto(f"{url}/{name}")
        expect(page.get_by_text("Page not found").first).to_be_visible()
    context.close()
    print(pressed)  # shown where it fails
    assert "Start camera" in pressed[""]
    assert {"Demo", "Snapshot", "Record"} <= pressed["webcam"]
    assert {"Sample photo", "Start over"} <= pressed["photo"]
    assert {"Table (CSV)", "Delete for good"} <= pressed["video"]
    assert "Another" in pressed["synthetic_faces"]
    videos = Path(traced.allowed[1])
    assert {entry.name for entry in videos.parent.iterdir()} == {"videos", "samples"}
    assert all((folder / OWNER_FILE).is_file() for folder in videos.iterdir() if folder.is_dir())
    # The browser, which is on this machine, gets the frames of the demo.
    own = {f"{address.address} " for addresses in psutil.net_if_addrs().values() for address in addresses}
    assert [found for found in traced.connections() if not found.startswith(tuple(own))] == []
    assert traced.files() == []


def press_all(page: Page, address: str) -> set[str]:
    """Press each button of a page once, also those that appear, and return their labels."""
    pressed: set[str] = set()
    open_page(page, address)
    for _ in range(MAX_PRESSES):
        if page.url.split("?")[0] != address.split("?")[0]:
            open_page(page, address)
        labels = list_labels(page)
        words = {label for label in labels if label and not label.isdigit()}  # numbers select a face
        left = sorted(words - pressed, key=lambda label: (label.startswith(LAST), label))
        if not left:
            break
        pressed.add(left[0])
        page.locator(BUTTONS).evaluate_all(
            f"(all, label) => all.find(b => ({LABEL_OF})(b) === label)?.click()", left[0]
        )
        if left[0] in APPEARS_LATER:
            expect(page.get_by_role("button", name=APPEARS_LATER[left[0]])).to_be_visible()
        wait_until_settled(page)
    return pressed


def list_labels(page: Page) -> list[str]:
    """Return the words on each button, without the names of icons."""
    return page.locator(BUTTONS).evaluate_all(f"all => all.map({LABEL_OF})")


def open_page(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator("h1").first).to_be_visible()
    wait_until_settled(page)


def wait_until_settled(page: Page) -> None:
    """Wait until the run of the page, and an analysis of a video, have ended; a stream goes on."""
    before: list[str] = []
    for _ in range(MAX_POLLS):
        page.wait_for_timeout(1000)
        expect(page.get_by_role("button", name="Stop and keep results so far")).to_have_count(0, timeout=TIMEOUT_MS)
        if page.locator("[data-testid=stMain] iframe").count() == 0:
            expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        labels = list_labels(page)
        if labels and labels == before:
            return
        before = labels
    pytest.fail("the page changes without end")
