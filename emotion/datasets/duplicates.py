"""Pictures that are the same, or nearly: saved anew, smaller, brighter, mirrored. They must not lie in two splits."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from emotion.datasets.dataset import Dataset, is_blank

# Chosen by looking at pairs of FER-2013: two pictures that pass both tests show the same photo in all but a few of a
# hundred cases. The code alone takes other faces in the same pose for the same, the small picture alone is slow.
_MAX_HASH_DISTANCE: Final = 8  # of 64 that may differ
_MIN_CORRELATION: Final = 0.93  # correlation of the small pictures
_THUMBNAIL_SIDE_PX: Final = 16  # pixels, side of the small pictures
_CHUNK_ROWS: Final = 512  # rows whose distances to all others are held at once
_CHUNK_PAIRS: Final = 20_000  # pairs whose small pictures are compared at once


def group_duplicates(images: NDArray[np.uint8]) -> NDArray[np.intp]:
    """The number (n,) of the first row with the very same pixels."""
    first: dict[bytes, int] = {}
    keys = (hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images)
    return np.array([first.setdefault(key, i) for i, key in enumerate(keys)], np.intp)


def is_train_duplicate(data: Dataset) -> NDArray[np.bool_]:
    """Test rows (n,) whose very pixels are in the training split too."""
    groups = group_duplicates(data.images)
    return np.isin(groups, groups[data.split == 0]) & (data.split != 0)


def duplicate_report(data: Dataset) -> dict[str, int]:
    """Counts to report before anything is trained or scored."""
    groups = group_duplicates(data.images)
    _, counts = np.unique(groups, return_counts=True)
    order = np.argsort(groups, kind="stable")
    conflicts = sum(
        len(set(data.labels[rows])) > 1 for rows in np.split(order, np.cumsum(counts)[:-1]) if len(rows) > 1
    )
    seen = is_train_duplicate(data)
    validation = groups[data.split == 1]
    return {
        "duplicate_groups": int((counts > 1).sum()),
        "groups_with_conflicting_labels": int(conflicts),
        "validation_rows_in_train": int(seen[data.split == 1].sum()),
        "test_rows_in_train": int(seen[data.split == 2].sum()),
        "test_rows_in_validation": int(np.isin(groups[data.split == 2], validation).sum()),
        "blank_images": int(is_blank(data.images).sum()),
    }


@dataclass(frozen=True)
class Fingerprints:
    """What tells near-duplicates; row i of both arrays is the same picture.

    `hashes` uint64 (n, 2): a perceptual hash of the picture (the signs of its lowest frequencies) and of its mirror
    image. `thumbnails` float32 (n, 16, 16): the picture reduced, with mean 0 and variance 1, all 0 where it is blank.
    """

    hashes: NDArray[np.uint64]
    thumbnails: NDArray[np.float32]

    @classmethod
    def from_images(cls, images: NDArray[np.uint8]) -> Fingerprints:
        """The fingerprints of grey pictures uint8 (n, h, w); n may be 0."""
        codes = np.empty((len(images), 2), np.uint64)
        small = np.empty((len(images), _THUMBNAIL_SIDE_PX, _THUMBNAIL_SIDE_PX), np.float32)
        for i, image in enumerate(images):
            codes[i] = _perceptual_hash(image), _perceptual_hash(image[:, ::-1])
            small[i] = _normalize_thumbnail(image)
        return cls(codes, small)


def _perceptual_hash(image: NDArray[np.uint8]) -> int:
    low = cv2.resize(np.ascontiguousarray(image), (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    waves = cv2.dct(low)[:8, :8].ravel()
    bits = waves > np.median(waves[1:])  # the first one is only the brightness
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _normalize_thumbnail(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    low = cv2.resize(image, (_THUMBNAIL_SIDE_PX, _THUMBNAIL_SIDE_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    low -= low.mean()
    spread = float(low.std())
    return low / spread if spread > 1e-3 else np.zeros_like(low)


def group_near_duplicates(images: NDArray[np.uint8]) -> NDArray[np.intp]:
    """The number (n,) of the first row of all that hang together by being the same or nearly the same."""
    first, place = np.unique(group_duplicates(images), return_inverse=True)
    return first[group_fingerprints(Fingerprints.from_images(images[first]))][place]


def group_fingerprints(fingerprints: Fingerprints) -> NDArray[np.intp]:
    """The number (n,) of the first row of all that hang together by being nearly the same, or mirrored."""
    groups = np.arange(len(fingerprints.hashes))
    for start in range(0, len(groups), _CHUNK_ROWS):
        rows = fingerprints.hashes[start : start + _CHUNK_ROWS, 0]
        for mirrored in (0, 1):
            distances = np.bitwise_count(rows[:, None] ^ fingerprints.hashes[None, start:, mirrored])
            ones, others = np.nonzero(distances <= _MAX_HASH_DISTANCE)
            # All frames of one still face are near each other: a part at a time, most are joined before they come.
            for part in range(0, len(ones), _CHUNK_PAIRS):
                pairs = np.stack([ones[part : part + _CHUNK_PAIRS], others[part : part + _CHUNK_PAIRS]]) + start
                one, other = pairs[:, groups[pairs[0]] != groups[pairs[1]]]
                small = fingerprints.thumbnails[other][:, :, ::-1] if mirrored else fingerprints.thumbnails[other]
                alike = (fingerprints.thumbnails[one] * small).mean(axis=(1, 2)) >= _MIN_CORRELATION
                if alike.any():
                    groups = _merge_groups(groups, one[alike], other[alike])
    return groups


def _merge_groups(groups: NDArray[np.intp], left: NDArray[np.intp], right: NDArray[np.intp]) -> NDArray[np.intp]:
    """The groups (n,), numbers of their first rows, when each of `left` is with that of `right`."""
    n = len(groups)
    ends = np.concatenate([np.arange(n), left]), np.concatenate([groups, right])
    _, found = connected_components(coo_array((np.ones(len(ends[0]), bool), ends), (n, n)), directed=False)
    _, first = np.unique(found, return_index=True)
    return first[found]
