"""Find images that are equal, or nearly: saved again, resized, brightened, mirrored. They must share a split."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from emotion.datasets.dataset import Dataset, is_blank
from emotion.storage import atomic_path

# Chosen by looking at pairs of FER-2013: of a hundred pairs that pass both tests, all but a few show the same photo.
# The hash alone confuses different faces in the same pose, the thumbnail alone is slow.
_MAX_HASH_DISTANCE: Final = 8  # of 64 bits
_MIN_CORRELATION: Final = 0.93  # of the thumbnails
_THUMBNAIL_SIDE_PX: Final = 16
_HASH_INPUT_PX: Final = 32  # side of the image whose frequencies are taken
_HASH_FREQUENCIES: Final = 8  # a side: 64 bits
_MIN_SPREAD: Final = 1e-3  # gray levels; below it a thumbnail is blank and cannot be normalized
_CHUNK_ROWS: Final = 512  # rows whose distances to all others are in memory together
CHUNK_PAIRS: Final = 20_000  # pairs whose thumbnails are compared together
_DIGEST_BYTES: Final = 16


def group_duplicates(images: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return the index (n,) of the first image with equal pixels."""
    first: dict[bytes, int] = {}
    digests = (hashlib.blake2b(image.tobytes(), digest_size=_DIGEST_BYTES).digest() for image in images)
    return np.array([first.setdefault(digest, i) for i, digest in enumerate(digests)], np.intp)


def is_train_duplicate(data: Dataset) -> NDArray[np.bool_]:
    """Mark the validation and test rows (n,) whose pixels are also in the training split."""
    groups = group_duplicates(data.images)
    return np.isin(groups, groups[data.split == 0]) & (data.split != 0)


def duplicate_report(data: Dataset) -> dict[str, int]:
    """Count equal images, those across splits or with several labels, and blank ones."""
    groups = group_duplicates(data.images)
    _, counts = np.unique(groups, return_counts=True)
    order = np.argsort(groups, kind="stable")
    conflicts = sum(
        len(set(data.labels[rows])) > 1 for rows in np.split(order, np.cumsum(counts)[:-1]) if len(rows) > 1
    )
    in_train = is_train_duplicate(data)
    validation = groups[data.split == 1]
    return {
        "duplicate_groups": int((counts > 1).sum()),
        "groups_with_conflicting_labels": int(conflicts),
        "validation_rows_in_train": int(in_train[data.split == 1].sum()),
        "test_rows_in_train": int(in_train[data.split == 2].sum()),
        "test_rows_in_validation": int(np.isin(groups[data.split == 2], validation).sum()),
        "blank_images": int(is_blank(data.images).sum()),
    }


@dataclass(frozen=True)
class Fingerprints:
    """What near-duplicates have in common; row i of both arrays is the same image.

    Attributes:
        hashes: uint64 (n, 2), the perceptual hash of the image (signs of its lowest frequencies) and of its mirror
            image.
        thumbnails: float32 (n, 16, 16), the reduced image with mean 0 and variance 1, all 0 where it is blank.
    """

    hashes: NDArray[np.uint64]
    thumbnails: NDArray[np.float32]

    @classmethod
    def from_images(cls, images: NDArray[np.uint8]) -> Fingerprints:
        """Compute the fingerprints of gray images uint8 (n, h, w); n may be 0."""
        hashes = np.empty((len(images), 2), np.uint64)
        thumbnails = np.empty((len(images), _THUMBNAIL_SIDE_PX, _THUMBNAIL_SIDE_PX), np.float32)
        for i, image in enumerate(images):
            hashes[i] = _perceptual_hash(image), _perceptual_hash(image[:, ::-1])
            thumbnails[i] = _normalize_thumbnail(image)
        return cls(hashes, thumbnails)

    @classmethod
    def concatenate(cls, parts: Sequence[Fingerprints]) -> Fingerprints:
        """Join the rows of at least one part."""
        return cls(np.concatenate([part.hashes for part in parts]), np.concatenate([part.thumbnails for part in parts]))


