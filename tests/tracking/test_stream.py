from __future__ import annotations

import gc
import itertools
import math
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from emotion.errors import EmotionError, ModelError
from emotion.expressions import FER2013_LABELS, FERPLUS_LABELS
from emotion.faces import Box, Face, Scores
from emotion.model_store.store import get_default_model
from emotion.movements import MOVEMENT_NAMES
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.classification import ExpressionClassifier, Prediction, softmax
from emotion.recognition.detectors.detector_factory import find_yunet, make_detector
from emotion.recognition.features import default_network
from emotion.recognition.features.network import FeaturesNetwork
from emotion.recognition.settings import AnalyzerSettings
from emotion.tracking.settings import StreamSettings
from emotion.tracking.stream import Stream
from tests.recognition.features.making import Answer, make_bundle
from tests.training.features.making import mean_points

Make = Callable[..., Any]
RNG = np.random.default_rng(11)
needs_yunet = pytest.mark.skipif(find_yunet() is None, reason="YuNet is not on this machine")


# ------------------------------------------------------------------ scenes of drawn faces


def draw_scene(
    positions: Iterable[tuple[int, int]], shape: tuple[int, int] = (240, 320), side: int = 24
) -> NDArray[np.uint8]:
    """Return a dim image with a face at each (x, y): a square whose red value identifies it."""
    image = np.full((*shape, 3), 40, np.uint8)
    for i, (x, y) in enumerate(positions):
        image[y : y + side, x : x + side] = (255 - i, 60, 60)
    return image


def find_drawn_faces(image: NDArray[np.uint8]) -> list[Face]:
    """Return the drawn faces of an image or a part of one."""
    faces = list[Face]()
    for value in np.unique(image[..., 0][image[..., 0] > 200]):
        rows, columns = np.nonzero(image[..., 0] == value)
        faces.append(Face(Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1), 0.9))
    return faces


class FakeClassifier:
    """Predicts `scores` for every crop, or raises `fault`."""

    input_size = 48

    def __init__(self, scores: Scores, face: float = 0.99) -> None:
        self.scores, self.face = scores, face
        self.batches: list[int] = []
        self.fault: Exception | None = None

    def predict(self, crops: NDArray[np.uint8], head: str | None = None) -> tuple[Prediction, ...]:
        self.batches.append(len(crops))
        if self.fault:
            raise self.fault
        return (Prediction(self.scores, self.face),) * len(crops)


@pytest.fixture
def classifier(make_scores: Callable[[str, float], Scores]) -> FakeClassifier:
    return FakeClassifier(make_scores("happy", 0.9))


@pytest.fixture
def stream(fake_detector: Make, classifier: FakeClassifier) -> Stream:
    return Stream(Analyzer(fake_detector(find_drawn_faces), classifier))  # type: ignore[arg-type]


def get_track_ids(stream: Stream) -> list[int | None]:
    return [face.track_id for face in stream.last_result.faces]


# ------------------------------------------------------------------ tracks


def test_first_frame_has_numbered_faces(stream: Stream) -> None:
    result = stream.process(draw_scene([(50, 60), (200, 100)]), 7.5)
    assert (result.index, result.timestamp) == (0, 7.5)
    assert [(f.track_id, f.box, f.display_label) for f in result.faces] == [
        (1, Box(50, 60, 74, 84), "happy"),
        (2, Box(200, 100, 224, 124), "happy"),
    ]
    assert (stream.stats.frames, stream.stats.full_searches, stream.stats.classifications) == (1, 1, 2)


def test_scene_without_faces_is_rarely_searched(stream: Stream) -> None:
    empty = draw_scene([])
    for i in range(60 * 25):
        assert stream.process(empty, i / 25).faces == ()
    stats = stream.stats
    assert (stats.roi_searches, stats.classifications, stats.errors) == (0, 0, 0)
    assert stats.full_searches <= 60 * 10 + 1
    assert get_track_ids(stream) == []
    stream.process(draw_scene([(50, 60)]), 60.1)
    assert get_track_ids(stream) == [1]


