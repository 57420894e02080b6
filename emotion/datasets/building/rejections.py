"""Photos that give no face to a data set: the reasons, the list of them, and their thumbnails.

rejected.csv           one row per photo: `REJECTED_COLUMNS`
rejected/00001.jpg     thumbnails of some of them
"""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np

from emotion.datasets.metadata import write_csv
from emotion.formatting import format_list
from emotion.media.image_array import ImageArray, downscale
from emotion.media.image_reader import encode_jpeg
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop

REJECTED: Final = "rejected"
REJECTION_REASONS: Final = (
    gettext_noop("no face"),
    gettext_noop("several faces"),
    gettext_noop("too small"),
    gettext_noop("blank"),
    gettext_noop("unreadable"),
    gettext_noop("duplicate"),
    gettext_noop("two labels"),
    gettext_noop("no label"),
)
_THUMBNAIL_SIDE_PX: Final = 200
_THUMBNAIL_QUALITY: Final = 80  # of the JPEG
_MAX_THUMBNAILS: Final = 100  # per reason: a source of 100,000 landscapes must not become as many files


class RejectionError(Exception):
    """A photo gives no face; `reason` is one of `REJECTION_REASONS`, the message a sentence for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class RejectedPhoto(NamedTuple):
    """A row of rejected.csv; `thumbnail` is a path in the folder of the data set, "" for none."""

    name: str
    label: str
    reason: str
    message: str
    thumbnail: str


REJECTED_COLUMNS: Final = RejectedPhoto._fields


class RejectionLog:
    """Collects rejected photos; their thumbnails are written into `folder` as they come."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._photos: list[RejectedPhoto] = []
        self._num_thumbnails: Counter[str] = Counter()
        (folder / REJECTED).mkdir(parents=True)

    def add(self, name: str, label: str, error: RejectionError, image: ImageArray | None) -> None:
        """Add a photo; `image` is what can be shown of it, RGB or gray uint8."""
        thumbnail = ""
        if image is not None and self._num_thumbnails[error.reason] < _MAX_THUMBNAILS:
            self._num_thumbnails[error.reason] += 1
            thumbnail = f"{REJECTED}/{len(self._photos) + 1:05d}.jpg"
            (self._folder / thumbnail).write_bytes(encode_jpeg(_make_thumbnail(image), _THUMBNAIL_QUALITY))
        self._photos.append(RejectedPhoto(name, label, error.reason, str(error), thumbnail))

    def add_existing(self, folder: Path) -> None:
        """Add the rejected photos of the data set in `folder`, with their thumbnails."""
        for photo in read_rejected(folder):
            if is_thumbnail(folder, photo.thumbnail):
                shutil.copyfile(folder / photo.thumbnail, self._folder / photo.thumbnail)
                self._num_thumbnails[photo.reason] += 1
            self._photos.append(photo)

    def count_reasons(self) -> Counter[str]:
        """Count the photos by reason."""
        return Counter(photo.reason for photo in self._photos)

    def describe(self) -> str:
        """Return the numbers of photos by reason, the most frequent first: "3 no face, 1 blank"."""
        text = _("{count} {reason}")
        counts = self.count_reasons().most_common()
        return format_list(text.format(count=count, reason=_(reason)) for reason, count in counts)

    def write(self) -> None:
        """Write rejected.csv."""
        write_csv(self._folder / f"{REJECTED}.csv", [REJECTED_COLUMNS, *self._photos])


def read_rejected(folder: Path) -> list[RejectedPhoto]:
    """Read rejected.csv of a data set; empty without one that can be read."""
    try:
        with open(folder / f"{REJECTED}.csv", newline="", encoding="utf-8-sig", errors="replace") as file:
            rows = list(csv.DictReader(file))
    except (OSError, csv.Error):
        return []
    return [RejectedPhoto(*(str(row.get(name) or "") for name in REJECTED_COLUMNS)) for row in rows]


def is_thumbnail(folder: Path, name: str) -> bool:
    """Whether a name in rejected.csv is a file of the data set: a list edited by hand may hold any path."""
    path = folder / name
    return bool(name) and path.resolve().parent.parent == folder.resolve() and path.is_file()


def _make_thumbnail(image: ImageArray) -> ImageArray:
    small = downscale(image, _THUMBNAIL_SIDE_PX)
    return small if small.ndim == 3 else np.asarray(cv2.cvtColor(small, cv2.COLOR_GRAY2RGB), np.uint8)
