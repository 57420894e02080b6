"""Sweeps on the Training and the Runs page: started, watched, stopped, resumed, looked into and deleted."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import streamlit as st

from emotion.datasets import catalog
from emotion.training.sweep import manager as sweep_manager
from emotion.training.sweep import tables
from emotion.training.sweep.records import SweepRecord, SweepRequest
from tests.pages.runs_making import make_run, write_data
from tests.training.sweep.making import make_record

pytestmark = pytest.mark.slow

Open = Callable[..., Any]


@pytest.fixture
def runs(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's own runs, which does not exist yet, beside one small data set."""
    monkeypatch.setattr(catalog, "DATASETS_FOLDER", tmp_path / "data" / "sets")
    monkeypatch.delenv(catalog.DATA_ENV_VAR, raising=False)
    write_data(tmp_path / "data" / "small.npz")
    return tmp_path / "runs"


def write_sweep(folder: Path, *, status: str = "done", num_trials: int = 3, message: str = "") -> Path:
    """Write a sweep of which three trials are done, in a state of its job; "running" is this process."""
    folder.mkdir(parents=True)
    record = make_record()
    request = record.request.model_copy(update={"num_trials": num_trials})
    record.model_copy(update={"request": request}).write(folder)
    me = psutil.Process()
    state = {"status": status, "pid": os.getpid(), "process_started_at": me.create_time(), "error": None}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "job.json").write_text(json.dumps({"label": folder.name, "created": 1.0}))
    progress = {"done": 2, "total": 4, "message": message, "seconds_left": 90}
    (folder / "progress.json").write_text(json.dumps(progress))
    return folder


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path]]:
    """The actions on sweeps that the pages call, which do nothing."""
    calls: list[tuple[str, Path]] = []
    for name in ("stop_sweep", "resume_sweep"):
        monkeypatch.setattr(sweep_manager, name, lambda folder, name=name: calls.append((name, folder)))
    return calls


def test_the_form_starts_a_sweep_of_the_chosen_settings(
    runs: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[SweepRequest, str]] = []
    monkeypatch.setattr(sweep_manager, "start_sweep", lambda request, name, parent: started.append((request, name)))
    page = open_page("train")
    page.app.button_group(key="train_network").set_value("cnn-4conv").run()
    page.app.multiselect(key="sweep_settings_cnn-4conv").set_value(["learning_rate", "optimizer"]).run()
    page.app.number_input(key="sweep_learning_rate_cnn-4conv_high").set_value(0.05)
    page.app.multiselect(key="sweep_optimizer_cnn-4conv").set_value(["adam", "sgd"])
    page.app.number_input(key="sweep_trials").set_value(7).run()
    page.app.button(key="sweep_start").click().run()
    assert not page.app.error
    assert not page.app.exception
    ((request, name),) = started
    assert (request.num_trials, name, request.training_plan.network) == (7, "cnn-4conv-settings", "cnn-4conv")
    assert {key: dimension.model_dump() for key, dimension in request.space.items()} == {
        "learning_rate": {"low": 0.0001, "high": 0.05, "log": True},
        "optimizer": {"choices": ["adam", "sgd"]},
    }


def test_a_mistake_in_a_range_is_named_and_nothing_can_be_started(runs: Path, open_page: Open) -> None:
    page = open_page("train")
    page.app.number_input(key="sweep_learning_rate_mlp_high").set_value(0.00001).run()
    assert "The range of learning_rate goes from 0.0001 to 1e-05" in page.words.replace("\\", "")
    assert page.app.button(key="sweep_start").disabled
    assert not page.app.button(key="train_start").disabled


def test_a_running_sweep_shows_its_progress_and_can_be_stopped(
    runs: Path, open_page: Open, called: list[tuple[str, Path]]
) -> None:
    folder = write_sweep(runs / "mine", status="running", num_trials=9)
    page = open_page("train")
    assert not page.app.exception
    assert "the sweep continues" in page.words
    page.app.button(key="sweep_stop_mine").click().run()
    assert called == [("stop_sweep", folder)]


def test_a_waiting_sweep_says_so(runs: Path, open_page: Open) -> None:
    write_sweep(runs / "mine", status="running", message="Waiting for another training")
    assert "Waits for its turn" in open_page("train").words


