"""Photos from their bytes to everything that is shown and saved of them, blurred where that is wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.faces import Box, Face
from emotion.media.image_reader import decode_image, encode_jpeg, encode_png, read_image, rotate
from emotion.recognition.analyzer import Analyzer, Quarter, Settings
from emotion.recognition.annotation import annotate, pixelate
from emotion.recognition.cropping import crop_faces, to_grey
from emotion.results import serialization

Picture = NDArray[np.uint8]

# A threshold that only certainty reaches: every other face gets its reason, and `faces_shown` hides some of them.
_ALL_REASONS: Final = 1.0
_PREVIEW_SIDE: Final = 1400  # pixels; more cannot be seen on a page
_CROP_SIDE: Final = 320
_THUMBNAIL_SIDE: Final = 320


@dataclass(frozen=True)
class Reading:
    """One photo as it was read, small enough to be kept for a hundred photos.

    `turned`: degrees clockwise by which the photo was turned to find faces; `reduction`: by how much (1, 2, 4 or 8) the
    width and height of a very large file were divided; size and boxes are those of the turned, reduced photo. `faces`:
    each with its reason to be unsure, however sure it is. `preview`: the photo as JPEG, reduced. `crops`: each face for
    people to look at, RGB uint8; `grey`: what the recogniser read, uint8 (n, side, side). `suspected`: the boxes of all
    that may be a face, to be hidden with the faces. Nothing in it is blurred.
    """

    width: int
    height: int
    turned: Quarter
    faces: tuple[Face, ...]
    preview: bytes
    crops: tuple[Picture, ...]
    grey: Picture
    suspected: tuple[Box, ...] = ()
    reduction: int = 1

    @property
    def hidden(self) -> tuple[Box, ...]:
        """What a blur hides: the faces, and what may be one, for a threshold that shows few faces must not show those
        that it leaves out."""
        return (*(face.box for face in self.faces), *self.suspected)

    def faces_shown(self, unsure: float) -> tuple[Face, ...]:
        """The faces, with their reasons only where the confidence is below `unsure`."""
        return tuple(replace(f, unsure=None) if f.scores and f.scores.confidence >= unsure else f for f in self.faces)

    def preview_shown(self, blur: bool) -> bytes:
        """The preview as it may be shown, JPEG."""
        if not (blur and self.hidden):
            return self.preview
        image = read_image(self.preview)
        factor = image.shape[1] / self.width
        boxes = [Box(*(side * factor for side in (b.x1, b.y1, b.x2, b.y2))) for b in self.hidden]
        return encode_jpeg(pixelate(image, boxes), 88)

    def crops_shown(self, blur: bool) -> tuple[Picture, ...]:
        """The crops as they may be shown, RGB uint8."""
        return tuple(map(_hidden, self.crops)) if blur else self.crops


def read(content: bytes | Path, analyzer: Analyzer, settings: Settings, name: str | None = None) -> Reading:
    """Read a photo (its bytes or its path) whichever way up it is; `settings.unsure` is not used.

    `name` is what an `ImageError` calls it.
    """
    decoded = decode_image(content, name=name)
    upright = analyzer.analyze_upright(decoded.pixels, replace(settings, unsure=_ALL_REASONS))
    image, faces = upright.image, upright.faces
    height, width = image.shape[:2]
    return Reading(
        width=width,
        height=height,
        turned=upright.turned,
        faces=faces,
        preview=encode_jpeg(smaller(image, _PREVIEW_SIDE), 88),
        crops=tuple(smaller(serialization.cut_out(image, face), _CROP_SIDE).copy() for face in faces),
        grey=crop_faces(to_grey(image), faces, analyzer.detector.geometry, analyzer.recogniser.size),
        suspected=upright.suspected,
        reduction=decoded.reduction,
    )


class Photo(NamedTuple):
    """A photo that was read: its name, its file (bytes or path), and its faces with the reasons to be shown."""

    name: str
    content: bytes | Path
    reading: Reading
    faces: tuple[Face, ...]

    def full(self) -> Picture:
        """The photo in its full size, turned as it was read, RGB uint8; decoded again, since it is not kept."""
        return rotate(read_image(self.content, name=self.name), self.reading.turned)

    @property
    def stem(self) -> str:
        """A part of a file name made of the photo's name."""
        return _stem(self.name)

    def thumbnail(self, blur: bool) -> Picture:
        """A small picture of the photo as it may be shown, RGB uint8."""
        return smaller(read_image(self.reading.preview_shown(blur)), _THUMBNAIL_SIDE)

    def as_json(self) -> dict[str, Any]:
        """The photo and its faces as plain JSON values, see `outputs.photo_json`."""
        reading = self.reading
        return serialization.photo_json(
            self.name, reading.width, reading.height, self.faces, reading.turned, reading.reduction
        )


