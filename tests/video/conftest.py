"""A film read without real models, and folders as an analysis leaves them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emotion.jobs.reporter import JobReporter
from emotion.model_store.store import ModelBundle
from emotion.recognition.analyzer import Analyzer
from emotion.video.analysis import VideoAnalysis
from emotion.video.pipeline import analyze_video
from emotion.video.settings import VideoRequest, VideoSettings
from tests.video.scenes import HAPPY, SAD, Reader, Square, make_film, see

Read = Callable[..., VideoAnalysis]


@pytest.fixture
def analyzer(fake_detector: Callable[..., Any], tiny: ModelBundle) -> Analyzer:
    """Takes squares for faces."""
    return Analyzer(fake_detector(see), Reader(tiny))  # type: ignore[arg-type]


@pytest.fixture
def request_for(tiny: ModelBundle) -> Callable[..., VideoRequest]:
    """`request_for(film, name=None, **settings)`."""

    def make(path: Path, /, name: str | None = None, **settings: Any) -> VideoRequest:
        return VideoRequest.from_video(path, name or path.name, VideoSettings(**settings), "haar", tiny.folder)

    return make


@pytest.fixture
def read(tmp_path: Path, analyzer: Analyzer, request_for: Callable[..., VideoRequest]) -> Read:
    """`read(film, folder="out", report=None, **settings)`: the film read to its end, or what `report` says."""

    def read(path: Path, /, folder: str = "out", report: JobReporter | None = None, **settings: Any) -> VideoAnalysis:
        out = tmp_path / folder
        out.mkdir(exist_ok=True)
        analyze_video(request_for(path, **settings), analyzer, out, report or JobReporter(out))
        return VideoAnalysis(out)

    return read


def change(seconds: float) -> list[Square]:
    """A face that moves, is sad for two seconds and then happy; a second one from 1 s to 2 s."""
    faces = [Square(40 + round(8 * seconds), 30, 40, SAD if seconds < 2 else HAPPY)]
    return [*faces, Square(110, 70, 36, HAPPY)] if 1 <= seconds < 2 else faces


@pytest.fixture(scope="session")
def parted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds: a sad face until 1.5 s, then a happy one at another place."""

    def at(seconds: float) -> list[Square]:
        return [Square(20, 20, 40, SAD)] if seconds < 1.5 else [Square(160, 110, 40, HAPPY)]

    return make_film(tmp_path_factory.mktemp("films") / "parted.mp4", at, 3.0)


@pytest.fixture(scope="session")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of `change`, ten frames a second."""
    return make_film(tmp_path_factory.mktemp("films") / "moving.mp4", change, 4.0)
