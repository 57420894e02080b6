"""The counting of found and missed faces against loops, tables by hand, and another library."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics

from emotion.training.detector.metrics import (
    MatchResult,
    average_precision,
    best_matches,
    concat,
    landmark_errors,
    match_boxes,
    precision_recall,
)
from emotion.training.runs.folder import selection_score

Box = tuple[float, float, float, float]
NOTHING = MatchResult(np.empty(0), np.empty(0, bool), np.empty(0))
FACE: Box = (10, 10, 50, 50)

# Few places and sizes, so that boxes meet, and meet exactly; some have no area.
boxes = st.builds(
    lambda x, y, w, h: (float(x), float(y), float(x + w), float(y + h)),
    *[st.integers(0, 6).map(lambda n: 5 * n)] * 2,
    *[st.sampled_from([0, 5, 10, 11, 20, 30])] * 2,
)
scores = st.integers(-8, 8).map(lambda n: n / 4)


class Photo(NamedTuple):
    found: list[tuple[Box, float]]
    truth: list[Box]
    ignore: list[Box]


photos = st.builds(
    Photo,
    st.lists(st.tuples(boxes, scores), max_size=7),
    st.lists(boxes, max_size=4),
    st.lists(boxes, max_size=2),
)


def array(rows: list[Box]) -> NDArray[np.float64]:
    return np.array(rows, np.float64).reshape(-1, 4)


def matched(photo: Photo, threshold: float = 0.5, least: float = 0.0) -> MatchResult:
    return match_boxes(
        array([box for box, _ in photo.found]),
        np.array([score for _, score in photo.found]),
        array(photo.truth),
        array(photo.ignore),
        threshold,
        (least, np.inf),
    )


# --- the same, slowly --------------------------------------------------------------------------------------


def area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def common(a: Box, b: Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def iou(a: Box, b: Box) -> float:
    union = area(a) + area(b) - common(a, b)
    return common(a, b) / union if union else 0.0


def share(a: Box, b: Box) -> float:
    return common(a, b) / area(a) if area(a) else 0.0


def matched_slowly(photo: Photo, threshold: float, least: float) -> tuple[list[tuple[float, bool]], list[float]]:
    counted_faces = [box for box in photo.truth if area(box) >= least**2]
    small = [box for box in photo.truth if area(box) < least**2]
    free = dict(enumerate(counted_faces))
    taken: dict[int, float] = {}
    counted = []
    for box, score in sorted(photo.found, key=lambda found: -found[1]):
        best = max(free, key=lambda i: iou(box, free[i]), default=None)
        if best is not None and iou(box, free[best]) >= threshold:
            del free[best]
            taken[best] = score
            counted.append((score, True))
        elif area(box) >= least**2:
            on_small = any(iou(box, face) >= threshold or share(box, face) > 0.5 for face in small)
            if not on_small and not any(share(box, region) > 0.5 for region in photo.ignore):
                counted.append((score, False))
    return counted, [taken.get(i, -math.inf) for i in range(len(counted_faces))]


def average_precision_slowly(pairs: list[tuple[float, bool]], faces: int) -> float:
    """Lower the threshold step by step; each face that comes in is worth the best precision from there on."""
    steps = []
    for threshold in sorted({score for score, _ in pairs}, reverse=True):
        hits = [hit for score, hit in pairs if score >= threshold]
        steps.append((sum(hits), sum(hits) / len(hits)))
    before = [0, *(hits for hits, _ in steps)]
    return sum((hits - before[i]) * max(p for _, p in steps[i:]) for i, (hits, _) in enumerate(steps)) / faces


# --- match -------------------------------------------------------------------------------------------------


@pytest.mark.slow
@given(photo=photos, threshold=st.sampled_from([0.3, 0.5, 0.9]), least=st.sampled_from([0.0, 8.0, 12.5]))
def test_matching_against_a_loop(photo: Photo, threshold: float, least: float) -> None:
    got = matched(photo, threshold, least)
    counted, faces = matched_slowly(photo, threshold, least)
    assert list(zip(got.scores.tolist(), got.is_true_positive.tolist(), strict=True)) == counted
    assert got.face_scores.tolist() == faces
    assert got.is_true_positive.sum() == np.isfinite(got.face_scores).sum()


@pytest.mark.parametrize(
    ("photo", "hits", "faces"),
    [
        (Photo([], [], []), [], []),
        (Photo([], [FACE], []), [], [-math.inf]),
        (Photo([(FACE, 0.5)], [], []), [False], []),
        (Photo([(FACE, 0.5)], [FACE], []), [True], [0.5]),
        (Photo([(FACE, 0.2), (FACE, 0.7)], [FACE], []), [True, False], [0.7]),  # the better one takes it
        (Photo([(FACE, 0.2), (FACE, 0.7)], [FACE, FACE], []), [True, True], [0.7, 0.2]),
        (Photo([((10, 10, 50, 30), 0.5)], [FACE], []), [True], [0.5]),  # exactly the threshold
        (Photo([((10, 10, 50, 29), 0.5)], [FACE], []), [False], [-math.inf]),
        # Of two free faces the one that lies better.
        (Photo([(FACE, 0.5)], [(10, 10, 50, 40), (10, 10, 50, 48)], []), [True], [-math.inf, 0.5]),
        # A face too small to count: a box on it is neither right nor wrong.
        (Photo([((10, 10, 20, 22), 0.5)], [(10, 10, 20, 20)], []), [], []),
        (Photo([((9, 9, 30, 30), 0.5)], [(10, 10, 22, 22)], []), [False], []),
        (Photo([((10, 10, 26, 26), 0.5)], [(10, 10, 60, 15), (60, 60, 90, 90)], []), [False], [-math.inf]),
        (Photo([((10, 10, 30, 30), 0.5)], [(9, 10, 50, 16)], []), [False], []),
        (Photo([((20, 60, 40, 76), 0.5)], [(20, 65, 41, 77)], []), [], []),
        # A box too small to count, without a face.
        (Photo([((60, 60, 70, 70), 0.5)], [FACE], []), [], [-math.inf]),
        # By more than half in an ignored region.
        (Photo([(FACE, 0.5)], [], [(0, 0, 50, 31)]), [], []),
        (Photo([(FACE, 0.5)], [], [(0, 0, 50, 30)]), [False], []),
        (Photo([(FACE, 0.5)], [FACE], [(0, 0, 90, 90)]), [True], [0.5]),  # a labeled face counts even there
    ],
)
def test_matching_by_hand(photo: Photo, hits: list[bool], faces: list[float]) -> None:
    """At an IoU of 0.5, faces of at least 16 pixels."""
    got = matched(photo, 0.5, 16.0)
    assert got.is_true_positive.tolist() == hits
    assert got.face_scores.tolist() == faces
    assert got.scores.tolist() == sorted(got.scores.tolist(), reverse=True)


# --- average precision, precision and recall ---------------------------------------------------------------


def photo_of(pairs: list[tuple[float, bool]], missed: int = 0) -> MatchResult:
    """That many boxes, right or not, and as many faces as were hit and missed."""
    faces = [score for score, hit in pairs if hit] + [-math.inf] * missed
    return MatchResult(np.array([s for s, _ in pairs], float), np.array([h for _, h in pairs], bool), np.array(faces))


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (NOTHING, math.nan),
        (photo_of([(0.5, False)]), math.nan),
        (photo_of([], missed=3), 0.0),
        (photo_of([(0.5, False)], missed=1), 0.0),
        (photo_of([(0.5, True)]), 1.0),
        (photo_of([(0.9, True), (0.8, True), (0.1, False)]), 1.0),  # what comes after the last face costs nothing
        (photo_of([(0.9, False), (0.8, True)]), 1 / 2),
        (photo_of([(0.1, False), (0.8, True)]), 1.0),  # in any order
        (photo_of([(0.9, True), (0.8, False), (0.7, True)], missed=1), (1 + 2 / 3) / 3),
        (photo_of([(0.5, True), (0.5, False), (0.5, False), (0.5, True)], missed=2), 1 / 2 * 1 / 2),  # all at once
        # Precision 0, 1/2, 2/3: the best to the right counts for both.
        (photo_of([(0.9, False), (0.8, True), (0.7, True)]), 2 / 3),
    ],
)
def test_average_precision_by_hand(parts: MatchResult, expected: float) -> None:
    assert average_precision(parts) == pytest.approx(expected, nan_ok=True)


pairs = st.lists(st.tuples(st.integers(-20, 20).map(float), st.booleans()), min_size=1, max_size=30)


@given(pairs=pairs, missed=st.integers(0, 5))
def test_average_precision_against_a_loop(pairs: list[tuple[float, bool]], missed: int) -> None:
    faces = missed + sum(hit for _, hit in pairs)
    expected = average_precision_slowly(pairs, faces) if faces else math.nan
    assert average_precision(photo_of(pairs, missed)) == pytest.approx(expected, nan_ok=True)


@settings(max_examples=30)
@given(hits=st.lists(st.booleans(), min_size=1, max_size=30).filter(any), seed=st.integers(0, 99))
def test_average_precision_is_at_least_that_of_scikit_learn(hits: list[bool], seed: int) -> None:
    """Which does not make precision monotonic, and is the same where every better box is right."""
    ranks = np.random.default_rng(seed).permutation(len(hits)).astype(float)
    found = photo_of(list(zip(ranks.tolist(), hits, strict=True)))
    other = metrics.average_precision_score(hits, ranks)
    assert average_precision(found) >= other - 1e-12
    best = photo_of(list(zip(ranks.tolist(), (ranks >= np.median(ranks)).tolist(), strict=True)))
    assert average_precision(best) == 1


@pytest.mark.parametrize(
    ("parts", "threshold", "expected"),
    [
        (NOTHING, 0.5, (math.nan, math.nan)),
        (photo_of([], missed=2), 0.5, (math.nan, 0)),
        (photo_of([(0.6, False)]), 0.5, (0, math.nan)),
        (photo_of([(0.5, True), (0.4, True)], missed=2), 0.5, (1, 1 / 4)),
        (photo_of([(0.9, True), (0.6, False), (0.5, True), (0.4, False)], missed=1), 0.5, (2 / 3, 2 / 3)),
        (photo_of([(0.9, True), (0.6, False)]), 1.0, (math.nan, 0)),
    ],
)
def test_precision_and_recall_by_hand(parts: MatchResult, threshold: float, expected: tuple[float, float]) -> None:
    assert precision_recall(parts, threshold) == pytest.approx(expected, nan_ok=True)


@given(photo=photos, threshold=scores)
def test_precision_and_recall_against_a_loop(photo: Photo, threshold: float) -> None:
    counted, faces = matched_slowly(photo, 0.5, 8.0)
    kept = [hit for score, hit in counted if score >= threshold]
    precision = sum(kept) / len(kept) if kept else math.nan
    recall = sum(score >= threshold for score in faces) / len(faces) if faces else math.nan
    expected = pytest.approx((precision, recall), nan_ok=True)
    assert precision_recall(matched(photo, 0.5, 8.0), threshold) == expected


@settings(max_examples=30)
@given(several=st.lists(photos, max_size=4))
def test_many_photos_are_one_list(several: list[Photo]) -> None:
    whole = concat(matched(photo) for photo in several)
    parts = [matched_slowly(photo, 0.5, 0.0) for photo in several]
    assert list(zip(whole.scores.tolist(), whole.is_true_positive.tolist(), strict=True)) == [
        p for c, _ in parts for p in c
    ]
    assert whole.face_scores.tolist() == [score for _, faces in parts for score in faces]
    assert whole.is_true_positive.dtype == bool


# --- landmarks ---------------------------------------------------------------------------------------------

TRUE = np.array([[0, 0, 40, 40], [100, 0, 140, 40], [200, 0, 210, 10], [300, 0, 340, 40]], float)


def test_each_true_face_has_the_box_that_overlaps_it_best() -> None:
    found = np.array([[102, 0, 142, 40], [4, 0, 44, 40], [1, 0, 41, 40], [200, 0, 210, 10], [330, 0, 370, 40]], float)
    boxes, faces = best_matches(found, TRUE, min_face_px=16)
    assert list(zip(boxes.tolist(), faces.tolist(), strict=True)) == [(2, 0), (0, 1)]  # one too small, one too far
    for none in (np.empty((0, 4)), found[3:]):
        assert [part.tolist() for part in best_matches(none, TRUE, min_face_px=16)] == [[], []]
    assert [part.tolist() for part in best_matches(found, TRUE[:0], min_face_px=16)] == [[], []]


def test_points_are_off_by_their_mean_distance_in_sides() -> None:
    known = np.zeros((4, 5, 2))
    known[1] = np.nan
    points = np.zeros((2, 10))
    points[0] = np.tile([3, 4], 5)  # 5 pixels of 40
    assert landmark_errors(TRUE[[0, 1]], points, TRUE, known, 16).tolist() == [0.125]
    assert landmark_errors(TRUE[:0], points[:0], TRUE, known, 16).size == 0


def test_an_epoch_is_worth_its_precision_less_what_its_landmarks_are_off() -> None:
    assert selection_score({"val_ap": 0.9, "val_landmark_error": 0.05}) == pytest.approx(0.85)
    assert selection_score({"val_ap": 0.9, "val_landmark_error": math.nan}) == selection_score({"val_ap": 0.9}) == 0.9
    assert selection_score({"val_ap": "0.9", "val_landmark_error": ""}) == 0.9  # as a history has them
