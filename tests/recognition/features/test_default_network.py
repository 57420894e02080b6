"""Features in the analysis of an image: only where they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from emotion.errors import ModelError, SettingsError
from emotion.faces import Box, Face
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.cropping import CropGeometry
from emotion.recognition.features import default_network
from emotion.recognition.features.network import FeaturesNetwork
from emotion.recognition.settings import AnalyzerSettings
from emotion.results import photos
from tests.recognition.features.making import Answer, make_bundle
from tests.training.features.making import mean_points

IMAGE = np.random.default_rng(3).integers(0, 256, (90, 120, 3), dtype=np.uint8)
BOXES = (Box(10, 10, 40, 40), Box(70, 20, 110, 60))
WITH_FEATURES = AnalyzerSettings(features=True)


@pytest.fixture
def analyzer(
    fake_detector: Callable, fake_classifier: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Analyzer:
    network = FeaturesNetwork(make_bundle(tmp_path / "features", Answer(mean_points(), pose=(5, 6, 7))))
    monkeypatch.setattr(default_network, "load_default_network", lambda: network)
    return Analyzer(fake_detector(BOXES), fake_classifier(("happy", 0.9, 1.0), ("sad", 0.4, 1.0)))


def test_faces_have_features_where_they_are_asked_for(analyzer: Analyzer) -> None:
    assert all(face.features is None for face in analyzer.analyze(IMAGE))
    for faces in (
        analyzer.analyze(IMAGE, WITH_FEATURES),
        analyzer.analyze_any_orientation(IMAGE, WITH_FEATURES).faces,
    ):
        assert len(faces) == 2
        for face in faces:
            assert face.features is not None
            assert face.features.pose is not None
            assert face.features.pose.yaw == 5
            x, y = np.mean(face.features.points, axis=0)
            assert face.box.x1 < x < face.box.x2
            assert face.box.y1 < y < face.box.y2


def test_an_anonymized_photo_shows_no_points_and_its_faces_have_none(analyzer: Analyzer) -> None:
    content = photos.encode_png(IMAGE)
    analysis = photos.analyze_photo(content, analyzer, WITH_FEATURES)
    seen = photos.Photo("a.png", content, analysis, analysis.faces)
    hidden = seen._replace(faces=photos.hide_points(analysis.faces))
    anonymized = photos.make_annotated_png(seen, anonymize=True)
    assert anonymized == photos.make_annotated_png(hidden, anonymize=True)
    assert photos.make_annotated_png(seen, anonymize=False) != photos.make_annotated_png(hidden, anonymize=False)
    assert [face["features"]["points"] for face in hidden.to_dict()["faces"]] == [[], []]
    assert all(face["features"]["pose"] for face in hidden.to_dict()["faces"])


@pytest.mark.parametrize(
    ("yaw", "reason"), [(20, "between sad and happy"), (40, "turned to the side"), (-40, "turned to the side")]
)
def test_a_head_turned_far_is_the_reason_of_an_uncertain_label(
    yaw: float,
    reason: str,
    fake_detector: Callable,
    fake_classifier: Callable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = FeaturesNetwork(make_bundle(tmp_path / "features", Answer(mean_points(), pose=(yaw, 0, 0))))
    monkeypatch.setattr(default_network, "load_default_network", lambda: network)
    analyzer = Analyzer(fake_detector(BOXES), fake_classifier(("happy", 0.9, 1.0), ("sad", 0.45, 1.0)))
    certain, uncertain = analyzer.analyze(IMAGE, WITH_FEATURES)
    assert certain.uncertainty_reason is None
    assert uncertain.uncertainty_reason == reason


def test_the_setting_is_true_or_false() -> None:
    with pytest.raises(SettingsError, match="features is 1; expected True or False"):
        AnalyzerSettings(features=1)  # type: ignore[arg-type]


def test_tilted_faces_stay_as_they_are_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ModelError("There is no features network.")

    monkeypatch.setattr(default_network, "load_default_network", fail)
    faces = (Face(BOXES[0], 0.9), Face(BOXES[1], 0.9))
    assert np.isnan(default_network.estimate_tilts(np.zeros((200, 300), np.uint8), faces, CropGeometry())).all()
    assert default_network.find_default_bundle() is None