def test_moving_face_is_searched_nearby_and_classified_10_to_15_times_per_second(
    fake_detector: Make, classifier: FakeClassifier
) -> None:
    for rate in (15, 25, 60):
        stream = Stream(Analyzer(fake_detector(find_drawn_faces), classifier))  # type: ignore[arg-type]
        for i in range(4 * rate):
            x = 60 + round(40 * math.sin(i / rate))
            (face,) = stream.process(draw_scene([(x, 60)], (480, 640)), i / rate).faces
            assert face.box == Box(x, 60, x + 24, 84)
            assert face.track_id == 1
        assert 40 <= stream.stats.classifications <= 62
        assert stream.stats.full_searches <= 10
        assert stream.stats.full_searches + stream.stats.roi_searches >= 4 * rate


def test_new_face_is_found_immediately_because_of_its_motion(stream: Stream) -> None:
    for i in range(5):
        stream.process(draw_scene([(50, 60)], (480, 640), 60), i / 25)
    stream.process(draw_scene([(50, 60), (500, 300)], (480, 640), 60), 0.2)
    assert get_track_ids(stream) == [1, 2]
    assert stream.stats.full_searches == 2


def test_small_new_face_is_found_within_the_search_interval(stream: Stream) -> None:
    for i in range(5):
        stream.process(draw_scene([(50, 60)], (480, 640), 8), i / 25)
    for i in range(5, 14):
        stream.process(draw_scene([(50, 60), (500, 300)], (480, 640), 8), i / 25)
    assert get_track_ids(stream) == [1, 2]


def test_face_that_left_its_region_is_searched_in_the_whole_image(stream: Stream) -> None:
    for i in range(4):
        stream.process(draw_scene([(50, 60)], (480, 640), 20), i / 25)
    stream.process(draw_scene([(50, 300)], (480, 640), 20), 0.2)
    assert get_track_ids(stream) == [2]  # too far away for the same track


def test_cut_starts_new_tracks(stream: Stream) -> None:
    first, second = draw_scene([(50, 60)]), draw_scene([(50, 60)])
    first[:, 160:, 1:], second[:120, :, 1:] = 200, 200
    for i, image in enumerate([first, first, first, second, second]):
        stream.process(image, i / 25)
        assert get_track_ids(stream) == [1 if i < 3 else 2]


@pytest.mark.slow
@pytest.mark.parametrize("needs_verification", [False, True])
def test_twenty_faces_keep_their_tracks(
    fake_detector: Make, classifier: FakeClassifier, needs_verification: bool
) -> None:
    positions = [(20 + 120 * column, 20 + 110 * row) for column in range(5) for row in range(4)]
    stream = Stream(Analyzer(fake_detector(find_drawn_faces, needs_verification), classifier))  # type: ignore[arg-type]
    for i in range(75):
        shift = round(10 * math.sin(i / 10))
        faces = stream.process(draw_scene([(x + shift, y) for x, y in positions], (480, 640)), i / 25).faces
        assert [face.track_id for face in faces] == list(range(1, 21))
        for face, (x, _) in zip(faces, positions, strict=True):
            assert abs(face.box.x1 - x - shift) < 6
    assert {face.display_label for face in stream.last_result.faces} == {"happy"}
    assert max(classifier.batches) <= (20 if needs_verification else 8)
    assert stream.stats.classifications >= 20 * 3 * 9


# ------------------------------------------------------------------ label stability


