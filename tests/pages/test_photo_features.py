"""Facial features on the Photos page: the switch, what it shows and what it saves."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotion.media.image_reader import read_image

pytestmark = pytest.mark.slow

Open = Callable[[str], Any]


@pytest.fixture
def page(features_network: None, open_page: Open, sample_file: Path) -> Any:
    """The page with the sample photo."""
    opened = open_page("photo")
    opened.upload((sample_file.name, sample_file.read_bytes()))
    return opened


def switch_on(page: Any) -> None:
    page.app.toggle(key="photo_features").set_value(True).run()
    assert not page.app.exception


def has_movements(page: Any) -> bool:
    return any("Movements" in one.value for one in page.app.markdown)


def test_features_are_off_until_they_are_switched_on(page: Any, saved: dict[str, Any]) -> None:
    page.app.run()
    (face,) = page.shown("photo_picture")["faces"]
    assert face["outline"] == {"points": [], "lines": []}
    assert not has_movements(page)
    assert "yaw" not in saved["faces.csv"]
    assert "features" not in saved["faces.json"]


def test_the_switch_shows_points_head_pose_and_movements(page: Any) -> None:
    switch_on(page)
    (face,) = page.shown("photo_picture")["faces"]
    assert len(face["outline"]["points"]) == 68
    (x1, y1, x2, y2), points = face["box"], np.array(face["outline"]["points"])
    assert x1 < points[:, 0].mean() < x2
    assert y1 < points[:, 1].mean() < y2
    assert "**Head:** turned 20° to their left" in page.words
    assert has_movements(page)
    assert "taught by another network" in page.app.toggle(key="photo_features").help


def test_downloads_hold_the_features(page: Any, saved: dict[str, Any]) -> None:
    page.app.run()
    plain = read_image(saved["astronaut-faces.png"])
    switch_on(page)
    (row,) = csv.DictReader(io.StringIO(saved["faces.csv"]))
    assert float(row["yaw"]) == 20
    assert float(row["movement_mouthSmileLeft"]) == pytest.approx(0.75, abs=0.01)
    (photo,) = json.loads(saved["faces.json"])
    assert len(photo["faces"][0]["features"]["points"]) == 68
    assert (read_image(saved["astronaut-faces.png"]) != plain).any()


def test_blur_hides_all_of_it(page: Any, saved: dict[str, Any]) -> None:
    switch_on(page)
    page.app.toggle(key="side_anonymize").set_value(True).run()
    (face,) = page.shown("photo_picture")["faces"]
    assert face["outline"]["points"] == []
    assert not has_movements(page)
    assert "yaw" not in saved["faces.csv"]
    assert "features" not in saved["faces.json"]
    assert page.app.toggle(key="photo_features").disabled


def test_without_a_network_the_switch_says_why(no_features_network: None, open_page: Open, sample_file: Path) -> None:
    page = open_page("photo")
    page.upload((sample_file.name, sample_file.read_bytes()))
    switch = page.app.toggle(key="photo_features")
    assert switch.disabled
    assert switch.help == "There is no features network."
    assert not page.app.error
    assert len(page.shown("photo_picture")["faces"]) == 1
