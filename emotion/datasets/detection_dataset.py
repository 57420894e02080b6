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
from emotion.media.image_safety import UNREDUCED

# Every sixteenth photo of each source chooses the epoch and the calibration instead of teaching.
HELD_OUT = 16
# Drawn by hand in another style than the rest: the whole head, or with room around it.
LOOSE_SOURCES = ("fddb_sy32", "ilc_mask", "kaggle853", "macwin")
_LEAST_FITTED = 11  # faces, as many as a rule from five points to a side of a box has numbers


@dataclass(frozen=True)
class LabelledPhoto:
    """A photo and what is known of its faces; coordinates in pixels, x to the right, y down."""

    name: str
    source: str
    truth: bool  # hand-made boxes, those of another detector otherwise
    pixels: NDArray[np.uint8]  # RGB (H, W, 3)
    boxes: NDArray[np.float32]  # (n, 4) x1, y1, x2, y2
    landmarks: NDArray[np.float32]  # (n, 5, 2), nan where unknown; in the order of `Landmarks`
    ignore: NDArray[np.float32]  # (m, 4) x1, y1, x2, y2 of regions that neither teach nor count

    @property
    def held_out(self) -> bool:
        """Whether it measures a training instead of teaching it: for ever the same photos, in any order."""
        return zlib.crc32(f"{self.source}/{self.name}".encode()) % HELD_OUT == 0


def load_photos(folder: Path, part: str) -> list[LabelledPhoto]:
    """The photos of `folder`/`part`/ that `folder`/`part`.json describes, decoded (some 400 kB each).

    The JSON maps a file name to `source`, `state` ("gt", "pseudo" or "negative"), `boxes` and `ignore` as
    [x, y, width, height] in pixels, and `landmarks`, ten numbers or null for each box. Raises `DataError`,
    and `ImageError` where a photo is missing or damaged.
    """
    path = folder / f"{part}.json"
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        described = [_Described.of(name, entry) for name, entry in sorted(entries.items())]
    except FileNotFoundError as error:
        raise DataError(f"There is no {path.name} in {folder}; a folder of labelled photos has one.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): check the file and its rights.") from error
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
        raise DataError(f"{path} is damaged ({error!r}); expected boxes and landmarks by file name.") from error
    if not described:
        raise DataError(f"{path} names no photo; nothing can be learned or measured.")
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda one: one.photo(folder / part), described))


class _Described(NamedTuple):
    """An entry of the JSON."""

    name: str
    source: str
    state: str
    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    ignore: NDArray[np.float32]

    @classmethod
    def of(cls, name: str, entry: dict[str, Any]) -> _Described:
        points = [[np.nan] * 10 if ten is None else ten for ten in entry["landmarks"]]
        boxes, ignore = _corners(entry["boxes"]), _corners(entry["ignore"])
        landmarks = np.array(points, np.float32).reshape(len(points), 5, 2)
        if len(landmarks) != len(boxes):
            raise ValueError(f"{name} has {len(boxes)} boxes and {len(landmarks)} sets of landmarks")
        return cls(name, str(entry["source"]), str(entry["state"]), boxes, landmarks, ignore)

    def photo(self, folder: Path) -> LabelledPhoto:
        pixels = read_image(folder / self.name, limits=UNREDUCED)  # the boxes are in pixels of the file
        return LabelledPhoto(
            self.name, self.source, self.state == "gt", pixels, self.boxes, self.landmarks, self.ignore
        )  # fmt: skip


def _corners(rows: Sequence[Sequence[float]]) -> NDArray[np.float32]:
    """x, y, width, height -> x1, y1, x2, y2."""
    boxes = np.array(rows, np.float32)
    if boxes.size == 0:
        return np.empty((0, 4), np.float32)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all() or (boxes[:, 2:] < 0).any():
        raise ValueError(f"expected boxes of x, y, width, height, received {rows}"[:200])
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def in_one_style(photos: Sequence[LabelledPhoto]) -> list[LabelledPhoto]:
    """The photos with the boxes of `LOOSE_SOURCES` drawn anew from the landmarks, where these are known.

    How a box lies around five landmarks is learned (least squares) from the faces that a detector boxed, so
    that one network is not taught three habits at once, and a crop means the same for every face.
    """
    none = np.empty((0, 4), np.float32), np.empty((0, 5, 2), np.float32)
    fitted = [(photo.boxes, photo.landmarks) for photo in photos if not photo.truth]
    boxes, points = (np.concatenate(values) for values in zip(none, *fitted, strict=True))
    known = ~np.isnan(points).any(axis=(1, 2))
    if known.sum() < _LEAST_FITTED:
        return list(photos)
    middle, size, features = _shape_of(points[known])
    corners = boxes[known].reshape(-1, 2, 2)
    relative = ((corners - middle[:, None]) / size[:, None, None]).reshape(-1, 4)
    weights = np.linalg.lstsq(features, relative, rcond=None)[0]  # (11, 4)
    return [_redrawn(photo, weights) if photo.source in LOOSE_SOURCES and photo.truth else photo for photo in photos]


def _shape_of(points: NDArray[np.float32]) -> tuple[NDArray, NDArray, NDArray]:
    """Middle (n, 2), size (n,) in pixels, and what is left of landmarks (n, 5, 2) without them, (n, 11)."""
    middle = points.mean(axis=1)
    centred = points - middle[:, None]
    size = np.sqrt(np.square(centred).sum(2).mean(1)).clip(1e-3)
    shape = (centred / size[:, None, None]).reshape(-1, 10)
    return middle, size, np.column_stack([shape, np.ones(len(shape))])


def _redrawn(photo: LabelledPhoto, weights: NDArray) -> LabelledPhoto:
    known = ~np.isnan(photo.landmarks).any(axis=(1, 2))
    if not known.any():
        return photo
    middle, size, features = _shape_of(photo.landmarks[known])
    boxes = photo.boxes.copy()
    corners = (features @ weights).reshape(-1, 2, 2) * size[:, None, None] + middle[:, None]
    boxes[known] = corners.reshape(-1, 4).astype(np.float32)
    return replace(photo, boxes=boxes)
