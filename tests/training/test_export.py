"""Export to ONNX and Keras: equal outputs under the same names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from emotion.errors import ModelError
from emotion.model_store.store import open_model
from emotion.recognition.classification import ExpressionClassifier
from tests.training.making import random_images, tiny

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras' variables and NumPy 2
]

# Two of them have the same width, and the order is not that of the alphabet.
HEADS = {"ferplus": 8, "fer2013": 8, "face": 1}


@pytest.fixture(scope="module")
def network() -> Any:
    import keras

    keras.utils.set_random_seed(3)
    return tiny(HEADS)


@pytest.fixture(scope="module")
def exported(network: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from emotion.training.export import export_classifier

    folder = tmp_path_factory.mktemp("exported")
    assert export_classifier(network, folder, 48) < 1e-4
    return folder


def outputs_of(network: Any, faces: NDArray) -> dict[str, NDArray]:
    return {name: np.asarray(v) for name, v in network(faces.astype(np.float32), training=False).items()}


@pytest.mark.parametrize("count", [1, 2, 33])
def test_onnx_and_keras_have_equal_outputs_for_any_number_of_faces(network: Any, exported: Path, count: int) -> None:
    faces = random_images(count, seed=count)[..., None].astype(np.float32)
    session = onnxruntime.InferenceSession(exported / "model.onnx", providers=["CPUExecutionProvider"])
    got = dict(zip(HEADS, session.run(list(HEADS), {"faces": faces}), strict=True))
    expected = outputs_of(network, faces)
    for name, width in HEADS.items():
        assert got[name].shape == (count, width)
        np.testing.assert_allclose(got[name], expected[name], atol=1e-4)
    assert np.abs(got["ferplus"] - got["fer2013"]).max() > 0.01  # so that swapped outputs are detected


def test_the_exported_file_has_our_names_and_nothing_for_training(exported: Path) -> None:
    model = onnx.load(exported / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert {output.name for output in model.graph.output} == set(HEADS)
    (faces,) = model.graph.input
    assert faces.name == "faces"
    batch, *rest = faces.type.tensor_type.shape.dim
    assert not batch.dim_value
    assert [dimension.dim_value for dimension in rest] == [48, 48, 1]
    assert not {"Dropout", "RandomUniform", "RandomUniformLike"} & {node.op_type for node in model.graph.node}
    assert sorted(path.name for path in exported.iterdir()) == ["model.keras", "model.onnx"]


def test_the_keras_file_is_the_network_without_its_optimizer(network: Any, exported: Path) -> None:
    import keras

    loaded = keras.saving.load_model(exported / "model.keras", safe_mode=True)
    assert getattr(loaded, "optimizer", None) is None
    faces = random_images(4)[..., None]
    for name, value in outputs_of(network, faces).items():
        np.testing.assert_allclose(outputs_of(loaded, faces)[name], value, atol=1e-6)


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        (["fer2013", "face", "ferplus"], ["fer2013", "face", "ferplus"]),
        (["StatefulPartitionedCall/face:0", "x/ferplus:0", "x/fer2013:0"], ["face", "ferplus", "fer2013"]),
        (["Identity:0", "Identity_1:0", "Identity_2:0"], ["face", "fer2013", "ferplus"]),  # TensorFlow sorts keys
        (["face", "face:1", "ferplus"], ["face", "fer2013", "ferplus"]),
    ],
)
def test_outputs_are_known_by_name_or_else_by_the_order_of_keys(outputs: list[str], expected: list[str]) -> None:
    from emotion.training.export import _order_output_names

    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None, 8]) for name in outputs]
    model = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], values))
    assert _order_output_names(list(HEADS), model) == expected


def test_an_export_with_other_outputs_is_refused(
    network: Any, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emotion.training import export

    def another(*args: Any) -> onnx.ModelProto:
        model = onnx.load(exported / "model.onnx")
        swapped = {"ferplus": "fer2013", "fer2013": "ferplus"}
        for node in model.graph.node:
            node.output[:] = [swapped.get(name, name) for name in node.output]
        return model

    monkeypatch.setattr(export, "to_onnx", another)
    with pytest.raises(ModelError, match="differs from the trained one"):
        export.export_classifier(network, tmp_path, 48)


def test_the_projects_own_network_is_exported_as_it_was_trained(finished: Path) -> None:
    import keras

    network = keras.saving.load_model(finished / "model.keras", safe_mode=True)
    faces = np.concatenate([random_images(6), np.full((1, 48, 48), 90, np.uint8)])
    got, expected = ExpressionClassifier(open_model(finished)).logits(faces), outputs_of(network, faces[..., None])
    assert got.keys() == expected.keys() == {"fer2013", "ferplus", "expression", "face"}
    for name in got:
        np.testing.assert_allclose(got[name], expected[name], atol=1e-3)


def test_maps_sum_to_the_logits(finished: Path) -> None:
    """Their means over the image are the logits; `explain` returns the map of the label minus the mean of all maps."""
    classifier, faces = ExpressionClassifier(open_model(finished)), random_images(5)
    session = onnxruntime.InferenceSession(finished / "model.onnx", providers=["CPUExecutionProvider"])
    logits = classifier.logits(faces)
    for name, head in classifier.bundle.heads.items():
        maps = np.asarray(session.run([head.cam_output], {"faces": faces[..., None].astype(np.float32)})[0])
        assert maps.shape == (5, 6, 6, len(head.labels))
        np.testing.assert_allclose(maps.mean((1, 2)), logits[name], atol=1e-4)
        assert classifier.has_cam(name)
        for i, label in enumerate(head.labels):
            explained = classifier.class_activation_map(faces[2], label, name)
            np.testing.assert_allclose(explained, maps[2, ..., i] - maps[2].mean(-1), atol=1e-5)


def test_a_network_without_global_pooling_has_no_maps(network: Any) -> None:
    from emotion.training.export import build_cam_outputs, has_cam

    assert not has_cam(network)
    assert build_cam_outputs(network) == {}
