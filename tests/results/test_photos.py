from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from emotion.errors import ImageError
from emotion.faces import Box, Face, Scores
from emotion.media.image_array import downscale
from emotion.media.image_reader import encode_jpeg, encode_png, read_image, rotate
from emotion.recognition.analyzer import Analyzer, AnalyzerSettings, Rotation
from emotion.results import photos
from emotion.results.photos import Photo, PhotoAnalysis
from emotion.storage import BYTE_ORDER_MARK

Picture = NDArray[np.uint8]
RNG = np.random.default_rng(3)
IMAGE = RNG.integers(0, 256, (90, 120, 3), dtype=np.uint8)
BOXES = (Box(10, 10, 40, 40), Box(70, 20, 110, 60))


@pytest.fixture(scope="session")
def analyzer(fake_detector: Callable, fake_classifier: Callable) -> Analyzer:
    """Sees two faces in every picture: one surely happy, one a little more sad than happy."""
    return Analyzer(fake_detector(BOXES), fake_classifier(("happy", 0.9, 1.0), ("sad", 0.4, 1.0)))


@pytest.fixture(scope="session")
def empty(fake_detector: Callable, fake_classifier: Callable) -> Analyzer:
    return Analyzer(fake_detector(), fake_classifier())


@pytest.fixture
def photo(analyzer: Analyzer) -> Photo:
    return make_photo(analyzer, "a.png")


def make_photo(analyzer: Analyzer, name: str, image: Picture = IMAGE, unsure: float = 0.45) -> Photo:
    content = encode_png(image)
    reading = photos.analyze_photo(content, analyzer, AnalyzerSettings(), name)
    return Photo(name, content, reading, reading.apply_min_confidence(unsure))


def unzip(data: bytes) -> dict[str, Picture]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: read_image(archive.read(name)) for name in archive.namelist()}


# ------------------------------------------------------------------ reading


def test_a_photo_without_faces(empty: Analyzer) -> None:
    reading = photos.analyze_photo(encode_png(IMAGE), empty, AnalyzerSettings())
    assert (reading.width, reading.height, reading.rotation, reading.faces, reading.crops) == (120, 90, 0, (), ())
    assert reading.gray_crops.shape == (0, 48, 48)
    assert reading.render_preview(True) == reading.render_preview(False) == reading.preview_jpeg


def test_a_reading_holds_all_that_is_shown(analyzer: Analyzer) -> None:
    reading = photos.analyze_photo(encode_png(IMAGE), analyzer, AnalyzerSettings())
    assert [face.box for face in reading.faces] == list(BOXES)
    assert reading.gray_crops.shape == (2, 48, 48)
    assert [crop.shape for crop in reading.crops] == [(38, 38, 3), (50, 50, 3)]
    assert read_image(reading.preview_jpeg).shape == (90, 120, 3)


def test_a_reading_does_not_depend_on_the_least_confidence(analyzer: Analyzer) -> None:
    one, other = (
        photos.analyze_photo(encode_png(IMAGE), analyzer, AnalyzerSettings(min_confidence=unsure))
        for unsure in (0.0, 1.0)
    )
    assert one.faces == other.faces
    assert all(face.uncertainty_reason for face in one.faces)


@pytest.mark.parametrize(
    ("unsure", "shown"),
    [
        (0.0, ["happy", "sad"]),
        (0.4, ["happy", "sad"]),  # as sure as asked for
        (0.41, ["happy", "unsure"]),
        (0.9, ["happy", "unsure"]),
        (1.0, ["unsure", "unsure"]),
    ],
)
def test_faces_shown(analyzer: Analyzer, unsure: float, shown: list[str]) -> None:
    reading = photos.analyze_photo(encode_png(IMAGE), analyzer, AnalyzerSettings())
    faces = reading.apply_min_confidence(unsure)
    assert [face.display_label for face in faces] == shown
    assert [face.scores for face in faces] == [face.scores for face in reading.faces]
    assert all((face.uncertainty_reason is None) == (face.display_label != "unsure") for face in faces)


