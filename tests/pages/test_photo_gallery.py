"""Several photos on the Photos page: photos or faces, filter and order, and the arrow keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.media.image_reader import encode_png

pytestmark = pytest.mark.slow

Open = Callable[[str], Any]


@pytest.fixture(scope="module")
def large_face(sample: NDArray[np.uint8]) -> bytes:
    return encode_png(sample[:256, 100:356].repeat(2, axis=0).repeat(2, axis=1))


@pytest.fixture(scope="module")
def seven_faces(sample: NDArray[np.uint8]) -> bytes:
    return encode_png(np.hstack([sample[:256, 100:356]] * 7))


def captions(page: Any, key: str) -> list[str]:
    return [item["caption"] for item in page.shown(key)["thumbnails"]]


def test_faces_of_all_photos_lead_to_their_photo(open_page: Open, three_faces: bytes, sample_file: Path) -> None:
    page = open_page("photo")
    page.upload(("three.png", three_faces), ("one.jpg", sample_file.read_bytes()))
    assert page.shown("photo_strip")["selected"] == 1
    page.app.segmented_control(key="photo_view").set_value("Faces").run()
    faces = page.shown("photo_faces")
    assert page.shown("photo_strip") is None
    titles = [item["title"] for item in faces["thumbnails"]]
    assert [title.split(":")[0] for title in titles] == [
        "three.png · Face 1",
        "three.png · Face 2",
        "three.png · Face 3",
        "one.jpg · Face 1",
    ]
    page.app.session_state["photo_index"], page.app.session_state["photo_face"] = 2, 1
    page.app.run()
    assert page.shown("photo_faces")["selected"] == 4
    assert len(page.shown("photo_picture")["faces"]) == 1


def test_filter_shows_only_photos_with_the_expression(
    open_page: Open, three_faces: bytes, no_face: bytes, sample_file: Path
) -> None:
    page = open_page("photo")
    page.upload(("wall.png", no_face), ("three.png", three_faces), ("one.jpg", sample_file.read_bytes()))
    page.app.slider(key="side_min_confidence").set_value(95).run()
    assert "photo_filter" not in page.app.session_state, "all faces are unsure"
    page.app.slider(key="side_min_confidence").set_value(25).run()
    assert page.app.pills(key="photo_filter").options == ["★ surprise 3", "? unsure 1"]
    assert len(captions(page, "photo_strip")) == 3
    page.app.pills(key="photo_filter").set_value(["unsure"]).run()
    assert captions(page, "photo_strip") == ["one.jpg\n1 face"]
    assert len(page.shown("photo_picture")["faces"]) == 1, "it is shown at once"
    page.app.segmented_control(key="photo_view").set_value("Faces").run()
    assert captions(page, "photo_faces") == ["? unsure"]
    page.app.slider(key="side_min_confidence").set_value(0).run()
    assert len(captions(page, "photo_faces")) == 4, "no face is unsure, so the filter has no such expression"


def test_largest_face_comes_first_and_is_selected(open_page: Open, three_faces: bytes, large_face: bytes) -> None:
    page = open_page("photo")
    page.upload(("three.png", three_faces), ("large.png", large_face))
    page.app.selectbox(key="photo_order").set_value("size").run()
    assert captions(page, "photo_strip") == ["large.png\n1 face", "three.png\n3 faces"]
    assert page.shown("photo_strip")["selected"] == 1
    assert len(page.shown("photo_picture")["faces"]) == 1, "the first one is shown at once"


def test_arrow_keys_belong_to_one_list(open_page: Open, three_faces: bytes, sample_file: Path) -> None:
    page = open_page("photo")
    page.upload(("three.png", three_faces))
    assert page.shown("photo_crops")["has_arrow_keys"]
    page.upload(("three.png", three_faces), ("one.jpg", sample_file.read_bytes()))
    page.app.session_state["photo_index"] = 1
    page.app.run()
    assert page.shown("photo_strip")["has_arrow_keys"]
    assert not page.shown("photo_crops")["has_arrow_keys"]


def test_many_faces_of_a_single_photo_can_be_sorted(open_page: Open, three_faces: bytes, seven_faces: bytes) -> None:
    page = open_page("photo")
    page.upload(("three.png", three_faces))
    assert "photo_order" not in page.app.session_state, "three are seen at a glance"
    page.upload(("seven.png", seven_faces))
    page.app.selectbox(key="photo_order").set_value("confidence").run()
    shown = captions(page, "photo_crops")
    scores = [face["scores"][0]["score"] for face in page.shown("photo_picture")["faces"]]
    by_confidence = sorted(range(7), key=lambda i: -scores[i])
    assert [int(caption.split()[0]) - 1 for caption in shown] == by_confidence
    assert page.shown("photo_picture")["selected"] == by_confidence[0] + 1


def test_filter_of_a_single_photo_ends_with_its_expression(open_page: Open, seven_faces: bytes) -> None:
    page = open_page("photo")
    page.upload(("seven.png", seven_faces))
    page.app.slider(key="side_min_confidence").set_value(0).run()
    page.app.session_state["photo_filter"] = ["unsure"]
    page.app.run()
    assert len(captions(page, "photo_crops")) == 7, "no face is unsure"


def test_a_photo_that_is_added_is_shown_at_once(open_page: Open, three_faces: bytes, sample_file: Path) -> None:
    page = open_page("photo")
    page.upload(("three.png", three_faces))
    page.upload(("three.png", three_faces), ("one.jpg", sample_file.read_bytes()))
    assert page.shown("photo_strip")["selected"] == 2
