"""Take the screenshots of the documentation: `python -m tests.screenshots`, pages in several windows and languages.

Pages show what the program makes itself: synthetic faces, the sample video, the shipped trainings. Screenshots are
WebP files docs/images/PAGE-WINDOW.webp.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, NamedTuple

import click
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import FLAGS, ROOT, SYSTEM_BROWSERS, TIMEOUT_MS, started

IMAGES: Final = ROOT / "docs" / "images"
_QUALITY: Final = 82  # of WebP
_ANALYSIS_TIMEOUT_MS: Final = 300_000
_SETTLE_MS: Final = 4000  # charts and images appear after the elements around them


class Window(NamedTuple):
    """A browser window: its name, size in pixels, color scheme and language, and the pages that it shows."""

    name: str
    width: int
    height: int
    scheme: Literal["light", "dark"]
    locale: str
    pages: tuple[str, ...]


def _show_clip(page: Page) -> None:
    page.locator("video").wait_for(timeout=_ANALYSIS_TIMEOUT_MS)


def _show_demo(page: Page) -> None:
    page.get_by_role("radio").nth(1).click()
    page.locator(".card").first.wait_for()


def _show_group(page: Page) -> None:
    page.locator(".st-key-photo_group button").click()
    page.locator(".annotated_image").first.wait_for()


def _show_video(page: Page) -> None:
    page.get_by_role("button", name="Sample video").click()
    page.get_by_role("heading", name="Download").wait_for(timeout=_ANALYSIS_TIMEOUT_MS)


def _show_nothing_else(page: Page) -> None:
    """The page as it opens is what the screenshot shows."""


PAGES: Final[dict[str, Callable[[Page], None]]] = {
    "home": _show_clip,
    "webcam": _show_demo,
    "photo": _show_group,
    "video": _show_video,
    "synthetic_faces": _show_nothing_else,
    "model_card": _show_nothing_else,
    "train": _show_nothing_else,
    "runs": _show_nothing_else,
}
_TRANSLATED: Final = ("home", "webcam", "photo")
WINDOWS: Final = (
    Window("light", 1280, 900, "light", "en-US", tuple(PAGES)),
    Window("dark", 1440, 900, "dark", "en-US", tuple(PAGES)),
    Window("phone", 400, 860, "light", "en-US", tuple(PAGES)),
    Window("zh-TW", 1280, 900, "light", "zh-TW", _TRANSLATED),
    Window("vi", 1280, 900, "light", "vi-VN", _TRANSLATED),
)


def take_screenshots(browser: Browser, url: str, folder: Path, names: tuple[str, ...]) -> list[Path]:
    """Take the screenshots of pages.

    Args:
        browser: Chromium.
        url: The address of a started app.
        folder: Where the files are written.
        names: Pages, of `PAGES`.

    Returns:
        The written files.
    """
    written = []
    for window in WINDOWS:
        context = browser.new_context(
            viewport={"width": window.width, "height": window.height},
            color_scheme=window.scheme,
            locale=window.locale,
            reduced_motion="reduce",
            device_scale_factor=1.0,
        )
        context.set_default_timeout(TIMEOUT_MS)
        page = context.new_page()
        for name in filter(window.pages.__contains__, names):
            page.goto(f"{url}/{'' if name == 'home' else name}")
            page.locator("h1").wait_for()
            PAGES[name](page)
            page.wait_for_timeout(_SETTLE_MS)
            path = folder / f"{name.replace('_', '-')}-{window.name}.webp"
            with Image.open(io.BytesIO(page.screenshot())) as image:
                image.save(path, quality=_QUALITY, method=6)
            written.append(path)
        context.close()
    return written


@click.command()
@click.option("--page", "names", multiple=True, type=click.Choice(list(PAGES)), help="Default: all pages.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=IMAGES, show_default=False, help="Default: docs/images."
)
def main(names: tuple[str, ...], out: Path) -> None:
    """Take the screenshots of the documentation."""
    executable = next(filter(None, map(shutil.which, SYSTEM_BROWSERS)), None)
    out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as workspace,
        started(workspace=Path(workspace)) as url,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        for path in take_screenshots(browser, url, out, names or tuple(PAGES)):
            click.echo(path)
        browser.close()


if __name__ == "__main__":
    main()
