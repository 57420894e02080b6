from __future__ import annotations

import csv
import gc
import io
import json
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.errors import EmotionError
from emotion.expressions import FERPLUS_LABELS
from emotion.faces import Box, Face, FrameResult, Scores
from emotion.live import recording
from emotion.live.session import LiveSession
from emotion.live.state import LiveOptions, RecordingState
from emotion.media.image_reader import read_image
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.annotation import annotate
from emotion.recognition.anonymizer import pixelate_all
from emotion.recognition.classification import Prediction
from emotion.recognition.settings import AnalyzerSettings
from emotion.results import serialization, tables
from emotion.storage import BYTE_ORDER_MARK
from emotion.tracking.settings import StreamSettings
from emotion.tracking.stream import Stream
from emotion.translation.text import Text
from tests.waiting import wait_until

ImageArray = NDArray[np.uint8]
RNG = np.random.default_rng(7)
# Noise that pixelation changes everywhere, darker than any drawn face.
BACKGROUND = RNG.integers(0, 100, (120, 160, 3), dtype=np.uint8)
FACE = RNG.integers(0, 256, (24, 24, 3), dtype=np.uint8)
OPTIONS = LiveOptions(mirror=False)


def draw_scene(*positions: tuple[int, int], shape: tuple[int, int] = (120, 160)) -> ImageArray:
    """Return an image with a face at each (x, y): a patch whose marked corners `find_drawn_faces` finds."""
    image = np.resize(BACKGROUND, (*shape, 3))
    for x, y in positions:
        image[y : y + 24, x : x + 24] = FACE
        image[y, [x, x + 23]] = (255, 0, 255)  # both upper corners, so that mirrored faces are found
    return image


def find_drawn_faces(image: ImageArray) -> list[Face]:
    """Return the drawn faces of an image or a part of one."""
    marks = np.argwhere((image == (255, 0, 255)).all(axis=2))
    left = [(y, x) for y, x in marks if x + 23 < image.shape[1] and (image[y, x + 23] == (255, 0, 255)).all()]
    return [Face(Box(int(x), int(y), int(x) + 24, int(y) + 24), 0.9) for y, x in left]


class FakeClassifier:
    """Predicts `scores` for every face after `released` is set, or raises `error`."""

    input_size = 48
    bundle = SimpleNamespace(name="fake", sha256="0" * 64)

    def __init__(self) -> None:
        self.scores = Scores(FERPLUS_LABELS, [0.05, 0.7, 0.05, 0.04, 0.04, 0.04, 0.04, 0.04])
        self.error: Exception | None = None
        self.released = threading.Event()
        self.released.set()
        self.called = threading.Event()

    def predict(self, crops: ImageArray, head: str | None = None) -> tuple[Prediction, ...]:
        self.called.set()
        assert self.released.wait(20)
        if self.error:
            raise self.error
        return (Prediction(self.scores, 0.99),) * len(crops)


