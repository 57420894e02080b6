"""Fixtures of the page tests: the app with a tiny classifier and the Haar cascade, and analyzed videos."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from functools import cache, partial, wraps
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import streamlit as st
import streamlit_webrtc
from aiortc.contrib.media import MediaRelay
from numpy.typing import NDArray
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.scriptrunner import script_runner
from streamlit.testing.v1 import AppTest
from streamlit_webrtc.component import WebRtcStreamerState

from emotion.datasets import catalog
from emotion.datasets.building import jobs as build_jobs
from emotion.errors import ModelError, VideoError
from emotion.faces import Face
from emotion.jobs import job
from emotion.jobs.job import Job
from emotion.jobs.reporter import job_context
from emotion.media.image_reader import encode_png
from emotion.model_store import store
from emotion.movements import MOVEMENT_NAMES
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.detectors import detector_factory
from emotion.recognition.features import default_network
from emotion.recognition.features.network import FeaturesNetwork
from emotion.recognition.settings import AnalyzerSettings
from emotion.storage import BYTE_ORDER_MARK
from emotion.training import manager, run_listing
from emotion.training.sweep import manager as sweep_manager
from emotion.ui.datasets import build_form, selection
from emotion.video import library
from emotion.video.pipeline import analyze_video
from emotion.video.settings import VideoRequest, VideoSettings
from tests.pages.video_making import BrightnessClassifier, find_faces, make_provenance, running, write_video
from tests.recognition.features.making import Answer
from tests.recognition.features.making import make_bundle as make_features
from tests.training.features.making import mean_points

APP = Path(__file__).resolve().parents[2] / "app.py"


@pytest.fixture(scope="session", autouse=True)
def quick_app_test() -> Iterator[None]:
    """Leave out what each `AppTest` repeats and no page depends on.

    A server looks once for components in the installed packages, each `AppTest` again, for 0.25 s. Once
    other tests have loaded Keras, Streamlit also clears the session of Keras after each run of a page.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        patch.setattr(script_runner, "_clean_problem_modules", lambda: None)
        yield