def _perceptual_hash(image: NDArray[np.uint8]) -> int:
    size = (_HASH_INPUT_PX, _HASH_INPUT_PX)
    reduced = cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA).astype(np.float32)
    frequencies = cv2.dct(reduced)[:_HASH_FREQUENCIES, :_HASH_FREQUENCIES].ravel()
    bits = frequencies > np.median(frequencies[1:])  # the first one is only the brightness
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _normalize_thumbnail(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    size = (_THUMBNAIL_SIDE_PX, _THUMBNAIL_SIDE_PX)
    reduced = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    reduced -= reduced.mean()
    spread = float(reduced.std())
    return reduced / spread if spread > _MIN_SPREAD else np.zeros_like(reduced)


def group_near_duplicates(images: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return the index (n,) of the first image of each group of equal or nearly equal ones.

    Near-duplication is transitive here: all images of a chain of near-duplicates are one group.
    """
    first, inverse = np.unique(group_duplicates(images), return_inverse=True)
    return first[group_fingerprints(Fingerprints.from_images(images[first]))][inverse]


def near_duplicate_cache_path(dataset_path: Path) -> Path:
    """Return the hidden file beside a data set that keeps its groups of near-duplicates."""
    return dataset_path.with_name(f".{dataset_path.name}.near-duplicates.npz")


def load_near_duplicates(dataset_path: Path, images: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return `group_near_duplicates(images)`, from the file beside the data set where it fits these images.

    Without a valid file the groups are computed and, where the folder can be written to, saved.
    """
    path = near_duplicate_cache_path(dataset_path)
    key = _cache_key(images)
    with (
        suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile),
        np.load(path, allow_pickle=False) as file,
    ):
        if file["key"].tobytes() == key and file["groups"].shape == images.shape[:1]:
            return file["groups"].astype(np.intp)
    groups = group_near_duplicates(images)
    with suppress(OSError), atomic_path(path) as temporary:  # only saves time: a read-only folder is no error
        np.savez_compressed(temporary, key=np.frombuffer(key, np.uint8), groups=groups)
    return groups


def _cache_key(images: NDArray[np.uint8]) -> bytes:
    """A digest of all pixels and of the settings of the search."""
    settings = (images.shape, _MAX_HASH_DISTANCE, _MIN_CORRELATION, _THUMBNAIL_SIDE_PX, _HASH_INPUT_PX)
    digest = hashlib.blake2b(repr(settings).encode(), digest_size=_DIGEST_BYTES)
    digest.update(np.ascontiguousarray(images).data)
    return digest.digest()


def group_fingerprints(fingerprints: Fingerprints) -> NDArray[np.intp]:
    """Return the index (n,) of the first row of each group of near-duplicates, mirrored ones included."""
    groups = np.arange(len(fingerprints.hashes))
    for start in range(0, len(groups), _CHUNK_ROWS):
        hashes = fingerprints.hashes[start : start + _CHUNK_ROWS, 0]
        for mirrored in (0, 1):
            distances = np.bitwise_count(hashes[:, None] ^ fingerprints.hashes[None, start:, mirrored])
            rows, others = np.nonzero(distances <= _MAX_HASH_DISTANCE)
            # All frames of a still face are near each other: in chunks, most pairs are joined before their turn.
            for chunk in range(0, len(rows), CHUNK_PAIRS):
                pairs = np.stack([rows[chunk : chunk + CHUNK_PAIRS], others[chunk : chunk + CHUNK_PAIRS]]) + start
                left, right = pairs[:, groups[pairs[0]] != groups[pairs[1]]]
                thumbnails = fingerprints.thumbnails[right]
                thumbnails = thumbnails[:, :, ::-1] if mirrored else thumbnails
                correlations = (fingerprints.thumbnails[left] * thumbnails).mean(axis=(1, 2))
                is_near = correlations >= _MIN_CORRELATION
                if is_near.any():
                    groups = _merge_groups(groups, left[is_near], right[is_near])
    return groups


def _merge_groups(groups: NDArray[np.intp], left: NDArray[np.intp], right: NDArray[np.intp]) -> NDArray[np.intp]:
    """Join the group of each of `left` with that of the same entry of `right`."""
    n = len(groups)
    ends = np.concatenate([np.arange(n), left]), np.concatenate([groups, right])
    _, components = connected_components(coo_array((np.ones(len(ends[0]), bool), ends), (n, n)), directed=False)
    _, first = np.unique(components, return_index=True)
    return first[components]
