from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from emotion.demo.camera import FRAME_SIZE, LOOP_SECONDS, DemoCamera, SyntheticFacesCamera
from emotion.recognition.analyzer import Analyzer, AnalyzerSettings, load_analyzer
from emotion.tracking.settings import StreamSettings
from emotion.tracking.stream import Stream

# As the live page makes it.
PLACE = (224.0, 116.0), 96.0
SPOT = (0, 255, 0)


@pytest.fixture(scope="module")
def camera(sample: NDArray[np.uint8]) -> DemoCamera:
    return DemoCamera(sample, *PLACE)


@pytest.fixture(scope="module")
def analyzer() -> Analyzer:
    """With the detector and the classifier that are shipped."""
    return load_analyzer("glance")


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


@settings(max_examples=30)
@given(st.floats(-1e6, 1e6))
def test_frames_have_one_size(camera: DemoCamera, seconds: float) -> None:
    frame = camera.frame_at(seconds)
    assert frame.shape == (*FRAME_SIZE[::-1], 3)
    assert frame.dtype == np.uint8
    assert frame.flags.c_contiguous


@settings(max_examples=20)
@given(st.integers(0, 900), st.integers(1, 100))
def test_the_same_time_is_the_same_frame(camera: DemoCamera, number: int, rounds: int) -> None:
    seconds = number / 30  # both have no rounding
    assert np.array_equal(camera.frame_at(seconds), camera.frame_at(seconds))
    assert difference(camera.frame_at(seconds), camera.frame_at(seconds + rounds * LOOP_SECONDS)) < 0.5


def test_it_does_not_jump(camera: DemoCamera) -> None:
    """Neighbours differ little: everywhere, and most of all where something begins, and where the loop does."""
    far = difference(camera.frame_at(0), camera.frame_at(7))
    begins = [0.0, 8.0, 9.0, 19.0, 20.0, 22.0, 23.0, 27.0, 28.0, LOOP_SECONDS]
    assert max(difference(camera.frame_at(t - 1 / 480), camera.frame_at(t + 1 / 480)) for t in begins) < far / 6
    steps = [difference(camera.frame_at(t), camera.frame_at(t + 1 / 30)) for t in np.arange(0, LOOP_SECONDS, 0.5)]
    assert max(steps) < 0.8 * far, "somebody comes within a second, and not at once"
    assert np.median(steps) < far / 4
    assert min(steps) > 0, "it moves all the time"


def test_it_moves_much(camera: DemoCamera) -> None:
    assert min(difference(camera.frame_at(t), camera.frame_at(t + 3)) for t in range(0, 20, 4)) > 10


def test_it_gets_dark(camera: DemoCamera) -> None:
    light = {t: float(camera.frame_at(t).mean()) for t in (21, 25, 29)}
    assert light[25] < 0.3 * min(light[21], light[29])


def test_one_face_then_two(camera: DemoCamera, analyzer: Analyzer) -> None:
    found = {t: analyzer.analyze(camera.frame_at(t), AnalyzerSettings(max_side=640)) for t in (4, 14, 25)}
    assert {t: len(faces) for t, faces in found.items()} == {4: 1, 14: 2, 25: 1}
    left, right = found[14]
    assert left.box.x2 <= FRAME_SIZE[0] / 2 <= right.box.x1
    assert all(face.scores is not None for faces in found.values() for face in faces)


def test_the_face_is_where_it_was_meant() -> None:
    """A spot at the face's place of a black picture comes where the face is to be."""
    picture = np.zeros((200, 300, 3), np.uint8)
    picture[98:103, 148:153] = SPOT
    frame = DemoCamera(picture, (150.0, 100.0), 50.0).frame_at(0)
    ys, xs = np.nonzero(frame[..., 1] > 100)
    assert (xs.mean(), ys.mean()) == pytest.approx((FRAME_SIZE[0] / 2, 210), abs=2)
    assert np.ptp(xs) == pytest.approx(4 * 150 / 50, abs=4), "150 pixels wide at the start"


@pytest.fixture(scope="module")
def people(face48: NDArray[np.uint8]) -> SyntheticFacesCamera:
    """Somebody and his mirror image; from the first to the last of seven expressions they get darker."""
    light = np.linspace(1, 0.3, 49)[:, None, None]
    return SyntheticFacesCamera([(face48 * light).astype(np.uint8), (face48[:, ::-1] * light).astype(np.uint8)], 7)


@settings(max_examples=20)
@given(number=st.integers(-900, 900), rounds=st.integers(1, 100))
def test_people_come_again(people: SyntheticFacesCamera, number: int, rounds: int) -> None:
    frame = people.frame_at(number / 30)
    assert (frame.shape, frame.dtype) == ((*FRAME_SIZE[::-1], 3), np.uint8)
    assert difference(frame, people.frame_at(number / 30 + rounds * LOOP_SECONDS)) < 0.5


def test_one_of_the_people_then_two(people: SyntheticFacesCamera, analyzer: Analyzer) -> None:
    found = {t: analyzer.analyze(people.frame_at(t), AnalyzerSettings(max_side=640)) for t in (4, 18)}
    assert {t: len(faces) for t, faces in found.items()} == {4: 1, 18: 2}


def test_people_go_through_all_expressions_and_back_without_a_jump() -> None:
    class Noted(list[int]):
        """A strip that notes which of its faces were asked for."""

        def __len__(self) -> int:
            return 49

        def __getitem__(self, i: int) -> NDArray[np.uint8]:
            self.append(i)
            return np.zeros((48, 48), np.uint8)

    strips = Noted(), Noted()
    camera = SyntheticFacesCamera(strips, 7)
    for i in range(round(LOOP_SECONDS * 30)):
        camera.frame_at(i / 30)
    first = np.array([*strips[0]])
    assert (first[0], first.max(), first[-1]) == (0, 48, 0)
    assert set(first) == set(range(49))
    assert np.abs(np.diff(first)).max() <= 2
    rests = [int((first == 8 * i).sum()) / 30 for i in range(7)]
    assert min(rests) > 0.9, "seconds for each expression"
    assert {*strips[1]}, "the second one comes"
    assert len([*strips[1]]) < 13 * 30, "and is not drawn while he is not there"


@pytest.mark.slow
def test_a_stream_is_calm_about_it(camera: DemoCamera, analyzer: Analyzer) -> None:
    """Through the whole loop, 30 frames in a second: two people, each under one number and with one label."""
    stream = Stream(analyzer, StreamSettings(recognition=AnalyzerSettings(max_side=640)))
    labels: dict[int, list[str]] = {}
    counts = list[int]()
    for i in range(round(LOOP_SECONDS * 15)):
        result = stream.process(camera.frame_at(i / 15), i / 15)
        counts.append(len(result.faces))
        for face in result.faces:
            said = labels.setdefault(face.track_id or 0, [])
            if not said or said[-1] != face.display_label:
                said.append(face.display_label)
    assert stream.stats.errors == 0
    assert set(counts) <= {0, 1, 2}
    assert counts[:10].count(0) <= 1
    assert len(labels) <= 3, labels
    # The expression is the same all the time; a face that comes in at the seam or the dusk may be unsure for a moment.
    assert sum(len(said) - 1 for said in labels.values()) <= len(labels) + 1, labels
