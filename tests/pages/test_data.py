"""The Data page: what it shows of data sets, and how one is made of photos."""

from __future__ import annotations

import base64
import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from emotion.cli.main import main
from emotion.datasets import catalog
from emotion.datasets.building import jobs as build_jobs
from emotion.datasets.building.builder import build_dataset
from emotion.datasets.building.config import DatasetBuildConfig
from emotion.datasets.readers.loaders import load_dataset
from emotion.expressions import FER2013_LABELS
from emotion.jobs import job as jobs
from emotion.jobs.job import Job
from emotion.jobs.reporter import JobReporter, job_context
from emotion.media.image_reader import encode_png, read_image
from emotion.recognition.classification import ExpressionClassifier
from emotion.ui.datasets import build_form, selection
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

Open = Callable[[str], Any]
HOSTILE_NAME = ":smile: **b** <img src=x onerror=alert(1)> $x$.png"


@pytest.fixture(autouse=True)
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data/sets/ of this test only."""
    folder = tmp_path / "data" / "sets"
    folder.mkdir(parents=True)
    for module in (catalog, build_jobs, selection, build_form):
        monkeypatch.setattr(module, "DATASETS_FOLDER", folder)
    monkeypatch.delenv(catalog.DATA_ENV_VAR, raising=False)
    st.cache_resource.clear()
    return folder


def faces(count: int, seed: int = 0) -> np.ndarray:
    """Different faces of noise, uint8 (count, 48, 48)."""
    return np.random.default_rng(seed).integers(0, 256, (count, 48, 48)).astype(np.uint8)


def photos(folder: Path, labels: dict[str, int]) -> Path:
    """A folder for each label with cut faces in it, one photo that is none, and one that is there twice."""
    for place, (label, count) in enumerate(labels.items()):
        (folder / label).mkdir(parents=True)
        for number, face in enumerate(faces(count, place)):
            (folder / label / f"{number:02d}.png").write_bytes(encode_png(face[..., None].repeat(3, 2)))
    first = next(iter(labels))
    (folder / first / HOSTILE_NAME).write_bytes(b"no photo")
    (folder / first / "again.png").write_bytes((folder / first / "00.png").read_bytes())
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set as the page builds it; not to be changed."""
    folder = tmp_path_factory.mktemp("built")
    source = photos(folder / "photos", {"happy": 20, "Grin": 10})
    work = folder / ".mine.building"
    work.mkdir()
    assert build_dataset(source, folder / "mine", DatasetBuildConfig(pre_cropped=True), work, JobReporter(work))
    return folder / "mine"


@pytest.fixture
def mine(built: Path, sets: Path) -> Path:
    """A data set that was made here."""
    return shutil.copytree(built, sets / "mine")


def fer(path: Path) -> Path:
    """FER-2013 in small, with votes, a blank picture, and one photo in two splits."""
    images = faces(70)
    images[3] = 0
    images[60] = images[10]
    labels = np.arange(70) % 7
    votes = np.zeros((70, 10), np.int8)
    votes[np.arange(70), np.array([4, 5, 6, 1, 3, 2, 0])[labels]] = 10  # as FER+ orders them
    votes[0] = [10, 0, 0, 0, 0, 0, 0, 0, 0, 0]  # angry, and neutral to FER+
    np.savez(
        path,
        images=images,
        label=labels,
        usage=np.repeat([0, 1, 2], [50, 10, 10]),
        ferplus=votes,
        ferplus_named=np.ones(70, bool),
    )
    return path


def look(page: Any, name: str, view: str | None = None) -> None:
    """Open a data set, and one of its views."""
    page.app.button(key=f"data_look_{name}").click().run()
    if view:
        page.app.button_group(key="data_view").set_value(view).run()
    assert not page.app.exception
    assert not page.app.error


def images_of(page: Any) -> list[Any]:
    return list(page.app.get("imgs") or page.app.image)


def charts(page: Any) -> int:
    return len(page.app.get("vega_lite_chart") or page.app.get("arrow_vega_lite_chart"))


# ------------------------------------------------------------------ the list


