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
from tests.video.scenes import draw_scene

Make = Callable[[str, float], Scores]


def make_face(scores: Scores | None, track: int = 1, side: int = 80, unsure: str | None = None) -> Face:
    return Face(Box(20, 20, 20 + side, 20 + side), 0.9, scores=scores, uncertainty_reason=unsure, track_id=track)


def read_highlights(folder: Path, detector: HighlightDetector) -> list[tuple[float, str, str, str | None]]:
    detector.finish()
    detector.write()
    values = json.loads((folder / "highlights.json").read_text())["highlights"]
    for item in values:
        assert (folder / item["thumbnail"]).is_file()
    assert len(list((folder / "highlights").iterdir())) == len(values)
    return [(item["timestamp"], item["kind"], item["label"], item["previous_label"]) for item in values]


def detect_highlights(
    folder: Path, make_scores: Make, *parts: tuple[float, str, float], rate: int = 10
) -> HighlightDetector:
    """Update a detector with parts of (end in seconds, label, confidence); the label is "" without a face."""
    detector = HighlightDetector(folder, False)
    start = 0
    for end, label, confidence in parts:
        for i in range(start, round(end * rate)):
            face = (
                make_face(make_scores(label or "sad", confidence), unsure="dark" if label == "unsure" else None)
                if label
                else None
            )
            if label == "unsure":
                face = make_face(make_scores("sad", confidence), unsure="dark")
            detector.update(np.full((120, 160, 3), i % 250, np.uint8), (face,) if face else (), i / rate)
        start = round(end * rate)
    return detector


def test_changes_and_peaks_are_found(tmp_path: Path, make_scores: Make) -> None:
    detector = detect_highlights(
        tmp_path, make_scores, (2, "sad", 0.7), (2.1, "sad", 0.9), (3, "sad", 0.7), (5, "happy", 0.8)
    )
    assert read_highlights(tmp_path, detector) == [
        (2.0, "peak", "sad", None),
        (3.0, "change", "happy", "sad"),
        (3.0, "peak", "happy", None),
    ]
    crop = read_image(next((tmp_path / "highlights").glob("00002000-1-peak.jpg")))
    assert abs(int(crop.mean()) - 20) <= 2  # of the same frame, the twentieth


@pytest.mark.parametrize(
    ("parts", "kinds"),
    [
        ([(0.6, "happy", 0.9)], []),  # too short for a peak
        ([(0.9, "happy", 0.9)], ["peak"]),
        ([(2, "sad", 0.9), (2.4, "happy", 0.9), (4, "sad", 0.9)], ["peak", "peak"]),  # too short for a change
        ([(2, "sad", 0.9), (2.4, "", 0), (4, "happy", 0.9)], ["peak", "change", "peak"]),  # a short gap
        ([(2, "sad", 0.9), (4, "", 0), (6, "happy", 0.9)], ["peak", "peak"]),  # the change was not visible
        ([(2, "sad", 0.9), (2.6, "unsure", 0.3), (4, "happy", 0.9)], ["peak", "change", "peak"]),
        ([(2, "sad", 0.9), (2.6, "unsure", 0.3), (4, "sad", 0.9)], ["peak"]),
        ([(5, "unsure", 0.3)], []),
    ],
)
def test_short_changes_and_uncertain_labels_are_no_highlights(
    tmp_path: Path, make_scores: Make, parts: list[tuple[float, str, float]], kinds: list[str]
) -> None:
    assert [
        kind for _, kind, _, _ in read_highlights(tmp_path, detect_highlights(tmp_path, make_scores, *parts))
    ] == kinds


def test_number_of_highlights_is_limited_to_the_best(tmp_path: Path, make_scores: Make) -> None:
    parts = [(2.0 * i, ("happy", "neutral")[i % 2], 0.8) for i in range(1, 61)]
    parts[30] = (62.0, "surprise", 0.9)
    result = read_highlights(tmp_path, detect_highlights(tmp_path, make_scores, *parts))
    assert len(result) == MAX_HIGHLIGHTS
    assert ("peak", "surprise") in [(kind, label) for _, kind, label, _ in result]
    assert [seconds for seconds, *_ in result] == sorted(seconds for seconds, *_ in result)


