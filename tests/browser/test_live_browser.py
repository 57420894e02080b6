"""The Live page in a real browser, whose camera is a video of two moving faces."""

import base64
import csv
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.expressions import UNCERTAIN, get_style
from emotion.media.image_reader import read_image
from emotion.recognition.anonymizer import pixelate_all
from emotion.tracking.label_smoothing import HYSTERESIS
from tests.browser.conftest import TIMEOUT_MS, started
from tests.cameras import TEST_FPS, make_blinking_faces, make_moving_faces, write_camera_video

if os.environ.get("CI", "").lower() != "true":  # there a missing Playwright is a failure
    pytest.importorskip("playwright", reason="THE BROWSER TESTS DID NOT RUN: Playwright is not installed")
from playwright.sync_api import Browser, FrameLocator, Locator, Page, expect

pytestmark = pytest.mark.slow
Open = Callable[..., Page]
NUM_ANSWERS = 20  # of the server, several for each refresh of a part of the page
FAKE = "--use-fake-device-for-media-stream"
BUSY = "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('it is busy', 'NotReadableError'))"
DRAW = """video => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext("2d").drawImage(video, 0, 0);
  return canvas.toDataURL("image/png");
}"""

SAY = """cards => cards.map(card => [
  card.querySelector(".title").textContent, card.querySelector(".reason").textContent,
  ...[...card.querySelectorAll(".row")].slice(0, 2).map(row => row.textContent.replace(/(\\d+)/, " $1")),
])"""


@pytest.fixture(scope="package")
def with_camera(start_browser: Callable[..., Browser], tmp_path_factory: pytest.TempPathFactory) -> Browser:
    """A browser with a camera that it may use: two faces that smile, moved about for a second and back."""
    frames = make_moving_faces(TEST_FPS)
    return start_browser(*write_camera_video(tmp_path_factory.mktemp("camera") / "faces.y4m", [*frames, *frames[::-1]]))


@pytest.fixture
def with_blinking_camera(start_browser: Callable[..., Browser], tmp_path: Path) -> Browser:
    """A browser whose camera shows the two faces, then nothing, again and again."""
    return start_browser(*write_camera_video(tmp_path / "blinking.y4m", make_blinking_faces()))


def stream(page: Page) -> FrameLocator:
    """The part of the page with the video; it is a page of its own."""
    return page.frame_locator("iframe[title*=webrtc]")


def poll(page: Page, true: Callable[[], Any], what: str, seconds: float = 120) -> Any:
    """Ask again and again, letting the browser work in between."""
    for _ in range(int(seconds / 0.2)):
        if found := true():
            return found
        page.wait_for_timeout(200)
    pytest.fail(f"waited in vain: {what}")


def enable(page: Page) -> Locator:
    """Start the camera; the video, as soon as it plays."""
    stream(page).get_by_role("button", name="Enable camera").click()
    return playing(page)


def playing(page: Page) -> Locator:
    """Return the video as soon as it plays."""
    video = stream(page).locator("video")
    first = poll(page, lambda: video.count() and video.evaluate("video => video.currentTime"), "the video")
    poll(page, lambda: video.evaluate("video => video.currentTime") > first + 0.5, "the video going on")
    return video


def labels(page: Page, video: Locator) -> list[int]:
    """How many pixels of both halves of the picture, were it 640 wide, have the color of the label that is named on
    the cards."""
    word = page.locator(".card .title").first.inner_text().split()[2]
    color = [int(get_style(word).color[i : i + 2], 16) for i in (1, 3, 5)]
    picture = cv2.resize(read_image(base64.b64decode(video.evaluate(DRAW).split(",", 1)[1])), (640, 480)).astype(int)
    near = np.abs(picture - color).max(axis=2) < 50
    return [int(half.sum()) for half in np.array_split(near, 2, axis=1)]


def test_camera_stream_returns_with_labels(app: str, open_page: Open, with_camera: Browser) -> None:
    page = open_page(f"{app}/webcam", within=with_camera)
    expect(page.get_by_text("An example. Your camera gets such boxes")).to_be_visible()
    video = enable(page)
    expect(page.locator(".card")).to_have_count(2)
    poll(page, lambda: min(labels(page, video)) > 800, "a label at both faces")
    width, height = video.evaluate("video => [video.videoWidth, video.videoHeight]")
    assert width * 480 == height * 640  # a browser that is busy sends less of both
    card = page.locator(".card").first
    expect(card.locator(".row")).to_have_count(4)
    assert card.get_attribute("aria-label") == card.locator(".title").inner_text()
    assert (card.locator("img").get_attribute("src") or "").startswith("data:image/jpeg;base64,")
    page.get_by_text("Statistics", exact=True).click()
    expect(page.get_by_text(" fps, ")).to_be_visible()
    expect(page.get_by_test_id("stAlert")).to_have_count(0)


