"""Networks that lie: each is refused with one sentence, within seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, external_data_helper, helper, numpy_helper

from emotion.environment import BUILTIN_CHECKSUMS, MODELS_FOLDER
from emotion.errors import ModelError
from emotion.jobs import limited_process
from emotion.model_store.onnx_file import find_external_files
from emotion.model_store.store import compute_sha256, open_model
from emotion.recognition.classification import ExpressionClassifier
from emotion.recognition.trial_run import check_network, try_network
from tests.conftest import write_bundle

INPUT = helper.make_tensor_value_info("faces", TensorProto.FLOAT, [None, 48, 48, 1])
OUTPUT = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)


def save(path: Path, nodes: list[Any], constants: dict[str, Any] | None = None) -> Path:
    """Write a network that reads "faces" and answers "out"."""
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()]
    graph = helper.make_graph(nodes, "hostile", [INPUT], [OUTPUT], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def not_a_number(path: Path) -> Path:
    return save(
        path,
        [helper.make_node("Sub", ["faces", "one"], ["a"]), helper.make_node("Log", ["a"], ["out"])],
        {"one": np.float32(300)},
    )


def infinite(path: Path) -> Path:
    return save(path, [helper.make_node("Mul", ["faces", "most"], ["out"])], {"most": np.float32(3e38)})


def endless(path: Path) -> Path:
    """Write a network that multiplies large matrices in a loop without end."""
    state = helper.make_tensor_value_info("x", TensorProto.FLOAT, [256, 256])
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_on"], ["again"]),
            helper.make_node("MatMul", ["x", "weights"], ["y"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            state,
        ],
        [
            helper.make_tensor_value_info("again", TensorProto.BOOL, []),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, [256, 256]),
        ],
        [numpy_helper.from_array(np.zeros((256, 256), np.float32), "weights")],
    )
    nodes = [helper.make_node("Loop", ["", "true", "start"], ["out"], body=body)]
    return save(path, nodes, {"true": np.array(True), "start": np.zeros((256, 256), np.float32)})


def bomb(path: Path) -> Path:
    """Write a network of a few bytes that asks for 400 GB."""
    return save(path, [helper.make_node("ConstantOfShape", ["size"], ["out"])], {"size": np.array([100_000_000_000])})


def unknown_operator(path: Path) -> Path:
    return save(path, [helper.make_node("Teleport", ["faces"], ["out"])])


def garbage(path: Path) -> Path:
    path.write_bytes(b"\x08\x08not a network")
    return path


HOSTILE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "not a number": (not_a_number, "no finite number"),
    "infinite": (infinite, "no finite number"),
    "unknown operator": (unknown_operator, "Teleport"),
    "garbage": (garbage, ""),
}


def make_bundle(folder: Path, write: Callable[[Path], Path]) -> Path:
    """Write a model folder whose card fits its hostile network."""
    write_bundle(folder)
    write(folder / "model.onnx")
    text = (folder / "card.json").read_text()
    old = text.split('"sha256": "')[1][:64]
    (folder / "card.json").write_text(text.replace(old, compute_sha256(folder / "model.onnx")))
    return folder


@pytest.mark.parametrize(("write", "words"), HOSTILE.values(), ids=HOSTILE)
def test_a_trial_names_what_is_wrong(tmp_path: Path, write: Callable[[Path], Path], words: str) -> None:
    problem = try_network(write(tmp_path / "model.onnx"))
    assert problem
    assert words in problem
    assert "\n" not in problem


def test_a_good_network_passes(tmp_path: Path) -> None:
    assert try_network(write_bundle(tmp_path / "good") / "model.onnx") == ""
    for network in MODELS_FOLDER.glob("*/model.onnx"):
        assert try_network(network) == "", network


@pytest.mark.slow
@pytest.mark.parametrize(
    ("write", "words"),
    [
        (not_a_number, "no finite number"),
        (bomb, "too much memory|ended with code"),
        (garbage, "damaged|cannot be used"),
    ],
)
def test_a_hostile_network_is_refused_in_a_child_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], Path], words: str
) -> None:
    monkeypatch.setenv("EMOTION_WORKSPACE", str(tmp_path))
    with pytest.raises(ModelError, match=words):
        ExpressionClassifier(open_model(make_bundle(tmp_path / "models" / "x", write)))


@pytest.mark.slow
def test_an_endless_network_ends_with_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTION_WORKSPACE", str(tmp_path))
    monkeypatch.setattr(limited_process, "MAX_CPU_SECONDS", 3)
    bundle = open_model(make_bundle(tmp_path / "models" / "x", endless))
    with pytest.raises(ModelError, match="it was not ready after 3 seconds"):
        check_network(bundle)


@pytest.mark.slow
def test_a_network_is_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTION_WORKSPACE", str(tmp_path))

    def write(path: Path) -> Path:
        return save(path, [helper.make_node("Mul", ["faces", "c"], ["out"])], {"c": np.float32(0.5)})

    bundle = open_model(make_bundle(tmp_path / "models" / "x", write))
    check_network(bundle)
    assert [path.name for path in (tmp_path / "data" / "tried-networks").iterdir()] == [bundle.sha256]
    monkeypatch.setattr(limited_process.subprocess, "run", lambda *_, **__: pytest.fail("it was tried again"))
    check_network(bundle)


def test_shipped_networks_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limited_process.subprocess, "run", lambda *_, **__: pytest.fail("it was tried"))
    for card in sorted(MODELS_FOLDER.glob("*/card.json")):
        check_network(open_model(card.parent))


def test_the_checksums_are_those_of_the_shipped_networks() -> None:
    lines = BUILTIN_CHECKSUMS.read_text().splitlines()
    listed = {name: sha256 for sha256, name in (line.split("  ") for line in lines)}
    shipped = [
        path
        for path in (*MODELS_FOLDER.rglob("model.onnx"), *MODELS_FOLDER.rglob("model.keras"))
        if "source_run" not in (path.parent / "card.json").read_text()
    ]
    assert listed == {path.relative_to(MODELS_FOLDER).as_posix(): compute_sha256(path) for path in shipped}


# ------------------------------------------------------------------ other files


def write_external(folder: Path, location: str) -> Path:
    """Write a model whose weights are in another file."""
    write_bundle(folder)
    weights = numpy_helper.from_array(np.ones((48 * 48, 8), np.float32), "w")
    external_data_helper.set_external_data(weights, location)
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    nodes = [helper.make_node("Flatten", ["faces"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["out"])]
    graph = helper.make_graph(nodes, "external", [INPUT], [OUTPUT], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    make_bundle(folder, lambda path: (path.write_bytes(model.SerializeToString()), path)[1])
    return folder


@pytest.mark.parametrize("location", ["weights.bin", "../secret.bin", "/etc/passwd", "card.json"])
def test_weights_in_a_file_that_the_card_does_not_name_are_refused(tmp_path: Path, location: str) -> None:
    folder = write_external(tmp_path / "x", location)
    (folder / "weights.bin").write_bytes(np.ones((48 * 48, 8), np.float32).tobytes())
    assert find_external_files(folder / "model.onnx") == {location}
    with pytest.raises(ModelError, match=r"reads the file .* which its card does not name"):
        open_model(folder)


def test_weights_in_a_file_that_the_card_names_are_verified(tmp_path: Path) -> None:
    folder = write_external(tmp_path / "x", "weights.bin")
    (folder / "weights.bin").write_bytes(b"weights")
    text = (folder / "card.json").read_text()
    sha256 = compute_sha256(folder / "weights.bin")
    named = text.replace('"files": {', f'"files": {{"weights.bin": {{"sha256": "{sha256}"}}, ')
    (folder / "card.json").write_text(named)
    assert open_model(folder).name == "x"
    (folder / "weights.bin").write_bytes(b"others")
    with pytest.raises(ModelError, match=r"weights\.bin of the model x is not the file"):
        open_model(folder)


def test_weights_of_a_graph_within_a_graph_are_found(tmp_path: Path) -> None:
    model = onnx.load(endless(tmp_path / "model.onnx"))
    weights = model.graph.node[0].attribute[0].g.initializer[0]
    external_data_helper.set_external_data(weights, "hidden.bin")
    weights.data_location = TensorProto.EXTERNAL
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    assert find_external_files(tmp_path / "model.onnx") == {"hidden.bin"}


@pytest.mark.parametrize("content", [b"", b"\x00", b"\xff" * 30, b"\x3a\xff\xff\xff\xff\x0f", b"\x0b\x0c" * 9])
def test_what_is_no_onnx_file_ends_the_search(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    try:
        assert find_external_files(path) == set()
    except ValueError as error:
        assert str(error)  # noqa: PT017
