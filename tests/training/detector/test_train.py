"""Training of a detector, from annotated photos to a model of the app, with a network that finds bright squares."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotion.cli.main import main
from emotion.datasets.readers.detection_dataset import AnnotatedImage
from emotion.errors import DataError, EmotionError, ModelError
from emotion.model_store import store
from emotion.model_store.card import CARD_FILE
from emotion.model_store.store import open_model
from emotion.recognition.cropping import CropGeometry
from emotion.recognition.detectors import detector_factory
from emotion.recognition.detectors.onnx_detector import OnnxFaceDetector
from emotion.storage import read_json
from emotion.training.detector import calibration, evaluation
from emotion.training.detector import train as detector_train
from emotion.training.detector.train import save_measurements
from emotion.training.runs.run_context import RunContext
from tests.training.making import annotated_photo, write_annotated

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning"),  # tf2onnx's
]
SIDE = 24  # of every face


def square_photo(name: str, seed: int) -> AnnotatedImage:
    """A dark photo with one bright face, and in every other one a bright thing of another shape."""
    rng = np.random.default_rng(seed)
    photo = annotated_photo(name, faces=1, seed=seed, size_wh=(128, 96))
    pixels = rng.integers(0, 60, photo.image.shape).astype(np.uint8)
    x, y = (16 + 8 * rng.integers(0, n) for n in (8, 5))  # the average at an edge would be brighter
    pixels[y : y + SIDE, x : x + SIDE] = 230
    if seed % 2:
        pixels[8:16, 112:120] = 200
    box = np.array([[x, y, x + SIDE, y + SIDE]], np.float32)
    return AnnotatedImage(photo.name, photo.source, True, pixels, box, photo.landmarks, photo.ignore_boxes)


def bright_square_network() -> Any:
    """Return a network with the outputs of a detector: every cell scores its brightness and gives a box of `SIDE`."""
    import keras
    from keras import layers

    photos = keras.Input((None, None, 3), name="photos")
    weights, bias = np.zeros((3, 15), np.float32), np.zeros(15, np.float32)
    weights[:, 0], bias[0] = 0.06 / 3, -7.0
    bias[3:5] = np.log(SIDE / 8)
    grids = []
    for stride in (8, 16, 32):
        around = layers.AveragePooling2D(24, 1, padding="same")(photos)  # brightest in the middle of a face
        x = layers.AveragePooling2D(stride)(around)
        dense = layers.Dense(15)
        grids.append(layers.Reshape((-1, 15))(dense(x)))
        dense.set_weights([weights, bias - (0 if stride == 8 else 20) * (np.arange(15) == 0)])
    return keras.Model(photos, layers.Concatenate(axis=1)(grids), name="bright")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with train/ and eval/ and their JSON; some photos show no face."""
    folder = tmp_path_factory.mktemp("photos")
    photos = [square_photo(f"{i}.png", i) for i in range(160)]
    write_annotated(folder, "train", [*photos, *(annotated_photo(f"e{i}.png", faces=0, seed=i) for i in range(40))])
    write_annotated(folder, "eval", [square_photo(f"v{i}.png", 500 + i) for i in range(12)])
    return folder


@pytest.fixture(scope="module")
def train(data: Path) -> Iterator[Callable[..., int]]:
    """`train(folder, *arguments)`: `train-detector`, but without learning."""
    from emotion.training.detector import trainer

    def fake_training(photos: object, config: object, run: RunContext, start: object) -> Any:
        (run.folder / "history.csv").write_text("epoch,seconds,val_ap\n1,60,0.5\n2,60,0.75\n")
        return bright_square_network()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "fit_detector", fake_training)
        yield lambda folder, *more: main(["detector", "train", "--data", str(data), "--out", str(folder), *more])


@pytest.fixture(scope="module")
def finished_run(train: Callable[..., int], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "run"
    assert train(folder, "--epochs", "2") == 0
    return folder


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_run, tmp_path / "run"))


def test_a_run_becomes_a_detector(run: Path) -> None:
    bundle = open_model(run)
    assert bundle.kind == "detector"
    assert bundle.card_fields["data"]["images"] == {"wider": 200}
    assert bundle.card_fields["metrics"]["validation"]["ap"] == 0.75
    assert bundle.card_fields["metrics"]["validation"]["recall"] == 1
    report = read_json(run / "report.json") or {}
    assert (report["epochs"], report["best_epoch"], report["train_minutes"]) == (2, 2, 2)
    assert report["export_difference"] < 1e-3
    photo = square_photo("x.png", 1000)
    (face,) = OnnxFaceDetector(bundle).detect(photo.image, 0.6, 128)
    np.testing.assert_allclose([face.box.x1, face.box.y1, face.box.x2, face.box.y2], photo.boxes[0], atol=4)


def test_scores_are_probabilities(run: Path) -> None:
    """Faces and the other bright things lie far apart here, so that nothing is between."""
    detector = OnnxFaceDetector(open_model(run))
    scores = [
        f.detection_score for i in range(1001, 1021, 2) for f in detector.detect(square_photo("", i).image, 0.01, 128)
    ]
    assert sum(score > 0.8 for score in scores) == 10
    assert not [score for score in scores if 0.2 < score < 0.8]


def test_another_seed_is_another_training(run: Path, train: Callable[..., int], capsys: Any) -> None:
    assert train(run, "--epochs", "2", "--seed", "5") == 1
    assert "holds a training with other settings; choose another folder" in capsys.readouterr().err


