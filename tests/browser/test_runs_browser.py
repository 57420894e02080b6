"""The Runs page in a real browser, with the networks that are shipped."""

import os
from collections.abc import Callable

import pytest

if os.environ.get("CI", "").lower() != "true":  # there a missing Playwright is a failure
    pytest.importorskip("playwright", reason="THE BROWSER TESTS DID NOT RUN: Playwright is not installed")
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.slow
Open = Callable[..., Page]


@pytest.mark.parametrize("width", [1360, 400])
def test_the_shipped_networks_are_shown(app: str, open_page: Open, width: int) -> None:
    page = open_page(f"{app}/runs", width=width)
    expect(page.get_by_text("70.6 %")).to_be_visible()
    expect(page.locator("[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg")).to_have_count(1)
    page.get_by_text("Finds faces: glance").click()
    expect(page.get_by_text("Large and small faces")).to_be_visible()
    expect(page.locator("[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg")).to_have_count(6)
    with page.expect_download() as download:
        page.get_by_role("button", name="Table (CSV)").click()
    assert download.value.suggested_filename == "detectors.csv"
    assert page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
