import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from emotion.cli.main import main
from emotion.expressions import FER2013_LABELS
from emotion.generation.images import encode_face_png
from emotion.generation.sampler import Sampler
from emotion.model_store.store import open_model
from emotion.training import manager
from emotion.translation import messages
from tests.generation.making import add_file, write_generator
from tests.generation.upscaling.making import write_upscaler

pytestmark = pytest.mark.slow

Open = Callable[..., Any]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the app looks for generators that were trained here."""
    monkeypatch.setattr(manager, "RUNS_FOLDER", tmp_path / "runs")
    monkeypatch.setenv("EMOTION_DATA", str(tmp_path / "nothing"))
    return tmp_path / "runs"


def with_story(card: dict[str, Any]) -> None:
    card |= {"sheet_epochs": [1, 5], "best_epoch": 5, "data": {"source": "faces.npz"}}


@pytest.fixture
def generator(models: Path, runs: Path) -> Path:
    """The generator that the app has, with a story of two kept sheets."""
    folder = write_generator(models / "waves", with_story)
    pair = np.vstack([np.full((7 * 48, 8 * 48), gray, np.uint8) for gray in (40, 200)])
    add_file(folder, "samples.webp", cv2.imencode(".webp", pair)[1].tobytes())
    rows = "".join(f"{i},{1 / i},{0.5},{8 / i},{0.1 * i},0.9\n" for i in range(1, 6))
    (folder / "history.csv").write_text("epoch,g_loss,d_loss,frechet,class_consistency,diversity\n" + rows)
    return folder


def interpolate(face: np.ndarray) -> np.ndarray:
    """Enlarge a face as the page does without an upscaler."""
    return cv2.resize(face, (192, 192), interpolation=cv2.INTER_CUBIC)


def research(page: Any) -> Any:
    """Go to the second view of the page."""
    page.app.button_group(key="gen_view").set_value("Research").run()
    assert not page.app.exception
    return page


def strip_of(page: Any, name: str) -> list[str]:
    return [item["caption"] for item in page.shown(f"gen_sheet_{name}")["thumbnails"]]


def test_page_without_generator_explains_how_to_train_one(open_page: Open, runs: Path) -> None:
    page = open_page("synthetic_faces")
    assert "There is no generator in models/ yet." in page.words
    assert "emotion generator train" in page.words
    assert not page.app.exception


def test_sheet_is_shown_on_the_first_visit(open_page: Open, generator: Path) -> None:
    page = open_page("synthetic_faces")
    assert not page.app.exception
    assert not page.app.error
    assert strip_of(page, "happy") == [str(seed) for seed in range(153, 161)]
    assert "Seed 153, happy" in page.words
    assert "Predicted: " in page.words


def test_equal_seeds_give_equal_bytes_everywhere(
    open_page: Open, generator: Path, saved: dict[str, Any], tmp_path: Path
) -> None:
    open_page("synthetic_faces")
    (face,) = Sampler(open_model(generator)).sample([153], "happy")
    wanted = encode_face_png(face)
    assert saved["happy-153.png"] == encode_face_png(interpolate(face))
    with zipfile.ZipFile(io.BytesIO(saved["faces.zip"])) as file:
        assert file.read("happy-153.png") == wanted
        record = json.loads(file.read("faces.json"))
    assert [face["seed"] for face in record["faces"]] == [*range(153, 161)]
    arguments = [
        "generator",
        "sample",
        "--model",
        str(generator),
        "--expression",
        "happy",
        "--seed",
        "153",
        "--count",
        "1",
    ]
    assert main([*arguments, "--out", str(tmp_path / "drawn")]) == 0
    assert (tmp_path / "drawn" / "happy-153.png").read_bytes() == wanted
    assert Image.open(io.BytesIO(saved["sheet.png"])).size == (8 * 96, 96 + 15)


def test_an_upscaler_enlarges_the_saved_face(
    open_page: Open, generator: Path, models: Path, saved: dict[str, Any]
) -> None:
    write_upscaler(models / "repeat")
    open_page("synthetic_faces")
    (face,) = Sampler(open_model(generator)).sample([153], "happy")
    assert saved["happy-153.png"] == encode_face_png(face.repeat(4, 0).repeat(4, 1))


def test_all_expressions_are_shown_in_rows(open_page: Open, generator: Path) -> None:
    page = open_page("synthetic_faces")
    page.app.button_group(key="gen_expression").set_value("all seven").run()
    assert not page.app.exception
    assert all(strip_of(page, name) == [str(seed) for seed in range(153, 161)] for name in FER2013_LABELS)


def test_invalid_seed_is_reported(open_page: Open, generator: Path) -> None:
    page = open_page("synthetic_faces")
    for text in ("", "-1", "7.5", "4294967296", "<b>x</b>", "٣"):
        page.app.text_input(key="gen_seed").set_value(text).run()
        assert f"The seed is '{text}'; expected a whole number from 0 to 4294967295" in page.words
        page.app.text_input(key="gen_seed").set_value("12").run()
        assert strip_of(page, "happy")[0] == "12"


def test_another_draws_a_random_seed(open_page: Open, generator: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotion.ui.synthetic.faces.random.randrange", lambda most: 4321)
    page = open_page("synthetic_faces")
    page.app.button(key="gen_seed_new").click().run()
    assert strip_of(page, "happy")[0] == "4321"


def test_sixty_four_faces_are_shown(open_page: Open, generator: Path) -> None:
    page = open_page("synthetic_faces")
    page.app.button_group(key="gen_count").set_value("64").run()
    assert strip_of(page, "happy") == [str(seed) for seed in range(153, 217)]


def test_each_variation_of_a_face_is_shown(open_page: Open, generator: Path, saved: dict[str, Any]) -> None:
    page = open_page("synthetic_faces")
    assert b"ftyp" in saved["morph-153.mp4"][:16]
    frames = Image.open(io.BytesIO(saved["morph-153.gif"])).n_frames
    assert frames == 2 * (6 * 6 + 1) - 2, "there and back"
    page.app.button_group(key="gen_way").set_value("To another person").run()
    page.app.text_input(key="gen_walk_seed").set_value("99").run()
    assert Image.open(io.BytesIO(saved["walk-153-99.gif"])).size == (192, 192)
    page.app.button_group(key="gen_way").set_value("Mix with another").run()
    page.app.slider(key="gen_share").set_value(100).run()
    mate = Sampler(open_model(generator)).sample([160], "happy")[0]
    assert saved["mix-153-160.png"] == encode_face_png(interpolate(mate)), "all of the second is the second"
    assert not page.app.exception


def test_the_slider_leads_from_one_expression_to_the_other(
    open_page: Open, generator: Path, saved: dict[str, Any]
) -> None:
    page = open_page("synthetic_faces")
    page.app.selectbox(key="gen_from_happy").set_value("sad")
    page.app.slider(key="gen_expression_share").set_value(40).run()
    (face,) = Sampler(open_model(generator)).blend(153, ("sad", "happy"), (0.4,)).faces
    assert saved["sad-happy-40-153.png"] == encode_face_png(interpolate(face))
    assert b"ftyp" in saved["sad-happy-153.mp4"][:16]


def test_a_favorite_is_shown_again_saved_and_removed(open_page: Open, generator: Path, saved: dict[str, Any]) -> None:
    page = open_page("synthetic_faces")
    page.app.button(key="gen_favorite").click().run()
    page.app.text_input(key="gen_seed").set_value("12").run()
    strip = page.shown("gen_favorites_strip")["thumbnails"]
    assert [item["caption"] for item in strip] == ["153\n● happy"]
    with zipfile.ZipFile(io.BytesIO(saved["favorites.zip"])) as file:
        assert file.namelist() == ["happy-153.png"]
    page.app.text_input(key="gen_seed").set_value("153").run()
    assert page.app.button(key="gen_favorite").label == "Remove favorite"
    page.app.button(key="gen_favorite").click().run()
    assert page.shown("gen_favorites_strip") is None


def test_choices_survive_a_look_at_the_research(open_page: Open, generator: Path) -> None:
    page = open_page("synthetic_faces")
    page.app.text_input(key="gen_seed").set_value("12").run()
    research(page)
    page.app.button_group(key="gen_view").set_value("Faces").run()
    assert strip_of(page, "happy")[0] == "12"


def test_training_history_shows_the_samples_of_the_epoch(open_page: Open, generator: Path) -> None:
    page = research(open_page("synthetic_faces"))
    assert "after epoch 5. Epoch 5 was kept." in page.words
    page.app.select_slider(key="gen_epoch").set_value(1).run()
    assert "after epoch 1. Epoch 5 was kept." in page.words


def test_generator_without_history_is_explained(open_page: Open, models: Path, runs: Path) -> None:
    write_generator(models / "waves")
    page = research(open_page("synthetic_faces"))
    assert "has no training history" in page.words
    assert "have not been measured yet" in page.words
    assert not page.app.exception


def test_one_of_several_generators_is_selected(open_page: Open, generator: Path, runs: Path) -> None:
    write_generator(runs / "mine")
    page = open_page("synthetic_faces")
    page.app.selectbox(key="gen_model").set_value("mine").run()
    research(page)
    assert "has no training history" in page.words


def test_damaged_generator_is_reported_and_the_other_used(open_page: Open, generator: Path, runs: Path) -> None:
    (write_generator(runs / "mine") / "model.onnx").write_bytes(b"broken")
    page = open_page("synthetic_faces")
    assert "mine" in page.words
    assert strip_of(page, "happy")
    assert not page.app.exception


def test_nearest_real_faces_are_shown_if_available(
    open_page: Open, generator: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker = Sampler(open_model(generator))
    faces = np.concatenate([maker.sample(range(153, 157), "happy"), 255 - maker.sample(range(20, 30), "sad")])
    np.savez(
        tmp_path / "faces.npz",
        images=faces,
        label=np.array([3] * 4 + [4] * 10, np.int8),
        usage=np.array([0] * 12 + [1, 2], np.int8),
    )
    monkeypatch.setenv("EMOTION_DATA", str(tmp_path / "faces.npz"))
    page = open_page("synthetic_faces", state={"gen_pick": (153, "happy")})
    research(page)
    assert "The nearest training faces" in page.words
    captions = [caption for image in page.app.image for caption in image.captions if caption]
    assert captions[:1] == ["● happy"], "the very same face is the nearest"


@pytest.mark.parametrize(
    ("is_guided", "classifier_name"), [(False, "another classifier"), (True, "the classifier that guided its training")]
)
def test_metrics_and_study_are_shown(
    open_page: Open, models: Path, runs: Path, is_guided: bool, classifier_name: str
) -> None:
    per_class = dict.fromkeys(FER2013_LABELS, 0.5)
    measured = {
        "class_consistency": 0.81,
        "real_class_consistency": 0.7,
        "class_consistency_per_class": per_class,
        "real_class_consistency_per_class": per_class,
        "diversity_per_class": per_class,
        "is_guidance_relative": is_guided,
    }
    folder = write_generator(models / "waves", lambda card: card.update(metrics={"evaluation": measured}))
    row = {"metric": "all faces", "mean": 0.5, "low": 0.4, "high": 0.6}
    rows = [{**row, "condition": condition} for condition in ("real", "both")]
    harm, unclear = {"mean": -0.2, "low": -0.3, "high": -0.1}, {"mean": 0.0, "low": -0.1, "high": 0.1}
    differences = {baseline: {"disgust": harm, "all faces": unclear} for baseline in ("augmented", "oversampled")}
    summary = {
        "rows": rows,
        "differences": differences,
        "config": {"num_seeds": 5, "epochs": 6, "target_class": "disgust"},
        "num_synthetic": 30,
        "num_drawn": 40,
        "filter_classifier": "_tiny_",
        "filter_is_guidance_relative": is_guided,
        "num_held_out": 70,
    }
    (folder / "augmentation_study.json").write_text(json.dumps(summary))
    page = research(open_page("synthetic_faces"))
    assert (page.app.metric[0].label, page.app.metric[0].value) == (
        f"Predicted as requested by {classifier_name}",
        "81%",
    )
    assert "synthetic faces harm, compared with real faces alone: -20.0 points (-30.0 to -10.0)." in page.words
    assert "5 small networks for each condition, 6 epochs each" in page.words
    assert ("guided the training of the generator" in page.words) is is_guided
    assert "gen_save_benefit" in {button.key for button in page.app.get("download_button")}


def test_group_photo_of_synthetic_people_is_analyzed(open_page: Open, generator: Path) -> None:
    page = open_page("photo")
    page.app.button(key="photo_group").click().run()
    assert not page.app.exception
    ((name, content),) = page.app.session_state["photo_files"]
    assert name == "synthetic-people.png"
    assert Image.open(io.BytesIO(content)).size == (1248, 624)


def test_group_photo_needs_a_generator(open_page: Open, runs: Path) -> None:
    assert "photo_group" not in {button.key for button in open_page("photo").app.button}


@pytest.mark.parametrize(("language", "title"), [("zh-TW", "合成人臉"), ("vi", "Khuôn mặt tổng hợp")])
def test_page_opens_in_each_language_with_the_same_choices(
    open_page: Open, generator: Path, monkeypatch: pytest.MonkeyPatch, language: str, title: str
) -> None:
    monkeypatch.setattr(messages, "get_language", lambda: language)  # also in the test's own thread
    page = open_page("synthetic_faces")
    assert not page.app.exception
    assert page.app.title[0].value == title
    for way in ("To another person", "Mix with another"):
        page.app.button_group(key="gen_way").set_value(way).run()
        assert not page.app.exception
