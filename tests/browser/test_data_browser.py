"""A data set made of photos in a real browser: uploaded, watched, looked at, taken away, deleted."""

import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from emotion.datasets.metadata import DATASETS_FOLDER

if os.environ.get("CI", "").lower() != "true":  # there a missing Playwright is a failure
    pytest.importorskip("playwright", reason="THE BROWSER TESTS DID NOT RUN: Playwright is not installed")
from playwright.sync_api import Page, expect

from tests.cameras import write_camera_video

pytestmark = pytest.mark.slow
Open = Callable[..., Page]


@pytest.fixture
def name() -> Iterator[str]:
    """A name that no other data set has; whatever is left of it goes away."""
    word = f"browsertest{os.getpid()}"  # a dash would be hidden between signs that cannot be seen
    yield word
    for left in (DATASETS_FOLDER / word, DATASETS_FOLDER / f".{word}.building"):
        shutil.rmtree(left, ignore_errors=True)


@pytest.fixture
def archive(tmp_path: Path, sample: np.ndarray) -> Path:
    """Twelve photos of one face, each a little different, under two labels, and one that is no photo."""
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as file:
        for number in range(12):
            turn = cv2.getRotationMatrix2D((225, 115), 3 * number - 18, 1)
            photo = cv2.warpAffine(np.asarray(sample), turn, (512, 512))
            _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(photo, cv2.COLOR_RGB2BGR))
            file.writestr(f"faces/{'happy' if number % 2 else 'proud'}/{number}.jpg", jpeg.tobytes())
        file.writestr("faces/happy/notes.jpg", "no photo")
    return tmp_path / "photos.zip"


def check_widths(page: Page) -> None:
    """Check that nothing is wider than the window, on a desktop and on a phone."""
    for width in (400, 1360):
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_function("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_zip_becomes_a_data_set(app: str, open_page: Open, archive: Path, name: str) -> None:
    page = open_page(f"{app}/data", width=1360)
    page.get_by_role("radio", name="A ZIP").click()
    page.locator("[data-testid=stFileUploader] input[type=file]").set_input_files(archive)
    expect(page.get_by_text("photos.zip")).to_be_visible()
    page.get_by_role("textbox", name="Name of the data set").fill(name)
    page.get_by_role("textbox", name="Name of the data set").press("Enter")
    start = page.get_by_role("button", name="Build the data set")
    expect(start).to_be_enabled()
    start.click()
    expect(page.get_by_text(f"The data set {name} is ready.")).to_be_visible()
    check_widths(page)
    page.get_by_test_id("stMain").get_by_role("button", name="Open", exact=True).first.click()
    expect(page.locator("[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg")).to_have_count(1)
    with page.expect_download() as download:
        page.get_by_role("button", name="Table (CSV)").click()
    lines = Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()
    assert lines[0] == "label,train,validation,test,all"
    assert sum(int(line.rsplit(",", 1)[1]) for line in lines[1:]) >= 10
    for view in ("Faces", "Augmentation", "Duplicates", "Empty images", "Label agreement"):
        page.get_by_role("radio", name=view).click()
        expect(page.get_by_role("radio", name=view)).to_be_checked()
        check_widths(page)
    page.get_by_role("radio", name="Skipped").click()
    expect(page.get_by_text("happy/notes.jpg")).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("Make one from photos")).to_be_visible()
    assert not (DATASETS_FOLDER / name).exists()


@pytest.fixture
def with_camera(start_browser: Callable[..., Any], sample: np.ndarray, tmp_path: Path) -> Any:
    """A browser whose camera shows a face that turns."""
    turns = [cv2.getRotationMatrix2D((225, 115), angle, 1) for angle in range(-10, 10)]
    frames = [cv2.warpAffine(np.asarray(sample), turn, (512, 512))[:384] for turn in turns]
    return start_browser(*write_camera_video(tmp_path / "face.y4m", frames))


def test_faces_are_taken_from_the_camera_while_a_button_is_held(app: str, open_page: Open, with_camera: Any) -> None:
    page = open_page(f"{app}/data", within=with_camera)
    page.get_by_role("radio", name="Camera").click()
    page.get_by_role("button", name="Turn camera on").click()
    happy = page.locator(".capture-label").first
    expect(happy).to_be_enabled()
    happy.hover()  # also scrolls to it, and waits until it keeps its place
    page.mouse.down()
    expect(happy.locator(".capture-count")).not_to_have_text("0")
    page.mouse.up()
    expect(page.get_by_text("Click one to remove it.")).to_be_visible()
    expect(page.get_by_role("button", name="Build the data set")).to_be_enabled()
    page.get_by_role("button", name="Remove all").click()
    expect(happy.locator(".capture-count")).to_have_text("0")
    check_widths(page)
