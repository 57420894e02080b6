from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from emotion.expressions import CUSTOM_SYMBOLS, EXPRESSIONS, UNCERTAIN, get_style
from emotion.faces import Box, Face, Scores
from emotion.recognition import annotation
from emotion.recognition.annotation import MAX_FULL_LABELS, annotate, format_label, pixelate
from emotion.recognition.detectors.detector_factory import available_detectors, make_detector
from emotion.recognition.label_rendering import is_drawable, render_label

ImageArray = NDArray[np.uint8]
RNG = np.random.default_rng(12)
GRAY = np.full((240, 320, 3), 120, np.uint8)


def happy(box: Box, confidence: float = 0.87, unsure: str | None = None) -> Face:
    return Face(box, 0.9, scores=Scores(["happy", "sad"], [confidence, 1 - confidence]), uncertainty_reason=unsure)


def grid(columns: int, rows: int, side: float, gap: float, origin: float = 30) -> list[Face]:
    corners = [(origin + x * (side + gap), origin + y * (side + gap)) for y in range(rows) for x in range(columns)]
    return [happy(Box(x, y, x + side, y + side)) for x, y in corners]


@pytest.fixture
def label_boxes(monkeypatch: pytest.MonkeyPatch) -> list[Box]:
    """Return the boxes of the labels in the order in which they are drawn."""
    boxes: list[Box] = []
    paste = annotation._paste_label

    def record(out: ImageArray, label_image: NDArray, x: int, y: int) -> None:
        boxes.append(Box(x, y, x + label_image.shape[1], y + label_image.shape[0]))
        paste(out, label_image, x, y)

    monkeypatch.setattr(annotation, "_paste_label", record)
    return boxes


# ------------------------------------------------------------------ input and output


@pytest.mark.parametrize("anonymize", [False, True])
@pytest.mark.parametrize("count", [0, 1, 40])
def test_annotate_returns_a_copy(count: int, anonymize: bool) -> None:
    image = RNG.integers(0, 256, (400, 600, 3), dtype=np.uint8)
    image.flags.writeable = False
    before = image.copy()
    out = annotate(image, grid(8, 5, 40, 25)[:count], anonymize=anonymize)
    np.testing.assert_array_equal(image, before)
    assert (out.shape, out.dtype) == (image.shape, np.uint8)
    assert not np.shares_memory(out, image)
    assert np.array_equal(out, image) is (count == 0)


@given(
    shape=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    boxes=st.lists(
        st.tuples(st.floats(-100, 150), st.floats(-100, 150), st.floats(0, 200), st.floats(0, 200)), max_size=4
    ),
    unsure=st.booleans(),
    anonymize=st.booleans(),
)
def test_any_box_can_be_annotated(shape: tuple[int, int], boxes: list, unsure: bool, anonymize: bool) -> None:
    image = np.full((*shape, 3), 99, np.uint8)
    faces = [happy(Box(x, y, x + w, y + h), unsure="dark" if unsure else None) for x, y, w, h in boxes]
    assert annotate(image, [*faces, Face(Box(0, 0, 9, 9), 0.5)], anonymize=anonymize).shape == image.shape
    assert np.all(image == 99)


def test_only_box_and_label_are_drawn(label_boxes: list[Box]) -> None:
    face = happy(Box(100, 100, 180, 180))
    changed = np.any(annotate(GRAY, [face]) != GRAY, axis=2)
    x1, y1, x2, y2 = label_boxes[0].to_int_xyxy()
    assert changed[y1:y2, x1:x2].mean() > 0.95
    changed[y1:y2, x1:x2] = False
    changed[97:183, 97:183] = False
    assert not changed.any()
    inside = np.any(annotate(GRAY, [face]) != GRAY, axis=2)[110:170, 110:170]
    assert not inside.any()  # the face itself is not covered


def test_box_is_solid_in_the_color_of_its_label_and_dashed_if_unsure() -> None:
    def color_share(unsure: str | None, color: tuple[int, ...]) -> float:
        """Return the share of rows of the left edge that contain the color."""
        side = annotate(GRAY, [happy(Box(100, 80, 200, 180), unsure=unsure)])[95:165, 97:104]
        return float(np.all(side == color, axis=2).any(axis=1).mean())

    assert color_share(None, rgb(EXPRESSIONS["happy"].color)) == 1
    assert color_share("dark", rgb(EXPRESSIONS["happy"].color)) == 0
    assert 0.3 < color_share("dark", (235, 235, 235)) < 0.8


@pytest.mark.parametrize("label", ["bored", *(f"label {i}" for i in range(60))])
def test_custom_labels_are_drawn(label: str) -> None:
    """The symbol depends on a hash of the name; sixty names cover all symbols."""
    face = Face(Box(100, 80, 200, 180), 0.9).with_scores(Scores([label, "other"], [0.9, 0.1]), None)
    assert np.any(annotate(GRAY, [face])[95:165, 97:104] == rgb(get_style(label).color))


