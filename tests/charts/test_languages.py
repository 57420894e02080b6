"""Charts are drawn in the language of the page; the tables that files hold are in English."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from emotion import charts
from emotion.training import prediction_tables, tables
from emotion.translation.languages import ENGLISH, set_language_source

HISTORY = [{"epoch": "1", "accuracy": "0.2", "val_accuracy": "0.3", "loss": "1", "learning_rate": "0.01"}]


@pytest.fixture(autouse=True)
def vietnamese_page() -> Iterator[None]:
    set_language_source(lambda: "vi")
    yield
    set_language_source(lambda: ENGLISH)


def test_curves_name_their_series_in_the_language_of_the_page() -> None:
    table = tables.step_curves_table(HISTORY, [], "accuracy")
    chart = charts.plot_training_curve(table, as_percent=True).to_json(ensure_ascii=False)
    assert "huấn luyện" in chart
    assert "kiểm định" in chart
    assert set(table["split"]) == {"training", "validation"}


def test_confusion_matrix_has_titles_in_the_language_of_the_page() -> None:
    table = prediction_tables.confusion_table(np.eye(2, dtype=int), ["happy", "sad"])
    assert "nhãn dự đoán" in charts.plot_confusion_matrix(table).to_json(ensure_ascii=False)
    assert set(table["true"]) == {"happy", "sad"}


def test_metrics_of_the_labels_are_translated_by_the_chart() -> None:
    scores = [{"label": "happy", "recall": 0.5, "precision": 0.4, "f1": 0.44, "n": 3}]
    table = prediction_tables.class_metrics_table(scores)
    assert "độ phủ" in charts.plot_class_metrics(table).to_json(ensure_ascii=False)
    assert list(table["metric"]) == ["recall", "precision", "F1"]
