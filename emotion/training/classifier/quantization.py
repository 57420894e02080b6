"""Quantize a trained classifier to 8 bits: a third of the latency, a quarter of the size, similar predictions."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.augmentation import resize_images
from emotion.datasets.dataset import Dataset, is_non_face
from emotion.datasets.label_sets import check_splits, count_labels
from emotion.errors import ModelError
from emotion.jobs.result_folder import create_result
from emotion.jobs.result_manifest import MODEL
from emotion.model_store.store import ModelBundle, compute_sha256, open_model
from emotion.recognition.classification import ExpressionClassifier
from emotion.recognition.trial_run import trust_network
from emotion.storage import write_atomic
from emotion.training.classifier.evaluation.logits import matching_head, split_logits
from emotion.training.classifier.evaluation.scoring import finalize_run, match_model_labels, open_unfinished
from emotion.training.runs.folder import CONFIG_FILE, HISTORY_FILE

MAX_ACCURACY_DROP: Final = 0.005  # of the validation accuracy, absolute
_NUM_CALIBRATION_FACES: Final = 512  # training faces from which the activation ranges are estimated
# Card fields that describe the model before quantization.
_REGENERATED_FIELDS: Final = ("files", "created", "versions", "metrics", "default", "source_run")


def quantize_model(bundle: ModelBundle, data: Dataset, folder: Path, *, overwrite: bool = False) -> ModelBundle:
    """Write a classifier with 8-bit weights and activations to a new model folder.

    Activation ranges are calibrated on training faces. Temperatures and threshold are fitted again on the validation
    split, and all metrics are those of the quantized model.

    Args:
        bundle: The classifier to quantize.
        data: The data set for calibration and evaluation.
        folder: The new model folder.
        overwrite: Whether `folder` may be an existing model, which is replaced.

    Returns:
        The quantized model.

    Raises:
        ModelError: The model is not a classifier, or loses more than `MAX_ACCURACY_DROP` of validation accuracy.
    """
    require_classifier(bundle)
    check_splits(data.source, count_labels(data))
    task = match_model_labels(bundle, data)
    head = matching_head(bundle.card_fields, task.data)
    with create_result(folder, MODEL, inputs=[bundle.folder], overwrite=overwrite) as work_folder:
        before = split_logits(ExpressionClassifier(bundle), task.data, "validation")
        network = quantize_onnx(bundle.onnx_path, _select_calibration_faces(task.data, bundle.input_size))
        for name in ("model.keras", HISTORY_FILE, CONFIG_FILE):
            if (bundle.folder / name).is_file():
                shutil.copy2(bundle.folder / name, work_folder / name)
        write_atomic(work_folder / "model.onnx", network)
        trust_network(compute_sha256(work_folder / "model.onnx"))
        card_fields = {key: value for key, value in bundle.card_fields.items() if key not in _REGENERATED_FIELDS}
        card_fields |= {
            "name": folder.name,
            "quantization": "int8",
            "derived_from": [bundle.sha256, *bundle.card.derived_from],
        }
        after = split_logits(open_unfinished(work_folder, card_fields), task.data, "validation")
        agreement = _compare_predictions(before[head].argmax(1), after[head].argmax(1), task.data)
        accuracy_drop = agreement["accuracy_before"] - agreement["accuracy"]
        if accuracy_drop > MAX_ACCURACY_DROP:
            raise ModelError(
                f"In 8 bits {bundle.name} loses {accuracy_drop:.1%} of validation accuracy, more than "
                f"{MAX_ACCURACY_DROP:.1%}: keep the one that you have."
            )
        finalize_run(task, work_folder, card_fields, {"quantization": agreement})
    return open_model(folder)


def require_classifier(bundle: ModelBundle) -> None:
    """Raise `ModelError` unless a model is a classifier, the only kind that quantization supports."""
    if bundle.kind != "classifier":
        raise ModelError(f"{bundle.folder} is a {bundle.kind}; only a classifier can be shrunk.")


def quantize_onnx(onnx_path: Path, calibration_faces: NDArray[np.uint8]) -> bytes:
    """Quantize the convolutions and additions of an ONNX network to 8 bits.

    The output layers stay in floating point: they cost little time, and the network also classifies images that are
    not faces, whose logits may lie outside of the range of the calibration faces. Weights use 7 bits, since processors
    without VNNI add two products in 16 bits, which larger weights would overflow; predictions are then the same on
    all processors.

    Args:
        onnx_path: The network to quantize.
        calibration_faces: Gray faces uint8 (n, s, s) from which the activation ranges are estimated.

    Returns:
        The serialized ONNX network.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class CalibrationFaces(CalibrationDataReader):
        def __init__(self) -> None:
            self._faces: Iterator[dict[str, Any]] = iter(
                [{"faces": face[None, ..., None].astype(np.float32)} for face in calibration_faces]
            )

        def get_next(self) -> dict[str, Any]:
            return next(self._faces, None)  # type: ignore[return-value]  # None ends the calibration

    with tempfile.TemporaryDirectory() as scratch:
        prepared, quantized = Path(scratch) / "prepared.onnx", Path(scratch) / "quantized.onnx"
        quant_pre_process(onnx_path, prepared, skip_symbolic_shape=True)
        graph = onnx.load(prepared).graph
        node_by_output = {name: node.name for node in graph.node for name in node.output}
        output_nodes = [node_by_output[value.name] for value in graph.output]
        quantize_static(
            prepared,
            quantized,
            CalibrationFaces(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["Conv", "Add"],
            nodes_to_exclude=output_nodes,
        )
        return quantized.read_bytes()


def _select_calibration_faces(data: Dataset, size: int) -> NDArray[np.uint8]:
    """Return training faces (n, size, size), the same ones on each call."""
    training = data.take(data.rows_in("train"))
    rows = np.random.default_rng(0).permutation(np.flatnonzero(~is_non_face(training)))[:_NUM_CALIBRATION_FACES]
    return resize_images(training.images[rows], size)


def _compare_predictions(before: NDArray[np.intp], after: NDArray[np.intp], data: Dataset) -> dict[str, float]:
    """Return the validation accuracies before and after quantization and the share of equal predictions."""
    labels = data.labels[data.rows_in("validation")]
    return {
        "accuracy_before": float((before == labels).mean()),
        "accuracy": float((after == labels).mean()),
        "agreement": float((before == after).mean()),
    }
