import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from streamlit.testing.v1 import AppTest

from emotion.media.image_reader import encode_jpeg, encode_png, read_image
from emotion.recognition.settings import FULL_RESOLUTION_SIDE
from emotion.results import photos
from emotion.ui import streamlit_workarounds
from emotion.ui.photos import photo_cache

pytestmark = pytest.mark.slow

Open = Callable[[str], Any]
HOSTILE_NAME = ":smile: **b** <img src=x onerror=alert(1)> $x$ [a](b.c).png"


def test_empty_says_what_to_do(open_page: Open) -> None:
    page = open_page("photo")
    assert page.app.file_uploader[0].label == "Drop or paste photos of people here"
    assert "Hover over a face for all scores" in page.words
    assert not page.app.error
    assert page.shown("photo_picture") is None


def test_the_sample(open_page: Open) -> None:
    page = open_page("photo")
    page.app.button(key="photo_sample").click().run()
    shown_image = page.shown("photo_picture")
    (face,) = shown_image["faces"]
    assert (shown_image["width"], shown_image["height"]) == (512, 512)
    assert len(face["scores"]) == 8
    assert face["scores"] == sorted(face["scores"], key=lambda score: -score["score"])
    assert page.shown("photo_crops") is None, "one face needs no strip"
    assert [image.captions for image in page.app.image] == [["Photo"], ["Model input"]]
    page.app.button(key="photo_clear").click().run()
    assert page.shown("photo_picture") is None


def test_faces_are_selected_by_number(open_page: Open, three_faces: bytes) -> None:
    page = open_page("photo")
    page.upload(("three.png", three_faces))
    boxes = [face["box"] for face in page.shown("photo_picture")["faces"]]
    assert boxes == sorted(boxes)
    assert len(boxes) == 3
    assert len(page.shown("photo_crops")["thumbnails"]) == 3
    assert "3 faces: 3 " in page.words
    page.app.pagination(key="photo_face").set_value(2).run()
    assert "Face 2: " in page.words
    assert page.shown("photo_picture")["selected"] == page.shown("photo_crops")["selected"] == 2