def test_files_of_replaced_highlights_are_deleted(tmp_path: Path, make_scores: Make) -> None:
    detector = HighlightDetector(tmp_path, False)
    image = draw_scene([])
    for i in range(900):
        label, confidence = ("happy", "sad")[(i // 10) % 2], 0.5 + i / 2000
        detector.update(image, (make_face(make_scores(label, confidence)),), i / 10)
        if i % 50 == 0:
            detector.write()
            named = {item["thumbnail"] for item in json.loads((tmp_path / "highlights.json").read_text())["highlights"]}
            assert {f"highlights/{path.name}" for path in (tmp_path / "highlights").iterdir()} == named
    assert len(read_highlights(tmp_path, detector)) == MAX_HIGHLIGHTS


def test_anonymized_crops_are_pixelated(tmp_path: Path, make_scores: Make) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (120, 160, 3), np.uint8)
    for anonymize in (False, True):
        folder = tmp_path / str(anonymize)
        folder.mkdir()
        detector, store = HighlightDetector(folder, anonymize), ThumbnailStore(folder, anonymize)
        for i in range(20):
            detector.update(image, (make_face(make_scores("happy", 0.9)),), i / 10)
            store.update(image, (make_face(make_scores("happy", 0.9)),))
        read_highlights(folder, detector)
        store.write()
        for path in (*folder.glob("highlights/*.jpg"), *folder.glob("thumbnails/*.jpg")):
            steps = np.abs(np.diff(read_image(path).astype(int), axis=1)).mean()
            assert (steps < 5) == anonymize, path


# ------------------------------------------------------------------ thumbnails


def test_best_thumbnail_is_kept(tmp_path: Path, make_scores: Make) -> None:
    store, rng = ThumbnailStore(tmp_path, False), np.random.default_rng(0)
    sharp_image = rng.integers(100, 256, (240, 320, 3), np.uint8)
    cases = [
        (sharp_image // 4, make_face(make_scores("happy", 0.5), side=60)),
        (sharp_image, make_face(make_scores("happy", 0.9), side=150)),  # the best
        (sharp_image // 3, make_face(make_scores("happy", 0.9), side=60)),
        (sharp_image // 3, make_face(make_scores("happy", 0.4), side=150)),
        (np.full_like(sharp_image, 60), make_face(make_scores("happy", 0.9), side=150)),  # without detail
    ]
    for image, face in cases:
        store.update(image, (face,))
    store.update(sharp_image // 2, (make_face(None), make_face(make_scores("sad", 0.3), unsure="dark", side=100)))
    store.write()
    assert sorted(path.name for path in (tmp_path / "thumbnails").glob("*.jpg")) == [
        "1-happy.jpg",
        "1-unsure.jpg",
        "1.jpg",
    ]
    for name in ("1-happy.jpg", "1.jpg"):
        thumbnail = read_image(tmp_path / "thumbnails" / name)
        assert max(thumbnail.shape) == 160
        assert thumbnail.mean() > 150


def test_best_thumbnail_of_merged_tracks_is_found(tmp_path: Path, make_scores: Make) -> None:
    store, image = ThumbnailStore(tmp_path, False), np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    store.update(image, (make_face(make_scores("happy", 0.6), 1), make_face(make_scores("happy", 0.9), 2)))
    assert ThumbnailIndex.read(tmp_path).find_best((1, 2)) is None
    store.write()
    assert ThumbnailIndex.read(tmp_path).find_best((1, 2)) == tmp_path / "thumbnails" / "2.jpg"
    assert ThumbnailIndex.read(tmp_path).find_best((1,), "happy") == tmp_path / "thumbnails" / "1-happy.jpg"
    assert ThumbnailIndex.read(tmp_path).find_best((1, 2), "sad") is None
    (tmp_path / "thumbnails" / "quality.json").write_text("{")
    assert ThumbnailIndex.read(tmp_path).find_best((1, 2)) is not None


@settings(max_examples=20)
@given(st.lists(st.tuples(st.floats(-50, 400), st.floats(-50, 300), st.floats(-5, 200)), max_size=6))
def test_any_boxes_give_thumbnails_and_highlights(
    tmp_path_factory: pytest.TempPathFactory, make_scores: Make, boxes: list
) -> None:
    folder = tmp_path_factory.mktemp("crops")
    store, detector, image = ThumbnailStore(folder, True), HighlightDetector(folder, True), draw_scene([])
    faces = tuple(
        Face(Box(x, y, x + side, y + side), 0.9, scores=make_scores("happy", 0.9), track_id=i)
        for i, (x, y, side) in enumerate(boxes, 1)
    )
    for i in range(10):
        store.update(image, faces)
        detector.update(image, faces, i / 10)
    store.write()
    read_highlights(folder, detector)
