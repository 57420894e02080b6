"""Model cards: what they must hold, and the check of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from emotion.errors import ModelError
from emotion.expressions import EXPRESSIONS

CARD_FILE: Final = "card.json"


MODEL_KINDS: Final = ("classifier", "detector", "generator")


_MAX_CARD_BYTES: Final = 1_000_000


_MAX_LABEL_BYTES: Final = 100  # bytes


_INVALID_CHARACTERS: Final = frozenset('<>:"/\\|?*')  # what some system has no file names with


@dataclass(frozen=True)
class Head:
    """One answer of a classifier: `output` of the network, `labels` in its order, softmax `temperature`.

    `logit_bias`: what is added to each logit after the temperature, () for nothing. `cam_output`: the output that tells where in
    the picture its logits come from, "" where there is none.
    """

    output: str
    labels: tuple[str, ...]
    temperature: float
    logit_bias: tuple[float, ...] = ()
    cam_output: str = ""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Head:
        """The head that a card describes."""
        logit_bias = tuple(map(float, values.get("logit_bias", ())))
        return cls(
            values["output"],
            tuple(values["labels"]),
            float(values["temperature"]),
            logit_bias,
            values.get("cam_output", ""),
        )


def validate_card(path: Path, card: dict[str, Any]) -> None:
    """`ModelError` where a card, said to be in `path`, lacks or garbles what its kind of model needs."""
    if card["kind"] == "classifier":
        _validate_classifier(path, card)
    if card["kind"] == "detector":
        _validate_detector(path, card)
    if card["kind"] == "generator":
        _validate_generator(path, card)


def _validate_classifier(path: Path, card: dict[str, Any]) -> None:
    try:
        size = int(card["input"]["size"])
        heads = {name: (list(head["labels"]), float(head["temperature"])) for name, head in card["heads"].items()}
        biases = {name: list(map(float, head.get("logit_bias", ()))) for name, head in card["heads"].items()}
        outputs = [head["output"] for head in card["heads"].values()]
        outputs += [head["cam_output"] for head in card["heads"].values() if "cam_output" in head]
        default_head, face = card["default_head"], card.get("face_head")
        threshold = 0.5 if face is None else float(face["threshold"])
        if face is not None:
            outputs.append(face["output"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ModelError(f"{path} lacks or garbles a field of a classifier: {error}.") from error
    if not 8 <= size <= 512:
        raise ModelError(f"{path}: the input has {size} pixels a side; expected 8 to 512.")
    if not 0 < threshold < 1:
        raise ModelError(f"{path}: the threshold of a face is {threshold}; expected it between 0 and 1.")
    if default_head not in list(heads) or "face" in heads:
        raise ModelError(
            f'{path}: "default_head" is {default_head!r}; expected one of the heads {", ".join(heads)}, none named "face".'
        )
    if not all(isinstance(output, str) for output in outputs) or len(set(outputs)) < len(outputs):
        raise ModelError(f"{path}: the outputs are {outputs}; expected a different name for each head.")
    own = card.get("label_set") == "own"  # it learned whatever labels a data set had
    for name, (labels, temperature) in heads.items():
        known = all(
            isinstance(label, str) and (label in EXPRESSIONS or (own and is_valid_label(label))) for label in labels
        )
        if not known or len(labels) < 2 or len(set(labels)) < len(labels) or not 0 < temperature < math.inf:
            raise ModelError(
                f"{path}: the labels of {name} are {', '.join(map(repr, labels))}; expected two or more "
                f"different ones of {', '.join(EXPRESSIONS)}, and a temperature above 0."
            )
        if len(biases[name]) not in (0, len(labels)) or not all(map(math.isfinite, biases[name])):
            raise ModelError(f"{path}: the logit bias of {name} is {biases[name]}; expected a number for each label.")


def is_valid_label(label: str) -> bool:
    """Whether a label that is no expression of this program can be shown, and be a part of a file's name anywhere."""
    fits = 0 < len(label.encode(errors="replace")) <= _MAX_LABEL_BYTES and not label.startswith(".")
    return fits and label.isprintable() and label == label.strip() and not set(label) & _INVALID_CHARACTERS


def _validate_detector(path: Path, card: dict[str, Any]) -> None:
    try:
        slope, offset = (float(card["score_calibration"][key]) for key in ("slope", "offset"))
        geometry = {key: float(value) for key, value in card["crop_geometry"].items()}
        fusion = card.get("score_fusion", {"classifier": "", "detector_weight": 1, "classifier_weight": 0, "bias": 0})
        weights = [float(fusion[key]) for key in ("detector_weight", "classifier_weight", "bias")]
        fusion["classifier"]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ModelError(f"{path} lacks or garbles a field of a detector: {error}.") from error
    if not 0 < slope < math.inf or not math.isfinite(offset):
        raise ModelError(
            f'{path}: "score_calibration" has the slope {slope} and the offset {offset}; expected a slope above 0.'
        )
    if (
        geometry.keys() != {"scale", "y_offset"}
        or not 0.5 <= geometry["scale"] <= 2
        or not -0.5 <= geometry["y_offset"] <= 0.5
    ):
        raise ModelError(
            f'{path}: "crop_geometry" is {geometry}; expected a scale of 0.5 to 2 and a y_offset of -0.5 to 0.5.'
        )
    if not all(map(math.isfinite, weights)) or weights[0] <= 0 or weights[1] < 0:
        raise ModelError(
            f'{path}: "score_fusion" has the weights {weights}; expected the first above 0, the second not below 0.'
        )


def _validate_generator(path: Path, card: dict[str, Any]) -> None:
    try:
        latent, size, labels = int(card["latent_dim"]), int(card["output"]["size"]), list(card["labels"])
        truncation = float(card["truncation"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"{path} lacks or garbles a field of a generator: {error}.") from error
    if not 1 <= latent <= 4096 or not 8 <= size <= 512 or not 0 <= truncation <= 1:
        raise ModelError(
            f"{path}: {latent} numbers become {size} pixels a side at the truncation {truncation}; expected 1 to 4096, "
            "8 to 512 and 0 to 1."
        )
    known = all(isinstance(label, str) and label in EXPRESSIONS for label in labels)
    if not known or not labels or len(set(labels)) < len(labels):
        raise ModelError(
            f"{path}: the labels are {', '.join(map(repr, labels))}; expected different ones of "
            f"{', '.join(EXPRESSIONS)}."
        )
