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

from emotion.boxes import box_sizes
from emotion.datasets.detection_dataset import AnnotatedImage
from emotion.errors import DataError
from emotion.recognition.analyzer import FULL_RESOLUTION_SIDE
from emotion.recognition.detection import FaceDetector
from emotion.recognition.onnx_session import single_core
from emotion.training.detector.metrics import (
    MatchResult,
    average_precision,
    best_matches,
    concat,
    match_boxes,
    precision_recall,
)
from emotion.training.detector.mosaic import transform_boxes, transform_points, warp_affine

Row = dict[str, Any]

MIN_FACE_PX: Final = 16.0  # sqrt(width * height) in pixels; smaller ones need not be found
SCORE_THRESHOLD: Final = 0.6  # what the app begins with
_MIN_ROLL_FACE_PX: Final = 32.0  # sqrt(width * height) in pixels, from which on it matters how a face is turned
_MIN_SCORE: Final = 0.02  # what a precision-recall curve goes down to
_FACE_SIZE_BINS: Final = (16, 24, 32, 64, 128, 1000)
_ROTATIONS: Final = (0, 15, 30, 45)  # degrees clockwise
_BLUR_SIGMAS: Final = (0, 1, 2, 3)  # deviation of the Gaussian in pixels
_FRAME_SIZES: Final = ((320, 240), (640, 480), (1280, 720))


def evaluate_detectors(
    detectors: Sequence[FaceDetector],
    samples: Sequence[AnnotatedImage],
    negatives: Sequence[AnnotatedImage],
    on_part: Callable[[str], None] = lambda part: None,
) -> list[Row]:
    """Rows of `detector` and one of these: `source` with `ap50`, `ap30`, `ap50_find_all`, `num_faces`; `face_size`
    ("16-24 px"), `rotation` ("15 degrees") or `blur` ("1 px") with `recall` and `precision` at the threshold 0.6 and
    an IoU of at least 0.4, for `rotation` with `roll`, the median roll in degrees of the eyes of such faces of at
    least 32 pixels, too; `negatives` (the number of photos without a face) with `false_positives`; `frame_size`
    ("640x480") with `latency_ms`.

    Photos are searched in their own size, for `ap50_find_all` as the app does where it is to find all; faces below
    16 pixels and ignored regions do not count. Times are the median on one core. `on_part(name)` is called before
    each part. Raises `DataError` without a face to find.
    """
    if not any((box_sizes(photo.boxes) >= MIN_FACE_PX).any() for photo in samples):
        raise DataError(f"These {len(samples)} photos show no face of at least {MIN_FACE_PX:.0f} pixels.")
    rows: list[Row] = []
    for detector in detectors:
        on_part(detector.name)
        searched = _run_on_samples(detector, samples)
        parts = [*_score_by_source(detector, searched), *_score_by_size(searched)]
        parts += _score_corruptions(
            detector, searched, "rotation", {f"{d} degrees": partial(rotate_sample, degrees=d) for d in _ROTATIONS}
        )
        parts += _score_corruptions(
            detector, searched, "blur", {f"{b} px": partial(_blur_sample, sigma=b) for b in _BLUR_SIGMAS}
        )
        ghosts = _run_on_samples(detector, negatives)
        parts.append(
            {
                "negatives": len(negatives),
                "false_positives": sum(int((one.scores >= SCORE_THRESHOLD).sum()) for one in ghosts),
            }
        )
        rows += [{"detector": detector.name, **row} for row in parts]
    on_part("latency")
    rows += _measure_latency(detectors, samples)
    # JSON has no nan: a share of no faces is None.
    return [{k: None if v != v else v for k, v in row.items()} for row in rows]


class ImageDetections(NamedTuple):
    """A photo and the boxes (n, 4) with scores (n,) and rolls (n,) in degrees that a detector found on it; nan where
    it gives no landmarks."""

    sample: AnnotatedImage
    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    roll_degrees: NDArray[np.float64]

    def match(self, min_iou: float, min_face_px: float = MIN_FACE_PX, max_face_px: float = np.inf) -> MatchResult:
        """See `match_boxes`."""
        return match_boxes(
            self.boxes, self.scores, self.sample.boxes, self.sample.ignore_boxes, min_iou, min_face_px, max_face_px
        )


def run_detector(
    detector: FaceDetector, sample: AnnotatedImage, min_score: float, max_side: int | None = None
) -> ImageDetections:
    """What a detector finds with a score of at least `min_score` on a photo, which is searched in its own size or with
    the long side `max_side`."""
    faces = detector.detect(sample.image, min_score, max_side or max(sample.image.shape))
    boxes = np.array([[f.box.x1, f.box.y1, f.box.x2, f.box.y2] for f in faces], np.float64).reshape(-1, 4)
    rolls = np.array([f.landmarks.roll_degrees if f.landmarks else np.nan for f in faces], np.float64)
    return ImageDetections(sample, boxes, np.array([f.detection_score for f in faces], np.float64), rolls)


