"""Only those synthetic faces in which a recogniser sees what was asked; and a data set that gets them to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.errors import DataError, EmotionError, ResultFolderError
from emotion.generation.images import face_png
from emotion.generation.sampler import MOST_SEED, Faces, Sampler
from emotion.jobs.result_folder import DATASET, Mark, add_files, complete
from emotion.model_store.store import Bundle
from emotion.recognition.classification import Recogniser, Verdict
from emotion.storage import read_json, write_atomic, write_json

LEAST: Final = 0.7  # probability of what was asked
RECEIPT: Final = "synthetic.json"
_TRIES: Final = 20  # faces drawn for each that is wanted, at most
_BATCH: Final = 64


def taught_by(generator: Bundle, recogniser: Bundle) -> bool:
    """Whether the recogniser, or what it was made from or learned from, had a part in the generator's lessons: what a
    teacher says of its own pupil is worth less than a stranger's word."""
    teacher = generator.card.get("teacher", {})
    return teacher.get("sha256") in recogniser.kin and bool(teacher.get("weight"))


class Accepted(NamedTuple):
    """Faces that passed, grey uint8 (n, size, size), the seed of each, and how many were drawn for them."""

    faces: Faces
    seeds: tuple[int, ...]
    tried: int


def accepted(
    sampler: Sampler, recogniser: Recogniser, expression: str, count: int, *,
    least: float = LEAST, first_seed: int = 0, truncation: float | None = None,
) -> Accepted:  # fmt: skip
    """The first `count` faces from `first_seed` on in which `recogniser` sees `expression` with a probability of at
    least `least`; fewer of them where one in twenty is not enough. Raises `EmotionError` where nothing is asked for."""
    if count < 1 or not 0 <= least <= 1:
        raise EmotionError(f"{count} faces from {least} on were asked for; expected 1 or more and 0 to 1.")
    head = _head_with(recogniser, expression)
    faces, seeds, tried = list[NDArray[np.uint8]](), list[int](), 0
    while len(seeds) < count and tried < _TRIES * count:
        some = [(first_seed + tried + i) % (MOST_SEED + 1) for i in range(_BATCH)]
        drawn = sampler.sample(some, expression, truncation)
        for seed, face, share in zip(some, drawn, _seen(recogniser, head, drawn, expression), strict=True):
            tried += 1
            if share >= least:
                faces.append(face)
                seeds.append(seed)
            if len(seeds) == count or tried == _TRIES * count:
                break
    empty = np.empty((0, sampler.size, sampler.size), np.uint8)
    return Accepted(np.stack(faces) if faces else empty, tuple(seeds), tried)


def _head_with(recogniser: Recogniser, expression: str) -> str:
    for name, head in recogniser.bundle.heads.items():
        if expression in head.labels:
            return name
    raise EmotionError(f"The recogniser {recogniser.bundle.name} does not know {expression!r}; choose another one.")


def _seen(recogniser: Recogniser, head: str, faces: Faces, expression: str) -> list[float]:
    return [verdict.scores[expression] for verdict in _verdicts(recogniser, head, faces)]


def _verdicts(recogniser: Recogniser, head: str, faces: Faces) -> Sequence[Verdict]:
    size = recogniser.size
    crops = np.stack([cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA) for face in faces])
    return recogniser.classify(crops.astype(np.uint8), head)


def people(
    sampler: Sampler, recogniser: Recogniser, count: int, *, among: int = 96, truncation: float | None = None
) -> tuple[int, ...]:
    """The `count` seeds of the first `among` whose faces look most like faces with every expression, best first: what
    counts is the face in which `recogniser` sees least what was asked, or a face at all. Of expressions that it does
    not know nothing is asked."""
    worst = np.ones(among)
    known = {label: name for name, head in reversed(recogniser.bundle.heads.items()) for label in head.labels}
    for label in filter(known.get, sampler.labels):
        drawn = sampler.sample(range(among), label, truncation)
        verdicts = _verdicts(recogniser, known[label], drawn)
        worst = np.minimum(worst, [verdict.scores[label] * verdict.face for verdict in verdicts])
    return tuple(int(seed) for seed in np.argsort(-worst, kind="stable")[:count])


def add_to_training(
    folder: Path, sampler: Sampler, recogniser: Recogniser, expression: str, count: int, *,
    least: float = LEAST, first_seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Write faces that pass into `folder`/train/<expression>/, never into valid or test, and their seeds into
    synthetic.json. `folder` is a data set with that folder, or a new one. Returns what was written of this call."""
    if not 0 <= first_seed <= MOST_SEED:
        raise EmotionError(f"The first seed is {first_seed}; expected 0 to {MOST_SEED}.")
    if folder.exists() and not (folder / "train").is_dir():
        raise DataError(f"{folder} is no data set with a folder train/; make one with prepare, or name a new folder.")
    passed = accepted(sampler, recogniser, expression, count, least=least, first_seed=first_seed)
    if not passed.seeds:
        raise EmotionError(
            f"In none of {passed.tried} faces does {recogniser.bundle.name} see {expression} with {least:.0%}; "
            "ask for less certainty."
        )
    stem = f"train/{expression}/synthetic-{sampler.bundle.sha256[:8]}"
    files = {f"{stem}-{seed}.png": face_png(face) for seed, face in zip(passed.seeds, passed.faces, strict=True)}
    before = (read_json(folder / RECEIPT) or {}).get("added", [])
    for name, png in files.items():
        if (folder / name).exists() and (folder / name).read_bytes() != png:
            raise ResultFolderError(f"{folder / name} is another picture already; move it away, or use other seeds.")
    new = not folder.exists()
    for name, png in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / name, png)
    said = {
        "expression": expression, "seeds": list(passed.seeds), "tried": passed.tried, "least": least,
        "generator": {"name": sampler.bundle.name, "sha256": sampler.bundle.sha256},
        "recogniser": {"name": recogniser.bundle.name, "sha256": recogniser.bundle.sha256},
    }  # fmt: skip
    write_json(folder / RECEIPT, {"added": [*before, said]})
    if new:
        complete(folder, Mark(DATASET))
    else:
        add_files(folder, files)
    return said
