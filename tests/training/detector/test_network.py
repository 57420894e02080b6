"""The detector's network, its targets, and its losses compared with loops of the same rules."""

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


def make_targets(
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


def losses(answers: NDArray, targets: Any) -> list[float]:
    from emotion.training.detector.losses import detection_losses

    return [float(part) for part in detection_losses(answers, PLACES, targets)]


def gradients(answers: NDArray, targets: Any, part: int | None = None) -> NDArray[np.float32]:
    """Return the gradient of the sum of the losses or of one of them, by the outputs."""
    import tensorflow as tf

    from emotion.training.detector.losses import detection_losses

    variable = tf.Variable(tf.constant(answers))
    with tf.GradientTape() as tape:
        parts = detection_losses(variable, PLACES, targets)
        total = tf.add_n(list(parts)) if part is None else parts[part]
    return np.array(tape.gradient(total, variable))


def perfect(faces: Sequence[NDArray], targets: Any, logit: float = 12.0, sure: int = 10) -> NDArray[np.float32]:
    """Every cell in a face draws the box and points of the smallest face there, but no more than `sure` cells of
    each face are sure of it."""
    answers = np.zeros((len(faces), len(PLACES), VALUES_PER_CELL), np.float32)
    order = np.argsort(-np.prod(targets.boxes[:, 2:] - targets.boxes[:, :2], axis=1))
    owner = np.full(answers.shape[:2], -1)
    for i in order:
        box, points = targets.boxes[i], targets.landmarks[i]
        middle, size = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
        for c, (x, y, stride) in enumerate(PLACES):
            if box[0] < x < box[2] and box[1] < y < box[3]:
                place = [*((middle - (x, y)) / stride), *np.log(size / stride)]
                answers[targets.image_index[i], c, 1:] = [*place, *((points.reshape(5, 2) - (x, y)) / stride).ravel()]
                owner[targets.image_index[i], c] = i
    answers[..., 0] = -logit
    for i in order:
        photo, cell = np.nonzero(owner == i)
        answers[photo[:sure], cell[:sure], 0] = logit
    return answers


def random_batch(seed: int, photos: int = 3) -> tuple[NDArray[np.float32], Any]:
    """Faces of all sizes, some on each other, some photos without; outputs from useless to almost right."""
    rng = np.random.default_rng(seed)
    faces = []
    for _ in range(photos):
        middle = rng.uniform(5, SIDE - 5, (rng.integers(0, 6), 2))
        half = np.exp(rng.uniform(np.log(2), np.log(40), (len(middle), 1))) * rng.uniform(0.7, 1.2, (1, 2))
        faces.append(np.concatenate([middle - half, middle + half], axis=1))
    counts = (rng.random((photos, len(PLACES))) > 0.2).astype(np.float32)
    targets = make_targets(faces, counts)
    known = targets.has_landmarks * (rng.random(len(targets.boxes)) < 0.7)
    targets = targets._replace(has_landmarks=known.astype(np.float32))
    noise = rng.normal(0, 1, (photos, len(PLACES), VALUES_PER_CELL)) * rng.choice([0.1, 0.3, 1.0])
    return (perfect(faces, targets, 2.0) + noise).astype(np.float32), targets


# --- the network -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 96), (160, 32)])
def test_there_is_one_output_for_each_cell(network: Any, height: int, width: int) -> None:
    answers = network(np.zeros((2, height, width, 3), np.float32), training=False)
    assert answers.shape == (2, len(anchor_points(height, width)), VALUES_PER_CELL)


def test_it_is_small(network: Any) -> None:
    assert network.count_params() <= 150_000


def test_initial_outputs_are_a_score_of_one_percent_and_three_strides(network: Any) -> None:
    black = np.array(network(np.zeros((1, SIDE, SIDE, 3), np.float32), training=False))[0]
    np.testing.assert_allclose(1 / (1 + np.exp(-black[:, 0])), 0.01, rtol=1e-4)
    rows = decode_predictions(black, PLACES, -math.inf)
    center, stride = PLACES[:, :2], PLACES[:, 2:]
    np.testing.assert_allclose(rows[:, 1:3], center - 1.5 * stride, rtol=1e-4)
    np.testing.assert_allclose(rows[:, 3:5], center + 1.5 * stride, rtol=1e-4)
    np.testing.assert_allclose(rows[:, 5:], np.tile(center, 5), rtol=1e-4)


def test_cells_depend_on_the_pixels_around_them(network: Any) -> None:
    """The outputs that a bright spot changes most are those of the cells around it, in each of the three grids."""
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


def test_perfect_outputs_have_no_loss() -> None:
    targets = make_targets(TWO)
    score, box, points = losses(perfect(TWO, targets), targets)
    assert 0 <= score < 1e-3
    assert 0 <= box < 1e-5
    assert 0 <= points < 1e-5


@pytest.mark.parametrize("part", ["score", "box", "points"])
def test_each_loss_term_depends_on_its_own_outputs(part: str) -> None:
    targets = make_targets(TWO)
    answers = perfect(TWO, targets)
    answers = answers + 0.3 * np.isin(
        np.arange(VALUES_PER_CELL), {"box": [1, 2, 3, 4], "points": range(5, 15)}.get(part, [])
    )
    if part == "score":
        answers[..., 0] *= -1
    gradient_values: dict[str, float] = dict(
        zip(("score", "box", "points"), losses(answers.astype(np.float32), targets), strict=True)
    )
    assert gradient_values.pop(part) > 0.01
    if part == "points":
        assert max(gradient_values.values()) < 1e-3


def test_unknown_landmarks_have_no_loss() -> None:
    targets = make_targets(TWO, known=0.0)
    answers = perfect(TWO, targets)
    answers[..., 5:] += 3
    assert losses(answers, targets)[2] == 0
    assert not gradients(answers, targets)[..., 5:].any()


@pytest.mark.parametrize("photos", [1, 3])
def test_a_batch_without_faces_has_a_finite_loss(photos: int) -> None:
    targets = make_targets([NO_FACES] * photos)
    answers = np.random.default_rng(0).normal(0, 2, (photos, len(PLACES), VALUES_PER_CELL)).astype(np.float32)
    score, box, points = losses(answers, targets)
    assert score == pytest.approx(
        sum(p**2 * -math.log(1 - p) for p in (1 / (1 + np.exp(-answers[..., 0].astype(float)))).ravel()), rel=1e-4
    )
    assert box == points == 0
    gradient_values = gradients(answers, targets)
    assert np.isfinite(gradient_values).all()
    assert (gradient_values[..., 0] > 0).all()
    assert not gradient_values[..., 1:].any()


def test_ignored_cells_have_no_gradient() -> None:
    counts = (np.random.default_rng(1).random((2, len(PLACES))) > 0.4).astype(np.float32)
    answers = np.random.default_rng(0).normal(0, 2, (2, len(PLACES), VALUES_PER_CELL)).astype(np.float32)
    gradient_values = gradients(answers, make_targets([NO_FACES, NO_FACES], counts))
    assert not gradient_values[counts == 0].any()
    assert (gradient_values[counts == 1][:, 0] > 0).all()


def test_a_face_in_an_ignored_region_has_a_gradient() -> None:
    targets = make_targets([TWO[0][:1]], np.zeros((1, len(PLACES)), np.float32))
    gradient_values = gradients(np.zeros((1, len(PLACES), VALUES_PER_CELL), np.float32), targets)
    taught = np.flatnonzero(gradient_values[0].any(axis=1))
    assert len(taught) > 0
    x1, y1, x2, y2 = TWO[0][0]
    assert all(x1 < x < x2 and y1 < y < y2 for x, y, _ in PLACES[taught])


@pytest.mark.parametrize(
    "box", [(16, 16, 17, 17), (15.5, 31, 17, 33), (50, 50, 50.1, 50.1), (0, 0, 2, 2), (95, 95, 96, 96)]
)
def test_a_face_between_all_cells_is_assigned_to_one(box: tuple[float, ...]) -> None:
    answers = np.zeros((1, len(PLACES), VALUES_PER_CELL), np.float32)
    answers[..., 0] = math.log(0.01 / 0.99)  # the initial outputs
    gradient_values = gradients(answers, make_targets([np.array([box])]))
    assert np.isfinite(gradient_values).all()
    taught = np.flatnonzero(gradient_values[0, :, 1:].any(axis=1))
    assert len(taught) > 0
    assert (gradient_values[0, taught, 0] < 0).any()  # the score has to grow
    assert np.abs(PLACES[taught, :2] - (np.array(box[:2]) + box[2:]) / 2).max() < STRIDES[0]


@pytest.mark.parametrize("logit", [0.0, 5.0, 20.0])
def test_two_faces_in_one_place_have_a_finite_loss(logit: float) -> None:
    """A face with two equal boxes. No target exceeds 1, or the score would grow without end."""
    twice = [np.repeat(TWO[1], 2, axis=0)]
    targets = make_targets(twice)
    answers = perfect(twice, targets, logit)
    score, box, points = losses(answers, targets)
    gradient_values = gradients(answers, targets)
    assert np.isfinite(gradient_values).all()
    assert score >= 0
    assert 0 <= box < 1e-5
    assert 0 <= points < 1e-5


# --- the same, slowly --------------------------------------------------------------------------------------


def iou(a: NDArray, b: NDArray) -> float:
    inner = np.prod((np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])).clip(0))
    return float(inner / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - inner))


