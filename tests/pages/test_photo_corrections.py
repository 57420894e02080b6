"""The right label of a face on the Photos page: kept, changed, taken back, and apart from other visitors."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emotion.datasets import catalog, metadata
from emotion.datasets.corrections import FolderCorrections
from emotion.ui.datasets import selection
from emotion.ui.visitors import identity

pytestmark = pytest.mark.slow

Open = Callable[..., Any]


@pytest.fixture
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of data sets."""
    folder = tmp_path / "data" / "sets"
    for module in (metadata, catalog, selection):
        monkeypatch.setattr(module, "DATASETS_FOLDER", folder)
    monkeypatch.delenv(catalog.DATA_ENV_VAR, raising=False)
    return folder


def choose(page: Any, label: str | None) -> None:
    (pills,) = [pills for pills in page.app.pills if pills.label == "Right label"]
    pills.set_value(label).run()
    assert not page.app.exception


def list_labels(folder: Path) -> list[str]:
    return [path.parent.name for path in folder.glob("corrections/train/*/*.png")]


def test_right_label_is_kept_changed_and_taken_back(open_page: Open, sets: Path) -> None:
    page = open_page("photo")
    page.app.button(key="photo_sample").click().run()
    assert not sets.exists()
    choose(page, "fear")
    assert list_labels(sets) == ["fear"]
    assert "Right label: ▼ fear" in page.words
    assert "1 correction in Data" in page.links
    choose(page, "sad")
    assert list_labels(sets) == ["sad"]
    choose(page, None)
    assert list_labels(sets) == []
    assert "Right label: " not in page.words


def test_right_label_is_there_again_in_another_session(open_page: Open, sets: Path) -> None:
    page = open_page("photo")
    page.app.button(key="photo_sample").click().run()
    choose(page, "sad")
    other = open_page("photo")
    other.app.button(key="photo_sample").click().run()
    assert "Right label: ■ sad" in other.words


def test_data_page_shows_the_corrections(open_page: Open, sets: Path) -> None:
    page = open_page("photo")
    page.app.button(key="photo_sample").click().run()
    choose(page, "sad")
    data = open_page("data", dataset="corrections")
    assert not data.app.exception
    assert not data.app.error
    assert "1 face" in data.words
    assert data.app.button(key="data_train")
    for view in data.app.segmented_control(key="data_view").options:
        data.app.segmented_control(key="data_view").set_value(view).run()
        assert not data.app.exception, view
        assert not data.app.error, view
    data.app.button(key="data_delete").click().run()
    assert list(sets.iterdir()) == []


def test_blurred_faces_get_no_label(open_page: Open, sets: Path) -> None:
    page = open_page("photo")
    page.app.button(key="photo_sample").click().run()
    page.app.toggle(key="side_anonymize").set_value(True).run()
    assert [pills for pills in page.app.pills if pills.label == "Right label"] == []


def test_folder_of_a_person_is_left_alone(open_page: Open, sets: Path) -> None:
    own = sets / "corrections" / "sad" / "mine.png"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"x")
    page = open_page("photo")
    page.app.button(key="photo_sample").click().run()
    choose(page, "sad")
    assert "holds files that are no data set of this program" in page.words
    assert own.read_bytes() == b"x"
    assert list_labels(sets) == []


def test_labels_of_visitors_are_in_no_file(
    open_page: Open, sets: Path, saved: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOTION_PUBLIC", "1")
    monkeypatch.setattr(identity, "get_id", identity.make_id)
    page = open_page("photo")
    page.app.button(key="photo_sample").click().run()
    choose(page, "sad")
    assert not sets.exists()
    with zipfile.ZipFile(io.BytesIO(saved["corrections.zip"])) as archive:
        (name,) = archive.namelist()
    assert name.startswith("sad/")
    saved.clear()
    other = open_page("photo")
    other.app.button(key="photo_sample").click().run()
    assert "corrections.zip" not in saved, "another visitor sees none of it"
    assert FolderCorrections().count_faces() == 0
