"""Training of a detector, from the batches to the history: it can be stopped and resumed, and can fail."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.datasets.readers.detection_dataset import AnnotatedImage
from emotion.errors import DataError, EmotionError
from emotion.model_store.store import compute_sha256
from emotion.recognition.detectors.onnx_detector import VALUES_PER_CELL, anchor_points
from emotion.recognition.trial_run import trust_network
from emotion.training.detector import batches
from emotion.training.detector.mosaic import MosaicConfig, TrainingImage, compose_mosaic
from emotion.training.runs.folder import CHECKPOINT_FILE, HISTORY_FILE, read_history
from emotion.training.runs.step_monitor import read_steps
from tests.training.making import RecordingReporter, annotated_photo, photos_of_splits, run_context, tiny_detector

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras' variables and NumPy 2
]

SIDE = 64


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the trainer of detectors with a tiny network; imported here, so that fast tests load no TensorFlow."""
    from emotion.training.detector import trainer

    monkeypatch.setattr(trainer, "build_glance", tiny_detector)
    return trainer


@pytest.fixture(scope="module")
def photos() -> list[AnnotatedImage]:
    """Return three photos for validation and nine for training: one without a face, one with unknown landmarks."""
    some = photos_of_splits(3, 9)
    some[5] = annotated_photo(some[5].name, faces=0)
    some[6] = replace(some[6], landmarks=np.full_like(some[6].landmarks, np.nan))
    return some


def config_of(detector: ModuleType, **changes: Any) -> Any:
    scenes = MosaicConfig(image_size=SIDE, noise_prob=0.5)  # noise, since it has a random generator of its own
    return detector.DetectorConfig(**{"epochs": 2, "batch_size": 4, "mosaic": scenes} | changes)


def checkpoint(folder: Path) -> dict[str, NDArray]:
    with np.load(folder / CHECKPOINT_FILE) as file:
        return {name: file[name] for name in file.files}


def rows(folder: Path) -> list[dict[str, str]]:
    """The history without the time that it took."""
    return [{k: v for k, v in row.items() if k != "seconds"} for row in read_history(folder)]


def same_run(one: Path, other: Path) -> None:
    a, b = checkpoint(one), checkpoint(other)
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)
    assert rows(one) == rows(other)


# --- training ----------------------------------------------------------------------------------------------


def test_a_stopped_training_resumes_bit_by_bit(
    detector: ModuleType, photos: list[AnnotatedImage], tmp_path: Path
) -> None:
    from emotion.training.runs.step_monitor import TrainingStopped

    config, networks = config_of(detector), []
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
        if name == "broken":
            with pytest.raises(TrainingStopped, match="after epoch 1 of 2"):
                detector.fit_detector(photos, config, run_context(tmp_path / name, stop_after=1))
            assert [row["epoch"] for row in read_history(tmp_path / name)] == ["1"]
        networks.append(detector.fit_detector(photos, config, run_context(tmp_path / name)))
    for one, other in zip(*(network.get_weights() for network in networks), strict=True):
        np.testing.assert_array_equal(one, other)
    same_run(tmp_path / "whole", tmp_path / "broken")
    untrained = tiny_detector().get_weights()
    assert any((a != b).any() for a, b in zip(untrained, networks[0].get_weights(), strict=True))


def test_the_projects_own_network_is_trained(photos: list[AnnotatedImage], tmp_path: Path) -> None:
    from emotion.training.detector import trainer

    reporter = RecordingReporter()
    network = trainer.fit_detector(photos, config_of(trainer), run_context(tmp_path, reporter=reporter))
    history, config = read_history(tmp_path), config_of(trainer)
    assert [row["epoch"] for row in history] == ["1", "2"]
    assert list(history[0]) == [
        "epoch",
        "seconds",
        "learning_rate",
        "loss",
        "score_loss",
        "box_loss",
        "landmark_loss",
        "val_ap",
        "val_ap_wider",
        "val_landmark_error",
    ]
    for row in history:
        numbers = {name: float(value) for name, value in row.items()}
        numbers.pop("val_landmark_error")  # of no face, after two steps
        assert all(map(math.isfinite, numbers.values()))
        placed = config.box_loss_weight * numbers["box_loss"] + config.landmark_loss_weight * numbers["landmark_loss"]
        assert numbers["loss"] == pytest.approx(numbers["score_loss"] + placed, rel=1e-4)
        assert 0 <= numbers["val_ap"] <= 1
    assert float(history[-1]["learning_rate"]) == pytest.approx(0, abs=1e-6)  # the end of the cosine
    assert [(done, total) for done, total, _ in reporter.messages] == [(1, 2), (2, 2)]
    assert reporter.messages[1][2].startswith("epoch 2 of 2, precision ")
    steps = read_steps(tmp_path)
    assert {row["epoch"] for row in steps} == {"1", "2"}
    assert {row["accuracy"] for row in steps} == {""}  # a detector has none
    assert (tmp_path / CHECKPOINT_FILE).is_file()
    assert network.count_params() > 100_000


