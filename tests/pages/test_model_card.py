"""The page about the classifier in use: its figures, its limits, and what it does not show where that is not known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotion.expressions import FER2013_LABELS, FERPLUS_LABELS
from emotion.training.metrics import accuracy_by_coverage, score_head, wilson_interval
from emotion.training.prediction_tables import Confusion, list_confusions
from tests.generation.making import write_generator

pytestmark = pytest.mark.slow

Open = Callable[[str], Any]


def scored(labels: tuple[str, ...], n: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    wanted = rng.integers(0, len(labels), n)
    return score_head(rng.normal(0, 1, (n, len(labels))) + 3 * np.eye(len(labels))[wanted], wanted, labels)


def report() -> dict[str, Any]:
    """What a training and `evaluate --end-to-end` write."""
    rng = np.random.default_rng(0)
    test = scored(FER2013_LABELS, 900, 1)
    shown = scored(FERPLUS_LABELS, 700, 2) | {"coverage": accuracy_by_coverage(rng.random(500), rng.random(500) < 0.8)}
    shares = {"detection_rate": 0.8, "accuracy_detected": 0.7, "accuracy_all": 0.56, "accuracy_crops": 0.72}
    intervals = {f"{name}_interval": wilson_interval(round(share * 900), 900) for name, share in shares.items()}
    sides = [
        {"value": side, "n": 450, "detection_rate": rate, "accuracy_detected": 0.7}
        for side, rate in ((32, 0.6), (160, 1.0))
    ]
    way = {
        "detector": "glance",
        "split": "test",
        "n": 900,
        **shares,
        **intervals,
        "by_face_size": sides,
        "by_rotation": [{"value": turn} for turn in (0, 30)],
    }
    return {
        "test": test | {"as_displayed": shown},
        "end_to_end": [way, way | {"detector": "haar", "detection_rate": 0.4}],
    }


@pytest.fixture
def measured(models: Path) -> dict[str, Any]:
    """The report of the classifier in use."""
    told = report()
    (models / "tiny" / "report.json").write_text(json.dumps(told))
    return told


def confusions(measured: dict[str, Any]) -> list[Confusion]:
    return list_confusions(measured["test"]["as_displayed"], 10)


def view(page: Any, name: str) -> Any:
    """Go to another view of the page."""
    page.app.button_group(key="card_view").set_value(name).run()
    assert not page.app.exception
    return page


def test_typical_mistakes_are_shown_with_synthetic_faces(
    measured: dict[str, Any], models: Path, open_page: Open
) -> None:
    write_generator(models / "waves")
    page = view(open_page("model_card"), "Typical mistakes")
    assert not page.app.error
    assert page.app.image
    assert "The faces are synthetic" in page.words
    known = {f"{one.num_predicted} of {one.num_faces} {one.label} faces" for one in confusions(measured)}
    shown = {caption.value.partition(",")[0] for caption in page.app.caption if " faces, " in caption.value}
    assert shown & known


def test_typical_mistakes_need_no_generator(measured: dict[str, Any], open_page: Open) -> None:
    page = view(open_page("model_card"), "Typical mistakes")
    first = confusions(measured)[0]
    assert f"{first.num_predicted} of {first.num_faces} {first.label} faces" in page.words
    assert not page.app.image
    assert "synthetic" not in page.words


def test_model_card_shows_accuracies_with_intervals(measured: dict[str, Any], open_page: Open) -> None:
    page = open_page("model_card")
    assert not page.app.error
    values = {metric.label: metric.value for metric in page.app.metric}
    test = measured["test"]
    assert values["Faces with a majority (FER+)"] == f"{test['as_displayed']['accuracy'] * 100:.1f}%"
    assert values["All test faces"] == f"{test['accuracy'] * 100:.1f}%"
    assert values["End-to-end accuracy"] == "56.0%"
    low, high = (f"{100 * end:.1f}" for end in test["accuracy_interval"])
    assert f"95% CI: {low} to {high}%" in page.words
    for words in (
        "Model details",
        "Intended use",
        "decisions about a person",
        "age, sex or skin color",
        "ten people each",
        "of different sizes and rotations",
    ):
        assert words in page.words


def test_model_card_explains_the_unsure_threshold(measured: dict[str, Any], open_page: Open) -> None:
    page = view(open_page("model_card"), "Measurements")
    for wanted in (55, 80):
        page.app.slider(key="side_min_confidence").set_value(wanted).run()
        row = next(r for r in measured["test"]["as_displayed"]["coverage"] if r["threshold"] == wanted / 100)
        assert f"confidence of {wanted}%, {round(100 * row['coverage'])}% of these faces get a label" in page.words
        assert f"{round(100 * row['accuracy'])}% of these labels are correct" in page.words


def test_model_card_omits_missing_metrics(models: Path, open_page: Open) -> None:
    for content in (None, "{", json.dumps({"test": {}})):
        if content is not None:
            (models / "tiny" / "report.json").write_text(content)
        page = open_page("model_card")
        assert not page.app.error
        assert not page.app.metric
        assert "Limits" in page.words
        assert "By expression" not in view(page, "Measurements").words
        assert "were not measured" in view(page, "Typical mistakes").words


def test_model_card_of_other_data_does_not_mention_fer(models: Path, open_page: Open) -> None:
    card = json.loads((models / "tiny" / "card.json").read_text())
    card |= {
        "default_head": "fer2013",
        "heads": {"fer2013": card["heads"]["fer2013"]},
        "data": {"source": "mine", "rows": 300},
    }
    (models / "tiny" / "card.json").write_text(json.dumps(card))
    page = open_page("model_card")
    assert "300 faces (mine)" in page.words
    for words in ("FER", "ten people", "contempt"):
        assert words not in page.words


INITIALIZATIONS = [
    ({"network": "seresnet"}, "MB, trained from scratch."),
    ({"network": "vgg16"}, "MB."),
    ({"network": "vgg16", "weights": "random"}, "MB, trained from scratch."),
    ({"network": "vgg16", "weights": "imagenet"}, "MB, fine-tuned from ImageNet weights."),
    ({"network": "vgg16", "weights": "mine/vgg16.h5"}, "MB, fine-tuned from ImageNet weights."),
]


def test_model_card_describes_the_initialization(models: Path, open_page: Open) -> None:
    page = open_page("model_card")
    card = json.loads((models / "tiny" / "card.json").read_text())
    for millions, (facts, words) in enumerate(INITIALIZATIONS, start=2):
        count = {"num_parameters": millions * 1e6}
        (models / "tiny" / "card.json").write_text(json.dumps(card | count | facts))
        page.app.run()
        assert f"{millions}.0 M parameters, 0.1 {words}" in page.words, facts


def test_model_card_formats_data_set_names(models: Path, open_page: Open) -> None:
    card = json.loads((models / "tiny" / "card.json").read_text())
    (models / "tiny" / "card.json").write_text(json.dumps(card | {"data": {"source": "fer2013.npz", "rows": 300}}))
    words = open_page("model_card").words
    assert "300 faces (FER-2013)" in words
    assert "npz" not in words


def test_model_card_without_classifier_shows_an_error(models: Path, open_page: Open) -> None:
    (models / "tiny" / "card.json").write_text("{")
    page = open_page("model_card")
    assert "not readable JSON" in page.app.error[0].value.replace("\\", "")
