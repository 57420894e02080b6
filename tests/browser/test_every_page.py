"""Every page in a real browser, on a desktop and on a phone, light and dark, in each language: no errors, no overflow,
and no violations of the accessibility rules. Screenshots are left in out/screens."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest

from tests.browser.conftest import TIMEOUT_MS

if os.environ.get("CI", "").lower() != "true":  # there a missing Playwright is a failure
    pytest.importorskip("playwright", reason="THE BROWSER TESTS DID NOT RUN: Playwright is not installed")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.slow
SCREENSHOTS = Path(__file__).resolve().parents[2] / "out" / "screens"
PAGES = ("home", "webcam", "photo", "video", "collection", "synthetic_faces", "model_card", "data", "train", "runs")
# Width, color scheme and language; both widths and both schemes, since all four combinations found the same.
WINDOWS = [(1280, "light", "en-US"), (400, "dark", "en-US")]
# Vietnamese text is the longest.
FIRST_VISITS = [
    *((1280, "light", "en-US", name) for name in PAGES),
    *((400, "dark", "vi-VN", name) for name in PAGES),
    *((400, "light", "zh-TW", name) for name in ("home", "webcam", "photo")),
]
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"],
    "rules": {"heading-order": {"enabled": True}},
}


ColorScheme = Literal["light", "dark"]


class Visit(NamedTuple):
    """An opened page, and the errors of its console."""

    page: Page
    errors: list[str]


@pytest.fixture
def visit_in(browser: Browser, app: str) -> Iterator[Callable[..., Visit]]:
    """`visit_in(width, scheme, locale, name)`: a page in a window of its own."""
    contexts = []

    def open_page(width: int, scheme: ColorScheme, locale: str, name: str) -> Visit:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, locale=locale, reduced_motion="reduce"
        )
        contexts.append(context)
        context.set_default_timeout(TIMEOUT_MS)
        page, errors = context.new_page(), list[str]()
        page.on(
            "console",
            lambda message: errors.append(message.text) if message.type == "error" and not is_probe(message) else None,
        )
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{app}/{'' if name == 'home' else name}")
        expect(page.locator("h1")).to_be_visible()
        wait_until_settled(page)
        return Visit(page, errors)

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(params=WINDOWS, ids=[f"{width}-{scheme}" for width, scheme, _ in WINDOWS])
def visit(request: pytest.FixtureRequest, visit_in: Callable[..., Visit]) -> Callable[[str], Visit]:
    """`visit(name)` in a window of one width and color scheme."""
    return partial(visit_in, *request.param)


def is_probe(message: Any) -> bool:
    """Return whether Streamlit looked for its server below the address of the page, where there is none."""
    return message.location["url"].endswith(("/_stcore/health", "/_stcore/host-config"))


def wait_until_settled(page: Page) -> None:
    """Wait until the run of the page has ended, and what it sent is drawn."""
    before = None
    for _ in range(240):
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        now = page.evaluate("() => document.querySelector('[data-testid=stMain]').innerHTML.length")
        if now == before and page.get_by_test_id("stSkeleton").count() == 0:
            return
        before = now
        page.wait_for_timeout(250)
    pytest.fail("the page changes without end")


def check(page: Page, name_of_screenshot: str) -> None:
    """Check that nothing is wider than the window and that no rule is violated; keep a screenshot."""
    size = page.viewport_size or {"width": 0}
    scheme = page.evaluate("() => matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name_of_screenshot}-{size['width']}-{scheme}.png")
    for where in ("document.documentElement", "document.querySelector('[data-testid=stMain]')"):
        assert page.evaluate(f"() => {where}.scrollWidth - {where}.clientWidth") <= 0, where
    assert find_clipped_labels(page) == []
    assert violations(page) == []


def find_clipped_labels(page: Page) -> list[str]:
    """Return the labels of buttons, tabs and links of which a part is cut off."""
    return page.evaluate(
        """() => [...document.querySelectorAll(
            ['button', '[role=tab]', '[role=radio]', 'a'].map(e => `[data-testid=stMain] ${e}`).join()
        )].flatMap(
            outer => [outer, ...outer.querySelectorAll('p, span, div')].filter(
                e => e.checkVisibility() && getComputedStyle(e).overflowX !== 'visible'
                     && e.scrollWidth > e.clientWidth + 1
            )).map(e => e.innerText).filter(text => !/^\\w+ icon$/.test(text))"""
    )


def violations(page: Page) -> list[str]:
    """Return the violations that axe finds, except for elements that Streamlit fades while it redraws them."""
    found: list[str] = []
    for _ in range(3):
        response = Axe().run(page, options=RULES).response
        found = [describe(each) for each in response["violations"] if not is_streamlits_own(page, each)]
        if not found:
            break
        page.wait_for_timeout(1000)
    return found


def is_streamlits_own(page: Page, violation: dict[str, Any]) -> bool:
    """Return whether the violation is in the menu of pages, a list with a `div` in it, which is made by Streamlit."""
    inside = "q => document.querySelector(q).closest('[data-testid=stSidebarNav]') !== null"
    return violation["id"] in ("list", "listitem") and all(
        page.evaluate(inside, node["target"][0]) for node in violation["nodes"]
    )


def describe(violation: dict[str, Any]) -> str:
    nodes = [f"{node['html'][:160]} ({node['failureSummary'][:200]})" for node in violation["nodes"][:4]]
    return f"{violation['id']}, {len(violation['nodes'])} times: {'; '.join(nodes)}"


@pytest.mark.parametrize(("width", "scheme", "locale", "name"), FIRST_VISITS)
def test_first_visit_has_no_violations(
    visit_in: Callable[..., Visit], width: int, scheme: str, locale: str, name: str
) -> None:
    page, errors = visit_in(width, scheme, locale, name)
    check(page, f"{name}-{locale}")
    if locale != "en-US":  # Streamlit writes these
        assert page.get_by_text("per file").count() == page.get_by_label("Collapse sidebar").count() == 0
    assert errors == []


def photos(page: Page) -> None:
    page.get_by_role("button", name="Sample group").click()
    expect(page.get_by_text("Table of all faces")).to_be_visible()
    expect(page.get_by_text('Why "')).to_be_visible()
    wait_until_settled(page)


def demo(page: Page) -> None:
    page.get_by_role("radio", name="Demo").click()
    expect(page.locator(".overlay .segment").first).to_be_visible()
    expect(page.get_by_role("group", name="Faces in the image").get_by_text("1 ").first).to_be_visible()


@pytest.mark.parametrize(("name", "fill"), [("photo", photos), ("webcam", demo)])
def test_page_with_data_has_no_violations(
    visit: Callable[[str], Visit], name: str, fill: Callable[[Page], None]
) -> None:
    page, errors = visit(name)
    fill(page)
    check(page, f"{name}-full")
    assert errors == []


def test_video_page_has_no_violations(visit: Callable[[str], Visit], video_url: str) -> None:
    page, errors = visit(video_url.rsplit("/", 1)[1])
    expect(page.locator(".lane .ribbon").first).to_be_visible()
    wait_until_settled(page)
    check(page, "video-full")
    assert errors == []
