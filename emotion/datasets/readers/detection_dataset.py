"""Photos with annotated faces: read them, unify the style of their boxes, and select the validation photos."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotion.errors import DataError
from emotion.media.image_array import ImageArray
from emotion.media.image_reader import read_image
from emotion.media.image_safety import UNREDUCED_LIMITS
from emotion.translation.messages import gettext as _

VALIDATION_STRIDE: Final = 16  # every sixteenth photo chooses the epoch and calibrates instead of training
# Boxes drawn by hand in another style than those of the rest: around the whole head, or with a margin.
LOOSE_BOX_SOURCES: Final = ("fddb_sy32", "ilc_mask", "kaggle853", "macwin")
_NUM_FEATURES: Final = 11  # ten coordinates of landmarks and a constant
_MIN_FIT_FACES: Final = _NUM_FEATURES  # fewer do not determine the fit
_MIN_SCALE_PX: Final = 1e-3  # of landmarks that are all in one point


@dataclass(frozen=True)
class AnnotatedImage:
    """A photo and its annotated faces; coordinates in pixels, x to the right, y down."""

    name: str
    source: str
    is_hand_labeled: bool  # boxes drawn by hand, otherwise those of another detector
    image: ImageArray  # RGB (H, W, 3)
    boxes: NDArray[np.float32]  # (n, 4) x1, y1, x2, y2
    landmarks: NDArray[np.float32]  # (n, 5, 2), nan where unknown; in the order of `Landmarks`
    ignore_boxes: NDArray[np.float32]  # (m, 4) x1, y1, x2, y2 of regions left out of training and evaluation

    @property
    def is_validation(self) -> bool:
        """Whether the photo is in the validation split, which depends only on its name and source."""
        return zlib.crc32(f"{self.source}/{self.name}".encode()) % VALIDATION_STRIDE == 0


def load_annotated_images(folder: Path, split: str) -> list[AnnotatedImage]:
    """Load the photos in `folder`/`split`/ that `folder`/`split`.json describes, decoded (some 400 kB each).

    The JSON maps a file name to `source`, `state` ("gt", "pseudo" or "negative"), `boxes` and `ignore` as
    [x, y, width, height] in pixels, and `landmarks`, ten numbers or null for each box.

    Raises:
        DataError: The JSON is missing or damaged, or names no photo.
        ImageError: A photo is missing or damaged.
    """
    path = folder / f"{split}.json"
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        records = [_AnnotationRecord.from_json(name, entry) for name, entry in sorted(entries.items())]
    except FileNotFoundError as error:
        raise DataError(
            _("There is no {name} in {folder}; give a folder of annotated photos.").format(
                name=path.name, folder=folder
            )
        ) from error
    except OSError as error:
        raise DataError(
            _("{path} cannot be read ({reason}); check the file and its permissions.").format(
                path=path, reason=error.strerror
            )
        ) from error
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
        raise DataError(
            _("{path} is damaged ({reason}); expected boxes and landmarks by file name.").format(
                path=path, reason=repr(error)
            )
        ) from error
    if not records:
        raise DataError(_("{path} names no photo; expected at least one.").format(path=path))
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda record: record.load_image(folder / split), records))


class _AnnotationRecord(NamedTuple):
    """An entry of the JSON file."""

    name: str
    source: str
    annotation_type: str
    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    ignore_boxes: NDArray[np.float32]

    @classmethod
    def from_json(cls, name: str, entry: dict[str, Any]) -> _AnnotationRecord:
        points = [[np.nan] * 10 if coordinates is None else coordinates for coordinates in entry["landmarks"]]
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
    """Convert x, y, width, height to x1, y1, x2, y2."""
    boxes = np.array(xywh, np.float32)
    if boxes.size == 0:
        return np.empty((0, 4), np.float32)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all() or (boxes[:, 2:] < 0).any():
        raise ValueError(f"expected boxes of x, y, width, height, received {xywh}"[:200])
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def normalize_box_style(samples: Sequence[AnnotatedImage]) -> list[AnnotatedImage]:
    """Replace the boxes of `LOOSE_BOX_SOURCES` by boxes computed from the landmarks, where these are known.

    The relation of a box to its five landmarks is fitted by least squares to the faces whose boxes a detector drew.
    One style of boxes is easier to learn than three, and crops by these boxes are comparable between all sources.
    """
    empty = np.empty((0, 4), np.float32), np.empty((0, 5, 2), np.float32)
    reference = [(photo.boxes, photo.landmarks) for photo in samples if not photo.is_hand_labeled]
    boxes, points = (np.concatenate(values) for values in zip(empty, *reference, strict=True))
    known = ~np.isnan(points).any(axis=(1, 2))
    if known.sum() < _MIN_FIT_FACES:
        return list(samples)
    center, scale, features = _normalize_landmarks(points[known])
    corners = boxes[known].reshape(-1, 2, 2)
    relative = ((corners - center[:, None]) / scale[:, None, None]).reshape(-1, 4)
    weights = np.linalg.lstsq(features, relative, rcond=None)[0]  # (11, 4)
    return [
        _refit_boxes(photo, weights) if photo.source in LOOSE_BOX_SOURCES and photo.is_hand_labeled else photo
        for photo in samples
    ]


def _normalize_landmarks(landmarks: NDArray[np.float32]) -> tuple[NDArray, NDArray, NDArray]:
    """Center (n, 2) and scale (n,) in pixels of landmarks (n, 5, 2), and their shape without them, (n, 11)."""
    center = landmarks.mean(axis=1)
    centered = landmarks - center[:, None]
    scale = np.sqrt(np.square(centered).sum(2).mean(1)).clip(_MIN_SCALE_PX)
    shape = (centered / scale[:, None, None]).reshape(-1, _NUM_FEATURES - 1)
    return center, scale, np.column_stack([shape, np.ones(len(shape))])


def _refit_boxes(sample: AnnotatedImage, weights: NDArray) -> AnnotatedImage:
    known = ~np.isnan(sample.landmarks).any(axis=(1, 2))
    if not known.any():
        return sample
    center, scale, features = _normalize_landmarks(sample.landmarks[known])
    boxes = sample.boxes.copy()
    corners = (features @ weights).reshape(-1, 2, 2) * scale[:, None, None] + center[:, None]
    boxes[known] = corners.reshape(-1, 4).astype(np.float32)
    return replace(sample, boxes=boxes)
