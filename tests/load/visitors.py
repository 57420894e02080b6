"""Simulated visitors, each in a browser context of its own, and how long the pages make them wait."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from emotion.demo.sample_image import SAMPLE_IMAGE
from emotion.media.image_reader import encode_png, read_image, rotate
from tests.cameras import make_moving_faces, write_camera_video

ROOT = Path(__file__).resolve().parents[2]
_CAMERA_FPS = 30
_NUM_CAMERA_FRAMES = 90


def write_two_faces(folder: Path) -> tuple[str, ...]:
    """Write the video that the browser uses as its camera, two moving faces, and return the browser's flags."""
    frames = make_moving_faces(_NUM_CAMERA_FRAMES, _CAMERA_FPS)
    return write_camera_video(folder / "faces.y4m", [*frames, *frames[::-1]], _CAMERA_FPS)


def unique_photos() -> Iterator[bytes]:
    """Yield photos without end, no two of them equal."""
    image = read_image(SAMPLE_IMAGE).copy()
    for index in itertools.count():
        image[index % 512, index // 512 % 512] ^= 1
        yield encode_png(rotate(image, 0))


class Visitor:
    """A visitor who changes pages and uploads photos."""

    pages = ("Home", "Photos", "Videos", "Synthetic faces", "Runs", "Training")

    def __init__(self, context: Any, url: str, seed: int) -> None:
        self.page = context.new_page()
        self.page.goto(url)
        self._random = random.Random(seed)
        self._photos = unique_photos()

    def step(self) -> tuple[str, float]:
        """Do one random action; return its name and the seconds until its result is visible."""
        action: Callable[[], None] = self._random.choice([self._walk, self._walk, self._upload])
        started = time.monotonic()
        action()
        return action.__name__.strip("_"), time.monotonic() - started

    def _walk(self) -> None:
        name = self._random.choice(self.pages)
        self._open(name)
        title = "Emotion Studio" if name == "Home" else name
        self.page.get_by_role("heading", name=title, level=1).wait_for()

    def _open(self, name: str) -> None:
        """Click a page in the menu; Home has links of the same names."""
        self.page.get_by_test_id("stSidebarNav").get_by_role("link", name=name, exact=True).click()

    def _upload(self) -> None:
        self._open("Photos")
        self.page.get_by_role("heading", name="Photos", level=1).wait_for()
        payload: Any = {"name": "photo.png", "mimeType": "image/png", "buffer": next(self._photos)}
        self.page.locator("input[type=file]").set_input_files(payload)
        self.page.locator(".box").first.wait_for()


class CameraVisitor:
    """A visitor with an active camera on the live page."""

    def __init__(self, context: Any, url: str) -> None:
        self.page = context.new_page()
        self.page.goto(f"{url}/webcam")
        self._frame = self.page.frame_locator("iframe[title*=webrtc]")
        self._frame.get_by_role("button", name="Enable camera").click()
        self._frame.locator("video").wait_for()

    def step(self) -> tuple[str, float]:
        """Wait for the card of a face; return the action's name and the seconds."""
        started = time.monotonic()
        self.page.locator(".card").first.wait_for()
        return "look", time.monotonic() - started