def test_data_page_without_data_sets_shows_the_steps(open_page: Open) -> None:
    page = open_page("data")
    assert not page.app.exception
    assert "FER-2013" in page.words
    assert len(images_of(page)) == 4
    assert page.app.button(key="data_start").disabled


def test_each_data_set_has_a_card(mine: Path, sets: Path, open_page: Open) -> None:
    fer(sets.parent / "fer.npz")
    (sets.parent / "broken.npz").write_bytes(b"x")
    page = open_page("data")
    assert not page.app.error
    assert "70 faces · 7 labels · with FER+ votes" in page.words
    assert "Training / validation / test: 50 / 10 / 10" in page.words
    assert "30 faces · 2 labels" in page.words
    assert "broken.npz is not a readable .npz file" in page.words
    assert "FER-2013 is what most" not in page.words


def test_unknown_data_set_in_the_url_shows_a_message(open_page: Open) -> None:
    page = open_page("data")
    for name in ("nowhere", "../../etc"):
        page.app.query_params["dataset"] = name
        page.app.run()
        assert "may have been deleted" in page.words
        assert not page.app.error


# ------------------------------------------------------------------ one data set


def test_counts_view_shows_faces_by_label_and_split(mine: Path, open_page: Open, saved: dict[str, Any]) -> None:
    page = open_page("data")
    look(page, "mine")
    assert charts(page) == 1
    assert read_image(saved["mine-counts.png"]).std() > 10
    assert saved["mine-counts.csv"] == "label,train,validation,test,all\nhappy,16,2,2,20\ngrin,8,1,1,10\n"
    page.app.button(key="data_back").click().run()
    assert page.app.button(key="data_look_mine")


def test_train_on_it_opens_the_training_page(mine: Path, open_page: Open) -> None:
    page = open_page("data")
    look(page, "mine")
    page.app.button(key="data_train").click().run()
    assert not page.app.exception
    assert page.app.title[0].value == "Training"
    assert str(mine) in [box.value for box in page.app.selectbox]


def test_label_without_faces_is_reported(sets: Path, open_page: Open) -> None:
    np.savez(sets.parent / "few.npz", images=faces(3), label=np.zeros(3, int), usage=np.zeros(3, int))
    page = open_page("data")
    look(page, "few")
    assert "Without a face: angry (validation), angry (test), disgust (train)" in page.words


def test_faces_view_filters_by_label_and_split(mine: Path, open_page: Open, saved: dict[str, Any]) -> None:
    page = open_page("data")
    look(page, "mine", "Faces")
    assert read_image(saved["mine-faces.png"]).shape == (3 * 96, 12 * 96, 3)
    page.app.selectbox(key="data_faces_label").set_value("grin").run()
    page.app.selectbox(key="data_faces_split").set_value("test").run()
    (row,) = saved["mine-faces.csv"].splitlines()[1:]
    number = int(row.split(",")[0])
    assert row == f"{number},grin,test"
    sheet = read_image(saved["mine-faces.png"])
    np.testing.assert_array_equal(sheet[::2, ::2, 0], load_dataset(mine).images[number])
    page.app.selectbox(key="data_faces_label").set_value("All").run()
    page.app.selectbox(key="data_faces_split").set_value("All").run()
    first = saved["mine-faces.png"]
    page.app.button(key="data_faces_seed_up").click().run()
    assert len(saved["mine-faces.csv"].splitlines()) == 31
    assert saved["mine-faces.png"] == first  # all of them are shown, in the order of their rows


def test_faces_view_is_anonymized_with_blur(mine: Path, open_page: Open, saved: dict[str, Any]) -> None:
    page = open_page("data")
    look(page, "mine", "Faces")
    plain = saved["mine-faces.png"]
    page.app.toggle[0].set_value(True).run()
    hidden = read_image(saved["mine-faces.png"])
    assert saved["mine-faces.png"] != plain
    assert np.unique(hidden[:96, :96, 0]).size <= 36 < np.unique(read_image(plain)[:96, :96, 0]).size