def test_cards_come_and_go_with_the_faces(app: str, open_page: Open, with_blinking_camera: Browser) -> None:
    page = open_page(f"{app}/webcam", within=with_blinking_camera)
    enable(page)
    for _ in range(2):
        expect(page.locator(".card")).to_have_count(2)
        expect(page.locator(".card")).to_have_count(0)


def test_two_cameras_work_right_after_the_start(with_camera: Browser, tmp_path: Path) -> None:
    """Both get their cards, though each wants the page anew several times while the other keeps the server busy."""
    log = tmp_path / "app.log"
    with started(log=log) as url:
        contexts = [with_camera.new_context() for _ in range(2)]
        for context in contexts:
            context.set_default_timeout(TIMEOUT_MS)
        pages = [context.new_page() for context in contexts]
        for page in pages:
            page.goto(f"{url}/webcam")
            stream(page).get_by_role("button", name="Enable camera").click()
        for page in pages:
            expect(page.locator(".card")).to_have_count(2)
        for context in contexts:
            context.close()
    assert "does not exist anymore" not in log.read_text()


def test_a_recording_fits_the_stream(app: str, open_page: Open, with_camera: Browser) -> None:
    page = open_page(f"{app}/webcam", within=with_camera)
    video = enable(page)
    expect(page.locator(".card")).to_have_count(2)
    before = video.evaluate("video => video.currentTime")
    page.get_by_role("button", name="Record", exact=True).click()
    stop = page.get_by_role("button", name="Stop recording")
    poll(page, lambda: stop.count() and "(0 s)" not in stop.inner_text(), "a second of recording")
    expect(page.locator(".overlay .recording")).not_to_be_empty()
    page.keyboard.press("Space")
    expect(page.get_by_text("· 1 marker")).to_be_visible()
    stop.click()
    expect(page.get_by_text(re.compile("2 people .* 1 marker"))).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Table (CSV)").click()
    passed = video.evaluate("video => video.currentTime") - before
    rows = list(csv.DictReader(Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()))
    times = [float(row["timestamp"]) for row in rows]
    assert times == sorted(times)
    assert times[0] < 1
    assert 0.5 < times[-1] <= passed + 1
    assert len(set(times)) > 2
    assert {row["label"] for row in rows} == {"happy"}
    assert len({row["track_id"] for row in rows}) == 2
    assert len(rows) <= 2 * len(set(times))


def test_full_screen_shows_the_image_alone(app: str, open_page: Open, with_camera: Browser) -> None:
    page = open_page(f"{app}/webcam", within=with_camera)
    enable(page)
    page.locator(".overlay .title").first.wait_for()
    page.get_by_role("button", name="Full screen").click()
    poll(page, lambda: page.evaluate("() => !!document.fullscreenElement"), "the full screen")
    expect(page.get_by_role("button", name="Snapshot")).to_be_hidden()
    box = page.locator("iframe[title*=webrtc]").bounding_box()
    assert box is not None
    assert box["width"] > 1000, "of 1280 pixels; before it had half of them"
    page.get_by_role("button", name="Leave full screen").click()
    expect(page.get_by_role("button", name="Snapshot")).to_be_visible()


def test_stream_survives_stop_and_change_of_page(app: str, open_page: Open, with_camera: Browser) -> None:
    page = open_page(f"{app}/webcam", within=with_camera)
    enable(page)
    stream(page).get_by_role("button", name="Stop").click()
    expect(page.get_by_text("No frame for")).to_be_visible()
    expect(page.get_by_test_id("stAlert")).to_have_count(0)
    enable(page)
    expect(page.get_by_text("No frame for")).to_have_count(0)
    page.get_by_role("link", name="Photos").click()
    expect(page.get_by_role("heading", name="Photos")).to_be_visible()
    page.get_by_role("link", name="Live").click()
    expect(page.get_by_role("heading", name="Live")).to_be_visible()
    video = enable(page)
    expect(page.locator(".card")).to_have_count(2)
    poll(page, lambda: min(labels(page, video)) > 800, "a label at both faces")


def test_blur_anonymizes_the_returned_stream(app: str, open_page: Open, with_camera: Browser) -> None:
    page = open_page(f"{app}/webcam", within=with_camera)
    video = enable(page)
    image = page.locator(".card img").first
    expect(image).to_be_visible()
    expect(page.locator(".card")).to_have_count(2)
    face = fine(make_moving_faces(1)[0])[127:269, 142:257]  # the left one

    def detail() -> float:
        """How much a mosaic would take from the face on the card."""
        pixels = read_image(base64.b64decode((image.get_attribute("src") or "").split(",", 1)[1]))
        return float(np.abs(pixels.astype(float) - pixelate_all(pixels)).mean())

    def known() -> float:
        """How much of the face is in the picture, where it is most like it: 0.5 and more when it stands as in `face`
        again, however small a busy browser makes the stream; 0.25 at most of a mosaic."""
        mirrored = read_image(base64.b64decode(video.evaluate(DRAW).split(",", 1)[1]))
        picture = np.ascontiguousarray(mirrored[:, ::-1])
        return float(cv2.matchTemplate(fine(picture), face, cv2.TM_CCOEFF_NORMED).max())

    def most() -> float:
        """The most that is `known` of it while it moves about once, in two seconds."""
        seen = []
        for _ in range(11):
            seen.append(known())
            page.wait_for_timeout(200)
        return max(seen)

    poll(page, lambda: detail() > 15, "a card with a face")
    poll(page, lambda: known() > 0.45, "a picture with a face")
    page.get_by_text("Blur faces").click()
    poll(page, lambda: detail() < 8, "a card without a face")
    poll(page, lambda: most() < 0.35, "a picture without a face")