def test_photos_may_train_landmarks_only(photos: list[AnnotatedImage], tmp_path: Path) -> None:
    """The branches of the landmarks are trained; the weights of score and box stay the same to the bit."""
    from emotion.training.detector import trainer
    from emotion.training.detector.network import LANDMARK_PREFIX, build_glance

    start, run = tmp_path / "start.keras", tmp_path / "run"
    run.mkdir()
    build_glance().save(start)
    trust_network(compute_sha256(start))  # its trial run is tested by itself
    before = {
        layer.name: layer.get_weights() for layer in keras_model(start).layers if layer.name.startswith(LANDMARK_PREFIX)
    }
    config = config_of(trainer, epochs=1, landmarks_only=True, init_from="abc")
    network = trainer.fit_detector(photos, config, run_context(run), init_weights=start)
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3)).astype(np.float32)
    old, new = (np.asarray(one(image, training=False)) for one in (keras_model(start), network))
    np.testing.assert_array_equal(old[..., :5], new[..., :5])
    assert (old[..., 5:] != new[..., 5:]).any(axis=(0, 1)).all()
    learned = {layer.name: layer.get_weights() for layer in network.layers if layer.name in before and layer.weights}
    assert len(learned) == 3 * 7  # in each of three heads four convolutions, three of them normalised
    for name, weights in learned.items():
        assert any((a != b).any() for a, b in zip(before[name], weights, strict=True)), name


def keras_model(path: Path) -> Any:
    import keras

    return keras.saving.load_model(path)


def test_the_best_epoch_on_the_validation_photos_is_returned(
    detector: ModuleType, photos: list[AnnotatedImage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[NDArray]] = []
    learned: set[str] = set()

    def record_call(first: AnnotatedImage, others: list[AnnotatedImage], *rest: Any) -> TrainingImage:
        learned.update(photo.name for photo in (first, *others))
        return compose_mosaic(first, others, *rest)

    def measure(network: Any, held: list[AnnotatedImage]) -> dict[str, float]:
        assert [photo.name for photo in held] == [photo.name for photo in photos if photo.is_validation]
        seen.append(network.get_weights())
        ap, off = [(0.3, 0.0), (0.9, 0.1), (0.95, 0.3), (0.9, 0.1)][len(seen) - 1]
        return {"val_ap": ap, "val_landmark_error": off}

    monkeypatch.setattr(batches, "compose_mosaic", record_call)
    monkeypatch.setattr(detector, "validate_network", measure)
    network = detector.fit_detector(photos, config_of(detector, epochs=4), run_context(tmp_path))
    for one, other in zip(network.get_weights(), seen[1], strict=True):
        np.testing.assert_array_equal(one, other)
    assert checkpoint(tmp_path)["progress"].tolist() == [4, pytest.approx(0.8), 2]
    assert learned == {photo.name for photo in photos if not photo.is_validation}


def test_a_diverging_training_is_reported(detector: ModuleType, photos: list[AnnotatedImage], tmp_path: Path) -> None:
    config = config_of(detector, learning_rate=1e30)
    with pytest.raises(
        EmotionError,
        match=r"^The training diverged in epoch 1, .*: nothing was learned; try a "
        r"smaller learning rate than 1e\+30\.$",
    ):
        detector.fit_detector(photos, config, run_context(tmp_path))
    assert not (tmp_path / CHECKPOINT_FILE).exists()
    assert not (tmp_path / HISTORY_FILE).exists()


@pytest.mark.parametrize(("held", "learned", "faces"), [(0, 0, True), (3, 3, True), (0, 9, True), (3, 9, False)])
def test_too_few_photos_are_refused_before_the_first_step(
    detector: ModuleType, photos: list[AnnotatedImage], tmp_path: Path, held: int, learned: int, faces: bool
) -> None:
    measuring = [photo for photo in photos if photo.is_validation][:held]
    if not faces:
        measuring = [annotated_photo(photo.name, faces=0) for photo in measuring]
    teaching = [photo for photo in photos if not photo.is_validation][:learned]
    with pytest.raises(
        DataError,
        match=f"^{learned} training and {held} validation images; at least 4 and one "
        r"with a face are needed\.$",
    ):
        detector.fit_detector([*measuring, *teaching], config_of(detector), run_context(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"epochs": 0}, "0 epochs"),
        ({"batch_size": 0}, "batches of 0"),
        ({"learning_rate": 0.0}, "rate 0.0"),
        ({"learning_rate": math.nan}, "rate nan"),
        ({"seed": -1}, "seed -1"),
    ],
)
def test_settings_that_cannot_be_trained_are_refused(detector: ModuleType, changes: dict[str, Any], word: str) -> None:
    with pytest.raises(EmotionError, match=word):
        config_of(detector, **changes)


