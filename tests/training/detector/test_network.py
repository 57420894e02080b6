"""What the detector's network is, and what it is taught: the losses against loops of the same rules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.recognition.detectors.onnx_detector import STRIDES, VALUES_PER_CELL, anchor_points, decode_predictions

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras' variables and NumPy 2
]

SIDE = 96
PLACES = anchor_points(SIDE, SIDE)
NO_FACES = np.empty((0, 4), np.float32)


@pytest.fixture(scope="module")
def network() -> Any:
    import keras

    from emotion.training.detector.network import build_glance

    keras.utils.set_random_seed(1)
    return build_glance()


def wanted(
    faces: Sequence[NDArray], counts: NDArray | None = None, points: NDArray | None = None, known: float = 1.0
) -> Any:
    """Boxes (n, 4) of each photo; the points are spread over the box where none are given."""
    from emotion.training.detector.batches import DetectionTargets

    boxes = np.concatenate([np.reshape(some, (-1, 4)) for some in faces]).astype(np.float32)
    shares = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])
    spread = (boxes[:, None, :2] + shares * (boxes[:, None, 2:] - boxes[:, None, :2])).reshape(-1, 10)
    return DetectionTargets(
        np.repeat(np.arange(len(faces)), [len(some) for some in faces]).astype(np.int32),
        boxes,
        (spread if points is None else points).astype(np.float32),
        np.full(len(boxes), known, np.float32),
        np.ones((len(faces), len(PLACES)), np.float32) if counts is None else counts,
    )


def losses(answers: NDArray, aims: Any) -> list[float]:
    from emotion.training.detector.losses import detection_losses

    return [float(part) for part in detection_losses(answers, PLACES, aims)]


def gradients(answers: NDArray, aims: Any, part: int | None = None) -> NDArray[np.float32]:
    """Of the sum of the losses or of one of them, by the answers."""
    import tensorflow as tf

    from emotion.training.detector.losses import detection_losses

    variable = tf.Variable(tf.constant(answers))
    with tf.GradientTape() as tape:
        parts = detection_losses(variable, PLACES, aims)
        total = tf.add_n(list(parts)) if part is None else parts[part]
    return np.array(tape.gradient(total, variable))


def perfect(faces: Sequence[NDArray], aims: Any, logit: float = 12.0, sure: int = 10) -> NDArray[np.float32]:
    """Every cell in a face draws the box and points of the smallest face there, but no more than `sure` cells of
    each face are sure of it."""
    answers = np.zeros((len(faces), len(PLACES), VALUES_PER_CELL), np.float32)
    order = np.argsort(-np.prod(aims.boxes[:, 2:] - aims.boxes[:, :2], axis=1))
    owner = np.full(answers.shape[:2], -1)
    for i in order:
        box, points = aims.boxes[i], aims.landmarks[i]
        middle, size = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
        for c, (x, y, stride) in enumerate(PLACES):
            if box[0] < x < box[2] and box[1] < y < box[3]:
                place = [*((middle - (x, y)) / stride), *np.log(size / stride)]
                answers[aims.image_index[i], c, 1:] = [*place, *((points.reshape(5, 2) - (x, y)) / stride).ravel()]
                owner[aims.image_index[i], c] = i
    answers[..., 0] = -logit
    for i in order:
        photo, cell = np.nonzero(owner == i)
        answers[photo[:sure], cell[:sure], 0] = logit
    return answers


def random_batch(seed: int, photos: int = 3) -> tuple[NDArray[np.float32], Any]:
    """Faces of all sizes, some on each other, some photos without; answers from useless to almost right."""
    rng = np.random.default_rng(seed)
    faces = []
    for _ in range(photos):
        middle = rng.uniform(5, SIDE - 5, (rng.integers(0, 6), 2))
        half = np.exp(rng.uniform(np.log(2), np.log(40), (len(middle), 1))) * rng.uniform(0.7, 1.2, (1, 2))
        faces.append(np.concatenate([middle - half, middle + half], axis=1))
    counts = (rng.random((photos, len(PLACES))) > 0.2).astype(np.float32)
    aims = wanted(faces, counts)
    known = aims.has_landmarks * (rng.random(len(aims.boxes)) < 0.7)
    aims = aims._replace(has_landmarks=known.astype(np.float32))
    noise = rng.normal(0, 1, (photos, len(PLACES), VALUES_PER_CELL)) * rng.choice([0.1, 0.3, 1.0])
    return (perfect(faces, aims, 2.0) + noise).astype(np.float32), aims


# --- the network -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 96), (160, 32)])
def test_there_is_one_answer_for_each_cell(network: Any, height: int, width: int) -> None:
    answers = network(np.zeros((2, height, width, 3), np.float32), training=False)
    assert answers.shape == (2, len(anchor_points(height, width)), VALUES_PER_CELL)


def test_it_is_small(network: Any) -> None:
    assert network.count_params() <= 150_000


def test_at_first_every_cell_says_one_in_a_hundred_and_three_strides_wide(network: Any) -> None:
    black = np.array(network(np.zeros((1, SIDE, SIDE, 3), np.float32), training=False))[0]
    np.testing.assert_allclose(1 / (1 + np.exp(-black[:, 0])), 0.01, rtol=1e-4)
    rows = decode_predictions(black, PLACES, -math.inf)
    centre, stride = PLACES[:, :2], PLACES[:, 2:]
    np.testing.assert_allclose(rows[:, 1:3], centre - 1.5 * stride, rtol=1e-4)
    np.testing.assert_allclose(rows[:, 3:5], centre + 1.5 * stride, rtol=1e-4)
    np.testing.assert_allclose(rows[:, 5:], np.tile(centre, 5), rtol=1e-4)


def test_cells_look_where_they_stand(network: Any) -> None:
    """The answers that a bright spot changes most are those of the cells around it, in each of the three grids."""
    places, black = anchor_points(192, 192), np.zeros((1, 192, 192, 3), np.float32)
    before = np.array(network(black, training=False))[0]
    for x, y in ((40, 150), (150, 30), (96, 160)):
        photo = black.copy()
        photo[0, y - 4 : y + 4, x - 4 : x + 4] = 255
        change = np.abs(np.array(network(photo, training=False))[0] - before).sum(axis=1)
        for stride in STRIDES:
            of_grid = places[:, 2] == stride
            weights = change[of_grid] ** 2
            middle = (places[of_grid, :2] * weights[:, None]).sum(axis=0) / weights.sum()
            np.testing.assert_allclose(middle, (x, y), atol=1.5 * stride)


# --- the losses --------------------------------------------------------------------------------------------

TWO = [np.array([[10, 12, 40, 50], [60, 60, 72, 74]]), np.array([[5, 40, 85, 94]])]


def test_perfect_answers_cost_nothing() -> None:
    aims = wanted(TWO)
    score, box, points = losses(perfect(TWO, aims), aims)
    assert 0 <= score < 1e-3
    assert 0 <= box < 1e-5
    assert 0 <= points < 1e-5


@pytest.mark.parametrize("part", ["score", "box", "points"])
def test_each_part_sees_its_own_mistake(part: str) -> None:
    aims = wanted(TWO)
    answers = perfect(TWO, aims)
    answers = answers + 0.3 * np.isin(
        np.arange(VALUES_PER_CELL), {"box": [1, 2, 3, 4], "points": range(5, 15)}.get(part, [])
    )
    if part == "score":
        answers[..., 0] *= -1
    got: dict[str, float] = dict(zip(("score", "box", "points"), losses(answers.astype(np.float32), aims), strict=True))
    assert got.pop(part) > 0.01
    if part == "points":
        assert max(got.values()) < 1e-3


def test_points_that_nobody_knows_cost_nothing() -> None:
    aims = wanted(TWO, known=0.0)
    answers = perfect(TWO, aims)
    answers[..., 5:] += 3
    assert losses(answers, aims)[2] == 0
    assert not gradients(answers, aims)[..., 5:].any()


@pytest.mark.parametrize("photos", [1, 3])
def test_a_batch_without_faces_is_no_accident(photos: int) -> None:
    aims = wanted([NO_FACES] * photos)
    answers = np.random.default_rng(0).normal(0, 2, (photos, len(PLACES), VALUES_PER_CELL)).astype(np.float32)
    score, box, points = losses(answers, aims)
    assert score == pytest.approx(
        sum(p**2 * -math.log(1 - p) for p in (1 / (1 + np.exp(-answers[..., 0].astype(float)))).ravel()), rel=1e-4
    )
    assert box == points == 0
    got = gradients(answers, aims)
    assert np.isfinite(got).all()
    assert (got[..., 0] > 0).all()
    assert not got[..., 1:].any()


def test_ignored_cells_teach_nothing() -> None:
    counts = (np.random.default_rng(1).random((2, len(PLACES))) > 0.4).astype(np.float32)
    answers = np.random.default_rng(0).normal(0, 2, (2, len(PLACES), VALUES_PER_CELL)).astype(np.float32)
    got = gradients(answers, wanted([NO_FACES, NO_FACES], counts))
    assert not got[counts == 0].any()
    assert (got[counts == 1][:, 0] > 0).all()


def test_a_face_in_an_ignored_region_teaches_nevertheless() -> None:
    aims = wanted([TWO[0][:1]], np.zeros((1, len(PLACES)), np.float32))
    got = gradients(np.zeros((1, len(PLACES), VALUES_PER_CELL), np.float32), aims)
    taught = np.flatnonzero(got[0].any(axis=1))
    assert len(taught) > 0
    x1, y1, x2, y2 = TWO[0][0]
    assert all(x1 < x < x2 and y1 < y < y2 for x, y, _ in PLACES[taught])


@pytest.mark.parametrize(
    "box", [(16, 16, 17, 17), (15.5, 31, 17, 33), (50, 50, 50.1, 50.1), (0, 0, 2, 2), (95, 95, 96, 96)]
)
def test_a_face_between_all_cells_still_gets_one(box: tuple[float, ...]) -> None:
    answers = np.zeros((1, len(PLACES), VALUES_PER_CELL), np.float32)
    answers[..., 0] = math.log(0.01 / 0.99)  # what they say at first
    got = gradients(answers, wanted([np.array([box])]))
    assert np.isfinite(got).all()
    taught = np.flatnonzero(got[0, :, 1:].any(axis=1))
    assert len(taught) > 0
    assert (got[0, taught, 0] < 0).any()  # told to say it louder
    assert np.abs(PLACES[taught, :2] - (np.array(box[:2]) + box[2:]) / 2).max() < STRIDES[0]


@pytest.mark.parametrize("logit", [0.0, 5.0, 20.0])
def test_two_faces_in_one_place_break_nothing(logit: float) -> None:
    """Labelled twice by mistake. No cell is asked for more than certainty, or its score would grow for ever."""
    twice = [np.repeat(TWO[1], 2, axis=0)]
    aims = wanted(twice)
    answers = perfect(twice, aims, logit)
    score, box, points = losses(answers, aims)
    got = gradients(answers, aims)
    assert np.isfinite(got).all()
    assert score >= 0
    assert 0 <= box < 1e-5
    assert 0 <= points < 1e-5


# --- the same, slowly --------------------------------------------------------------------------------------


def iou(a: NDArray, b: NDArray) -> float:
    inner = np.prod((np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])).clip(0))
    return float(inner / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - inner))


def assigned_slowly(rows: list[NDArray], aims: Any, candidates: int) -> dict[tuple[int, int], float]:
    """(face, cell) -> the score which that cell should give.

    A face asks the ten cells inside it that fit best by sqrt(score) x overlap^6; a cell that several faces ask
    answers for the one that it overlaps best; the best cell of a face should say that face's best overlap, but at
    least a tenth, and the others as much less as they fit less.
    """
    asked: dict[tuple[int, int], tuple[float, float]] = {}
    for face, (photo, box) in enumerate(zip(aims.image_index, aims.boxes.astype(float), strict=True)):
        fits = []
        middle, half = (box[:2] + box[2:]) / 2, np.maximum((box[2:] - box[:2]) / 2, STRIDES[0])
        for cell, row in enumerate(rows[photo]):
            if (np.abs(PLACES[cell, :2] - middle) < half).all():
                overlap = iou(row[1:5], box)
                fit = math.sqrt(1 / (1 + math.exp(-row[0]))) * overlap**6
                fits.append((float(np.float32(fit) + np.float32(1e-9)), cell, overlap))
        for fit, cell, overlap in sorted(fits, key=lambda entry: (-entry[0], entry[1]))[:candidates]:
            asked[face, cell] = fit, overlap
    won = {
        (face, cell): fit_overlap
        for (face, cell), fit_overlap in asked.items()
        if fit_overlap[1]
        >= max(o for (f, c), (_, o) in asked.items() if c == cell and aims.image_index[f] == aims.image_index[face])
    }
    # No rule says what becomes of an exact tie.
    assert len({(aims.image_index[face], cell) for face, cell in won}) == len(won)
    aimed = {}
    for (face, cell), (fit, _) in won.items():
        own = [value for (f, _), value in won.items() if f == face]
        aimed[face, cell] = fit / max(f for f, _ in own) * max(0.1, *(o for _, o in own))
    return aimed


def losses_slowly(answers: NDArray, aims: Any, candidates: int) -> list[float]:
    rows = [decode_predictions(one.astype(float), PLACES, -math.inf) for one in answers]
    aimed = assigned_slowly(rows, aims, candidates)
    total = max(1.0, sum(aimed.values()))
    score = box = points = 0.0
    score_aims = np.zeros(answers.shape[:2])
    for (face, cell), aim in aimed.items():
        photo, true = aims.image_index[face], aims.boxes[face].astype(float)
        score_aims[photo, cell] += aim
        row = rows[photo][cell]
        around = np.maximum(row[3:5], true[2:]) - np.minimum(row[1:3], true[:2])
        apart = (row[1:3] + row[3:5] - true[:2] - true[2:]) / 2
        box += aim * (1 - iou(row[1:5], true) + (apart @ apart) / (around @ around))
        side = math.sqrt(np.prod(true[2:] - true[:2]))
        points += aim * aims.has_landmarks[face] * np.abs(row[5:] - aims.landmarks[face]).mean() / side
    for aim, logit, counts in zip(score_aims.ravel(), answers[..., 0].ravel(), aims.cell_mask.ravel(), strict=True):
        if counts or aim:
            said = 1 / (1 + math.exp(-float(logit)))
            score += (aim - said) ** 2 * -(aim * math.log(said) + (1 - aim) * math.log(1 - said))
    return [score / total, box / total, points / total]


@pytest.mark.parametrize("seed", [0, 1, 2, 4, 5, 6, 7, 8, 9, 11])
def test_losses_against_loops(seed: int) -> None:
    from emotion.training.detector.losses import detection_losses

    answers, aims = random_batch(seed)
    candidates = (10, 10, 3)[seed % 3]
    got = [float(part) for part in detection_losses(answers, PLACES, aims, candidates)]
    assert got == pytest.approx(losses_slowly(answers, aims, candidates), rel=2e-3, abs=1e-5)


def test_losses_do_not_depend_on_the_order_of_the_faces() -> None:
    answers, aims = random_batch(4)
    turned = type(aims)(*(part[::-1] for part in aims[:4]), aims.cell_mask)
    assert len(aims.boxes) > 3
    assert losses(answers, turned) == pytest.approx(losses(answers, aims), rel=1e-5)
