import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Open = Callable[[str], Any]
MEASURED = [
    {"detector": "glance", "source": "wider", "ap50": 0.75, "ap30": 0.8, "ap50_find_all": 0.9, "faces": 5},
    {"detector": "haar", "source": "wider", "ap50": 0.25, "ap30": 0.3, "ap50_find_all": 0.2, "faces": 5},
    {"detector": "glance", "empty": 40, "false_boxes": 2},
    {"detector": "glance", "face": "16-24 px", "recall": None, "precision": None, "faces": 0},
]


def detector(folder: Path, report: dict[str, Any]) -> None:
    """A detector's folder as far as this page looks into it."""
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"network")
    (folder / "history.csv").write_text("epoch,seconds,val_ap,val_ap_wider\n1,60,0.5,0.25\n2,60,0.75,0.5\n")
    (folder / "report.json").write_text(json.dumps(report))
    card = {
        "kind": "detector", "score": {"slope": 1, "offset": 0}, "crops": {"scale": 1, "down": 0},
        "created": "2026-01-02T03:04:05", "files": {"model.onnx": {"sha256": hashlib.sha256(b"network").hexdigest()}},
    }  # fmt: skip
    (folder / "card.json").write_text(json.dumps(card))


def charts(page: Any) -> int:
    return len(page.app.get("vega_lite_chart") or page.app.get("arrow_vega_lite_chart"))


def test_a_recogniser_without_history_or_scores(open_page: Open) -> None:
    runs = open_page("runs")
    assert not runs.app.error
    assert "left no history" in runs.words
    assert not runs.app.metric


def test_a_recogniser_with_scores(models: Path, open_page: Open) -> None:
    card = json.loads((models / "tiny" / "card.json").read_text())
    card["metrics"] = {"private": {"fer2013": {"accuracy": 0.7061, "accuracy_interval": [0.691, 0.72], "n": 3589}}}
    (models / "tiny" / "card.json").write_text(json.dumps(card))
    (models / "tiny" / "history.csv").write_text("epoch,seconds,val_fer2013_accuracy\n1,60,0.5\n")
    runs = open_page("runs")
    assert [(m.label, m.value) for m in runs.app.metric] == [("7 expressions (FER-2013)", "70.6 %")]
    assert "With another 3,589 such faces it would be between 69.1 and 72.0 %" in runs.words
    assert charts(runs) == 1


def test_a_detector_beside_the_others(models: Path, open_page: Open, saved: dict[str, Any]) -> None:
    detector(models / "glance", {"minutes": 34.2, "detectors": MEASURED})
    runs = open_page("runs")
    runs.app.button_group(key="runs_chosen").set_value("Finds faces: glance").run()
    assert not runs.app.exception
    assert not runs.app.error
    assert "made 2026-01-02 · 0.0 MB · learned for 34 minutes" in runs.words
    assert "2 false boxes on 40 photos without a face" in runs.words
    assert charts(runs) == 2  # of the sources and of the learning; no chart of nothing
    assert saved["detectors.csv"].startswith("case,measure,glance,haar\n")


def test_a_detector_that_was_not_measured(models: Path, open_page: Open) -> None:
    detector(models / "glance", {})
    runs = open_page("runs")
    runs.app.button_group(key="runs_chosen").set_value("Finds faces: glance").run()
    assert not runs.app.error
    assert charts(runs) == 1


@pytest.mark.parametrize("spoil", ["card.json", "model.onnx"])
def test_no_network_at_all(models: Path, open_page: Open, spoil: str) -> None:
    (models / "tiny" / spoil).write_bytes(b"")
    runs = open_page("runs")
    assert "no trained network" in runs.words
    assert not runs.app.error
