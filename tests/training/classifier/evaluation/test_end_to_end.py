"""End-to-end evaluation: faces are placed in scenes, detected, classified and counted."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.cli.main import main
from emotion.datasets.dataset import Dataset, majority_vote
from emotion.errors import DataError
from emotion.faces import Box, Face
from emotion.model_store.store import open_model
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.classification import ExpressionClassifier
from emotion.recognition.cropping import crop_square, to_gray
from emotion.storage import read_json
from emotion.training.classifier.evaluation import end_to_end
from emotion.training.classifier.evaluation.end_to_end import (
    FACE_SIZES_PX,
    ROTATION_DEGREES,
    FaceScene,
    compose_face_scene,
    evaluate_end_to_end,
)
from emotion.training.metrics import wilson_interval
from tests.training.making import dataset, write_fer2013


def faces(count: int) -> Dataset:
    """Return a data set of smooth images, which keep their content when resized; all of them are faces."""
    data = dataset(0, 0, count, seed=4)
    assert data.votes is not None
    data.votes[:, 9] = 0  # no votes for "no face"
    ramp = np.linspace(40, 215, 48)
    for i, image in enumerate(data.images):
        image[:] = (ramp if i % 2 else ramp[::-1]) * 0.5 + np.roll(ramp, 7 * i)[:, None] * 0.5
    return data


def test_a_scene_shows_the_face_in_its_box() -> None:
    image = faces(2).images[0]
    seen: set[tuple[int, int]] = set()
    for seed in range(60):
        scene = compose_face_scene(image, np.random.default_rng(seed))
        seen.add((scene.face_size_px, scene.rotation_degrees))
        assert scene.image.shape == (360, 480, 3)
        assert scene.face_box.width == pytest.approx(scene.face_size_px)
        gray = to_gray(scene.image)
        found = [
            crop_square(gray, scene.face_box, 48, roll) for roll in (scene.rotation_degrees, -scene.rotation_degrees)
        ]
        middle = np.s_[6:42, 6:42]
        off = min(np.abs(crop[middle].astype(int) - image[middle]).mean() for crop in found)
        assert off < 6
    assert {side for side, _ in seen} == set(FACE_SIZES_PX)
    assert {turn for _, turn in seen} == set(ROTATION_DEGREES)


def test_the_same_seed_makes_the_same_scene() -> None:
    image = faces(1).images[0]
    one, again, other = (compose_face_scene(image, np.random.default_rng(seed)).image for seed in (3, 3, 4))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> list[FaceScene]:
    """The scenes, in the order in which they are made."""
    made: list[FaceScene] = []

    def keep(face: NDArray[np.uint8], rng: np.random.Generator) -> FaceScene:
        made.append(compose_face_scene(face, rng))
        return made[-1]

    monkeypatch.setattr(end_to_end, "compose_face_scene", keep)
    return made


def test_shares_are_those_of_detected_and_classified_faces(
    places: list[FaceScene], fake_detector: Callable[..., Any], tiny_classifier: ExpressionClassifier
) -> None:
    """Return a detector that misses every third face and finds a false one in every fifth scene."""
    data = faces(30)

    def finds(image: NDArray) -> Sequence[Face]:
        n = len(places) - 1
        ours = [] if n % 3 == 2 else [Face(places[-1].face_box, 0.9)]
        x = 0 if places[-1].face_box.x1 > 240 else 400
        return [*ours, *([Face(Box(x, 300, x + 50, 350), 0.95)] if n % 5 == 0 else [])]

    analyzer = Analyzer(fake_detector(finds), tiny_classifier)
    (row,) = evaluate_end_to_end({"fake": analyzer}, data, "test")
    assert (row["detector"], row["split"], row["n"]) == ("fake", "test", 30)
    assert row["detection_rate"] == pytest.approx(20 / 30)
    assert row["false_boxes"] == pytest.approx(6 / 30)
    right = []
    for n, scene in enumerate(places[:30]):
        verdict = analyzer.classify(to_gray(scene.image), (Face(scene.face_box, 0.9),), "fer2013", tta=True)[
            0
        ].prediction
        right.append(n % 3 != 2 and data.label_names.index(verdict.scores.label) == data.labels[n])
    assert row["accuracy_all"] == pytest.approx(np.mean(right))
    assert row["accuracy_detected"] == pytest.approx(sum(right) / 20)
    assert row["accuracy_detected_interval"] == pytest.approx(wilson_interval(sum(right), 20))
    ready = [v.scores.label for v in tiny_classifier.predict(data.images, "fer2013")]
    assert row["accuracy_crops"] == pytest.approx(
        np.mean([data.label_names[label] == said for label, said in zip(data.labels, ready, strict=True)])
    )
    known = np.flatnonzero(majority_vote(data) >= 0)
    assert row["ferplus"]["detection_rate"] == pytest.approx(np.mean([n % 3 != 2 for n in known]))
    for part, kinds in (("by_face_size", FACE_SIZES_PX), ("by_rotation", ROTATION_DEGREES)):
        assert {one["value"] for one in row[part]} <= set(kinds)
        assert sum(one["n"] for one in row[part]) == 30
        assert sum(one["n"] * one["detection_rate"] for one in row[part]) == pytest.approx(20)


def test_without_detections_nothing_is_right(
    fake_detector: Callable[..., Any], tiny_classifier: ExpressionClassifier
) -> None:
    (row,) = evaluate_end_to_end({"blind": Analyzer(fake_detector(), tiny_classifier)}, faces(8), "test")
    assert (row["detection_rate"], row["accuracy_all"], row["accuracy_detected"], row["false_boxes"]) == (0, 0, None, 0)
    assert row["accuracy_crops"] > 0 or row["accuracy_crops_interval"][1] > 0


def test_a_box_elsewhere_or_of_another_size_is_not_the_face() -> None:
    square = Box(100, 100, 200, 200)
    assert end_to_end.matches_face(Box(90, 95, 215, 205), square)
    for other in (Box(150, 100, 250, 200), Box(135, 135, 165, 165), Box(0, 0, 300, 300)):
        assert not end_to_end.matches_face(other, square)


def test_an_empty_split_is_refused(fake_detector: Callable[..., Any], tiny_classifier: ExpressionClassifier) -> None:
    with pytest.raises(DataError, match="has no validation faces"):
        evaluate_end_to_end({"x": Analyzer(fake_detector(), tiny_classifier)}, faces(5), "validation")


@pytest.mark.slow
def test_the_command_prints_rows_and_keeps_them(
    tmp_path: Path, make_bundle: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, data = make_bundle(tmp_path / "tiny"), faces(6)
    write_fer2013(tmp_path / "fer2013.csv", data)
    command = [
        "classifier",
        "evaluate",
        str(folder),
        "--data",
        str(tmp_path / "fer2013.csv"),
        "--end-to-end",
        "--split",
        "test",
    ]
    assert main([*command, "--detector", "glance", "--json", "--save"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert {"detector", "detection_rate", "accuracy_detected", "accuracy_all", "accuracy_crops"} <= row.keys()
    assert (read_json(folder / "report.json") or {})["end_to_end"] == [row]
    (saved_row,) = open_model(folder).card_fields["metrics"]["end_to_end"]
    assert saved_row == {name: row[name] for name in saved_row}
    assert main([*command, "--detector", "glance", "--detector", "haar"]) == 0
    said = capsys.readouterr().out
    assert "right on crops" in said
    assert "haar" in said
