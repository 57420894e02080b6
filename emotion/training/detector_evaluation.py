"""Score face detectors on labelled photos, all in one run, as rows of one table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.errors import DataError
from emotion.recognition.detection import Detector
from emotion.recognition.engine import one_core
from emotion.training.detector_scores import Matched, average_precision, match, precision_recall, sides, together
from emotion.training.labelled import LabelledPhoto
from emotion.training.scenes import turn_boxes, turn_points, warp

Row = dict[str, Any]

LEAST_FACE: Final = 16.0  # sqrt(width * height) in pixels; smaller ones need not be found
THRESHOLD: Final = 0.6  # what the app begins with
PHOTO_SIDE: Final = 1280  # likewise
_LEAST_SCORE: Final = 0.02  # what a precision-recall curve goes down to
_SIZES: Final = (16, 24, 32, 64, 128, 1000)
_ROTATIONS: Final = (0, 15, 30, 45)  # degrees clockwise
_BLURS: Final = (0.0, 1.0, 2.0, 3.0)  # deviation of the Gaussian in pixels
_FRAMES: Final = ((320, 240), (640, 480), (1280, 720))


def evaluate_detectors(
    detectors: Sequence[Detector], photos: Sequence[LabelledPhoto], empty: Sequence[LabelledPhoto],
    on_part: Callable[[str], None] = lambda part: None,
) -> list[Row]:  # fmt: skip
    """Rows of `detector` and one of these: `source` with `ap50`, `ap30`, `ap50_photos`, `faces`; `face`
    ("16-24 px"), `rotation` ("15 degrees") or `blur` ("1 px") with `recall` and `precision` at the threshold 0.6 and
    an IoU of at least 0.4; `empty` (how many photos without a face) with `false_boxes`; `size` ("640x480") with
    `milliseconds`.

    Photos are searched in their own size, for `ap50_photos` as the Photos page does; faces below 16 pixels and
    ignored regions do not count. Times are the median on one core. `on_part(name)` is called before each part.
    Raises `DataError` without a face to find.
    """
    if not any((sides(photo.boxes) >= LEAST_FACE).any() for photo in photos):
        raise DataError(f"These {len(photos)} photos show no face of at least {LEAST_FACE:.0f} pixels.")
    rows: list[Row] = []
    for detector in detectors:
        on_part(detector.name)
        parts = [*_by_source(detector, photos), *_by_size(detector, photos), *_by_rotation(detector, photos)]
        parts += [*_by_blur(detector, photos), _on_empty(detector, empty)]
        rows += [{"detector": detector.name, **row} for row in parts]
    on_part("milliseconds")
    rows += _times(detectors, photos)
    # JSON has no nan: a share of no faces is None.
    return [{k: None if v != v else v for k, v in row.items()} for row in rows]


def found(
    detector: Detector, photo: LabelledPhoto, least: float, side: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Boxes (n, 4) and scores (n,) of at least `least` on a photo, which is searched in its own size or with the
    long side `side`."""
    faces = detector.detect(photo.pixels, least, side or max(photo.pixels.shape))
    boxes = np.array([[f.box.x1, f.box.y1, f.box.x2, f.box.y2] for f in faces], np.float64).reshape(-1, 4)
    return boxes, np.array([f.detection for f in faces], np.float64)


def _by_source(detector: Detector, photos: Sequence[LabelledPhoto]) -> Iterator[Row]:
    sides: dict[str, int | None] = {"ap50": None, "ap30": None, "ap50_photos": PHOTO_SIDE}
    boxes = {side: [found(detector, photo, _LEAST_SCORE, side) for photo in photos] for side in set(sides.values())}
    for source in sorted({photo.source for photo in photos}):
        row: Row = {"source": source}
        for name, side in sides.items():
            matched = together(
                match(*one, photo.boxes, photo.ignore, 0.3 if name == "ap30" else 0.5, LEAST_FACE)
                for photo, one in zip(photos, boxes[side], strict=True)
                if photo.source == source
            )
            row |= {name: round(average_precision(matched), 4), "faces": len(matched.faces)}
        yield row


def _at_threshold(detector: Detector, photos: Iterable[LabelledPhoto]) -> Matched:
    return together(
        match(*found(detector, photo, THRESHOLD), photo.boxes, photo.ignore, 0.4, LEAST_FACE) for photo in photos
    )


def _shares(matched: Matched) -> Row:
    precision, recall = precision_recall(matched, THRESHOLD)
    return {"recall": round(recall, 4), "precision": round(precision, 4), "faces": len(matched.faces)}


def _by_size(detector: Detector, photos: Sequence[LabelledPhoto]) -> Iterator[Row]:
    searched = [(photo, *found(detector, photo, THRESHOLD)) for photo in photos]
    for low, high in pairwise(_SIZES):
        matched = together(
            match(boxes, scores, photo.boxes, photo.ignore, 0.4, low, high) for photo, boxes, scores in searched
        )  # fmt: skip
        yield {"face": f"{low}-{high} px" if high < 1000 else f"over {low} px", **_shares(matched)}


def _by_rotation(detector: Detector, photos: Sequence[LabelledPhoto]) -> Iterator[Row]:
    for degrees in _ROTATIONS:
        matched = _at_threshold(detector, (turned(photo, degrees) for photo in photos))
        yield {"rotation": f"{degrees} degrees", **_shares(matched)}


def turned(photo: LabelledPhoto, degrees: float) -> LabelledPhoto:
    """A photo turned clockwise on a sheet that holds all of it; boxes stay upright, around the turned ellipses
    that faces fill."""
    if degrees == 0:
        return photo
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


def _by_blur(detector: Detector, photos: Sequence[LabelledPhoto]) -> Iterator[Row]:
    for deviation in _BLURS:
        matched = _at_threshold(detector, (_blurred(photo, deviation) for photo in photos))
        yield {"blur": f"{deviation:.0f} px", **_shares(matched)}


def _blurred(photo: LabelledPhoto, deviation: float) -> LabelledPhoto:
    return replace(photo, pixels=cv2.GaussianBlur(photo.pixels, (0, 0), deviation)) if deviation else photo


def _on_empty(detector: Detector, photos: Sequence[LabelledPhoto]) -> Row:
    matched = _at_threshold(detector, photos)
    return {"empty": len(photos), "false_boxes": len(matched.scores)}


def _times(detectors: Sequence[Detector], photos: Sequence[LabelledPhoto], repeats: int = 30) -> Iterator[Row]:
    """On frames with a real face; the detectors take turns, so that a busy moment meets them all."""
    face = max(photos, key=lambda photo: float(sides(photo.boxes).max(initial=0)))
    with one_core():
        for width, height in _FRAMES:
            frame = np.asarray(cv2.resize(face.pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
            times = np.empty((repeats, len(detectors)))
            for i in range(repeats):
                for j, detector in enumerate(detectors):
                    started = time.perf_counter()
                    detector.detect(frame, THRESHOLD, width)
                    times[i, j] = time.perf_counter() - started
            for detector, seconds in zip(detectors, np.median(times, axis=0).tolist(), strict=True):
                size = f"{width}x{height}"
                yield {"detector": detector.name, "size": size, "milliseconds": round(seconds * 1e3, 2)}
