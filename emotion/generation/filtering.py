"""Filtering of synthetic faces by a classifier, and adding them to the training split of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, TypedDict

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.datasets.building.jobs import check_not_extended
from emotion.datasets.metadata import SYNTHETIC_FACES_FILE
from emotion.errors import DataError, EmotionError, ResultFolderError
from emotion.generation.images import encode_face_png
from emotion.generation.sampler import MAX_SEED, FaceImages, Sampler
from emotion.jobs.result_folder import add_files, complete_result
from emotion.jobs.result_manifest import DATASET, ResultManifest
from emotion.model_store.store import ModelBundle
from emotion.recognition.classification import ExpressionClassifier, Prediction
from emotion.storage import read_json, write_atomic, write_json
from emotion.translation.messages import gettext as _

MIN_PROB: Final = 0.7
_MAX_DRAWS_PER_FACE: Final = 20  # an expression that fewer faces pass is not worth the time
_BATCH_SIZE: Final = 64
_NUM_CONFUSION_SEEDS: Final = 96  # people among whom a confused face is looked for


@dataclass(frozen=True)
class FaceFilter:
    """Accepts faces in which `classifier` sees the requested expression with a probability of at least `min_prob`."""

    classifier: ExpressionClassifier
    min_prob: float = MIN_PROB

    def __post_init__(self) -> None:
        if not 0 <= self.min_prob <= 1:
            raise EmotionError(f"The minimum probability is {self.min_prob}; expected 0 to 1.")

    def probs(self, faces: FaceImages, expression: str) -> NDArray[np.float64]:
        """Return the probability (n,) of `expression` in each face; raises `EmotionError` for one without a label."""
        head = next((name for name, h in self.classifier.bundle.heads.items() if expression in h.labels), None)
        if head is None:
            raise EmotionError(
                _("The classifier {classifier} has no label {label!r}; choose another one.").format(
                    classifier=self.classifier.bundle.name, label=expression
                )
            )
        predictions = predict_faces(self.classifier, head, faces)
        return np.array([prediction.scores[expression] for prediction in predictions])


class AcceptedFaces(NamedTuple):
    """Accepted faces, gray uint8 (n, size, size), the seed of each, and how many faces were drawn for them."""

    faces: FaceImages
    seeds: tuple[int, ...]
    num_drawn: int


class ConfusedFace(NamedTuple):
    """A face, gray uint8 (size, size), its seed, and the probability of the label that was not requested."""

    face: NDArray[np.uint8]
    seed: int
    probability: float


class AddedFaces(TypedDict):
    """An entry of synthetic_faces.json: which faces were added to a data set, and by what they were made."""

    expression: str
    seeds: list[int]
    num_drawn: int
    min_prob: float
    generator: dict[str, str]
    classifier: dict[str, str]


def is_guidance_relative(generator: ModelBundle, classifier: ModelBundle) -> bool:
    """Return whether the classifier, or one it derives from or learned from, guided the generator's training.

    The predictions of such a classifier overestimate the generator.
    """
    guidance = generator.generator_card.guidance_classifier
    return guidance is not None and guidance.sha256 in classifier.lineage and bool(guidance.weight)


def sample_accepted(
    sampler: Sampler,
    face_filter: FaceFilter,
    expression: str,
    num_faces: int,
    *,
    first_seed: int = 0,
    truncation: float | None = None,
) -> AcceptedFaces:
    """Return the first `num_faces` accepted faces from `first_seed` on.

    Fewer where less than one in twenty is accepted.

    Raises:
        EmotionError: `num_faces` is below 1, or the generator or the classifier has no label `expression`.
    """
    if num_faces < 1:
        raise EmotionError(f"{num_faces} faces were requested; expected 1 or more.")
    max_draws = _MAX_DRAWS_PER_FACE * num_faces
    faces, seeds, num_drawn = list[NDArray[np.uint8]](), list[int](), 0
    while len(seeds) < num_faces and num_drawn < max_draws:
        batch_seeds = [(first_seed + num_drawn + i) % (MAX_SEED + 1) for i in range(_BATCH_SIZE)]
        batch = sampler.sample(batch_seeds, expression, truncation)
        for seed, face, prob in zip(batch_seeds, batch, face_filter.probs(batch, expression), strict=True):
            num_drawn += 1
            if prob >= face_filter.min_prob:
                faces.append(face)
                seeds.append(seed)
            if len(seeds) == num_faces or num_drawn == max_draws:
                break
    empty = np.empty((0, sampler.image_size, sampler.image_size), np.uint8)
    return AcceptedFaces(np.stack(faces) if faces else empty, tuple(seeds), num_drawn)


def predict_faces(classifier: ExpressionClassifier, head: str, faces: FaceImages) -> Sequence[Prediction]:
    """Return the predictions of a head for gray faces, uint8 (n, size, size), in the size of the classifier's input."""
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
    """Return the `num_seeds` seeds, of the first `num_candidates`, with the most convincing faces, best first.

    A seed is scored by its worst expression: the probability of the requested label times that of a face. Labels that
    the classifier does not have are left out.
    """
    worst = np.ones(num_candidates)
    head_of = {label: name for name, head in reversed(classifier.bundle.heads.items()) for label in head.labels}
    for label in filter(head_of.get, sampler.labels):
        faces = sampler.sample(range(num_candidates), label, truncation)
        predictions = predict_faces(classifier, head_of[label], faces)
        worst = np.minimum(worst, [prediction.scores[label] * prediction.face_prob for prediction in predictions])
    return tuple(int(seed) for seed in np.argsort(-worst, kind="stable")[:num_seeds])


