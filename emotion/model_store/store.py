"""Models on disk, each a finished run with its card: find, verify and open them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from emotion.errors import ModelError
from emotion.model_store.card import _MAX_CARD_BYTES, CARD_FILE, MODEL_KINDS, Head, validate_card
from emotion.storage import PROJECT_ROOT

BUILTIN_MODELS: Final = PROJECT_ROOT / "models"


@dataclass(frozen=True)
class ModelBundle:
    """A verified model folder: every file that its card names is there and has the sha256 of the card."""

    folder: Path
    card: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def kind(self) -> str:
        """One of `MODEL_KINDS`."""
        return self.card["kind"]

    @property
    def onnx_path(self) -> Path:
        """The exported network."""
        return self.folder / "model.onnx"

    @property
    def sha256(self) -> str:
        """Of the exported network; goes into every receipt."""
        return self.card["files"]["model.onnx"]["sha256"]

    @property
    def lineage(self) -> set[str]:
        """The sha256 of this network, of those that it was made from by other means than learning, and of those that
        taught it."""
        return {self.sha256, *self.card.get("derived_from", ()), *self.card.get("teachers", ())}

    @property
    def source_run(self) -> str:
        """The run that it is a copy of, "" for a built-in model."""
        return str(self.card.get("source_run") or "")

    @property
    def input_size(self) -> int:
        """Side in pixels of what the network reads."""
        return int(self.card["input"]["size"])

    @property
    def heads(self) -> dict[str, Head]:
        """The answers of a classifier by name."""
        return {name: Head.from_dict(facts) for name, facts in self.card["heads"].items()}

    @property
    def default_head(self) -> str:
        """The answer that people see unless they choose another."""
        return self.card["default_head"]


def open_model(folder: Path | str) -> ModelBundle:
    """Read and verify one model folder; `ModelError` says what is wrong with it."""
    folder = Path(folder)
    return _verify_model(folder, _read_card(folder))


def _read_card(folder: Path) -> dict[str, Any]:
    path = folder / CARD_FILE
    if not os.path.isfile(path):  # unlike that of `Path`, it is only False where nobody may look
        raise ModelError(f"There is no {CARD_FILE} in {folder} that can be read; a model is a folder with one.")
    if path.stat().st_size > _MAX_CARD_BYTES:
        raise ModelError(f"{path} has {path.stat().st_size} bytes; a card has at most {_MAX_CARD_BYTES}.")
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise ModelError(f"{path} is not readable JSON; fetch the model again.") from error
    if not isinstance(card, dict) or card.get("kind") not in MODEL_KINDS:
        raise ModelError(f'{path}: "kind" is missing or unknown; expected one of {", ".join(MODEL_KINDS)}.')
    return card


def _verify_model(folder: Path, card: dict[str, Any]) -> ModelBundle:
    _verify_files(folder, card)
    validate_card(folder / CARD_FILE, card)
    return ModelBundle(folder, card)


def _verify_files(folder: Path, card: dict[str, Any]) -> None:
    files = card.get("files")
    if not isinstance(files, dict) or "model.onnx" not in files:
        raise ModelError(f'{folder / CARD_FILE}: "files" must name model.onnx with its sha256.')
    for name, facts in files.items():
        try:
            digest = compute_sha256(folder / name) if Path(name).name == name and (folder / name).is_file() else None
        except OSError as error:  # also a name that is too long for the disk
            raise ModelError(
                f"{name:.60} of the model {folder.name} cannot be read ({error.strerror}); fetch the model again."
            ) from error
        if digest is None:
            raise ModelError(f"The model {folder.name} lacks its file {name}; fetch it again.")
        if digest != (facts.get("sha256") if isinstance(facts, dict) else None):
            raise ModelError(
                f"{name} of the model {folder.name} is not the file that its card describes (sha256 differs); "
                "fetch the model again."
            )


def compute_sha256(path: Path) -> str:
    """The sha256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class ModelListing(NamedTuple):
    """The usable models of some folders, the one to use first, and a sentence for each one that is not usable."""

    models: list[ModelBundle]
    errors: list[str]


def list_models(kind: str, *folders: Path) -> ModelListing:
    """Find and verify the models of a kind.

    Args:
        kind: One of `MODEL_KINDS`: "classifier", "detector" or "generator".
        folders: Folders that hold model folders; the built-in models for none.

    Returns:
        The usable models: the copy of a run that was made the default, else the built-in default; then the other
        built-in ones and the other copies by name. Its errors include those of models of an unknown kind.

    Raises:
        ModelError: There is no such kind.
    """
    if kind not in MODEL_KINDS:
        raise ModelError(f"The kind of a model is {kind!r}; expected one of {', '.join(MODEL_KINDS)}.")
    good, bad = [], []
    for folder in _iter_model_folders(folders or (BUILTIN_MODELS,)):
        try:
            card = _read_card(folder)
            if card["kind"] == kind:  # hashing the files of the others takes its time
                good.append(_verify_model(folder, card))
        except ModelError as error:
            bad.append(str(error))
    return ModelListing(sorted(good, key=_sort_key), bad)


def _sort_key(bundle: ModelBundle) -> tuple[bool, bool, str]:
    default, copied = bool(bundle.card.get("default")), bool(bundle.source_run)
    return not default, copied != default, bundle.name


def _iter_model_folders(folders: tuple[Path, ...]) -> Iterator[Path]:
    for place in folders:
        if os.path.isdir(place):
            yield from sorted(p.parent for p in place.glob(f"*/{CARD_FILE}") if not p.parent.name.startswith("."))


def get_default_model(kind: str, *folders: Path) -> ModelBundle:
    """The model of a kind to use when nobody chose one; `ModelError` where there is none."""
    good, bad = list_models(kind, *folders)
    if not good:
        raise ModelError(
            " ".join(bad) or f"There is no {kind} in {(folders or (BUILTIN_MODELS,))[0]}; train one first."
        )
    return good[0]
