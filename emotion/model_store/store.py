"""Models on disk, each a finished run with its card: find, verify and open."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from emotion.environment import MODELS_FOLDER, get_workspace
from emotion.errors import ModelError
from emotion.model_store.card import (
    CARD_FILE,
    MAX_CARD_BYTES,
    MODEL_KINDS,
    Card,
    ClassifierCard,
    DetectorCard,
    FeaturesCard,
    GeneratorCard,
    ModelCard,
    UpscalerCard,
    make_kind_error,
    parse_card,
)
from emotion.model_store.card_parts import Head
from emotion.model_store.onnx_file import find_external_files
from emotion.storage import PROJECT_ROOT
from emotion.translation.messages import get_message, gettext_noop
from emotion.translation.messages import gettext as _

BUILTIN_MODELS: Final = MODELS_FOLDER
NETWORK_FILE: Final = "model.onnx"
KERAS_FILE: Final = "model.keras"

_CardT = TypeVar("_CardT", bound=ModelCard)


def get_user_models() -> Path:
    """Return the folder that models are installed into: that of the built-in models where it is in the workspace."""
    workspace = get_workspace()
    return BUILTIN_MODELS if workspace == PROJECT_ROOT else workspace / "models"


def get_model_folders(builtin_folder: Path | None = None) -> tuple[Path, ...]:
    """Return the folder of the built-in models, and that of the installed ones where it is another one."""
    builtin, user = builtin_folder or BUILTIN_MODELS, get_user_models()
    return (builtin,) if user == BUILTIN_MODELS else (builtin, user)


@dataclass(frozen=True)
class ModelBundle:
    """A model folder with its card; `open_model` verifies that each file of the card has its sha256."""

    folder: Path
    card: Card

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.folder.name

    @property
    def kind(self) -> str:
        """One of `MODEL_KINDS`."""
        return self.card.kind

    @property
    def card_fields(self) -> dict[str, Any]:
        """The fields of the card file as plain JSON values."""
        return self.card.to_dict()

    @property
    def onnx_path(self) -> Path:
        """The exported network."""
        return self.folder / NETWORK_FILE

    @property
    def keras_path(self) -> Path:
        """The trained network; `ModelError` where the card does not name it, so that its sha256 was not checked."""
        if KERAS_FILE not in self.card.files:
            text = _("The card of {folder} names no {file}; choose another model.")
            raise ModelError(text.format(folder=self.folder, file=KERAS_FILE))
        return self.folder / KERAS_FILE

    @property
    def sha256(self) -> str:
        """The sha256 of the exported network, which identifies the model in provenance records."""
        return self.card.files[NETWORK_FILE].sha256

    @property
    def lineage(self) -> set[str]:
        """The sha256 of this network, of those that it was converted from and of those that it was distilled from."""
        return {self.sha256, *self.card.derived_from, *self.card.teachers}

    @property
    def source_run(self) -> str:
        """The run that it is a copy of, "" for a built-in model."""
        return self.card.source_run or ""

    @property
    def input_size(self) -> int:
        """The side in pixels of the images that a classifier reads."""
        return self.classifier_card.input.size

    @property
    def heads(self) -> dict[str, Head]:
        """The heads of a classifier by name."""
        return self.classifier_card.heads

    @property
    def default_head(self) -> str:
        """The head of a classifier that is used where a person chooses none."""
        return self.classifier_card.default_head

    def _require(self, card_type: type[_CardT], problem: str) -> _CardT:
        """Return the card where it is of a type, else raise `ModelError` with the problem."""
        if not isinstance(self.card, card_type):
            raise ModelError(_(problem).format(folder=self.folder, kind=_(self.kind)))
        return self.card

    @property
    def classifier_card(self) -> ClassifierCard:
        """The card of a classifier; `ModelError` for a model of another kind."""
        return self._require(ClassifierCard, gettext_noop("{folder} is a {kind}; expected a classifier."))

    @property
    def detector_card(self) -> DetectorCard:
        """The card of a detector; `ModelError` for a model of another kind."""
        return self._require(DetectorCard, gettext_noop("{folder} is a {kind}; expected a detector."))

    @property
    def features_card(self) -> FeaturesCard:
        """The card of a features network; `ModelError` for a model of another kind."""
        return self._require(FeaturesCard, gettext_noop("{folder} is a {kind}; expected a features network."))

    @property
    def generator_card(self) -> GeneratorCard:
        """The card of a generator; `ModelError` for a model of another kind."""
        return self._require(GeneratorCard, gettext_noop("{folder} is a {kind}; expected a generator."))

    @property
    def upscaler_card(self) -> UpscalerCard:
        """The card of an upscaler; `ModelError` for a model of another kind."""
        return self._require(UpscalerCard, gettext_noop("{folder} is a {kind}; expected an upscaler."))


def open_model(folder: Path | str) -> ModelBundle:
    """Read and verify a model folder.

    Raises:
        ModelError: The card or one of its files is missing, damaged or does not fit this program.
    """
    folder = Path(folder)
    return _verify_model(folder, _read_card(folder))


def _read_card(folder: Path) -> dict[str, Any]:
    path = folder / CARD_FILE
    if not os.path.isfile(path):  # unlike `Path.is_file`, it returns False without the permission to look
        text = _("There is no {file} in {folder} that can be read; a model is a folder with one.")
        raise ModelError(text.format(file=CARD_FILE, folder=folder))
    if (size := path.stat().st_size) > MAX_CARD_BYTES:
        text = _("{path} has {size} bytes; a card has at most {maximum}.")
        raise ModelError(text.format(path=path, size=size, maximum=MAX_CARD_BYTES))
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise ModelError(_("{path} is not readable JSON; fetch the model again.").format(path=path)) from error
    if not isinstance(fields, dict) or fields.get("kind") not in MODEL_KINDS:
        raise make_kind_error(path)
    return fields


def _verify_model(folder: Path, fields: dict[str, Any]) -> ModelBundle:
    card = parse_card(folder / CARD_FILE, fields)
    for name, record in card.files.items():
        _verify_file(folder, name, record.sha256)
    _check_external_files(folder, card)
    return ModelBundle(folder, card)


def _check_external_files(folder: Path, card: Card) -> None:
    """Refuse a network that reads files which the card does not name, so that their sha256 is not checked."""
    try:
        external = find_external_files(folder / NETWORK_FILE)
    except (OSError, ValueError) as error:
        text = _("{file} of the model {model} is damaged ({reason}); fetch it again.")
        raise ModelError(text.format(file=NETWORK_FILE, model=folder.name, reason=get_message(error))) from error
    unnamed = sorted(external - set(card.files))
    if unnamed:
        text = _(
            "The network of the model {model} reads the file {file:.60}, which its card does not name; fetch the model "
            "again."
        )
        raise ModelError(text.format(model=folder.name, file=repr(unnamed[0])))


def _verify_file(folder: Path, name: str, sha256: str) -> None:
    try:
        digest = compute_sha256(folder / name) if Path(name).name == name and (folder / name).is_file() else None
    except OSError as error:  # also a name that is too long for the file system
        text = _("{file:.60} of the model {model} cannot be read ({reason}); fetch the model again.")
        raise ModelError(text.format(file=name, model=folder.name, reason=error.strerror)) from error
    if digest is None:
        text = _("The model {model} lacks its file {file}; fetch it again.")
        raise ModelError(text.format(model=folder.name, file=name))
    if digest != sha256:
        text = _(
            "{file} of the model {model} is not the file that its card describes (sha256 differs); fetch the model "
            "again."
        )
        raise ModelError(text.format(file=name, model=folder.name))


def compute_sha256(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class ModelListing(NamedTuple):
    """The usable models of some folders, the one to use first, and a sentence for each one that is not usable."""

    models: list[ModelBundle]
    errors: list[str]


def list_models(kind: str, *folders: Path) -> ModelListing:
    """Find and verify the models of a kind.

    Args:
        kind: One of `MODEL_KINDS`: "classifier", "detector", "features", "generator" or "upscaler".
        folders: Folders that hold model folders; the built-in models for none.

    Returns:
        The usable models: the copy of a run that was made the default, else the built-in default; then the other
        built-in ones and the other copies by name. Its errors include those of models of an unknown kind.

    Raises:
        ModelError: There is no such kind.
    """
    if kind not in MODEL_KINDS:
        raise ModelError(f"The kind of a model is {kind!r}; expected one of {', '.join(MODEL_KINDS)}.")
    models, errors = [], []
    for folder in _iter_model_folders(folders or get_model_folders()):
        try:
            fields = _read_card(folder)
            if fields["kind"] == kind:  # hashing the files of other kinds takes time
                models.append(_verify_model(folder, fields))
        except ModelError as error:
            errors.append(get_message(error))
    return ModelListing(sorted(models, key=_sort_key), errors)


def _sort_key(bundle: ModelBundle) -> tuple[bool, bool, str]:
    is_default, is_copy = bundle.card.default, bool(bundle.source_run)
    return not is_default, is_copy != is_default, bundle.name


def _iter_model_folders(folders: tuple[Path, ...]) -> Iterator[Path]:
    for folder in folders:
        if os.path.isdir(folder):
            yield from sorted(path.parent for path in folder.glob(f"*/{CARD_FILE}") if path.parent.name[0] != ".")


def get_default_model(kind: str, *folders: Path) -> ModelBundle:
    """Return the first model of `list_models`; `ModelError` where there is none."""
    models, errors = list_models(kind, *folders)
    if not models:
        if not errors:
            folder = (folders or get_model_folders())[0]
            missing = _("There is no model of the kind {kind} in {folder}; train one first.")
            raise ModelError(missing.format(kind=kind, folder=folder))
        raise ModelError(" ".join(errors) if len(errors) > 1 else errors[0])  # one alone can be translated later
    return models[0]
