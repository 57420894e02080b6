"""Fixtures of all tests: a photo with a face, fakes of detector and classifier, a tiny model, an empty cache.

Some tests need the environment variable EMOTION_MEDIA, which names a folder of photos (see `media`), or YuNet on this
machine; they are skipped without.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import onnx
import pytest
from hypothesis import settings
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from emotion.expressions import FER2013_LABELS, FERPLUS_LABELS
from emotion.faces import Box, Face, Scores
from emotion.media.image_reader import read_image
from emotion.model_store.store import ModelBundle, compute_sha256, open_model
from emotion.recognition.classification import ExpressionClassifier, Prediction
from emotion.recognition.cropping import CropGeometry
from emotion.recognition.detectors.detector_factory import YUNET_FILE, find_yunet
from emotion.recognition.features.default_network import find_default_bundle
from emotion.recognition.trial_run import trust_network

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "emotion" / "demo" / "assets" / "astronaut.jpg"
# Measured by hand: chin to hairline, ear to ear.
SAMPLE_FACE = Box(180, 65, 270, 165)

# No deadline, since a busy machine is no failure; the same examples in every run, since a failure must repeat.
settings.register_profile("all", deadline=None, derandomize=True)
settings.register_profile("fast", settings.get_profile("all"), max_examples=25)
settings.load_profile("all")

if not os.environ.get("EMOTION_YUNET"):
    # Set before the tests, some of which change the folder of the user's cache.
    beside = ROOT.parent / "shared" / "models" / YUNET_FILE
    found = beside if beside.is_file() else find_yunet()
    if found is not None:
        os.environ["EMOTION_YUNET"] = str(found)


def is_fast_run(config: pytest.Config) -> bool:
    return config.option.markexpr == "not slow"


def pytest_configure(config: pytest.Config) -> None:
    """Set a quarter of the examples for a fast run, except for tests with a number of their own."""
    if is_fast_run(config):
        settings.load_profile("fast")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip modules whose tests are all slow in a fast run: importing them takes seconds in every process."""
    if not is_fast_run(config) or not collection_path.match("test_*.py"):
        return None
    source = collection_path.read_text(encoding="utf-8")
    mark = re.search(r"^pytestmark = (.+?)(?=^\S|\Z)", source, re.MULTILINE | re.DOTALL)
    return True if mark and "pytest.mark.slow" in mark[1] else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the files: a process takes one after the other, so long ones come first, and short ones fill the end.

    The real browser comes first, since it takes longest. Training comes last: once Keras is loaded, Streamlit clears
    its session after every run of a page, which takes seconds. The size of a file stands for its duration.
    """
    order = {"browser": 0, "training": 2, "generation": 2}

    def rank(item: pytest.Item) -> tuple[int, int]:
        return order.get(item.path.relative_to(ROOT / "tests").parts[0], 1), -item.path.stat().st_size

    ranks = {path: rank(item) for path, item in {item.path: item for item in items}.items()}
    items.sort(key=lambda item: ranks[item.path])
    for item in items:
        if item.path.is_relative_to(ROOT / "tests" / "browser"):
            # Three programs take part: browser, server and test. A busy machine may delay one at any step.
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Distribute the tests by file, and all tests with a real browser to one process."""
    from xdist.scheduler import LoadFileScheduling

    class Files(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "browser" if nodeid.startswith("tests/browser/") else super()._split_scope(nodeid)

    return Files(config, log)


@pytest.fixture(scope="session", autouse=True)
def shipped_features_network() -> None:
    """Load the features network before a test replaces the folder of the models: it is looked for once in a process."""
    assert find_default_bundle() is not None


@pytest.fixture(scope="session")
def sample_file() -> Path:
    return SAMPLE


@pytest.fixture(scope="session")
def sample() -> NDArray[np.uint8]:
    """Return a photo with one smiling face, RGB uint8 (512, 512, 3), read-only."""
    image = read_image(SAMPLE)
    image.flags.writeable = False
    return image


@pytest.fixture(scope="session")
def sample_face() -> Box:
    return SAMPLE_FACE


@pytest.fixture(scope="session")
def face48(sample: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the face of `sample` as in a data set: gray uint8 (48, 48)."""
    x1, y1, x2, y2 = SAMPLE_FACE.to_int_xyxy()
    crop = np.dot(sample[y1:y2, x1 - 5 : x2 + 5], [0.299, 0.587, 0.114]).astype(np.uint8)
    return np.asarray(cv2.resize(crop, (48, 48), interpolation=cv2.INTER_AREA), np.uint8)


@pytest.fixture(scope="session")
def media() -> Path:
    """Return a folder with photos in `noface/` and `photo/`, and media.json; skip the test without one."""
    path = os.environ.get("EMOTION_MEDIA")
    folder = Path(path) if path else ROOT.parent / "shared" / "media"
    if not (folder / "media.json").is_file():
        pytest.skip("EMOTION_MEDIA names no folder with photos and media.json")
    return folder


@pytest.fixture
def user_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder of downloaded files for one test; EMOTION_YUNET is unset."""
    home = tmp_path / "home"
    for name in ("HOME", "USERPROFILE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.delenv("EMOTION_YUNET", raising=False)
    return home


class FakeDetector:
    """Returns the given faces, or those of the given function; fails if two threads call it at the same time."""

    name: ClassVar[str] = "fake"
    crop_geometry: ClassVar[CropGeometry] = CropGeometry()

    def __init__(
        self, faces: Sequence[Face | Box] | Callable[[NDArray], Sequence[Face]], needs_verification: bool
    ) -> None:
        self.needs_verification = needs_verification
        self.calls: list[tuple[float, int]] = []
        self._faces = faces
        self._busy = threading.Lock()

    def detect(self, image: NDArray[np.uint8], threshold: float, max_side: int) -> tuple[Face, ...]:
        assert self._busy.acquire(blocking=False), "two threads call the detector at the same time"
        try:
            self.calls.append((threshold, max_side))
            faces = self._faces(image) if callable(self._faces) else self._faces
            found = (Face(face, 0.9) if isinstance(face, Box) else face for face in faces)
            return tuple(face for face in found if face.detection_score >= threshold)
        finally:
            self._busy.release()


@pytest.fixture(scope="session")
def fake_detector() -> Callable[..., FakeDetector]:
    """`fake_detector(faces_or_boxes, needs_verification=False)`."""
    return lambda faces=(), needs_verification=False: FakeDetector(faces, needs_verification)


class FakeClassifier:
    """Returns the given predictions for the first, second ... crop, and the last of them for all further crops."""

    input_size = 48
    head_names = ("ferplus", "fer2013")

    def __init__(self, predictions: Sequence[Prediction]) -> None:
        self._predictions = predictions
        self.seen: list[NDArray[np.uint8]] = []
        self.heads: list[str | None] = []

    def predict(self, crops: NDArray[np.uint8], head: str | None = None) -> tuple[Prediction, ...]:
        self.seen.append(crops if crops.ndim == 3 else crops[0])  # the first view of several
        self.heads.append(head)
        return tuple(self._predictions[min(i, len(self._predictions) - 1)] for i in range(crops.shape[-3]))


@pytest.fixture(scope="session")
def fake_classifier() -> Callable[..., FakeClassifier]:
    """`fake_classifier((label, confidence, face probability), ...)`: one tuple for each crop."""

    def make(*crops: tuple[str, float, float]) -> FakeClassifier:
        return FakeClassifier(
            [
                Prediction(scores_of(label, confidence), face)
                for label, confidence, face in crops or [("happy", 0.9, 1.0)]
            ]
        )

    return make


def scores_of(label: str, confidence: float) -> Scores:
    """Return FER+ scores with that best label; the second best is "sad", or "happy" where "sad" is the best."""
    second = "sad" if label != "sad" else "happy"
    next_best = min(0.8 * (1 - confidence), 0.9 * confidence)
    values = dict.fromkeys(FERPLUS_LABELS, (1 - confidence - next_best) / 6)
    values |= {label: confidence, second: next_best}
    return Scores(list(values), list(values.values()))


@pytest.fixture(scope="session")
def make_scores() -> Callable[[str, float], Scores]:
    return scores_of


def write_network(path: Path, heads: dict[str, int], size: int, *, face: bool = True, maps: bool = False) -> None:
    """Write an ONNX file with random weights: the same crop has the same scores in every run.

    The logit of "face" is 10 for a crop with contrast and -10 for a flat one. With `maps`, "HEAD_map" is positive for
    the first labels where the crop is light, and for the last labels where it is dark.
    """
    rng = np.random.default_rng(5)
    nodes = [helper.make_node("Flatten", ["faces"], ["flat"]), helper.make_node("Mul", ["flat", "scale"], ["x"])]
    constants = {"scale": np.float32(1 / 255)}
    for name, width in heads.items():
        weights = rng.normal(0, 0.1, (size * size, width))
        constants[f"w_{name}"] = (weights - weights.mean(axis=0)).astype(np.float32)
        nodes.append(helper.make_node("MatMul", ["x", f"w_{name}"], [name]))
    if face:
        constants |= {"gain": np.float32(20), "bias": np.float32(-10)}
        nodes += [
            helper.make_node("ReduceMax", ["x"], ["most"], axes=[1]),
            helper.make_node("ReduceMin", ["x"], ["least"], axes=[1]),
            helper.make_node("Sub", ["most", "least"], ["contrast"]),
            helper.make_node("Mul", ["contrast", "gain"], ["amount"]),
            helper.make_node("Add", ["amount", "bias"], ["face"]),
        ]
    if maps:
        nodes += [
            helper.make_node("Transpose", ["faces"], ["first"], perm=[0, 3, 1, 2]),
            helper.make_node("AveragePool", ["first"], ["coarse"], kernel_shape=[8, 8], strides=[8, 8]),
            helper.make_node("Sub", ["coarse", "middle"], ["about"]),
            helper.make_node("Transpose", ["about"], ["last"], perm=[0, 2, 3, 1]),
        ]
        constants["middle"] = np.float32(128)
        for name, width in heads.items():
            constants[f"v_{name}"] = np.linspace(0.1, -0.1, width, dtype=np.float32)[None]
            nodes.append(helper.make_node("MatMul", ["last", f"v_{name}"], [f"{name}_map"]))
    outputs = {**heads, **({"face": 1} if face else {})}
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, n]) for name, n in outputs.items()]
    if maps:
        side = size // 8
        values += [
            helper.make_tensor_value_info(f"{name}_map", TensorProto.FLOAT, [None, side, side, n])
            for name, n in heads.items()
        ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("faces", TensorProto.FLOAT, [None, size, size, 1])],
        values,
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    trust_network(compute_sha256(path))


