"""Home beside large photos: `make large-photo-test`. One visitor uploads thirty of 40 megapixels, others open Home."""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

from emotion.demo.sample_image import SAMPLE_IMAGE
from emotion.media.image_reader import encode_jpeg, read_image
from tests.browser.conftest import FLAGS, SYSTEM_BROWSERS, started
from tests.load.__main__ import OUTPUT_FOLDER, find_server

PHOTO_SIZE = (7296, 5472)  # the largest that is not reduced
NUM_PHOTOS, NUM_QUIET_VISITS = 30, 5
FACE_SCALE, FACE_PLACE = 4, (400, 1000)  # of the sample in the photo: y, x in pixels
MAX_SECONDS = 2.0  # to the first heading of Home
TIMEOUT_MS = 600_000
REST_SECONDS = 0.5  # between two visits
JPEG_START = b"\xff\xd8"


class Visit(NamedTuple):
    """A visit of Home: the seconds to its heading and to its first face, and the memory of the server in MB."""

    heading: float
    face: float
    memory: float


def make_large_photos(num_photos: int) -> list[bytes]:
    """Return JPEG images of 40 megapixels with one face on a gradient, no two of them equal."""
    width, height = PHOTO_SIZE
    gradient = np.linspace(40, 200, width)[None] + np.linspace(0, 40, height)[:, None]
    image = np.repeat(gradient.astype(np.uint8)[..., None], 3, axis=2)
    sample = read_image(SAMPLE_IMAGE).repeat(FACE_SCALE, axis=0).repeat(FACE_SCALE, axis=1)
    y, x = FACE_PLACE
    image[y : y + sample.shape[0], x : x + sample.shape[1]] = sample
    content = encode_jpeg(image, 92)
    comments = [b"\xff\xfe\x00\x04%02d" % index for index in range(num_photos)]
    return [JPEG_START + comment + content.removeprefix(JPEG_START) for comment in comments]


def visit_home(browser: Browser, url: str) -> Visit:
    """Open Home as a new visitor."""
    server, start = find_server(url), time.monotonic()
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(TIMEOUT_MS)
    page.goto(url)
    page.get_by_role("heading", level=1).wait_for()
    heading = time.monotonic() - start
    page.locator(".box:visible, video:visible").first.wait_for()
    visit = Visit(heading, time.monotonic() - start, server.memory_info().rss / 2**20)
    page.context.close()
    return visit


def upload_photos(browser: Browser, url: str, folder: Path) -> Page:
    """Upload the photos of a folder, and return their page as soon as one of them is analyzed."""
    page = browser.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    page.goto(f"{url}/photo")
    page.get_by_role("heading", level=1).wait_for()
    page.locator("input[type=file]").first.set_input_files(sorted(folder.iterdir()))
    page.get_by_text("Analyzing photo").first.wait_for()
    return page


def measure(browser: Browser, url: str) -> dict[str, list[Visit]]:
    """Return the visits of Home before and while the photos are analyzed."""
    page = browser.new_page()
    page.goto(url)
    page.locator("video").wait_for(timeout=TIMEOUT_MS)  # its rendering is not what is measured
    page.close()
    visits = {"alone": [visit_home(browser, url) for _ in range(NUM_QUIET_VISITS)], "beside": list[Visit]()}
    with tempfile.TemporaryDirectory() as folder:
        for number, photo in enumerate(make_large_photos(NUM_PHOTOS)):
            (Path(folder) / f"{number}.jpg").write_bytes(photo)
        photos = upload_photos(browser, url, Path(folder))
        while photos.get_by_text("Analyzing photo").count():
            visits["beside"].append(visit_home(browser, url))
            time.sleep(REST_SECONDS)
    return visits


def summarize(visits: dict[str, list[Visit]]) -> tuple[list[str], bool]:
    """Return a line for each kind of visits, and whether all headings came within `MAX_SECONDS`."""
    lines = []
    for name, some in visits.items():
        headings, faces = [visit.heading for visit in some], [visit.face for visit in some]
        lines.append(
            f"Home {name:<7} {len(some):3} visits: heading {statistics.median(headings):.2f} s (median), "
            f"{max(headings):.2f} s (slowest); face {statistics.median(faces):.2f} s, {max(faces):.2f} s; "
            f"server {max(visit.memory for visit in some):.0f} MB"
        )
    return lines, all(visit.heading <= MAX_SECONDS for some in visits.values() for visit in some)


def main() -> int:
    """Measure, write out/load/large_photos.json, print a summary and return the exit code."""
    with sync_playwright() as playwright, started() as url:
        executable = next(filter(None, map(shutil.which, SYSTEM_BROWSERS)), playwright.chromium.executable_path)
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        visits = measure(browser, url)
        browser.close()
    OUTPUT_FOLDER.mkdir(parents=True, exist_ok=True)
    (OUTPUT_FOLDER / "large_photos.json").write_text(
        json.dumps({name: [visit._asdict() for visit in some] for name, some in visits.items()}, indent=1)
    )
    lines, is_quick = summarize(visits)
    print("\n".join(lines))
    return 0 if is_quick else 1


if __name__ == "__main__":
    sys.exit(main())
