"""The demo clip of the Home page, which a process of its own renders."""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path

import pytest

from emotion.demo.camera import DemoCamera, SyntheticFacesCamera
from emotion.generation import people
from emotion.model_store.store import ModelBundle, ModelListing, open_model
from emotion.recognition.analyzer import Analyzer
from emotion.ui.home import render_clip
from emotion.ui.home.demo import DemoClip
from emotion.video.rendering.demo_clip import FrameSource
from tests.generation.making import write_generator
from tests.waiting import wait_until

START_SECONDS = 120.0  # the process computes only where others leave the processor free
WRITES_CLIP = """#!/bin/sh
for file; do :; done
echo once >> "${0}.starts"
printf clip > "$file"
"""


@pytest.fixture
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="the program is a shell script")
def test_the_clip_is_rendered_once_and_no_file_is_left(
    tmp_path: Path, temporary_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program"
    program.write_text(WRITES_CLIP)
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    clip = DemoClip("haar", tmp_path)
    clip.start()
    clip.start()
    wait_until(lambda: clip.content is not None)
    assert clip.content == b"clip"
    assert (tmp_path / "program.starts").read_text() == "once\n"
    wait_until(lambda: not list(temporary_folder.iterdir()))


@pytest.mark.slow
def test_a_clip_that_cannot_be_rendered_is_logged(
    tmp_path: Path, temporary_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    clip = DemoClip("haar", tmp_path / "no classifier")
    clip.start()
    wait_until(lambda: "The demo clip cannot be rendered" in caplog.text, START_SECONDS)
    assert clip.content is None
    assert not list(temporary_folder.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(("has_generator", "camera_type"), [(True, SyntheticFacesCamera), (False, DemoCamera)])
def test_the_clip_shows_synthetic_people_where_there_is_a_generator(
    has_generator: bool, camera_type: type, tiny: ModelBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generators = [open_model(write_generator(tmp_path / "waves"))] if has_generator else []
    monkeypatch.setattr(people, "list_generators", lambda: ModelListing(generators, []))
    monkeypatch.setattr(render_clip, "lower_priority", lambda: None)
    rendered = list[tuple[Path, FrameSource, Analyzer]]()
    monkeypatch.setattr(render_clip, "render_demo_clip", lambda *arguments: rendered.append(arguments))
    render_clip.main("haar", str(tiny.folder), str(tmp_path / "demo.mp4"))
    ((path, camera, analyzer),) = rendered
    assert path == tmp_path / "demo.mp4"
    assert type(camera) is camera_type
    assert analyzer.classifier.bundle.sha256 == tiny.sha256