def test_sixty_names_cover_all_custom_symbols() -> None:
    assert {get_style(f"label {i}").symbol for i in range(60)} == set(CUSTOM_SYMBOLS)


# ------------------------------------------------------------------ labels


@pytest.mark.parametrize(
    ("face", "long", "short"),
    [
        (Face(Box(0, 0, 9, 9), 0.5), "3 unsure", "3"),
        (happy(Box(0, 0, 9, 9)), "3 happy 87%", "3"),
        (happy(Box(0, 0, 9, 9), 1.0), "3 happy 100%", "3"),
        (happy(Box(0, 0, 9, 9), unsure="dark"), "3 unsure", "3"),
    ],
)
def test_label_has_number_name_and_confidence(face: Face, long: str, short: str) -> None:
    assert format_label(3, face, short=False) == long
    assert format_label(3, face, short=True) == short


@pytest.mark.parametrize(("count", "short"), [(1, False), (MAX_FULL_LABELS, False), (MAX_FULL_LABELS + 1, True)])
def test_many_faces_get_short_labels(monkeypatch: pytest.MonkeyPatch, count: int, short: bool) -> None:
    texts: list[str] = []
    label_image = render_label
    monkeypatch.setattr(
        annotation, "render_label", lambda text, *rest: (texts.append(text), label_image(text, *rest))[1]
    )
    annotate(GRAY, [happy(Box(5, 5, 60, 60))] * count)
    assert texts == [str(n) if short else f"{n} happy 87%" for n in range(1, count + 1)]


@given(x=st.floats(-60, 380), y=st.floats(-60, 300), side=st.floats(2, 300), data=st.data())
def test_labels_are_inside_the_image(x: float, y: float, side: float, data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        boxes: list[Box] = []
        patch.setattr(
            annotation,
            "_paste_label",
            lambda out, label_image, x, y: boxes.append(Box(x, y, x + label_image.shape[1], y + label_image.shape[0])),
        )
        annotate(GRAY, [happy(Box(x, y, x + side, y + side)), happy(Box(10, 10, 60, 60))])
    for label_image in boxes:
        assert label_image.clip(320, 240) == label_image


def test_labels_of_neighboring_faces_do_not_overlap(label_boxes: list[Box]) -> None:
    annotate(np.zeros((300, 640, 3), np.uint8), grid(4, 2, 60, 70))
    assert sum(a.iou(b) for a, b in itertools.combinations(label_boxes, 2)) == 0
    assert not any(
        label_image.iou(face.box) for label_image in label_boxes for face in grid(4, 2, 60, 70)
    )  # nor do they cover a face


@pytest.mark.parametrize(
    "boxes",
    [
        [Box(100, 100, 120, 120), Box(126, 100, 146, 120)],  # side by side, with labels wider than the boxes
        [Box(100, 100, 160, 160), Box(100, 38, 160, 96)],  # one above the other
        [Box(100, 100, 160, 160), Box(100, 38, 160, 96), Box(100, 164, 160, 224)],
        [Box(0, 0, 50, 50), Box(54, 0, 104, 50)],  # in a corner
    ],
)
def test_labels_avoid_other_labels_and_faces(label_boxes: list[Box], boxes: list[Box]) -> None:
    annotate(GRAY, [happy(box) for box in boxes])
    assert sum(a.iou(b) for a, b in itertools.combinations(label_boxes, 2)) == 0
    for number, label_image in enumerate(label_boxes):
        assert not any(label_image.iou(box) for box in boxes[:number] + boxes[number + 1 :])


@pytest.mark.parametrize("gap", [2, 10, 25])
def test_labels_of_forty_faces_hardly_overlap(label_boxes: list[Box], gap: int) -> None:
    """The faces are as dense as in a large group photo."""
    faces = grid(8, 5, 48, gap)
    annotate(np.zeros((480, 720, 3), np.uint8), faces)
    assert len(label_boxes) == 40
    covered = sum(
        Box(max(a.x1, b.x1), max(a.y1, b.y1), min(a.x2, b.x2), min(a.y2, b.y2)).area
        for a, b in itertools.combinations(label_boxes, 2)
    )
    assert covered <= 0.02 * sum(label_image.area for label_image in label_boxes)
    for number, (label_image, face) in enumerate(zip(label_boxes, faces, strict=True), 1):
        assert label_image.iou(face.box.expand(2.2)) > 0, number  # next to its face


@pytest.mark.parametrize(("height", "width", "max_height"), [(240, 320, 30), (480, 640, 40), (3000, 4000, 180)])
def test_label_height_fits_the_image_size(label_boxes: list[Box], height: int, width: int, max_height: int) -> None:
    small, large = Box(9, 9, 20, 20), Box(0, 0, width * 0.9, height * 0.9)
    annotate(np.zeros((height, width, 3), np.uint8), [happy(small), happy(large)])
    assert all(label_image.height >= max(16, max(height, width) / 90) for label_image in label_boxes)
    assert all(label_image.height <= max_height for label_image in label_boxes)


# ------------------------------------------------------------------ contrast


def rgb(color: str) -> tuple[int, int, int]:
    return tuple(int(color[i : i + 2], 16) for i in (1, 3, 5))  # type: ignore[return-value]


def contrast(first: tuple[int, ...], second: tuple[int, ...]) -> float:
    """Return the contrast ratio of WCAG 2.2, implemented independently of the program."""

    def luminance(color: tuple[int, ...]) -> float:
        parts = np.asarray(color, float) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, np.power((parts + 0.055) / 1.055, 2.4))
        return float(linear @ (0.2126, 0.7152, 0.0722))

    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_ratio_matches_published_values() -> None:
    assert contrast((255, 255, 255), (0, 0, 0)) == pytest.approx(21)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("size", [12, 16, 40])
