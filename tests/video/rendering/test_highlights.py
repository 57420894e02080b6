from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion.faces import Box, Face, Scores
from emotion.media.image_reader import read_image
from emotion.video.rendering.highlights import MAX_HIGHLIGHTS, HighlightDetector
from emotion.video.rendering.thumbnails import ThumbnailIndex, ThumbnailStore
from tests.video.scenes import paint

Make = Callable[[str, float], Scores]


def face(scores: Scores | None, track: int = 1, side: int = 80, unsure: str | None = None) -> Face:
    return Face(Box(20, 20, 20 + side, 20 + side), 0.9, scores=scores, uncertainty_reason=unsure, track_id=track)


def found(folder: Path, moments: HighlightDetector) -> list[tuple[float, str, str, str | None]]:
    moments.finish()
    moments.write()
    values = json.loads((folder / "highlights.json").read_text())["highlights"]
    for one in values:
        assert (folder / one["thumbnail"]).is_file()
    assert len(list((folder / "highlights").iterdir())) == len(values)
    return [(one["timestamp"], one["kind"], one["label"], one["previous_label"]) for one in values]


def play(folder: Path, make: Make, *script: tuple[float, str, float], rate: int = 10) -> HighlightDetector:
    """`script`: until which second, what is shown, how surely; "" where nobody is there."""
    moments = HighlightDetector(folder, False)
    start = 0
    for until, word, sure in script:
        for i in range(start, round(until * rate)):
            one = face(make(word or "sad", sure), unsure="dark" if word == "unsure" else None) if word else None
            if word == "unsure":
                one = face(make("sad", sure), unsure="dark")
            moments.update(np.full((120, 160, 3), i % 250, np.uint8), (one,) if one else (), i / rate)
        start = round(until * rate)
    return moments


def test_changes_and_peaks(tmp_path: Path, make_scores: Make) -> None:
    moments = play(tmp_path, make_scores, (2, "sad", 0.7), (2.1, "sad", 0.9), (3, "sad", 0.7), (5, "happy", 0.8))
    assert found(tmp_path, moments) == [
        (2.0, "peak", "sad", None),
        (3.0, "change", "happy", "sad"),
        (3.0, "peak", "happy", None),
    ]
    crop = read_image(next((tmp_path / "highlights").glob("00002000-1-peak.jpg")))
    assert abs(int(crop.mean()) - 20) <= 2  # of that very frame, the twentieth


@pytest.mark.parametrize(
    ("script", "kinds"),
    [
        ([(0.6, "happy", 0.9)], []),  # too short for a peak
        ([(0.9, "happy", 0.9)], ["peak"]),
        ([(2, "sad", 0.9), (2.4, "happy", 0.9), (4, "sad", 0.9)], ["peak", "peak"]),  # a flicker is no change
        ([(2, "sad", 0.9), (2.4, "", 0), (4, "happy", 0.9)], ["peak", "change", "peak"]),  # missed for a moment
        ([(2, "sad", 0.9), (4, "", 0), (6, "happy", 0.9)], ["peak", "peak"]),  # was away: nobody saw it change
        ([(2, "sad", 0.9), (2.6, "unsure", 0.3), (4, "happy", 0.9)], ["peak", "change", "peak"]),
        ([(2, "sad", 0.9), (2.6, "unsure", 0.3), (4, "sad", 0.9)], ["peak"]),
        ([(5, "unsure", 0.3)], []),
    ],
)
def test_what_counts(
    tmp_path: Path, make_scores: Make, script: list[tuple[float, str, float]], kinds: list[str]
) -> None:
    assert [kind for _, kind, _, _ in found(tmp_path, play(tmp_path, make_scores, *script))] == kinds


def test_the_most_telling_are_kept(tmp_path: Path, make_scores: Make) -> None:
    script = [(2.0 * i, ("happy", "neutral")[i % 2], 0.8) for i in range(1, 61)]
    script[30] = (62.0, "surprise", 0.9)
    result = found(tmp_path, play(tmp_path, make_scores, *script))
    assert len(result) == MAX_HIGHLIGHTS
    assert ("peak", "surprise") in [(kind, word) for _, kind, word, _ in result]
    assert [seconds for seconds, *_ in result] == sorted(seconds for seconds, *_ in result)