@pytest.fixture(autouse=True)
def long_result_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave room for a busy machine; tests of late results set a shorter timeout."""
    monkeypatch.setattr("emotion.live.session.RESULT_TIMEOUT_SECONDS", 20.0)


@pytest.fixture
def classifier() -> FakeClassifier:
    return FakeClassifier()


@pytest.fixture
def make_session(fake_detector: Callable, classifier: FakeClassifier) -> Iterator[Callable[..., LiveSession]]:
    """`make_session(options, detect=find_drawn_faces)`: a session that is closed after the test."""
    sessions = list[LiveSession]()

    def make_session(options: LiveOptions = OPTIONS, detect: Callable = find_drawn_faces) -> LiveSession:
        sessions.append(LiveSession(Analyzer(fake_detector(detect), classifier), options))  # type: ignore[arg-type]
        return sessions[-1]

    yield make_session
    classifier.released.set()
    for session in sessions:
        session.close()


def is_face_visible(frame: ImageArray, image: ImageArray, box: Box) -> bool:
    """Return whether `frame` shows the face in `box` of `image`, that is whether enough of its pixels are equal."""
    x1, y1, x2, y2 = box.to_int_xyxy()
    same = np.abs(frame[y1:y2, x1:x2].astype(int) - image[y1:y2, x1:x2]).max(axis=2) < 20
    return bool(same.mean() > 0.2)


# ------------------------------------------------------------------ frames


def test_session_without_frames_has_an_empty_state(make_session: Callable) -> None:
    session = make_session()
    state = session.state()
    assert (
        state.faces,
        state.counters.num_frames,
        state.result_age_seconds,
        state.rates.idle_seconds,
        state.recording,
    ) == (
        (),
        0,
        None,
        None,
        None,
    )
    assert list(state.to_dataframe().columns) == list(tables.STREAM_COLUMNS)
    assert session.snapshot() is None
    assert session.stop_recording() == recording.EMPTY_RECORDING
    with pytest.raises(EmotionError, match="No face is visible"):
        session.calibrate()


def test_frame_is_returned_with_its_faces(make_session: Callable) -> None:
    session, image = make_session(), draw_scene((20, 30), (90, 60))
    original = image.copy()
    out = session.process_frame(image, 0.0)
    assert out.shape == image.shape
    assert out.dtype == np.uint8
    assert np.array_equal(image, original)
    assert not np.array_equal(out, image)
    assert is_face_visible(out, image, Box(92, 62, 112, 82))
    state = session.state()
    assert [(face.face.track_id, face.face.display_label) for face in state.faces] == [(1, "happy"), (2, "happy")]
    assert all(face.raw_scores is None for face in state.faces)
    assert np.array_equal(state.faces[0].thumbnail, serialization.crop_with_margin(image, state.faces[0].face))
    assert (
        state.counters.num_frames,
        state.counters.dropped_frames,
        state.counters.late_frames,
        state.counters.errors,
    ) == (1, 0, 0, 0)
    assert state.result_age_seconds is not None
    assert state.rates.idle_seconds is not None
    assert 0 <= state.rates.idle_seconds <= state.result_age_seconds < 60
    assert state.rates.fps_in > 0 < state.rates.fps_out
    assert min(state.stats.detect_ms, state.stats.classify_ms, state.draw_ms) > 0


def test_boxes_match_the_mirrored_image(make_session: Callable) -> None:
    session, image = make_session(LiveOptions(mirror=True)), draw_scene((20, 30))
    out = session.process_frame(image, 0.0)
    (face,) = session.state().faces
    assert face.face.box == Box(160 - 44, 30, 160 - 20, 54)
    assert is_face_visible(out, image[:, ::-1], Box(118, 32, 138, 52))
    session.options = replace(session.options, mirror=False)
    out = session.process_frame(image, 0.04)
    assert session.state().faces[0].face.box.x1 == 20
    assert is_face_visible(out, image, Box(22, 32, 42, 52))


def test_paused_session_analyzes_nothing(make_session: Callable) -> None:
    session, image = make_session(LiveOptions(is_paused=True)), draw_scene((20, 30))
    assert np.array_equal(session.process_frame(image, 0.0), image[:, ::-1])
    session.options = replace(session.options, anonymize=True)
    assert not is_face_visible(session.process_frame(image, 0.1), image[:, ::-1], Box(116, 30, 140, 54))
    assert (session.state().counters.num_frames, session.state().faces) == (2, ())
    session.options = LiveOptions()
    session.process_frame(image, 0.2)
    assert len(session.state().faces) == 1


def test_frame_size_can_change(make_session: Callable) -> None:
    session = make_session()
    for i, shape in enumerate([(120, 160), (240, 320), (160, 120), (30, 40), (120, 160), (1, 1)] * 3):
        image = draw_scene((4, 4), shape=shape) if min(shape) > 28 else np.zeros((*shape, 3), np.uint8)
        assert session.process_frame(image, i / 25).shape == image.shape
        assert len(session.state().faces) == (min(shape) > 28)
    assert session.state().counters.errors == 0


def test_calibrated_face_has_raw_scores(
    make_session: Callable, classifier: FakeClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("emotion.live.session._now", lambda: now)
    classifier.scores = Scores(FERPLUS_LABELS, [0.25, 0.02, 0.02, 0.65, 0.02, 0.02, 0.01, 0.01])
    session = make_session(replace(OPTIONS, stream=StreamSettings(classify_hz=1000.0)))
    session.process_frame(draw_scene((20, 30)), 0.0)
    session.calibrate()
    for _ in range(16):
        now += 0.2
        session.process_frame(draw_scene((20, 30)), None)
    (face,) = session.state().faces
    assert face.raw_scores is not None
    assert (face.raw_scores.label, face.face.display_label) == ("sad", "neutral")
    session.clear_calibration()
    session.process_frame(draw_scene((20, 30)), None)
    assert session.state().faces[0].raw_scores is None
    session.calibrate()
    session.process_frame(draw_scene((20, 30)), None)
    assert session.state().calibration.seconds_left == pytest.approx(3.0, abs=0.1)


def test_calibration_ends_without_frames(make_session: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("emotion.live.session._now", lambda: now)
    session = make_session()
    session.process_frame(draw_scene((20, 30)), 0.0)
    assert session.state().calibration.seconds_left is None
    session.calibrate()
    session.process_frame(draw_scene((20, 30)), 0.1)
    now += 2.0
    assert session.state().calibration.seconds_left == pytest.approx(1.0)
    now += 2.0
    assert session.state().calibration.seconds_left == 0


class ExplainingClassifier(FakeClassifier):
    """Has two heads, of which only one has the label contempt."""

    heads: ClassVar = {"ferplus": SimpleNamespace(labels=FERPLUS_LABELS), "other": SimpleNamespace(labels=["happy"])}
    bundle = SimpleNamespace(name="fake", sha256="0" * 64, default_head="ferplus", heads=heads)

    def has_cam(self, head: str | None = None) -> bool:
        return True

    def class_activation_map(self, crop: ImageArray, label: str, head: str | None = None) -> NDArray[np.float32]:
        assert label in self.heads[head or "ferplus"].labels
        return np.ones((3, 3), np.float32)


def test_labels_are_explained_by_the_head_that_predicted_them(fake_detector: Callable) -> None:
    classifier = ExplainingClassifier()
    classifier.scores = Scores(FERPLUS_LABELS, [0.05] * 7 + [0.65])
    session, image = LiveSession(Analyzer(fake_detector(find_drawn_faces), classifier), OPTIONS), draw_scene((20, 30))  # type: ignore[arg-type]
    session.process_frame(image, 0.0)
    other = replace(OPTIONS, stream=StreamSettings(AnalyzerSettings(max_side=640, head="other")))
    session.options = other
    (face,) = session.state(max_saliency_faces=1).faces
    assert (face.face.display_label, face.thumbnail.shape) == ("contempt", (160, 160, 3))
    session.process_frame(image, 0.01)  # too early for another prediction
    (face,) = session.state(max_saliency_faces=1).faces
    assert (face.face.display_label, face.thumbnail.shape) == ("contempt", (30, 30, 3))
    session.close()


# ------------------------------------------------------------------ errors and delays

INVALID_IMAGES: list[Any] = [
    None,
    "text",
    np.zeros((0, 0, 3), np.uint8),
    np.zeros((0, 5, 3), np.uint8),
    np.zeros((5, 5), np.uint8),
    np.zeros((5, 5, 4), np.uint8),
    np.ones((5, 5, 3), np.float32),
    np.zeros((2, 5, 5, 3), np.uint8),
]


@pytest.mark.parametrize("anonymize", [False, True])
@pytest.mark.parametrize("image", INVALID_IMAGES)
def test_invalid_image_is_an_error_and_not_shown_if_anonymized(
    make_session: Callable, image: Any, anonymize: bool
) -> None:
    session = make_session(replace(OPTIONS, anonymize=anonymize))
    out = session.process_frame(image, 0.0)
    assert not np.any(out) if anonymize else out is image
    assert session.state().counters.errors == 1
    assert session.state().counters.last_error
    assert session.process_frame(draw_scene(), 0.1).shape == (120, 160, 3)


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1e300, None])
def test_invalid_timestamps_are_replaced(make_session: Callable, seconds: float | None) -> None:
    session = make_session()
    for _ in range(3):
        session.process_frame(draw_scene((20, 30)), seconds)
    assert [face.face.track_id for face in session.state().faces] == [1]
    assert session.state().counters.errors == 0


@pytest.mark.parametrize("anonymize", [False, True])
def test_errors_are_counted_and_hide_anonymized_faces(
    make_session: Callable, classifier: FakeClassifier, anonymize: bool
) -> None:
    num_raised = 0

    def fail_randomly(image: ImageArray) -> list[Face]:
        nonlocal num_raised
        if RNG.random() < 0.1:
            num_raised += 1
            raise ValueError("on purpose")
        return find_drawn_faces(image)

    session = make_session(replace(OPTIONS, anonymize=anonymize), fail_randomly)
    for i in range(120):
        classifier.error = RuntimeError("on purpose") if RNG.random() < 0.1 else None
        image = draw_scene((20 + i // 4, 30))
        out = session.process_frame(image, i / 25)
        assert out.shape == image.shape
        assert not anonymize or not is_face_visible(out, image, Box(20 + i // 4, 30, 44 + i // 4, 54))
    state = session.state()
    assert state.counters.errors > num_raised > 5
    assert state.counters.last_error in ("ValueError: on purpose", "RuntimeError: on purpose")
    assert (state.counters.num_frames, state.counters.dropped_frames, state.counters.late_frames) == (120, 0, 0)


def test_failing_stream_returns_frames_unchanged_or_pixelated(
    make_session: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def process(self: Stream, image: ImageArray, seconds: float) -> FrameResult:
        raise MemoryError("out of memory")

    monkeypatch.setattr(Stream, "process", process)
    session, image = make_session(), draw_scene((20, 30))
    assert np.array_equal(session.process_frame(image, 0.0), image)
    assert session.state().counters.last_error == "MemoryError: out of memory"
    session.options = replace(OPTIONS, anonymize=True)
    assert not is_face_visible(session.process_frame(image, 0.04), image, Box(20, 30, 44, 54))
    assert session.state().counters.errors == 2


@pytest.mark.parametrize("anonymize", [False, True])
def test_stalled_classifier_delays_neither_frames_nor_state(
    make_session: Callable, classifier: FakeClassifier, anonymize: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest frame is analyzed after the stall."""
    monkeypatch.setattr("emotion.live.session.RESULT_TIMEOUT_SECONDS", 0.05)
    session = make_session(
        replace(OPTIONS, anonymize=anonymize, stream=StreamSettings(classify_hz=1e6))
    )  # every frame is classified
    session.process_frame(draw_scene((10, 30)), 0.0)
    classifier.released.clear()
    for i in range(1, 7):
        image, start = draw_scene((20 + i, 30)), time.monotonic()
        out = session.process_frame(image, i * 2.0)
        session.state().to_dataframe()
        session.snapshot()
        assert time.monotonic() - start < 2
        assert np.array_equal(out, image) != anonymize
        assert not anonymize or not is_face_visible(out, image, Box(20 + i, 30, 44 + i, 54))
    state = session.state()
    assert (state.counters.num_frames, state.counters.late_frames, state.counters.dropped_frames) == (7, 6, 4)
    assert state.faces[0].face.box.x1 == 10
    classifier.released.set()
    wait_until(lambda: session.state().faces[0].face.box.x1 == 26)
    monkeypatch.setattr("emotion.live.session.RESULT_TIMEOUT_SECONDS", 20.0)
    session.process_frame(draw_scene((30, 30)), 12.1)
    assert session.state().faces[0].face.box.x1 == 30


