"""MobileNet with the weights of face recognition: what is read, that it computes the same, and what is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.errors import ModelError
from emotion.training.classifier.config import TrainingConfig, TrainingPlan, find_weights_file

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

WIDTHS = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
STRIDE_2_BLOCKS = (2, 4, 6, 12)
BGR_MEAN = np.array([103.939, 116.779, 123.68], np.float32)
FACES = np.random.default_rng(4).integers(0, 256, (6, 48, 48)).astype(np.uint8)


def make_tensors() -> dict[str, NDArray[np.float16]]:
    """Random tensors with the names, shapes and rounding of the published network."""
    rng = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {
        "conv1/convolution/merged_input": (3, 3, 3, 32),
        "conv1_bn/batchnorm_1/sub": (32,),
    }
    for block in range(1, 14):
        before, after = WIDTHS[block - 1], WIDTHS[block]
        shapes |= {
            f"conv_dw_{block}/depthwise_kernel": (3, 3, before, 1),
            f"conv_dw_{block}_bn/batchnorm_1/mul": (before,),
            f"conv_dw_{block}_bn/batchnorm_1/sub": (before,),
            f"conv_pw_{block}/convolution/merged_input": (1, 1, before, after),
            f"conv_pw_{block}_bn/batchnorm_1/sub": (after,),
        }
    tensors = {}
    for name, shape in shapes.items():
        fan_in = np.prod(shape[:3]) if "merged" in name else 9
        scale = 0.3 if len(shape) == 1 else 1.6 / np.sqrt(fan_in)
        offset = 1.0 if name.endswith("mul") else 0.0
        tensors[name] = (rng.normal(offset, scale, shape)).astype(np.float16)
    tensors["conv1/convolution/merged_input"] /= np.float16(60)  # its input has the range of pixels
    return tensors


@pytest.fixture
def weights_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """faceres.json and faceres.bin with random values, which are accepted in the place of the published ones."""
    from emotion.training.classifier.networks import mobilenet

    entries = [
        {"name": name, "shape": list(values.shape), "dtype": "float32", "quantization": {"dtype": "float16"}}
        for name, values in make_tensors().items()
    ]
    entries.insert(1, {"name": "axes", "shape": [2], "dtype": "int32"})
    parts = [values.tobytes() for values in make_tensors().values()]
    parts.insert(1, np.array([1, 2], np.int32).tobytes())
    content = {".json": json.dumps({"weightsManifest": [{"weights": entries}]}).encode(), ".bin": b"".join(parts)}
    for suffix, data in content.items():
        (tmp_path / f"faceres{suffix}").write_bytes(data)
    hashes = {suffix: hashlib.sha256(data).hexdigest() for suffix, data in content.items()}
    monkeypatch.setattr(mobilenet, "FACERES_SHA256", hashes)
    return tmp_path / "faceres.json"


def compute_features(faces: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The published network, operation by operation."""
    import tensorflow as tf

    tensors = {name: values.astype(np.float32) for name, values in make_tensors().items()}
    x = np.repeat(faces[..., None].astype(np.float32), 3, axis=-1) - BGR_MEAN
    x = tf.nn.conv2d(x, tensors["conv1/convolution/merged_input"], 2, "SAME") + tensors["conv1_bn/batchnorm_1/sub"]
    x = tf.nn.relu6(x)
    for block in range(1, 14):
        stride = 2 if block in STRIDE_2_BLOCKS else 1
        x = tf.nn.depthwise_conv2d(x, tensors[f"conv_dw_{block}/depthwise_kernel"], [1, stride, stride, 1], "SAME")
        x = x * tensors[f"conv_dw_{block}_bn/batchnorm_1/mul"] + tensors[f"conv_dw_{block}_bn/batchnorm_1/sub"]
        x = tf.nn.conv2d(tf.nn.relu6(x), tensors[f"conv_pw_{block}/convolution/merged_input"], 1, "SAME")
        x = tf.nn.relu6(x + tensors[f"conv_pw_{block}_bn/batchnorm_1/sub"])
    return np.asarray(tf.reduce_mean(x, (1, 2)))


@pytest.mark.slow
def test_the_network_begins_with_the_features_of_the_published_one(weights_file: Path) -> None:
    import keras

    from emotion.training.classifier.networks.mobilenet import face_mobilenet, load_face_recognition_weights

    network: Any = face_mobilenet({"fer2013": 7, "ferplus": 8})
    load_face_recognition_weights(network, weights_file, FACES)
    features = keras.Model(network.inputs, network.get_layer("features").output)
    expected = compute_features(FACES)
    assert expected.std() > 0.05
    np.testing.assert_allclose(features(FACES[..., None].astype(np.float32)), expected, atol=2e-3)
    trained = features(FACES[..., None].astype(np.float32), training=True)
    assert np.isfinite(np.asarray(trained)).all()
    names = {variable.path.split("/")[0] for variable in network.trainable_variables}
    assert {"dw6", "pw13", "dw6_norm", "ferplus"} <= names
    assert not names & {"conv1", "dw5", "pw5", "subtract_mean"}


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".json", ".bin"])
def test_a_missing_or_another_file_is_refused_before_anything_is_set(weights_file: Path, suffix: str) -> None:
    from emotion.training.classifier.networks.mobilenet import load_face_recognition_weights

    file = weights_file.with_suffix(suffix)
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(ModelError, match=f"is not the faceres{suffix} that this network begins with"):
        load_face_recognition_weights(None, weights_file, FACES)  # type: ignore[arg-type]
    file.unlink()
    with pytest.raises(ModelError, match=r"There is no .*faceres"):
        load_face_recognition_weights(None, weights_file, FACES)  # type: ignore[arg-type]


def test_only_this_network_begins_with_a_file_of_face_recognition(tmp_path: Path) -> None:
    weights_file = tmp_path / "faceres.json"
    weights_file.touch()
    assert find_weights_file(weights_file, "face-mobilenet") == weights_file
    with pytest.raises(ModelError, match=r"seresnet cannot begin with .*faceres.json; expected"):
        find_weights_file(weights_file, "seresnet")


def test_its_settings_are_those_of_a_larger_network() -> None:
    config = TrainingConfig.from_plan(TrainingPlan.from_defaults("face-mobilenet"))
    assert (config.optimizer, config.weight_decay, config.progressive_sizes) == ("adamw", 0.02, (112,))