def test_an_unfinished_sweep_can_be_resumed_and_a_finished_one_dismissed(
    runs: Path, open_page: Open, called: list[tuple[str, Path]]
) -> None:
    folder = write_sweep(runs / "half", status="stopped", num_trials=9)
    write_sweep(runs / "whole")
    page = open_page("train")
    assert "Stopped: 3 of 9 trials done" in page.words
    assert "Done: 3 of 3 trials done · best 60% in trial 2 · 50% with the settings as they are" in page.words
    keys = {str(button.key) for button in page.app.button}
    assert "sweep_resume_half" in keys
    assert "sweep_resume_whole" not in keys
    page.app.button(key="sweep_resume_half").click().run()
    assert called == [("resume_sweep", folder)]
    page.app.button(key="sweep_dismiss_whole").click().run()
    assert "Done: 3 of 3" not in page.words


def test_view_leads_to_the_sweep_on_the_runs_page(runs: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    pages: list[str] = []
    monkeypatch.setattr(st, "switch_page", pages.append)
    write_sweep(runs / "other")
    write_sweep(runs / "mine")
    page = open_page("train")
    page.app.button(key="sweep_view_mine").click().run()
    assert pages == ["pages/runs.py"]
    page.app.switch_page("pages/runs.py").run()
    assert page.app.selectbox(key="selected_sweep").value == str(runs / "mine")


@pytest.fixture
def show(runs: Path, open_page: Open) -> Callable[[], Any]:
    """`show()`: the Runs page with its sweeps."""

    def open_it() -> Any:
        page = open_page("runs", state={"runs_or_sweeps": "Sweeps"})
        assert not page.app.exception
        return page

    return open_it


def test_the_table_of_trials_can_be_saved(runs: Path, show: Callable[[], Any], saved: dict[str, Any]) -> None:
    write_sweep(runs / "mine")
    page = show()
    assert len(saved["mine-trials.csv"].splitlines()) == 5
    assert list(page.app.dataframe[0].value["state"]) == ["complete", "complete", "complete", "stopped early"]


def test_a_sweep_without_a_whole_epoch_says_so(runs: Path, show: Callable[[], Any]) -> None:
    folder = write_sweep(runs / "mine", status="running")
    SweepRecord(request=make_record().request).write(folder)
    page = show()
    assert "No trial has a whole epoch yet." in page.words
    assert not page.app.error


def test_a_damaged_sweep_is_named_and_can_be_deleted(runs: Path, show: Callable[[], Any]) -> None:
    folder = write_sweep(runs / "mine")
    (folder / "sweep.json").write_text("{")
    page = show()
    assert "sweep.json is damaged" in page.words
    page.app.button(key="sweep_delete_mine").click().run()
    assert not page.app.exception
    assert not folder.exists()


def test_a_sweep_that_cannot_be_shown_can_be_deleted(
    runs: Path, show: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_sweep(runs / "mine")
    monkeypatch.setattr(tables, "best_so_far_table", lambda _: 1 / 0)
    page = show()
    assert "Something went wrong with showing the sweep" in page.words
    page.app.button(key="sweep_delete_mine").click().run()
    assert not folder.exists()


def test_a_shipped_sweep_cannot_be_deleted(models: Path, runs: Path, show: Callable[[], Any]) -> None:
    write_sweep(models / "sweeps" / "cnn")
    page = show()
    assert page.app.selectbox(key="selected_sweep").value == str(models / "sweeps" / "cnn")
    assert not any("delete" in str(button.key) for button in page.app.button)


def test_without_sweeps_the_runs_page_has_no_choice(runs: Path, open_page: Open) -> None:
    make_run(runs / "mine", job="done")
    page = open_page("runs")
    assert "runs_or_sweeps" not in {group.key for group in page.app.button_group}


def test_a_trial_in_the_table_opens_its_run(runs: Path, show: Callable[[], Any]) -> None:
    folder = write_sweep(runs / "mine")
    make_run(folder / "trial-001", job="done")
    page = show()
    page.app.session_state["sweep_trials_mine"] = {"selection": {"rows": [1], "columns": [], "cells": []}}
    page.app.run()
    assert not page.app.exception
    assert [header.value for header in page.app.header] == ["mine, trial 1"]
    assert "runs_delete_trial-001" not in {str(button.key) for button in page.app.button}
