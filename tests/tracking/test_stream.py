from __future__ import annotations

import gc
import itertools
import math
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from emotion.errors import EmotionError
from emotion.expressions import FER2013_LABELS, FERPLUS_LABELS
from emotion.faces import Box, Face, Scores
from emotion.model_store.store import get_default_model
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.classification import ExpressionClassifier, Prediction, softmax
from emotion.recognition.detector_factory import find_yunet, make_detector
from emotion.recognition.settings import AnalyzerSettings
from emotion.tracking.settings import StreamSettings
from emotion.tracking.stream import Stream

Make = Callable
RNG = np.random.default_rng(11)
needs_yunet = pytest.mark.skipif(find_yunet() is None, reason="YuNet is not on this machine")


# ------------------------------------------------------------------ a small world of painted faces


def paint(places: Iterable[tuple[int, int]], shape: tuple[int, int] = (240, 320), side: int = 24) -> NDArray[np.uint8]:
    """A dim picture with a face at each (x, y): a square whose red says which it is."""
    image = np.full((*shape, 3), 40, np.uint8)
    for i, (x, y) in enumerate(places):
        image[y : y + side, x : x + side] = (255 - i, 60, 60)
    return image


def see(image: NDArray[np.uint8]) -> list[Face]:
    """The painted faces in a picture or a part of one."""
    faces = list[Face]()
    for value in np.unique(image[..., 0][image[..., 0] > 200]):
        rows, columns = np.nonzero(image[..., 0] == value)
        faces.append(Face(Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1), 0.9))
    return faces


class Speaker:
    """Says `scores` of every crop; raises or says nonsense on demand."""

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
def speaker(make_scores: Callable[[str, float], Scores]) -> Speaker:
    return Speaker(make_scores("happy", 0.9))


@pytest.fixture
def stream(fake_detector: Make, speaker: Speaker) -> Stream:
    return Stream(Analyzer(fake_detector(see), speaker))  # type: ignore[arg-type]


def tracks(stream: Stream) -> list[int | None]:
    return [face.track_id for face in stream.last_result.faces]


# ------------------------------------------------------------------ frame after frame


def test_the_first_frame_shows_its_faces(stream: Stream) -> None:
    result = stream.process(paint([(50, 60), (200, 100)]), 7.5)
    assert (result.index, result.timestamp) == (0, 7.5)
    assert [(f.track_id, f.box, f.display_label) for f in result.faces] == [
        (1, Box(50, 60, 74, 84), "happy"),
        (2, Box(200, 100, 224, 124), "happy"),
    ]
    assert (stream.stats.frames, stream.stats.full_searches, stream.stats.classifications) == (1, 1, 2)


def test_no_face_for_minutes(stream: Stream) -> None:
    empty = paint([])
    for i in range(3 * 60 * 25):
        assert stream.process(empty, i / 25).faces == ()
    stats = stream.stats
    assert (stats.roi_searches, stats.classifications, stats.errors) == (0, 0, 0)
    assert stats.full_searches <= 3 * 60 * 10 + 1
    assert tracks(stream) == []
    stream.process(paint([(50, 60)]), 180.1)
    assert tracks(stream) == [1]


def test_one_who_moves_is_found_near_and_read_ten_to_fifteen_times_a_second(stream: Stream) -> None:
    for rate in (15, 24, 25, 30, 60):
        one = Stream(stream._analyzer)
        for i in range(4 * rate):
            x = 60 + round(40 * math.sin(i / rate))
            (face,) = one.process(paint([(x, 60)], (480, 640)), i / rate).faces
            assert face.box == Box(x, 60, x + 24, 84)
            assert face.track_id == 1
        assert 40 <= one.stats.classifications <= 62
        assert one.stats.full_searches <= 10
        assert one.stats.full_searches + one.stats.roi_searches >= 4 * rate


def test_somebody_new_is_seen_at_once_for_the_picture_changed(stream: Stream) -> None:
    for i in range(5):
        stream.process(paint([(50, 60)], (480, 640), 60), i / 25)
    stream.process(paint([(50, 60), (500, 300)], (480, 640), 60), 0.2)
    assert tracks(stream) == [1, 2]
    assert stream.stats.full_searches == 2


