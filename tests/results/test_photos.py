"""Analysis of photos: previews, crops, anonymization, names, and the files of the result."""

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
from PIL import Image

from emotion.errors import ImageError
from emotion.faces import Box, Face, Scores
from emotion.media.image_array import ImageArray
from emotion.media.image_reader import encode_jpeg, encode_png, read_image, rotate
from emotion.recognition import uncertainty
from emotion.recognition.analyzer import Analyzer, Rotation
from emotion.recognition.settings import AnalyzerSettings
from emotion.results import photos
from emotion.results.photos import Photo, PhotoAnalysis
from emotion.storage import BYTE_ORDER_MARK

RNG = np.random.default_rng(3)
IMAGE = RNG.integers(0, 256, (90, 120, 3), dtype=np.uint8)
BOXES = (Box(10, 10, 40, 40), Box(70, 20, 110, 60))


@pytest.fixture(scope="session")
def analyzer(fake_detector: Callable, fake_classifier: Callable) -> Analyzer:
    """Finds two faces in every image: one certainly happy, one a little more sad than happy."""
    return Analyzer(fake_detector(BOXES), fake_classifier(("happy", 0.9, 1.0), ("sad", 0.4, 1.0)))


@pytest.fixture(scope="session")
def blind_analyzer(fake_detector: Callable, fake_classifier: Callable) -> Analyzer:
    return Analyzer(fake_detector(), fake_classifier())


@pytest.fixture
def photo(analyzer: Analyzer) -> Photo:
    return make_photo(analyzer, "a.png")


def make_photo(analyzer: Analyzer, name: str, image: ImageArray = IMAGE, min_confidence: float = 0.45) -> Photo:
    content = encode_png(image)
    analysis = photos.analyze_photo(content, analyzer, AnalyzerSettings(), name)
    return Photo(name, content, analysis, analysis.apply_min_confidence(min_confidence))


def unzip(data: bytes) -> dict[str, ImageArray]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: read_image(archive.read(name)) for name in archive.namelist()}


def test_photo_without_faces_has_an_analysis(blind_analyzer: Analyzer) -> None:
    analysis = photos.analyze_photo(encode_png(IMAGE), blind_analyzer, AnalyzerSettings())
    assert (analysis.width, analysis.height, analysis.rotation, analysis.faces, analysis.crops) == (120, 90, 0, (), ())
    assert analysis.gray_crops.shape == (0, 48, 48)
    assert analysis.render_preview(True) == analysis.render_preview(False) == analysis.preview_jpeg


def test_analysis_has_faces_crops_and_preview(analyzer: Analyzer) -> None:
    analysis = photos.analyze_photo(encode_png(IMAGE), analyzer, AnalyzerSettings())
    assert [face.box for face in analysis.faces] == list(BOXES)
    assert analysis.gray_crops.shape == (2, 48, 48)
    assert [crop.shape for crop in analysis.crops] == [(38, 38, 3), (50, 50, 3)]
    assert read_image(analysis.preview_jpeg).shape == (90, 120, 3)


def test_analysis_does_not_depend_on_the_minimum_confidence(analyzer: Analyzer) -> None:
    first, second = (
        photos.analyze_photo(encode_png(IMAGE), analyzer, AnalyzerSettings(min_confidence=min_confidence))
        for min_confidence in (0.0, 1.0)
    )
    assert first.faces == second.faces
    assert all(face.uncertainty_reason for face in first.faces)


@pytest.mark.parametrize(
    ("min_confidence", "displayed"),
    [
        (0.0, ["happy", "sad"]),
        (0.4, ["happy", "sad"]),  # equal to the minimum
        (0.41, ["happy", "unsure"]),
        (0.9, ["happy", "unsure"]),
        (1.0, ["unsure", "unsure"]),
    ],
)
def test_minimum_confidence_decides_which_labels_are_displayed(
    analyzer: Analyzer, min_confidence: float, displayed: list[str]
) -> None:
    analysis = photos.analyze_photo(encode_png(IMAGE), analyzer, AnalyzerSettings())
    faces = analysis.apply_min_confidence(min_confidence)
    assert [face.display_label for face in faces] == displayed
    assert [face.scores for face in faces] == [face.scores for face in analysis.faces]
    assert all((face.uncertainty_reason is None) == (face.display_label != "unsure") for face in faces)


