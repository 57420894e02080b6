from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from emotion.expressions import _CUSTOM_SYMBOLS, EXPRESSIONS, UNCERTAIN, get_style
from emotion.faces import Box, Face, Scores
from emotion.recognition import annotation
from emotion.recognition.annotation import MAX_FULL_LABELS, annotate, format_label, is_drawable, pixelate
from emotion.recognition.detector_factory import available_detectors, make_detector

Picture = NDArray[np.uint8]
RNG = np.random.default_rng(12)
GREY = np.full((240, 320, 3), 120, np.uint8)


def happy(box: Box, confidence: float = 0.87, unsure: str | None = None) -> Face:
    return Face(box, 0.9, scores=Scores(["happy", "sad"], [confidence, 1 - confidence]), uncertainty_reason=unsure)


def grid(columns: int, rows: int, side: float, gap: float, origin: float = 30) -> list[Face]:
    corners = [(origin + x * (side + gap), origin + y * (side + gap)) for y in range(rows) for x in range(columns)]
    return [happy(Box(x, y, x + side, y + side)) for x, y in corners]


@pytest.fixture
def chips(monkeypatch: pytest.MonkeyPatch) -> list[Box]:
    """Where chips were pasted, in their order."""
    places: list[Box] = []
    paste = annotation._paste_label

    def remember(out: Picture, chip: NDArray, x: int, y: int) -> None:
        places.append(Box(x, y, x + chip.shape[1], y + chip.shape[0]))
        paste(out, chip, x, y)

    monkeypatch.setattr(annotation, "_paste_label", remember)
    return places


# ------------------------------------------------------------------ the input stays, the output is a picture


@pytest.mark.parametrize("blur", [False, True])
@pytest.mark.parametrize("count", [0, 1, 40])
def test_the_picture_given_never_changes(count: int, blur: bool) -> None:
    image = RNG.integers(0, 256, (400, 600, 3), dtype=np.uint8)
    image.flags.writeable = False
    before = image.copy()
    out = annotate(image, grid(8, 5, 40, 25)[:count], anonymize=blur)
    np.testing.assert_array_equal(image, before)
    assert (out.shape, out.dtype) == (image.shape, np.uint8)
    assert not np.shares_memory(out, image)
    assert np.array_equal(out, image) is (count == 0)


@settings(max_examples=40)
@given(
    shape=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    places=st.lists(
        st.tuples(st.floats(-100, 150), st.floats(-100, 150), st.floats(0, 200), st.floats(0, 200)), max_size=4
    ),
    unsure=st.booleans(),
    blur=st.booleans(),
)
def test_any_faces_on_any_picture(shape: tuple[int, int], places: list, unsure: bool, blur: bool) -> None:
    image = np.full((*shape, 3), 99, np.uint8)
    faces = [happy(Box(x, y, x + w, y + h), unsure="dark" if unsure else None) for x, y, w, h in places]
    assert annotate(image, [*faces, Face(Box(0, 0, 9, 9), 0.5)], anonymize=blur).shape == image.shape
    assert np.all(image == 99)


def test_only_box_and_chip_are_drawn(chips: list[Box]) -> None:
    face = happy(Box(100, 100, 180, 180))
    changed = np.any(annotate(GREY, [face]) != GREY, axis=2)
    x1, y1, x2, y2 = chips[0].to_int_xyxy()
    assert changed[y1:y2, x1:x2].mean() > 0.95
    changed[y1:y2, x1:x2] = False
    changed[97:183, 97:183] = False
    assert not changed.any()
    inside = np.any(annotate(GREY, [face]) != GREY, axis=2)[110:170, 110:170]
    assert not inside.any()  # the face itself stays free


def test_a_sure_box_is_a_line_in_its_colour_and_an_unsure_one_is_dashed() -> None:
    def share(unsure: str | None, colour: tuple[int, ...]) -> float:
        """The share of the rows of the left side that hold the colour."""
        side = annotate(GREY, [happy(Box(100, 80, 200, 180), unsure=unsure)])[95:165, 97:104]
        return float(np.all(side == colour, axis=2).any(axis=1).mean())

    assert share(None, rgb(EXPRESSIONS["happy"].color)) == 1
    assert share("dark", rgb(EXPRESSIONS["happy"].color)) == 0
    assert 0.3 < share("dark", (235, 235, 235)) < 0.8


