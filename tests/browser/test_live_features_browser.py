"""Facial features and the mirror game of the Live page in a real browser, with the demo as the camera."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

if os.environ.get("CI", "").lower() != "true":  # there a missing Playwright is a failure
    pytest.importorskip("playwright", reason="THE BROWSER TESTS DID NOT RUN: Playwright is not installed")
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.slow
Open = Callable[..., Page]
GAME_MS = 300_000  # a game of one round takes 12 seconds, and longer where the player is lost on a slow machine


def open_demo(app: str, open_page: Open, width: int = 1280) -> Page:
    """Open the page with the demo; its first face has a card."""
    page = open_page(f"{app}/webcam", width=width)
    page.get_by_role("radio", name="Demo").click()
    expect(page.locator(".card").first).to_be_visible(timeout=120_000)
    return page


def test_features_come_with_their_switch_and_go_with_blur(app: str, open_page: Open) -> None:
    page = open_demo(app, open_page)
    gauge, curves = page.locator(".gauge:not([hidden])").first, page.get_by_role("img", name="Movements of face").first
    expect(gauge).to_have_count(0)
    page.get_by_text("Facial features", exact=True).click()
    expect(gauge).to_be_visible(timeout=120_000)
    expect(curves).to_be_visible(timeout=120_000)
    page.get_by_text("Blur faces").click()
    expect(gauge).to_have_count(0, timeout=120_000)
    expect(curves).to_have_count(0, timeout=120_000)


def test_a_game_is_played_by_a_synthetic_face_in_a_narrow_window(app: str, open_page: Open) -> None:
    page = open_demo(app, open_page, width=400)
    page.get_by_role("radio", name="Mirror game").click()
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_text("Round 1 of 1")).to_be_visible(timeout=120_000)
    expect(page.get_by_role("heading", name=" of 100 points")).to_be_visible(timeout=GAME_MS)
    assert page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollWidth") <= 400
    with page.expect_download() as download:
        page.get_by_role("button", name="Result card").click()
    with Image.open(io.BytesIO(Path(download.value.path()).read_bytes())) as card:
        assert card.size == (1200, 630)
    page.get_by_role("button", name="Start again").click()
    expect(page.get_by_text("Round 1 of 1")).to_be_visible(timeout=120_000)
    expect(page.get_by_role("button", name="Result card")).to_have_count(0, timeout=120_000)
