"""The Videos page in a real browser: the sample is analyzed, played, browsed and named."""

import os
from collections.abc import Callable

import pytest

if os.environ.get("CI", "").lower() != "true":  # there a missing Playwright is a failure
    pytest.importorskip("playwright", reason="THE BROWSER TESTS DID NOT RUN: Playwright is not installed")
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.slow
Open = Callable[..., Page]
HOSTILE_NAME = "<img src=x onerror=alert(1)> **b**"
PLAYER = "video[data-testid=stVideo]"


@pytest.fixture
def page(video_url: str, open_page: Open) -> Page:
    """The page of the sample video, ready to be played."""
    page = open_page(video_url)
    expect(page.locator(".lane .ribbon").first).to_be_visible()
    page.wait_for_function(f"() => document.querySelector('{PLAYER}').readyState >= 2")
    return page


def now(page: Page) -> float:
    """Where the player is, in seconds."""
    return page.evaluate(f"() => document.querySelector('{PLAYER}').currentTime")


def wait_for(page: Page, condition: str) -> None:
    """Until the player's time `t` fulfils it."""
    page.wait_for_function(f"() => {{ const t = document.querySelector('{PLAYER}').currentTime; return {condition}; }}")


def test_video_plays_and_is_not_black(page: Page) -> None:
    page.evaluate(f"() => {{ const video = document.querySelector('{PLAYER}'); video.muted = true; video.play(); }}")
    wait_for(page, "t > 0.5")
    wait_for(page, "t > 1")
    expect(page.locator(".time")).not_to_have_text("0:00.0")
    light = page.evaluate(
        f"""() => {{
            const video = document.querySelector('{PLAYER}'), canvas = document.createElement('canvas');
            [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
            const pen = canvas.getContext('2d');
            pen.drawImage(video, 0, 0);
            const values = pen.getImageData(0, 0, canvas.width, canvas.height).data;
            return values.reduce((sum, value) => sum + value, 0) / values.length;
        }}"""
    )
    assert light > 90, "opaque black would be 64"


def test_click_on_a_highlight_or_a_lane_moves_the_player(page: Page) -> None:
    moment = page.locator(".highlight").last
    seconds = page.evaluate(
        "() => { const [m, s] = [...document.querySelectorAll('*')].map(e => e.shadowRoot).filter(Boolean)"
        ".flatMap(r => [...r.querySelectorAll('.highlight .when')]).at(-1).textContent.split(':');"
        " return 60 * m + +s; }"
    )
    assert seconds > 0.5
    moment.click()
    wait_for(page, f"Math.abs(t - {seconds}) < 0.1")
    expect(moment).to_have_class("highlight current")
    ribbon = page.locator(".ribbon").first.bounding_box()
    assert ribbon is not None
    page.mouse.click(ribbon["x"] + ribbon["width"] / 4, ribbon["y"] + ribbon["height"] / 2)
    wait_for(page, "Math.abs(t - 3) < 0.1")
    expect(page.locator(".time")).to_have_text("0:03.0")


def test_timeline_is_controlled_by_keys(page: Page) -> None:
    axis = page.get_by_role("slider", name="Time in the video")
    axis.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    wait_for(page, "Math.abs(t - 2) < 0.01")
    page.keyboard.press("ArrowLeft")
    wait_for(page, "Math.abs(t - 1) < 0.01")
    assert (axis.get_attribute("aria-valuetext") or "").startswith("1.0 seconds, Face 1 ")
    page.keyboard.press("ArrowDown")
    wait_for(page, "t > 1.1")
    page.keyboard.press("End")
    wait_for(page, "t > 11")
    page.keyboard.press("Home")
    wait_for(page, "t == 0")
    page.evaluate(f"() => {{ document.querySelector('{PLAYER}').muted = true; }}")
    page.keyboard.press("Enter")
    wait_for(page, "t > 0.2")


@pytest.mark.parametrize("number", [0, 1], ids=["scores", "counts"])
def test_click_in_a_chart_moves_the_player_once(page: Page, number: int) -> None:
    chart = page.get_by_test_id("stVegaLiteChart").nth(number).locator("canvas, svg.marks").first
    area = chart.bounding_box()
    assert area is not None
    chart.click(position={"x": area["width"] * 0.25, "y": 60})
    wait_for(page, "t > 1 && t < 5")
    there = now(page)
    page.get_by_test_id("stSidebar").get_by_role("slider").first.press("ArrowRight")  # the page is drawn again
    page.wait_for_timeout(1500)
    assert now(page) == there


def test_buttons_step_by_frames_change_the_speed_and_set_a_marker(page: Page) -> None:
    page.get_by_role("button", name="Next frame").click()
    wait_for(page, "t > 0.02 && t < 0.1")
    first = now(page)
    page.get_by_role("button", name="Next frame").click()
    wait_for(page, f"t > {first}")
    page.keyboard.press(",")
    wait_for(page, f"Math.abs(t - {first}) < 0.01")
    page.get_by_label("Speed").select_option("2")
    page.wait_for_function(f"() => document.querySelector('{PLAYER}').playbackRate === 2")
    page.evaluate(f"() => {{ document.querySelector('{PLAYER}').currentTime = 4.2 }}")
    wait_for(page, "Math.abs(t - 4.2) < 0.01")
    page.get_by_role("button", name="Add marker").click()
    note = page.get_by_role("textbox", name="Note at 0:04.2")
    note.fill(HOSTILE_NAME)
    note.press("Enter")
    expect(note).to_have_value(HOSTILE_NAME)
    flag = page.locator(".flag")
    expect(flag).to_have_attribute("title", f"0:04.2: {HOSTILE_NAME}")
    page.evaluate(f"() => {{ document.querySelector('{PLAYER}').currentTime = 0 }}")
    flag.click()
    wait_for(page, "Math.abs(t - 4.2) < 0.01")
    page.locator("[class*=st-key-video_unmark] button:visible").click()
    expect(flag).to_have_count(0)


def test_name_survives_a_reload(page: Page, video_url: str) -> None:
    box = page.get_by_role("textbox", name="Name of Face 1")
    box.fill(HOSTILE_NAME)
    box.press("Enter")
    expect(page.locator(".lane .name").first).to_have_text(HOSTILE_NAME)
    page.reload()
    expect(page.locator(".lane .name").first).to_have_text(HOSTILE_NAME)
    assert page.locator("img[src=x]").count() == 0
    page.get_by_role("textbox", name=f"Name of {HOSTILE_NAME}").fill("")
    page.keyboard.press("Enter")
    expect(page.locator(".lane .name").first).to_have_text("Face 1")


def test_download_is_made_on_the_click(page: Page) -> None:
    with page.expect_download() as download:
        page.get_by_role("button", name="Video with labels").click()
    assert download.value.suggested_filename == "Sample-one-face-moved-about-faces.mp4"
    with open(download.value.path(), "rb") as file:
        assert file.read(8)[4:] == b"ftyp"


def test_the_list_of_videos_fits_a_phone(video_url: str, app: str, open_page: Open) -> None:
    page = open_page(f"{app}/video", width=400)
    expect(page.get_by_text("Drop videos of people here")).to_be_visible()
    expect(page.get_by_text("one face, moved about").first).to_be_visible()
    wide = page.evaluate(
        "() => Math.max(...['html', '[data-testid=stMain]'].map(q => document.querySelector(q))"
        ".map(e => e.scrollWidth - e.clientWidth))"
    )
    assert wide == 0