def test_what_was_written_and_is_no_longer_among_the_best_goes(tmp_path: Path, make_scores: Make) -> None:
    moments = HighlightDetector(tmp_path, False)
    image = paint([])
    for i in range(900):
        word, sure = ("happy", "sad")[(i // 10) % 2], 0.5 + i / 2000
        moments.update(image, (face(make_scores(word, sure)),), i / 10)
        if i % 50 == 0:
            moments.write()
            named = {one["thumbnail"] for one in json.loads((tmp_path / "highlights.json").read_text())["highlights"]}
            assert {f"highlights/{path.name}" for path in (tmp_path / "highlights").iterdir()} == named
    assert len(found(tmp_path, moments)) == MAX_HIGHLIGHTS


def test_mosaics(tmp_path: Path, make_scores: Make) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (120, 160, 3), np.uint8)
    for blur in (False, True):
        folder = tmp_path / str(blur)
        folder.mkdir()
        moments, crops = HighlightDetector(folder, blur), ThumbnailStore(folder, blur)
        for i in range(20):
            moments.update(image, (face(make_scores("happy", 0.9)),), i / 10)
            crops.update(image, (face(make_scores("happy", 0.9)),))
        found(folder, moments)
        crops.write()
        for path in (*folder.glob("highlights/*.jpg"), *folder.glob("thumbnails/*.jpg")):
            steps = np.abs(np.diff(read_image(path).astype(int), axis=1)).mean()
            assert (steps < 5) == blur, path


# ------------------------------------------------------------------ crops


def test_the_best_image_wins(tmp_path: Path, make_scores: Make) -> None:
    crops, rng = ThumbnailStore(tmp_path, False), np.random.default_rng(0)
    sharp = rng.integers(100, 256, (240, 320, 3), np.uint8)
    cases = [
        (sharp // 4, face(make_scores("happy", 0.5), side=60)),
        (sharp, face(make_scores("happy", 0.9), side=150)),  # the best
        (sharp // 3, face(make_scores("happy", 0.9), side=60)),
        (sharp // 3, face(make_scores("happy", 0.4), side=150)),
        (np.full_like(sharp, 60), face(make_scores("happy", 0.9), side=150)),  # nothing to see in it
    ]
    for image, one in cases:
        crops.update(image, (one,))
    crops.update(sharp // 2, (face(None), face(make_scores("sad", 0.3), unsure="dark", side=100)))
    crops.write()
    assert sorted(path.name for path in (tmp_path / "thumbnails").glob("*.jpg")) == [
        "1-happy.jpg",
        "1-unsure.jpg",
        "1.jpg",
    ]
    for name in ("1-happy.jpg", "1.jpg"):
        picture = read_image(tmp_path / "thumbnails" / name)
        assert max(picture.shape) == 160
        assert picture.mean() > 150


def test_the_best_of_faces_that_are_one(tmp_path: Path, make_scores: Make) -> None:
    crops, image = ThumbnailStore(tmp_path, False), np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    crops.update(image, (face(make_scores("happy", 0.6), 1), face(make_scores("happy", 0.9), 2)))
    assert ThumbnailIndex.read(tmp_path).find_best((1, 2)) is None
    crops.write()
    assert ThumbnailIndex.read(tmp_path).find_best((1, 2)) == tmp_path / "thumbnails" / "2.jpg"
    assert ThumbnailIndex.read(tmp_path).find_best((1,), "happy") == tmp_path / "thumbnails" / "1-happy.jpg"
    assert ThumbnailIndex.read(tmp_path).find_best((1, 2), "sad") is None
    (tmp_path / "thumbnails" / "quality.json").write_text("{")
    assert ThumbnailIndex.read(tmp_path).find_best((1, 2)) is not None


@settings(max_examples=20)
@given(st.lists(st.tuples(st.floats(-50, 400), st.floats(-50, 300), st.floats(-5, 200)), max_size=6))
def test_boxes_anywhere(tmp_path_factory: pytest.TempPathFactory, make_scores: Make, boxes: list) -> None:
    folder = tmp_path_factory.mktemp("crops")
    crops, moments, image = ThumbnailStore(folder, True), HighlightDetector(folder, True), paint([])
    faces = tuple(
        Face(Box(x, y, x + side, y + side), 0.9, scores=make_scores("happy", 0.9), track_id=i)
        for i, (x, y, side) in enumerate(boxes, 1)
    )
    for i in range(10):
        crops.update(image, faces)
        moments.update(image, faces, i / 10)
    crops.write()
    found(folder, moments)
