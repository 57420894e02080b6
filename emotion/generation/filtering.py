"""Only those synthetic faces in which a classifier sees what was asked; and a data set that gets them to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.errors import DataError, EmotionError, ResultFolderError
from emotion.generation.images import encode_face_png
from emotion.generation.sampler import MAX_SEED, FaceImages, Sampler
from emotion.jobs.result_folder import DATASET, ResultManifest, add_files, complete_result
from emotion.model_store.store import ModelBundle
from emotion.recognition.classification import ExpressionClassifier, Prediction
from emotion.storage import read_json, write_atomic, write_json

MIN_PROB: Final = 0.7  # probability of what was asked
PROVENANCE_FILE: Final = "synthetic_faces.json"
_MAX_DRAWS_PER_FACE: Final = 20  # faces drawn for each that is wanted, at most
_BATCH_SIZE: Final = 64


def is_guidance_relative(generator: ModelBundle, classifier: ModelBundle) -> bool:
    """Whether the classifier, or what it was made from or learned from, had a part in the generator's lessons: what a
    teacher says of its own pupil is worth less than a stranger's word."""
    guidance = generator.generator_card.guidance_classifier
    return guidance is not None and guidance.sha256 in classifier.lineage and bool(guidance.weight)


class AcceptedFaces(NamedTuple):
    """Faces that passed, grey uint8 (n, size, size), the seed of each, and how many were drawn for them."""

    faces: FaceImages
    seeds: tuple[int, ...]
    num_drawn: int


def sample_accepted(
    sampler: Sampler,
    classifier: ExpressionClassifier,
    expression: str,
    num_faces: int,
    *,
    min_prob: float = MIN_PROB,
    first_seed: int = 0,
    truncation: float | None = None,
) -> AcceptedFaces:
    """The first `count` faces from `first_seed` on in which `classifier` sees `expression` with a probability of at
    least `min_prob`; fewer of them where one in twenty is not enough. Raises `EmotionError` where nothing is asked for."""
    if num_faces < 1 or not 0 <= min_prob <= 1:
        raise EmotionError(f"{num_faces} faces from {min_prob} on were asked for; expected 1 or more and 0 to 1.")
    head = _find_head(classifier, expression)
    faces, seeds, tried = list[NDArray[np.uint8]](), list[int](), 0
    while len(seeds) < num_faces and tried < _MAX_DRAWS_PER_FACE * num_faces:
        some = [(first_seed + tried + i) % (MAX_SEED + 1) for i in range(_BATCH_SIZE)]
        drawn = sampler.sample(some, expression, truncation)
        for seed, face, share in zip(some, drawn, _predict_probs(classifier, head, drawn, expression), strict=True):
            tried += 1
            if share >= min_prob:
                faces.append(face)
                seeds.append(seed)
            if len(seeds) == num_faces or tried == _MAX_DRAWS_PER_FACE * num_faces:
                break
    empty = np.empty((0, sampler.image_size, sampler.image_size), np.uint8)
    return AcceptedFaces(np.stack(faces) if faces else empty, tuple(seeds), tried)


def _find_head(classifier: ExpressionClassifier, expression: str) -> str:
    for name, head in classifier.bundle.heads.items():
        if expression in head.labels:
            return name
    raise EmotionError(f"The classifier {classifier.bundle.name} does not know {expression!r}; choose another one.")


def _predict_probs(classifier: ExpressionClassifier, head: str, faces: FaceImages, expression: str) -> list[float]:
    return [verdict.scores[expression] for verdict in _predict(classifier, head, faces)]


def _predict(classifier: ExpressionClassifier, head: str, faces: FaceImages) -> Sequence[Prediction]:
    size = classifier.input_size
    crops = np.stack([cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA) for face in faces])
    return classifier.predict(crops.astype(np.uint8), head)


def best_seeds(
    sampler: Sampler,
    classifier: ExpressionClassifier,
    num_seeds: int,
    *,
    num_candidates: int = 96,
    truncation: float | None = None,
) -> tuple[int, ...]:
    """The `count` seeds of the first `num_candidates` whose faces look most like faces with every expression, best first: what
    counts is the face in which `classifier` sees least what was asked, or a face at all. Of expressions that it does
    not know nothing is asked."""
    worst = np.ones(num_candidates)
    known = {label: name for name, head in reversed(classifier.bundle.heads.items()) for label in head.labels}
    for label in filter(known.get, sampler.labels):
        drawn = sampler.sample(range(num_candidates), label, truncation)
        verdicts = _predict(classifier, known[label], drawn)
        worst = np.minimum(worst, [verdict.scores[label] * verdict.face_prob for verdict in verdicts])
    return tuple(int(seed) for seed in np.argsort(-worst, kind="stable")[:num_seeds])


def add_to_dataset(
    folder: Path,
    sampler: Sampler,
    classifier: ExpressionClassifier,
    expression: str,
    num_faces: int,
    *,
    min_prob: float = MIN_PROB,
    first_seed: int = 0,
) -> dict[str, Any]:
    """Write faces that pass into `folder`/train/<expression>/, never into valid or test, and their seeds into
    synthetic_faces.json. `folder` is a data set with that folder, or a new one. Returns what was written of this call."""
    if not 0 <= first_seed <= MAX_SEED:
        raise EmotionError(f"The first seed is {first_seed}; expected 0 to {MAX_SEED}.")
    if folder.exists() and not (folder / "train").is_dir():
        raise DataError(f"{folder} is no data set with a folder train/; make one with prepare, or name a new folder.")
    passed = sample_accepted(sampler, classifier, expression, num_faces, min_prob=min_prob, first_seed=first_seed)
    if not passed.seeds:
        raise EmotionError(
            f"In none of {passed.num_drawn} faces does {classifier.bundle.name} see {expression} with {min_prob:.0%}; "
            "ask for less certainty."
        )
    stem = f"train/{expression}/synthetic-{sampler.bundle.sha256[:8]}"
    files = {f"{stem}-{seed}.png": encode_face_png(face) for seed, face in zip(passed.seeds, passed.faces, strict=True)}
    before = (read_json(folder / PROVENANCE_FILE) or {}).get("added", [])
    for name, png in files.items():
        if (folder / name).exists() and (folder / name).read_bytes() != png:
            raise ResultFolderError(f"{folder / name} is another picture already; move it away, or use other seeds.")
    new = not folder.exists()
    for name, png in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / name, png)
    said = {
        "expression": expression,
        "seeds": list(passed.seeds),
        "num_drawn": passed.num_drawn,
        "min_prob": min_prob,
        "generator": {"name": sampler.bundle.name, "sha256": sampler.bundle.sha256},
        "classifier": {"name": classifier.bundle.name, "sha256": classifier.bundle.sha256},
    }
    write_json(folder / PROVENANCE_FILE, {"added": [*before, said]})
    if new:
        complete_result(folder, ResultManifest(DATASET))
    else:
        add_files(folder, files)
    return said