def fine(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What a mosaic takes from an RGB picture: gray float32 (480, 640) without its coarse shades."""
    gray = cv2.cvtColor(cv2.resize(picture, (640, 480)), cv2.COLOR_RGB2GRAY).astype(np.float32)
    return gray - cv2.GaussianBlur(gray, (0, 0), 6)


def test_demo_recording_can_be_saved_during_the_stream(app: str, open_page: Open) -> None:
    """Each file arrives again and again, and what the cards say meanwhile agrees with their bars."""
    page = open_page(f"{app}/webcam")
    page.get_by_role("radio", name="Demo").click()
    playing(page)
    expect(page.locator(".card").first).to_be_visible()
    page.get_by_role("button", name="Record", exact=True).click()
    stop = page.get_by_role("button", name="Stop recording")
    poll(page, lambda: stop.count() and "(0 s)" not in stop.inner_text(), "a second of recording")
    stop.click()
    expect(page.get_by_text("· 640 × 480 pixels")).to_be_visible()
    cards = set()
    for _ in range(3):
        for name, start in (("Video (MP4)", b"ftyp"), ("Table (CSV)", b"time"), ("Data (JSON)", b'"pro')):
            with page.expect_download() as download:
                page.get_by_role("button", name=name).click()
            content = Path(download.value.path()).read_bytes()
            assert start in content[:16]
            page.locator(".card").first.wait_for()
            cards |= {tuple(card) for card in page.locator(".card").evaluate_all(SAY)}
    assert cards
    for title, reason, first, second in cards:
        check_card(title, reason, first, second)


def check_card(title: str, reason: str, *bars: str) -> None:
    """That a card with these two longest bars ("● happy 68%") does not contradict itself, where labels are unsure
    below 50%."""
    (first, p), (second, q) = ((bar.split()[1], int(bar.split()[2].strip(">%"))) for bar in bars)
    label, *share = title.split()[2:]
    if label != UNCERTAIN.name:
        assert (int(share[0].strip(">%")) >= 100 * (0.5 - HYSTERESIS), reason) == (True, ""), (title, reason, bars)
        return
    assert p <= 50, (title, reason, bars)
    named = re.fullmatch(r"Between (\w+) and (\w+)", reason)
    assert named is None or p == q or ({*named.groups()} == {first, second} and 2 * q >= p - 2), (title, reason, bars)


@pytest.fixture(scope="module")
def with_forbidden_camera(start_browser: Callable[..., Browser]) -> Browser:
    """A browser with a camera, whose question for a permission stays unanswered."""
    return start_browser(FAKE)


@pytest.mark.parametrize(
    ("which", "script", "words"),
    [
        ("browser", "", "No camera found"),
        ("with_forbidden_camera", "", "The browser blocks the camera"),
        ("with_forbidden_camera", BUSY, "The camera is in use by another app"),
    ],
)
def test_diagnostics_find_the_failure(
    app: str, open_page: Open, request: pytest.FixtureRequest, which: str, script: str, words: str
) -> None:
    page = open_page("about:blank", within=request.getfixturevalue(which))
    page.add_init_script(script)
    answers = count_answers(page)
    page.goto(f"{app}/webcam")
    expect(stream(page).get_by_role("button", name="Enable camera")).to_be_visible()
    alert, check = page.get_by_test_id("stAlert"), page.get_by_role("button", name="Check the camera")
    poll(page, lambda: check.is_visible() or open_steps(page), "the steps")
    check.click()
    expect(alert).to_contain_text(words)
    seen = len(answers)
    poll(page, lambda: len(answers) > seen + NUM_ANSWERS, "the page being refreshed")
    expect(alert).to_have_count(1)
    expect(alert).to_contain_text(words)


def open_steps(page: Page) -> None:
    """Click where they are closed: they may open by themselves, and a click then would close them."""
    steps = page.locator("details", has_text="Camera not working?")
    if steps.get_attribute("open") is None:
        steps.locator("summary").click()


def count_answers(page: Page) -> list[Any]:
    """Return a list that grows with each message that the server sends to the page."""
    answers = list[Any]()
    page.on("websocket", lambda socket: socket.on("framereceived", lambda answer: answers.append(answer)))
    return answers