def test_replaced_frame_is_returned_immediately(make_session: Callable, classifier: FakeClassifier) -> None:
    """While the first of three frames is analyzed, the third replaces the second."""
    session = make_session()
    classifier.released.clear()
    out: dict[int, ImageArray] = {}
    images = [draw_scene((20 + i, 30)) for i in range(3)]
    threads = [
        threading.Thread(target=lambda i=i: out.__setitem__(i, session.process_frame(images[i], i / 25)))
        for i in range(3)
    ]
    threads[0].start()
    assert classifier.called.wait(5)
    threads[1].start()
    wait_until(lambda: session._worker._pending is not None)
    threads[2].start()
    threads[1].join(5)
    assert np.array_equal(out[1], images[1])
    classifier.released.set()
    for thread in threads:
        thread.join(5)
    assert session.state().counters.dropped_frames == 1


# ------------------------------------------------------------------ frames that do not wait


def test_frames_without_waiting_are_returned_immediately(make_session: Callable, classifier: FakeClassifier) -> None:
    """The classifier hangs; a waiting frame would take twenty seconds."""
    session = make_session()
    classifier.released.clear()
    images = [draw_scene((20 + i, 30)) for i in range(30)]
    start = time.monotonic()
    outputs = [session.process_frame(image, i / 30, wait=False) for i, image in enumerate(images)]
    assert time.monotonic() - start < 10
    assert not classifier.released.is_set()
    for out, image in zip(outputs, images, strict=True):
        assert np.array_equal(out, image), "a frame without a result is unchanged"
    state = session.state()
    assert (state.counters.num_frames, state.counters.late_frames, state.counters.errors, state.faces) == (30, 0, 0, ())
    assert state.counters.dropped_frames >= 28, "one frame is analyzed, one waits"