def distinct(names: Sequence[str]) -> list[str]:
    """The names, those that come again with a number: "a.jpg", "a.jpg (2)"."""
    return _numbered(names, "{} ({})")


def _numbered(names: Sequence[str], form: str = "{}-{}") -> list[str]:
    """The names, each different from all others whatever their case, as the disks of some systems want it."""
    asked, given = {name.casefold() for name in names}, set[str]()
    out = []
    for name in names:
        new, number = name, 1
        while new.casefold() in given or (number > 1 and new.casefold() in asked):
            number += 1
            new = form.format(name, number)
        given.add(new.casefold())
        out.append(new)
    return out


def annotated_png(photo: Photo, *, blur: bool) -> bytes:
    """The photo with its boxes and labels in its full size, as PNG."""
    full = photo.full()
    return encode_png(annotate(pixelate(full, photo.reading.hidden) if blur else full, photo.faces))


def annotated_zip(photos: Sequence[Photo], *, blur: bool) -> bytes:
    """All photos with their boxes and labels, as PNG in a ZIP."""
    return serialization.zip_files({f"{stem}.png": annotated_png(p, blur=blur) for stem, p in _stems(photos)})


def crops_zip(photos: Sequence[Photo], *, blur: bool) -> bytes:
    """Every face in its full size as PNG in a ZIP: "03_happy.png", in a folder for each of several photos."""
    files = {}
    for stem, photo in _stems(photos):
        folder = f"{stem}/" if len(photos) > 1 else ""
        files |= {folder + name: png for name, png in crop_files(photo, blur=blur)}
    return serialization.zip_files(files)


def crop_files(photo: Photo, *, blur: bool) -> Iterator[tuple[str, bytes]]:
    """Every face of a photo in its full size: a file name and the PNG."""
    image = photo.full()
    for number, face in enumerate(photo.faces, 1):
        crop = serialization.cut_out(image, face)
        yield f"{number:02d}_{face.shown}.png", encode_png(_hidden(crop) if blur else crop)


def faces_csv(photos: Sequence[Photo]) -> str:
    """All faces of all photos as CSV, see `tables.faces_table`."""
    from emotion.results import tables  # it loads pandas, half a second that the first page can do without

    return tables.to_csv(tables.faces_table([(photo.name, photo.faces) for photo in photos]))


def faces_json(photos: Sequence[Photo]) -> str:
    """All photos with their faces as JSON, a list of `outputs.photo_json`."""
    return serialization.to_json([photo.as_json() for photo in photos])


def _stems(photos: Sequence[Photo]) -> list[tuple[str, Photo]]:
    """A name for files and folders made of each photo: safe, and different for all."""
    return list(zip(_numbered([photo.stem for photo in photos]), photos, strict=True))


def _stem(name: str) -> str:
    return serialization.file_label(name).rsplit(".", 1)[0] or "photo"


def _hidden(crop: Picture) -> Picture:
    """A mosaic of the whole crop, so that neighbours at its edges are hidden as well."""
    return pixelate(crop, [Box(0, 0, crop.shape[1], crop.shape[0])])


def smaller(image: Picture, side: int) -> Picture:
    """RGB uint8 (H, W, 3) reduced to a long side of at most `side` pixels."""
    height, width = image.shape[:2]
    factor = side / max(height, width)
    if factor >= 1:
        return image
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]
