"""Each page as it is opened first, and with something on it; the other tests of pages are slow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.generation.making import write_generator
from tests.pages.runs_making import make_run, write_data
from tests.training.sweep.making import make_record

Open = Callable[..., Any]


pytestmark = pytest.mark.usefixtures("empty_workspace")


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
    assert not page.app.error
    assert not page.app.exception


def test_photo_is_shown_with_its_face(open_page: Open) -> None:
    page = open_page("photo")
    page.app.button(key="photo_sample").click().run()
    assert len(page.shown("photo_picture")["faces"]) == 1


def test_video_is_shown_with_its_timeline(party: Path, add: Callable[[Path], str], open_video: Open) -> None:
    assert len(open_video(add(party)).shown("video_timeline")["lanes"]) == 3


def test_synthetic_faces_are_shown(models: Path, open_page: Open) -> None:
    write_generator(models / "waves")
    assert len(open_page("synthetic_faces").shown("gen_sheet_happy")["thumbnails"]) == 8


def test_data_set_is_shown_with_its_views(empty_workspace: Path, open_page: Open) -> None:
    write_data(empty_workspace / "data" / "small.npz")
    page = open_page("data")
    page.app.button(key="data_look_small").click().run()
    views = page.app.button_group(key="data_view")
    for view in views.options:
        views.set_value(view).run()
        assert not page.app.error, view
        assert not page.app.exception, view


def test_training_form_offers_a_start(empty_workspace: Path, open_page: Open) -> None:
    write_data(empty_workspace / "data" / "small.npz")
    assert not open_page("train").app.button(key="train_start").disabled


def test_run_is_shown_with_its_parts(empty_workspace: Path, open_page: Open) -> None:
    run = make_run(
        empty_workspace / "runs" / "mine", data=write_data(empty_workspace / "data" / "small.npz"), job="done"
    )
    page = open_page("runs", state={"selected_runs": [str(run)]})
    (parts,) = [group for group in page.app.button_group if str(group.key).startswith("runs_part")]
    for part in parts.options:
        parts.set_value(part).run()
        assert not page.app.error, part
        assert not page.app.exception, part


def test_sweep_is_shown_with_its_trials(empty_workspace: Path, open_page: Open) -> None:
    sweep = empty_workspace / "runs" / "settings"
    sweep.mkdir(parents=True)
    make_record().write(sweep)
    page = open_page("runs")
    page.app.button_group(key="runs_or_sweeps").set_value("Sweeps").run()
    assert not page.app.error
    assert not page.app.exception
    assert [metric.value for metric in page.app.metric] == ["50%", "60%", "3 of 3"]
    assert "What matters" in page.words
