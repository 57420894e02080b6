"""The Photos page in a browser: clipboard, camera, reload, arrow keys and zoom."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.media.image_reader import encode_png

if os.environ.get("CI", "").lower() != "true":  # there a missing Playwright is a failure
    pytest.importorskip("playwright", reason="THE BROWSER TESTS DID NOT RUN: Playwright is not installed")
from playwright.sync_api import Page, expect

from tests.browser.test_photo_browser import upload

pytestmark = pytest.mark.slow
Open = Callable[..., Page]

PASTE = """async where => {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 64;
    canvas.getContext("2d").fillRect(0, 0, 64, 64);
    const blob = await new Promise(resolve => canvas.toBlob(resolve, "image/png"));
    const clipboardData = new DataTransfer();
    clipboardData.items.add(new File([blob], "image.png", { type: "image/png" }));
    const event = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true, composed: true });
    document.querySelector(where).dispatchEvent(event);
}"""


@pytest.fixture(scope="module")
def faces_in_a_row(sample: NDArray[np.uint8]) -> bytes:
    return encode_png(np.hstack([sample[:256, 100:356]] * 3))


def selected_photo(page: Page) -> Any:
    return page.locator(".thumbnails[aria-label=Photos] .thumbnail.selected .caption").first


def test_pasted_picture_joins_the_photos(app: str, open_page: Open, sample_file: Path) -> None:
    page = open_page(f"{app}/photo")
    upload(page, sample_file)
    expect(page.locator(".box")).to_have_count(1)
    page.evaluate(PASTE, "body")
    expect(selected_photo(page)).to_have_text(re.compile(r"pasted \d\d-\d\d-\d\d\.png"))
    expect(page.locator(".thumbnails[aria-label=Photos] .thumbnail")).to_have_count(2)


def test_photos_are_there_again_after_a_reload(app: str, open_page: Open, sample_file: Path) -> None:
    page = open_page(f"{app}/photo")
    upload(page, sample_file)
    expect(page.locator(".box")).to_have_count(1)
    page.reload()
    expect(page.locator(".box")).to_have_count(1)
    page.get_by_role("button", name="Start over").click()
    expect(page.locator(".box")).to_have_count(0)
    page.reload()
    expect(page.get_by_text("Hover over a face for all scores")).to_be_visible()
    expect(page.locator(".box")).to_have_count(0)


def test_arrow_keys_go_through_the_photos(app: str, open_page: Open, faces_in_a_row: bytes, sample_file: Path) -> None:
    page = open_page(f"{app}/photo")
    upload(page, sample_file, ("row.png", faces_in_a_row))
    expect(selected_photo(page)).to_have_text(sample_file.name)
    page.keyboard.press("ArrowRight")
    expect(selected_photo(page)).to_have_text("row.png")
    expect(page.locator(".box")).to_have_count(3)
    page.locator(".box").nth(0).focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("heading", name="Face 2: ")).to_be_visible()
    expect(selected_photo(page)).to_have_text("row.png")
    page.locator(".thumbnails[aria-label=Photos] .thumbnail").nth(1).focus()
    page.keyboard.press("ArrowLeft")
    expect(selected_photo(page)).to_have_text(sample_file.name)


def test_arrow_keys_in_a_slider_move_only_the_slider(
    app: str, open_page: Open, faces_in_a_row: bytes, sample_file: Path
) -> None:
    page = open_page(f"{app}/photo")
    upload(page, sample_file, ("row.png", faces_in_a_row))
    slider = page.get_by_role("slider", name="Minimum confidence")
    before = slider.get_attribute("aria-valuenow")
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(slider).not_to_have_attribute("aria-valuenow", before or "")
    expect(selected_photo(page)).to_have_text(sample_file.name)


def test_zoom_keeps_boxes_on_their_faces(app: str, open_page: Open, faces_in_a_row: bytes) -> None:
    page = open_page(f"{app}/photo")
    upload(page, ("row.png", faces_in_a_row))
    expect(page.locator(".box")).to_have_count(3)
    stage, frame = page.locator(".stage"), page.locator(".frame")
    whole = stage.bounding_box()
    assert whole is not None
    stage.hover()
    zoom_in = page.get_by_role("button", name="Zoom in")
    zoom_in.click()
    zoom_in.click()
    zoomed, box, window = stage.bounding_box(), page.locator(".box").first.bounding_box(), frame.bounding_box()
    assert zoomed is not None
    assert box is not None
    assert window is not None
    assert zoomed["width"] == pytest.approx(2.25 * whole["width"], rel=0.02)
    assert window["height"] == pytest.approx(whole["height"], abs=2), "the photo takes no more room"
    assert window["x"] <= box["x"] + box["width"] / 2 <= window["x"] + window["width"], "the selected face is seen"
    page.locator(".thumbnail").nth(2).click()
    expect(page.get_by_role("heading", name="Face 3: ")).to_be_visible()
    last = page.locator(".box").nth(2).bounding_box()
    assert last is not None
    assert window["x"] <= last["x"] + last["width"] / 2 <= window["x"] + window["width"], "it follows the selection"
    page.get_by_role("button", name="Whole photo").click()
    shown = stage.bounding_box()
    assert shown is not None
    assert shown["width"] == pytest.approx(whole["width"], abs=1)


def test_zoomed_photo_gets_more_pixels(app: str, open_page: Open, sample: NDArray[np.uint8]) -> None:
    page = open_page(f"{app}/photo")
    upload(page, ("large.png", encode_png(sample.repeat(4, axis=0).repeat(4, axis=1))))
    image = page.locator(".stage img")
    expect(image).to_have_js_property("naturalWidth", 1400)
    page.locator(".stage").hover()
    page.get_by_role("button", name="Zoom in").click()
    expect(image).to_have_js_property("naturalWidth", 2048)
    expect(page.locator(".frame.zoomed")).to_have_count(1)


def test_camera_takes_a_photo(app: str, open_page: Open, start_browser: Callable[..., Any]) -> None:
    camera = start_browser("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    page = open_page(f"{app}/photo", within=camera)
    page.get_by_role("button", name="Camera").click()
    take = page.get_by_role("button", name="Take photo")
    expect(take).to_be_enabled()
    take.click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".stage img")).to_have_attribute("alt", re.compile(r"camera \d\d-\d\d-\d\d\.jpg: "))


def test_camera_that_is_missing_is_explained(app: str, open_page: Open) -> None:
    page = open_page(f"{app}/photo")
    page.get_by_role("button", name="Camera").click()
    expect(page.get_by_text(re.compile("No camera was found|does not allow the camera"))).to_be_visible()
    expect(page.get_by_role("button", name="Take photo")).to_be_disabled()
