"""Model cards: typed, validated descriptions of the networks in model folders, one class per kind of model."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from emotion.errors import ModelError
from emotion.model_store.card_parts import (
    ClassifierInput,
    CropGeometryFields,
    ErrorCalibration,
    FaceHead,
    FileRecord,
    FusionWeights,
    GeneratorOutput,
    GuidanceClassifier,
    Head,
    Labels,
    Record,
    ScoreCalibration,
    check_labels,
)
from emotion.movements import MOVEMENT_NAMES
from emotion.translation.messages import get_message, gettext_noop
from emotion.translation.messages import gettext as _

CARD_FILE: Final = "card.json"
MODEL_KINDS: Final = (
    gettext_noop("classifier"),
    gettext_noop("detector"),
    gettext_noop("features"),
    gettext_noop("generator"),
    gettext_noop("upscaler"),
)
MAX_CARD_BYTES: Final = 1_000_000
_OWN_LABELS: Final = "own"  # the `label_set` of a classifier with the labels of its data set
_FACE_HEAD: Final = "face"  # the name of the face head among the logits, so no expression head may have it


class ModelCard(Record):
    """What the cards of all kinds have in common."""

    network: str | None = None
    num_parameters: int | None = None
    files: dict[str, FileRecord]
    default: bool = False  # whether it is used where a person chooses none
    source_run: str | None = None  # the run of which the model is a copy; None for a built-in model
    derived_from: tuple[str, ...] = ()  # sha256 of the networks that it was converted from
    teachers: tuple[str, ...] = ()  # sha256 of the networks that it was distilled from
    data: Mapping[str, Any] = Field(default_factory=dict)
    metrics: Mapping[str, Any] = Field(default_factory=dict)

    @field_validator("files")
    @classmethod
    def _check_network_file(cls, files: dict[str, FileRecord]) -> dict[str, FileRecord]:
        if "model.onnx" not in files:
            raise ValueError(_('"files" must name model.onnx with its sha256'))
        return files

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that the card file has, as plain JSON values."""
        return self.model_dump(mode="json", exclude_unset=True)


class ClassifierCard(ModelCard):
    """The card of a classifier of expressions."""

    kind: Literal["classifier"]
    input: ClassifierInput
    heads: dict[str, Head]
    default_head: str
    face_head: FaceHead | None = None
    label_set: str | None = None
    quantization: str | None = None

    @model_validator(mode="after")
    def _check_heads(self) -> Self:
        if self.default_head not in self.heads or _FACE_HEAD in self.heads:
            text = _('"default_head" is {head!r}; expected one of the heads {heads}, none named "{reserved}"')
            heads = ", ".join(self.heads)
            raise ValueError(text.format(head=self.default_head, heads=heads, reserved=_FACE_HEAD))
        for name, head in self.heads.items():
            check_labels(head.labels, allow_own=self.label_set == _OWN_LABELS, head=name)
        outputs = [head.output for head in self.heads.values()]
        outputs += [head.cam_output for head in self.heads.values() if head.cam_output is not None]
        outputs += [self.face_head.output] if self.face_head is not None else []
        if len(set(outputs)) < len(outputs):
            text = _("the outputs are {outputs}; expected a different name for each head")
            raise ValueError(text.format(outputs=", ".join(outputs)))
        return self


class DetectorCard(ModelCard):
    """The card of a face detector."""

    kind: Literal["detector"]
    score_calibration: ScoreCalibration
    crop_geometry: CropGeometryFields
    score_fusion: FusionWeights | None = None


class FeaturesCard(ModelCard):
    """The card of a network that estimates points, head pose and movements.

    Attributes:
        input: What it reads.
        movements: Their names in the order of its output.
        shown_movements: Those that follow the teacher well enough to be shown.
        error_calibration: Of its expected errors.
        quantization: "int8" or None.
    """

    kind: Literal["features"]
    input: ClassifierInput
    movements: Labels
    shown_movements: tuple[str, ...]
    error_calibration: ErrorCalibration
    quantization: str | None = None

    @model_validator(mode="after")
    def _check_movements(self) -> Self:
        unknown = [name for name in (*self.movements, *self.shown_movements) if name not in MOVEMENT_NAMES]
        if unknown or not set(self.shown_movements) <= set(self.movements):
            text, wrong = _("the movements are {movements}; expected some of {names}"), unknown or self.shown_movements
            raise ValueError(text.format(movements=", ".join(wrong), names=", ".join(MOVEMENT_NAMES)))
        return self