def test_large_photos_are_kept_small(analyzer: Analyzer, fake_detector: Callable, fake_classifier: Callable) -> None:
    wide = np.zeros((500, 3000, 3), np.uint8)
    big = Analyzer(fake_detector([Box(100, 0, 900, 500)]), fake_classifier())
    reading = photos.analyze_photo(encode_png(wide), big, AnalyzerSettings())
    assert (reading.width, reading.height) == (3000, 500)
    assert read_image(reading.preview_jpeg).shape == (233, 1400, 3)
    assert max(reading.crops[0].shape) == 320
    assert reading.crops[0].base is None  # a view would keep the whole photo in memory


def test_the_turned_photo_is_what_is_shown(fake_detector: Callable, fake_classifier: Callable) -> None:
    upright = np.zeros((60, 90, 3), np.uint8)
    upright[:, :45] = 200
    face = Face(Box(10, 10, 40, 40), 0.9)
    wide = Analyzer(
        fake_detector(lambda image: [face] if image.shape[1] > 60 and image[5, 5, 0] > 100 else []), fake_classifier()
    )
    content = encode_png(rotate(upright, 90))
    reading = photos.analyze_photo(content, wide, AnalyzerSettings(), "a.png")
    photo = Photo("a.png", content, reading, reading.faces)
    assert (reading.width, reading.height, reading.rotation) == (90, 60, 270)
    np.testing.assert_array_equal(photo.load_image(), upright)
    np.testing.assert_array_equal(reading.crops[0], upright[6:44, 6:44])
    assert photo.to_dict()["rotation"] == 270


def test_a_path_is_as_good_as_its_bytes(analyzer: Analyzer, sample_file: Path) -> None:
    one = photos.analyze_photo(sample_file, analyzer, AnalyzerSettings(), "x")
    other = photos.analyze_photo(sample_file.read_bytes(), analyzer, AnalyzerSettings(), "x")
    assert one.faces == other.faces
    assert one.preview_jpeg == other.preview_jpeg
    full = Photo("x", sample_file, one, one.faces).load_image()
    np.testing.assert_array_equal(full, read_image(sample_file))


def test_what_is_no_photo_is_called_by_its_name(analyzer: Analyzer) -> None:
    with pytest.raises(ImageError, match=r'"cat\.jpg" is plain text'):
        photos.analyze_photo(b"no photo", analyzer, AnalyzerSettings(), "cat.jpg")


@pytest.mark.parametrize(
    ("shape", "side", "expected"),
    [
        ((1, 1), 10, (1, 1)),
        ((1, 5000), 10, (1, 10)),
        ((10, 10), 10, (10, 10)),
        ((20, 40), 10, (5, 10)),
        ((40, 20), 10, (10, 5)),
    ],
)
def test_smaller(shape: tuple[int, int], side: int, expected: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 77, np.uint8)
    out = downscale(image, side)
    assert out.shape == (*expected, 3)
    assert np.all(out == 77)


# ------------------------------------------------------------------ blurred where that is wanted


def detail_left(shown: Picture, box: Box) -> float:
    """How much the grey of neighbouring pixels in a box differs; a mosaic has large flat cells."""
    x1, y1, x2, y2 = box.to_int_xyxy()
    part = shown[y1:y2, x1:x2].astype(float).mean(axis=2)
    return float(np.median(np.abs(np.diff(part, axis=1))))


def test_blurred_means_everywhere(photo: Photo) -> None:
    for shown, boxes, exact in (
        (read_image(photo.analysis.render_preview(True)), BOXES, False),
        (read_image(photos.make_annotated_png(photo, anonymize=True)), [box.expand(0.6) for box in BOXES], True),
        *((crop, [Box(0, 0, crop.shape[1], crop.shape[0])], True) for crop in photo.analysis.render_crops(True)),
        *(
            (crop, [Box(0, 0, crop.shape[1], crop.shape[0])], True)
            for crop in unzip(photos.make_crops_zip([photo], anonymize=True)).values()
        ),
    ):
        for box in boxes:
            assert detail_left(shown, box) <= (0 if exact else 3)
    assert detail_left(read_image(photo.analysis.render_preview(False)), BOXES[0]) > 20
    assert detail_left(photo.analysis.render_crops(False)[0], Box(0, 0, 38, 38)) > 20
    assert photo.analysis.render_crops(False) == photo.analysis.crops


