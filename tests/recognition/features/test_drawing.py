"""Points of faces drawn on an image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from emotion.faces import Box, Face, FaceFeatures, HeadPose
from emotion.recognition.annotation import annotate, pixelate
from emotion.recognition.features.drawing import draw_points, find_outline
from emotion.recognition.features.network import MAX_POINT_ERROR
from tests.training.features.making import mean_points

POINTS = tuple((float(x), float(y)) for x, y in mean_points() * 100 + 20)
FEATURES = FaceFeatures(POINTS, (0.02,) * 68, HeadPose(0, 0, 0), {"jawOpen": 0.5}, 0.95)
FACE = Face(Box(20, 20, 120, 120), 0.9, features=FEATURES)


def is_changed(face: Face) -> bool:
    image = np.full((150, 150, 3), 128, np.uint8)
    draw_points(image, (face,))
    return bool((image != 128).any())


def test_points_are_drawn_where_they_are() -> None:
    image = np.full((150, 150, 3), 128, np.uint8)
    draw_points(image, (FACE,))
    changed = np.argwhere((image != 128).any(2))[:, ::-1]
    distance = np.linalg.norm(changed[:, None] - np.array(POINTS)[None], axis=2)
    assert distance.min(0).max() < 2  # each point is near a changed pixel


def test_uncertain_points_are_not_drawn() -> None:
    assert not is_changed(replace(FACE, features=replace(FEATURES, point_errors=(MAX_POINT_ERROR * 1.01,) * 68)))


def test_an_uncertain_face_is_not_drawn() -> None:
    assert not is_changed(replace(FACE, features=replace(FEATURES, pose=None)))


def test_hidden_points_are_not_drawn() -> None:
    assert not is_changed(replace(FACE, features=FEATURES.without_points()))
    assert not is_changed(replace(FACE, features=None))


def test_points_outside_the_image_are_no_error() -> None:
    assert is_changed(FACE.scale_and_translate(-60, -60))


def test_annotation_draws_points_only_where_they_are_asked_for_and_faces_are_visible() -> None:
    image = np.random.default_rng(0).integers(0, 256, (150, 150, 3), dtype=np.uint8)
    plain = annotate(image, (replace(FACE, features=None),))
    np.testing.assert_array_equal(annotate(image, (FACE,)), plain)
    assert (annotate(image, (FACE,), points=True) != plain).any()
    hidden = annotate(image, (FACE,), anonymize=True, points=True)
    np.testing.assert_array_equal(hidden, annotate(pixelate(image, [FACE.box]), (replace(FACE, features=None),)))


def test_the_outline_has_the_certain_points_and_the_lines_between_them() -> None:
    errors = (MAX_POINT_ERROR * 1.01,) * 17 + (0.02,) * 51  # the jaw is hidden
    outline = find_outline(replace(FEATURES, point_errors=errors))
    assert outline.points == POINTS[17:]
    assert len(find_outline(FEATURES).lines) - len(outline.lines) == 16
    assert find_outline(None).lines == find_outline(FEATURES.without_points()).lines == ()
