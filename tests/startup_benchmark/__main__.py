"""`make startup-benchmark`: how long the app takes to its first page, from page to page and to the faces of a camera,
and how much memory it takes."""

from __future__ import annotations

import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserType, Page, sync_playwright

from tests.browser.conftest import FLAGS, ROOT, SYSTEM_BROWSERS, started
from tests.load.__main__ import server_of
from tests.load.visitors import FLAGS as CAMERA_FLAGS
from tests.load.visitors import Streamer, camera

OUT = ROOT / "out" / "startup"
TITLES = {
    "Home": "Emotion Studio",
    "Live": "Live",
    "Photos": "Photos",
    "Videos": "Videos",
    "Synthetic faces": "Synthetic faces",
    "How good is it?": "How good is it?",
    "Data": "Data",
    "Training": "Training",
    "Runs": "Runs",
}
STARTS, ROUNDS, SESSIONS, CAMERAS = 3, 4, 5, 2


def visit(browser: Browser, url: str) -> Page:
    """A visitor of its own, who sees Home."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(60_000)
    page.goto(url)
    page.get_by_role("heading", level=1).wait_for()
    return page


def starts(browser: Browser) -> list[float]:
    """Seconds from the command to the title of Home in a browser that is open already."""
    seconds = []
    for _ in range(STARTS):
        begun = time.monotonic()
        with started() as url:
            visit(browser, url)
            seconds.append(time.monotonic() - begun)
    return seconds


def changes(page: Page) -> dict[str, list[float]]:
    """Seconds from a click in the menu to the title of the page that it leads to, page by page."""
    seconds: dict[str, list[float]] = {name: [] for name in TITLES}
    for _ in range(ROUNDS):
        for name in [*list(TITLES)[1:], "Home"]:
            link = page.get_by_test_id("stSidebarNav").get_by_role("link", name=name, exact=False).first
            begun = time.monotonic()
            link.click()
            page.get_by_role("heading", level=1, name=TITLES[name], exact=True).wait_for()
            seconds[name].append(time.monotonic() - begun)
            page.wait_for_timeout(700)
    return seconds


def megabytes(server: Any) -> float:
    """Memory of the serving process, at rest."""
    time.sleep(4)
    return server.memory_info().rss / 2**20


def cameras(chromium: BrowserType, found: str) -> list[tuple[float, str]]:
    """Of visitors who switch on their cameras one after the other, in an app that has just started: the seconds from
    the address to the first card, and what the page says of its stream when all of them have been on for a while."""
    with tempfile.TemporaryDirectory() as folder, started() as url:
        flags = [*CAMERA_FLAGS, f"--use-file-for-fake-video-capture={camera(Path(folder))}"]
        browser = chromium.launch(executable_path=found, args=flags)
        streamers, seconds = [], []
        for _ in range(CAMERAS):
            begun = time.monotonic()
            streamers.append(Streamer(browser.new_context(), url))
            streamers[-1].step()
            seconds.append(time.monotonic() - begun)
        time.sleep(10)
        said = [one.page.get_by_text("images a second").inner_text() for one in streamers]
        browser.close()
    return list(zip(seconds, said, strict=True))


def main() -> None:
    """Measure, print, and leave out/startup/startup.json."""
    with sync_playwright() as playwright:
        found = next(filter(None, map(shutil.which, SYSTEM_BROWSERS)), playwright.chromium.executable_path)
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        cold = starts(browser)
        with started() as url:
            page, server = visit(browser, url), server_of(url)
            idle = megabytes(server)
            others = [visit(browser, url) for _ in range(SESSIONS)]
            each = (megabytes(server) - idle) / SESSIONS
            for other in others:
                other.context.close()
            first = changes(page)
        browser.close()
        live = cameras(playwright.chromium, found)
    again = [value for values in first.values() for value in values[1:]]
    result = {
        "seconds_to_first_page": cold,
        "seconds_of_a_change": first,
        "median_change": statistics.median(again),
        "p95_change": sorted(again)[int(0.95 * len(again))],
        "slowest_first_change": max(values[0] for values in first.values()),
        "megabytes_idle": idle,
        "megabytes_a_session": each,
        "cameras": live,
    }
    OUT.mkdir(parents=True, exist_ok=True)
    Path(OUT / "startup.json").write_text(json.dumps(result, indent=1))
    print(f"to the first page     {statistics.median(cold):5.2f} s (of {STARTS} starts; slowest {max(cold):.2f})")
    print(f"from page to page     {result['median_change']:5.2f} s (median), {result['p95_change']:.2f} s (95 of 100)")
    print(f"the first time        {result['slowest_first_change']:5.2f} s (slowest page)")
    for name, values in first.items():
        print(f"  {name:<20}{statistics.median(values[1:]):5.2f} s, the first time {values[0]:.2f}")
    for number, (seconds, said) in enumerate(live, 1):
        print(f"camera {number}              {seconds:5.1f} s from the address to its faces; {said}")
    print(f"memory, one visitor   {idle:5.0f} MB, each further one {each:.0f} MB")


if __name__ == "__main__":
    main()
