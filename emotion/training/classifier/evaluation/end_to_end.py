"""Evaluate detection, cropping and classification together, as in the app, on composed scenes with one face."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import Dataset, is_non_face, majority_vote
from emotion.errors import DataError
from emotion.expressions import FERPLUS_LABELS
from emotion.faces import Box
from emotion.model_store.store import ModelBundle
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.classification import compute_probabilities
from emotion.recognition.cropping import to_gray
from emotion.recognition.settings import AnalyzerSettings
from emotion.storage import read_json, write_json
from emotion.training.classifier.evaluation.logits import matching_head, predict_logits
from emotion.training.metrics import wilson_interval
from emotion.training.runs.folder import REPORT_FILE, write_card

FACE_SIZES_PX: Final = (32, 48, 72, 110, 160)  # side of the test face in its scene, in pixels
ROTATION_DEGREES: Final = (0, 10, 20, 30)  # degrees, in either direction
_SCENE_WIDTH, _SCENE_HEIGHT = 480, 360  # pixels
_BLEND_MARGIN: Final = 0.3  # width of the transition from face to background, relative to the side of the face


class FaceScene(NamedTuple):
    """Hold a test face on a synthetic background.

    `image` is RGB uint8 (height, width, 3), `face_box` the square of the upright face, `face_size_px` its side and
    `rotation_degrees` the absolute rotation angle.
    """

    image: NDArray[np.uint8]
    face_box: Box
    face_size_px: int
    rotation_degrees: int


def compose_face_scene(face: NDArray[np.uint8], rng: np.random.Generator) -> FaceScene:
    """Paste a gray face uint8 (s, s) into an image of 480 x 360 pixels at a random position, size and rotation."""
    side, rotation = int(rng.choice(FACE_SIZES_PX)), int(rng.choice(ROTATION_DEGREES))
    half_extent = side * (0.5 + _BLEND_MARGIN) * 1.2
    x, y = (
        float(rng.uniform(min(half_extent, length / 2), max(length - half_extent, length / 2)))
        for length in (_SCENE_WIDTH, _SCENE_HEIGHT)
    )
    angle = rotation if rng.random() < 0.5 else -rotation
    margin = round(len(face) * _BLEND_MARGIN)
    # FER-2013 crops end at chin and forehead, so the surroundings are extrapolated by edge replication.
    padded = cv2.copyMakeBorder(face, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    mask = cv2.copyMakeBorder(
        np.ones(face.shape, np.float32), margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=0
    )
    mask = cv2.GaussianBlur(mask, (0, 0), margin / 4)
    scale = side / len(face)
    if scale < 1:  # linear interpolation at a reduction would skip source pixels
        padded = cv2.GaussianBlur(padded, (0, 0), 0.5 / scale)
    matrix = cv2.getRotationMatrix2D(((len(padded) - 1) / 2,) * 2, angle, scale)
    matrix[:, 2] += np.array([x, y]) - 0.5 - (len(padded) - 1) / 2
    warped = cv2.warpAffine(padded, matrix, (_SCENE_WIDTH, _SCENE_HEIGHT), flags=cv2.INTER_LINEAR)
    alpha = cv2.warpAffine(mask, matrix, (_SCENE_WIDTH, _SCENE_HEIGHT), flags=cv2.INTER_LINEAR)[..., None]
    pixels = _make_background(rng) * (1 - alpha) + warped[..., None] * alpha
    square = Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2)
    return FaceScene(np.rint(pixels).astype(np.uint8), square, side, rotation)


def _make_background(rng: np.random.Generator) -> NDArray[np.float32]:
    """Make a smooth random color background float32 (height, width, 3), 0 to 255, without face-like structures."""
    num_cells = int(rng.choice([1, 3, 8]))
    colors = rng.uniform(40, 215, (num_cells, num_cells + 1, 3)).astype(np.float32)
    return cv2.resize(colors, (_SCENE_WIDTH, _SCENE_HEIGHT), interpolation=cv2.INTER_CUBIC).clip(0, 255)  # type: ignore[return-value]


def evaluate_end_to_end(
    analyzers: Mapping[str, Analyzer],
    data: Dataset,
    split: str,
    max_faces: int = 3000,
    on_progress: Callable[[str], None] = lambda text: None,
) -> list[dict[str, Any]]:
    """Evaluate analyzers end to end on scenes composed of test faces.

    All analyzers get the same faces in the same scenes, on each call.

    Args:
        analyzers: Analyzers by the name of their detector.
        data: The data set whose labels are the ground truth.
        split: The split of the faces.
        max_faces: The largest number of faces to use.
        on_progress: Called with a text before each analyzer is evaluated.

    Returns:
        A row for each detector with `detector`, `split`, `n` and these rates, each with its 95% `…_interval`:
        `detection_rate`, `accuracy_detected`, `accuracy_all` (missed faces count as errors) and `accuracy_crops` (on
        the original crops, without detection). If the displayed head is another one, with FER+ labels, `ferplus` holds
        its rates relative to the majority of the FER+ votes. `false_boxes` is the mean number of boxes per scene
        that do not match the test face. `by_face_size` and `by_rotation` hold groups with `value`, `n`,
        `detection_rate` and `accuracy_detected`.

    Raises:
        DataError: The split has no faces, or the classifier has no head with the labels of the data set.
    """
    rows = data.rows_in(split)
    faces = data.take(np.sort(np.random.default_rng(0).permutation(rows[~is_non_face(data.take(rows))])[:max_faces]))
    if len(faces) == 0:
        raise DataError(f"The data set {data.source} has no {split} faces.")
    result_rows = []
    for name, analyzer in analyzers.items():
        card = analyzer.classifier.bundle.card_fields
        head = matching_head(card, data)
        displayed = card["default_head"]
        is_voted = tuple(card["heads"][displayed]["labels"]) == FERPLUS_LABELS
        heads = [head, *([displayed] if is_voted and head != displayed else [])]
        on_progress(f"{name} looks at {len(faces)} scenes")
        scenes = [
            _analyze_scene(analyzer, compose_face_scene(image, _make_scene_rng(index)), heads)
            for index, image in enumerate(faces.images)
        ]
        crop_predictions = _predict_crops(analyzer, faces.images, heads)
        labels = {displayed: majority_vote(faces), head: faces.labels}
        is_detected = np.array([bool(scene.predicted) for scene in scenes])
        predicted = {key: np.array([scene.predicted.get(key, -1) for scene in scenes]) for key in heads}
        rates = {key: _compute_rates(is_detected, predicted[key], crop_predictions[key], labels[key]) for key in heads}
        result_rows.append(
            {
                "detector": name,
                "split": split,
                "n": len(faces),
                **rates.pop(head),
                **({"ferplus": rates[displayed]} if displayed in rates else {}),
                "false_boxes": float(np.mean([scene.num_false_boxes for scene in scenes])),
                "by_face_size": _group_rates(
                    [scene.face_size_px for scene in scenes], is_detected, predicted[head] == faces.labels
                ),
                "by_rotation": _group_rates(
                    [scene.rotation_degrees for scene in scenes], is_detected, predicted[head] == faces.labels
                ),
            }
        )
    return result_rows


def save_end_to_end(bundle: ModelBundle, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the rows of `evaluate_end_to_end` into the report of a classifier, and their rates into its card."""
    write_json(
        bundle.folder / REPORT_FILE, {**(read_json(bundle.folder / REPORT_FILE) or {}), "end_to_end": list(rows)}
    )
    names = ("detector", "split", "n", "detection_rate", "accuracy_detected", "accuracy_all", "accuracy_crops")
    summary = [{name: row[name] for name in names} for row in rows]
    write_card(bundle.folder, {**bundle.card_fields, "metrics": {**bundle.card.metrics, "end_to_end": summary}})


