"""Photos whose faces are known: read them, bring their boxes into one style, hold some of them out."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotion.errors import DataError
from emotion.media.image_reader import read_image
from emotion.media.image_safety import UNREDUCED_LIMITS

# Every sixteenth photo of each source chooses the epoch and the calibration instead of teaching.
VALIDATION_STRIDE = 16
# Drawn by hand in another style than the rest: the whole head, or with room around it.
LOOSE_BOX_SOURCES = ("fddb_sy32", "ilc_mask", "kaggle853", "macwin")
_MIN_FIT_FACES = 11  # faces, as many as a rule from five points to a side of a box has numbers


@dataclass(frozen=True)
class AnnotatedImage:
    """A photo and what is known of its faces; coordinates in pixels, x to the right, y down."""

    name: str
    source: str
    is_hand_labeled: bool  # hand-made boxes, those of another detector otherwise
    image: NDArray[np.uint8]  # RGB (H, W, 3)
    boxes: NDArray[np.float32]  # (n, 4) x1, y1, x2, y2
    landmarks: NDArray[np.float32]  # (n, 5, 2), nan where unknown; in the order of `Landmarks`
    ignore_boxes: NDArray[np.float32]  # (m, 4) x1, y1, x2, y2 of regions that neither teach nor count

    @property
    def is_validation(self) -> bool:
        """Whether it measures a training instead of teaching it: for ever the same photos, in any order."""
        return zlib.crc32(f"{self.source}/{self.name}".encode()) % VALIDATION_STRIDE == 0


def load_annotated_images(folder: Path, split: str) -> list[AnnotatedImage]:
    """The photos of `folder`/`split`/ that `folder`/`split`.json describes, decoded (some 400 kB each).

    The JSON maps a file name to `source`, `state` ("gt", "pseudo" or "negative"), `boxes` and `ignore` as
    [x, y, width, height] in pixels, and `landmarks`, ten numbers or null for each box. Raises `DataError`,
    and `ImageError` where a photo is missing or damaged.
    """
    path = folder / f"{split}.json"
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        described = [_AnnotationRecord.from_json(name, entry) for name, entry in sorted(entries.items())]
    except FileNotFoundError as error:
        raise DataError(f"There is no {path.name} in {folder}; a folder of labelled photos has one.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): check the file and its rights.") from error
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
        raise DataError(f"{path} is damaged ({error!r}); expected boxes and landmarks by file name.") from error
    if not described:
        raise DataError(f"{path} names no photo; nothing can be learned or measured.")
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda one: one.load_image(folder / split), described))


class _AnnotationRecord(NamedTuple):
    """An entry of the JSON."""

    name: str
    source: str
    annotation_type: str
    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    ignore_boxes: NDArray[np.float32]

    @classmethod
    def from_json(cls, name: str, entry: dict[str, Any]) -> _AnnotationRecord:
        points = [[np.nan] * 10 if ten is None else ten for ten in entry["landmarks"]]
        boxes, ignore = _xywh_to_xyxy(entry["boxes"]), _xywh_to_xyxy(entry["ignore"])
        landmarks = np.array(points, np.float32).reshape(len(points), 5, 2)
        if len(landmarks) != len(boxes):
            raise ValueError(f"{name} has {len(boxes)} boxes and {len(landmarks)} sets of landmarks")
        return cls(name, str(entry["source"]), str(entry["state"]), boxes, landmarks, ignore)

    def load_image(self, folder: Path) -> AnnotatedImage:
        pixels = read_image(folder / self.name, limits=UNREDUCED_LIMITS)  # the boxes are in pixels of the file
        return AnnotatedImage(
            self.name, self.source, self.annotation_type == "gt", pixels, self.boxes, self.landmarks, self.ignore_boxes
        )


def _xywh_to_xyxy(xywh: Sequence[Sequence[float]]) -> NDArray[np.float32]:
    """x, y, width, height -> x1, y1, x2, y2."""
    boxes = np.array(xywh, np.float32)
    if boxes.size == 0:
        return np.empty((0, 4), np.float32)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all() or (boxes[:, 2:] < 0).any():
        raise ValueError(f"expected boxes of x, y, width, height, received {xywh}"[:200])
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def normalize_box_style(samples: Sequence[AnnotatedImage]) -> list[AnnotatedImage]:
    """The photos with the boxes of `LOOSE_BOX_SOURCES` drawn anew from the landmarks, where these are known.

    How a box lies around five landmarks is learned (least squares) from the faces that a detector boxed, so
    that one network is not taught three habits at once, and a crop means the same for every face.
    """
    none = np.empty((0, 4), np.float32), np.empty((0, 5, 2), np.float32)
    fitted = [(photo.boxes, photo.landmarks) for photo in samples if not photo.is_hand_labeled]
    boxes, points = (np.concatenate(values) for values in zip(none, *fitted, strict=True))
    known = ~np.isnan(points).any(axis=(1, 2))
    if known.sum() < _MIN_FIT_FACES:
        return list(samples)
    middle, size, features = _normalize_landmarks(points[known])
    corners = boxes[known].reshape(-1, 2, 2)
    relative = ((corners - middle[:, None]) / size[:, None, None]).reshape(-1, 4)
    weights = np.linalg.lstsq(features, relative, rcond=None)[0]  # (11, 4)
    return [
        _refit_boxes(photo, weights) if photo.source in LOOSE_BOX_SOURCES and photo.is_hand_labeled else photo
        for photo in samples
    ]


def _normalize_landmarks(landmarks: NDArray[np.float32]) -> tuple[NDArray, NDArray, NDArray]:
    """Middle (n, 2), size (n,) in pixels, and what is left of landmarks (n, 5, 2) without them, (n, 11)."""
    middle = landmarks.mean(axis=1)
    centred = landmarks - middle[:, None]
    size = np.sqrt(np.square(centred).sum(2).mean(1)).clip(1e-3)
    shape = (centred / size[:, None, None]).reshape(-1, 10)
    return middle, size, np.column_stack([shape, np.ones(len(shape))])


def _refit_boxes(sample: AnnotatedImage, weights: NDArray) -> AnnotatedImage:
    known = ~np.isnan(sample.landmarks).any(axis=(1, 2))
    if not known.any():
        return sample
    middle, size, features = _normalize_landmarks(sample.landmarks[known])
    boxes = sample.boxes.copy()
    corners = (features @ weights).reshape(-1, 2, 2) * size[:, None, None] + middle[:, None]
    boxes[known] = corners.reshape(-1, 4).astype(np.float32)
    return replace(sample, boxes=boxes)