@pytest.mark.parametrize("label", ["bored", *(f"label {i}" for i in range(60))])
def test_labels_of_any_name_are_drawn(label: str) -> None:
    """Their signs come by chance of the name; sixty names have all of them."""
    face = Face(Box(100, 80, 200, 180), 0.9).with_scores(Scores([label, "other"], [0.9, 0.1]), None)
    assert np.any(annotate(GREY, [face])[95:165, 97:104] == rgb(get_style(label).color))


def test_all_signs_of_own_labels_are_among_them() -> None:
    assert {get_style(f"label {i}").symbol for i in range(60)} == set(_CUSTOM_SYMBOLS)


# ------------------------------------------------------------------ labels


@pytest.mark.parametrize(
    ("face", "long", "short"),
    [
        (Face(Box(0, 0, 9, 9), 0.5), "3 unsure", "3"),
        (happy(Box(0, 0, 9, 9)), "3 happy 87 %", "3"),
        (happy(Box(0, 0, 9, 9), 1.0), "3 happy 100 %", "3"),
        (happy(Box(0, 0, 9, 9), unsure="dark"), "3 unsure", "3"),
    ],
)
def test_chip_text(face: Face, long: str, short: str) -> None:
    assert format_label(3, face, short=False) == long
    assert format_label(3, face, short=True) == short


@pytest.mark.parametrize(("count", "short"), [(1, False), (MAX_FULL_LABELS, False), (MAX_FULL_LABELS + 1, True)])
def test_many_faces_get_short_labels(monkeypatch: pytest.MonkeyPatch, count: int, short: bool) -> None:
    texts: list[str] = []
    chip = annotation._render_label
    monkeypatch.setattr(annotation, "_render_label", lambda text, *rest: (texts.append(text), chip(text, *rest))[1])
    annotate(GREY, [happy(Box(5, 5, 60, 60))] * count)
    assert texts == [str(n) if short else f"{n} happy 87 %" for n in range(1, count + 1)]


@settings(max_examples=60)
@given(x=st.floats(-60, 380), y=st.floats(-60, 300), side=st.floats(2, 300), data=st.data())
def test_labels_stay_inside_the_picture(x: float, y: float, side: float, data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        places: list[Box] = []
        patch.setattr(
            annotation,
            "_paste_label",
            lambda out, chip, x, y: places.append(Box(x, y, x + chip.shape[1], y + chip.shape[0])),
        )
        annotate(GREY, [happy(Box(x, y, x + side, y + side)), happy(Box(10, 10, 60, 60))])
    for chip in places:
        assert chip.clip(320, 240) == chip


def test_labels_of_neighbours_do_not_overlap(chips: list[Box]) -> None:
    annotate(np.zeros((300, 640, 3), np.uint8), grid(4, 2, 60, 70))
    assert sum(a.iou(b) for a, b in itertools.combinations(chips, 2)) == 0
    assert not any(chip.iou(face.box) for chip in chips for face in grid(4, 2, 60, 70))  # nor cover a face


@pytest.mark.parametrize(
    "boxes",
    [
        [Box(100, 100, 120, 120), Box(126, 100, 146, 120)],  # side by side, labels wider than they are
        [Box(100, 100, 160, 160), Box(100, 38, 160, 96)],  # one above the other
        [Box(100, 100, 160, 160), Box(100, 38, 160, 96), Box(100, 164, 160, 224)],
        [Box(0, 0, 50, 50), Box(54, 0, 104, 50)],  # in a corner
    ],
)
def test_labels_make_way(chips: list[Box], boxes: list[Box]) -> None:
    annotate(GREY, [happy(box) for box in boxes])
    assert sum(a.iou(b) for a, b in itertools.combinations(chips, 2)) == 0
    for number, chip in enumerate(chips):
        assert not any(chip.iou(box) for box in boxes[:number] + boxes[number + 1 :])


@pytest.mark.parametrize("gap", [2, 10, 25])
def test_labels_of_forty_faces_hardly_overlap(chips: list[Box], gap: int) -> None:
    """As in a photo of a whole company, heads beside heads."""
    faces = grid(8, 5, 48, gap)
    annotate(np.zeros((480, 720, 3), np.uint8), faces)
    assert len(chips) == 40
    covered = sum(
        Box(max(a.x1, b.x1), max(a.y1, b.y1), min(a.x2, b.x2), min(a.y2, b.y2)).area
        for a, b in itertools.combinations(chips, 2)
    )
    assert covered <= 0.02 * sum(chip.area for chip in chips)
    for number, (chip, face) in enumerate(zip(chips, faces, strict=True), 1):
        assert chip.iou(face.box.expand(2.2)) > 0, number  # beside its own face


@pytest.mark.parametrize(("height", "width", "tallest"), [(240, 320, 30), (480, 640, 40), (3000, 4000, 180)])
def test_labels_can_be_read(chips: list[Box], height: int, width: int, tallest: int) -> None:
    small, large = Box(9, 9, 20, 20), Box(0, 0, width * 0.9, height * 0.9)
    annotate(np.zeros((height, width, 3), np.uint8), [happy(small), happy(large)])
    assert all(chip.height >= max(16, max(height, width) / 90) for chip in chips)
    assert all(chip.height <= tallest for chip in chips)


# ------------------------------------------------------------------ ink


def rgb(colour: str) -> tuple[int, int, int]:
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))  # type: ignore[return-value]