@pytest.mark.parametrize("name", [*EXPRESSIONS, UNCERTAIN.name])
def test_label_text_has_enough_contrast(name: str, size: int) -> None:
    """Text and symbol are compared with the background in the rendered pixels."""
    label_image = render_label("8 MMMM", name, size)
    solid = np.round(label_image * 255).astype(int)[label_image[..., 3] == 1][:, :3]
    colors, counts = np.unique(solid, axis=0, return_counts=True)
    background = tuple(colors[counts.argmax()].tolist())
    assert background == rgb(get_style(name).color)
    width = label_image.shape[1]
    edge = max(2, size // 6)
    for part in (
        label_image[edge:-edge, edge : width // 3],
        label_image[edge:-edge, width // 2 : -edge],
    ):  # the symbol, the text
        pixels = np.round(part[..., :3].reshape(-1, 3) * 255).astype(int)
        assert max(contrast(tuple(pixel), background) for pixel in np.unique(pixels, axis=0)) >= 4.5


def test_symbols_differ_without_color() -> None:
    """The shapes of any two symbols differ in many pixels."""
    shapes = []
    for name in [*EXPRESSIONS, UNCERTAIN.name]:
        label_image = render_label("", name, 40)
        background = np.array(rgb(get_style(name).color)) / 255
        shapes.append(np.abs(label_image[5:-5, 5:45, :3] - background).max(axis=2) > 0.2)
    for first, second in itertools.combinations(shapes, 2):
        assert (first ^ second).sum() > 0.15 * min(first.sum(), second.sum())


# ------------------------------------------------------------------ anonymization


@pytest.mark.parametrize("boxes", [[], [Box(500, 500, 600, 600)], [Box(10, 10, 10, 10)]])
def test_boxes_outside_the_image_change_nothing(boxes: list[Box]) -> None:
    image = RNG.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    out = pixelate(image, boxes)
    np.testing.assert_array_equal(out, image)
    assert out is not image


@pytest.mark.parametrize(
    "box", [Box(50, 40, 150, 140), Box(-30, -30, 90, 90), Box(110, 100, 320, 260), Box(-50, -50, 400, 400)]
)
def test_pixelation_removes_details(box: Box) -> None:
    """Two images with equal block means and different details are pixelated equally."""
    x1, y1, x2, y2 = box.expand(1.2).clip(200, 180).to_int_xyxy()
    edges_x = np.round(np.linspace(x1, x2, 7)).astype(int)
    edges_y = np.round(np.linspace(y1, y2, 7)).astype(int)
    smooth = np.full((180, 200, 3), 128.0)
    for left, right in itertools.pairwise(edges_x):
        for top, bottom in itertools.pairwise(edges_y):
            smooth[top:bottom, left:right] = RNG.integers(60, 190, 3)
    images = []
    for _ in range(2):
        noise = RNG.normal(0, 40, smooth.shape)
        for left, right in itertools.pairwise(edges_x):
            for top, bottom in itertools.pairwise(edges_y):
                part = noise[top:bottom, left:right]
                part -= part.mean(axis=(0, 1))
        images.append(np.clip(smooth + noise, 0, 255).round().astype(np.uint8))
    pixelated = [pixelate(image, [box]) for image in images]
    inside = np.zeros((180, 200), bool)
    inside[y1:y2, x1:x2] = True
    assert np.abs(images[0][inside].astype(int) - images[1][inside]).mean() > 30
    assert np.abs(pixelated[0][inside].astype(int) - pixelated[1][inside]).mean() < 5
    assert len(np.unique(pixelated[0][inside], axis=0)) <= 36
    np.testing.assert_array_equal(pixelated[0][~inside], images[0][~inside])


@given(
    x=st.integers(-50, 150),
    y=st.integers(-50, 150),
    width=st.integers(8, 150),
    height=st.integers(8, 150),
    cells=st.integers(1, 8),
)
def test_pixelated_box_has_at_most_one_color_per_cell(x: int, y: int, width: int, height: int, cells: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (120, 120, 3), dtype=np.uint8)
    x1, y1, x2, y2 = Box(x, y, x + width, y + height).clip(120, 120).to_int_xyxy()
    part = pixelate(image, [Box(x, y, x + width, y + height)], cells)[y1:y2, x1:x2]
    assert len(np.unique(part.reshape(-1, 3), axis=0)) <= cells**2


def test_overlapping_faces_are_all_pixelated() -> None:
    image = RNG.integers(0, 256, (200, 200, 3), dtype=np.uint8)
    boxes = [Box(40, 40, 120, 120), Box(80, 80, 160, 160), Box(45, 45, 60, 60)]
    out = pixelate(image, boxes)
    for box in boxes:
        x1, y1, x2, y2 = box.to_int_xyxy()
        assert len(np.unique(out[y1:y2, x1:x2].reshape(-1, 3), axis=0)) <= 3 * 36


@pytest.mark.parametrize("name", ["haar", "yunet"])
def test_pixelated_face_is_not_detected(sample: ImageArray, sample_face: Box, name: str) -> None:
    if name not in available_detectors():
        pytest.skip("YuNet is not on this machine")
    detector = make_detector(name)
    found = [f.box for f in detector.detect(sample, 0.5, 640)]
    assert any(box.iou(sample_face) > 0.5 for box in found)
    pixelated = annotate(sample, [happy(sample_face)], anonymize=True)
    remaining = [f.box for f in detector.detect(pixelated, 0.5, 640)]
    assert not any(box.iou(sample_face) > 0.3 for box in remaining)


def test_small_box_does_not_refine_the_cells_of_a_large_one() -> None:
    """An eye detected as a face does not get smaller cells."""
    image = RNG.integers(0, 256, (240, 320, 3), dtype=np.uint8)
    large, small = Box(40, 40, 160, 160), Box(70, 70, 110, 110)
    for boxes in ([large, small], [small, large]):
        out = pixelate(image, boxes)
        np.testing.assert_array_equal(out, pixelate(pixelate(image, boxes[:1]), boxes[1:]))
    large_only = pixelate(image, [large])[72:108, 72:108].astype(float)
    assert pixelate(image, [large, small])[72:108, 72:108].std() <= large_only.std() + 1


def test_labels_are_drawn_after_pixelation() -> None:
    """The label of a face is not pixelated with a neighboring face."""
    image = RNG.integers(0, 256, (240, 320, 3), dtype=np.uint8)
    faces = [happy(Box(40, 60, 140, 160)), happy(Box(150, 60, 250, 160))]
    out = annotate(image, faces, anonymize=True)
    np.testing.assert_array_equal(out, annotate(pixelate(image, [face.box for face in faces]), faces))


def test_tracked_face_is_numbered_by_its_track_id(monkeypatch: pytest.MonkeyPatch) -> None:
    displayed: list[int] = []
    monkeypatch.setattr(annotation, "format_label", lambda number, face, short: displayed.append(number) or "x")
    faces = grid(3, 1, 40, 25)
    annotate(GRAY, faces)
    annotate(GRAY, [replace(face, track_id=track) for face, track in zip(faces, (2, 5, 7), strict=True)])
    assert displayed == [1, 2, 3, 2, 5, 7]


def test_names_are_drawn_if_a_font_has_their_glyphs(monkeypatch: pytest.MonkeyPatch) -> None:
    displayed: list[object] = []
    monkeypatch.setattr(annotation, "format_label", lambda number, face, short: displayed.append(number) or "x")
    faces = [replace(happy(Box(10 + 60 * i, 10, 50 + 60 * i, 50)), track_id=i) for i in range(1, 7)]
    names = {1: "Anna", 2: "", 3: "\U0010fff0", 5: "Maximilian of Hohenstein-Langenburg", 6: "Zo\u00eb"}
    annotate(GRAY, faces, names=names)
    zoe = names[6] if is_drawable(names[6]) else 6  # depends on the installed fonts
    if not is_drawable("\u2026"):
        pytest.skip("no font of this machine has an ellipsis")
    assert displayed == ["Anna", 2, 3, 4, "Maximilian of Hohenstei\u2026", zoe]