@pytest.fixture
def models(tmp_path: Path, make_bundle: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the models that the app finds: one classifier, with the same scores for the same face."""
    monkeypatch.setenv("EMOTION_YUNET", "none")
    for module in (store, run_listing, detector_factory):
        monkeypatch.setattr(module, "BUILTIN_MODELS", tmp_path / "models")
    monkeypatch.setattr(manager, "RUNS_FOLDER", tmp_path / "runs")
    monkeypatch.setattr(sweep_manager, "BUILTIN_SWEEPS", tmp_path / "models" / "sweeps")
    make_bundle(tmp_path / "models" / "tiny")
    st.cache_data.clear()  # AppTest shares its cache among all tests
    return tmp_path / "models"


@pytest.fixture
def features_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeaturesNetwork:
    """A features network that sees a smile and a head turned to its left in every face; the app has no other one."""
    movements = np.where([name.startswith("mouthSmile") for name in MOVEMENT_NAMES], 0.75, 0.0)
    answer = Answer(mean_points(), (20, 0, 0), movements)
    bundle = make_features(tmp_path / "features", answer, shown_movements=["mouthSmileLeft", "mouthSmileRight"])
    network = FeaturesNetwork(bundle)
    monkeypatch.setattr(default_network, "load_default_network", lambda: network)
    return network


@pytest.fixture
def no_features_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """No features network: the app has to do without."""

    def fail() -> None:
        raise ModelError("There is no features network.")

    monkeypatch.setattr(default_network, "load_default_network", fail)


class Page:
    """The app on one page, opened by its address."""

    def __init__(self, name: str, state: dict[str, Any] | None = None, **query: str) -> None:
        self.app = AppTest.from_file(APP, default_timeout=30)
        if name != "home":
            self.app.switch_page(f"pages/{name}.py")
        for key, value in (state or {}).items():
            self.app.session_state[key] = value
        for key, value in query.items():
            self.app.query_params[key] = value
        self.app.run()

    @property
    def words(self) -> str:
        """All text outside the sidebar's settings, without the characters that escape Markdown."""
        app = self.app
        kinds = (app.title, app.header, app.markdown, app.caption, app.info, app.warning, app.error)
        text = "\n".join([element.value for kind in kinds for element in kind] + self.links)
        return re.sub(r"\\(.)", r"\1", text).replace("\u2060", "")

    @property
    def links(self) -> list[str]:
        """The labels of the links to pages."""
        return [element.proto.label for element in self.app.get("page_link")]

    def shown(self, key: str) -> dict[str, Any] | None:
        """The data of one of the project's components; None where it is not on the page."""
        found = [component for component in self.app.get("bidi_component") if component.key == key]
        return json.loads(found[0].proto.json) if found else None

    def upload(self, *files: tuple[str, bytes]) -> None:
        """Upload files in place of the earlier ones."""
        self.app.file_uploader[0].set_value([(name, content, "") for name, content in files]).run()
        assert not self.app.exception


@pytest.fixture
def open_page(models: Path) -> Callable[..., Page]:
    """`open_page("photo", state=None, **query)`: the app on that page, with session state and query parameters."""
    return Page


@pytest.fixture
def empty_workspace(models: Path, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty folders of runs and data sets, and a camera that never comes."""
    monkeypatch.setattr(manager, "RUNS_FOLDER", tmp_path / "runs")
    for module in (catalog, build_jobs, selection, build_form):
        monkeypatch.setattr(module, "DATASETS_FOLDER", tmp_path / "data" / "sets")
    monkeypatch.delenv(catalog.DATA_ENV_VAR, raising=False)
    state = SimpleNamespace(state=WebRtcStreamerState(False, False))
    monkeypatch.setattr(streamlit_webrtc, "webrtc_streamer", lambda **_: state)
    monkeypatch.setattr("emotion.ui.live.stream.get_global_relay", MediaRelay)  # the real one needs a server
    return tmp_path


@pytest.fixture(autouse=True)
def no_download_is_refreshed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A fragment that refreshes itself has no download: each refresh would create the file anew and remove the one that
    a click has requested."""
    refreshing, wrong = list[str](), list[str]()
    fragment, download = st.fragment, st.download_button

    def noting(func: Callable[..., Any] | None = None, *, run_every: Any = None, **more: Any) -> Any:
        if func is None:
            return partial(noting, run_every=run_every, **more)

        @wraps(func)
        def run(*args: Any, **named: Any) -> Any:
            refreshing.append(func.__name__)
            try:
                return func(*args, **named)
            finally:
                refreshing.pop()

        return fragment(run if run_every else func, run_every=run_every, **more)

    def checked(label: str, *args: Any, **named: Any) -> bool:
        wrong.extend(f"{name} refreshes itself and has the download {label}" for name in refreshing)
        return download(label, *args, **named)

    monkeypatch.setattr(st, "fragment", noting)
    monkeypatch.setattr(st, "download_button", checked)
    yield
    assert wrong == []


@pytest.fixture
def saved(no_download_is_refreshed: None, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The data of each download button by file name; filled by each run."""
    files: dict[str, Any] = {}
    checked = st.download_button

    def record(label: str, data: Any, file_name: str, **rest: Any) -> bool:
        checked(label, data, file_name, **rest)
        data = data() if callable(data) else data
        if file_name.endswith(".csv"):
            assert data.startswith(BYTE_ORDER_MARK), "Excel shows other letters without a byte order mark"
            data = data.removeprefix(BYTE_ORDER_MARK)
        files[file_name] = data
        return False

    monkeypatch.setattr(st, "download_button", record)
    return files


@pytest.fixture(scope="session")
def three_faces(sample: NDArray[np.uint8]) -> bytes:
    """A PNG with three faces in a row."""
    return encode_png(np.hstack([sample[:256, 100:356]] * 3))


@pytest.fixture(scope="session")
def no_face() -> bytes:
    """A PNG with a gray gradient."""
    return encode_png(np.repeat(np.linspace(0, 255, 200).astype(np.uint8)[None, :, None], 120, 0).repeat(3, 2))


@pytest.fixture(scope="session")
def analyze_sample(
    tmp_path_factory: pytest.TempPathFactory, fake_detector: Callable[..., Any], make_scores: Callable[..., Any]
) -> Callable[..., Path]:
    """`analyze_sample(see=find_faces, blur=False)`: the folder of an analyzed video."""
    place = tmp_path_factory.mktemp("read")
    video = write_video(place / "source.mp4")

    def make(
        see: Callable[[NDArray[np.uint8]], list[Face]] = find_faces, name: str = "party.mp4", blur: bool = False
    ) -> Path:
        folder = job.create_job_folder(place, name)
        source = folder / "source.mp4"
        shutil.copy(video, source)
        settings = VideoSettings(AnalyzerSettings(), anonymize=blur)
        request = VideoRequest(name, source, settings, "haar", place, make_provenance("fake", settings))
        analyzer = Analyzer(fake_detector(see), BrightnessClassifier(make_scores))  # type: ignore[arg-type]
        with job_context(folder) as report:
            analyze_video(request, analyzer, folder, report)
        return folder

    return make


@pytest.fixture(scope="session")
def party(analyze_sample: Callable[..., Path]) -> Path:
    return analyze_sample()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the app's videos: an empty one of this test only."""
    place = tmp_path / "data" / "videos"
    monkeypatch.setattr(library, "VIDEOS_FOLDER", place)
    return place


@pytest.fixture
def add(here: Path) -> Callable[[Path], str]:
    """`add(folder)`: copies an analyzed video into the app's folder and returns its id."""

    def copy(folder: Path) -> str:
        there = job.create_job_folder(here, "copy")
        shutil.copytree(folder, there, dirs_exist_ok=True)
        request = json.loads((there / "request.json").read_text())
        (there / "request.json").write_text(json.dumps(request | {"video_path": str(there / "source.mp4")}))
        return there.name

    return copy


@pytest.fixture
def open_video(open_page: Callable[..., Page]) -> Callable[[str], Page]:
    """`open_video(id)`: the Videos page with that video in its address."""

    def visit(video: str) -> Page:
        page = open_page("video", video=video)
        assert not page.app.exception
        return page

    return visit


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, here: Path) -> list[tuple[str, VideoSettings, bytes]]:
    """What would be read, instead of reading it: name, settings, content."""
    submitted: list[tuple[str, VideoSettings, bytes]] = []

    def start(upload: Any, name: str, settings: VideoSettings, *, detector: str, model: Path, space: Any) -> Job:
        content = upload.read_bytes() if isinstance(upload, Path) else upload.read()
        if content.startswith(b"bad"):
            raise VideoError(f'"{name}" is no video.')
        submitted.append((name, settings, content))
        folder = job.create_job_folder(here, name)
        VideoRequest(name, folder / "source.mp4", settings, detector, model, make_provenance(detector, settings)).write(
            folder
        )
        running(folder)
        return Job(folder)

    monkeypatch.setattr(library, "submit", start)
    return submitted
