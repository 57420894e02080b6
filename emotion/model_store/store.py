"""Models on disk, each a finished run with its card: find, verify and open them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from emotion.errors import ModelError
from emotion.model_store.card import _CARD_BYTES, CARD, KINDS, Head, check_facts
from emotion.storage import PROJECT_ROOT

SHIPPED: Final = PROJECT_ROOT / "models"


@dataclass(frozen=True)
class Bundle:
    """A verified model folder: every file that its card names is there and has the sha256 of the card."""

    folder: Path
    card: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def kind(self) -> str:
        """One of `KINDS`."""
        return self.card["kind"]

    @property
    def network(self) -> Path:
        """The exported network."""
        return self.folder / "model.onnx"

    @property
    def sha256(self) -> str:
        """Of the exported network; goes into every receipt."""
        return self.card["files"]["model.onnx"]["sha256"]

    @property
    def kin(self) -> set[str]:
        """The sha256 of this network, of those that it was made from by other means than learning, and of those that
        taught it."""
        return {self.sha256, *self.card.get("made_from", ()), *self.card.get("teachers", ())}

    @property
    def used_from(self) -> str:
        """The run that it is a copy of, "" for a built-in model."""
        return str(self.card.get("used_from") or "")

    @property
    def input_size(self) -> int:
        """Side in pixels of what the network reads."""
        return int(self.card["input"]["size"])

    @property
    def heads(self) -> dict[str, Head]:
        """The answers of a recogniser by name."""
        return {name: Head.of(facts) for name, facts in self.card["heads"].items()}

    @property
    def shown_head(self) -> str:
        """The answer that people see unless they choose another."""
        return self.card["shown"]


def open_bundle(folder: Path | str) -> Bundle:
    """Read and verify one model folder; `ModelError` says what is wrong with it."""
    folder = Path(folder)
    return _verified(folder, _read_card(folder))


def _read_card(folder: Path) -> dict[str, Any]:
    path = folder / CARD
    if not os.path.isfile(path):  # unlike that of `Path`, it is only False where nobody may look
        raise ModelError(f"There is no {CARD} in {folder} that can be read; a model is a folder with one.")
    if path.stat().st_size > _CARD_BYTES:
        raise ModelError(f"{path} has {path.stat().st_size} bytes; a card has at most {_CARD_BYTES}.")
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise ModelError(f"{path} is not readable JSON; fetch the model again.") from error
    if not isinstance(card, dict) or card.get("kind") not in KINDS:
        raise ModelError(f'{path}: "kind" is missing or unknown; expected one of {", ".join(KINDS)}.')
    return card


def _verified(folder: Path, card: dict[str, Any]) -> Bundle:
    _check_files(folder, card)
    check_facts(folder / CARD, card)
    return Bundle(folder, card)


def _check_files(folder: Path, card: dict[str, Any]) -> None:
    files = card.get("files")
    if not isinstance(files, dict) or "model.onnx" not in files:
        raise ModelError(f'{folder / CARD}: "files" must name model.onnx with its sha256.')
    for name, facts in files.items():
        try:
            digest = sha256_of(folder / name) if Path(name).name == name and (folder / name).is_file() else None
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


def sha256_of(path: Path) -> str:
    """The sha256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_bundles(kind: str, *places: Path) -> tuple[list[Bundle], list[str]]:
    """The usable models of a kind below `places` (default: the shipped ones), and a sentence for each bad one and
    for each whose kind cannot be told.

    The first is the one to use: a copy of a run that was made the default, else the built-in default. Then come the
    other built-in ones and the other copies, by name.
    """
    good, bad = [], []
    for folder in _folders(places or (SHIPPED,)):
        try:
            card = _read_card(folder)
            if card["kind"] == kind:  # hashing the files of the others takes its time
                good.append(_verified(folder, card))
        except ModelError as error:
            bad.append(str(error))
    return sorted(good, key=_order), bad


def _order(bundle: Bundle) -> tuple[bool, bool, str]:
    default, copied = bool(bundle.card.get("default")), bool(bundle.used_from)
    return not default, copied != default, bundle.name


def _folders(places: tuple[Path, ...]) -> Iterator[Path]:
    for place in places:
        if os.path.isdir(place):
            yield from sorted(p.parent for p in place.glob(f"*/{CARD}") if not p.parent.name.startswith("."))


def default_bundle(kind: str, *places: Path) -> Bundle:
    """The model of a kind to use when nobody chose one; `ModelError` where there is none."""
    good, bad = find_bundles(kind, *places)
    if not good:
        raise ModelError(" ".join(bad) or f"There is no {kind} in {(places or (SHIPPED,))[0]}; train one first.")
    return good[0]