def noisy(label: str, rng: np.random.Generator) -> Scores:
    """Return fluctuating scores whose best label is mostly the given one, as for the frames of a video."""
    logits = rng.normal(0, 1.5, 8) + np.where(np.isin(FERPLUS_LABELS, ("neutral", "happy", "sad", "surprise")), 0, -3)
    logits[FERPLUS_LABELS.index(label)] += 3
    return Scores(FERPLUS_LABELS, softmax(logits[None])[0])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_displayed_label_changes_no_more_often_than_the_expression(
    stream: Stream, classifier: FakeClassifier, seed: int
) -> None:
    rng, labels = np.random.default_rng(seed), ("neutral", "happy", "neutral", "sad", "surprise", "happy")
    displayed, raw = list[str](), list[str]()
    image = draw_scene([(50, 60)])
    for i in range(len(labels) * 75):
        classifier.scores = noisy(labels[i // 75], rng)
        raw.append(classifier.scores.label)
        displayed.append(stream.process(image, i / 25).faces[0].display_label)
        if i % 75 == 74:
            assert displayed[-1] == labels[i // 75]
    changes = list(itertools.groupby(label for label in displayed if label != "unsure"))
    assert len(changes) - 1 <= len(labels) - 1 + 1
    assert displayed.count("unsure") < 0.1 * len(displayed)  # only at the changes of expression
    assert len(list(itertools.groupby(raw))) > 5 * len(list(itertools.groupby(displayed)))


def test_settings_can_change_between_frames(stream: Stream, classifier: FakeClassifier, make_scores: Make) -> None:
    image = draw_scene([(50, 60)])
    for i in range(20):
        stream.process(image, i / 25)
    classifier.scores = make_scores("sad", 0.85)
    stream.settings = replace(stream.settings, half_life=0.0)
    assert [stream.process(image, 0.8 + i / 25).faces[0].display_label for i in range(3)][-1] == "sad"
    stream.settings = replace(stream.settings, recognition=AnalyzerSettings(min_confidence=0.99))
    assert [stream.process(image, 1 + i / 25).faces[0].display_label for i in range(20)][-1] == "unsure"
    classifier.scores = Scores(FER2013_LABELS, [0.9, *[0.1 / 6] * 6])  # as of another head
    stream.settings = StreamSettings()
    face = [stream.process(image, 2 + i / 25).faces[0] for i in range(3)][-1]
    assert (face.display_label, face.track_id) == ("angry", 1)


def test_returning_face_is_classified_without_its_earlier_scores(
    stream: Stream, classifier: FakeClassifier, make_scores: Make
) -> None:
    """After an absence of 0.5 s the track is the same, but its average starts again."""
    image_with_face, image_without_face = draw_scene([(50, 60)]), draw_scene([])
    for i in range(25):
        stream.process(image_with_face, i / 25)
    for i in range(25, 37):
        assert stream.process(image_without_face, i / 25).faces == ()
    classifier.scores = make_scores("sad", 0.9)
    displayed = [face for i in range(37, 42) for face in stream.process(image_with_face, i / 25).faces]
    assert {(face.track_id, face.display_label) for face in displayed} == {(1, "sad")}
    assert displayed[-1].scores
    assert displayed[-1].scores["sad"] == pytest.approx(0.9)


# ------------------------------------------------------------------ verification


def test_candidates_are_verified_and_dropped_when_their_face_probability_falls(
    fake_detector: Make, classifier: FakeClassifier
) -> None:
    stream = Stream(Analyzer(fake_detector(find_drawn_faces, True), classifier))  # type: ignore[arg-type]
    image = draw_scene([(50, 60)])
    classifier.face = 0.3
    for i in range(25):
        assert stream.process(image, i / 25).faces == ()
    classifier.face = 0.95
    for i in range(25, 50):
        stream.process(image, i / 25)
    assert get_track_ids(stream) == [1]
    assert stream.last_result.faces[0].detection_score == pytest.approx(0.95)
    classifier.face = 0.01
    for i in range(50, 75):
        stream.process(image, i / 25)
    assert get_track_ids(stream) == []


# ------------------------------------------------------------------ faults


def test_errors_of_the_classifier_keep_the_track(stream: Stream, classifier: FakeClassifier) -> None:
    rng = np.random.default_rng(4)
    failed = 0
    for i in range(250):
        classifier.fault = RuntimeError("on purpose") if rng.random() < 0.1 else None
        before = len(classifier.batches)
        (face,) = stream.process(draw_scene([(50 + i // 10, 60)]), i / 25).faces
        failed += classifier.fault is not None and len(classifier.batches) > before
        assert face.track_id == 1
        assert face.box.x1 == 50 + i // 10
    assert stream.stats.frames == 250
    assert stream.stats.errors == failed > 5
    assert stream.stats.last_error == "RuntimeError: on purpose"
    assert stream.last_result.faces[0].display_label == "happy"


@pytest.mark.parametrize("needs_verification", [False, True])
def test_errors_of_the_detector_keep_the_track(
    fake_detector: Make, classifier: FakeClassifier, needs_verification: bool
) -> None:
    rng = np.random.default_rng(5)

    def fail_randomly(image: NDArray[np.uint8]) -> list[Face]:
        if rng.random() < 0.1:
            raise ValueError("on purpose")
        return find_drawn_faces(image)

    stream = Stream(Analyzer(fake_detector(fail_randomly, needs_verification), classifier))  # type: ignore[arg-type]
    for i in range(250):
        faces = stream.process(draw_scene([(50 + i // 10, 60)]), i / 25).faces
        assert [face.track_id for face in faces] == ([1] if i > 5 or faces else [])
    assert stream.stats.errors > 20


def test_faces_are_shown_for_one_second_after_the_detector_fails(
    fake_detector: Make, classifier: FakeClassifier
) -> None:
    is_failing = False

    def detect(image: NDArray[np.uint8]) -> list[Face]:
        if is_failing:
            raise ValueError("gone")
        return find_drawn_faces(image)

    stream = Stream(Analyzer(fake_detector(detect), classifier))  # type: ignore[arg-type]
    image = draw_scene([(50, 60)])
    stream.process(image, 0.0)
    is_failing = True
    displayed = [len(stream.process(image, i / 25).faces) for i in range(1, 100)]
    assert displayed == [1] * 25 + [0] * 74
    is_failing = False
    stream.process(image, 4.0)
    assert get_track_ids(stream) == [2]


def test_non_finite_scores_count_as_errors(stream: Stream, classifier: FakeClassifier) -> None:
    image = draw_scene([(50, 60)])
    stream.process(image, 0.0)
    valid_scores, classifier.scores = classifier.scores, Scores(FERPLUS_LABELS, [math.nan] * 8)
    for i in range(1, 50):
        assert stream.process(image, i / 25).faces[0].display_label == "happy"
    assert stream.stats.errors > 20
    classifier.scores = valid_scores
    stream.process(image, 2.0)
    assert stream.last_result.faces[0].scores
    assert stream.last_result.faces[0].scores["happy"] == pytest.approx(0.9)


def test_face_without_any_prediction_is_unsure(stream: Stream, classifier: FakeClassifier) -> None:
    classifier.fault = RuntimeError("no")
    (face,) = stream.process(draw_scene([(50, 60)]), 0.0).faces
    assert (face.scores, face.uncertainty_reason, face.display_label) == (None, "not classified yet", "unsure")
    assert dict(stream.track_info) == {}
    with pytest.raises(EmotionError, match="No face"):
        stream.calibrate()


@pytest.mark.parametrize("jump", [12.0, -5.0])
def test_jump_of_the_timestamps_starts_new_tracks(stream: Stream, jump: float) -> None:
    image = draw_scene([(50, 60)])
    for i in range(10):
        stream.process(image, 10 + i / 25)
    for i in range(10):
        stream.process(image, 10.4 + jump + i / 25)
        assert get_track_ids(stream) == [2]
    assert stream.last_result.faces[0].display_label == "happy"
    assert stream.stats.errors == 0


def test_scaled_frames_keep_the_tracks_and_rotated_ones_do_not(stream: Stream) -> None:
    seconds = itertools.count(0, 0.04)
    for shape, factor, track_id in (
        ((240, 320), 1, 1),
        ((480, 640), 2, 1),
        ((120, 160), 0.5, 1),
        ((160, 120), 0.5, 2),
        ((240, 320), 1, 3),
    ):
        for _ in range(5):
            image = draw_scene([(int(60 * factor), int(80 * factor))], shape, int(40 * factor))
            (face,) = stream.process(image, next(seconds)).faces
            assert (face.track_id, face.box.x1) == (track_id, 60 * factor)
    assert stream.stats.errors == 0


# ------------------------------------------------------------------ calibration


def process_for(stream: Stream, image: NDArray[np.uint8], start: float, seconds: float) -> float:
    for i in range(round(seconds * 25)):
        stream.process(image, start + i / 25)
    return start + seconds


def test_calibration_applies_to_the_visible_face_only(stream: Stream, classifier: FakeClassifier) -> None:
    """The neutral face of the first person looks slightly sad; the second one arrives later."""
    classifier.scores = Scores(FERPLUS_LABELS, [0.25, 0.02, 0.02, 0.65, 0.02, 0.02, 0.01, 0.01])
    now = process_for(stream, draw_scene([(50, 60)]), 0.0, 1.0)
    assert stream.last_result.faces[0].display_label == "sad"
    stream.calibrate(3.0)
    now = process_for(stream, draw_scene([(50, 60)]), now, 1.0)
    assert stream.calibration_seconds_left == pytest.approx(2.04)
    assert not stream.track_info[1].is_calibrated
    now = process_for(stream, draw_scene([(50, 60), (200, 60)]), now, 3.0)
    assert stream.calibration_seconds_left is None
    assert [face.display_label for face in stream.last_result.faces] == ["neutral", "sad"]
    assert [stream.track_info[n].is_calibrated for n in (1, 2)] == [True, False]
    assert stream.track_info[1].raw_scores.label == "sad"
    assert stream.last_result.faces[0].scores != stream.track_info[1].raw_scores
    assert stream.last_result.faces[1].scores == stream.track_info[2].raw_scores
    stream.clear_calibration()
    process_for(stream, draw_scene([(50, 60), (200, 60)]), now, 1.0)
    assert [face.display_label for face in stream.last_result.faces] == ["sad", "sad"]


def test_calibration_without_a_face_or_a_neutral_label_is_refused(stream: Stream, classifier: FakeClassifier) -> None:
    with pytest.raises(EmotionError, match="No face is visible"):
        stream.calibrate()
    classifier.scores = Scores(("happy", "sad"), (0.7, 0.3))
    stream.process(draw_scene([(50, 60)]), 0.0)
    with pytest.raises(EmotionError, match="happy, sad"):
        stream.calibrate()
    assert stream.calibration_seconds_left is None


def test_calibration_of_a_face_that_left_has_no_effect(stream: Stream) -> None:
    now = process_for(stream, draw_scene([(50, 60)]), 0.0, 1.0)
    stream.calibrate(3.0)
    now = process_for(stream, draw_scene([(50, 60)]), now, 1.0)
    now = process_for(stream, draw_scene([]), now, 3.0)
    process_for(stream, draw_scene([(50, 60)]), now, 1.0)
    assert get_track_ids(stream) == [2]
    assert not stream.track_info[2].is_calibrated
    assert stream.calibration_succeeded is False
    stream.calibrate(1.0)
    now = process_for(stream, draw_scene([(50, 60)]), now + 1.0, 0.5)
    assert stream.calibration_succeeded is None
    process_for(stream, draw_scene([(50, 60)]), now, 1.0)
    assert stream.calibration_succeeded is True


# ------------------------------------------------------------------ random and long streams

STEPS = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(0, 9), st.integers(0, 6)), max_size=4, unique=True),
        st.sampled_from([0.04, 0.04, 0.1, 1.2, 12.0, -2.0]),
        st.booleans(),
    ),
    max_size=20,
)


@pytest.mark.slow
@given(STEPS)
def test_tracks_are_consistent_for_any_stream(fake_detector: Make, steps: list) -> None:
    """Shown faces are visible ones, track ids are never reused, and no state of old tracks remains."""
    classifier = FakeClassifier(Scores(FERPLUS_LABELS, [0.3, 0.7, 0, 0, 0, 0, 0, 0]))
    stream, seconds, ended_ids = Stream(Analyzer(fake_detector(find_drawn_faces), classifier)), 0.0, set[int]()  # type: ignore[arg-type]
    for positions, step, fault in steps:
        seconds += step
        classifier.fault = RuntimeError("on purpose") if fault else None
        faces = stream.process(draw_scene([(30 * x, 30 * y) for x, y in positions]), seconds).faces
        detect = [face.track_id for face in faces if face.track_id is not None]
        assert len(set(detect)) == len(faces) <= len(positions)
        assert not ended_ids & set(detect)
        if not 0 <= step <= 3:
            ended_ids |= set(range(1, max(detect, default=0))) - set(detect)
        assert {face.box for face in faces} <= {Box(30 * x, 30 * y, 30 * x + 24, 30 * y + 24) for x, y in positions}
        assert stream.track_info.keys() <= set(detect) <= stream._track_states.keys()
        assert stream._track_states.keys() == {track.track_id for track in stream._tracker.tracks if track.track_id}


@pytest.mark.slow
def test_memory_is_bounded(fake_detector: Make, classifier: FakeClassifier) -> None:
    """Faces come and go in 10,000 frames."""
    detector = fake_detector(lambda image: [Face(Box(x, 9, x + 9, 18), 0.9) for x in offsets])
    analyzer = Analyzer(detector, classifier)  # type: ignore[arg-type]
    stream, image, offsets = Stream(analyzer), np.full((24, 32, 3), 90, np.uint8), [0]
    sizes = []
    for i in range(10_000):
        offsets = [(i // 100) % 20] if i % 100 < 60 else []
        stream.process(image, i / 25)
        if i % 2_000 == 1_999:
            classifier.batches.clear()
            detector.calls.clear()
            gc.collect()
            sizes.append(len(gc.get_objects()))
    assert stream.stats.frames == 10_000
    assert len(stream._track_states) <= 1
    offsets = [0]
    stream.process(image, 400.2)
    assert get_track_ids(stream) == [101]  # the number of faces so far
    assert sizes[-1] - sizes[0] < 40, "of 80 faces"


def test_settings_calibration_and_frames_in_several_threads_are_safe(stream: Stream) -> None:
    """Cameras process frames while pages read the state, calibrate and change settings."""
    image, stop = draw_scene([(50, 60)]), threading.Event()

    def page() -> int:
        requests = 0
        while not stop.is_set():
            stream.settings = replace(stream.settings, half_life=0.3)
            if stream.last_result.faces:
                stream.calibrate(0.5)
                stream.clear_calibration()
            assert all(info.face_prob == pytest.approx(0.99) for info in stream.track_info.values())
            requests += stream.stats.frames >= 0 and stream.calibration_seconds_left != -1
            stop.wait(0.001)  # faster than any page; without a pause the cameras would get little time
        return requests

    frame_numbers, lock = itertools.count(), threading.Lock()

    def camera() -> None:
        for _ in range(100):
            with lock:
                stream.process(image, next(frame_numbers) / 25)

    with ThreadPoolExecutor(6) as pool:
        pages = [pool.submit(page) for _ in range(2)]
        cameras = [pool.submit(camera) for _ in range(4)]
        wait(cameras)
        stop.set()
        for future in cameras:
            future.result()
        assert all(future.result() > 0 for future in pages)
    assert (stream.stats.frames, stream.stats.errors, get_track_ids(stream)) == (400, 0, [1])


def test_concurrent_frames_are_processed_one_after_another(fake_detector: Make, classifier: FakeClassifier) -> None:
    """The fake detector fails if two threads enter it; equal timestamps are no jump."""
    stream = Stream(Analyzer(fake_detector(find_drawn_faces), classifier))  # type: ignore[arg-type]
    image = draw_scene([(50, 60)])
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: stream.process(image, 1.0), range(40)))
    assert sorted(result.index for result in results) == list(range(40))
    assert {face.track_id for result in results for face in result.faces} == {1}
    assert stream.stats.errors == 0


# ------------------------------------------------------------------ real videos

DETECTORS = ["haar", pytest.param("yunet", marks=needs_yunet)]


@pytest.fixture(scope="module")
def shipped() -> ExpressionClassifier:
    return ExpressionClassifier(get_default_model("classifier"), num_threads=1)


def read_frames(path: Path, max_seconds: float = math.inf) -> Iterator[tuple[NDArray[np.uint8], float]]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if frame.time is not None and frame.time < max_seconds:
                yield frame.to_ndarray(format="rgb24"), frame.time


@pytest.mark.slow
@pytest.mark.parametrize("detector", DETECTORS)
def test_crying_is_followed_by_laughing_without_other_labels(
    shipped: ExpressionClassifier, media: Path, detector: str
) -> None:
    stream = Stream(Analyzer(make_detector(detector), shipped))
    results = [stream.process(*frame) for frame in read_frames(media / "video" / "pyfeat_sad_to_laugh.mp4", 15.0)]
    assert {face.track_id for result in results for face in result.faces} == {1}
    assert np.mean([len(result.faces) == 1 for result in results]) > 0.95
    labels = [face.display_label for result in results for face in result.faces]
    changes = [label for label, _ in itertools.groupby(labels)]
    assert changes[-1] == "happy"
    first = changes.index("sad")
    assert len(set(changes[first:]) - {"sad", "happy"}) <= 2
    assert changes[first:].count("sad") == changes[first:].count("happy") == 1
    assert stream.stats.errors == 0


@pytest.mark.slow
@needs_yunet
def test_tracks_last_within_a_shot(shipped: ExpressionClassifier, media: Path) -> None:
    """The cuts are at frames 20, 82 and 211; only the singer is visible between the last two."""
    stream = Stream(Analyzer(make_detector("yunet"), shipped))
    results = [stream.process(*frame) for frame in read_frames(media / "video" / "fr_short_hamilton_clip.mp4")]
    shots = [results[:20], results[20:82], results[82:211], results[211:]]
    track_ids = [{face.track_id for result in shot for face in result.faces} for shot in shots]
    assert not any(first & second for first, second in itertools.combinations(track_ids, 2))
    constant_ids = [
        set.intersection(*({face.track_id for face in result.faces} for result in shot[5:] if result.faces))
        for shot in shots
    ]
    assert [len(ids) for ids in constant_ids[::2]] == [2, 1]
    assert len(constant_ids[3]) >= 5
    assert len(track_ids[2]) == 1
    assert not stream.stats.errors


@pytest.mark.slow
@pytest.mark.parametrize("detector", DETECTORS)
def test_no_face_is_shown_after_the_face_disappears(shipped: ExpressionClassifier, media: Path, detector: str) -> None:
    stream = Stream(Analyzer(make_detector(detector), shipped))
    results = [stream.process(*frame) for frame in read_frames(media / "video" / "pyfeat_face_noface.mov")]
    displayed = [len(result.faces) for result in results]
    assert sum(displayed[:72]) >= 68
    assert sum(displayed[72:]) == 0


# ------------------------------------------------------------------ features


@pytest.fixture
def with_features(
    fake_detector: Make, classifier: FakeClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Stream:
    network = FeaturesNetwork(
        make_bundle(tmp_path / "features", Answer(mean_points(), (5, 6, 7), np.full(len(MOVEMENT_NAMES), 0.5)))
    )
    monkeypatch.setattr(default_network, "load_default_network", lambda: network)
    settings = StreamSettings(AnalyzerSettings(max_side=640, features=True))
    return Stream(Analyzer(fake_detector(find_drawn_faces), classifier), settings)  # type: ignore[arg-type]


def test_every_frame_has_features_where_they_are_asked_for(with_features: Stream) -> None:
    for index in range(8):
        (face,) = with_features.process(draw_scene([(50 + 2 * index, 60)]), index / 30).faces
        assert face.features is not None
        assert face.features.pose is not None
        assert face.features.pose.yaw == pytest.approx(5)
        x, y = np.mean(face.features.points, axis=0)
        assert face.box.x1 < x < face.box.x2
        assert face.box.y1 < y < face.box.y2
    with_features.settings = StreamSettings()
    (face,) = with_features.process(draw_scene([(66, 60)]), 0.3).faces
    assert face.features is None


def test_calibration_subtracts_the_movements_of_the_neutral_face(with_features: Stream) -> None:
    scene = draw_scene([(50, 60)])
    before = with_features.process(scene, 0.0).faces[0].features
    with_features.calibrate(1.0)
    for index in range(1, 40):
        with_features.process(scene, index / 20)
    after = with_features.last_result.faces[0].features
    assert before is not None
    assert after is not None
    assert before.movements["jawOpen"] == pytest.approx(0.5)
    assert after.movements["jawOpen"] == 0
    with_features.clear_calibration()
    cleared = with_features.process(scene, 2.1).faces[0].features
    assert cleared is not None
    assert cleared.movements["jawOpen"] == pytest.approx(0.5)


def test_faces_keep_their_scores_where_features_fail(
    with_features: Stream, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ModelError("There is no features network.")

    monkeypatch.setattr(default_network, "load_default_network", fail)
    (face,) = with_features.process(draw_scene([(50, 60)]), 0.0).faces
    assert (face.label, face.features) == ("happy", None)
    assert with_features.stats.errors == 1
    assert "There is no features network" in (with_features.stats.last_error or "")
