"""The Runs page in a real browser, with the networks that are shipped."""

import os
from collections.abc import Callable

import pytest

if os.environ.get("CI", "").lower() != "true":  # there a missing Playwright is a failure
    pytest.importorskip("playwright", reason="THE BROWSER TESTS DID NOT RUN: Playwright is not installed")
from playwright.sync_api import Page, expect

from emotion.model_store.store import BUILTIN_MODELS
from emotion.training import run_listing

pytestmark = pytest.mark.slow
Open = Callable[..., Page]
CHARTS = "[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg"
ROW = 35  # pixels of the table


def choose(page: Page, name: str) -> None:
    """Click the box of a shipped network in the table, which is drawn and has no elements to ask for."""
    shown = [run for run in run_listing.list_runs() if run.kind not in ("generator", "features", "upscaler")]
    (number,) = [i for i, run in enumerate(shown) if run.folder == BUILTIN_MODELS / name]
    assert number < 9, "below what is seen at once"
    table = page.locator("[data-testid=stDataFrame]").first
    table.click(position={"x": 16, "y": ROW * (number + 1.5)})


def test_shipped_runs_are_shown_on_a_phone(app: str, open_page: Open) -> None:
    page = open_page(f"{app}/runs", width=400)
    expect(page.locator(CHARTS).first).to_be_visible()
    choose(page, "classifier")
    expect(page.get_by_text("70.6%")).to_be_visible()
    choose(page, "classifier")
    choose(page, "glance")
    expect(page.get_by_text("Large and small faces")).to_be_visible()
    expect(page.locator(CHARTS)).to_have_count(5)
    with page.expect_download() as download:
        page.get_by_role("button", name="Table (CSV)").click()
    assert download.value.suggested_filename == "detectors.csv"
    assert page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
