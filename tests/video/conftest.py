"""Videos and their analysis with fake models."""

from __future__ import annotations

import shutil
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
from tests.video.scenes import HAPPY, SAD, FakeClassifier, Square, find_squares, make_video

Analyze = Callable[..., VideoAnalysis]


@pytest.fixture
def analyzer(fake_detector: Callable[..., Any], tiny: ModelBundle) -> Analyzer:
    """Return an analyzer that detects squares as faces."""
    return Analyzer(fake_detector(find_squares), FakeClassifier(tiny))  # type: ignore[arg-type]


@pytest.fixture
def make_request(tiny: ModelBundle) -> Callable[..., VideoRequest]:
    """`make_request(path, name=None, **settings)`."""

    def make(path: Path, /, name: str | None = None, **settings: Any) -> VideoRequest:
        return VideoRequest.from_video(path, name or path.name, VideoSettings(**settings), "haar", tiny.folder)

    return make


@pytest.fixture
def analyze(tmp_path: Path, analyzer: Analyzer, make_request: Callable[..., VideoRequest]) -> Analyze:
    """`analyze(path, folder="out", report=None, **settings)`: analyze a video, until `report` stops it."""

    def analyze(
        path: Path, /, folder: str = "out", report: JobReporter | None = None, **settings: Any
    ) -> VideoAnalysis:
        out = tmp_path / folder
        out.mkdir(exist_ok=True)
        analyze_video(make_request(path, **settings), analyzer, out, report or JobReporter(out))
        return VideoAnalysis(out)

    return analyze


@pytest.fixture(scope="session")
def analyses(tmp_path_factory: pytest.TempPathFactory) -> dict[object, Path]:
    """Return the folders of the analyses of this session, by video and settings."""
    return {}


@pytest.fixture
def analyzed(
    analyze: Analyze, analyses: dict[object, Path], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Analyze:
    """`analyzed(path, **settings)`: a copy of the analysis, which is made once in a session, as `analyze` makes it."""

    def copy(path: Path, /, **settings: Any) -> VideoAnalysis:
        key = (path, *sorted(settings.items()))
        if key not in analyses:
            folder = tmp_path_factory.mktemp("analysis") / "out"
            analyses[key] = analyze(path, str(folder), **settings).folder
        return VideoAnalysis(Path(shutil.copytree(analyses[key], tmp_path / "out")))

    return copy


def get_squares(seconds: float) -> list[Square]:
    """Return a moving face, sad for two seconds and then happy, and a second one from 1 s to 2 s."""
    faces = [Square(40 + round(8 * seconds), 30, 40, SAD if seconds < 2 else HAPPY)]
    return [*faces, Square(110, 70, 36, HAPPY)] if 1 <= seconds < 2 else faces


@pytest.fixture(scope="session")
def video_of_two_places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a video of three seconds: a sad face until 1.5 s, then a happy one at another position."""

    def squares_at(seconds: float) -> list[Square]:
        return [Square(20, 20, 40, SAD)] if seconds < 1.5 else [Square(160, 110, 40, HAPPY)]

    return make_video(tmp_path_factory.mktemp("videos") / "two_places.mp4", squares_at, 3.0)


@pytest.fixture(scope="session")
def moving_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a video of `get_squares`: four seconds at ten frames per second."""
    return make_video(tmp_path_factory.mktemp("videos") / "moving.mp4", get_squares, 4.0)