def test_augmentation_view_uses_the_training_augmentation(mine: Path, open_page: Open, saved: dict[str, Any]) -> None:
    page = open_page("data")
    look(page, "mine", "Augmentation")
    for slider in page.app.slider:
        if str(slider.key).startswith("data_change_"):
            slider.set_value((1.0, 1.0) if slider.key == "data_change_scale" else 0.0)
    page.app.toggle(key="data_changes_flip").set_value(False).run()
    sheet = read_image(saved["mine-changes.png"])[::3, ::3, 0]
    row = sheet[:48]
    for column in range(8):  # nothing is changed
        np.testing.assert_allclose(row[:, column * 48 : (column + 1) * 48].astype(int), row[:, :48], atol=1)
    page.app.slider(key="data_change_brightness").set_value(80.0).run()
    assert saved["mine-changes.png"] != encode_png(read_image(saved["mine-changes.png"])[::-1])
    bright = read_image(saved["mine-changes.png"])[::3, ::3, 0]
    np.testing.assert_array_equal(bright[:, :48], sheet[:, :48])  # the first column stays
    assert (bright[:, 48:] != sheet[:, 48:]).any()


def test_duplicates_across_splits_are_shown_first(sets: Path, open_page: Open, saved: dict[str, Any]) -> None:
    fer(sets.parent / "fer.npz")
    page = open_page("data")
    look(page, "fer", "Duplicates")
    assert [metric.value for metric in page.app.metric] == ["2", "2", "2", "1"]
    assert "train · ▲ happy · row 10".replace("▲", "●") in page.words
    assert "test · ■ sad · row 60" in page.words
    assert saved["fer-duplicates.csv"].splitlines()[1:] == [
        "1,10,happy,train,True,True",
        "1,60,sad,test,True,True",
    ]


def test_data_set_without_duplicates_is_reported(mine: Path, open_page: Open) -> None:
    page = open_page("data")
    look(page, "mine", "Duplicates")
    assert page.app.success[0].value == "No duplicates."


def test_agreement_view_compares_fer2013_and_ferplus(sets: Path, open_page: Open, saved: dict[str, Any]) -> None:
    fer(sets.parent / "fer.npz")
    page = open_page("data")
    look(page, "fer", "Label agreement")
    assert "Of 70 faces, 70 have a FER+ label" in page.words
    assert "99% of these have the same label" in page.words
    assert charts(page) == 1
    lines = saved["fer-agreement.csv"].splitlines()
    assert lines[0] == "label,majority,count,share"
    assert "angry,neutral,1,0.1000" in lines
    assert len(lines) == 1 + 7 * 9
    sheet = read_image(saved["fer-angry-neutral.png"])  # the largest disagreement is chosen
    np.testing.assert_array_equal(sheet[::2, ::2, 0], faces(70)[0])
    page.app.selectbox(key="data_agreement_majority").set_value(8).run()
    assert "No face has these two labels" in page.words


def test_agreement_view_without_votes_explains_ferplus(mine: Path, open_page: Open) -> None:
    page = open_page("data")
    look(page, "mine", "Label agreement")
    assert "has no FER+ votes" in page.words


def test_blank_view_lists_blank_images(sets: Path, mine: Path, open_page: Open, saved: dict[str, Any]) -> None:
    fer(sets.parent / "fer.npz")
    page = open_page("data")
    look(page, "fer", "Empty images")
    assert "1 of 70 images are of a single gray" in page.words
    assert saved["fer-blank.csv"] == f"row,label,split\n3,{FER2013_LABELS[3]},train\n"
    page.app.button(key="data_back").click().run()
    look(page, "mine", "Empty images")
    assert page.app.success[0].value == "No image is blank."


def test_rejected_view_shows_reasons_and_thumbnails(mine: Path, open_page: Open, saved: dict[str, Any]) -> None:
    page = open_page("data")
    look(page, "mine", "Skipped")
    assert "2 of 32 photos skipped" in page.words
    assert f"unreadable · happy/{HOSTILE_NAME}" in page.words.replace("**unreadable**", "unreadable")
    assert len(images_of(page)) == 1
    page.app.button_group(key="data_left_out").set_value("duplicate").run()
    assert HOSTILE_NAME not in page.words
    assert len(saved["mine-rejected.csv"].splitlines()) == 3