def assigned_slowly(rows: list[NDArray], targets: Any, candidates: int) -> dict[tuple[int, int], float]:
    """Return the target score by (face, cell).

    A face is assigned the ten cells inside it that fit best by sqrt(score) x overlap^6; a cell of several faces
    belongs to the one that it overlaps best; the target of the best cell of a face is the face's best overlap, but at
    least a tenth, and that of the others is smaller in proportion to their fit.
    """
    assigned: dict[tuple[int, int], tuple[float, float]] = {}
    for face, (photo, box) in enumerate(zip(targets.image_index, targets.boxes.astype(float), strict=True)):
        fits = []
        middle, half = (box[:2] + box[2:]) / 2, np.maximum((box[2:] - box[:2]) / 2, STRIDES[0])
        for cell, row in enumerate(rows[photo]):
            if (np.abs(PLACES[cell, :2] - middle) < half).all():
                overlap = iou(row[1:5], box)
                fit = math.sqrt(1 / (1 + math.exp(-row[0]))) * overlap**6
                fits.append((float(np.float32(fit) + np.float32(1e-9)), cell, overlap))
        for fit, cell, overlap in sorted(fits, key=lambda entry: (-entry[0], entry[1]))[:candidates]:
            assigned[face, cell] = fit, overlap
    won = {
        (face, cell): fit_overlap
        for (face, cell), fit_overlap in assigned.items()
        if fit_overlap[1]
        >= max(
            o
            for (f, c), (_, o) in assigned.items()
            if c == cell and targets.image_index[f] == targets.image_index[face]
        )
    }
    # The result of an exact tie is not defined.
    assert len({(targets.image_index[face], cell) for face, cell in won}) == len(won)
    aimed = {}
    for (face, cell), (fit, _) in won.items():
        own = [value for (f, _), value in won.items() if f == face]
        aimed[face, cell] = fit / max(f for f, _ in own) * max(0.1, *(o for _, o in own))
    return aimed