def contrast(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """The contrast ratio of WCAG 2.2, written from its text, not from the program's."""

    def luminance(colour: tuple[int, ...]) -> float:
        parts = np.asarray(colour, float) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, np.power((parts + 0.055) / 1.055, 2.4))
        return float(linear @ (0.2126, 0.7152, 0.0722))

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_contrast_formula() -> None:
    assert contrast((255, 255, 255), (0, 0, 0)) == pytest.approx(21)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("size", [12, 16, 40])
@pytest.mark.parametrize("name", [*EXPRESSIONS, UNCERTAIN.name])
def test_ink_stands_out(name: str, size: int) -> None:
    """Word and sign against their ground, in the pixels as they are drawn."""
    chip = annotation._render_label("8 MMMM", name, size)
    solid = np.round(chip * 255).astype(int)[chip[..., 3] == 1][:, :3]
    colours, counts = np.unique(solid, axis=0, return_counts=True)
    ground = tuple(colours[counts.argmax()].tolist())
    assert ground == rgb(get_style(name).color)
    width = chip.shape[1]
    edge = max(2, size // 6)
    for part in (chip[edge:-edge, edge : width // 3], chip[edge:-edge, width // 2 : -edge]):  # the sign, the word
        pixels = np.round(part[..., :3].reshape(-1, 3) * 255).astype(int)
        assert max(contrast(tuple(pixel), ground) for pixel in np.unique(pixels, axis=0)) >= 4.5


def test_signs_tell_expressions_apart_without_colour() -> None:
    """The shapes of any two signs differ in many of their pixels."""
    shapes = []
    for name in [*EXPRESSIONS, UNCERTAIN.name]:
        chip = annotation._render_label("", name, 40)
        ground = np.array(rgb(get_style(name).color)) / 255
        shapes.append(np.abs(chip[5:-5, 5:45, :3] - ground).max(axis=2) > 0.2)
    for one, other in itertools.combinations(shapes, 2):
        assert (one ^ other).sum() > 0.15 * min(one.sum(), other.sum())


# ------------------------------------------------------------------ hiding faces


@pytest.mark.parametrize("boxes", [[], [Box(500, 500, 600, 600)], [Box(10, 10, 10, 10)]])
def test_nothing_to_hide(boxes: list[Box]) -> None:
    image = RNG.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    out = pixelate(image, boxes)
    np.testing.assert_array_equal(out, image)
    assert out is not image


@pytest.mark.parametrize(
    "box", [Box(50, 40, 150, 140), Box(-30, -30, 90, 90), Box(110, 100, 320, 260), Box(-50, -50, 400, 400)]
)
def test_no_detail_survives(box: Box) -> None:
    """Two pictures with the same means and different details look the same where they are hidden."""
    x1, y1, x2, y2 = box.expand(1.2).clip(200, 180).to_int_xyxy()
    edges_x = np.round(np.linspace(x1, x2, 7)).astype(int)
    edges_y = np.round(np.linspace(y1, y2, 7)).astype(int)
    smooth = np.full((180, 200, 3), 128.0)
    for left, right in itertools.pairwise(edges_x):
        for top, bottom in itertools.pairwise(edges_y):
            smooth[top:bottom, left:right] = RNG.integers(60, 190, 3)
    pictures = []
    for _ in range(2):
        noise = RNG.normal(0, 40, smooth.shape)
        for left, right in itertools.pairwise(edges_x):
            for top, bottom in itertools.pairwise(edges_y):
                part = noise[top:bottom, left:right]
                part -= part.mean(axis=(0, 1))
        pictures.append(np.clip(smooth + noise, 0, 255).round().astype(np.uint8))
    hidden = [pixelate(picture, [box]) for picture in pictures]
    inside = np.zeros((180, 200), bool)
    inside[y1:y2, x1:x2] = True
    assert np.abs(pictures[0][inside].astype(int) - pictures[1][inside]).mean() > 30
    assert np.abs(hidden[0][inside].astype(int) - hidden[1][inside]).mean() < 5
    assert len(np.unique(hidden[0][inside], axis=0)) <= 36
    np.testing.assert_array_equal(hidden[0][~inside], pictures[0][~inside])


@given(
    x=st.integers(-50, 150),
    y=st.integers(-50, 150),
    width=st.integers(8, 150),
    height=st.integers(8, 150),
    cells=st.integers(1, 8),
)
def test_a_hidden_box_has_few_colours(x: int, y: int, width: int, height: int, cells: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (120, 120, 3), dtype=np.uint8)
    x1, y1, x2, y2 = Box(x, y, x + width, y + height).clip(120, 120).to_int_xyxy()
    part = pixelate(image, [Box(x, y, x + width, y + height)], cells)[y1:y2, x1:x2]
    assert len(np.unique(part.reshape(-1, 3), axis=0)) <= cells**2


def test_overlapping_faces_are_all_hidden() -> None:
    image = RNG.integers(0, 256, (200, 200, 3), dtype=np.uint8)
    boxes = [Box(40, 40, 120, 120), Box(80, 80, 160, 160), Box(45, 45, 60, 60)]
    out = pixelate(image, boxes)
    for box in boxes:
        x1, y1, x2, y2 = box.to_int_xyxy()
        assert len(np.unique(out[y1:y2, x1:x2].reshape(-1, 3), axis=0)) <= 3 * 36


@pytest.mark.parametrize("name", ["haar", "yunet"])
def test_hidden_faces_are_found_no_more(sample: Picture, sample_face: Box, name: str) -> None:
    if name not in available_detectors():
        pytest.skip("YuNet is not on this machine")
    detector = make_detector(name)
    found = [f.box for f in detector.detect(sample, 0.5, 640)]
    assert any(box.iou(sample_face) > 0.5 for box in found)
    hidden = annotate(sample, [happy(sample_face)], anonymize=True)
    left = [f.box for f in detector.detect(hidden, 0.5, 640)]
    assert not any(box.iou(sample_face) > 0.3 for box in left)


def test_a_small_box_does_not_undo_a_large_one() -> None:
    """An eye that is taken for a face, too, is not shown by its own finer mosaic."""
    image = RNG.integers(0, 256, (240, 320, 3), dtype=np.uint8)
    large, small = Box(40, 40, 160, 160), Box(70, 70, 110, 110)
    for boxes in ([large, small], [small, large]):
        out = pixelate(image, boxes)
        np.testing.assert_array_equal(out, pixelate(pixelate(image, boxes[:1]), boxes[1:]))
    alone = pixelate(image, [large])[72:108, 72:108].astype(float)
    assert pixelate(image, [large, small])[72:108, 72:108].std() <= alone.std() + 1


def test_blur_hides_before_it_draws() -> None:
    """Where faces lie close, no label of one is smeared by the mosaic of the other."""
    image = RNG.integers(0, 256, (240, 320, 3), dtype=np.uint8)
    faces = [happy(Box(40, 60, 140, 160)), happy(Box(150, 60, 250, 160))]
    out = annotate(image, faces, anonymize=True)
    np.testing.assert_array_equal(out, annotate(pixelate(image, [face.box for face in faces]), faces))


def test_a_face_of_a_stream_keeps_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[int] = []
    monkeypatch.setattr(annotation, "format_label", lambda number, face, short: said.append(number) or "x")
    faces = grid(3, 1, 40, 25)
    annotate(GREY, faces)
    annotate(GREY, [replace(face, track_id=track) for face, track in zip(faces, (2, 5, 7), strict=True)])
    assert said == [1, 2, 3, 2, 5, 7]


def test_names_are_drawn_where_a_font_has_their_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[object] = []
    monkeypatch.setattr(annotation, "format_label", lambda number, face, short: said.append(number) or "x")
    faces = [replace(happy(Box(10 + 60 * i, 10, 50 + 60 * i, 50)), track_id=i) for i in range(1, 7)]
    names = {1: "Anna", 2: "", 3: "\U0010fff0", 5: "Maximilian of Hohenstein-Langenburg", 6: "Zo\u00eb"}
    annotate(GREY, faces, names=names)
    zoe = names[6] if is_drawable(names[6]) else 6  # as the fonts of this machine are
    if not is_drawable("\u2026"):
        pytest.skip("no font of this machine has an ellipsis")
    assert said == ["Anna", 2, 3, 4, "Maximilian of Hohenstei\u2026", zoe]
