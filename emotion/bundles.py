"""A model on disk: a finished run with a `card.json` that says what it is. Find, verify, describe."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from emotion.errors import ModelError
from emotion.faces import EXPRESSIONS

CARD: Final = "card.json"
KINDS: Final = ("recogniser", "detector", "generator")
SHIPPED: Final = Path(__file__).resolve().parent.parent / "models"
_CARD_BYTES: Final = 1_000_000
_LABEL: Final = 100  # bytes
_UNFIT: Final = frozenset('<>:"/\\|?*')  # what some system has no file names with


@dataclass(frozen=True)
class Head:
    """One answer of a recogniser: `output` of the network, `labels` in its order, softmax `temperature`.

    `offset`: what is added to each logit after the temperature, () for nothing. `map`: the output that tells where in
    the picture its logits come from, "" where there is none.
    """

    output: str
    labels: tuple[str, ...]
    temperature: float
    offset: tuple[float, ...] = ()
    map: str = ""

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Head:
        """The head that a card describes."""
        offset = tuple(map(float, facts.get("offset", ())))
        return cls(facts["output"], tuple(facts["labels"]), float(facts["temperature"]), offset, facts.get("map", ""))


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


def check_facts(path: Path, card: dict[str, Any]) -> None:
    """`ModelError` where a card, said to be in `path`, lacks or garbles what its kind of model needs."""
    if card["kind"] == "recogniser":
        _check_recogniser(path, card)
    if card["kind"] == "detector":
        _check_detector(path, card)
    if card["kind"] == "generator":
        _check_generator(path, card)


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


def _check_recogniser(path: Path, card: dict[str, Any]) -> None:
    try:
        size = int(card["input"]["size"])
        heads = {name: (list(head["labels"]), float(head["temperature"])) for name, head in card["heads"].items()}
        offsets = {name: list(map(float, head.get("offset", ()))) for name, head in card["heads"].items()}
        outputs = [head["output"] for head in card["heads"].values()]
        outputs += [head["map"] for head in card["heads"].values() if "map" in head]
        shown, face = card["shown"], card.get("face")
        threshold = 0.5 if face is None else float(face["threshold"])
        if face is not None:
            outputs.append(face["output"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ModelError(f"{path} lacks or garbles a field of a recogniser: {error}.") from error
    if not 8 <= size <= 512:
        raise ModelError(f"{path}: the input has {size} pixels a side; expected 8 to 512.")
    if not 0 < threshold < 1:
        raise ModelError(f"{path}: the threshold of a face is {threshold}; expected it between 0 and 1.")
    if shown not in list(heads) or "face" in heads:
        raise ModelError(
            f'{path}: "shown" is {shown!r} of the heads {", ".join(heads)}; expected one of them, none "face".'
        )
    if not all(isinstance(output, str) for output in outputs) or len(set(outputs)) < len(outputs):
        raise ModelError(f"{path}: the outputs are {outputs}; expected a different name for each head.")
    own = card.get("label_set") == "own"  # it learned whatever labels a data set had
    for name, (labels, temperature) in heads.items():
        known = all(isinstance(label, str) and (label in EXPRESSIONS or (own and is_word(label))) for label in labels)
        if not known or len(labels) < 2 or len(set(labels)) < len(labels) or not 0 < temperature < math.inf:
            raise ModelError(
                f"{path}: the labels of {name} are {', '.join(map(repr, labels))}; expected two or more "
                f"different ones of {', '.join(EXPRESSIONS)}, and a temperature above 0."
            )
        if len(offsets[name]) not in (0, len(labels)) or not all(map(math.isfinite, offsets[name])):
            raise ModelError(f"{path}: the offsets of {name} are {offsets[name]}; expected a number for each label.")


def is_word(label: str) -> bool:
    """Whether a label that is no expression of this program can be shown, and be a part of a file's name anywhere."""
    fits = 0 < len(label.encode(errors="replace")) <= _LABEL and not label.startswith(".")
    return fits and label.isprintable() and label == label.strip() and not set(label) & _UNFIT


def _check_detector(path: Path, card: dict[str, Any]) -> None:
    try:
        slope, offset = float(card["score"]["slope"]), float(card["score"]["offset"])
        crops = {key: float(value) for key, value in card["crops"].items()}
        confirmed = card.get("confirmation", {"recogniser": "", "detection": 1, "face": 0, "offset": 0})
        weights = [float(confirmed[key]) for key in ("detection", "face", "offset")]
        confirmed["recogniser"]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ModelError(f"{path} lacks or garbles a field of a detector: {error}.") from error
    if not 0 < slope < math.inf or not math.isfinite(offset):
        raise ModelError(f"{path}: the score has the slope {slope} and the offset {offset}; expected a slope above 0.")
    if crops.keys() != {"scale", "down"} or not 0.5 <= crops["scale"] <= 2 or not -0.5 <= crops["down"] <= 0.5:
        raise ModelError(f'{path}: "crops" is {crops}; expected a scale of 0.5 to 2 and down of -0.5 to 0.5.')
    if not all(map(math.isfinite, weights)) or weights[0] <= 0 or weights[1] < 0:
        raise ModelError(
            f'{path}: "confirmation" has the weights {weights}; expected the first above 0, the second not below.'
        )


def _check_generator(path: Path, card: dict[str, Any]) -> None:
    try:
        latent, size, labels = int(card["latent"]), int(card["output"]["size"]), list(card["labels"])
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


def sha256_of(path: Path) -> str:
    """The sha256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_bundles(kind: str, *places: Path) -> tuple[list[Bundle], list[str]]:
    """The usable models of a kind below `places` (default: the shipped ones), and a sentence for each bad one and
    for each whose kind cannot be told.

    The default one comes first, then by name, so that the first is the one to use.
    """
    good, bad = [], []
    for folder in _folders(places or (SHIPPED,)):
        try:
            card = _read_card(folder)
            if card["kind"] == kind:  # hashing the files of the others takes its time
                good.append(_verified(folder, card))
        except ModelError as error:
            bad.append(str(error))
    return sorted(good, key=lambda b: (not b.card.get("default", False), b.name)), bad


def _folders(places: tuple[Path, ...]) -> Iterator[Path]:
    for place in places:
        if os.path.isdir(place):
            yield from sorted(p.parent for p in place.glob(f"[!.]*/{CARD}"))


def default_bundle(kind: str, *places: Path) -> Bundle:
    """The model of a kind to use when nobody chose one; `ModelError` where there is none."""
    good, bad = find_bundles(kind, *places)
    if not good:
        raise ModelError(" ".join(bad) or f"There is no {kind} in {(places or (SHIPPED,))[0]}; train one first.")
    return good[0]
