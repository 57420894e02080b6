"""Check every page in its states, in each language: `python -m tests.accessibility`.

Pages are shown empty, with data, with an error and while something runs, all expanders and parts of a page opened. In
each state axe-core looks for violations, and nothing may be wider than the window or cut off.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple

import click
from playwright.sync_api import Browser, FilePayload, Locator, Page, TimeoutError, expect, sync_playwright

from tests.browser.conftest import FLAGS, SYSTEM_BROWSERS, TIMEOUT_MS, started
from tests.browser.test_every_page import find_clipped_labels, violations, wait_until_settled
from tests.pages.runs_making import make_run, write_data
from tests.training.sweep.making import make_record

_ANALYSIS_TIMEOUT_MS: Final = 300_000
_OPEN_TIMEOUT_MS: Final = 5000  # of an expander
_BROKEN_PHOTO: Final[FilePayload] = {"name": "broken.jpg", "mimeType": "image/jpeg", "buffer": b"\xff\xd8\xff\xe0none"}
_BROKEN_VIDEO: Final[FilePayload] = {"name": "broken.mp4", "mimeType": "video/mp4", "buffer": b"\0\0\0\x20ftypisom"}

States = Iterator[str]  # the name of each state, while the page shows it


class Window(NamedTuple):
    """A browser window: its width in pixels, color scheme and language."""

    width: int
    scheme: Literal["light", "dark"]
    locale: str


WINDOWS: Final = (
    Window(1280, "light", "en-US"),
    Window(400, "dark", "vi-VN"),
    Window(1280, "dark", "zh-TW"),
    Window(400, "light", "zh-TW"),
)
LOCALES: Final = tuple(dict.fromkeys(window.locale for window in WINDOWS))


def write_workspace(folder: Path) -> None:
    """Write a data set, trainings that ended in different ways, one with damaged files, and a sweep."""
    data = write_data(folder / "data" / "faces.npz")
    for seed, name in enumerate(("first", "second", "damaged")):
        make_run(folder / "runs" / name, data=data, seed=seed, job="done")
    make_run(folder / "runs" / "failed", data=data, epochs=2, job="failed")
    (folder / "runs" / "damaged" / "history.csv").write_bytes(b"\xff,,\n1,2")
    (folder / "runs" / "settings").mkdir()
    make_record().write(folder / "runs" / "settings")


def _click(place: Locator) -> None:
    place.click(force=True)
    wait_until_settled(place.page)


def _upload(page: Page, file: FilePayload) -> None:
    page.locator("input[type=file]").first.set_input_files(file)
    page.locator("[data-testid=stAlert]").first.wait_for()
    wait_until_settled(page)


def _choose_each(page: Page, key: str) -> States:
    """Choose each option of a control, from the second one on."""
    options = page.locator(f".st-key-{key}").get_by_role("radio")
    for i in range(1, options.count()):
        _click(options.nth(i))
        yield f"{key} {i + 1}"


def _show_first(page: Page) -> States:
    yield "first visit"


def _show_each(page: Page, key: str) -> States:
    """Show a page as it opens, then each option of a control."""
    yield "first visit"
    yield from _choose_each(page, key)


def _show_home(page: Page) -> States:
    yield "first visit"
    _upload(page, _BROKEN_PHOTO)
    yield "damaged photo"


def _show_live(page: Page) -> States:
    yield "first visit"
    yield from _choose_each(page, "live_source")
    _click(page.locator(".st-key-live_source").get_by_role("radio").nth(1))
    yield from _choose_each(page, "live_view")


def _show_photos(page: Page) -> States:
    yield "first visit"
    _click(page.locator(".st-key-photo_group button:visible"))
    page.locator(".annotated_image").first.wait_for()
    yield "group"
    page.reload()
    page.locator("h1").wait_for()
    wait_until_settled(page)
    _upload(page, _BROKEN_PHOTO)
    yield "damaged photo"


def _show_videos(page: Page) -> States:
    yield "first visit"
    _upload(page, _BROKEN_VIDEO)
    yield "damaged video"
    _click(page.locator(".st-key-video_speed").get_by_role("radio").last)
    page.locator(".st-key-video_sample button:visible").click()
    page.locator(".st-key-video_stop button:visible").wait_for()
    yield "running"
    page.locator("[data-testid=stDownloadButton]").first.wait_for(timeout=_ANALYSIS_TIMEOUT_MS)
    yield "analyzed"


def _show_data(page: Page) -> States:
    yield "first visit"
    _click(page.locator("[class*=st-key-data_look_] button").first)
    yield "data set"
    yield from _choose_each(page, "data_view")


PAGES: Final[dict[str, Callable[[Page], States]]] = {
    "home": _show_home,
    "webcam": _show_live,
    "photo": _show_photos,
    "video": _show_videos,
    "collection": _show_first,
    "synthetic_faces": lambda page: _show_each(page, "gen_view"),
    "model_card": lambda page: _show_each(page, "card_view"),
    "data": _show_data,
    "train": lambda page: _show_each(page, "train_method"),
    "runs": lambda page: _show_each(page, "runs_or_sweeps"),
}


def _open_expanders(page: Page) -> None:
    for expander in page.locator("[data-testid=stExpander] details:not([open]) > summary").all():
        try:
            expander.click(timeout=_OPEN_TIMEOUT_MS)
        except TimeoutError:  # a fragment drew it anew meanwhile
            continue


def find_problems(page: Page) -> list[str]:
    """Return what is wrong with what the page shows, its expanders opened."""
    _open_expanders(page)
    page.wait_for_timeout(1000)
    clipped = [f"cut off: {label!r}" for label in find_clipped_labels(page)]
    width = page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollWidth - innerWidth")
    return [*([f"{width} px wider than the window"] if width > 0 else []), *clipped, *violations(page)]


def check_window(browser: Browser, url: str, window: Window, names: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each state of pages in a window, and its problems."""
    context = browser.new_context(
        viewport={"width": window.width, "height": 900},
        color_scheme=window.scheme,
        locale=window.locale,
        reduced_motion="reduce",
    )
    context.set_default_timeout(TIMEOUT_MS)
    for name in names:
        page = context.new_page()
        page.goto(f"{url}/{'' if name == 'home' else name}")
        page.locator("h1").wait_for()
        wait_until_settled(page)
        for state in PAGES[name](page):
            yield f"{name}, {state}, {window.width} px, {window.scheme}, {window.locale}", find_problems(page)
        page.close()
    context.close()


@click.command()
@click.option("--page", "names", multiple=True, type=click.Choice(list(PAGES)), help="Default: all pages.")
@click.option("--locale", "locales", multiple=True, type=click.Choice(LOCALES), help="Default: those of all windows.")
def main(names: tuple[str, ...], locales: tuple[str, ...]) -> None:
    """Check every page in its states."""
    expect.set_options(timeout=TIMEOUT_MS)
    found = list[str]()
    num_states = 0
    executable = next(filter(None, map(shutil.which, SYSTEM_BROWSERS)), None)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        write_workspace(Path(folder))
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        with started(workspace=Path(folder)) as url:
            for window in WINDOWS:
                if locales and window.locale not in locales:
                    continue
                for place, problems in check_window(browser, url, window, names or tuple(PAGES)):
                    click.echo("\n  ".join([f"{place}: {len(problems)} problems", *problems]))
                    found += problems
                    num_states += 1
        browser.close()
    click.echo(f"{num_states} states, {len(found)} problems")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
