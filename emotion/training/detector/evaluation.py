"""Evaluate face detectors on annotated images: precision, recall, robustness and latency as rows of one table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Final, Literal, NamedTuple, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.boxes import box_sizes
from emotion.datasets.readers.detection_dataset import AnnotatedImage
from emotion.errors import DataError
from emotion.recognition.detectors.detection import FaceDetector
from emotion.recognition.onnx_session import single_core
from emotion.recognition.settings import FULL_RESOLUTION_SIDE
from emotion.training.detector.metrics import (
    MATCH_IOU,
    MatchResult,
    average_precision,
    best_matches,
    concat,
    match_boxes,
    precision_recall,
)
from emotion.training.detector.mosaic import transform_boxes, transform_points, warp_affine
from emotion.training.detector.reports import EvaluationRow

MIN_FACE_PX: Final = 16.0  # sqrt(width * height) in pixels; smaller true faces do not count
SCORE_THRESHOLD: Final = 0.6  # the default of the app
_MIN_ROLL_FACE_PX: Final = 32.0  # sqrt(width * height) in pixels; smaller true faces do not count for the roll
_MIN_SCORE: Final = 0.02  # the lowest score on a precision-recall curve
_FACE_SIZE_BINS: Final = (16, 24, 32, 64, 128, 1000)
ROTATIONS: Final = (0, 15, 30, 45)  # degrees clockwise
BLUR_SIGMAS: Final = (0, 1, 2, 3)  # standard deviations of the Gaussian in pixels
FRAME_SIZES: Final = ((320, 240), (640, 480), (1280, 720))


def evaluate_detectors(
    detectors: Sequence[FaceDetector],
    samples: Sequence[AnnotatedImage],
    negatives: Sequence[AnnotatedImage],
    on_part: Callable[[str], None] = lambda part: None,
) -> list[EvaluationRow]:
    """Evaluate detectors on annotated images.

    Images are processed at their original size, for `ap50_find_all` at the app's full resolution. Faces below 16
    pixels and ignored regions do not count. Latencies are medians on one core.

    Args:
        detectors: The detectors to compare.
        samples: Images with faces.
        negatives: Images without faces.
        on_part: Called with the name of each part before it is evaluated.

    Returns:
        Rows with `detector` and one of these groups of keys; a rate over no faces is None:

        - `source` with `ap50`, `ap30`, `ap50_find_all` and `num_faces`,
        - `face_size` ("16-24 px"), `rotation` ("15 degrees") or `blur` ("1 px") with `recall`, `precision` (at the
          threshold 0.6 and an IoU of at least 0.4) and `num_faces`; `rotation` also with `roll`, the median roll in
          degrees of detected faces of at least 32 pixels,
        - `negatives` (the number of images without faces) with `false_positives`,
        - `frame_size` ("640x480") with `latency_ms`.

    Raises:
        DataError: No image has a face that counts.
    """
    if not any((box_sizes(sample.boxes) >= MIN_FACE_PX).any() for sample in samples):
        raise DataError(f"These {len(samples)} photos show no face of at least {MIN_FACE_PX:.0f} pixels.")
    rows: list[EvaluationRow] = []
    for detector in detectors:
        on_part(detector.name)
        detections = _run_on_samples(detector, samples)
        parts: list[EvaluationRow] = [*_score_by_source(detector, detections), *_score_by_size(detections)]
        parts += _score_corruptions(
            detector, detections, "rotation", {f"{d} degrees": partial(rotate_sample, degrees=d) for d in ROTATIONS}
        )
        parts += _score_corruptions(
            detector, detections, "blur", {f"{b} px": partial(_blur_sample, sigma=b) for b in BLUR_SIGMAS}
        )
        negative_detections = _run_on_samples(detector, negatives)
        parts.append(
            {
                "negatives": len(negatives),
                "false_positives": sum(int((result.scores >= SCORE_THRESHOLD).sum()) for result in negative_detections),
            }
        )
        for row in parts:
            rows.append({"detector": detector.name, **row})
    on_part("latency")
    rows += _measure_latency(detectors, samples)
    # JSON has no nan, so a rate over no faces is None.
    return [cast(EvaluationRow, {k: None if v != v else v for k, v in row.items()}) for row in rows]


class ImageDetections(NamedTuple):
    """Hold an image and the boxes (n, 4), scores (n,) and rolls (n,) of the faces that a detector finds in it.

    Rolls are in degrees, nan for faces without landmarks.
    """

    sample: AnnotatedImage
    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    roll_degrees: NDArray[np.float64]

    def match(self, min_iou: float, min_face_px: float = MIN_FACE_PX, max_face_px: float = np.inf) -> MatchResult:
        """Match the detections to the true faces of the image with `match_boxes`."""
        return match_boxes(
            self.boxes, self.scores, self.sample.boxes, self.sample.ignore_boxes, min_iou, (min_face_px, max_face_px)
        )


def run_detector(
    detector: FaceDetector, sample: AnnotatedImage, min_score: float, max_side: int | None = None
) -> ImageDetections:
    """Run a detector on an image at its original size, or with its longer side limited to `max_side` pixels."""
    faces = detector.detect(sample.image, min_score, max_side or max(sample.image.shape))
    boxes = np.array([[f.box.x1, f.box.y1, f.box.x2, f.box.y2] for f in faces], np.float64).reshape(-1, 4)
    rolls = np.array([f.landmarks.roll_degrees if f.landmarks else np.nan for f in faces], np.float64)
    return ImageDetections(sample, boxes, np.array([f.detection_score for f in faces], np.float64), rolls)


def _run_on_samples(
    detector: FaceDetector, samples: Iterable[AnnotatedImage], max_side: int | None = None
) -> list[ImageDetections]:
    return [run_detector(detector, sample, _MIN_SCORE, max_side) for sample in samples]


def _score_by_source(detector: FaceDetector, detections: Sequence[ImageDetections]) -> Iterator[EvaluationRow]:
    full_resolution = _run_on_samples(detector, (result.sample for result in detections), FULL_RESOLUTION_SIDE)
    for source in sorted({result.sample.source for result in detections}):
        matches50, matches30, find_all = (
            concat(result.match(min_iou) for result in all_detections if result.sample.source == source)
            for all_detections, min_iou in ((detections, 0.5), (detections, 0.3), (full_resolution, 0.5))
        )
        yield {
            "source": source,
            "ap50": round(average_precision(matches50), 4),
            "num_faces": len(matches50.face_scores),
            "ap30": round(average_precision(matches30), 4),
            "ap50_find_all": round(average_precision(find_all), 4),
        }


def _precision_recall_row(matches: MatchResult) -> EvaluationRow:
    precision, recall = precision_recall(matches, SCORE_THRESHOLD)
    return {"recall": round(recall, 4), "precision": round(precision, 4), "num_faces": len(matches.face_scores)}


def _score_by_size(detections: Sequence[ImageDetections]) -> Iterator[EvaluationRow]:
    for low, high in pairwise(_FACE_SIZE_BINS):
        name = f"{low}-{high} px" if high < 1000 else f"over {low} px"
        yield {
            "face_size": name,
            **_precision_recall_row(concat(result.match(MATCH_IOU, low, high) for result in detections)),
        }


def _score_corruptions(
    detector: FaceDetector,
    detections: Sequence[ImageDetections],
    key: Literal["rotation", "blur"],
    corruptions: Mapping[str, Callable[[AnnotatedImage], AnnotatedImage]],
) -> Iterator[EvaluationRow]:
    """Yield a row for each corruption; the first one changes nothing, so `detections` are reused for it."""
    for index, (name, corrupt) in enumerate(corruptions.items()):
        corrupted = (
            detections if index == 0 else _run_on_samples(detector, (corrupt(result.sample) for result in detections))
        )
        row = _precision_recall_row(concat(result.match(MATCH_IOU) for result in corrupted))
        if key == "rotation":
            yield {"rotation": name, **row, "roll": _median_roll(corrupted)}
        else:
            yield {"blur": name, **row}


def _median_roll(detections: Iterable[ImageDetections]) -> float:
    rolls = []
    for result in detections:
        is_shown = result.scores >= SCORE_THRESHOLD
        face_indices, _ = best_matches(result.boxes[is_shown], result.sample.boxes, _MIN_ROLL_FACE_PX)
        rolls.append(result.roll_degrees[is_shown][face_indices])
    all_rolls = np.concatenate(rolls)
    all_rolls = all_rolls[~np.isnan(all_rolls)]
    return round(float(np.median(all_rolls)), 1) if all_rolls.size else float("nan")


def rotate_sample(sample: AnnotatedImage, degrees: float) -> AnnotatedImage:
    """Rotate an image clockwise on a canvas that contains all of it.

    The boxes are the axis-aligned bounding boxes of the rotated ellipses that faces fill.
    """
    height, width = sample.image.shape[:2]
    angle = np.deg2rad(degrees)
    linear = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    canvas_width, canvas_height = np.abs(linear) @ np.array([width, height])
    shift = np.array([canvas_width, canvas_height]) / 2 - linear @ np.array([width, height]) / 2
    matrix = np.column_stack([linear, shift])
    pixels = warp_affine(sample.image, matrix, (round(canvas_width), round(canvas_height)))
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
) -> Iterator[EvaluationRow]:
    """Measure the latency on frames with a real face.

    The detectors alternate, so that other load on the machine affects them all. The first frame of each turn does not
    count, since the processor's caches still hold the data of another detector.
    """
    largest_sample = max(samples, key=lambda sample: float(box_sizes(sample.boxes).max(initial=0)))
    with single_core():
        for width, height in FRAME_SIZES:
            frame = np.asarray(
                cv2.resize(largest_sample.image, (width, height), interpolation=cv2.INTER_AREA), np.uint8
            )
            timings: list[list[float]] = [[] for _ in detectors]
            for _ in range(num_rounds):
                for detector, seconds in zip(detectors, timings, strict=True):
                    seconds += [_time_detection(detector, frame) for _ in range(6)][1:]
            for detector, seconds in zip(detectors, timings, strict=True):
                latency_ms = round(float(np.median(seconds)) * 1e3, 2)
                yield {"detector": detector.name, "frame_size": f"{width}x{height}", "latency_ms": latency_ms}


def _time_detection(detector: FaceDetector, frame: NDArray[np.uint8]) -> float:
    started = time.perf_counter()
    detector.detect(frame, SCORE_THRESHOLD, max(frame.shape))
    return time.perf_counter() - started