def _run_on_samples(
    detector: FaceDetector, samples: Iterable[AnnotatedImage], max_side: int | None = None
) -> list[ImageDetections]:
    return [run_detector(detector, photo, _MIN_SCORE, max_side) for photo in samples]


def _score_by_source(detector: FaceDetector, detections: Sequence[ImageDetections]) -> Iterator[Row]:
    larger = _run_on_samples(detector, (one.sample for one in detections), FULL_RESOLUTION_SIDE)
    for source in sorted({one.sample.source for one in detections}):
        row: Row = {"source": source}
        for name, all_found, overlap in (
            ("ap50", detections, 0.5),
            ("ap30", detections, 0.3),
            ("ap50_find_all", larger, 0.5),
        ):
            matched = concat(one.match(overlap) for one in all_found if one.sample.source == source)
            row |= {name: round(average_precision(matched), 4), "num_faces": len(matched.face_scores)}
        yield row


def _precision_recall_row(matches: MatchResult) -> Row:
    precision, recall = precision_recall(matches, SCORE_THRESHOLD)
    return {"recall": round(recall, 4), "precision": round(precision, 4), "num_faces": len(matches.face_scores)}


def _score_by_size(detections: Sequence[ImageDetections]) -> Iterator[Row]:
    for low, high in pairwise(_FACE_SIZE_BINS):
        name = f"{low}-{high} px" if high < 1000 else f"over {low} px"
        yield {"face_size": name, **_precision_recall_row(concat(one.match(0.4, low, high) for one in detections))}


def _score_corruptions(
    detector: FaceDetector,
    detections: Sequence[ImageDetections],
    key: str,
    corruptions: Mapping[str, Callable[[AnnotatedImage], AnnotatedImage]],
) -> Iterator[Row]:
    """Rows for photos that are changed; the first change is none, and was searched already."""
    for i, (name, change) in enumerate(corruptions.items()):
        changed = detections if i == 0 else _run_on_samples(detector, (change(one.sample) for one in detections))
        row = {key: name, **_precision_recall_row(concat(one.match(0.4) for one in changed))}
        yield row | {"roll": _median_roll(changed)} if key == "rotation" else row


def _median_roll(detections: Iterable[ImageDetections]) -> float:
    rolls = []
    for one in detections:
        sure = one.scores >= SCORE_THRESHOLD
        found, _ = best_matches(one.boxes[sure], one.sample.boxes, _MIN_ROLL_FACE_PX)
        rolls.append(one.roll_degrees[sure][found])
    known = np.concatenate(rolls)
    known = known[~np.isnan(known)]
    return round(float(np.median(known)), 1) if known.size else float("nan")


def rotate_sample(sample: AnnotatedImage, degrees: float) -> AnnotatedImage:
    """A photo turned clockwise on a sheet that holds all of it; boxes stay upright, around the turned ellipses
    that faces fill."""
    height, width = sample.image.shape[:2]
    angle = np.deg2rad(degrees)
    linear = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    wide, tall = np.abs(linear) @ np.array([width, height])
    middle = np.array([wide, tall]) / 2 - linear @ np.array([width, height]) / 2
    matrix = np.column_stack([linear, middle])
    pixels = warp_affine(sample.image, matrix, (round(wide), round(tall)))
    return replace(
        sample,
        image=pixels,
        boxes=transform_boxes(sample.boxes, matrix),
        ignore_boxes=transform_boxes(sample.ignore_boxes, matrix),
        landmarks=transform_points(sample.landmarks, matrix),
    )


def _blur_sample(sample: AnnotatedImage, sigma: float) -> AnnotatedImage:
    return replace(sample, image=np.asarray(cv2.GaussianBlur(sample.image, (0, 0), sigma), np.uint8))


def _measure_latency(
    detectors: Sequence[FaceDetector], samples: Sequence[AnnotatedImage], num_rounds: int = 6
) -> Iterator[Row]:
    """On frames with a real face. The detectors take turns, so that a busy moment meets them all; of each turn the
    first frame does not count, since it finds the processor's caches full of another one's numbers."""
    face = max(samples, key=lambda photo: float(box_sizes(photo.boxes).max(initial=0)))
    with single_core():
        for width, height in _FRAME_SIZES:
            frame = np.asarray(cv2.resize(face.image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
            times: list[list[float]] = [[] for _ in detectors]
            for _ in range(num_rounds):
                for detector, seconds in zip(detectors, times, strict=True):
                    seconds += [_time_detection(detector, frame) for _ in range(6)][1:]
            for detector, seconds in zip(detectors, times, strict=True):
                latency_ms = round(float(np.median(seconds)) * 1e3, 2)
                yield {"detector": detector.name, "frame_size": f"{width}x{height}", "latency_ms": latency_ms}


def _time_detection(detector: FaceDetector, frame: NDArray[np.uint8]) -> float:
    started = time.perf_counter()
    detector.detect(frame, SCORE_THRESHOLD, max(frame.shape))
    return time.perf_counter() - started
