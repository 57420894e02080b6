"""The demo clip of the Home page, which a process of its own renders."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import pytest

from emotion.model_store.store import ModelBundle
from emotion.ui.home.demo import DemoClip
from tests.waiting import wait_until

pytestmark = pytest.mark.slow
RENDER_SECONDS = 600.0  # the process computes only where others leave the processor free


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_the_clip_is_rendered_and_no_file_is_left(tiny: ModelBundle, temporary_folder: Path) -> None:
    clip = DemoClip("haar", tiny.folder)
    clip.start()
    clip.start()
    wait_until(lambda: clip.content is not None, RENDER_SECONDS)
    assert clip.content is not None
    assert clip.content[4:8] == b"ftyp"
    wait_until(lambda: not list(temporary_folder.iterdir()))


def test_a_clip_that_cannot_be_rendered_is_logged(
    tmp_path: Path, temporary_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    clip = DemoClip("haar", tmp_path / "no classifier")
    clip.start()
    wait_until(lambda: "The demo clip cannot be rendered" in caplog.text, RENDER_SECONDS)
    assert clip.content is None
    assert not list(temporary_folder.iterdir())
