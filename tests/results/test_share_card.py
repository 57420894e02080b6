from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from emotion.expressions import get_style
from emotion.faces import Box, Face, Scores
from emotion.media.image_array import ImageArray
from emotion.recognition.label_rendering import hex_to_rgb
from emotion.results.share_card import CARD_SIZE, ShareCard, add_legend, count_expressions, render_share_card

DAY = date(2026, 11, 30)
GRAY = np.full((300, 400, 3), 128, np.uint8)


def face(label: str, x: float = 20) -> Face:
    return Face(Box(x, 40, x + 60, 110), 0.9, scores=Scores((label, "other"), (0.9, 0.1)))


def contains(image: ImageArray, color: str) -> bool:
    return bool((image == hex_to_rgb(color)).all(-1).any())


@pytest.mark.parametrize("shape", [(300, 400), (900, 200), (60, 2000)])
@pytest.mark.parametrize("title", ["", "A day at the sea", "word " * 40, "x" * 200])
def test_card_has_the_size_of_a_link_preview_for_any_photo_and_title(shape: tuple[int, int], title: str) -> None:
    image = np.full((*shape, 3), 128, np.uint8)
    card = render_share_card(image, ShareCard(title, DAY, (face("happy"), face("sad", 120))))
    assert card.shape == (CARD_SIZE[1], CARD_SIZE[0], 3)


def test_card_of_several_faces_has_a_bar_in_the_color_of_each_expression() -> None:
    panel = render_share_card(GRAY, ShareCard("", DAY, (face("happy"), face("sad", 120))))[:, 800:]
    assert contains(panel, get_style("happy").color)
    assert contains(panel, get_style("sad").color)
    assert not contains(panel, get_style("angry").color)


def test_card_of_one_face_shows_its_scores() -> None:
    scores = Scores(("happy", "sad", "angry"), (0.5, 0.3, 0.2))
    panel = render_share_card(GRAY, ShareCard("", DAY, (Face(Box(20, 40, 80, 110), 0.9, scores=scores),)))[:, 800:]
    assert all(contains(panel, get_style(label).color) for label in scores)


def test_card_without_faces_shows_the_photo() -> None:
    card = render_share_card(GRAY, ShareCard("Nobody", DAY, ()))
    assert contains(card, "#808080")


def test_expressions_are_counted_from_the_most_frequent() -> None:
    faces = [face("sad"), face("happy"), face("happy")]
    assert count_expressions(faces) == [("happy", 2), ("sad", 1)]


@pytest.mark.parametrize("width", [120, 400, 3000])
def test_legend_extends_the_image_and_fits_its_width(width: int) -> None:
    image = np.full((300, width, 3), 128, np.uint8)
    labels = ["happy", "sad", "angry", "fear", "disgust", "surprise", "neutral", "contempt"]
    legend = add_legend(image, [face(label) for label in labels])
    np.testing.assert_array_equal(legend[:300], image)
    assert legend.shape[1] == width
    assert all(contains(legend[300:], get_style(label).color) for label in labels)


def test_image_without_faces_gets_no_legend() -> None:
    assert add_legend(GRAY, ()) is GRAY
