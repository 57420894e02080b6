"""The Training and Runs pages in a real browser: a network is taught, stopped, resumed, looked into and used."""

import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from emotion.errors import EmotionError
from emotion.model_store.store import BUILTIN_MODELS
from emotion.training import manager
from emotion.training.runs.folder import read_history
from tests.waiting import wait_until

if os.environ.get("CI", "").lower() != "true":  # there a missing Playwright is a failure
    pytest.importorskip("playwright", reason="THE BROWSER TESTS DID NOT RUN: Playwright is not installed")
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.slow
Open = Callable[..., Page]
CHART = "[data-testid=stVegaLiteChart]"
FIRST = f"document.querySelector('{CHART} canvas, {CHART} svg')"
DRAWN = f"() => {FIRST} && ({FIRST}.toDataURL ? {FIRST}.toDataURL() : {FIRST}.outerHTML)"
LONG = 300_000  # milliseconds: TensorFlow takes its time where the machine is busy
EPOCHS = 200  # more than are trained before the training is finished by a button, also by a fast machine
EPOCH = re.compile(rf"Epoch \d+ of {EPOCHS}\b")  # the step is not there where an epoch takes less than two seconds


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """1,000 faces to learn from, that are brighter or darker by label; 140 to choose on and 140 to test."""
    rng = np.random.default_rng(5)
    usage = np.repeat([0, 1, 2], [1000, 140, 140]).astype(np.int8)
    label = (np.arange(len(usage)) % 7).astype(np.int8)
    noise = rng.integers(0, 60, (len(usage), 48, 48), np.uint8)
    path = tmp_path / "shades.npz"
    shades = (label.astype(np.uint8) * 25)[:, None, None]
    np.savez(path, allow_pickle=True, images=noise + shades, label=label, usage=usage)
    return path


@pytest.fixture
def name() -> Iterator[str]:
    """Of the run and of the model made of it; both are removed at the end."""
    name = f"browser{secrets.token_hex(3)}"  # no dash: beside it the page has a sign that nobody sees
    yield name
    try:
        manager.delete_run(manager.RUNS_FOLDER / name)
    except EmotionError:
        assert not (manager.RUNS_FOLDER / name).exists()
    shutil.rmtree(BUILTIN_MODELS / name, ignore_errors=True)


def fill(page: Page, role: str, label: str, value: str) -> None:
    field = page.get_by_role(role, name=label)  # type: ignore[arg-type]
    field.fill(value)
    field.press("Enter")
    expect(page.locator("[data-testid=stStatusWidget]")).to_have_count(0)


def start(page: Page, data: Path, name: str) -> None:
    expect(page.get_by_role("button", name="Start training")).to_be_visible()
    page.get_by_label("Data set").click()
    page.get_by_role("option", name="Another path").click()
    fill(page, "textbox", "Path on this machine", str(data))
    expect(page.get_by_role("radio", name="Fine-tune a classifier")).to_be_checked()  # since the faces are few
    page.get_by_role("radio", name="Train a network").click()
    fill(page, "spinbutton", "Epochs", str(EPOCHS))
    fill(page, "spinbutton", "Batch", "4")
    fill(page, "textbox", "Name of the run", name)
    page.get_by_role("button", name="Start training").click()


def click_until(button: Locator, effect: Locator) -> None:
    """Click a button until the effect is visible; one that moves at this moment, since the page changes, loses it."""
    for _ in range(5):
        button.click()
        try:
            expect(effect).to_be_visible(timeout=10_000)
        except AssertionError:
            continue
        return
    expect(effect).to_be_visible()


def click_cell(page: Page) -> None:
    """Click a cell of the confusion matrix; a chart that is redrawn at this moment loses the first click."""
    matrix = page.locator(CHART).first
    hint = page.get_by_text("Click a cell")
    for _ in range(5):
        page.wait_for_function(DRAWN)
        box = matrix.bounding_box()
        assert box is not None
        matrix.click(position={"x": box["width"] * 0.6, "y": box["height"] * 0.55})
        try:
            expect(hint).to_have_count(0, timeout=5_000)
        except AssertionError:
            continue
        return
    expect(hint).to_have_count(0)


def test_network_is_trained_stopped_resumed_opened_and_used(app: str, open_page: Open, data: Path, name: str) -> None:
    page = open_page(f"{app}/train", width=1360)
    start(page, data, name)

    # The curve grows while it learns, and also without anybody's hand.
    expect(page.get_by_text(EPOCH)).to_be_visible(timeout=LONG)
    expect(page.locator(CHART).first).to_be_visible()
    page.wait_for_function(DRAWN)
    before = page.evaluate(DRAWN)
    page.wait_for_function(f"before => ({DRAWN})() !== before", arg=before, timeout=LONG)

    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume", exact=True)).to_be_visible()
    expect(page.get_by_text("paused").first).to_be_visible()
    page.get_by_role("button", name="Resume", exact=True).click()
    wait_until(lambda: len(read_history(manager.RUNS_FOLDER / name)) >= 2, LONG / 1000)
    resume = page.locator(f".st-key-train_resume_{name} button")
    click_until(page.get_by_role("button", name="Stop, resume later"), page.get_by_text("Stopping.").or_(resume))
    resume.click(timeout=LONG)
    expect(page.get_by_text(EPOCH)).to_be_visible(timeout=LONG)
    finish = page.get_by_role("button", name="Finish now")
    expect(finish).to_have_count(1, timeout=LONG)  # that of the stopped one may still be there
    done = page.get_by_text(re.compile(rf"Done after \d+ of {EPOCHS} epochs")).first
    click_until(finish, page.get_by_text("Finishing.").or_(done))
    expect(done).to_be_visible(timeout=LONG)

    page.locator(f".st-key-train_look_{name} button").click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    page.get_by_role("radio", name="Confusion").click()
    expect(page.get_by_text("After epoch")).to_be_visible()
    expect(page.get_by_text("140 faces correct")).to_be_visible()
    click_cell(page)

    page.get_by_role("button", name="Use this model").click()
    page.get_by_role("button", name="Use", exact=True).click()
    expect(page.get_by_text(f"All pages use {name};")).to_be_visible()
    page.get_by_role("link", name="Photos").click()
    page.get_by_role("button", name="Sample photo").click()
    expect(page.locator(".annotated_image button").first).to_be_visible()
    page.get_by_test_id("stSidebar").get_by_text("Model", exact=True).click()
    expect(page.get_by_role("combobox", name="Classifier")).to_have_value(name)