def test_slow_classifier_delays_no_frame(
    make_session: Callable, classifier: FakeClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, delay = make_session(replace(OPTIONS, stream=StreamSettings(classify_hz=1e6))), 0.3
    predict = classifier.predict
    monkeypatch.setattr(classifier, "predict", lambda *args: time.sleep(delay) or predict(*args))
    times = list[float]()
    for i in range(40):
        start = time.monotonic()
        session.process_frame(draw_scene((20 + i, 30)), i / 30, wait=False)
        times.append(time.monotonic() - start)
        time.sleep(0.02)  # the frame interval of a camera
    assert np.median(times) < delay / 10
    assert session.state().counters.num_frames == 40


def test_frames_show_the_newest_result(make_session: Callable) -> None:
    session = make_session()
    for x in range(20, 80, 10):
        image = draw_scene((x, 30))
        session.process_frame(image, x / 100, wait=False)
        wait_until(lambda x=x: (faces := session.state().faces) and faces[0].face.box.x1 == x)
        out = session.process_frame(image, x / 100 + 0.03, wait=False)
        assert np.array_equal(out, read_image(session.snapshot()[0]))
        assert is_face_visible(out, image, Box(x + 2, 32, x + 22, 52))
        assert not np.array_equal(out, image)
    assert session.state().counters.late_frames == 0


@pytest.mark.parametrize("anonymize", [False, True])
def test_too_old_result_is_not_shown(
    make_session: Callable, classifier: FakeClassifier, anonymize: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("emotion.live.session.RESULT_TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr("emotion.live.session._now", lambda: now)
    session = make_session(replace(OPTIONS, anonymize=anonymize, stream=StreamSettings(classify_hz=1e6)))
    first = session.process_frame(draw_scene((10, 30)), 0.0)
    classifier.released.clear()
    session.process_frame(draw_scene((20, 30)), 0.1, wait=False)  # the worker stalls on it
    now += 0.49
    out = session.process_frame(draw_scene((21, 30)), 0.49, wait=False)
    assert np.array_equal(out, first)
    assert session.state().counters.late_frames == 0
    now += 0.02
    image = draw_scene((22, 30))
    out = session.process_frame(image, 0.51, wait=False)
    assert np.array_equal(out, image) != anonymize
    assert not anonymize or not is_face_visible(out, image, Box(22, 30, 46, 54))
    assert not np.array_equal(out, first)
    assert session.state().counters.late_frames == 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_no_anonymized_face_is_visible_without_waiting(
    make_session: Callable, classifier: FakeClassifier, seed: int
) -> None:
    """This holds from the first frame with anonymization on, also while models fail or stall and sizes change."""
    rng, shapes = np.random.default_rng(seed), [(120, 160), (160, 120), (240, 320)]
    anonymize = seed % 2 == 0

    def fail_randomly(image: ImageArray) -> list[Face]:
        draw = rng.random()
        if draw < 0.1:
            raise ValueError("on purpose")
        if draw < 0.3:
            time.sleep(0.02)  # a slow detector
        return find_drawn_faces(image)

    session = make_session(replace(OPTIONS, anonymize=anonymize), fail_randomly)
    recent_images = list[ImageArray]()
    x, shape = 20, shapes[0]
    for i in range(120):
        if i % 40 == 25:
            shape = shapes[int(rng.integers(3))]
        if i == 60:
            anonymize = True
        session.options = replace(OPTIONS, anonymize=anonymize)
        classifier.error = RuntimeError("on purpose") if rng.random() < 0.1 else None
        x = int(np.clip(x + rng.integers(-3, 4), 0, 90))
        recent_images = [*recent_images[-20:], draw_scene((x, 30), shape=shape)]
        out = session.process_frame(recent_images[-1], i / 30, wait=False)
        assert out.shape in {image.shape for image in recent_images}
        if anonymize:
            visible_images = [
                image
                for image in recent_images
                if image.shape == out.shape and is_face_visible(out, image, find_drawn_faces(image)[0].box)
            ]
            assert not visible_images
        time.sleep(0.004)  # the frame interval of a fast camera
    assert session.state().stats.frames > 20
    assert session.state().counters.num_frames == 120
    assert session.state().counters.errors > 0


def test_frame_size_can_change_without_waiting(make_session: Callable) -> None:
    session, shapes = make_session(), [(120, 160), (160, 120), (240, 320), (1, 1), (31, 45)]
    expected_shapes = set()
    for i in range(60):
        shape = shapes[i // 4 % len(shapes)]
        image = draw_scene((2, 2), shape=shape) if min(shape) > 28 else np.zeros((*shape, 3), np.uint8)
        expected_shapes.add(image.shape)
        assert session.process_frame(image, i / 30, wait=False).shape in expected_shapes
    wait_until(lambda: session.state().result_age_seconds is not None)
    session.close()
    assert session.state().counters.errors == 0


def test_errors_are_counted_without_waiting(make_session: Callable, classifier: FakeClassifier) -> None:
    session = make_session(replace(OPTIONS, stream=StreamSettings(classify_hz=1e6)))
    for i in range(100):
        classifier.error = RuntimeError("on purpose") if i % 10 == 5 else None
        image = draw_scene((20 + i % 40, 30))
        assert session.process_frame(image, i / 30, wait=False).shape == image.shape
        wait_until(lambda i=i: (recent_images := session.state().recent_results) and recent_images[-1][1].index == i)
    state = session.state()
    assert (state.counters.errors, state.counters.last_error) == (10, "RuntimeError: on purpose")
    assert (state.counters.num_frames, state.counters.dropped_frames) == (100, 0)


@pytest.mark.parametrize("anonymize", [False, True])
def test_paused_and_closed_sessions_anonymize_without_waiting(make_session: Callable, anonymize: bool) -> None:
    session, image = make_session(replace(OPTIONS, anonymize=anonymize)), draw_scene((20, 30))
    session.process_frame(image, 0.0)
    session.options = replace(OPTIONS, anonymize=anonymize, is_paused=True)
    for _ in range(2):
        out = session.process_frame(image, 0.1, wait=False)
        assert np.array_equal(out, image) != anonymize
        assert not anonymize or not is_face_visible(out, image, Box(20, 30, 44, 54))
        session.close()
        session.options = replace(OPTIONS, anonymize=anonymize)
        session._last_frame = None  # as after a long time
    assert session.state().counters.dropped_frames >= 1


def test_frames_without_waiting_are_recorded(make_session: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("emotion.live.session._now", lambda: now)
    session = make_session()
    session.start_recording()
    for i in range(10):
        session.process_frame(draw_scene((20 + i, 30)), i / 10, wait=False)
        wait_until(lambda i=i: len(session._recorder._json_lines) > i)
        now += 0.1
    recording_result = session.stop_recording()
    times = [
        float(row["timestamp"])
        for row in csv.DictReader(io.StringIO(recording_result.csv.removeprefix(BYTE_ORDER_MARK)))
    ]
    assert times == pytest.approx([i / 10 for i in range(10)], abs=1e-3)
    assert not recording_result.is_anonymized


def test_recording_begins_after_its_delay(make_session: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("emotion.live.session._now", lambda: now)
    session = make_session()
    session.start_recording(delay=3.0)
    session.add_marker()  # nothing to mark yet
    for second in range(6):
        session.process_frame(draw_scene((20, 30)), float(second))
        if second == 1:
            assert session.state().recording == RecordingState(0.0, seconds_to_start=2.0)
        if second == 4:
            session.add_marker()
            assert session.state().recording == RecordingState(1.0, num_markers=1)
        now += 1.0
    recording_result = session.stop_recording()
    assert (recording_result.num_frames, recording_result.markers) == (3, (1.0,))
    assert json.loads(recording_result.json)["markers"] == [1.0]
    assert [json.loads(text)["timestamp"] for text in recording_result.frames] == [0.0, 1.0, 2.0]


def test_recording_has_a_thumbnail_of_each_person(make_session: Callable) -> None:
    for anonymize in (False, True):
        session = make_session(replace(OPTIONS, anonymize=anonymize))
        session.start_recording()
        session.process_frame(draw_scene((20, 30), (90, 60)), 0.0)
        thumbnails = session.stop_recording().thumbnails
        assert sorted(thumbnails) == [1, 2]
        image = read_image(thumbnails[1])
        assert (np.abs(image.astype(int) - pixelate_all(image)).mean() < 5) == anonymize


# ------------------------------------------------------------------ anonymization


def test_recording_is_anonymized_if_all_its_frames_are(make_session: Callable) -> None:
    for blurred in ([True, True], [True, False], [False, True]):
        session = make_session()
        session.start_recording()
        for i, anonymize in enumerate(blurred):
            session.options = replace(OPTIONS, anonymize=anonymize)
            session.process_frame(draw_scene((20, 30)), i / 10)
        assert session.stop_recording().is_anonymized == all(blurred)


def test_anonymized_faces_are_pixelated_in_every_output(make_session: Callable, tmp_path: Path) -> None:
    session = make_session(replace(OPTIONS, anonymize=True))
    session.start_recording(tmp_path / "a.mp4")
    image = draw_scene((20, 30), (90, 60))
    boxes = [Box(20, 30, 44, 54), Box(90, 60, 114, 84)]
    out = session.process_frame(image, 0.0)
    snapshot = session.snapshot()
    assert snapshot is not None
    video_path = session.stop_recording().video_path
    with av.open(str(video_path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    for output in (out, read_image(snapshot[0]), *frames):
        assert not any(is_face_visible(output, image, box) for box in boxes)
    assert np.array_equal(out[100:, :60], image[100:, :60])  # the background is unchanged
    for face in session.state().faces:
        assert len(np.unique(face.thumbnail.reshape(-1, 3), axis=0)) <= 36


def test_anonymization_during_a_pause_takes_effect_immediately(make_session: Callable) -> None:
    session, image = make_session(), draw_scene((20, 30))
    session.process_frame(image, 0.0)
    session.options = replace(OPTIONS, anonymize=True, is_paused=True)
    snapshot = session.snapshot()
    assert snapshot is not None
    assert not is_face_visible(read_image(snapshot[0]), image, Box(20, 30, 44, 54))
    assert session.state().faces == ()
    session.options = replace(OPTIONS, anonymize=True)
    assert len(np.unique(session.state().faces[0].thumbnail.reshape(-1, 3), axis=0)) <= 36


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 5))])
def test_no_anonymized_face_is_visible_in_any_frame(
    make_session: Callable, classifier: FakeClassifier, seed: int, monkeypatch: Any
) -> None:
    """Faces appear, disappear and move; models fail or are late; one detection in ten is missed."""
    monkeypatch.setattr("emotion.live.session.RESULT_TIMEOUT_SECONDS", 0.02)
    rng, positions = np.random.default_rng(seed), list[list[int]]()
    found_positions: list[tuple[int, int]] = []

    def fail_randomly(image: ImageArray) -> list[Face]:
        draw = rng.random()
        if draw < 0.1:
            raise ValueError("on purpose")
        if draw < 0.2:
            time.sleep(0.04)  # a slow detector
        is_whole_frame = image.shape == (120, 160, 3)
        # A new face is found in every search of a whole frame; a found one can be missed in some frames.
        is_missed = is_whole_frame and rng.random() < 0.1
        return [face for face in find_drawn_faces(image) if not (is_missed and is_near(face.box, found_positions))]

    session = make_session(replace(OPTIONS, anonymize=True), fail_randomly)
    for i in range(80):
        if rng.random() < 0.2 and len(positions) < 3:
            positions.append([int(rng.integers(0, 130)), int(rng.integers(0, 4)) * 30])
        if rng.random() < 0.1 and positions:
            positions.pop(0)
        for position in positions:
            position[0] = int(np.clip(position[0] + rng.integers(-2, 3), 0, 136))
        classifier.error = RuntimeError("on purpose") if rng.random() < 0.1 else None
        image = draw_scene(*[(x, y) for x, y in positions])
        boxes = [face.box for face in find_drawn_faces(image)]
        state_before = session.state()
        out = session.process_frame(image, i / 25)
        assert not any(is_face_visible(out, image, box) for box in boxes)
        state_after = session.state()
        if (state_after.counters.late_frames, state_after.counters.errors) == (
            state_before.counters.late_frames,
            state_before.counters.errors,
        ):
            found_positions = [(x, y) for x, y in positions]
    assert session.state().counters.num_frames - session.state().counters.late_frames > 20


def is_near(box: Box, positions: list[tuple[int, int]]) -> bool:
    return any(abs(box.x1 - x) <= 4 and abs(box.y1 - y) <= 4 for x, y in positions)


def test_face_below_the_detection_threshold_is_pixelated(make_session: Callable) -> None:
    """The score is 0.4, the threshold 0.6."""
    session = make_session(
        replace(OPTIONS, anonymize=True),
        lambda image: [replace(face, detection_score=0.4) for face in find_drawn_faces(image)],
    )
    image = draw_scene((20, 30))
    assert not is_face_visible(session.process_frame(image, 0.0), image, Box(20, 30, 44, 54))
    assert session.state().faces == ()


# ------------------------------------------------------------------ history


@pytest.mark.slow
def test_history_has_the_last_30_seconds(make_session: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    session, now = make_session(), 1000.0
    monkeypatch.setattr("emotion.live.session._now", lambda: now)
    for i in range(60 * 10):
        now = 1000 + i / 10
        session.process_frame(draw_scene((20, 30), (90, 60)) if i < 590 else draw_scene((20, 30)), i / 10)
    table = session.state().to_dataframe()
    assert list(table.columns) == [*tables.STREAM_COLUMNS, *tables.score_columns(FERPLUS_LABELS)]
    assert table["timestamp"].between(-30, 0).all()
    assert table["timestamp"].is_monotonic_increasing
    rows = table[table["track_id"] == 1]
    assert 145 <= len(rows) <= 151
    assert len(table[table["track_id"] == 2]) in (len(rows) - 5, len(rows) - 6)  # the last result is always kept
    assert set(table["display_label"]) == {"happy"}
    assert rows["score_happy"].to_numpy() == pytest.approx(0.7, abs=1e-3)
    now += 31
    assert session.state().to_dataframe().empty


def test_image_faces_and_history_are_consistent(
    make_session: Callable, classifier: FakeClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are so also where results are too close to each other for the history to keep all."""
    now = 1000.0
    monkeypatch.setattr("emotion.live.session._now", lambda: now)
    session = make_session(replace(OPTIONS, stream=StreamSettings(half_life=0, classify_hz=1e6)))
    for i in range(40):
        now = 1000 + i / 25
        label, image = FERPLUS_LABELS[i % 8], draw_scene((20, 30), (90, 60))
        classifier.scores = Scores(FERPLUS_LABELS, [0.93 if name == label else 0.01 for name in FERPLUS_LABELS])
        out = session.process_frame(image, i / 25)
        now += 0.03
        state = session.state()
        faces = tuple(face_state.face for face_state in state.faces)
        assert [face.display_label for face in faces] == [label] * 2
        assert np.array_equal(out, annotate(image, faces))
        last = state.to_dataframe().tail(2)
        assert [*last["display_label"]] == [label] * 2
        assert [*last["timestamp"]] == pytest.approx([-0.03] * 2, abs=1e-3)
        assert len(state.recent_results) == len({id(result) for _, result in state.recent_results})
    session.options, image = replace(session.options, is_paused=True), draw_scene((20, 30))
    assert np.array_equal(session.process_frame(image, 2.0), image)
    state = session.state()
    assert (state.faces, state.is_paused, state.frame_size) == ((), True, (160, 120))
    assert len(state.to_dataframe()) > 2


# ------------------------------------------------------------------ recording


def test_recording_has_the_results_of_the_stream(
    make_session: Callable, classifier: FakeClassifier, tmp_path: Path, monkeypatch: Any
) -> None:
    results, process = list[FrameResult](), Stream.process
    monkeypatch.setattr(Stream, "process", lambda self, *frame: results.append(process(self, *frame)) or results[-1])
    session = make_session()
    session.process_frame(draw_scene((9, 9)), 4.9)
    results.clear()
    session.start_recording(tmp_path / "a.mp4")
    for i in range(60):
        classifier.scores = Scores(FERPLUS_LABELS, RNG.dirichlet([0.3] * 8))
        session.process_frame(draw_scene((20 + i, 30)) if i % 20 < 15 else draw_scene(), 5 + i / 25)
        wait_until(lambda: session._recorder._video._worker._pending is None)
    session.start_recording(tmp_path / "b.mp4")  # a second start has no effect
    recording_result = session.stop_recording()
    assert session.stop_recording() == recording_result
    rows = list(csv.DictReader(io.StringIO(recording_result.csv.removeprefix(BYTE_ORDER_MARK))))
    faces = [(result.timestamp - results[0].timestamp, face) for result in results for face in result.faces]
    assert (recording_result.num_frames, recording_result.num_rows, len(rows)) == (60, len(faces), len(faces))
    assert recording_result.num_tracks == len({face.track_id for _, face in faces})
    for row, (seconds, face) in zip(rows, faces, strict=True):
        assert float(row["timestamp"]) == pytest.approx(seconds, abs=1e-3)
        assert (row["track_id"], row["display_label"]) == (str(face.track_id), face.display_label)
        assert face.scores
        assert [float(row[f"score_{label}"]) for label in FERPLUS_LABELS] == pytest.approx(
            [*face.scores.values()], abs=1e-4
        )
        assert (row["label"], row["uncertainty_reason"]) == (face.label, face.uncertainty_reason or "")
        assert [int(row[name]) for name in ("x1", "y1", "x2", "y2")] == [*face.box.to_int_xyxy()]
    record = json.loads(recording_result.json)
    assert [frame["faces"] for frame in record["frames"]] == [
        serialization.frame_to_dict(result.timestamp, result.faces)["faces"] for result in results
    ]
    assert (record["program"], record["detector"]) == (serialization.PROGRAM, "fake")
    assert record["model"] == {"name": "fake", "sha256": "0" * 64}
    assert record["settings"] == [{"timestamp": 0.0, "values": asdict(OPTIONS)}]
    assert (record["sizes"], recording_result.frame_sizes) == (
        [{"timestamp": 0.0, "width": 160, "height": 120}],
        ((160, 120),),
    )
    assert recording_result.warnings == ()
    assert recording_result.video_path == tmp_path / "a.mp4"
    with av.open(str(recording_result.video_path)) as container:
        times = [float(frame.time or 0) for frame in container.decode(video=0)]
    assert (len(times), recording_result.dropped_frames) == (60, 0)
    assert times == pytest.approx([frame["timestamp"] for frame in record["frames"]], abs=2e-3)


def test_recording_lists_the_frame_sizes(make_session: Callable) -> None:
    session = make_session()
    session.start_recording()
    for i, (height, width) in enumerate([(120, 160), (120, 160), (60, 80), (120, 160), (240, 320)]):
        session.process_frame(np.zeros((height, width, 3), np.uint8), i / 10)
    recording_result = session.stop_recording()
    assert json.loads(recording_result.json)["sizes"] == [
        {"timestamp": seconds, "width": width, "height": width * 3 // 4}
        for seconds, width in ((0, 160), (0.2, 80), (0.3, 160), (0.4, 320))
    ]
    assert recording_result.frame_sizes == ((80, 60), (160, 120), (320, 240))


def test_recording_without_faces_is_valid(make_session: Callable) -> None:
    session = make_session()
    session.start_recording()
    session.process_frame(draw_scene(), 0.0)
    assert session.state().recording == RecordingState(0.0)
    recording_result = session.stop_recording()
    assert recording_result.csv == BYTE_ORDER_MARK + ",".join(tables.STREAM_COLUMNS) + "\n"
    assert (
        recording_result.num_frames,
        recording_result.num_rows,
        recording_result.num_tracks,
        recording_result.video_path,
    ) == (1, 0, 0, None)
    assert json.loads(recording_result.json)["frames"] == [{"timestamp": 0.0, "faces": []}]
    assert session.state().recording is None


def test_recording_lists_changes_of_the_settings(make_session: Callable) -> None:
    session = make_session()
    session.start_recording()
    for i in range(4):
        session.options = replace(OPTIONS, anonymize=i >= 2)
        session.process_frame(draw_scene((20, 30)), i / 10)
    settings = json.loads(session.stop_recording().json)["settings"]
    assert [(item["timestamp"], item["values"]["anonymize"]) for item in settings] == [(0.0, False), (0.2, True)]


def test_recording_ends_at_the_row_limit(make_session: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MAX_ROWS", 10)
    session = make_session()
    session.start_recording()
    for i in range(20):
        session.process_frame(draw_scene((20, 30)), i / 25)
    assert (recording_state := session.state().recording)
    assert "ended by itself" in " ".join(recording_state.warnings)
    recording_result = session.stop_recording()
    assert (recording_result.num_rows, recording_result.warnings) == (10, recording_state.warnings)


def test_recording_ends_at_the_time_limit(make_session: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MAX_SECONDS", 0.2)
    session = make_session()
    session.start_recording()
    for i in range(9):
        session.process_frame(draw_scene(), i / 25)
    assert session.stop_recording().num_frames in (5, 6)


def test_recording_continues_without_an_unwritable_video(make_session: Callable, tmp_path: Path) -> None:
    session = make_session()
    session.start_recording(tmp_path / "gone" / "a.mp4")
    for i in range(5):
        session.process_frame(draw_scene((20, 30)), i / 25)
    wait_until(lambda: (recording_state := session.state().recording) and recording_state.warnings)
    recording_result = session.stop_recording()
    assert (recording_result.num_rows, recording_result.video_path) == (5, None)
    (warning,) = recording_result.warnings
    assert "cannot be written" in warning
    assert isinstance(warning, Text)  # a page can translate it


def test_slow_video_writer_drops_frames_and_delays_none(
    make_session: Callable, tmp_path: Path, monkeypatch: Any
) -> None:
    release = threading.Event()
    write = recording.VideoWriter.write
    monkeypatch.setattr(recording.VideoWriter, "write", lambda *args: release.wait(10) and write(*args))
    session = make_session()
    session.start_recording(tmp_path / "a.mp4")
    for i in range(10):
        session.process_frame(draw_scene((20, 30)), i / 25)
    assert session.state().counters.late_frames == 0
    release.set()
    recording_result = session.stop_recording()
    assert (recording_result.num_rows, recording_result.video_path) == (10, tmp_path / "a.mp4")
    assert recording_result.dropped_frames in (8, 9)


def test_video_that_is_not_written_in_time_is_removed(
    make_session: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    write = recording.VideoWriter.write
    monkeypatch.setattr(recording.VideoWriter, "write", lambda *args: release.wait(10) and write(*args))
    monkeypatch.setattr(recording, "_CLOSE_TIMEOUT_SECONDS", 0.05)
    session = make_session()
    session.start_recording(tmp_path / "a.mp4")
    session.process_frame(draw_scene((20, 30)), 0.0)
    recording_result = session.stop_recording()
    assert (recording_result.num_frames, recording_result.video_path) == (1, None)
    assert "was not saved" in recording_result.warnings[0]
    release.set()
    wait_until(lambda: not list(tmp_path.iterdir()))


def test_snapshot_has_image_and_record(make_session: Callable) -> None:
    session, image = make_session(), draw_scene((20, 30))
    out = session.process_frame(image, 3.0)
    snapshot = session.snapshot()
    assert snapshot is not None
    png, record = snapshot
    assert np.array_equal(read_image(png), out)
    assert json.loads(serialization.to_json(record)) == record
    assert (record["width"], record["height"], record["model"]["sha256"]) == (160, 120, "0" * 64)
    assert [face["box"] for face in record["faces"]] == [[20, 30, 44, 54]]
    assert record["faces"][0]["track_id"] == 1


def test_snapshot_has_the_time_of_its_frame(make_session: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("emotion.live.session._now", lambda: now)
    session = make_session()
    session.process_frame(draw_scene((20, 30)), 0.0)
    now += 600
    created_at = datetime.fromisoformat(session.snapshot()[1]["created_at"])
    assert (datetime.now().astimezone() - created_at).total_seconds() == pytest.approx(600, abs=60)


# ------------------------------------------------------------------ threads


@pytest.mark.slow
def test_closed_sessions_leave_no_threads(make_session: Callable, tmp_path: Path) -> None:
    num_threads = threading.active_count()
    for i in range(200):
        session = make_session()
        if i % 20 == 0:
            session.start_recording(tmp_path / f"{i}.mp4")
        for j in range(2):
            session.process_frame(draw_scene((20, 30)), j / 25)
        session.close()
        session.close()
    assert threading.active_count() == num_threads
    assert len(list(tmp_path.glob("*.mp4"))) == 10
    assert len(list(tmp_path.iterdir())) == 10


def test_closed_session_returns_frames_immediately(make_session: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotion.live.session.RESULT_TIMEOUT_SECONDS", 60)
    session, image = make_session(replace(OPTIONS, anonymize=True)), draw_scene((20, 30))
    session.process_frame(image, 0.0)
    session.close()
    start = time.monotonic()
    assert not is_face_visible(session.process_frame(image, 0.1), image, Box(20, 30, 44, 54))
    assert time.monotonic() - start < 30
    assert session.state().counters.num_frames == 2


@pytest.mark.slow
def test_abandoned_session_is_freed_and_its_video_finished(
    make_session: Callable, fake_detector: Callable, tmp_path: Path
) -> None:
    num_threads = threading.active_count()
    session = LiveSession(Analyzer(fake_detector(find_drawn_faces), FakeClassifier()), OPTIONS)  # type: ignore[arg-type]
    session._worker._idle_seconds = 0.05
    session.start_recording(tmp_path / "a.mp4")
    for i in range(3):
        session.process_frame(draw_scene((20, 30)), i / 25)
        wait_until(lambda: threading.active_count() <= num_threads + 1)  # only the worker of the video remains
    session_reference = weakref.ref(session)
    del session
    gc.collect()
    assert session_reference() is None
    assert threading.active_count() == num_threads
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert len(list(container.decode(video=0))) == 3


@pytest.mark.slow
def test_pages_and_camera_are_safe_in_parallel(make_session: Callable) -> None:
    session, stop = make_session(), threading.Event()

    def use_page() -> None:
        while not stop.is_set():
            session.state().to_dataframe()
            session.start_recording()
            session.options = replace(session.options, anonymize=not session.options.anonymize)
            assert session.stop_recording().csv.startswith(f"{BYTE_ORDER_MARK}timestamp,track_id")

    page_threads = [threading.Thread(target=use_page) for _ in range(2)]
    for thread in page_threads:
        thread.start()
    for i in range(100):
        session.process_frame(draw_scene((20, 30)), i / 25)
    stop.set()
    for thread in page_threads:
        thread.join()
    assert (session.state().counters.errors, session.state().counters.num_frames) == (0, 100)