def find_confused_faces(
    sampler: Sampler,
    classifier: ExpressionClassifier,
    pairs: Sequence[tuple[str, str]],
    num_seeds: int = _NUM_CONFUSION_SEEDS,
) -> dict[tuple[str, str], ConfusedFace]:
    """Find a face for each pair of a requested and a predicted label.

    Args:
        sampler: The generator.
        classifier: The classifier, whose default head predicts.
        pairs: Pairs of the requested and the predicted label.
        num_seeds: How many people are tried, from seed 0 on.

    Returns:
        For each pair, where one is predicted so, the face with the highest probability of the predicted label times
        that of a face.
    """
    found = dict[tuple[str, str], ConfusedFace]()
    for label in dict.fromkeys(label for label, _seen in pairs if label in sampler.labels):
        faces = sampler.sample(range(num_seeds), label)
        predictions = predict_faces(classifier, classifier.bundle.default_head, faces)
        for predicted in [other for requested, other in pairs if requested == label]:
            scores = [p.scores[predicted] * p.face_prob if p.scores.label == predicted else 0.0 for p in predictions]
            seed = int(np.argmax(scores))
            if scores[seed] > 0:
                found[label, predicted] = ConfusedFace(faces[seed], seed, predictions[seed].scores[predicted])
    return found


def add_to_dataset(
    folder: Path,
    sampler: Sampler,
    face_filter: FaceFilter,
    expression: str,
    num_faces: int,
    *,
    first_seed: int = 0,
) -> AddedFaces:
    """Write accepted faces into `folder`/train/<expression>/ and record them in synthetic_faces.json.

    Only the training split gets them: validation and test measure on real faces.

    Args:
        folder: A data set with a folder train/, or a folder to create.
        sampler: Draws the faces.
        face_filter: Accepts them.
        expression: A label of both the generator and the classifier.
        num_faces: How many faces to add.
        first_seed: 0 to `MAX_SEED`.

    Returns:
        The entry that was added to synthetic_faces.json.

    Raises:
        DataError: `folder` is no data set, or faces of photos are being added to it.
        EmotionError: No face is accepted, or an argument is out of range.
        ResultFolderError: A file with the name of a face exists with another content.
    """
    if not 0 <= first_seed <= MAX_SEED:
        raise EmotionError(f"The first seed is {first_seed}; expected 0 to {MAX_SEED}.")
    check_not_extended(folder)
    if folder.exists() and not (folder / "train").is_dir():
        raise DataError(f"{folder} is no data set with a folder train/; build one, or name a new folder.")
    accepted = sample_accepted(sampler, face_filter, expression, num_faces, first_seed=first_seed)
    generator, classifier = sampler.bundle, face_filter.classifier.bundle
    if not accepted.seeds:
        raise EmotionError(
            f"In none of {accepted.num_drawn} faces does {classifier.name} see {expression} with a probability of "
            f"{face_filter.min_prob:.0%}; choose a smaller minimum probability."
        )
    added = AddedFaces(
        expression=expression,
        seeds=list(accepted.seeds),
        num_drawn=accepted.num_drawn,
        min_prob=face_filter.min_prob,
        generator={"name": generator.name, "sha256": generator.sha256},
        classifier={"name": classifier.name, "sha256": classifier.sha256},
    )
    stem = f"train/{expression}/synthetic-{generator.sha256[:8]}"
    files = {
        f"{stem}-{seed}.png": encode_face_png(face) for seed, face in zip(accepted.seeds, accepted.faces, strict=True)
    }
    _write_added_files(folder, files, added)
    return added


def _write_added_files(folder: Path, files: dict[str, bytes], added: AddedFaces) -> None:
    earlier = (read_json(folder / SYNTHETIC_FACES_FILE) or {}).get("added", [])
    for name, png in files.items():
        if (folder / name).exists() and (folder / name).read_bytes() != png:
            raise ResultFolderError(f"{folder / name} exists with another image; move it away, or use other seeds.")
    is_new = not folder.exists()
    for name, png in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / name, png)
    write_json(folder / SYNTHETIC_FACES_FILE, {"added": [*earlier, added]})
    if is_new:
        complete_result(folder, ResultManifest(DATASET))
    else:
        add_files(folder, files)
