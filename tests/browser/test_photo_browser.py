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

pytestmark = pytest.mark.slow
Open = Callable[..., Page]
MARKUP = "<img src=x onerror=alert(1)> **b** :smile: www.a.org $x$"


@pytest.fixture(scope="package")
def three_faces(sample: NDArray[np.uint8]) -> bytes:
    return encode_png(np.hstack([sample[:256, 100:356]] * 3))


def upload(page: Page, *files: Path | tuple[str, bytes]) -> None:
    payload: list[Any] = [
        {
            "name": one.name if isinstance(one, Path) else one[0],
            "mimeType": "image/png",
            "buffer": one.read_bytes() if isinstance(one, Path) else one[1],
        }
        for one in files
    ]
    page.locator("input[type=file]").set_input_files(payload)
    expect(page.get_by_role("button", name="Start over")).to_be_visible()


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    return page.evaluate(
        "() => Math.max(...['html', '[data-testid=stMain]'].map(q => document.querySelector(q))"
        ".map(e => e.scrollWidth - e.clientWidth))"
    )


def test_a_photo_gets_boxes_scores_and_files(app: str, open_page: Open, sample_file: Path) -> None:
    page = open_page(f"{app}/photo")
    upload(page, sample_file)
    box = page.locator(".box")
    expect(box).to_have_count(1)
    assert (box.get_attribute("aria-label") or "").startswith("Face 1: ")
    assert page.locator(".stage img").get_attribute("alt")
    expect(page.locator(".chip")).to_contain_text("1 ")
    area, stage = box.bounding_box(), page.locator(".stage").bounding_box()
    assert area is not None
    assert stage is not None
    center = (area["x"] + area["width"] / 2 - stage["x"]) / stage["width"]
    assert center == pytest.approx(225 / 512, abs=0.03), "the box lies on the face"
    box.hover()
    expect(page.locator(".tip .row")).to_have_count(8)
    with page.expect_download() as download:
        page.get_by_role("button", name="Table (CSV)").click()
    text = Path(download.value.path()).read_text(encoding="utf-8-sig")
    assert text.startswith("file,face_index,label,confidence,uncertainty_reason,detection_score,")
    assert text.splitlines()[1].startswith(f"{sample_file.name},1,")
    with page.expect_download() as download:
        page.get_by_role("button", name="Image").click()
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")
    assert download.value.suggested_filename == "astronaut-faces.png"


def test_face_is_selected_by_mouse_and_keyboard(app: str, open_page: Open, three_faces: bytes) -> None:
    page = open_page(f"{app}/photo")
    upload(page, ("three.png", three_faces))
    expect(page.locator(".box")).to_have_count(3)
    page.locator(".box").nth(1).click()
    expect(page.get_by_role("heading", name="Face 2: ")).to_be_visible()
    expect(page.locator(".box").nth(1)).to_have_attribute("aria-pressed", "true")
    page.locator(".thumbnail").nth(2).click()
    expect(page.get_by_role("heading", name="Face 3: ")).to_be_visible()
    page.locator(".box").nth(0).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Face 1: ")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".tip")).to_have_count(0)


def test_names_with_markup_are_only_text(app: str, open_page: Open, three_faces: bytes, sample_file: Path) -> None:
    page = open_page(f"{app}/photo")
    upload(page, (f"{MARKUP}.png", three_faces), (f"{MARKUP}.txt", b"text"), sample_file)
    error = page.get_by_test_id("stAlert")
    expect(error).to_have_count(1)
    assert f"{MARKUP}.txt" in error.inner_text().replace("\u2060", "")
    assert error.locator("img, a, b, strong, .katex").count() == 0
    expect(page.locator(".thumbnail .caption").first).to_have_text(f"{MARKUP}.png")
    assert page.locator("img[src=x]").count() == 0


def test_a_narrow_window_does_not_scroll_sideways(
    app: str, open_page: Open, three_faces: bytes, sample_file: Path
) -> None:
    page = open_page(app, width=400)
    expect(page.get_by_text("What a label means")).to_be_visible()
    assert overflow(page) == 0
    expect(page.get_by_text("Minimum confidence")).not_to_be_in_viewport()
    page.goto(f"{app}/photo")
    upload(page, ("three.png", three_faces), sample_file, (f"{MARKUP}.txt", b"text"))
    expect(page.locator(".box")).to_have_count(3)
    page.get_by_text("Table of all faces").click()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    assert overflow(page) == 0


def test_blur_anonymizes_the_photo(app: str, open_page: Open, sample_file: Path) -> None:
    page = open_page(f"{app}/photo")
    upload(page, sample_file)
    image = page.locator(".stage img")
    expect(image).to_be_visible()
    clear = image.get_attribute("src") or ""
    page.get_by_text("Blur faces").click()
    expect(image).not_to_have_attribute("src", clear)
    expect(page.get_by_text("Model input")).to_have_count(0)


def test_facial_features_lie_on_the_face_until_it_is_blurred(app: str, open_page: Open, sample_file: Path) -> None:
    page = open_page(f"{app}/photo")
    upload(page, sample_file)
    outline = page.locator(".outlines path.line:not(.dark)")
    expect(outline).to_have_attribute("d", "")
    page.get_by_text("Facial features", exact=True).click()
    expect(outline).to_have_attribute("d", re.compile("^M.+L"))
    drawn, box = outline.bounding_box(), page.locator(".box").bounding_box()
    assert drawn is not None
    assert box is not None
    assert drawn["x"] + drawn["width"] / 2 == pytest.approx(box["x"] + box["width"] / 2, abs=box["width"] / 4)
    assert drawn["width"] == pytest.approx(box["width"], rel=0.4)
    expect(page.get_by_text("Head:")).to_be_visible()
    page.get_by_text("Blur faces").click()
    expect(outline).to_have_attribute("d", "")
    expect(page.get_by_text("Head:")).to_have_count(0)


def test_each_page_can_be_opened_first(start_app: Callable[[], Any], open_page: Open) -> None:
    with start_app() as url:
        page = open_page(f"{url}/photo")
        expect(page.get_by_role("heading", name="Photos")).to_be_visible()
        expect(page.get_by_role("link", name="Home")).to_be_visible()
        expect(page.get_by_text("Minimum confidence")).to_be_visible()
        expect(page.get_by_role("dialog")).to_have_count(0)
