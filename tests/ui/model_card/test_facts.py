"""The facts on the Model card page are those of its document."""

import re

import pytest

from emotion.model_store.store import BUILTIN_MODELS, open_model
from emotion.storage import PROJECT_ROOT, read_json_or_empty
from emotion.training.runs.folder import REPORT_FILE
from emotion.ui.model_card import facts


@pytest.fixture(scope="module")
def document() -> str:
    return (PROJECT_ROOT / "docs" / "model-card.md").read_text(encoding="utf-8")


def test_the_details_of_the_shipped_classifier_are_those_of_the_document(document: str) -> None:
    details = facts.list_details(open_model(BUILTIN_MODELS / "classifier"))
    assert details["Architecture"].replace("\\", "") == "seresnet, 1,380,060 parameters"
    assert "1,380,060 parameters" in document
    assert details["Format"] == "ONNX, 8-bit integers, 1.5 MB"
    assert details["Format"] in document


def test_the_sizes_of_the_splits_are_those_of_the_document(document: str) -> None:
    bundle = open_model(BUILTIN_MODELS / "classifier")
    sentences = facts.list_splits(bundle, read_json_or_empty(bundle.folder / REPORT_FILE))
    assert sentences == [
        "Training: 28,709 faces, Validation: 3,589 faces, Test: 3,589 faces.",
        "280 validation and 288 test faces have the pixels of a training face.",
    ]
    for number in re.findall(r"[\d,]*\d", " ".join(sentences)):
        assert number in document


def test_splits_of_unknown_size_are_left_out() -> None:
    assert facts.list_splits(open_model(BUILTIN_MODELS / "classifier"), {}) == []