def test_what_is_hardly_a_face_is_never_certain(fake_detector: Callable, fake_classifier: Callable) -> None:
    analyzer = Analyzer(fake_detector(BOXES), fake_classifier(("happy", 0.9, 1.0), ("neutral", 0.9, 0.01)))
    analysis = photos.analyze_photo(encode_png(IMAGE), analyzer, AnalyzerSettings())
    reasons = [face.uncertainty_reason for face in analysis.apply_min_confidence(0.5)]
    assert reasons == [None, uncertainty.HARDLY_A_FACE]


def test_analysis_of_a_large_photo_is_small(
    analyzer: Analyzer, fake_detector: Callable, fake_classifier: Callable
) -> None:
    wide = np.zeros((500, 3000, 3), np.uint8)
    large_face_analyzer = Analyzer(fake_detector([Box(100, 0, 900, 500)]), fake_classifier())
    analysis = photos.analyze_photo(encode_png(wide), large_face_analyzer, AnalyzerSettings())
    assert (analysis.width, analysis.height) == (3000, 500)
    assert read_image(analysis.preview_jpeg).shape == (233, 1400, 3)
    assert max(analysis.crops[0].shape) == 320
    assert analysis.crops[0].base is None  # a view would keep the whole photo in memory


def test_rotated_photo_is_displayed_rotated(fake_detector: Callable, fake_classifier: Callable) -> None:
    upright = np.zeros((60, 90, 3), np.uint8)
    upright[:, :45] = 200
    face = Face(Box(10, 10, 40, 40), 0.9)
    wide = Analyzer(
        fake_detector(lambda image: [face] if image.shape[1] > 60 and image[5, 5, 0] > 100 else []), fake_classifier()
    )
    content = encode_png(rotate(upright, 90))
    analysis = photos.analyze_photo(content, wide, AnalyzerSettings(), "a.png")
    photo = Photo("a.png", content, analysis, analysis.faces)
    assert (analysis.width, analysis.height, analysis.rotation) == (90, 60, 270)
    np.testing.assert_array_equal(photo.load_image(), upright)
    np.testing.assert_array_equal(analysis.crops[0], upright[6:44, 6:44])
    assert photo.to_dict()["rotation"] == 270


def test_path_and_bytes_give_the_same_analysis(analyzer: Analyzer, sample_file: Path) -> None:
    from_path, from_bytes = (
        photos.analyze_photo(content, analyzer, AnalyzerSettings(), "x")
        for content in (sample_file, sample_file.read_bytes())
    )
    assert from_path.faces == from_bytes.faces
    assert from_path.preview_jpeg == from_bytes.preview_jpeg
    full = Photo("x", sample_file, from_path, from_path.faces).load_image()
    np.testing.assert_array_equal(full, read_image(sample_file))


def test_error_names_the_file(analyzer: Analyzer) -> None:
    with pytest.raises(ImageError, match=r'"cat\.jpg" is plain text'):
        photos.analyze_photo(b"no photo", analyzer, AnalyzerSettings(), "cat.jpg")


def measure_detail(image: ImageArray, box: Box) -> float:
    """Median difference of adjacent pixels in a box; a pixelated one has large flat cells."""
    x1, y1, x2, y2 = box.to_int_xyxy()
    part = image[y1:y2, x1:x2].astype(float).mean(axis=2)
    return float(np.median(np.abs(np.diff(part, axis=1))))


