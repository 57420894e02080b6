"""How often a face in a picture ends with the right label: found, cut out and read as in the app."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import Dataset, ferplus_majority, not_faces
from emotion.errors import DataError
from emotion.faces import Box
from emotion.recognition.analyzer import Analyzer, Settings
from emotion.recognition.classification import probabilities
from emotion.recognition.cropping import to_grey
from emotion.training.classifier.scoring import logits_of, main_head
from emotion.training.metrics import wilson_interval

SIDES: Final = (32, 48, 72, 110, 160)  # pixels of a test face in its scene
TURNS: Final = (0, 10, 20, 30)  # degrees, to either side
_WIDTH, _HEIGHT = 480, 360  # of a scene
_EDGE: Final = 0.3  # of a face's side, over which it fades into the scene


class Scene(NamedTuple):
    """A test face before some background: RGB uint8, the square that it fills when upright, its side in pixels and
    its turn in degrees (without its way)."""

    pixels: NDArray[np.uint8]
    square: Box
    side: int
    turn: int


def make_scene(face: NDArray[np.uint8], rng: np.random.Generator) -> Scene:
    """A grey face uint8 (s, s) somewhere in a picture of 480 x 360, in one of the `SIDES` and `TURNS`."""
    side, turn = int(rng.choice(SIDES)), int(rng.choice(TURNS))
    reach = side * (0.5 + _EDGE) * 1.2
    x, y = (float(rng.uniform(min(reach, most / 2), max(most - reach, most / 2))) for most in (_WIDTH, _HEIGHT))
    way = turn if rng.random() < 0.5 else -turn
    edge = round(len(face) * _EDGE)
    # A crop of FER-2013 ends at chin and forehead: what was around it nobody knows.
    wide = cv2.copyMakeBorder(face, edge, edge, edge, edge, cv2.BORDER_REPLICATE)
    cover = cv2.copyMakeBorder(np.ones(face.shape, np.float32), edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=0)
    cover = cv2.GaussianBlur(cover, (0, 0), edge / 4)
    scale = side / len(face)
    if scale < 1:  # linear interpolation of a smaller picture would skip pixels
        wide = cv2.GaussianBlur(wide, (0, 0), 0.5 / scale)
    matrix = cv2.getRotationMatrix2D(((len(wide) - 1) / 2,) * 2, way, scale)
    matrix[:, 2] += np.array([x, y]) - 0.5 - (len(wide) - 1) / 2
    placed = cv2.warpAffine(wide, matrix, (_WIDTH, _HEIGHT), flags=cv2.INTER_LINEAR)
    share = cv2.warpAffine(cover, matrix, (_WIDTH, _HEIGHT), flags=cv2.INTER_LINEAR)[..., None]
    pixels = _background(rng) * (1 - share) + placed[..., None] * share
    square = Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2)
    return Scene(np.rint(pixels).astype(np.uint8), square, side, turn)


def _background(rng: np.random.Generator) -> NDArray[np.float32]:
    """Soft clouds of colour, finer or coarser, float32 (H, W, 3) from 0 to 255: nothing that looks like a face."""
    cells = int(rng.choice([1, 3, 8]))
    clouds = rng.uniform(40, 215, (cells, cells + 1, 3)).astype(np.float32)
    return cv2.resize(clouds, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_CUBIC).clip(0, 255)  # type: ignore[return-value]


def evaluate_pipeline(
    analyzers: Mapping[str, Analyzer], data: Dataset, split: str, most: int = 3000,
    tell: Callable[[str], None] = lambda text: None,
) -> list[dict[str, Any]]:  # fmt: skip
    """A row for each detector: of up to `most` faces of a split, always the same ones in the same scenes, the share
    `found`, `accuracy_found`, `accuracy_all` (not found is not right) and `accuracy_crops`, that of the ready crops,
    each with its 95 % `…_interval`; `by_side` and `by_turn` with `found` and `accuracy_found`.

    All by the labels of the data set; where it has FER+ votes, `ferplus` holds the same shares for what is shown and
    the majority of the votes. `false_boxes`: boxes that are no test face, by scene. Raises `DataError` where the
    recogniser has no answer with these labels.
    """
    rows = data.rows(split)
    faces = data.take(np.sort(np.random.default_rng(0).permutation(rows[~not_faces(data.take(rows))])[:most]))
    if len(faces) == 0:
        raise DataError(f"The data set {data.source} has no {split} faces.")
    scored = []
    for name, analyzer in analyzers.items():
        card = analyzer.recogniser.bundle.card
        head = main_head(card, data)
        heads = [head, *(["ferplus"] if "ferplus" in card["heads"] and head != "ferplus" else [])]
        tell(f"{name} looks at {len(faces)} scenes")
        scenes = [_seen(analyzer, make_scene(image, _chance(i)), heads) for i, image in enumerate(faces.images)]
        ready = _answers(analyzer, faces.images, heads)
        wanted = {head: faces.labels, "ferplus": ferplus_majority(faces)}
        found = np.array([bool(seen.labels) for seen in scenes])
        read = {one: np.array([seen.labels.get(one, -1) for seen in scenes]) for one in heads}
        shares = {one: _shares(found, read[one], ready[one], wanted[one]) for one in heads}
        scored.append({
            "detector": name, "split": split, "n": len(faces), **shares.pop(head), **shares,
            "false_boxes": float(np.mean([seen.others for seen in scenes])),
            "by_side": _by([seen.side for seen in scenes], found, read[head] == faces.labels),
            "by_turn": _by([seen.turn for seen in scenes], found, read[head] == faces.labels),
        })  # fmt: skip
    return scored


def _chance(number: int) -> np.random.Generator:
    """Of a scene: the same every time, for every detector."""
    return np.random.default_rng((1, number))


class _Seen(NamedTuple):
    labels: dict[str, int]  # the place of the label that each head gives the scene's face; {} where it is not found
    others: int  # boxes that are not it
    side: int
    turn: int


def _seen(analyzer: Analyzer, scene: Scene, heads: Sequence[str]) -> _Seen:
    """What the app sees in a scene."""
    grey, readings = to_grey(scene.pixels), analyzer.readings(scene.pixels, Settings(head=heads[0]))
    ours = [reading.face for reading in readings if _is_there(reading.face.box, scene.square)][:1]
    labels = {}
    for head in heads if ours else ():
        ((_, _, verdict),) = analyzer.read(grey, tuple(ours), head, careful=True)
        labels[head] = list(verdict.scores).index(verdict.scores.label)
    return _Seen(labels, len(readings) - len(ours), scene.side, scene.turn)


def _is_there(box: Box, square: Box) -> bool:
    """Whether a box is about the face in `square`: its middle within a third of the side, its size from half to
    double."""
    (x, y), (wanted_x, wanted_y) = box.centre, square.centre
    near = max(abs(x - wanted_x), abs(y - wanted_y)) < square.width / 3
    return near and 0.25 < box.area / square.area < 4


def _answers(analyzer: Analyzer, crops: NDArray[np.uint8], heads: Sequence[str]) -> dict[str, NDArray[np.integer]]:
    """Places of the labels (n,) that are said of ready crops, by head."""
    known, logits = analyzer.recogniser.bundle.heads, logits_of(analyzer.recogniser, crops)
    return {name: probabilities(logits[name], known[name]).argmax(1) for name in heads}


def _shares(
    found: NDArray[np.bool_], read: NDArray[np.integer], ready: NDArray[np.integer], wanted: NDArray[np.integer]
) -> dict[str, Any]:
    """The shares of faces that have a label (not -1), with their intervals; `read` is -1 where nothing was found."""
    known = wanted >= 0
    right = int((read == wanted)[known].sum())
    seen, count = int((found & known).sum()), int(known.sum())
    counts = {
        "found": (seen, count), "accuracy_found": (right, seen), "accuracy_all": (right, count),
        "accuracy_crops": (int((ready == wanted)[known].sum()), count),
    }  # fmt: skip
    shares = {name: hits / n if n else None for name, (hits, n) in counts.items()}
    return shares | {f"{name}_interval": wilson_interval(hits, n) for name, (hits, n) in counts.items()}


def _by(values: Sequence[int], found: NDArray[np.bool_], right: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """For each value its number of faces `n`, the share `found`, and `accuracy_found`."""
    kinds, rows = np.array(values), []
    for value in np.unique(kinds):
        here = kinds == value
        seen = int((found & here).sum())
        rows.append({
            "value": int(value), "n": int(here.sum()), "found": seen / int(here.sum()),
            "accuracy_found": int((right & here).sum()) / seen if seen else None,
        })  # fmt: skip
    return rows