def losses_slowly(answers: NDArray, targets: Any, candidates: int) -> list[float]:
    rows = [decode_predictions(one.astype(float), PLACES, -math.inf) for one in answers]
    aimed = assigned_slowly(rows, targets, candidates)
    total = max(1.0, sum(aimed.values()))
    score = box = points = 0.0
    score_aims = np.zeros(answers.shape[:2])
    for (face, cell), target in aimed.items():
        photo, true = targets.image_index[face], targets.boxes[face].astype(float)
        score_aims[photo, cell] += target
        row = rows[photo][cell]
        around = np.maximum(row[3:5], true[2:]) - np.minimum(row[1:3], true[:2])
        apart = (row[1:3] + row[3:5] - true[:2] - true[2:]) / 2
        box += target * (1 - iou(row[1:5], true) + (apart @ apart) / (around @ around))
        side = math.sqrt(np.prod(true[2:] - true[:2]))
        points += target * targets.has_landmarks[face] * np.abs(row[5:] - targets.landmarks[face]).mean() / side
    for target, logit, counts in zip(
        score_aims.ravel(), answers[..., 0].ravel(), targets.cell_mask.ravel(), strict=True
    ):
        if counts or target:
            probability = 1 / (1 + math.exp(-float(logit)))
            score += (target - probability) ** 2 * -(
                target * math.log(probability) + (1 - target) * math.log(1 - probability)
            )
    return [score / total, box / total, points / total]


@pytest.mark.parametrize("seed", [0, 1, 2, 4, 5, 6, 7, 8, 9, 11])
def test_losses_against_loops(seed: int) -> None:
    from emotion.training.detector.losses import detection_losses

    answers, targets = random_batch(seed)
    candidates = (10, 10, 3)[seed % 3]
    gradient_values = [float(part) for part in detection_losses(answers, PLACES, targets, candidates)]
    assert gradient_values == pytest.approx(losses_slowly(answers, targets, candidates), rel=2e-3, abs=1e-5)


def test_losses_do_not_depend_on_the_order_of_the_faces() -> None:
    answers, targets = random_batch(4)
    turned = type(targets)(*(part[::-1] for part in targets[:4]), targets.cell_mask)
    assert len(targets.boxes) > 3
    assert losses(answers, turned) == pytest.approx(losses(answers, targets), rel=1e-5)
