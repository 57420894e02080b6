"""Two strangers on one public server: one of them tries everything to reach the video of the other."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

if os.environ.get("CI", "").lower() != "true":  # there a missing Playwright is a failure
    pytest.importorskip("playwright", reason="THE BROWSER TESTS DID NOT RUN: Playwright is not installed")
from playwright.sync_api import BrowserContext, Page, expect

pytestmark = pytest.mark.slow

COOKIE = "emotion_visitor"
TIMEOUT_MS = 180_000  # a machine that also trains is slow
CARD = "[class*=st-key-video_open_]"
LINK = re.compile(r"http://127\.0\.0\.1:\d+/open-link#[\w-]{43}")


class Victim(NamedTuple):
    """A visitor with an analyzed video: the browser, the page and the folder."""

    context: BrowserContext
    page: Page
    folder: Path


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("public")


@pytest.fixture(scope="module")
def public_app(workspace: Path) -> Iterator[str]:
    """The address of a public server with a workspace of its own."""
    from tests.browser.conftest import started

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMOTION_PUBLIC", "1")
        patch.setenv("EMOTION_WORKSPACE", str(workspace))
        with started() as url:
            yield url


@pytest.fixture(scope="module")
def victim(public_app: str, browser: Any, workspace: Path) -> Iterator[Victim]:
    context = browser.new_context()
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    page.goto(f"{public_app}/video")
    page.get_by_text("Fast", exact=True).last.click()
    page.get_by_role("button", name="Sample video").click()
    expect(page.get_by_role("heading", name="Download")).to_be_visible(timeout=2 * TIMEOUT_MS)
    page.wait_for_function("() => document.querySelector('video[data-testid=stVideo]')?.readyState >= 2")
    (owner,) = workspace.glob("data/videos/*/owner.json")
    yield Victim(context, page, owner.parent)
    context.close()


@pytest.fixture(scope="module")
def second_browser(browser: Any) -> Iterator[BrowserContext]:
    context = browser.new_context()
    context.set_default_timeout(TIMEOUT_MS)
    yield context
    context.close()


@pytest.fixture
def stranger(second_browser: BrowserContext, public_app: str) -> Iterator[Page]:
    """The page of a new visitor."""
    second_browser.clear_cookies()
    page = second_browser.new_page()
    page.goto(f"{public_app}/video")
    expect(page.get_by_role("button", name="Sample video")).to_be_visible(timeout=TIMEOUT_MS)
    yield page
    page.close()


def cookie_of(context: BrowserContext) -> str:
    return next(cookie["value"] for cookie in context.cookies() if cookie["name"] == COOKIE)  # type: ignore[typeddict-item]


def use_cookie(page: Page, address: str, value: str) -> None:
    page.context.clear_cookies(name=COOKIE)
    page.context.add_cookies([{"name": COOKIE, "value": value, "url": address}])


def test_the_list_of_a_stranger_is_empty(victim: Victim, stranger: Page) -> None:
    expect(stranger.get_by_text("A timeline for each face")).to_be_visible()
    expect(stranger.locator(CARD)).to_have_count(0)
    expect(stranger.get_by_role("button", name="Delete")).to_have_count(0)


def test_the_address_of_the_video_opens_it_only_for_its_owner(victim: Victim, stranger: Page, public_app: str) -> None:
    stranger.goto(victim.page.url)
    expect(stranger.get_by_text("There is no such video")).to_be_visible()
    expect(stranger.get_by_role("button", name="Delete")).to_have_count(0)
    assert victim.folder.is_dir()


def test_the_files_of_the_video_are_served_only_to_its_owner(victim: Victim, stranger: Page, public_app: str) -> None:
    parts = victim.page.evaluate("() => [...document.querySelectorAll('img, video')].map(part => part.src)")
    own = {url for url in parts if url.startswith(f"{public_app}/media/")}
    assert {url.rsplit(".", 1)[1] for url in own} == {"mp4", "jpg"}
    for url in own:
        assert victim.context.request.get(url).status == 200, "its owner gets it"
        name = url.rsplit("/", 1)[1]
        for path in (url, f"{public_app}/media/{name.split('.')[0]}", f"{public_app}/media/./{name}", f"{url}?x=1"):
            assert stranger.request.get(path).status == 404
            assert stranger.request.get(path, headers={"Range": "bytes=0-9"}).status == 404
            assert stranger.request.head(path).status == 404
        assert stranger.request.get(f"{public_app}//media/{name}").status in (400, 403, 404)


def test_a_download_is_served_only_to_its_owner(victim: Victim, stranger: Page) -> None:
    with victim.page.expect_download() as download:
        victim.page.get_by_role("button", name="Table (CSV)").first.click()
    assert b"happy" in download.value.path().read_bytes(), "its owner gets it"
    assert stranger.request.get(download.value.url).status == 404


def test_what_is_stored_on_the_server_is_no_key_to_the_video(victim: Victim, stranger: Page, public_app: str) -> None:
    key = json.loads((victim.folder / "owner.json").read_text())["owner"]
    for value in (key, key + key[:11], "", cookie_of(victim.context)[:-1], cookie_of(victim.context) + "A"):
        use_cookie(stranger, public_app, value)
        stranger.goto(victim.page.url)
        expect(stranger.get_by_text("There is no such video")).to_be_visible()


def test_another_site_cannot_change_the_visitor(victim: Victim, stranger: Page, public_app: str) -> None:
    form = {"id": cookie_of(victim.context)}
    for origin in ("https://elsewhere.example", "null", f"{public_app}.elsewhere.example"):
        answer = stranger.request.post(f"{public_app}/open-link", form=form, headers={"Origin": origin})
        assert (answer.status, "set-cookie" in answer.headers) == (400, False)
    answer = stranger.request.post(f"{public_app}/open-link", form={"id": "short"}, headers={"Origin": public_app})
    assert answer.status == 400


def test_the_video_stays_over_a_reload_and_the_link_opens_it_elsewhere(
    victim: Victim, stranger: Page, public_app: str
) -> None:
    victim.page.reload()
    expect(victim.page.get_by_role("heading", name="Download")).to_be_visible()
    victim.page.get_by_text("Your link").click()
    shown = victim.page.locator("[data-testid=stSidebar] [data-testid=stCode]")
    expect(shown).to_have_text(LINK)
    stranger.goto(shown.inner_text().strip())
    assert "#" not in stranger.url, "the id is not in the history"
    stranger.get_by_role("button", name="Open the videos").click()
    expect(stranger.locator(CARD)).to_be_visible()
    assert stranger.url == f"{public_app}/video"
    assert cookie_of(stranger.context) == cookie_of(victim.context)


def test_pages_of_a_public_server_have_security_headers_and_no_counts(stranger: Page, public_app: str) -> None:
    headers = stranger.request.get(public_app, headers={"Accept": "text/html"}).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'self'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "same-origin"
    assert stranger.request.get(f"{public_app}/_stcore/metrics").status == 404


def test_a_visitor_makes_the_server_download_nothing(stranger: Page) -> None:
    expect(stranger.get_by_text("Minimum confidence")).to_be_visible()
    expect(stranger.get_by_role("button", name="Download YuNet")).to_have_count(0)
