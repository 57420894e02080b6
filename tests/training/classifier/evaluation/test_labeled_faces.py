"""Labeled faces as a benchmark: what is counted, the intervals over persons, and damaged folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.cli.main import main
from emotion.errors import DataError, EmotionError, ImageError, SettingsError
from emotion.expressions import FERPLUS_LABELS
from emotion.faces import Box
from emotion.media.image_reader import encode_png
from emotion.model_store.store import BUILTIN_MODELS, ModelBundle
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.classification import Prediction
from emotion.recognition.settings import AnalyzerSettings
from emotion.training.classifier.evaluation.labeled_face_scores import Bootstrap
from emotion.training.classifier.evaluation.labeled_faces import (
    LABELS_FILE,
    AnalyzerRecognizer,
    LabeledFacesReport,
    evaluate_labeled_faces,
)
from emotion.training.metrics import calibration_error

HAPPY, SAD, NOT_FOUND = FERPLUS_LABELS.index("happy"), FERPLUS_LABELS.index("sad"), len(FERPLUS_LABELS)
BRIGHT, DIM, DARK = 220, 90, 0


@pytest.fixture
def analyzer(fake_detector: Callable, make_scores: Callable, tiny: ModelBundle) -> Analyzer:
    """Finds a large and a small face except in dark images; bright faces are happy (0.9), others are sad (0.4)."""

    class BrightnessClassifier:
        input_size, head_names, bundle = 48, ("ferplus", "fer2013"), tiny

        def predict(self, crops: NDArray[np.uint8], head: str | None = None) -> tuple[Prediction, ...]:
            first = crops if crops.ndim == 3 else crops[0]
            answers = [("happy", 0.9) if crop.mean() > DIM + 10 else ("sad", 0.4) for crop in first]
            return tuple(Prediction(make_scores(*answer), 1.0) for answer in answers)

    def detect(image: NDArray[np.uint8]) -> list[Box]:
        return [] if image.max() == DARK else [Box(70, 70, 95, 95), Box(5, 5, 65, 65)]

    return Analyzer(fake_detector(detect), BrightnessClassifier())  # type: ignore[arg-type]


@pytest.fixture
def recognizer(analyzer: Analyzer) -> AnalyzerRecognizer:
    return AnalyzerRecognizer(analyzer)


def write_folder(folder: Path, images: list[tuple[str, str, int]], size: int = 100, subset: str = "set") -> Path:
    """A folder of images with (label, person, brightness); the small face, at the lower right, is always bright."""
    labels = {}
    for number, (label, person, brightness) in enumerate(images):
        name = f"{subset}/{number:04d}.png"
        (folder / subset).mkdir(parents=True, exist_ok=True)
        image = np.full((size, size, 3), brightness, np.uint8)
        if brightness != DARK:
            image[70:, 70:] = BRIGHT
        (folder / name).write_bytes(encode_png(image))
        labels[name] = {"label": label, "person": person}
    path = folder / LABELS_FILE
    before = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(before | labels))
    return folder


IMAGES = [
    ("happy", "a", BRIGHT),
    ("happy", "a", DIM),
    ("happy", "b", DARK),
    ("sad", "b", DIM),
    ("Sadness", "c", BRIGHT),
    ("bored", "c", BRIGHT),
]


def test_pipeline_counts_missed_faces_as_wrong_and_takes_the_largest(
    tmp_path: Path, recognizer: AnalyzerRecognizer
) -> None:
    report = evaluate_labeled_faces(write_folder(tmp_path, IMAGES), recognizer)
    score = report.pipeline
    assert score is not None
    assert report.crops is None
    assert (score.num_images, score.num_persons, score.excluded) == (5, 3, {"bored": 1})
    assert score.detection_rate.value == pytest.approx(4 / 5)
    assert score.accuracy.value == pytest.approx(2 / 5)
    assert {label: estimate.value for label, estimate in score.recall.items()} == pytest.approx(
        {"happy": 1 / 3, "sad": 1 / 2}
    )
    assert score.macro_recall.value == pytest.approx((1 / 3 + 1 / 2) / 2)
    confusion = np.zeros((len(FERPLUS_LABELS), len(FERPLUS_LABELS) + 1), int)
    confusion[HAPPY, [HAPPY, SAD, NOT_FOUND]] = confusion[SAD, [SAD, HAPPY]] = 1
    assert [list(row) for row in score.confusion] == confusion.tolist()
    assert score.calibration_error.value == pytest.approx(
        calibration_error(np.array([0.9, 0.4, 0.4, 0.9]), np.array([1, 0, 1, 0]))
    )
    assert score.min_confidence == AnalyzerSettings().min_confidence
    assert score.coverage.value == pytest.approx(2 / 5)  # the threshold is between 0.4 and 0.9
    assert score.covered_accuracy.value == pytest.approx(1 / 2)


def test_crops_skip_the_detector(tmp_path: Path, analyzer: Analyzer) -> None:
    write_folder(tmp_path, [("sad", "a", DARK), ("happy", "b", BRIGHT), ("happy", "b", DIM)], size=48)
    report = evaluate_labeled_faces(tmp_path, AnalyzerRecognizer(analyzer, AnalyzerSettings(min_confidence=0.95)))
    score = report.crops
    assert score is not None
    assert report.pipeline is None
    assert (score.detection_rate.value, score.accuracy.value) == (1, pytest.approx(2 / 3))
    assert score.coverage.value == 0
    assert score.to_dict()["covered_accuracy"] == {"value": None, "low": None, "high": None}


def test_subset_and_image_size_select_what_is_measured(tmp_path: Path, recognizer: AnalyzerRecognizer) -> None:
    write_folder(tmp_path, IMAGES, subset="photos")
    write_folder(tmp_path, IMAGES, size=48, subset="crops")
    calls: list[tuple[int, int]] = []
    both = evaluate_labeled_faces(tmp_path, recognizer, on_progress=lambda *call: calls.append(call))
    assert calls == [(done, 12) for done in range(13)]
    photos, crops = (evaluate_labeled_faces(tmp_path, recognizer, subset=name) for name in ("photos", "crops"))
    assert both == LabeledFacesReport(photos.pipeline, crops.crops)
    assert (photos.crops, crops.pipeline) == (None, None)


def test_intervals_vary_between_persons_and_not_within_one(tmp_path: Path, recognizer: AnalyzerRecognizer) -> None:
    one_person = write_folder(tmp_path / "one", [("happy", "a", value) for value in (BRIGHT, DIM) * 10])
    many = write_folder(tmp_path / "many", [("happy", str(i), (BRIGHT, DIM)[i % 2]) for i in range(20)])
    single, several = (evaluate_labeled_faces(folder, recognizer).pipeline for folder in (one_person, many))
    assert single is not None
    assert several is not None
    assert (single.accuracy.low, single.accuracy.value, single.accuracy.high) == (0.5, 0.5, 0.5)
    # 1.96 standard errors of a share of 0.5 among 20 persons
    assert several.accuracy.low == pytest.approx(0.5 - 0.22, abs=0.06)
    assert several.accuracy.high == pytest.approx(0.5 + 0.22, abs=0.06)


def test_report_is_json_and_depends_on_the_seed_only(tmp_path: Path, recognizer: AnalyzerRecognizer) -> None:
    write_folder(tmp_path, [("happy", str(i), (BRIGHT, DIM, DIM)[i % 3]) for i in range(20)])
    first, second, other = (
        evaluate_labeled_faces(tmp_path, recognizer, bootstrap=Bootstrap(10, seed)).to_dict() for seed in (1, 1, 2)
    )
    assert first == second != other
    assert json.loads(json.dumps(first, allow_nan=False)) == first
    assert first["crops"] is None
    assert first["pipeline"]["accuracy"]["value"] == 0.35


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "There is no .*labels.json; give a folder"),
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ({"set/0000.png": {"label": "happy"}}, "is damaged .*person"),
        ({"set/0000.png": {"label": 3, "person": "a"}}, "is damaged .*label is 3"),
        ({}, "names no image; expected at least one"),
        ({"../a.png": {"label": "happy", "person": "a"}}, r"names \.\./a\.png, which is outside"),
        ({"set/0000.png": {"label": "bored", "person": "a"}}, "has a label of the classifier: expected neutral, happy"),
    ],
)
def test_invalid_labels_are_refused_in_one_sentence(
    tmp_path: Path, recognizer: AnalyzerRecognizer, labels: Any, message: str
) -> None:
    if labels is not None:
        (tmp_path / LABELS_FILE).write_text(labels if isinstance(labels, str) else json.dumps(labels))
    with pytest.raises(DataError, match=message) as caught:
        evaluate_labeled_faces(tmp_path, recognizer)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"subset": "other"}, DataError, "names no image in other"),
        ({}, ImageError, "0000.png"),
    ],
)
def test_invalid_arguments_and_missing_images_are_refused(
    tmp_path: Path, recognizer: AnalyzerRecognizer, arguments: dict[str, Any], error: type[EmotionError], message: str
) -> None:
    write_folder(tmp_path, IMAGES)
    (tmp_path / "set" / "0000.png").unlink()
    with pytest.raises(error, match=message):
        evaluate_labeled_faces(tmp_path, recognizer, **arguments)


def test_a_head_that_the_classifier_lacks_is_refused(analyzer: Analyzer) -> None:
    with pytest.raises(SettingsError, match="no head 'own'; choose one of ferplus, fer2013"):
        AnalyzerRecognizer(analyzer, AnalyzerSettings(head="own"))


def test_command_prints_both_reports(sample_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_folder(tmp_path / "faces", [("happy", "b", BRIGHT), ("sad", "c", DIM)], size=48, subset="crops")
    (folder / "photos").mkdir()
    (folder / "photos" / "a.jpg").write_bytes(sample_file.read_bytes())
    labels = json.loads((folder / LABELS_FILE).read_text())
    labels["photos/a.jpg"] = {"label": "happy", "person": "a"}
    (folder / LABELS_FILE).write_text(json.dumps(labels))
    command = ["classifier", "evaluate", str(BUILTIN_MODELS / "classifier"), "--faces", str(folder)]
    assert main([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["pipeline"]["num_images"], report["crops"]["num_images"]) == (1, 2)
    assert report["pipeline"]["accuracy"]["value"] == 1
    assert main(command) == 0
    text = capsys.readouterr().out
    assert "1 images, detected and classified; 1 persons" in text
    assert "2 crops, classified; 2 persons" in text


@pytest.mark.parametrize("options", [[], ["--data", "fer2013.csv", "--faces", "faces"]])
def test_command_takes_a_data_set_or_faces(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classifier", "evaluate", str(BUILTIN_MODELS / "classifier"), *options]) == 2
    assert "Give --data for a data set, or --faces for a folder with labels.json." in capsys.readouterr().err