class GeneratorCard(ModelCard):
    """The card of a generator of synthetic faces."""

    kind: Literal["generator"]
    latent_dim: Annotated[int, Field(ge=1, le=4096)]
    labels: Labels
    output: GeneratorOutput
    truncation: Annotated[float, Field(ge=0, le=1)]
    guidance_classifier: GuidanceClassifier | None = None
    sheet_epochs: tuple[int, ...] = ()
    best_epoch: int | None = None

    @model_validator(mode="after")
    def _check_own_labels(self) -> Self:
        check_labels(self.labels, allow_own=False)
        return self


class UpscalerCard(ModelCard):
    """The card of a network that enlarges gray faces.

    Attributes:
        input: What it reads.
        output: What it returns, of a multiple of the input's size.
    """

    kind: Literal["upscaler"]
    input: ClassifierInput
    output: GeneratorOutput


# By the error types of pydantic, whose own messages name Python types.
_EXPECTATIONS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), gettext_noop("a whole number")),
    **dict.fromkeys(("float_type", "float_parsing"), gettext_noop("a number")),
    **dict.fromkeys(("dict_type", "model_type", "mapping_type"), gettext_noop("an object with fields")),
    **dict.fromkeys(("bool_type", "bool_parsing"), gettext_noop("true or false")),
    "finite_number": gettext_noop("a finite number"),
    "greater_than": gettext_noop("a number above {gt}"),
    "greater_than_equal": gettext_noop("a number of at least {ge}"),
    "less_than": gettext_noop("a number below {lt}"),
    "less_than_equal": gettext_noop("a number of at most {le}"),
    "string_type": gettext_noop("text"),
    "tuple_type": gettext_noop("a list"),
    "too_short": gettext_noop("a list of at least {min_length}"),
    "extra_forbidden": gettext_noop("no field of this name"),
}

_OTHER_VALUE: Final = gettext_noop("another value")

Card = ClassifierCard | DetectorCard | FeaturesCard | GeneratorCard | UpscalerCard
_CARD_TYPES: Final[Mapping[str, type[Card]]] = {
    "classifier": ClassifierCard,
    "detector": DetectorCard,
    "features": FeaturesCard,
    "generator": GeneratorCard,
    "upscaler": UpscalerCard,
}


def parse_card(path: Path, fields: object) -> Card:
    """Validate the fields of a card.

    Args:
        path: The card file that the error names.
        fields: What the JSON of the file holds.

    Raises:
        ModelError: A field is missing or wrong; it names the first one, its value and what is expected.
    """
    kind = fields.get("kind") if isinstance(fields, Mapping) else None
    if kind not in MODEL_KINDS:
        raise make_kind_error(path)
    try:
        return _CARD_TYPES[kind].model_validate(fields)
    except ValidationError as error:
        text = _("{path}: {problem}.")
        raise ModelError(text.format(path=path, problem=_describe_validation_error(error, kind))) from error


def make_kind_error(path: Path) -> ModelError:
    """Return the error of a card file that names no kind of model."""
    text = _('{path}: "kind" is missing or unknown; expected one of {kinds}.')
    return ModelError(text.format(path=path, kinds=", ".join(MODEL_KINDS)))


def _describe_validation_error(error: ValidationError, kind: str) -> str:
    first = error.errors(include_url=False)[0]
    field, context = reprlib.repr(".".join(map(str, first["loc"]))), first.get("ctx", {})
    if first["type"] == "value_error":  # of the validators above
        return get_message(context["error"])
    if first["type"] == "missing":
        text = _("the field {field} of a {kind} is missing; fetch the model again")
        return text.format(field=field, kind=_(kind))
    expected = _(_EXPECTATIONS.get(first["type"], _OTHER_VALUE)).format(**context)
    return _("the field {field} is {value}; expected {expected}").format(
        field=field, value=reprlib.repr(first["input"]), expected=expected
    )
