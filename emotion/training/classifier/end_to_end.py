"""How often a face in a picture ends with the right label: found, cut out and read as in the app."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import Dataset, is_non_face, majority_vote
from emotion.errors import DataError
from emotion.faces import Box
from emotion.recognition.analyzer import Analyzer, AnalyzerSettings
from emotion.recognition.classification import compute_probabilities
from emotion.recognition.cropping import to_gray
from emotion.training.classifier.scoring import matching_head, predict_logits
from emotion.training.metrics import wilson_interval

FACE_SIZES_PX: Final = (32, 48, 72, 110, 160)  # pixels of a test face in its scene
ROTATION_DEGREES: Final = (0, 10, 20, 30)  # degrees, to either side
_SCENE_WIDTH, _SCENE_HEIGHT = 480, 360  # of a scene
_BLEND_MARGIN: Final = 0.3  # of a face's side, over which it fades into the scene


class FaceScene(NamedTuple):
    """A test face before some background: RGB uint8, the square that it fills when upright, its side in pixels and
    its turn in degrees (without its way)."""

    image: NDArray[np.uint8]
    face_box: Box
    face_size_px: int
    rotation_degrees: int


def compose_face_scene(face: NDArray[np.uint8], rng: np.random.Generator) -> FaceScene:
    """Paste a gray face uint8 (s, s) into an image of 480 x 360, at a random place, size and rotation."""
    side, turn = int(rng.choice(FACE_SIZES_PX)), int(rng.choice(ROTATION_DEGREES))
    reach = side * (0.5 + _BLEND_MARGIN) * 1.2
    x, y = (
        float(rng.uniform(min(reach, most / 2), max(most - reach, most / 2))) for most in (_SCENE_WIDTH, _SCENE_HEIGHT)
    )
    way = turn if rng.random() < 0.5 else -turn
    edge = round(len(face) * _BLEND_MARGIN)
    # A crop of FER-2013 ends at chin and forehead: what was around it nobody knows.
    wide = cv2.copyMakeBorder(face, edge, edge, edge, edge, cv2.BORDER_REPLICATE)
    cover = cv2.copyMakeBorder(np.ones(face.shape, np.float32), edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=0)
    cover = cv2.GaussianBlur(cover, (0, 0), edge / 4)
    scale = side / len(face)
    if scale < 1:  # linear interpolation of a smaller picture would skip pixels
        wide = cv2.GaussianBlur(wide, (0, 0), 0.5 / scale)
    matrix = cv2.getRotationMatrix2D(((len(wide) - 1) / 2,) * 2, way, scale)
    matrix[:, 2] += np.array([x, y]) - 0.5 - (len(wide) - 1) / 2
    placed = cv2.warpAffine(wide, matrix, (_SCENE_WIDTH, _SCENE_HEIGHT), flags=cv2.INTER_LINEAR)
    share = cv2.warpAffine(cover, matrix, (_SCENE_WIDTH, _SCENE_HEIGHT), flags=cv2.INTER_LINEAR)[..., None]
    pixels = _make_background(rng) * (1 - share) + placed[..., None] * share
    square = Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2)
    return FaceScene(np.rint(pixels).astype(np.uint8), square, side, turn)


def _make_background(rng: np.random.Generator) -> NDArray[np.float32]:
    """Soft clouds of color, finer or coarser, float32 (H, W, 3) from 0 to 255: nothing that looks like a face."""
    cells = int(rng.choice([1, 3, 8]))
    clouds = rng.uniform(40, 215, (cells, cells + 1, 3)).astype(np.float32)
    return cv2.resize(clouds, (_SCENE_WIDTH, _SCENE_HEIGHT), interpolation=cv2.INTER_CUBIC).clip(0, 255)  # type: ignore[return-value]


def evaluate_end_to_end(
    analyzers: Mapping[str, Analyzer],
    data: Dataset,
    split: str,
    max_faces: int = 3000,
    on_progress: Callable[[str], None] = lambda text: None,
) -> list[dict[str, Any]]:
    """A row for each detector: of up to `max_faces` faces of a split, always the same ones in the same scenes, the
    `detection_rate`, `accuracy_detected`, `accuracy_all` (not found is not right) and `accuracy_crops`, that of the
    ready crops, each with its 95 % `…_interval`; `by_face_size` and `by_rotation` with `detection_rate` and
    `accuracy_detected`.

    All by the labels of the data set; where it has FER+ votes, `ferplus` holds the same shares for what is shown and
    the majority of the votes. `false_boxes`: boxes that are no test face, by scene. Raises `DataError` where the
    classifier has no answer with these labels.
    """
    rows = data.rows_in(split)
    faces = data.take(np.sort(np.random.default_rng(0).permutation(rows[~is_non_face(data.take(rows))])[:max_faces]))
    if len(faces) == 0:
        raise DataError(f"The data set {data.source} has no {split} faces.")
    scored = []
    for name, analyzer in analyzers.items():
        card = analyzer.classifier.bundle.card_fields
        head = matching_head(card, data)
        heads = [head, *(["ferplus"] if "ferplus" in card["heads"] and head != "ferplus" else [])]
        on_progress(f"{name} looks at {len(faces)} scenes")
        scenes = [
            _analyze_scene(analyzer, compose_face_scene(image, _make_scene_rng(i)), heads)
            for i, image in enumerate(faces.images)
        ]
        ready = _predict_crops(analyzer, faces.images, heads)
        labels = {head: faces.labels, "ferplus": majority_vote(faces)}
        found = np.array([bool(seen.predicted) for seen in scenes])
        read = {one: np.array([seen.predicted.get(one, -1) for seen in scenes]) for one in heads}
        shares = {one: _compute_rates(found, read[one], ready[one], labels[one]) for one in heads}
        scored.append(
            {
                "detector": name,
                "split": split,
                "n": len(faces),
                **shares.pop(head),
                **shares,
                "false_boxes": float(np.mean([seen.num_false_boxes for seen in scenes])),
                "by_face_size": _group_rates([seen.face_size_px for seen in scenes], found, read[head] == faces.labels),
                "by_rotation": _group_rates(
                    [seen.rotation_degrees for seen in scenes], found, read[head] == faces.labels
                ),
            }
        )
    return scored


def _make_scene_rng(index: int) -> np.random.Generator:
    """Of a scene: the same every time, for every detector."""
    return np.random.default_rng((1, index))


class _SceneResult(NamedTuple):
    predicted: dict[str, int]  # the place of the label that each head gives the scene's face; {} where it is not found
    num_false_boxes: int  # boxes that are not it
    face_size_px: int
    rotation_degrees: int


def _analyze_scene(analyzer: Analyzer, scene: FaceScene, heads: Sequence[str]) -> _SceneResult:
    """What the app sees in a scene."""
    gray, readings = to_gray(scene.image), analyzer.classify_all(scene.image, AnalyzerSettings(head=heads[0]))
    ours = [reading.face for reading in readings if _matches_face(reading.face.box, scene.face_box)][:1]
    labels = {}
    for head in heads if ours else ():
        ((_, _, prediction),) = analyzer.classify(gray, tuple(ours), head, tta=True)
        labels[head] = list(prediction.scores).index(prediction.scores.label)
    return _SceneResult(labels, len(readings) - len(ours), scene.face_size_px, scene.rotation_degrees)


def _matches_face(box: Box, face_box: Box) -> bool:
    """Whether a box is about the face in `face_box`: its middle within a third of the side, its size from half to
    double."""
    (x, y), (face_x, face_y) = box.center, face_box.center
    near = max(abs(x - face_x), abs(y - face_y)) < face_box.width / 3
    return near and 0.25 < box.area / face_box.area < 4


def _predict_crops(
    analyzer: Analyzer, crops: NDArray[np.uint8], heads: Sequence[str]
) -> dict[str, NDArray[np.integer]]:
    """Places of the labels (n,) that are said of ready crops, by head."""
    known, logits = analyzer.classifier.bundle.heads, predict_logits(analyzer.classifier, crops)
    return {name: compute_probabilities(logits[name], known[name]).argmax(1) for name in heads}


def _compute_rates(
    is_detected: NDArray[np.bool_],
    predicted: NDArray[np.integer],
    crop_predicted: NDArray[np.integer],
    labels: NDArray[np.integer],
) -> dict[str, Any]:
    """Return detection rate and accuracies with intervals; `predicted` is -1 where no face was found."""
    known = labels >= 0
    right = int((predicted == labels)[known].sum())
    seen, count = int((is_detected & known).sum()), int(known.sum())
    counts = {
        "detection_rate": (seen, count),
        "accuracy_detected": (right, seen),
        "accuracy_all": (right, count),
        "accuracy_crops": (int((crop_predicted == labels)[known].sum()), count),
    }
    shares = {name: hits / n if n else None for name, (hits, n) in counts.items()}
    return shares | {f"{name}_interval": wilson_interval(hits, n) for name, (hits, n) in counts.items()}


def _group_rates(
    values: Sequence[int], is_detected: NDArray[np.bool_], is_correct: NDArray[np.bool_]
) -> list[dict[str, Any]]:
    """For each value its number of faces `n`, the `detection_rate` and `accuracy_detected`."""
    kinds, rows = np.array(values), []
    for value in np.unique(kinds):
        here = kinds == value
        seen = int((is_detected & here).sum())
        rows.append(
            {
                "value": int(value),
                "n": int(here.sum()),
                "detection_rate": seen / int(here.sum()),
                "accuracy_detected": int((is_correct & here).sum()) / seen if seen else None,
            }
        )
    return rows
