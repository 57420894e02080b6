"""Facial features in a camera session: sides of a mirrored face, drawn points, and anonymized faces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from emotion.faces import Box, FaceFeatures
from emotion.live.session import LiveSession
from emotion.live.state import LiveOptions
from emotion.movements import MOVEMENT_NAMES
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.features import default_network
from emotion.recognition.features.network import FeaturesNetwork
from emotion.recognition.settings import AnalyzerSettings
from emotion.tracking.settings import StreamSettings
from tests.recognition.features.making import Answer, make_bundle
from tests.training.features.making import mean_points

IMAGE = np.random.default_rng(4).integers(0, 256, (120, 160, 3), dtype=np.uint8)
BOX = Box(30, 30, 90, 90)
WITH_FEATURES = LiveOptions(StreamSettings(AnalyzerSettings(max_side=640, features=True)), mirror=False)


@pytest.fixture
def session(
    fake_detector: Callable, fake_classifier: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LiveSession]:
    """A session with a network that sees the same turned head and raised left brow in each face."""
    monkeypatch.setattr("emotion.live.session.RESULT_TIMEOUT_SECONDS", 20.0)  # room for a busy machine
    movements = np.zeros(len(MOVEMENT_NAMES))
    movements[MOVEMENT_NAMES.index("browOuterUpLeft")] = 0.75
    shown = {"shown_movements": ["browOuterUpLeft", "browOuterUpRight"]}
    answer = Answer(mean_points(), (20, 6, 7), movements)
    network = FeaturesNetwork(make_bundle(tmp_path / "features", answer, **shown))
    monkeypatch.setattr(default_network, "load_default_network", lambda: network)
    classifier = fake_classifier()
    classifier.bundle = SimpleNamespace(name="fake", sha256="0" * 64)
    analyzer = Analyzer(fake_detector([BOX]), classifier)
    live = LiveSession(analyzer, WITH_FEATURES)
    yield live
    live.close()


def get_features(live: LiveSession) -> FaceFeatures | None:
    return live.state().faces[0].face.features


def test_a_session_estimates_no_features_unasked(session: LiveSession) -> None:
    session.options = LiveOptions(mirror=False)
    session.process_frame(IMAGE, 0.0)
    assert get_features(session) is None


def test_left_and_right_are_sides_of_the_person_in_a_mirror_too(session: LiveSession) -> None:
    session.process_frame(IMAGE, 0.0)
    seen = get_features(session)
    session.options = replace(WITH_FEATURES, mirror=True)
    session.process_frame(IMAGE, 0.1)
    mirrored = get_features(session)
    assert seen is not None
    assert mirrored is not None
    assert seen.pose is not None
    assert mirrored.pose is not None
    assert (mirrored.pose.yaw, mirrored.pose.pitch) == pytest.approx((-seen.pose.yaw, seen.pose.pitch))
    assert mirrored.pose.roll == pytest.approx(-seen.pose.roll)
    assert seen.movements["browOuterUpLeft"] == pytest.approx(0.75)
    assert mirrored.movements["browOuterUpRight"] == pytest.approx(0.75)
    assert mirrored.movements["browOuterUpLeft"] == pytest.approx(0)


def test_points_are_drawn_where_they_are_asked_for(session: LiveSession) -> None:
    plain = session.process_frame(IMAGE, 0.0)
    session.options = replace(WITH_FEATURES, draw_points=True)
    drawn = session.process_frame(IMAGE, 0.1)
    assert (drawn != plain).any(axis=2).sum() > 100


def test_anonymized_faces_have_no_features(session: LiveSession) -> None:
    session.options = replace(WITH_FEATURES, anonymize=True, draw_points=True)
    session.process_frame(IMAGE, 0.0)
    assert get_features(session) is None
    snapshot = session.snapshot()
    assert snapshot is not None
    assert "features" not in snapshot[1]["faces"][0]


def test_features_of_an_earlier_frame_are_hidden_when_faces_are_anonymized_later(session: LiveSession) -> None:
    session.process_frame(IMAGE, 0.0)
    snapshot = session.snapshot()
    assert snapshot is not None
    assert snapshot[1]["faces"][0]["features"]["pose"]["yaw"] == 20
    session.options = replace(WITH_FEATURES, anonymize=True)
    assert get_features(session) is None
    hidden = session.snapshot()
    assert hidden is not None
    assert "features" not in hidden[1]["faces"][0]
