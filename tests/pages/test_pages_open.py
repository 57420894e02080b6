"""Each page as it is opened first, and with something on it; the other tests of pages are slow."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.generation.making import write_generator
from tests.pages.runs_making import make_run, write_data
from tests.training.sweep.making import make_record

Open = Callable[..., Any]
MARKDOWN_HEADING = re.compile("#+(?= )")


pytestmark = pytest.mark.usefixtures("empty_workspace")


def find_heading_levels(app: Any) -> list[int]:
    """Return the levels of the headings of a page, from above: 1 for the title."""
    levels = []
    for element in app.main:
        if element.type in ("title", "header", "subheader"):
            levels.append(int(element.tag[1]))
        elif element.type == "markdown" and (heading := MARKDOWN_HEADING.match(element.value)):
            levels.append(len(heading.group()))
    return levels


def assert_shown(page: Any) -> None:
    """Check that a page shows no error, and that no level of its headings is left out."""
    assert not page.app.error
    assert not page.app.exception
    levels = find_heading_levels(page.app)
    assert all(level <= before + 1 for before, level in pairwise([0, *levels])), levels


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("home", "Emotion Studio"),
        ("webcam", "Live"),
        ("photo", "Photos"),
        ("video", "Videos"),
        ("collection", "Collections"),
        ("synthetic_faces", "Synthetic faces"),
        ("model_card", "Model card"),
        ("data", "Data"),
        ("train", "Training"),
        ("runs", "Runs"),
    ],
)
def test_page_without_data_opens_without_an_error(open_page: Open, name: str, title: str) -> None:
    page = open_page(name)
    assert [element.value for element in page.app.title] == [title]
    assert_shown(page)


def test_photo_is_shown_with_its_face(open_page: Open) -> None:
    page = open_page("photo")
    page.app.button(key="photo_sample").click().run()
    assert len(page.shown("photo_picture")["faces"]) == 1
    assert_shown(page)


def test_video_is_shown_with_its_timeline(party: Path, add: Callable[[Path], str], open_video: Open) -> None:
    page = open_video(add(party))
    assert len(page.shown("video_timeline")["lanes"]) == 3
    assert_shown(page)


def test_synthetic_faces_are_shown(models: Path, open_page: Open) -> None:
    write_generator(models / "waves")
    page = open_page("synthetic_faces")
    assert len(page.shown("gen_sheet_happy")["thumbnails"]) == 8
    assert_shown(page)


def test_data_set_is_shown_with_its_views(empty_workspace: Path, open_page: Open) -> None:
    write_data(empty_workspace / "data" / "small.npz")
    page = open_page("data")
    page.app.button(key="data_look_small").click().run()
    views = page.app.button_group(key="data_view")
    for view in views.options:
        views.set_value(view).run()
        assert_shown(page)


def test_training_form_offers_a_start(empty_workspace: Path, open_page: Open) -> None:
    write_data(empty_workspace / "data" / "small.npz")
    page = open_page("train")
    assert not page.app.button(key="train_start").disabled
    assert_shown(page)


def test_run_is_shown_with_its_parts(empty_workspace: Path, open_page: Open) -> None:
    run = make_run(
        empty_workspace / "runs" / "mine", data=write_data(empty_workspace / "data" / "small.npz"), job="done"
    )
    page = open_page("runs", state={"selected_runs": [str(run)]})
    (parts,) = [group for group in page.app.button_group if str(group.key).startswith("runs_part")]
    for part in parts.options:
        parts.set_value(part).run()
        assert_shown(page)


def test_sweep_is_shown_with_its_trials(empty_workspace: Path, open_page: Open) -> None:
    sweep = empty_workspace / "runs" / "settings"
    sweep.mkdir(parents=True)
    make_record().write(sweep)
    page = open_page("runs")
    page.app.button_group(key="runs_or_sweeps").set_value("Sweeps").run()
    assert_shown(page)
    assert [metric.value for metric in page.app.metric] == ["50%", "60%", "3 of 3"]
    assert "What matters" in page.words