def test_somebody_hard_to_see_is_found_within_the_interval(stream: Stream) -> None:
    for i in range(5):
        stream.process(paint([(50, 60)], (480, 640), 8), i / 25)
    for i in range(5, 14):
        stream.process(paint([(50, 60), (500, 300)], (480, 640), 8), i / 25)
    assert tracks(stream) == [1, 2]


def test_who_is_not_in_its_place_is_looked_for_everywhere(stream: Stream) -> None:
    for i in range(4):
        stream.process(paint([(50, 60)], (480, 640), 20), i / 25)
    stream.process(paint([(50, 300)], (480, 640), 20), 0.2)
    assert tracks(stream) == [2]  # too far away to be the same


def test_a_cut_makes_new_people(stream: Stream) -> None:
    one, other = paint([(50, 60)]), paint([(50, 60)])
    one[:, 160:, 1:], other[:120, :, 1:] = 200, 200
    for i, picture in enumerate([one, one, one, other, other]):
        stream.process(picture, i / 25)
        assert tracks(stream) == [1 if i < 3 else 2]


@pytest.mark.parametrize("needs_verification", [False, True])
def test_twenty_faces(fake_detector: Make, speaker: Speaker, needs_verification: bool) -> None:
    places = [(20 + 120 * column, 20 + 110 * row) for column in range(5) for row in range(4)]
    stream = Stream(Analyzer(fake_detector(see, needs_verification), speaker))  # type: ignore[arg-type]
    for i in range(75):
        shift = round(10 * math.sin(i / 10))
        faces = stream.process(paint([(x + shift, y) for x, y in places], (480, 640)), i / 25).faces
        assert [face.track_id for face in faces] == list(range(1, 21))
        for face, (x, _) in zip(faces, places, strict=True):
            assert abs(face.box.x1 - x - shift) < 6
    assert {face.display_label for face in stream.last_result.faces} == {"happy"}
    assert max(speaker.batches) <= (20 if needs_verification else 8)
    assert stream.stats.classifications >= 20 * 3 * 9


# ------------------------------------------------------------------ calm labels


def noisy(truth: str, rng: np.random.Generator) -> Scores:
    """As a classifier speaks of a film: mostly right, never still."""
    logits = rng.normal(0, 1.5, 8) + np.where(np.isin(FERPLUS_LABELS, ("neutral", "happy", "sad", "surprise")), 0, -3)
    logits[FERPLUS_LABELS.index(truth)] += 3
    return Scores(FERPLUS_LABELS, softmax(logits[None])[0])


