"""Filter and sort the faces of several photos."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, Literal, NamedTuple

from emotion.faces import Face
from emotion.results.photos import Photo

Order = Literal["added", "confidence", "size"]
ORDERS: Final[tuple[Order, ...]] = ("added", "confidence", "size")


class FacePosition(NamedTuple):
    """A face: the numbers of its photo and of the face in it, both counted from 1."""

    photo: int
    face: int


def list_faces(photos: Sequence[Photo], labels: Collection[str], order: Order) -> list[FacePosition]:
    """List the faces that have one of some labels.

    Args:
        photos: The photos.
        labels: The displayed labels; none for all faces.
        order: "added": of the photos, in each the order of reading; "confidence": the most certain label first;
            "size": the largest face in pixels first.
    """
    found = [
        (FacePosition(i, n), face)
        for i, photo in enumerate(photos, 1)
        for n, face in enumerate(photo.faces, 1)
        if not labels or face.display_label in labels
    ]
    if order != "added":
        found.sort(key=lambda item: _rank(item[1], order))
    return [position for position, _face in found]


def list_photos(photos: Sequence[Photo], labels: Collection[str], order: Order) -> list[FacePosition]:
    """List photos with the face of each that `list_faces` lists first.

    Without labels, photos without a face are at the end, with face number 1, or at their place in the order "added".
    """
    first = dict[int, FacePosition]()
    for position in list_faces(photos, labels, order):
        first.setdefault(position.photo, position)
    if not labels:
        for number in range(1, len(photos) + 1):
            first.setdefault(number, FacePosition(number, 1))
    return sorted(first.values()) if order == "added" else list(first.values())


def _rank(face: Face, order: Order) -> float:
    return -face.box.area if order == "size" else -(face.confidence or 0)
