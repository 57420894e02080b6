"""Startup benchmark of `make startup-benchmark`: first page, page changes, camera, cards, and memory of the app."""

from __future__ import annotations

import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Browser, BrowserType, Page, sync_playwright

from tests.browser.conftest import FLAGS, ROOT, SYSTEM_BROWSERS, started
from tests.cameras import make_blinking_faces, write_camera_video
from tests.load.__main__ import find_server
from tests.load.visitors import CameraVisitor, unique_photos, write_two_faces
from tests.startup_benchmark.card_delay import measure_card_delays

OUTPUT_FOLDER = ROOT / "out" / "startup"
TITLES = {
    "Home": "Emotion Studio",
    "Live": "Live",
    "Photos": "Photos",
    "Videos": "Videos",
    "Collections": "Collections",
    "Synthetic faces": "Synthetic faces",
    "Model card": "Model card",
    "Data": "Data",
    "Training": "Training",
    "Runs": "Runs",
}
NUM_STARTS, NUM_ROUNDS, NUM_SESSIONS, NUM_CAMERAS = 3, 4, 5, 2
PAGE_TIMEOUT_MS = 60_000
CLIP_TIMEOUT_MS = 600_000  # it is rendered where others leave the processor free
REST_MS = 700  # after a page change, so that the scripts of two pages do not overlap
SETTLE_SECONDS = 4.0  # before the memory is read
CAMERA_SECONDS = 10.0  # before the frame rate is read


def open_home(browser: Browser, url: str) -> Page:
    """Open the app in a browser context of its own and wait for the home page."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(PAGE_TIMEOUT_MS)
    page.goto(url)
    page.get_by_role("heading", level=1).wait_for()
    return page


def measure_starts(browser: Browser) -> list[float]:
    """Return the seconds from the start of the app to the home page, in a running browser."""
    durations = []
    for _ in range(NUM_STARTS):
        start = time.monotonic()
        with started() as url:
            open_home(browser, url)
            durations.append(time.monotonic() - start)
    return durations


def measure_page_changes(page: Page) -> dict[str, list[float]]:
    """Return page -> seconds from a click in the menu to the page's title, for each round."""
    durations: dict[str, list[float]] = {name: [] for name in TITLES}
    for _ in range(NUM_ROUNDS):
        for name in [*list(TITLES)[1:], "Home"]:
            link = page.get_by_test_id("stSidebarNav").get_by_role("link", name=name, exact=False).first
            start = time.monotonic()
            link.click()
            page.get_by_role("heading", level=1, name=TITLES[name], exact=True).wait_for()
            durations[name].append(time.monotonic() - start)
            page.wait_for_timeout(REST_MS)
    return durations


def read_memory(server: psutil.Process) -> float:
    """Return the memory of the idle server process in MB."""
    time.sleep(SETTLE_SECONDS)
    return server.memory_info().rss / 2**20


def measure_memory(browser: Browser, url: str) -> tuple[float, float]:
    """Return the memory with one visitor, and that of each additional one, in MB."""
    # The process that renders the clip of Home has ended then.
    pages = [open_home(browser, url)]
    pages[0].locator("video").wait_for(timeout=CLIP_TIMEOUT_MS)
    server = find_server(url)
    idle = read_memory(server)
    pages += [open_home(browser, url) for _ in range(NUM_SESSIONS)]
    per_session = (read_memory(server) - idle) / NUM_SESSIONS
    for page in pages:
        page.context.close()
    return idle, per_session


def measure_first_faces(browser: Browser, url: str) -> dict[str, float]:
    """Return the seconds to the first face with a label on a server that has been used before.

    Returns:
        "home": from the address, without a click. "photo": from a photo dropped on the Photos page. "demo": from the
        click that starts the demo of the Live page to its first card.
    """
    durations = {}
    for _ in range(2):  # the first round loads the models
        start = time.monotonic()
        page = open_home(browser, url)
        page.locator(".box:visible, video:visible").first.wait_for()
        durations["home"] = time.monotonic() - start
        page.goto(f"{url}/photo")
        page.get_by_role("heading", level=1).wait_for()
        page.wait_for_timeout(REST_MS)
        start = time.monotonic()
        drop_photo(page)
        durations["photo"] = time.monotonic() - start
        page.context.close()
    page = open_home(browser, url)
    page.goto(f"{url}/webcam")
    demo = page.get_by_role("radio", name="Demo")
    demo.wait_for()
    page.wait_for_timeout(REST_MS)
    start = time.monotonic()
    demo.click()  # last, since its stream goes on for some seconds after the page is closed
    page.locator(".card").first.wait_for()
    durations["demo"] = time.monotonic() - start
    page.context.close()
    return durations


