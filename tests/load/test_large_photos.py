"""The photos and the summary of the test of large photos; the test itself is `make large-photo-test`."""

from __future__ import annotations

import pytest

pytest.importorskip("playwright", reason="THE TESTS OF THE LOAD TEST DID NOT RUN: Playwright is not installed")
from emotion.media.image_reader import count_pixels, decode_image
from tests.load.large_photos import PHOTO_SIZE, Visit, make_large_photos, summarize


@pytest.mark.slow
def test_photos_are_different_and_as_large_as_can_be_without_a_reduction() -> None:
    first, second = make_large_photos(2)
    assert first != second
    assert count_pixels(first) == PHOTO_SIZE[0] * PHOTO_SIZE[1]
    assert decode_image(second).reduction == 1


def test_a_slow_heading_beside_photos_exceeds_the_limit() -> None:
    alone = [Visit(0.5, 0.8, 290.0)]
    lines, is_quick = summarize({"alone": alone, "beside": [Visit(1.0, 2.5, 400.0), Visit(1.9, 2.0, 500.0)]})
    assert is_quick
    assert "2 visits: heading 1.45 s (median), 1.90 s (slowest); face 2.25 s, 2.50 s; server 500 MB" in lines[1]
    assert not summarize({"alone": alone, "beside": [Visit(2.1, 2.5, 400.0)]})[1]
