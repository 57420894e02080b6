"""Every page in a real browser, wide and as on a phone, light and dark: nothing complains, nothing sticks out, and who
uses a keyboard or a screen reader gets along. Pictures of all of them are left in out/screens."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

if os.environ.get("CI", "").lower() != "true":  # there a missing Playwright is a failure
    pytest.importorskip("playwright", reason="THE BROWSER TESTS DID NOT RUN: Playwright is not installed")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.slow
SCREENS = Path(__file__).resolve().parents[2] / "out" / "screens"
PAGES = ("home", "webcam", "photo", "video", "collection", "synthetic_faces", "model_card", "data", "train", "runs")
LOOKS = [(1280, "light"), (400, "dark")]  # both widths and both color; all four take minutes more, and found the same


class Visit(NamedTuple):
    """A page that was opened, and what it complained of."""

    page: Page
    complaints: list[str]


@pytest.fixture(params=LOOKS, ids=[f"{width}-{scheme}" for width, scheme in LOOKS])
def visit(request: pytest.FixtureRequest, browser: Browser, app: str) -> Iterator[Callable[[str], Visit]]:
    """`visit(name)` in a window of one width and color scheme."""
    width, scheme = request.param
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    context.set_default_timeout(60_000)

    def open_it(name: str) -> Visit:
        page, complaints = context.new_page(), list[str]()
        page.on(
            "console", lambda said: complaints.append(said.text) if said.type == "error" and not probe(said) else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{app}/{'' if name == 'home' else name}")
        expect(page.locator("h1")).to_be_visible()
        settled(page)
        return Visit(page, complaints)

    yield open_it
    context.close()


def probe(said: Any) -> bool:
    """Streamlit asks for its server below the address of the page first, and is told that there is none."""
    return said.location["url"].endswith(("/_stcore/health", "/_stcore/host-config"))


def settled(page: Page) -> None:
    """Wait until nothing new was drawn for a second."""
    before = None
    for _ in range(60):
        now = page.evaluate("() => document.querySelector('[data-testid=stMain]').innerHTML.length")
        if now == before and page.get_by_test_id("stSkeleton").count() == 0:
            return
        before = now
        page.wait_for_timeout(1000)
    pytest.fail("the page never comes to rest")


def check(page: Page, called: str) -> None:
    """Nothing sticks out, everything has a name and can be read; a picture of it is kept."""
    size = page.viewport_size or {"width": 0}
    scheme = page.evaluate("() => matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'")
    SCREENS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENS / f"{called}-{size['width']}-{scheme}.png")
    for where in ("document.documentElement", "document.querySelector('[data-testid=stMain]')"):
        assert page.evaluate(f"() => {where}.scrollWidth - {where}.clientWidth") <= 0, where
    assert violations(page) == []


def violations(page: Page) -> list[str]:
    """What axe finds wrong; what Streamlit makes pale for a moment, while it draws it anew, does not count."""
    found: list[str] = []
    for _ in range(3):
        said = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}).response
        found = [told(one) for one in said["violations"] if not streamlits_own(page, one)]
        if not found:
            break
        page.wait_for_timeout(1000)
    return found


def streamlits_own(page: Page, violation: dict[str, Any]) -> bool:
    """The menu of pages is a list with a `div` in it, which Streamlit makes and we cannot change."""
    inside = "q => document.querySelector(q).closest('[data-testid=stSidebarNav]') !== null"
    return violation["id"] in ("list", "listitem") and all(
        page.evaluate(inside, node["target"][0]) for node in violation["nodes"]
    )


def told(violation: dict[str, Any]) -> str:
    nodes = [f"{node['html'][:160]} ({node['failureSummary'][:200]})" for node in violation["nodes"][:4]]
    return f"{violation['id']}, {len(violation['nodes'])} times: {'; '.join(nodes)}"


@pytest.mark.parametrize("name", PAGES)
def test_first_visit_has_no_violations(visit: Callable[[str], Visit], name: str) -> None:
    page, complaints = visit(name)
    check(page, name)
    assert complaints == []


def photos(page: Page) -> None:
    page.get_by_role("button", name="Try a group").click()
    expect(page.get_by_text("All faces in a table")).to_be_visible()
    expect(page.get_by_text("What speaks for")).to_be_visible()
    settled(page)


def demo(page: Page) -> None:
    page.get_by_role("radio", name="Demo").click()
    expect(page.get_by_text("images a second")).to_be_visible()
    expect(page.get_by_role("group", name="Faces in the image").get_by_text("1 ").first).to_be_visible()


@pytest.mark.parametrize(("name", "fill"), [("photo", photos), ("webcam", demo)])
def test_page_with_data_has_no_violations(
    visit: Callable[[str], Visit], name: str, fill: Callable[[Page], None]
) -> None:
    page, complaints = visit(name)
    fill(page)
    check(page, f"{name}-full")
    assert complaints == []


def test_video_page_has_no_violations(visit: Callable[[str], Visit], video_url: str) -> None:
    page, complaints = visit(video_url.rsplit("/", 1)[1])
    expect(page.locator(".lane .ribbon").first).to_be_visible()
    settled(page)
    check(page, "video-full")
    assert complaints == []
