"""What visitors do, each in a browser window of his own, and how long the page makes them wait."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from emotion.demo.camera import DemoCamera
from emotion.media.image_reader import encode_jpeg, encode_png, read_image, rotate

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "emotion" / "demo" / "assets" / "astronaut.jpg"
FLAGS = [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


def camera(folder: Path) -> Path:
    """What the browser takes for a camera: two faces that move about."""
    demo = DemoCamera(read_image(SAMPLE), (224.0, 116.0), 96.0)
    frames = [encode_jpeg(demo.frame_at(9.5 + i / 30), 90) for i in range(90)]
    film = folder / "faces.mjpeg"
    film.write_bytes(b"".join([*frames, *frames[::-1]]))
    return film


def photos() -> Iterator[bytes]:
    """Photos without end, no two alike."""
    image = read_image(SAMPLE).copy()
    for number in itertools.count():
        image[number % 512, number // 512 % 512] ^= 1
        yield encode_png(rotate(image, 0))


class Visitor:
    """Somebody who goes from page to page."""

    pages = ("Home", "Photos", "Videos", "Synthetic faces", "Runs", "Training")

    def __init__(self, context: Any, url: str, seed: int) -> None:
        self.page = context.new_page()
        self.page.goto(url)
        self._random = random.Random(seed)
        self._photos = photos()

    def step(self) -> tuple[str, float]:
        """One thing that he does, and the seconds until he sees what he wanted."""
        what: Callable[[], None] = self._random.choice([self._walk, self._walk, self._upload])
        start = time.monotonic()
        what()
        return what.__name__.strip("_"), time.monotonic() - start

    def _walk(self) -> None:
        name = self._random.choice(self.pages)
        self.page.get_by_role("link", name=name, exact=True).click()
        title = "Emotion Studio" if name == "Home" else name
        self.page.get_by_role("heading", name=title, level=1).wait_for()

    def _upload(self) -> None:
        self.page.get_by_role("link", name="Photos", exact=True).click()
        self.page.get_by_role("heading", name="Photos", level=1).wait_for()
        payload: Any = {"name": "photo.png", "mimeType": "image/png", "buffer": next(self._photos)}
        self.page.locator("input[type=file]").set_input_files(payload)
        self.page.locator(".box").first.wait_for()


class Streamer:
    """Somebody who looks into his camera all the time."""

    def __init__(self, context: Any, url: str) -> None:
        self.page = context.new_page()
        self.page.goto(f"{url}/webcam")
        self._frame = self.page.frame_locator("iframe[title*=webrtc]")
        self._frame.get_by_role("button", name="Enable camera").click()
        self._frame.locator("video").wait_for()

    def step(self) -> tuple[str, float]:
        """A look at the cards."""
        start = time.monotonic()
        self.page.locator(".card").first.wait_for()
        return "look", time.monotonic() - start