@pytest.mark.parametrize("detection", [0.6, 0.95])
def test_a_face_that_is_not_sure_enough_to_be_shown_is_hidden_all_the_same(
    fake_detector: Callable, fake_classifier: Callable, detection: float
) -> None:
    detector = fake_detector([Face(BOXES[0], 0.97), Face(BOXES[1], 0.58)])
    everything = detector.detect
    detector.detect = lambda image, threshold, side: tuple(
        face for face in everything(image, threshold, side) if face.detection_score >= threshold
    )
    analyzer = Analyzer(detector, fake_classifier(("happy", 0.9, 1.0)))
    reading = photos.analyze_photo(encode_png(IMAGE), analyzer, AnalyzerSettings(detection_threshold=detection))
    assert len(reading.faces) == 1
    for shown in (
        read_image(reading.render_preview(True)),
        read_image(
            photos.make_annotated_png(Photo("a.png", encode_png(IMAGE), reading, reading.faces), anonymize=True)
        ),
    ):
        assert detail_left(shown, BOXES[1].expand(0.6)) <= 3


def test_the_preview_is_blurred_where_the_faces_are(fake_detector: Callable, fake_classifier: Callable) -> None:
    image = RNG.integers(0, 256, (700, 2800, 3), dtype=np.uint8)
    box = Box(2000, 100, 2600, 600)
    far = Analyzer(fake_detector([box]), fake_classifier())
    reading = photos.analyze_photo(encode_jpeg(image), far, AnalyzerSettings())
    shown, plain = (read_image(reading.render_preview(blur)) for blur in (True, False))
    assert detail_left(shown, Box(1000, 50, 1300, 300)) < 3 < 10 < detail_left(plain, Box(1000, 50, 1300, 300))
    assert detail_left(shown, Box(100, 50, 900, 300)) > 10  # and nowhere else


def test_thumbnails(photo: Photo, analyzer: Analyzer) -> None:
    assert photo.make_thumbnail(False).shape == (90, 120, 3)
    large = make_photo(analyzer, "large.png", np.zeros((800, 1600, 3), np.uint8))
    assert large.make_thumbnail(True).shape == (160, 320, 3)


# ------------------------------------------------------------------ names


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], []),
        (["a.jpg"], ["a.jpg"]),
        (["a.jpg", "b.jpg", "a.jpg", "a.jpg"], ["a.jpg", "b.jpg", "a.jpg (2)", "a.jpg (3)"]),
        (["a.jpg", "a.jpg", "a.jpg (2)"], ["a.jpg", "a.jpg (3)", "a.jpg (2)"]),  # none is given twice
        (["A.jpg", "a.jpg"], ["A.jpg", "a.jpg (2)"]),  # some disks do not tell them apart
    ],
)
def test_distinct(names: list[str], expected: list[str]) -> None:
    assert photos.make_unique_names(names) == expected


@given(st.lists(st.sampled_from(["a", "A", "a (2)", "a (3)", "a (2) (2)", "b"]), max_size=8))
def test_distinct_names_are_distinct(names: list[str]) -> None:
    out = photos.make_unique_names(names)
    assert len({name.casefold() for name in out}) == len(names)
    assert all(new.startswith(name) for new, name in zip(out, names, strict=True))


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("", "photo"),
        (".jpg", "jpg"),
        ("a.jpg", "a"),
        ("a.b.jpg", "a.b"),
        ("no-extension", "no-extension"),
        ("../../x/evil name.png", "evil-name"),
    ],
)
def test_stem(photo: Photo, name: str, stem: str) -> None:
    assert photo._replace(name=name).stem == stem


# ------------------------------------------------------------------ files to take away


@pytest.mark.parametrize(
    ("names", "pictures", "crops"),
    [
        ([], [], []),
        (["a.png"], ["a.png"], ["01_happy.png", "02_unsure.png"]),
        (
            ["x/a.png", "y/a.jpg", "a-2.png"],
            ["a.png", "a-3.png", "a-2.png"],
            [f"{stem}/{face}.png" for stem in ("a", "a-3", "a-2") for face in ("01_happy", "02_unsure")],
        ),
    ],
)
def test_zips(photo: Photo, names: list[str], pictures: list[str], crops: list[str]) -> None:
    several = [photo._replace(name=name) for name in names]
    assert list(unzip(photos.make_annotated_zip(several, anonymize=False))) == pictures
    assert list(unzip(photos.make_crops_zip(several, anonymize=False))) == crops


