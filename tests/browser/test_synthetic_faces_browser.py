"""The page of synthetic faces in a real browser, with the generator that is shipped."""

import base64
import io
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.cli.main import main
from emotion.media.image_reader import read_image

if os.environ.get("CI", "").lower() != "true":  # there a missing Playwright is a failure
    pytest.importorskip("playwright", reason="THE BROWSER TESTS DID NOT RUN: Playwright is not installed")
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.slow
Open = Callable[..., Page]


def sheet(page: Page, name: str) -> NDArray[np.float64]:
    """The faces of the sheet that is shown for an expression, gray (n, h, w)."""
    group = page.get_by_role("group", name=f"{name} faces")
    expect(group.locator("img")).to_have_count(8)
    sources = group.locator("img").evaluate_all("images => images.map(image => image.src)")
    return np.stack([read_image(base64.b64decode(source.split(",", 1)[1])).mean(axis=2) for source in sources])


def apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """How different faces are, without regard to light: 1 less the mean correlation of their upper halves, where an
    expression changes less than at the mouth."""
    flat = [faces[:, : faces.shape[1] // 2].reshape(len(faces), -1) for faces in (one, other)]
    return 1 - float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(*flat, strict=True)]))


def test_another_expression_changes_the_face_of_the_seed(app: str, open_page: Open) -> None:
    page = open_page(f"{app}/synthetic_faces")
    happy = sheet(page, "happy")
    page.get_by_role("radio", name="angry").click()
    angry = sheet(page, "angry")
    expect(page.get_by_role("heading", name="Seed 153, angry")).to_be_visible()
    assert all(np.abs(a - b).mean() > 3 for a, b in zip(happy, angry, strict=True))
    others = apart(happy, np.roll(happy, 1, axis=0))
    assert apart(happy, angry) < 0.6 * others


def test_seed_gives_equal_bytes_from_page_zip_and_cli(app: str, open_page: Open, tmp_path: Path) -> None:
    page = open_page(f"{app}/synthetic_faces")
    seed = page.get_by_role("textbox", name="Seed", exact=True)
    seed.fill("7")
    seed.press("Enter")
    expect(page.get_by_text("Seed 7, happy")).to_be_visible()
    # Until then a download further down may still be the one of the earlier seed.
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    saved = list[bytes]()
    for label in ("This face", "All faces"):
        with page.expect_download() as download:
            page.get_by_role("button", name=re.compile(f"{label}$")).click()
        saved.append(Path(download.value.path()).read_bytes())
    face, everything = saved
    options = ["--expression", "happy", "--seed", "7", "--count", "1"]
    assert main(["generator", "sample", *options, "--out", str(tmp_path / "small")]) == 0
    assert main(["generator", "sample", *options, "--enlarge", "--out", str(tmp_path / "large")]) == 0
    with zipfile.ZipFile(io.BytesIO(everything)) as file:
        assert file.read("happy-7.png") == (tmp_path / "small" / "happy-7.png").read_bytes()
    assert face == (tmp_path / "large" / "happy-7.png").read_bytes()


def test_research_fits_a_phone(app: str, open_page: Open) -> None:
    page = open_page(f"{app}/synthetic_faces", width=400)
    page.get_by_role("radio", name="Research").click()
    expect(page.get_by_role("heading", name="Does synthetic data help training?")).to_be_visible()
    expect(page.get_by_test_id("stAlert")).to_have_count(0)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 400
    assert page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollWidth") <= 400
