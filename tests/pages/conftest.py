"""What the page tests share: the app with a tiny classifier and the detector that is always there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import partial, wraps
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from numpy.typing import NDArray
from streamlit.testing.v1 import AppTest

from emotion.media.image_reader import encode_png
from emotion.model_store import store
from emotion.recognition import detector_factory
from emotion.storage import BYTE_ORDER_MARK
from emotion.training import manager, run_listing

APP = Path(__file__).resolve().parents[2] / "app.py"


@pytest.fixture
def models(tmp_path: Path, make_bundle: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only models that the app finds: one classifier, which always answers the same to the same face."""
    monkeypatch.setenv("EMOTION_YUNET", "none")
    for module in (store, run_listing, detector_factory):
        monkeypatch.setattr(module, "BUILTIN_MODELS", tmp_path / "models")
    monkeypatch.setattr(manager, "RUNS_FOLDER", tmp_path / "runs")
    make_bundle(tmp_path / "models" / "tiny")
    st.cache_data.clear()  # AppTest takes all tests for one session
    return tmp_path / "models"


class Page:
    """The app on one page, as a person meets it."""

    def __init__(self, name: str) -> None:
        self.app = AppTest.from_file(APP, default_timeout=30).run()
        if name != "home":
            self.app.switch_page(f"pages/{name}.py").run()

    @property
    def words(self) -> str:
        """All text outside the sidebar's settings, without what only hides the signs of Markdown."""
        app = self.app
        kinds = (app.title, app.subheader, app.markdown, app.caption, app.info, app.warning, app.error)
        text = "\n".join(element.value for kind in kinds for element in kind)
        return re.sub(r"\\(.)", r"\1", text).replace("\u2060", "")

    def shown(self, key: str) -> dict[str, Any] | None:
        """What one of our own components was asked to show; None where it is not on the page."""
        found = [one for one in self.app.get("bidi_component") if one.key == key]
        return json.loads(found[0].proto.json) if found else None

    def upload(self, *files: tuple[str, bytes]) -> None:
        """Drop files, in place of those dropped before."""
        self.app.file_uploader[0].set_value([(name, content, "") for name, content in files]).run()
        assert not self.app.exception


@pytest.fixture
def open_page(models: Path) -> Callable[[str], Page]:
    """`open_page("photo")`: the app on that page."""
    return Page


@pytest.fixture(autouse=True)
def no_download_is_refreshed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A part of a page that refreshes itself has no download: each time it would make the file anew, and take that away
    which a click has just asked for."""
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
    """What a click on each download button would save, by file name; filled by each run."""
    files: dict[str, Any] = {}
    checked = st.download_button

    def record(label: str, data: Any, file_name: str, **rest: Any) -> bool:
        checked(label, data, file_name, **rest)
        data = data() if callable(data) else data
        if file_name.endswith(".csv"):
            assert data.startswith(BYTE_ORDER_MARK), "Excel takes its umlauts for other letters"
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
    """A PNG with a slope of gray."""
    return encode_png(np.repeat(np.linspace(0, 255, 200).astype(np.uint8)[None, :, None], 120, 0).repeat(3, 2))