def test_crops_are_in_full_size_and_plain(photo: Photo) -> None:
    crops = list(unzip(photos.make_crops_zip([photo], anonymize=False)).values())
    np.testing.assert_array_equal(crops[0], IMAGE[6:44, 6:44])
    np.testing.assert_array_equal(crops[1], IMAGE[15:65, 65:115])


def test_the_annotated_picture_has_the_photos_size_and_pixels(photo: Photo) -> None:
    shown = read_image(photos.make_annotated_png(photo, anonymize=False))
    assert shown.shape == IMAGE.shape
    np.testing.assert_array_equal(shown[80:, :], IMAGE[80:, :])
    assert np.any(shown != IMAGE)


@pytest.mark.parametrize(("names", "rows"), [([], 0), (["a.png"], 2), (["a.png", "=b.png"], 4)])
def test_tables_of_photos(photo: Photo, names: list[str], rows: int) -> None:
    several = [photo._replace(name=name) for name in names]
    table = list(csv.DictReader(io.StringIO(photos.faces_to_csv(several).removeprefix(BYTE_ORDER_MARK))))
    assert len(table) == rows
    assert [row["file"] for row in table] == [f"'{n}" if n[0] == "=" else n for n in names for _ in BOXES]
    records = json.loads(photos.faces_to_json(several))
    assert [record["file"] for record in records] == names
    assert records == [one.to_dict() for one in several]


@pytest.mark.parametrize(
    ("faces", "rotation", "keys"),
    [
        ((), 0, ["file", "width", "height", "faces"]),
        ((Face(Box(0, 0, 9, 9), 0.8),), 0, ["file", "width", "height", "faces"]),
        ((Face(Box(0, 0, 9, 9), 0.8),), 90, ["file", "width", "height", "faces", "rotation"]),
    ],
)
def test_record_of_a_photo_names_its_rotation(
    photo: Photo, faces: tuple[Face, ...], rotation: Rotation, keys: list[str]
) -> None:
    analysis = replace(photo.analysis, width=640, height=480, rotation=rotation)
    record = photo._replace(analysis=analysis, faces=faces).to_dict()
    assert list(record) == keys
    assert (record["file"], record["width"], record["height"], len(record["faces"])) == ("a.png", 640, 480, len(faces))
    assert record.get("rotation", 0) == rotation


def test_a_photo_whose_face_was_never_read_can_be_saved(photo: Photo) -> None:
    unread = photo._replace(faces=(Face(Box(0, 0, 9, 9), 0.8),))
    assert list(unzip(photos.make_crops_zip([unread], anonymize=False))) == ["01_unsure.png"]
    assert json.loads(photos.faces_to_json([unread]))[0]["faces"][0]["label"] is None


def test_readings_are_values(photo: Photo) -> None:
    assert isinstance(photo.analysis, PhotoAnalysis)
    other = replace(photo.analysis, faces=(Face(Box(0, 0, 5, 5), 1.0, scores=Scores(["sad", "happy"], [0, 1])),))
    assert other.apply_min_confidence(0.5)[0].display_label == "happy"
    assert len(photo.analysis.faces) == 2


def test_a_photo_of_a_phone_says_by_how_much_it_was_reduced(analyzer: Analyzer) -> None:
    large = io.BytesIO()
    Image.new("L", (8160, 6144), 99).save(large, "JPEG")
    reading = photos.analyze_photo(large.getvalue(), analyzer, AnalyzerSettings(), "phone.jpg")
    assert (reading.width, reading.height, reading.reduction) == (4080, 3072, 2)
    photo = Photo("phone.jpg", large.getvalue(), reading, reading.faces)
    assert photo.to_dict()["reduction"] == 2
    assert photo.load_image().shape == (3072, 4080, 3), "boxes and image belong together"
    small = photos.analyze_photo(encode_png(IMAGE), analyzer, AnalyzerSettings())
    assert small.reduction == 1
    assert "reduction" not in Photo("a.png", encode_png(IMAGE), small, small.faces).to_dict()