# --- batches -----------------------------------------------------------------------------------------------


def contents(scenes: Any) -> list[bytes]:
    return [
        pixels.tobytes() + b"".join(np.asarray(part).tobytes() for part in aims)
        for pixels, aims in (scenes[i] for i in range(len(scenes)))
    ]


def test_a_batch_depends_on_seed_epoch_and_position_alone(detector: ModuleType, photos: list[AnnotatedImage]) -> None:
    config = config_of(detector, epochs=9)
    first = contents(detector.DetectorBatches(photos, config, 1))
    assert len(first) == len(set(first)) == 3
    again = detector.DetectorBatches(photos, config, 1)
    for position in (2, 0, 2):
        pixels, _ = again[position]
        assert first[position].startswith(pixels.tobytes())
    assert set(contents(detector.DetectorBatches(photos, config, 2))).isdisjoint(first)
    assert set(contents(detector.DetectorBatches(photos, replace(config, seed=2), 1))).isdisjoint(first)


def test_an_epoch_has_as_many_photos_as_there_are_and_mosaics_but_in_the_last_ones(
    detector: ModuleType, photos: list[AnnotatedImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[tuple[str, float]] = []

    def record_call(
        first: AnnotatedImage, others: Any, config: MosaicConfig, rng: np.random.Generator
    ) -> TrainingImage:
        requests.append((first.name, config.mosaic_prob))
        return compose_mosaic(first, others, config, rng)

    monkeypatch.setattr(batches, "compose_mosaic", record_call)
    config, orders = config_of(detector, epochs=10, close_mosaic=0.2), set()
    for epoch in range(10):
        requests.clear()
        contents(detector.DetectorBatches(photos, config, epoch))
        assert len(requests) == len(photos)
        assert {chance for _, chance in requests} == {0.0 if epoch >= 8 else config.mosaic.mosaic_prob}
        orders.add(tuple(name for name, _ in requests))
    assert len(orders) == 10


def test_photos_of_crowds_are_drawn_more_often_within_a_limit(
    detector: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image is sampled by the root of its face count, at most `max_crowd_sampling_weight` times."""
    photos = [replace(annotated_photo(f"{n}.png"), boxes=np.zeros((n, 4), np.float32)) for n in (0, 1, 4, 100)]
    drawn: list[str] = []

    def record_call(
        first: AnnotatedImage, others: Any, config: MosaicConfig, rng: np.random.Generator
    ) -> TrainingImage:
        drawn.append(first.name)
        none = np.empty((0, 4), np.float32)
        return TrainingImage(np.zeros((SIDE, SIDE, 3), np.uint8), none, np.empty((0, 5, 2), np.float32), none)

    monkeypatch.setattr(batches, "compose_mosaic", record_call)
    for epoch in range(700):
        contents(detector.DetectorBatches(photos, config_of(detector, max_crowd_sampling_weight=3.0), epoch))
    counts = np.array([drawn.count(photo.name) for photo in photos])
    assert counts / counts.sum() == pytest.approx(np.array([1, 1, 2, 3]) / 7, abs=0.03)


def test_the_faces_of_a_batch_are_one_list(detector: ModuleType) -> None:
    nan = np.full((5, 2), np.nan, np.float32)
    points = np.arange(10, dtype=np.float32).reshape(5, 2)
    torn = points.copy()
    torn[3, 1] = np.nan  # one number is missing: as good as none
    black, none = np.zeros((64, 96, 3), np.uint8), np.empty((0, 4), np.float32)
    big, small = np.array([[10, 20, 60, 50]], np.float32), np.array([[30, 30, 31, 31], [0, 0, 20, 3]], np.float32)
    scenes = [
        TrainingImage(black, np.concatenate([big, big + 3]), np.stack([points, nan]), none),
        TrainingImage(black, none, np.empty((0, 5, 2), np.float32), np.concatenate([big, small])),
        TrainingImage(black, big + 1, torn[None], small),
    ]
    aims = batches.make_targets(scenes)
    assert aims.image_index.tolist() == [0, 0, 2]
    assert [
        aims.image_index.dtype,
        aims.boxes.dtype,
        aims.landmarks.dtype,
        aims.has_landmarks.dtype,
        aims.cell_mask.dtype,
    ] == [
        np.int32,
        *[np.float32] * 4,
    ]
    np.testing.assert_array_equal(aims.boxes, np.concatenate([big, big + 3, big + 1]))
    np.testing.assert_array_equal(aims.landmarks[0], np.arange(10))
    assert np.isfinite(aims.landmarks).all()
    assert aims.has_landmarks.tolist() == [1, 0, 0]
    for scene, counts in zip(scenes, aims.cell_mask, strict=True):
        for (x, y, _), count in zip(anchor_points(64, 96).tolist(), counts.tolist(), strict=True):
            # Inside a region, or where a tiny face in it would be answered for.
            ignored = any(
                abs(x - (x1 + x2) / 2) < max(8, (x2 - x1) / 2) and abs(y - (y1 + y2) / 2) < max(8, (y2 - y1) / 2)
                for x1, y1, x2, y2 in scene.ignore.tolist()
            )
            assert count == (0 if ignored else 1)
    assert aims.cell_mask[0].all()
    assert not aims.cell_mask[1].all()


def test_a_batch_without_faces_has_an_empty_list(detector: ModuleType) -> None:
    scene = TrainingImage(
        np.zeros((64, 64, 3), np.uint8), *(np.empty(s, np.float32) for s in ((0, 4), (0, 5, 2), (0, 4)))
    )
    aims = batches.make_targets([scene, scene])
    assert [part.shape for part in aims] == [(0,), (0, 4), (0, 10), (0,), (2, len(anchor_points(64, 64)))]


# --- measuring ---------------------------------------------------------------------------------------------


def constant_network(box: tuple[float, ...], side: int = 96) -> Callable[..., Any]:
    """Return a network that finds one face in `box` in every photo, with all landmarks in the middle."""
    import tensorflow as tf

    places = anchor_points(side, side)
    answers = np.zeros((1, len(places), VALUES_PER_CELL), np.float32)
    answers[..., 0] = -9
    x, y, stride = places[40]
    answers[0, 40, :5] = [
        2,
        ((box[0] + box[2]) / 2 - x) / stride,
        ((box[1] + box[3]) / 2 - y) / stride,
        math.log((box[2] - box[0]) / stride),
        math.log((box[3] - box[1]) / stride),
    ]
    answers[0, 40, 5:] = np.tile(answers[0, 40, 1:3], 5)
    return lambda image, training: tf.constant(answers)


def with_face(source: str, *box: float, truth: bool = True, ignore: tuple[float, ...] = ()) -> AnnotatedImage:
    empty = annotated_photo("a.png", source=source, truth=truth, faces=0, size_wh=(90, 70))
    boxes, regions = (np.array(values, np.float32).reshape(-1, 4) for values in (box, ignore))
    return replace(empty, boxes=boxes, landmarks=np.full((len(boxes), 5, 2), np.nan, np.float32), ignore_boxes=regions)


SEEN = (20, 20, 60, 60)
LOOSE = (20, 20, 60, 120)  # IoU 0.4 with it


@pytest.mark.parametrize(
    ("photos", "expected"),
    [
        ([], {"val_ap": 0}),
        ([with_face("wider")], {"val_ap": 0, "val_ap_wider": math.nan}),
        ([with_face("wider", *SEEN)], {"val_ap": 1, "val_ap_wider": 1}),
        ([with_face("wider", *SEEN), with_face("wider")], {"val_ap": 0.5, "val_ap_wider": 0.5}),  # a false box
        ([with_face("wider", *SEEN), with_face("wider", ignore=SEEN)], {"val_ap": 1, "val_ap_wider": 1}),
        ([with_face("wider", 22, 21, 62, 63)], {"val_ap": 1, "val_ap_wider": 1}),
        ([with_face("wider", *LOOSE)], {"val_ap": 0, "val_ap_wider": 0}),
        ([with_face("fddb_sy32", *LOOSE)], {"val_ap": 0, "val_ap_fddb_sy32": 0}),
        ([with_face("macwin", *LOOSE)], {"val_ap": 1, "val_ap_macwin": 1}),
        (
            [with_face("wider", 70, 60, 85, 75), with_face("wider", *SEEN, 70, 5, 86, 21)],
            {"val_ap": 0.25, "val_ap_wider": 0.25},
        ),  # of 2 faces of 16 pixels one, at a precision of 1/2
        (
            [with_face("wider", *SEEN), with_face("macwin", *LOOSE), with_face("kaggle853", 0, 0, 19, 19)],
            {"val_ap": 2 / 3, "val_ap_wider": 1, "val_ap_macwin": 1, "val_ap_kaggle853": 0},
        ),
        # What a detector boxed is shown, but does not choose the epoch.
        (
            [with_face("macwin", *LOOSE), with_face("macwin", *LOOSE, truth=False)],
            {"val_ap": 1, "val_ap_macwin": 1, "val_ap_others": 0},
        ),
        (
            [with_face("karan", *SEEN, truth=False), with_face("aaf", *SEEN, truth=False)],
            {"val_ap": 0, "val_ap_others": 1},
        ),
    ],
)
def test_measuring_by_hand(detector: ModuleType, photos: list[AnnotatedImage], expected: dict[str, float]) -> None:
    expected = expected | {"val_landmark_error": math.nan}  # their landmarks are unknown
    assert detector.validate_network(constant_network(SEEN), photos) == pytest.approx(expected, nan_ok=True)


def test_landmarks_are_measured_on_tilted_photos(detector: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who puts every point into the middle is off by what the points are away from there."""
    points = np.array([[30, 30], [50, 30], [40, 40], [30, 50], [50, 50]], np.float32)  # of a side of 40
    photo = replace(with_face("wider", *SEEN), landmarks=points[None])
    tilts: list[float] = []

    def record_rotation(photo: AnnotatedImage, degrees: float) -> AnnotatedImage:
        tilts.append(degrees)
        return photo  # the network finds its face in the same place in every photo

    monkeypatch.setattr(detector, "rotate_sample", record_rotation)
    expected = 4 * math.hypot(10, 10) / 5 / 40
    measured = detector.validate_network(constant_network(SEEN), [photo, photo])
    assert measured["val_landmark_error"] == pytest.approx(expected, rel=1e-4)
    assert tilts == [-25, 25]
    unknown = replace(photo, landmarks=np.full((1, 5, 2), np.nan, np.float32))
    assert detector.validate_network(constant_network(SEEN), [photo, unknown])["val_landmark_error"] == pytest.approx(
        expected, rel=1e-4
    )


def test_photos_of_any_shape_are_measured(detector: ModuleType) -> None:
    shapes = [(1, 1), (300, 2), (33, 64)]
    photos = [annotated_photo("a.png", faces=0, size_wh=shape) for shape in shapes]
    assert detector.validate_network(tiny_detector(), photos) == pytest.approx(
        {"val_ap": 0, "val_ap_wider": math.nan, "val_landmark_error": math.nan}, nan_ok=True
    )
