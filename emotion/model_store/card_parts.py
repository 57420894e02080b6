"""The parts of model cards: files, heads, inputs and calibrations, and which labels are valid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from emotion.expressions import EXPRESSIONS
from emotion.translation.messages import gettext as _

_MAX_LABEL_BYTES: Final = 100
_INVALID_CHARACTERS: Final = frozenset('<>:"/\\|?*')  # not allowed in file names on some systems

ImageSize = Annotated[int, Field(ge=8, le=512)]  # pixels on each side
Labels = Annotated[tuple[str, ...], Field(min_length=1)]
PositiveFloat = Annotated[FiniteFloat, Field(gt=0)]


class Record(BaseModel):
    """A part of a card; fields of a card that no class declares are kept."""

    model_config = ConfigDict(frozen=True, extra="allow")


class FileRecord(Record):
    """A file of the model folder, as it was when the card was written."""

    sha256: str


class Head(Record):
    """One output of a classifier with its labels.

    Attributes:
        output: The name of the network output with the logits.
        labels: The labels in the order of the output.
        temperature: The divisor of the logits, fitted on the validation split.
        logit_bias: A number for each label that is added to its logit after the division; None for none.
        cam_output: The name of the output with the class activation maps; None where the network has none.
        prior: The share of each label in the training targets, where the head was trained as if all were equally
            frequent; None otherwise.
    """

    output: str
    labels: Annotated[tuple[str, ...], Field(min_length=2)]
    temperature: PositiveFloat
    logit_bias: tuple[FiniteFloat, ...] | None = None
    cam_output: str | None = None
    prior: tuple[Annotated[float, Field(ge=0, le=1)], ...] | None = None

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        bias = _("a head has {labels} labels and a logit bias of {numbers} numbers; expected a number for each label")
        prior = _("a head has {labels} labels and a prior of {numbers} numbers; expected a number for each label")
        for text, values in ((bias, self.logit_bias), (prior, self.prior)):
            if values is not None and len(values) != len(self.labels):
                raise ValueError(text.format(labels=len(self.labels), numbers=len(values)))
        return self


class FaceHead(Record):
    """The output of a classifier that distinguishes faces from other images, and its probability threshold."""

    output: str
    threshold: Annotated[float, Field(gt=0, lt=1)]


class ClassifierInput(Record):
    """What a classifier reads: square images of `size` pixels."""

    size: ImageSize


class ScoreCalibration(Record):
    """The logistic function that turns a detector's score logit into a probability (Platt 1999)."""

    slope: PositiveFloat
    offset: FiniteFloat


class CropGeometryFields(BaseModel):
    """How a detector's boxes relate to the classifier's crops, see `recognition.cropping.CropGeometry`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: Annotated[float, Field(ge=0.5, le=2)]
    y_offset: Annotated[float, Field(ge=-0.5, le=0.5)]


class FusionWeights(Record):
    """The logistic regression over the logits of a detector and of the classifier with the sha256 `classifier`."""

    classifier: str
    detector_weight: PositiveFloat
    classifier_weight: Annotated[FiniteFloat, Field(ge=0)]
    bias: FiniteFloat


class GuidanceClassifier(Record):
    """The classifier whose loss, times `weight`, was part of a generator's training."""

    name: str = ""
    sha256: str
    weight: float


class GeneratorOutput(Record):
    """What a generator or an upscaler makes: square images of `size` pixels."""

    size: ImageSize


class ErrorCalibration(Record):
    """Factors by which the expected errors of a features network are multiplied, fitted on the validation split."""

    points: PositiveFloat
    pose: PositiveFloat
    movements: PositiveFloat


def is_valid_label(label: str) -> bool:
    """Whether a label that is no expression of this program can be displayed, and be part of a file name anywhere."""
    fits = 0 < len(label.encode(errors="replace")) <= _MAX_LABEL_BYTES and not label.startswith(".")
    return fits and label.isprintable() and label == label.strip() and not set(label) & _INVALID_CHARACTERS


def check_labels(labels: Sequence[str], *, allow_own: bool, head: str | None = None) -> None:
    """Raise `ValueError` where labels repeat, or are no expressions or, with `allow_own`, no valid labels."""
    is_known = all(label in EXPRESSIONS or (allow_own and is_valid_label(label)) for label in labels)
    if not is_known or len(set(labels)) < len(labels):
        text = (
            _("the labels are {labels}; expected different ones of {names}")
            if head is None
            else _("the labels of {head} are {labels}; expected different ones of {names}")
        )
        raise ValueError(text.format(head=head, labels=", ".join(map(repr, labels)), names=", ".join(EXPRESSIONS)))