@pytest.mark.parametrize("seed", range(4))
def test_the_label_changes_no_oftener_than_the_face(stream: Stream, speaker: Speaker, seed: int) -> None:
    rng, script = np.random.default_rng(seed), ("neutral", "happy", "neutral", "sad", "surprise", "happy")
    shown, raw = list[str](), list[str]()
    picture = paint([(50, 60)])
    for i in range(len(script) * 75):
        speaker.scores = noisy(script[i // 75], rng)
        raw.append(speaker.scores.label)
        shown.append(stream.process(picture, i / 25).faces[0].display_label)
        if i % 75 == 74:
            assert shown[-1] == script[i // 75]
    changes = list(itertools.groupby(word for word in shown if word != "unsure"))
    assert len(changes) - 1 <= len(script) - 1 + 1
    assert shown.count("unsure") < 0.1 * len(shown)  # while one expression becomes another one, no label is sure
    assert len(list(itertools.groupby(raw))) > 5 * len(list(itertools.groupby(shown)))


def test_settings_may_change_at_any_time(stream: Stream, speaker: Speaker, make_scores: Make) -> None:
    picture = paint([(50, 60)])
    for i in range(20):
        stream.process(picture, i / 25)
    speaker.scores = make_scores("sad", 0.85)
    stream.settings = replace(stream.settings, half_life=0.0)
    assert [stream.process(picture, 0.8 + i / 25).faces[0].display_label for i in range(3)][-1] == "sad"
    stream.settings = replace(stream.settings, recognition=AnalyzerSettings(min_confidence=0.99))
    assert [stream.process(picture, 1 + i / 25).faces[0].display_label for i in range(20)][-1] == "unsure"
    speaker.scores = Scores(FER2013_LABELS, [0.9, *[0.1 / 6] * 6])  # another head was chosen
    stream.settings = StreamSettings()
    shown = [stream.process(picture, 2 + i / 25).faces[0] for i in range(3)][-1]
    assert (shown.display_label, shown.track_id) == ("angry", 1)


def test_a_face_that_was_away_is_read_anew(stream: Stream, speaker: Speaker, make_scores: Make) -> None:
    """Away for 0.5 s: the same number, but nothing of its old expression."""
    with_face, without = paint([(50, 60)]), paint([])
    for i in range(25):
        stream.process(with_face, i / 25)
    for i in range(25, 37):
        assert stream.process(without, i / 25).faces == ()
    speaker.scores = make_scores("sad", 0.9)
    shown = [face for i in range(37, 42) for face in stream.process(with_face, i / 25).faces]
    assert {(face.track_id, face.display_label) for face in shown} == {(1, "sad")}
    assert shown[-1].scores
    assert shown[-1].scores["sad"] == pytest.approx(0.9)


# ------------------------------------------------------------------ proposals


def test_proposals_are_confirmed_once_and_dropped_when_doubted(fake_detector: Make, speaker: Speaker) -> None:
    stream = Stream(Analyzer(fake_detector(see, True), speaker))  # type: ignore[arg-type]
    picture = paint([(50, 60)])
    speaker.face = 0.3
    for i in range(25):
        assert stream.process(picture, i / 25).faces == ()
    speaker.face = 0.95
    for i in range(25, 50):
        stream.process(picture, i / 25)
    assert tracks(stream) == [1]
    assert stream.last_result.faces[0].detection_score == pytest.approx(0.95)
    speaker.face = 0.01
    for i in range(50, 75):
        stream.process(picture, i / 25)
    assert tracks(stream) == []


# ------------------------------------------------------------------ faults


def test_the_classifier_fails_in_one_frame_of_ten(stream: Stream, speaker: Speaker) -> None:
    rng = np.random.default_rng(4)
    failed = 0
    for i in range(500):
        speaker.fault = RuntimeError("on purpose") if rng.random() < 0.1 else None
        before = len(speaker.batches)
        (face,) = stream.process(paint([(50 + i // 10, 60)]), i / 25).faces
        failed += speaker.fault is not None and len(speaker.batches) > before
        assert face.track_id == 1
        assert face.box.x1 == 50 + i // 10
    assert stream.stats.frames == 500
    assert stream.stats.errors == failed > 10
    assert stream.stats.last_error == "RuntimeError: on purpose"
    assert stream.last_result.faces[0].display_label == "happy"


@pytest.mark.parametrize("needs_verification", [False, True])
def test_the_detector_fails_in_one_frame_of_ten(
    fake_detector: Make, speaker: Speaker, needs_verification: bool
) -> None:
    rng = np.random.default_rng(5)

    def sometimes(image: NDArray[np.uint8]) -> list[Face]:
        if rng.random() < 0.1:
            raise ValueError("on purpose")
        return see(image)

    stream = Stream(Analyzer(fake_detector(sometimes, needs_verification), speaker))  # type: ignore[arg-type]
    for i in range(500):
        faces = stream.process(paint([(50 + i // 10, 60)]), i / 25).faces
        assert [face.track_id for face in faces] == ([1] if i > 5 or faces else [])
    assert stream.stats.errors > 20


def test_a_detector_that_always_fails_shows_the_last_state_for_a_second(fake_detector: Make, speaker: Speaker) -> None:
    broken = False

    def found(image: NDArray[np.uint8]) -> list[Face]:
        if broken:
            raise ValueError("gone")
        return see(image)

    stream = Stream(Analyzer(fake_detector(found), speaker))  # type: ignore[arg-type]
    picture = paint([(50, 60)])
    stream.process(picture, 0.0)
    broken = True
    shown = [len(stream.process(picture, i / 25).faces) for i in range(1, 100)]
    assert shown == [1] * 25 + [0] * 74
    broken = False
    stream.process(picture, 4.0)
    assert tracks(stream) == [2]


def test_scores_that_are_no_numbers_are_faults(stream: Stream, speaker: Speaker) -> None:
    picture = paint([(50, 60)])
    stream.process(picture, 0.0)
    good, speaker.scores = speaker.scores, Scores(FERPLUS_LABELS, [math.nan] * 8)
    for i in range(1, 50):
        assert stream.process(picture, i / 25).faces[0].display_label == "happy"
    assert stream.stats.errors > 20
    speaker.scores = good
    stream.process(picture, 2.0)
    assert stream.last_result.faces[0].scores
    assert stream.last_result.faces[0].scores["happy"] == pytest.approx(0.9)


def test_a_classifier_that_never_worked(stream: Stream, speaker: Speaker) -> None:
    speaker.fault = RuntimeError("no")
    (face,) = stream.process(paint([(50, 60)]), 0.0).faces
    assert (face.scores, face.uncertainty_reason, face.display_label) == (None, "not classified yet", "unsure")
    assert dict(stream.track_info) == {}
    with pytest.raises(EmotionError, match="No face"):
        stream.calibrate()


@pytest.mark.parametrize("jump", [12.0, -5.0])
def test_a_stall_or_a_jump_back_begins_anew(stream: Stream, jump: float) -> None:
    picture = paint([(50, 60)])
    for i in range(10):
        stream.process(picture, 10 + i / 25)
    for i in range(10):
        stream.process(picture, 10.4 + jump + i / 25)
        assert tracks(stream) == [2]
    assert stream.last_result.faces[0].display_label == "happy"
    assert stream.stats.errors == 0


def test_another_size_keeps_the_people_another_shape_does_not(stream: Stream) -> None:
    seconds = itertools.count(0, 0.04)
    for shape, factor, number in (
        ((240, 320), 1, 1),
        ((480, 640), 2, 1),
        ((120, 160), 0.5, 1),
        ((160, 120), 0.5, 2),
        ((240, 320), 1, 3),
    ):
        for _ in range(5):
            picture = paint([(int(60 * factor), int(80 * factor))], shape, int(40 * factor))
            (face,) = stream.process(picture, next(seconds)).faces
            assert (face.track_id, face.box.x1) == (number, 60 * factor)
    assert stream.stats.errors == 0


# ------------------------------------------------------------------ the resting face


def run(stream: Stream, picture: NDArray[np.uint8], start: float, seconds: float) -> float:
    for i in range(round(seconds * 25)):
        stream.process(picture, start + i / 25)
    return start + seconds


def test_calibration(stream: Stream, speaker: Speaker) -> None:
    """Somebody who looks a little sad at rest, and somebody who comes later."""
    speaker.scores = Scores(FERPLUS_LABELS, [0.25, 0.02, 0.02, 0.65, 0.02, 0.02, 0.01, 0.01])
    now = run(stream, paint([(50, 60)]), 0.0, 1.0)
    assert stream.last_result.faces[0].display_label == "sad"
    stream.calibrate(3.0)
    now = run(stream, paint([(50, 60)]), now, 1.0)
    assert stream.calibration_seconds_left == pytest.approx(2.04)
    assert not stream.track_info[1].is_calibrated
    now = run(stream, paint([(50, 60), (200, 60)]), now, 3.0)
    assert stream.calibration_seconds_left is None
    assert [face.display_label for face in stream.last_result.faces] == ["neutral", "sad"]
    assert [stream.track_info[n].is_calibrated for n in (1, 2)] == [True, False]
    assert stream.track_info[1].raw_scores.label == "sad"
    assert stream.last_result.faces[0].scores != stream.track_info[1].raw_scores
    assert stream.last_result.faces[1].scores == stream.track_info[2].raw_scores
    stream.clear_calibration()
    run(stream, paint([(50, 60), (200, 60)]), now, 1.0)
    assert [face.display_label for face in stream.last_result.faces] == ["sad", "sad"]


def test_what_cannot_be_calibrated_is_refused(stream: Stream, speaker: Speaker) -> None:
    with pytest.raises(EmotionError, match="No face is visible"):
        stream.calibrate()
    speaker.scores = Scores(("happy", "sad"), (0.7, 0.3))
    stream.process(paint([(50, 60)]), 0.0)
    with pytest.raises(EmotionError, match="happy, sad"):
        stream.calibrate()
    assert stream.calibration_seconds_left is None


def test_who_leaves_while_resting_leaves_nothing(stream: Stream) -> None:
    now = run(stream, paint([(50, 60)]), 0.0, 1.0)
    stream.calibrate(3.0)
    now = run(stream, paint([(50, 60)]), now, 1.0)
    now = run(stream, paint([]), now, 3.0)
    run(stream, paint([(50, 60)]), now, 1.0)
    assert tracks(stream) == [2]
    assert not stream.track_info[2].is_calibrated
    assert stream.calibration_succeeded is False
    stream.calibrate(1.0)
    now = run(stream, paint([(50, 60)]), now + 1.0, 0.5)
    assert stream.calibration_succeeded is None
    run(stream, paint([(50, 60)]), now, 1.0)
    assert stream.calibration_succeeded is True


# ------------------------------------------------------------------ whatever comes, however long

WALK = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(0, 9), st.integers(0, 6)), max_size=4, unique=True),
        st.sampled_from([0.04, 0.04, 0.1, 1.2, 12.0, -2.0]),
        st.booleans(),
    ),
    max_size=20,
)


@given(WALK)
@settings(max_examples=60)
def test_whatever_happens(fake_detector: Make, walk: list) -> None:
    """Every shown face is one that is or was there, numbers are never used twice, nothing is raised or kept."""
    speaker = Speaker(Scores(FERPLUS_LABELS, [0.3, 0.7, 0, 0, 0, 0, 0, 0]))
    stream, seconds, ended = Stream(Analyzer(fake_detector(see), speaker)), 0.0, set[int]()  # type: ignore[arg-type]
    for places, step, fault in walk:
        seconds += step
        speaker.fault = RuntimeError("on purpose") if fault else None
        faces = stream.process(paint([(30 * x, 30 * y) for x, y in places]), seconds).faces
        found = [face.track_id for face in faces if face.track_id is not None]
        assert len(set(found)) == len(faces) <= len(places)
        assert not ended & set(found)
        if not 0 <= step <= 3:
            ended |= set(range(1, max(found, default=0))) - set(found)
        assert {face.box for face in faces} <= {Box(30 * x, 30 * y, 30 * x + 24, 30 * y + 24) for x, y in places}
        assert stream.track_info.keys() <= set(found) <= stream._track_states.keys()
        assert stream._track_states.keys() == {track.track_id for track in stream._tracker.tracks if track.track_id}


@pytest.mark.slow
def test_memory_stays_bounded(fake_detector: Make, speaker: Speaker) -> None:
    """50,000 frames of people who come and go for ever."""
    detector = fake_detector(lambda image: [Face(Box(x, 9, x + 9, 18), 0.9) for x in at])
    analyzer = Analyzer(detector, speaker)  # type: ignore[arg-type]
    stream, picture, at = Stream(analyzer), np.full((24, 32, 3), 90, np.uint8), [0]
    sizes = []
    for i in range(50_000):
        at = [(i // 100) % 20] if i % 100 < 60 else []
        stream.process(picture, i / 25)
        if i % 10_000 == 9_999:
            speaker.batches.clear()
            detector.calls.clear()
            gc.collect()
            sizes.append(len(gc.get_objects()))
    assert stream.stats.frames == 50_000
    assert len(stream._track_states) <= 1
    at = [0]
    stream.process(picture, 2000.2)
    assert tracks(stream) == [501]  # as many came
    assert sizes[-1] - sizes[0] < 200


def test_many_threads(stream: Stream) -> None:
    """A camera thread looks, a page asks and calibrates, settings change; nobody waits for a slow frame."""
    picture, stop = paint([(50, 60)]), threading.Event()

    def page() -> int:
        asked = 0
        while not stop.is_set():
            stream.settings = replace(stream.settings, half_life=0.3)
            if stream.last_result.faces:
                stream.calibrate(0.5)
                stream.clear_calibration()
            assert all(note.face_prob == pytest.approx(0.99) for note in stream.track_info.values())
            asked += stream.stats.frames >= 0 and stream.calibration_seconds_left != -1
            stop.wait(0.001)  # as fast as no page asks; without a pause the cameras would hardly come to work
        return asked

    clock, lock = itertools.count(), threading.Lock()

    def camera() -> None:
        for _ in range(100):
            with lock:
                stream.process(picture, next(clock) / 25)

    with ThreadPoolExecutor(6) as pool:
        pages = [pool.submit(page) for _ in range(2)]
        cameras = [pool.submit(camera) for _ in range(4)]
        wait(cameras)
        stop.set()
        for done in cameras:
            done.result()
        assert all(asked.result() > 0 for asked in pages)
    assert (stream.stats.frames, stream.stats.errors, tracks(stream)) == (400, 0, [1])


def test_two_who_look_at_once_wait_for_each_other(fake_detector: Make, speaker: Speaker) -> None:
    """The fake detector fails when two are in it; the same time twice is no jump."""
    stream = Stream(Analyzer(fake_detector(see), speaker))  # type: ignore[arg-type]
    picture = paint([(50, 60)])
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: stream.process(picture, 1.0), range(40)))
    assert sorted(result.index for result in results) == list(range(40))
    assert {face.track_id for result in results for face in result.faces} == {1}
    assert stream.stats.errors == 0


# ------------------------------------------------------------------ real films

FILMS = ["haar", pytest.param("yunet", marks=needs_yunet)]


@pytest.fixture(scope="module")
def shipped() -> ExpressionClassifier:
    return ExpressionClassifier(get_default_model("classifier"), num_threads=1)


def film(path: Path, most: float = math.inf) -> Iterator[tuple[NDArray[np.uint8], float]]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if frame.time is not None and frame.time < most:
                yield frame.to_ndarray(format="rgb24"), frame.time


@pytest.mark.slow
@pytest.mark.parametrize("detector", FILMS)
def test_from_weeping_to_laughing(shipped: ExpressionClassifier, media: Path, detector: str) -> None:
    stream = Stream(Analyzer(make_detector(detector), shipped))
    results = [stream.process(*frame) for frame in film(media / "video" / "pyfeat_sad_to_laugh.mp4", 15.0)]
    assert {face.track_id for result in results for face in result.faces} == {1}
    assert np.mean([len(result.faces) == 1 for result in results]) > 0.95
    labels = [face.display_label for result in results for face in result.faces]
    words = [word for word, _ in itertools.groupby(labels)]
    assert words[-1] == "happy"
    first = words.index("sad")
    assert len(set(words[first:]) - {"sad", "happy"}) <= 2
    assert words[first:].count("sad") == words[first:].count("happy") == 1
    assert stream.stats.errors == 0


@pytest.mark.slow
@needs_yunet
def test_people_keep_their_numbers_within_a_shot(shipped: ExpressionClassifier, media: Path) -> None:
    """Cuts at the frames 20, 82 and 211; the singer is the only one between the last two."""
    stream = Stream(Analyzer(make_detector("yunet"), shipped))
    results = [stream.process(*frame) for frame in film(media / "video" / "fr_short_hamilton_clip.mp4")]
    shots = [results[:20], results[20:82], results[82:211], results[211:]]
    seen = [{face.track_id for result in shot for face in result.faces} for shot in shots]
    assert not any(one & other for one, other in itertools.combinations(seen, 2))
    always = [
        set.intersection(*({face.track_id for face in result.faces} for result in shot[5:] if result.faces))
        for shot in shots
    ]
    assert [len(numbers) for numbers in always[::2]] == [2, 1]
    assert len(always[3]) >= 5
    assert len(seen[2]) == 1
    assert not stream.stats.errors


@pytest.mark.slow
@pytest.mark.parametrize("detector", FILMS)
def test_where_the_face_ends_nothing_is_shown(shipped: ExpressionClassifier, media: Path, detector: str) -> None:
    stream = Stream(Analyzer(make_detector(detector), shipped))
    results = [stream.process(*frame) for frame in film(media / "video" / "pyfeat_face_noface.mov")]
    shown = [len(result.faces) for result in results]
    assert sum(shown[:72]) >= 68
    assert sum(shown[72:]) == 0