def test_anonymized_photo_is_pixelated_in_every_output(photo: Photo) -> None:
    for image, boxes, exact in (
        (read_image(photo.analysis.render_preview(True)), BOXES, False),
        (read_image(photos.make_annotated_png(photo, anonymize=True)), [box.expand(0.6) for box in BOXES], True),
        *((crop, [Box(0, 0, crop.shape[1], crop.shape[0])], True) for crop in photo.analysis.render_crops(True)),
        *(
            (crop, [Box(0, 0, crop.shape[1], crop.shape[0])], True)
            for crop in unzip(photos.make_crops_zip([photo], anonymize=True)).values()
        ),
    ):
        for box in boxes:
            assert measure_detail(image, box) <= (0 if exact else 3)
    assert measure_detail(read_image(photo.analysis.render_preview(False)), BOXES[0]) > 20
    assert measure_detail(photo.analysis.render_crops(False)[0], Box(0, 0, 38, 38)) > 20
    assert photo.analysis.render_crops(False) == photo.analysis.crops


@pytest.mark.parametrize("detection", [0.6, 0.95])
def test_face_below_the_detection_threshold_is_pixelated(
    fake_detector: Callable, fake_classifier: Callable, detection: float
) -> None:
    detector = fake_detector([Face(BOXES[0], 0.97), Face(BOXES[1], 0.58)])
    detect_all = detector.detect
    detector.detect = lambda image, threshold, side: tuple(
        face for face in detect_all(image, threshold, side) if face.detection_score >= threshold
    )
    analyzer = Analyzer(detector, fake_classifier(("happy", 0.9, 1.0)))
    analysis = photos.analyze_photo(encode_png(IMAGE), analyzer, AnalyzerSettings(detection_threshold=detection))
    assert len(analysis.faces) == 1
    for image in (
        read_image(analysis.render_preview(True)),
        read_image(
            photos.make_annotated_png(Photo("a.png", encode_png(IMAGE), analysis, analysis.faces), anonymize=True)
        ),
    ):
        assert measure_detail(image, BOXES[1].expand(0.6)) <= 3


def test_preview_is_pixelated_in_the_face_only(fake_detector: Callable, fake_classifier: Callable) -> None:
    image = RNG.integers(0, 256, (700, 2800, 3), dtype=np.uint8)
    box = Box(2000, 100, 2600, 600)
    wide_analyzer = Analyzer(fake_detector([box]), fake_classifier())
    analysis = photos.analyze_photo(encode_jpeg(image), wide_analyzer, AnalyzerSettings())
    pixelated, plain = (read_image(analysis.render_preview(anonymize)) for anonymize in (True, False))
    assert (
        measure_detail(pixelated, Box(1000, 50, 1300, 300)) < 3 < 10 < measure_detail(plain, Box(1000, 50, 1300, 300))
    )
    assert measure_detail(pixelated, Box(100, 50, 900, 300)) > 10  # outside the face


def test_detail_of_a_large_photo_has_more_pixels_and_stays_pixelated(analyzer: Analyzer) -> None:
    large = make_photo(analyzer, "large.png", IMAGE.repeat(12, axis=0).repeat(12, axis=1))
    detail = large.load_detail()
    assert read_image(large.analysis.preview_jpeg).shape == (1050, 1400, 3)
    assert read_image(detail.preview_jpeg).shape == (1080, 1440, 3)
    face = np.s_[12:38, 12:38]
    clear, hidden = (read_image(detail.render_preview(anonymize))[face] for anonymize in (False, True))
    assert np.abs(clear.astype(int) - hidden).max() > 20
    assert (large.has_detail, make_photo(analyzer, "small.png").has_detail) == (True, False)


def test_thumbnails_are_small(photo: Photo, analyzer: Analyzer) -> None:
    assert photo.make_thumbnail(False).shape == (90, 120, 3)
    large = make_photo(analyzer, "large.png", np.zeros((800, 1600, 3), np.uint8))
    assert large.make_thumbnail(True).shape == (160, 320, 3)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], []),
        (["a.jpg"], ["a.jpg"]),
        (["a.jpg", "b.jpg", "a.jpg", "a.jpg"], ["a.jpg", "b.jpg", "a.jpg (2)", "a.jpg (3)"]),
        (["a.jpg", "a.jpg", "a.jpg (2)"], ["a.jpg", "a.jpg (3)", "a.jpg (2)"]),  # an existing name is not given again
        (["A.jpg", "a.jpg"], ["A.jpg", "a.jpg (2)"]),  # equal on some file systems
    ],
)
def test_equal_names_are_numbered(names: list[str], expected: list[str]) -> None:
    assert photos.make_unique_names(names) == expected