def test_edited_rejected_list_shows_no_other_file(mine: Path, open_page: Open) -> None:
    page = open_page("data")
    look(page, "mine", "Skipped")
    assert images_of(page)
    for thumbnail in ("../../../../../etc/passwd", "dataset.json", "rejected", "/etc/passwd"):
        name = f"with {thumbnail}"
        rows = f"name,label,reason,message,thumbnail\n{name},b,no face,Why.,{thumbnail}\n"
        (mine / "rejected.csv").write_text(rows)
        page.app.run()
        assert not page.app.exception, thumbnail
        assert not page.app.error, thumbnail
        assert name in page.words
        assert not images_of(page), thumbnail


def test_missing_or_damaged_data_set_is_reported(sets: Path, mine: Path, open_page: Open) -> None:
    page = open_page("data")
    look(page, "mine")
    (mine / "dataset.json").write_text("{")
    for file in mine.glob("*/*/*.png"):
        file.write_bytes(b"")
    page.app.run()
    assert not page.app.exception
    shutil.rmtree(mine)
    page.app.run()
    assert "may have been deleted" in page.words


def test_data_set_is_deleted_after_confirmation(sets: Path, mine: Path, open_page: Open) -> None:
    fer(sets.parent / "fer.npz")
    page = open_page("data")
    look(page, "fer")
    assert [button.key for button in page.app.button if button.key == "data_delete"] == []
    page.app.button(key="data_back").click().run()
    look(page, "mine")
    page.app.button(key="data_delete").click().run()
    assert not page.app.error
    assert list(sets.iterdir()) == []
    assert "70 faces" in page.words


# ------------------------------------------------------------------ making one


def ended(sets: Path, name: str) -> Job:
    job = Job(sets / f".{name}.building")
    wait_until(lambda: not job.read_state().is_running, 60)
    return job


def test_face_is_relabeled_and_removed_by_a_click(mine: Path, open_page: Open) -> None:
    page = open_page("data")
    look(page, "mine", "Edit")
    first, second = (path.relative_to(mine).as_posix() for path in sorted((mine / "train" / "happy").glob("*.png"))[:2])
    page.app.session_state["data_edit_face"] = first
    page.app.run()
    page.app.selectbox(key=f"data_edit_new_{first}").set_value("sad").run()
    page.app.button(key="data_edit_relabel").click().run()
    assert not page.app.exception
    assert load_dataset(mine).label_names == ("happy", "sad", "grin")
    page.app.session_state["data_edit_face"] = second
    page.app.run()
    page.app.button(key="data_edit_remove").click().run()
    assert len(load_dataset(mine)) == 29
    assert not page.app.error