def test_replaced_photos_are_released(
    open_page: Open, three_faces: bytes, no_face: bytes, sample_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten, read = list[str](), list[str]()
    original = photos.analyze_photo
    monkeypatch.setattr(streamlit_workarounds, "release_upload", forgotten.append)
    monkeypatch.setattr(photos, "analyze_photo", lambda *given: (read.append(given[-1]), original(*given))[1])
    page = open_page("photo")
    page.upload(("three.png", three_faces))
    page.upload(("three.png", three_faces), ("wall.png", no_face))
    assert read.count("three.png") == 1, "it is still there"
    assert len(forgotten) == 1, "AppTest uploads all of them anew"
    page.upload(("one.jpg", sample_file.read_bytes()))
    assert len(set(forgotten)) == 3
    page.upload(("three.png", three_faces))
    assert read.count("three.png") == 2
    page.app.button(key="photo_clear").click().run()
    assert len(set(forgotten)) == 5
    assert not page.app.error


def test_selection_of_a_missing_face_is_reset(open_page: Open, three_faces: bytes, sample_file: Path) -> None:
    page = open_page("photo")
    page.upload(("three.png", three_faces))
    page.app.pagination(key="photo_face").set_value(3).run()
    page.upload(("one.jpg", sample_file.read_bytes()))
    assert "Face 1: " in page.words


def test_bad_file_among_photos_is_reported(
    open_page: Open, three_faces: bytes, no_face: bytes, sample_file: Path
) -> None:
    page = open_page("photo")
    page.upload(
        ("a.png", three_faces), (HOSTILE_NAME, b"text"), ("b.jpg", sample_file.read_bytes()), ("c.png", no_face)
    )
    assert "3 photos, 4 faces:" in page.words
    (error,) = page.app.error
    assert "is plain text" in error.value
    assert HOSTILE_NAME in page.words
    assert [item["caption"] for item in page.shown("photo_strip")["thumbnails"]] == [
        "a.png\n3 faces",
        "b.jpg\n1 face",
        "c.png\nno face",
    ]
    page.app.session_state["photo_index"] = 2
    page.app.run()
    assert len(page.shown("photo_picture")["faces"]) == 1


def test_a_new_photo_is_selected_beside_one_that_cannot_be_read(open_page: Open, three_faces: bytes) -> None:
    old, new = encode_png(np.zeros((60, 60, 3), np.uint8)), encode_png(np.ones((60, 60, 3), np.uint8))
    page = open_page("photo")
    page.upload(("bad.png", b"text"), ("old.png", old))
    page.upload(("bad.png", b"text"), ("old.png", old), ("new.png", three_faces), ("newer.png", new))
    assert page.app.session_state["photo_index"] == 2
    assert len(page.shown("photo_picture")["faces"]) == 3


def test_only_bad_files_show_only_errors(open_page: Open) -> None:
    page = open_page("photo")
    page.upload(("a.pdf", b"%PDF-1.4"), ("b.png", b""))
    assert len(page.app.error) == 2
    assert page.shown("photo_picture") is None


def test_no_face_is_reported_without_an_error(open_page: Open, no_face: bytes) -> None:
    page = open_page("photo")
    page.upload(("wall.png", no_face))
    assert "No face found" in page.app.info[0].value
    assert "90, 180 or 270" in page.app.info[0].value
    assert not page.app.error
    assert page.shown("photo_picture")["faces"] == []
    assert "photo_table" not in page.app.session_state


def test_rotated_photo_is_turned_upright(open_page: Open, sample: NDArray[np.uint8], saved: dict[str, Any]) -> None:
    page = open_page("photo")
    page.upload(("side.png", encode_png(np.rot90(sample[:256, 100:356]))))
    assert "turned clockwise by 90 degrees" in page.words
    assert json.loads(saved["faces.json"])[0]["rotation"] == 90
    assert read_image(saved["side-faces.png"])[:256].shape == (256, 256, 3)


def test_unsure_threshold_does_not_repeat_the_analysis(
    open_page: Open, sample_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_page("photo")
    page.upload(("a.jpg", sample_file.read_bytes()))
    monkeypatch.setattr(photos, "analyze_photo", lambda *args: pytest.fail("the photo was read again"))
    page.app.slider(key="side_min_confidence").set_value(95).run()
    (face,) = page.shown("photo_picture")["faces"]
    assert face["title"] == "unsure"
    assert "The best guess is" in face["reason"]
    assert face["reason"] in page.words
    page.app.slider(key="side_min_confidence").set_value(0).run()
    (face,) = page.shown("photo_picture")["faces"]
    assert face["title"] != "unsure"
    assert not page.app.error


def test_face_threshold_and_search_reach_the_detector(
    open_page: Open, sample_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    real = photos.analyze_photo

    def read(content: bytes, analyzer: Any, settings: Any, name: str) -> photos.PhotoAnalysis:
        seen.append((settings.detection_threshold, settings.max_side))
        return real(content, analyzer, settings, name)

    monkeypatch.setattr(photos, "analyze_photo", read)
    page = open_page("photo")
    seen.clear()
    page.upload(("a.jpg", sample_file.read_bytes()))
    page.app.slider(key="side_detection").set_value(30).run()
    page.app.segmented_control(key="side_search").set_value("Thorough").run()
    assert seen[-2:] == [(0.3, 1280), (0.3, FULL_RESOLUTION_SIDE)]


def test_blurred_faces_are_blurred_everywhere(open_page: Open, three_faces: bytes, saved: dict[str, Any]) -> None:
    page = open_page("photo")
    page.upload(("a.png", three_faces), ("b.png", three_faces))
    clear = page.shown("photo_picture"), page.shown("photo_crops"), page.shown("photo_strip")
    page.app.toggle(key="side_anonymize").set_value(True).run()
    blurred = page.shown("photo_picture"), page.shown("photo_crops"), page.shown("photo_strip")
    assert clear[0]["src"] != blurred[0]["src"]
    for before, after in zip(clear[1:], blurred[1:], strict=True):
        assert all(a["image"] != b["image"] for a, b in zip(before["thumbnails"], after["thumbnails"], strict=True))
    assert [image.captions for image in page.app.image] == [["Photo"]], "the gray crop is not shown"
    crops = unzip(saved["faces.zip"])
    assert all(len(np.unique(read_image(crop).reshape(-1, 3), axis=0)) <= 36 for crop in crops.values())
    x1, y1, x2, y2 = blurred[0]["faces"][0]["box"]
    middle = np.s_[(y1 + y2) // 2 - 3 : (y1 + y2) // 2 + 3, (x1 + x2) // 2 - 3 : (x1 + x2) // 2 + 3]
    shown_image = read_image(unzip(saved["images.zip"])["a.png"])
    assert np.abs(shown_image[middle].astype(int) - read_image(three_faces)[middle]).max() > 0


def test_downloads_have_the_expected_content(
    open_page: Open, three_faces: bytes, sample_file: Path, saved: dict[str, Any]
) -> None:
    page = open_page("photo")
    page.upload(("=a.png", three_faces), ("b b.jpg", sample_file.read_bytes()), ("b b.jpg", b"no"))
    assert sorted(saved) == ["a-faces.png", "faces.csv", "faces.json", "faces.zip", "images.zip"]
    rows = list(csv.DictReader(io.StringIO(saved["faces.csv"])))
    assert [(row["file"], row["face_index"]) for row in rows] == [
        ("'=a.png", "1"),
        ("'=a.png", "2"),
        ("'=a.png", "3"),
        ("b b.jpg", "1"),
    ]
    records = json.loads(saved["faces.json"])
    assert [(record["file"], len(record["faces"])) for record in records] == [("=a.png", 3), ("b b.jpg", 1)]
    crops = unzip(saved["faces.zip"])
    label = records[0]["faces"][0]["label"]
    names = {f"{label}", "unsure"}
    assert [name.split("/")[0] for name in crops] == ["a"] * 3 + ["b-b"]
    assert {name.split("_")[1].removesuffix(".png") for name in crops if name.startswith("a/")} <= names
    assert list(unzip(saved["images.zip"])) == ["a.png", "b-b.png"]
    assert read_image(saved["a-faces.png"]).shape[1] == read_image(three_faces).shape[1]


def test_zip_of_one_photo_has_no_folders(open_page: Open, sample_file: Path, saved: dict[str, Any]) -> None:
    page = open_page("photo")
    page.upload(("a.jpg", sample_file.read_bytes()))
    (name,) = unzip(saved["faces.zip"])
    assert name.startswith("01_")
    assert "images.zip" not in saved


def test_equal_file_names_become_unique(
    open_page: Open, three_faces: bytes, sample_file: Path, saved: dict[str, Any]
) -> None:
    page = open_page("photo")
    page.upload(("a.jpg", three_faces), ("a.jpg", sample_file.read_bytes()))
    assert [record["file"] for record in json.loads(saved["faces.json"])] == ["a.jpg", "a.jpg (2)"]


def test_table_has_one_row_per_face(open_page: Open, three_faces: bytes) -> None:
    page = open_page("photo")
    page.upload(("a.png", three_faces))
    (table,) = page.app.dataframe
    assert list(table.value["face_index"]) == [1, 2, 3]
    assert table.value["confidence"].between(0, 100).all()
    assert not page.app.expander[0].proto.expanded


def test_photos_survive_a_change_of_page(open_page: Open, three_faces: bytes) -> None:
    page = open_page("photo")
    page.upload(("a.png", three_faces))
    page.app.switch_page("pages/home.py").run()
    page.app.switch_page("pages/photo.py").run()
    assert len(page.shown("photo_picture")["faces"]) == 3


def test_error_in_one_photo_does_not_affect_the_others(
    open_page: Open, sample_file: Path, no_face: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = photos.analyze_photo

    def read(content: bytes, *rest: Any) -> photos.PhotoAnalysis:
        if content == no_face:
            raise ZeroDivisionError
        return real(content, *rest)

    monkeypatch.setattr(photos, "analyze_photo", read)
    page = open_page("photo")
    page.upload(("bad.png", no_face), ("good.jpg", sample_file.read_bytes()))
    assert 'Something went wrong with the photo "bad.png"' in page.words
    assert len(page.shown("photo_picture")["faces"]) == 1


def test_too_many_photos_are_cut_off(open_page: Open, no_face: bytes) -> None:
    page = open_page("photo")
    page.upload(*((f"{i}.png", no_face) for i in range(102)))
    assert "These are 102 photos; the first 100 are analyzed." in page.words
    assert len(page.shown("photo_strip")["thumbnails"]) == 100


def test_photo_page_runs_without_the_entrance(models: Path) -> None:
    app = AppTest.from_file(Path(__file__).parents[2] / "pages" / "photo.py", default_timeout=30).run()
    app.button(key="photo_sample").click().run()
    app.slider(key="side_min_confidence").set_value(95).run()
    assert not app.exception
    assert "Face 1: ? unsure" in "".join(markdown.value for markdown in app.markdown)


def test_photo_page_without_classifier_shows_one_error(models: Path, open_page: Open) -> None:
    (models / "tiny" / "model.onnx").write_bytes(b"changed")
    page = open_page("photo")
    assert "sha256 differs" in page.words
    assert len(page.app.error) == 1
    assert not page.app.file_uploader


def test_exif_orientation_is_applied(open_page: Open, sample: NDArray[np.uint8], saved: dict[str, Any]) -> None:
    jpeg = encode_jpeg(np.ascontiguousarray(np.rot90(sample)))
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    page = open_page("photo")
    page.upload(("phone.jpg", jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:]))
    assert "rotation" not in json.loads(saved["faces.json"])[0]
    assert len(page.shown("photo_picture")["faces"]) == 1


def unzip(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_photo_waits_for_its_turn_only_once(
    open_page: Open, sample_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = list[int]()

    class Busy:
        @contextmanager
        def acquire(self, on_wait: Callable[[int], None], num_slots: int) -> Iterator[None]:
            for before in (1, 0):
                on_wait(before)
                heard.append(before)
            yield

    monkeypatch.setattr(photo_cache, "_get_semaphore", Busy)
    page = open_page("photo")
    heard.clear()
    page.upload(("a.png", encode_png(read_image(sample_file)[::-1].copy())))
    assert not page.app.exception
    assert heard == [1, 0]
    assert "being read right now" not in page.words
    page.app.run()
    assert heard == [1, 0]


def test_saliency_is_shown_where_the_classifier_supports_it(
    models: Path, make_bundle: Callable[..., Path], open_page: Open
) -> None:
    make_bundle(models / "tiny", maps=True)
    page = open_page("photo")
    page.app.button(key="photo_sample").click().run()
    label = page.shown("photo_picture")["faces"][0]["scores"][0]["name"]
    captions = [image.captions[0] for image in page.app.image]
    assert captions[:2] == ["Photo", "Model input"]
    assert captions[2].startswith('Why "')
    assert captions[2].removeprefix('Why "').rstrip('"') in label
    page.app.toggle(key="side_anonymize").set_value(True).run()
    assert [image.captions[0] for image in page.app.image] == ["Photo"]


def test_reduction_of_a_very_large_photo_is_reported(open_page: Open, sample_file: Path) -> None:
    large = io.BytesIO()
    Image.new("L", (8160, 6144), 99).save(large, "JPEG")
    page = open_page("photo")
    page.upload(("phone.jpg", large.getvalue()))
    assert "analyzed at 1/2 of its width and height: 4080 × 3072 pixels" in page.words
    page.upload(("a.png", sample_file.read_bytes()))
    assert "of its width and height" not in page.words