def _make_scene_rng(index: int) -> np.random.Generator:
    """Return the generator of a scene, with the same seed for all detectors and calls."""
    return np.random.default_rng((1, index))


class _SceneResult(NamedTuple):
    predicted: dict[str, int]  # label index of the scene's face by head; {} if the face is not detected
    num_false_boxes: int  # boxes that do not match the face
    face_size_px: int
    rotation_degrees: int


def _analyze_scene(analyzer: Analyzer, scene: FaceScene, heads: Sequence[str]) -> _SceneResult:
    """Detect and classify the face of a scene with the app's processing."""
    gray, detections = to_gray(scene.image), analyzer.classify_all(scene.image, AnalyzerSettings(head=heads[0]))
    matched = [detection.face for detection in detections if matches_face(detection.face.box, scene.face_box)][:1]
    labels = {}
    for head in heads if matched else ():
        ((_, _, prediction),) = analyzer.classify(gray, tuple(matched), head, tta=True)
        labels[head] = list(prediction.scores).index(prediction.scores.label)
    return _SceneResult(labels, len(detections) - len(matched), scene.face_size_px, scene.rotation_degrees)


def matches_face(box: Box, face_box: Box) -> bool:
    """Return whether a box matches `face_box`: center within a third of its side, size from half to double."""
    (x, y), (face_x, face_y) = box.center, face_box.center
    is_near = max(abs(x - face_x), abs(y - face_y)) < face_box.width / 3
    return is_near and 0.25 < box.area / face_box.area < 4


def _predict_crops(
    analyzer: Analyzer, crops: NDArray[np.uint8], heads: Sequence[str]
) -> dict[str, NDArray[np.integer]]:
    """Return the label indices (n,) predicted for face crops, by head."""
    label_heads, logits = analyzer.classifier.bundle.heads, predict_logits(analyzer.classifier, crops)
    return {name: compute_probabilities(logits[name], label_heads[name]).argmax(1) for name in heads}


def _compute_rates(
    is_detected: NDArray[np.bool_],
    predicted: NDArray[np.integer],
    crop_predicted: NDArray[np.integer],
    labels: NDArray[np.integer],
) -> dict[str, Any]:
    """Return detection rate and accuracies with intervals; `predicted` is -1 where the face is not detected."""
    has_label = labels >= 0
    num_correct = int((predicted == labels)[has_label].sum())
    num_detected, num_labeled = int((is_detected & has_label).sum()), int(has_label.sum())
    counts = {
        "detection_rate": (num_detected, num_labeled),
        "accuracy_detected": (num_correct, num_detected),
        "accuracy_all": (num_correct, num_labeled),
        "accuracy_crops": (int((crop_predicted == labels)[has_label].sum()), num_labeled),
    }
    rates = {name: successes / n if n else None for name, (successes, n) in counts.items()}
    return rates | {f"{name}_interval": wilson_interval(successes, n) for name, (successes, n) in counts.items()}


def _group_rates(
    values: Sequence[int], is_detected: NDArray[np.bool_], is_correct: NDArray[np.bool_]
) -> list[dict[str, Any]]:
    """Return for each distinct value the number of faces `n`, the `detection_rate` and `accuracy_detected`."""
    group_values, rows = np.array(values), []
    for value in np.unique(group_values):
        in_group = group_values == value
        num_detected = int((is_detected & in_group).sum())
        rows.append(
            {
                "value": int(value),
                "n": int(in_group.sum()),
                "detection_rate": num_detected / int(in_group.sum()),
                "accuracy_detected": int((is_correct & in_group).sum()) / num_detected if num_detected else None,
            }
        )
    return rows
