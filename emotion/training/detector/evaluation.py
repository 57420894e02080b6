"""Score face detectors on labelled photos, all in one run, as rows of one table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.datasets.detection_dataset import LabelledPhoto
from emotion.errors import DataError
from emotion.recognition.analyzer import FIND_ALL
from emotion.recognition.detection import Detector
from emotion.recognition.onnx_session import one_core
from emotion.training.detector.metrics import (
    Matched,
    average_precision,
    match,
    partners,
    precision_recall,
    sides,
    together,
)
from emotion.training.detector.mosaic import turn_boxes, turn_points, warp

Row = dict[str, Any]

LEAST_FACE: Final = 16.0  # sqrt(width * height) in pixels; smaller ones need not be found
THRESHOLD: Final = 0.6  # what the app begins with
_READ: Final = 32.0  # sqrt(width * height) in pixels, from which on it matters how a face is turned
_LEAST_SCORE: Final = 0.02  # what a precision-recall curve goes down to
_SIZES: Final = (16, 24, 32, 64, 128, 1000)
_TURNS: Final = (0, 15, 30, 45)  # degrees clockwise
_BLURS: Final = (0, 1, 2, 3)  # deviation of the Gaussian in pixels
_FRAMES: Final = ((320, 240), (640, 480), (1280, 720))


def evaluate_detectors(
    detectors: Sequence[Detector], photos: Sequence[LabelledPhoto], empty: Sequence[LabelledPhoto],
    on_part: Callable[[str], None] = lambda part: None,
) -> list[Row]:  # fmt: skip
    """Rows of `detector` and one of these: `source` with `ap50`, `ap30`, `ap50_find_all`, `faces`; `face`
    ("16-24 px"), `rotation` ("15 degrees") or `blur` ("1 px") with `recall` and `precision` at the threshold 0.6 and
    an IoU of at least 0.4, for `rotation` with `roll`, the median roll in degrees of the eyes of such faces of at
    least 32 pixels, too; `empty` (how many photos without a face) with `false_boxes`; `size` ("640x480") with
    `milliseconds`.

    Photos are searched in their own size, for `ap50_find_all` as the app does where it is to find all; faces below
    16 pixels and ignored regions do not count. Times are the median on one core. `on_part(name)` is called before
    each part. Raises `DataError` without a face to find.
    """
    if not any((sides(photo.boxes) >= LEAST_FACE).any() for photo in photos):
        raise DataError(f"These {len(photos)} photos show no face of at least {LEAST_FACE:.0f} pixels.")
    rows: list[Row] = []
    for detector in detectors:
        on_part(detector.name)
        searched = _search(detector, photos)
        parts = [*_by_source(detector, searched), *_by_size(searched)]
        parts += _by_change(
            detector, searched, "rotation", {f"{d} degrees": partial(turned, degrees=d) for d in _TURNS}
        )
        parts += _by_change(detector, searched, "blur", {f"{b} px": partial(_blurred, deviation=b) for b in _BLURS})
        ghosts = _search(detector, empty)
        parts.append({"empty": len(empty), "false_boxes": sum(int((one.scores >= THRESHOLD).sum()) for one in ghosts)})
        rows += [{"detector": detector.name, **row} for row in parts]
    on_part("milliseconds")
    rows += _times(detectors, photos)
    # JSON has no nan: a share of no faces is None.
    return [{k: None if v != v else v for k, v in row.items()} for row in rows]


class Searched(NamedTuple):
    """A photo and the boxes (n, 4) with scores (n,) and rolls (n,) in degrees that a detector found on it; nan where
    it gives no landmarks."""

    photo: LabelledPhoto
    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    rolls: NDArray[np.float64]

    def match(self, overlap: float, least: float = LEAST_FACE, most: float = np.inf) -> Matched:
        """See `detector_scores.match`."""
        return match(self.boxes, self.scores, self.photo.boxes, self.photo.ignore, overlap, least, most)


def search(detector: Detector, photo: LabelledPhoto, least: float, side: int | None = None) -> Searched:
    """What a detector finds with a score of at least `least` on a photo, which is searched in its own size or with
    the long side `side`."""
    faces = detector.detect(photo.pixels, least, side or max(photo.pixels.shape))
    boxes = np.array([[f.box.x1, f.box.y1, f.box.x2, f.box.y2] for f in faces], np.float64).reshape(-1, 4)
    rolls = np.array([f.landmarks.roll if f.landmarks else np.nan for f in faces], np.float64)
    return Searched(photo, boxes, np.array([f.detection for f in faces], np.float64), rolls)


def _search(detector: Detector, photos: Iterable[LabelledPhoto], side: int | None = None) -> list[Searched]:
    return [search(detector, photo, _LEAST_SCORE, side) for photo in photos]


def _by_source(detector: Detector, searched: Sequence[Searched]) -> Iterator[Row]:
    larger = _search(detector, (one.photo for one in searched), FIND_ALL)
    for source in sorted({one.photo.source for one in searched}):
        row: Row = {"source": source}
        for name, all_found, overlap in (
            ("ap50", searched, 0.5),
            ("ap30", searched, 0.3),
            ("ap50_find_all", larger, 0.5),
        ):
            matched = together(one.match(overlap) for one in all_found if one.photo.source == source)
            row |= {name: round(average_precision(matched), 4), "faces": len(matched.faces)}
        yield row


def _shares(matched: Matched) -> Row:
    precision, recall = precision_recall(matched, THRESHOLD)
    return {"recall": round(recall, 4), "precision": round(precision, 4), "faces": len(matched.faces)}


def _by_size(searched: Sequence[Searched]) -> Iterator[Row]:
    for low, high in pairwise(_SIZES):
        name = f"{low}-{high} px" if high < 1000 else f"over {low} px"
        yield {"face": name, **_shares(together(one.match(0.4, low, high) for one in searched))}


def _by_change(
    detector: Detector, searched: Sequence[Searched], key: str,
    changes: Mapping[str, Callable[[LabelledPhoto], LabelledPhoto]],
) -> Iterator[Row]:  # fmt: skip
    """Rows for photos that are changed; the first change is none, and was searched already."""
    for i, (name, change) in enumerate(changes.items()):
        changed = searched if i == 0 else _search(detector, (change(one.photo) for one in searched))
        row = {key: name, **_shares(together(one.match(0.4) for one in changed))}
        yield row | {"roll": _roll(changed)} if key == "rotation" else row


def _roll(searched: Iterable[Searched]) -> float:
    rolls = []
    for one in searched:
        sure = one.scores >= THRESHOLD
        found, _ = partners(one.boxes[sure], one.photo.boxes, _READ)
        rolls.append(one.rolls[sure][found])
    known = np.concatenate(rolls)
    known = known[~np.isnan(known)]
    return round(float(np.median(known)), 1) if known.size else float("nan")


def turned(photo: LabelledPhoto, degrees: float) -> LabelledPhoto:
    """A photo turned clockwise on a sheet that holds all of it; boxes stay upright, around the turned ellipses
    that faces fill."""
    height, width = photo.pixels.shape[:2]
    angle = np.deg2rad(degrees)
    linear = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    wide, tall = np.abs(linear) @ np.array([width, height])
    middle = np.array([wide, tall]) / 2 - linear @ np.array([width, height]) / 2
    matrix = np.column_stack([linear, middle])
    pixels = warp(photo.pixels, matrix, (round(wide), round(tall)))
    return replace(
        photo, pixels=pixels, boxes=turn_boxes(photo.boxes, matrix), ignore=turn_boxes(photo.ignore, matrix),
        landmarks=turn_points(photo.landmarks, matrix),
    )  # fmt: skip


def _blurred(photo: LabelledPhoto, deviation: float) -> LabelledPhoto:
    return replace(photo, pixels=np.asarray(cv2.GaussianBlur(photo.pixels, (0, 0), deviation), np.uint8))


def _times(detectors: Sequence[Detector], photos: Sequence[LabelledPhoto], rounds: int = 6) -> Iterator[Row]:
    """On frames with a real face. The detectors take turns, so that a busy moment meets them all; of each turn the
    first frame does not count, since it finds the processor's caches full of another one's numbers."""
    face = max(photos, key=lambda photo: float(sides(photo.boxes).max(initial=0)))
    with one_core():
        for width, height in _FRAMES:
            frame = np.asarray(cv2.resize(face.pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
            times: list[list[float]] = [[] for _ in detectors]
            for _ in range(rounds):
                for detector, seconds in zip(detectors, times, strict=True):
                    seconds += [_seconds(detector, frame) for _ in range(6)][1:]
            for detector, seconds in zip(detectors, times, strict=True):
                milliseconds = round(float(np.median(seconds)) * 1e3, 2)
                yield {"detector": detector.name, "size": f"{width}x{height}", "milliseconds": milliseconds}


def _seconds(detector: Detector, frame: NDArray[np.uint8]) -> float:
    started = time.perf_counter()
    detector.detect(frame, THRESHOLD, max(frame.shape))
    return time.perf_counter() - started