def drop_photo(page: Page) -> None:
    """Upload a photo on the Photos page and wait for its first face."""
    payload: Any = {"name": "photo.png", "mimeType": "image/png", "buffer": next(unique_photos())}
    page.locator("input[type=file]").set_input_files(payload)
    page.get_by_text("photo.png").first.wait_for()
    page.locator(".box").first.wait_for()


def measure_cameras(chromium: BrowserType, executable: str) -> list[tuple[float, str]]:
    """Start an app and one camera after the other.

    Returns:
        For each camera the seconds to its first card, and what the page says of the frame rate at the end.
    """
    with tempfile.TemporaryDirectory() as folder, started() as url:
        flags = [*FLAGS, *write_two_faces(Path(folder))]
        browser = chromium.launch(executable_path=executable, args=flags)
        visitors, durations = [], []
        for _ in range(NUM_CAMERAS):
            start = time.monotonic()
            visitors.append(CameraVisitor(browser.new_context(), url))
            visitors[-1].step()
            durations.append(time.monotonic() - start)
        time.sleep(CAMERA_SECONDS)
        for visitor in visitors:
            visitor.page.get_by_text("Statistics", exact=True).click()
        frame_rates = [visitor.page.get_by_text(" fps, ").inner_text() for visitor in visitors]
        browser.close()
    return list(zip(durations, frame_rates, strict=True))


def measure_cards(chromium: BrowserType, executable: str) -> list[float]:
    """Start an app and a camera; return how many seconds after the labels in the image the cards come and go."""
    with tempfile.TemporaryDirectory() as folder, started() as url:
        flags = [*FLAGS, *write_camera_video(Path(folder) / "blinking.y4m", make_blinking_faces(30), 30)]
        browser = chromium.launch(executable_path=executable, args=flags)
        visitor = CameraVisitor(browser.new_context(), url)
        visitor.step()
        time.sleep(SETTLE_SECONDS)  # until the stream has its full size
        delays = measure_card_delays(visitor.page)
        browser.close()
    return delays


def main() -> None:
    """Measure, write out/startup/startup.json and print a summary."""
    with sync_playwright() as playwright:
        executable = next(filter(None, map(shutil.which, SYSTEM_BROWSERS)), playwright.chromium.executable_path)
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        starts = measure_starts(browser)
        with started() as url:
            idle, per_session = measure_memory(browser, url)
            page = open_home(browser, url)
            page_changes = measure_page_changes(page)
            page.context.close()  # a clip that plays there would slow down what follows
            first_faces = measure_first_faces(browser, url)
        browser.close()
        cameras = measure_cameras(playwright.chromium, executable)
        card_delays = measure_cards(playwright.chromium, executable)
    repeated = [seconds for durations in page_changes.values() for seconds in durations[1:]]
    result = {
        "seconds_to_first_page": starts,
        "seconds_of_a_change": page_changes,
        "median_change": statistics.median(repeated),
        "p95_change": sorted(repeated)[int(0.95 * len(repeated))],
        "slowest_first_change": max(durations[0] for durations in page_changes.values()),
        "megabytes_idle": idle,
        "megabytes_a_session": per_session,
        "first_faces": first_faces,
        "cameras": cameras,
        "card_delays": card_delays,
    }
    OUTPUT_FOLDER.mkdir(parents=True, exist_ok=True)
    (OUTPUT_FOLDER / "startup.json").write_text(json.dumps(result, indent=1))
    print_summary(result)


def print_summary(result: dict[str, Any]) -> None:
    starts = result["seconds_to_first_page"]
    print(
        f"first page            {statistics.median(starts):5.2f} s (median of {NUM_STARTS}; slowest {max(starts):.2f})"
    )
    print(f"page change           {result['median_change']:5.2f} s (median), {result['p95_change']:.2f} s (p95)")
    print(f"first change          {result['slowest_first_change']:5.2f} s (slowest page)")
    for name, durations in result["seconds_of_a_change"].items():
        print(f"  {name:<20}{statistics.median(durations[1:]):5.2f} s, first {durations[0]:.2f}")
    for name, seconds in result["first_faces"].items():
        print(f"first face, {name:<10}{seconds:5.2f} s")
    for number, (seconds, frame_rate) in enumerate(result["cameras"], 1):
        print(f"camera {number}              {seconds:5.1f} s to its faces; {frame_rate}")
    delays = result["card_delays"]
    print(
        f"cards after labels    {statistics.fmean(delays):5.2f} s (mean of {len(delays)} changes; "
        f"slowest {max(delays):.2f})"
    )
    print(
        f"memory, one visitor   {result['megabytes_idle']:5.0f} MB, each other {result['megabytes_a_session']:.0f} MB"
    )


if __name__ == "__main__":
    main()