def test_faces_with_a_doubtful_label_come_first(
    mine: Path, open_page: Open, tiny_classifier: ExpressionClassifier
) -> None:
    page = open_page("data")
    look(page, "mine", "Edit")
    page.app.toggle(key="data_edit_by_doubt").set_value(True).run()
    assert not page.app.exception
    files = sorted(mine.glob("*/happy/*.png"))
    crops = np.stack([read_image(path)[..., 0] for path in files])
    probs = [prediction.scores["happy"] for prediction in tiny_classifier.predict(crops)]
    shown = [thumbnail["image"] for thumbnail in page.shown("data_edit_faces")["thumbnails"]]
    page.app.toggle(key="data_edit_by_doubt").set_value(False).run()
    plain = [thumbnail["image"] for thumbnail in page.shown("data_edit_faces")["thumbnails"]]
    assert shown == [plain[index] for index in np.argsort(probs, kind="stable")]


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands of the builds that pages start; a test runs them in its own process."""
    started: list[list[str]] = []
    monkeypatch.setattr(jobs, "start_job", lambda words, folder: started.append(words) or Job(folder))
    return started


def fill(page: Any, name: str) -> None:
    page.app.toggle(key="data_pre_cropped").set_value(True)
    next(one for one in page.app.text_input if str(one.key).startswith("data_name_")).set_value(name)
    page.app.run()
    page.app.button(key="data_start").click().run()


def test_all_data_sets_that_are_ready_are_reported(tmp_path: Path, sets: Path, open_page: Open) -> None:
    page = open_page("data")
    page.app.text_input(key="data_path").set_value(str(photos(tmp_path / "photos", {"happy": 12, "Grin": 3}))).run()
    fill(page, "first")
    shutil.copytree(ended(sets, "first").folder, ended(sets, "second").folder, dirs_exist_ok=True)
    page.app.run()
    assert not page.app.error
    assert len(page.app.success) == 2


def test_folder_starts_a_build_job(tmp_path: Path, sets: Path, open_page: Open) -> None:
    page = open_page("data")
    page.app.text_input(key="data_path").set_value(str(photos(tmp_path / "photos", {"happy": 12, "Grin": 3}))).run()
    fill(page, "first")
    assert not page.app.error
    assert ended(sets, "first").read_state().status == "done"
    page.app.run()
    assert "The data set **first** is ready." in page.app.success[0].value
    assert list(sets.glob(".*")) == []
    [button] = [button for button in page.app.button if str(button.key).startswith("data_open_")]
    button.click().run()
    assert charts(page) == 1
    assert load_dataset(sets / "first").label_names == ("happy", "grin")


def uploaded(files: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def test_zip_becomes_a_data_set(sets: Path, open_page: Open, commands: list[list[str]]) -> None:
    page = open_page("data")
    page.app.button_group(key="data_place").set_value("A ZIP").run()
    images = [encode_png(face[..., None].repeat(3, 2)) for face in faces(4)]
    page.upload(("p.zip", uploaded({f"happy/{i}.png": image for i, image in enumerate(images)})))
    fill(page, "zipped")
    assert main(*commands) == 0
    job = Job(sets / ".zipped.building")
    assert job.read_state().status == "done"
    assert not (job.folder / "photos.zip").exists()
    assert len(load_dataset(sets / "zipped")) == 4


def test_photos_are_collected_label_by_label(sets: Path, open_page: Open, commands: list[list[str]]) -> None:
    page = open_page("data")
    page.app.button_group(key="data_place").set_value("Photos").run()
    images = [encode_png(face[..., None].repeat(3, 2)) for face in faces(5)]
    page.app.text_input(key="data_label").set_value("huge").run()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build_form, "_MAX_UPLOAD_BYTES", 10)
        page.upload(("a.png", images[0]))
        assert "give the rest as a folder or a ZIP" in page.words
    page.upload()
    for label, some in (("Happiness", images[:3]), ("Wide grin", images[3:])):
        page.app.text_input(key="data_label").set_value(label).run()
        page.upload(*((f"../{i}.png", image) for i, image in enumerate(some)))
    assert "happy 3" in page.words
    assert "wide grin 2" in page.words
    fill(page, "some")
    assert main(*commands) == 0
    assert load_dataset(sets / "some").label_names == ("happy", "wide grin")
    assert len(load_dataset(sets / "some")) == 5


def frames(label: str, *images: bytes) -> dict[str, Any]:
    """What the browser sends while the button of a label is held."""
    urls = [f"data:image/jpeg;base64,{base64.b64encode(image).decode()}" for image in images]
    return {"label": label, "images": urls}


def test_faces_from_the_camera_become_a_data_set(
    sets: Path, open_page: Open, commands: list[list[str]], sample_file: Path, no_face: bytes
) -> None:
    page = open_page("data")
    page.app.button_group(key="data_place").set_value("Camera").run()
    assert page.app.button(key="data_start").disabled
    photo = sample_file.read_bytes()
    page.app.session_state["data_frames"] = [frames("happy", photo, no_face), frames("never offered", photo)]
    page.app.run()
    assert "1 frame has no clear face." in page.words
    assert "**1 face.**" in page.words
    assert [button["count"] for button in page.shown("data_capture")["labels"]] == [1, 0, 0]
    next(one for one in page.app.text_input if str(one.key).startswith("data_name_")).set_value("me").run()
    page.app.button(key="data_start").click().run()
    assert not page.app.exception
    assert main(*commands) == 0
    assert load_dataset(sets / "me").label_names == ("happy",)


def test_camera_ignores_what_is_no_frame(open_page: Open) -> None:
    page = open_page("data")
    page.app.button_group(key="data_place").set_value("Camera").run()
    messages: list[Any] = [5, {}, {"label": "happy", "images": 3}, {"label": "happy", "images": ["x", None]}]
    for message in messages:
        page.app.session_state["data_frames"] = [message] if isinstance(message, dict) else []
        page.app.run()
        assert not page.app.exception, message
        assert not page.app.error, message
        assert page.app.button(key="data_start").disabled, message


def test_photos_are_added_to_an_existing_data_set(
    tmp_path: Path, sets: Path, mine: Path, open_page: Open, commands: list[list[str]]
) -> None:
    (tmp_path / "more" / "happy").mkdir(parents=True)
    for number, face in enumerate(faces(5, seed=9)):
        (tmp_path / "more" / "happy" / f"new-{number}.png").write_bytes(encode_png(face[..., None].repeat(3, 2)))
    before = len(load_dataset(mine))
    page = open_page("data")
    page.app.text_input(key="data_path").set_value(str(tmp_path / "more")).run()
    page.app.selectbox(key="data_existing").set_value("mine").run()
    page.app.toggle(key="data_pre_cropped").set_value(True).run()
    page.app.button(key="data_start").click().run()
    assert not page.app.exception
    assert main(*commands) == 0
    assert len(load_dataset(mine)) == before + 5


INVALID_FORMS = [
    ("../evil", ".", "80/10/10", "cannot be the name"),
    ("mine", "/nowhere/at/all", "80/10/10", "There is no /nowhere/at/all"),
    ("mine", "~nobody-here/photos", "80/10/10", "There is no ~nobody-here/photos"),
    ("mine", ".", "80/20", "expected training/validation/test"),
    ("", ".", "80/10/10", "cannot be the name"),
]


def test_invalid_build_form_cannot_be_started(sets: Path, open_page: Open) -> None:
    page = open_page("data")
    for case in INVALID_FORMS:
        name, path, split, message = case
        page.app.text_input(key="data_path").set_value(path).run()
        page.app.text_input(key="data_split").set_value(split).run()
        if not page.app.button(key="data_start").disabled:
            assert message not in page.words, case
            fill(page, name)
        assert message in page.words, case
        assert not page.app.exception, case
        assert list(sets.iterdir()) == [], case


def test_failed_build_job_can_be_restarted_or_removed(tmp_path: Path, sets: Path, open_page: Open) -> None:
    (tmp_path / "photos" / "happy").mkdir(parents=True)
    page = open_page("data")
    page.app.text_input(key="data_path").set_value(str(tmp_path / "photos")).run()
    fill(page, "late")
    assert ended(sets, "late").read_state().status == "failed"
    page.app.run()
    assert "late could not be built. No photo is in photos" in page.app.warning[0].value.replace("\\", "")
    photos(tmp_path / "again", {"happy": 3})
    (tmp_path / "photos" / "happy").rmdir()
    (tmp_path / "photos").rmdir()
    (tmp_path / "again").rename(tmp_path / "photos")
    page.app.button(key="data_again_.late.building").click().run()
    assert ended(sets, "late").read_state().status == "done"
    page.app.run()
    assert (sets / "late").is_dir()


def test_damaged_build_job_can_be_removed(sets: Path, open_page: Open) -> None:
    folder = sets / ".dead.building"
    folder.mkdir()
    with pytest.raises(RuntimeError), job_context(folder):
        raise RuntimeError
    page = open_page("data")
    assert "dead" in page.app.warning[0].value
    page.app.button(key="data_again_.dead.building").click().run()
    assert "request.json is missing" in page.words
    page.app.button(key="data_clear_.dead.building").click().run()
    assert not folder.exists()
    assert not page.app.warning


def test_data_page_runs_without_the_entrance(models: Path) -> None:
    app = AppTest.from_file(Path(__file__).resolve().parents[2] / "pages" / "data.py", default_timeout=30).run()
    assert not app.exception