@given(st.lists(st.sampled_from(["a", "A", "a (2)", "a (3)", "a (2) (2)", "b"]), max_size=8))
def test_numbered_names_are_unique(names: list[str]) -> None:
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
def test_stem_is_a_safe_file_name(photo: Photo, name: str, stem: str) -> None:
    assert photo._replace(name=name).stem == stem


@pytest.mark.parametrize(
    ("names", "images", "crops"),
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
def test_zips_have_a_file_per_photo_and_per_face(
    photo: Photo, names: list[str], images: list[str], crops: list[str]
) -> None:
    renamed = [photo._replace(name=name) for name in names]
    assert list(unzip(photos.make_annotated_zip(renamed, anonymize=False))) == images
    assert list(unzip(photos.make_crops_zip(renamed, anonymize=False))) == crops


def test_crops_have_the_full_size(photo: Photo) -> None:
    crops = list(unzip(photos.make_crops_zip([photo], anonymize=False)).values())
    np.testing.assert_array_equal(crops[0], IMAGE[6:44, 6:44])
    np.testing.assert_array_equal(crops[1], IMAGE[15:65, 65:115])


def test_annotated_image_has_the_pixels_of_the_photo_and_a_legend_below(photo: Photo) -> None:
    image = read_image(photos.make_annotated_png(photo, anonymize=False))
    height = len(IMAGE)
    assert len(image) > height
    np.testing.assert_array_equal(image[80:height], IMAGE[80:])
    assert np.any(image[:height] != IMAGE)


@pytest.mark.parametrize(("names", "rows"), [([], 0), (["a.png"], 2), (["a.png", "=b.png"], 4)])
def test_tables_list_all_faces_of_all_photos(photo: Photo, names: list[str], rows: int) -> None:
    renamed = [photo._replace(name=name) for name in names]
    table = list(csv.DictReader(io.StringIO(photos.faces_to_csv(renamed).removeprefix(BYTE_ORDER_MARK))))
    assert len(table) == rows
    assert [row["file"] for row in table] == [f"'{n}" if n[0] == "=" else n for n in names for _ in BOXES]
    records = json.loads(photos.faces_to_json(renamed))
    assert [record["file"] for record in records] == names
    assert records == [photo.to_dict() for photo in renamed]


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


def test_photo_with_an_unscored_face_can_be_saved(photo: Photo) -> None:
    unscored = photo._replace(faces=(Face(Box(0, 0, 9, 9), 0.8),))
    assert list(unzip(photos.make_crops_zip([unscored], anonymize=False))) == ["01_unsure.png"]
    assert json.loads(photos.faces_to_json([unscored]))[0]["faces"][0]["label"] is None


def test_analysis_is_immutable(photo: Photo) -> None:
    assert isinstance(photo.analysis, PhotoAnalysis)
    other = replace(photo.analysis, faces=(Face(Box(0, 0, 5, 5), 1.0, scores=Scores(["sad", "happy"], [0, 1])),))
    assert other.apply_min_confidence(0.5)[0].display_label == "happy"
    assert len(photo.analysis.faces) == 2


def test_record_of_a_very_large_photo_has_its_reduction(analyzer: Analyzer) -> None:
    large = io.BytesIO()
    Image.new("L", (8160, 6144), 99).save(large, "JPEG")
    analysis = photos.analyze_photo(large.getvalue(), analyzer, AnalyzerSettings(), "phone.jpg")
    assert (analysis.width, analysis.height, analysis.reduction) == (4080, 3072, 2)
    photo = Photo("phone.jpg", large.getvalue(), analysis, analysis.faces)
    assert photo.to_dict()["reduction"] == 2
    assert photo.load_image().shape == (3072, 4080, 3), "the boxes are in pixels of the reduced image"
    small = photos.analyze_photo(encode_png(IMAGE), analyzer, AnalyzerSettings())
    assert small.reduction == 1
    assert "reduction" not in Photo("a.png", encode_png(IMAGE), small, small.faces).to_dict()