def test_it_is_evaluated_and_the_table_is_kept(run: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    before = open_model(run)
    assert main(["detector", "evaluate", str(run), "--data", str(data), "--no-baselines", "--save", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    (source,) = (row for row in rows if "source" in row)
    assert (source["detector"], source["source"], source["ap50"], source["num_faces"]) == ("run", "wider", 1, 12)
    assert {row["frame_size"] for row in rows if "frame_size" in row} == {"320x240", "640x480", "1280x720"}
    after = open_model(run)
    assert after.sha256 == before.sha256
    assert after.card_fields["created"] == before.card_fields["created"]
    report = read_json(run / "report.json") or {}
    assert (report["detectors"], report["epochs"]) == (rows, 2)


def test_other_detectors_are_in_the_same_table(
    run: Path, data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector_factory, "available_detectors", lambda: ("glance", "haar"))
    monkeypatch.setattr(evaluation, "FRAME_SIZES", ((640, 480),))
    for name in ("ROTATIONS", "BLUR_SIGMAS"):  # the Haar cascade takes a second for each photo
        monkeypatch.setattr(evaluation, name, (0,))
    capsys.readouterr()
    assert main(["detector", "evaluate", str(run), "--data", str(data), "--validation"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["case", "metric", "run"]
    assert "haar" in head.split()
    assert any("time for 640x480" in line for line in lines)


@pytest.fixture
def crops(tmp_path: Path) -> list[str]:
    """The command that measures crops, on faces that have a quarter of the side that the network's boxes would fit."""
    faces = np.zeros((30, 48, 48), np.uint8)
    faces[:, 21:27, 21:27] = 255
    rest = {"label": np.zeros(30, np.int8), "usage": np.repeat([0, 1, 2], 10).astype(np.int8)}
    np.savez(tmp_path / "faces.npz", images=faces, **rest)
    return [
        "detector",
        "calibrate",
        "--crops",
        str(tmp_path / "run"),
        "--data",
        str(tmp_path / "faces.npz"),
        "--save",
        "--json",
    ]


def test_measured_crops_are_saved(run: Path, crops: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    before = open_model(run)
    monkeypatch.setattr(
        calibration, "measure_crop_geometry", lambda *_: {"scale": 1.2345, "y_offset": -0.01, "num_detected": 10}
    )
    assert main(crops) == 0
    after = open_model(run)
    assert after.card_fields == {**before.card_fields, "crop_geometry": {"scale": 1.234, "y_offset": -0.01}}
    assert OnnxFaceDetector(after).crop_geometry == CropGeometry(scale=1.234, y_offset=-0.01)


def test_implausible_crops_leave_the_card_as_it_is(run: Path, crops: list[str], capsys: Any) -> None:
    before = (run / CARD_FILE).read_bytes()
    assert main(crops) == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["scale"] == pytest.approx(48 * 4 / SIDE)
    assert "the field 'crop_geometry.scale' is " in printed.err
    assert (run / CARD_FILE).read_bytes() == before


def test_crops_of_other_detectors_are_not_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detector", "calibrate", "--crops", "haar", "--data", str(tmp_path), "--save"]) == 1
    assert "haar is no folder of a detector trained here" in capsys.readouterr().err


def test_it_is_used_by_the_app(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from emotion.recognition.detectors import detector_factory

    models = tmp_path / "models"
    for module in (store, detector_factory):
        monkeypatch.setattr(module, "BUILTIN_MODELS", models)
    assert main(["models", "install", str(run), "--name", "mine", "--default"]) == 0
    assert detector_factory.available_detectors()[0] == "mine"
    detector = detector_factory.make_detector()
    assert (detector.name, detector.needs_verification) == ("mine", False)


def test_only_a_trained_detector_can_save(make_bundle: Callable[..., Path], tmp_path: Path) -> None:
    classifier = make_bundle(tmp_path / "classifier")
    before = (classifier / CARD_FILE).read_bytes()
    with pytest.raises(ModelError, match="is a classifier; measurements of a detector need a detector"):
        save_measurements(classifier, crop_geometry={"scale": 1.0, "y_offset": 0.0})
    assert (classifier / CARD_FILE).read_bytes() == before


def test_scores_without_a_meaning_are_refused(run: Path) -> None:
    """Where no box is right, no slope can be fitted."""
    faceless = [replace(photo, boxes=photo.boxes[:0]) for photo in (square_photo("a.png", 1), square_photo("b.png", 2))]
    with pytest.raises(DataError, match="calibration needs right and wrong ones"):
        detector_train.fit_score_calibration(OnnxFaceDetector(open_model(run)), faceless)


def test_no_photos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detector", "train", "--data", str(tmp_path), "--out", str(tmp_path / "run")]) == 1
    assert "There is no train.json" in capsys.readouterr().err
    with pytest.raises(EmotionError):
        open_model(tmp_path / "run")


def test_landmarks_are_those_of_a_finished_detector(
    train: Callable[..., int], finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path / "run", "--landmarks-only") == 1
    assert "give it by --init-from" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert train(tmp_path / "run", "--landmarks-only", "--init-from", str(finished_run), "--epochs", "2") == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["network"], config["landmarks_only"], config["init_from"]) == (
        "glance",
        True,
        open_model(finished_run).sha256,
    )
