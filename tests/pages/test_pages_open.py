"""Each page as it is opened first, and with something on it; the other tests of pages are slow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import streamlit_webrtc
from aiortc.contrib.media import MediaRelay
from streamlit_webrtc.component import WebRtcStreamerState

from emotion.datasets import catalog
from emotion.datasets.building import jobs as build_jobs
from emotion.training import manager
from emotion.ui.datasets import build_form, selection
from tests.generation.making import write_generator
from tests.pages.runs_making import make_run, write_data
from tests.training.sweep.making import make_record

Open = Callable[..., Any]


@pytest.fixture(autouse=True)
def workspace(models: Path, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty folders of runs and data sets, and a camera that never comes."""
    monkeypatch.setattr(manager, "RUNS_FOLDER", tmp_path / "runs")
    for module in (catalog, build_jobs, selection, build_form):
        monkeypatch.setattr(module, "DATASETS_FOLDER", tmp_path / "data" / "sets")
    monkeypatch.delenv(catalog.DATA_ENV_VAR, raising=False)
    state = SimpleNamespace(state=WebRtcStreamerState(False, False))
    monkeypatch.setattr(streamlit_webrtc, "webrtc_streamer", lambda **_: state)
    monkeypatch.setattr("emotion.ui.live.stream.get_global_relay", MediaRelay)  # the real one needs a server
    return tmp_path


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


def test_data_set_is_shown_with_its_views(workspace: Path, open_page: Open) -> None:
    write_data(workspace / "data" / "small.npz")
    page = open_page("data")
    page.app.button(key="data_look_small").click().run()
    views = page.app.button_group(key="data_view")
    for view in views.options:
        views.set_value(view).run()
        assert not page.app.error, view
        assert not page.app.exception, view


def test_training_form_offers_a_start(workspace: Path, open_page: Open) -> None:
    write_data(workspace / "data" / "small.npz")
    assert not open_page("train").app.button(key="train_start").disabled


def test_run_is_shown_with_its_parts(workspace: Path, open_page: Open) -> None:
    run = make_run(workspace / "runs" / "mine", data=write_data(workspace / "data" / "small.npz"), job="done")
    page = open_page("runs", state={"selected_runs": [str(run)]})
    (parts,) = [group for group in page.app.button_group if str(group.key).startswith("runs_part")]
    for part in parts.options:
        parts.set_value(part).run()
        assert not page.app.error, part
        assert not page.app.exception, part


def test_sweep_is_shown_with_its_trials(workspace: Path, open_page: Open) -> None:
    sweep = workspace / "runs" / "settings"
    sweep.mkdir(parents=True)
    make_record().write(sweep)
    page = open_page("runs")
    page.app.button_group(key="runs_or_sweeps").set_value("Sweeps").run()
    assert not page.app.error
    assert not page.app.exception
    assert [metric.value for metric in page.app.metric] == ["50%", "60%", "3 of 3"]
    assert "What matters" in page.words