def write_bundle(folder: Path, change: Callable[[dict[str, Any]], object] | None = None, **network: Any) -> Path:
    """Write a classifier's folder with a tiny network of two heads and a valid card, which `change` may alter."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = {"ferplus": FERPLUS_LABELS, "fer2013": FER2013_LABELS}
    write_network(folder / "model.onnx", {name: len(names) for name, names in labels.items()}, 48, **network)
    card: dict[str, Any] = {
        "kind": "classifier",
        "name": folder.name,
        "input": {"size": 48, "color_mode": "grayscale", "range": [0, 255]},
        "default_head": "ferplus",
        "heads": {n: {"output": n, "labels": list(names), "temperature": 1.0} for n, names in labels.items()},
        "face_head": {"output": "face", "threshold": 0.5},
        "metrics": {},
        "files": {"model.onnx": {"bytes": 0, "sha256": compute_sha256(folder / "model.onnx")}},
    }
    if network.get("maps"):
        for name, head in card["heads"].items():
            head["cam_output"] = f"{name}_map"
    if change is not None:
        change(card)
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def make_bundle() -> Callable[..., Path]:
    """`make_bundle(folder, change=None, face=True, maps=False)`: see `write_bundle`."""
    return write_bundle


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    """Return a fast classifier with random weights, as sensitive to every pixel as a real one."""
    return open_model(write_bundle(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture(scope="session")
def tiny_classifier(tiny: ModelBundle) -> ExpressionClassifier:
    return ExpressionClassifier(tiny, num_threads=1)
