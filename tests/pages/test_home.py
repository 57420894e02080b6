import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emotion.recognition.detectors import detector_factory
from emotion.recognition.detectors.opencv_detectors import HaarCascade
from emotion.ui.visitors import identity
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

Open = Callable[[str], Any]


def test_home_explains_pages_and_labels(open_page: Open) -> None:
    home = open_page("home")
    assert [title.value for title in home.app.title] == ["Emotion Studio"]
    for words in (
        "Everything stays on this machine",
        "not what a person feels",
        "do not use them for decisions",
        "called unsure",
    ):
        assert words in home.words
    assert not home.app.error


def test_home_shows_the_analyzed_sample(open_page: Open) -> None:
    shown_image = open_page("home").shown("home_picture")
    assert len(shown_image["faces"]) == 1
    assert shown_image["src"].startswith("data:image/jpeg;base64,")
    assert "astronaut" in shown_image["alt"]


FIRST_VISIT = """
import sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_file("app.py", default_timeout=60).run()
print([title.value for title in app.title], {"altair", "pandas", "tensorflow"} & set(sys.modules))
"""


def test_first_page_imports_no_chart_or_table_library() -> None:
    done = subprocess.run([sys.executable, "-c", FIRST_VISIT], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['Emotion Studio'] set()"


def test_camera_button_opens_the_live_page(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotion.ui.live.stream.show_camera", lambda *_, **__: None)  # a test has no WebRTC
    home = open_page("home")
    home.app.button(key="home_camera").click().run()
    assert home.app.title[0].value == "Live"
    assert home.app.session_state["live_autostart"]
    assert not home.app.error


def test_photo_dropped_on_home_is_analyzed_on_the_photos_page(open_page: Open, sample_file: Path) -> None:
    home = open_page("home")
    home.upload(("a.png", sample_file.read_bytes()))
    assert home.app.title[0].value == "Photos"
    assert len(home.shown("photo_picture")["faces"]) == 1
    home.app.switch_page("pages/home.py").run()
    assert home.app.title[0].value == "Emotion Studio", "a drop opens the Photos page once"


def test_home_has_a_card_for_each_page(open_page: Open) -> None:
    assert len(open_page("home").links) == 5


def test_public_home_has_no_training_card(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTION_PUBLIC", "1")
    monkeypatch.setattr(identity, "get_id", lambda: "")  # a test has no cookies
    assert len(open_page("home").links) == 4


def test_home_names_detector_and_label_set(open_page: Open) -> None:
    home = open_page("home")
    assert "8 expressions (FER+)" in home.words
    assert "detector Haar" in home.words
    home.app.selectbox(key="side_head_tiny").select_index(1).run()
    assert "7 expressions (FER-2013)" in home.words


def test_home_shows_the_accuracy_of_the_selected_head(models: Path, open_page: Open) -> None:
    card = json.loads((models / "tiny" / "card.json").read_text())
    card["metrics"] = {"test": {"ferplus": {"accuracy": 0.866}, "fer2013": {"accuracy": 0.711}}}
    (models / "tiny" / "card.json").write_text(json.dumps(card))
    home = open_page("home")
    assert "87% accuracy on test faces" in home.words
    home.app.selectbox(key="side_head_tiny").select_index(1).run()
    assert "71% accuracy on test faces" in home.words


def test_home_reports_unusable_models(models: Path, open_page: Open) -> None:
    (models / "broken").mkdir()
    (models / "broken" / "card.json").write_text("{")
    home = open_page("home")
    assert "not readable JSON" in home.app.warning[0].value.replace("\\", "")
    assert home.shown("home_picture")
    assert not home.app.error


def test_without_a_classifier(models: Path, open_page: Open) -> None:
    (models / "tiny" / "model.onnx").write_bytes(b"changed")
    home = open_page("home")
    assert "sha256 differs" in home.words
    assert not home.app.error
    assert home.shown("home_picture") is None
    assert len(home.app.image) == 6, "the sample as it is, and five cards"


def test_sidebar_offers_two_classifiers(models: Path, make_bundle: Callable[..., Path], open_page: Open) -> None:
    make_bundle(models / "other", lambda card: card.update(default=True))
    home = open_page("home")
    assert home.app.selectbox(key="side_classifier").options == ["other", "tiny"]


def test_failed_yunet_download_is_reported(open_page: Open, user_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detector_factory, "YUNET_URL", "http://127.0.0.1:9/none")
    home = open_page("home")
    home.app.button(key="side_download_yunet").click().run()
    assert "could not be fetched" in home.words
    assert f"use another detector: {', '.join(detector_factory.available_detectors())}." in home.words
    assert home.app.title[0].value == "Emotion Studio"


def test_downloaded_yunet_is_selected(open_page: Open, user_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = ["haar"]
    monkeypatch.setattr(detector_factory, "available_detectors", lambda: tuple(here))
    monkeypatch.setattr(detector_factory, "download_yunet", lambda: here.insert(0, "yunet"))
    monkeypatch.setattr(detector_factory, "make_detector", lambda name: HaarCascade())
    home = open_page("home")
    assert [box.value for box in home.app.selectbox if box.label == "Face detector"] == ["haar"]
    home.app.button(key="side_download_yunet").click().run()
    assert [box.value for box in home.app.selectbox if box.label == "Face detector"] == ["yunet"]
    assert "side_download_yunet" not in {button.key for button in home.app.button}


def test_disabled_yunet_is_not_offered(open_page: Open) -> None:
    assert "side_download_yunet" not in {button.key for button in open_page("home").app.button}


def test_wrong_yunet_path_is_reported(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTION_YUNET", "/no/such/file.onnx")
    home = open_page("home")
    assert "is no file" in home.words
    assert home.shown("home_picture")


def test_unexpected_error_is_logged_and_shown_politely(
    open_page: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(name: str) -> str:
        raise RuntimeError("secret")

    monkeypatch.setattr(detector_factory, "detector_description", fail)
    home = open_page("home")
    assert "Something went wrong" in home.words
    assert "secret" not in home.words
    assert not home.app.exception
    assert "secret" in caplog.text
