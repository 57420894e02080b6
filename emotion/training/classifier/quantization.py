"""A trained recogniser in numbers of 8 bits: a third of the time, a quarter of the size, hardly another answer."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.augmentation import resized
from emotion.datasets.dataset import Dataset, not_faces
from emotion.datasets.label_sets import check_splits, count_table
from emotion.errors import ModelError
from emotion.jobs.result_folder import MODEL, new_result
from emotion.model_store.store import Bundle, open_bundle
from emotion.recognition.classification import Recogniser
from emotion.storage import write_atomic
from emotion.training.classifier.scoring import lesson_for, main_head, rated, raw_logits, unfinished
from emotion.training.runs.folder import CONFIG, HISTORY

MOST_LOST: Final = 0.005  # of the right answers on the public split
_SHOWN: Final = 512  # training faces that tell how large the numbers within the network get
_AGAIN: Final = ("files", "created", "versions", "metrics", "default", "used_from")  # of a card: made anew


def shrink(bundle: Bundle, data: Dataset, folder: Path, *, overwrite: bool = False) -> Bundle:
    """Write the recogniser `bundle` with 8-bit weights and activations into the new model folder `folder`, which may be
    a model that is there already with `overwrite`.

    The ranges are those of training faces; temperatures and threshold are fitted anew on the public split, and all
    scores are its own. Raises `ModelError` where it is no recogniser, or loses more than `MOST_LOST` on the public
    split.
    """
    check_kind(bundle)
    check_splits(data.source, count_table(data))
    lesson = lesson_for(bundle, data)
    head = main_head(bundle.card, lesson.data)
    with new_result(folder, MODEL, inputs=[bundle.folder], overwrite=overwrite) as place:
        before = raw_logits(Recogniser(bundle), lesson.data, "public")
        network = quantised(bundle.network, _examples(lesson.data, bundle.input_size))
        for name in ("model.keras", HISTORY, CONFIG):
            if (bundle.folder / name).is_file():
                shutil.copy2(bundle.folder / name, place / name)
        write_atomic(place / "model.onnx", network)
        facts = {key: value for key, value in bundle.card.items() if key not in _AGAIN}
        facts |= {"name": folder.name, "bits": 8, "made_from": [bundle.sha256, *bundle.card.get("made_from", [])]}
        after = raw_logits(unfinished(place, facts), lesson.data, "public")
        told = _compared(before[head].argmax(1), after[head].argmax(1), lesson.data)
        lost = told["accuracy_before"] - told["accuracy"]
        if lost > MOST_LOST:
            raise ModelError(
                f"In 8 bits {bundle.name} is right for {lost:.1%} fewer of the public faces, and {MOST_LOST:.1%} would "
                "be little: keep the one that you have."
            )
        rated(lesson, place, facts, {"shrunk": told})
    return open_bundle(folder)


def check_kind(bundle: Bundle) -> None:
    """`ModelError` where a model is no recogniser; no other can be shrunk, nor reads faces of one size."""
    if bundle.kind != "recogniser":
        raise ModelError(f"{bundle.folder} is a {bundle.kind}; only a recogniser can be shrunk.")


def quantised(network: Path, faces: NDArray[np.uint8]) -> bytes:
    """An ONNX network with 8-bit convolutions and sums; `faces` (n, s, s) show what numbers are met in it.

    The last products stay as they are: they cost nothing, and what an answer may be like is not for faces alone to
    show, since other things are looked at, too. Weights have 7 bits, since processors without VNNI add two products
    in 16 bits, where larger ones would overflow: the answers shall be the same everywhere.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Shown(CalibrationDataReader):
        def __init__(self) -> None:
            self._faces: Iterator[dict[str, Any]] = iter(
                [{"faces": face[None, ..., None].astype(np.float32)} for face in faces]
            )

        def get_next(self) -> dict[str, Any]:
            return next(self._faces, None)  # type: ignore[return-value]  # None ends it

    with tempfile.TemporaryDirectory() as scratch:
        plain, small = Path(scratch) / "plain.onnx", Path(scratch) / "small.onnx"
        quant_pre_process(network, plain, skip_symbolic_shape=True)
        graph = onnx.load(plain).graph
        made = {name: node.name for node in graph.node for name in node.output}
        last = [made[value.name] for value in graph.output]
        quantize_static(
            plain, small, Shown(), quant_format=QuantFormat.QDQ, per_channel=True, reduce_range=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            op_types_to_quantize=["Conv", "Add"], nodes_to_exclude=last,
        )  # fmt: skip
        return small.read_bytes()


def _examples(data: Dataset, size: int) -> NDArray[np.uint8]:
    """Training faces (n, size, size), the same every time."""
    training = data.take(data.rows("training"))
    rows = np.random.default_rng(0).permutation(np.flatnonzero(~not_faces(training)))[:_SHOWN]
    return resized(training.images[rows], size)


def _compared(before: NDArray[np.intp], after: NDArray[np.intp], data: Dataset) -> dict[str, float]:
    """Of the answers to the public split: how many are right, how many were, and how many are the same."""
    labels = data.labels[data.rows("public")]
    return {
        "accuracy_before": float((before == labels).mean()), "accuracy": float((after == labels).mean()),
        "same": float((before == after).mean()),
    }  # fmt: skip
