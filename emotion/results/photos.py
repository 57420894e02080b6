"""Photos from their bytes to everything that is shown and saved of them, blurred where that is wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from emotion.faces import Box, Face
from emotion.media.image_array import ImageArray, downscale
from emotion.media.image_reader import decode_image, encode_jpeg, encode_png, read_image, rotate
from emotion.recognition.analyzer import Analyzer, AnalyzerSettings, Rotation
from emotion.recognition.annotation import annotate, pixelate
from emotion.recognition.cropping import crop_faces, to_gray
from emotion.results import serialization

# A threshold that only certainty reaches: every other face gets its reason, and `apply_min_confidence` hides some of them.
_EXPLAIN_ALL: Final = 1.0
_PREVIEW_SIDE_PX: Final = 1400  # pixels; more cannot be seen on a page
_CROP_SIDE_PX: Final = 320
_THUMBNAIL_SIDE_PX: Final = 320


@dataclass(frozen=True)
class PhotoAnalysis:
    """One photo as it was read, small enough to be kept for a hundred photos.

    `rotation`: degrees clockwise by which the photo was turned to find faces; `reduction`: by how much (1, 2, 4 or 8) the
    width and height of a very large file were divided; size and boxes are those of the turned, reduced photo. `faces`:
    each with its reason to be unsure, however sure it is. `preview_jpeg`: the photo as JPEG, reduced. `crops`: each face for
    people to look at, RGB uint8; `gray_crops`: what the classifier read, uint8 (n, side, side). `candidate_boxes`: the boxes of all
    that may be a face, to be hidden with the faces. Nothing in it is blurred.
    """

    width: int
    height: int
    rotation: Rotation
    faces: tuple[Face, ...]
    preview_jpeg: bytes
    crops: tuple[ImageArray, ...]
    gray_crops: ImageArray
    candidate_boxes: tuple[Box, ...] = ()
    reduction: int = 1

    @property
    def anonymized_boxes(self) -> tuple[Box, ...]:
        """What a blur hides: the faces, and what may be one, for a threshold that shows few faces must not show those
        that it leaves out."""
        return (*(face.box for face in self.faces), *self.candidate_boxes)

    def apply_min_confidence(self, min_confidence: float) -> tuple[Face, ...]:
        """The faces, with their reasons only where the confidence is below `min_confidence`."""
        return tuple(
            replace(f, uncertainty_reason=None) if f.scores and f.scores.confidence >= min_confidence else f
            for f in self.faces
        )

    def render_preview(self, anonymize: bool) -> bytes:
        """The preview as it may be shown, JPEG."""
        if not (anonymize and self.anonymized_boxes):
            return self.preview_jpeg
        image = read_image(self.preview_jpeg)
        factor = image.shape[1] / self.width
        boxes = [Box(*(side * factor for side in (b.x1, b.y1, b.x2, b.y2))) for b in self.anonymized_boxes]
        return encode_jpeg(pixelate(image, boxes), 88)

    def render_crops(self, anonymize: bool) -> tuple[ImageArray, ...]:
        """The crops as they may be shown, RGB uint8."""
        return tuple(map(_pixelate_crop, self.crops)) if anonymize else self.crops


def analyze_photo(
    content: bytes | Path, analyzer: Analyzer, settings: AnalyzerSettings, name: str | None = None
) -> PhotoAnalysis:
    """Read a photo (its bytes or its path) whichever way up it is; `settings.min_confidence` is not used.

    `name` is what an `ImageError` calls it.
    """
    decoded = decode_image(content, name=name)
    upright = analyzer.analyze_any_orientation(decoded.pixels, replace(settings, min_confidence=_EXPLAIN_ALL))
    image, faces = upright.image, upright.faces
    height, width = image.shape[:2]
    return PhotoAnalysis(
        width=width,
        height=height,
        rotation=upright.rotation,
        faces=faces,
        preview_jpeg=encode_jpeg(downscale(image, _PREVIEW_SIDE_PX), 88),
        crops=tuple(downscale(serialization.crop_with_margin(image, face), _CROP_SIDE_PX).copy() for face in faces),
        gray_crops=crop_faces(to_gray(image), faces, analyzer.detector.crop_geometry, analyzer.classifier.input_size),
        candidate_boxes=upright.candidate_boxes,
        reduction=decoded.reduction,
    )


class Photo(NamedTuple):
    """A photo that was read: its name, its file (bytes or path), and its faces with the reasons to be shown."""

    name: str
    content: bytes | Path
    analysis: PhotoAnalysis
    faces: tuple[Face, ...]

    def load_image(self) -> ImageArray:
        """The photo in its full size, turned as it was read, RGB uint8; decoded again, since it is not kept."""
        return rotate(read_image(self.content, name=self.name), self.analysis.rotation)

    @property
    def stem(self) -> str:
        """A part of a file name made of the photo's name."""
        return _make_stem(self.name)

    def make_thumbnail(self, anonymize: bool) -> ImageArray:
        """A small picture of the photo as it may be shown, RGB uint8."""
        return downscale(read_image(self.analysis.render_preview(anonymize)), _THUMBNAIL_SIDE_PX)

    def to_dict(self) -> dict[str, Any]:
        """The photo and its faces as plain JSON values, see `serialization.photo_to_dict`."""
        reading = self.analysis
        return serialization.photo_to_dict(
            self.name, reading.width, reading.height, self.faces, reading.rotation, reading.reduction
        )


def make_unique_names(names: Sequence[str]) -> list[str]:
    """The names, those that come again with a number: "a.jpg", "a.jpg (2)"."""
    return _number_duplicates(names, "{} ({})")


def _number_duplicates(names: Sequence[str], template: str = "{}-{}") -> list[str]:
    """The names, each different from all others whatever their case, as the disks of some systems want it."""
    asked, given = {name.casefold() for name in names}, set[str]()
    out = []
    for name in names:
        new, number = name, 1
        while new.casefold() in given or (number > 1 and new.casefold() in asked):
            number += 1
            new = template.format(name, number)
        given.add(new.casefold())
        out.append(new)
    return out


def make_annotated_png(photo: Photo, *, anonymize: bool) -> bytes:
    """The photo with its boxes and labels in its full size, as PNG."""
    full = photo.load_image()
    return encode_png(annotate(pixelate(full, photo.analysis.anonymized_boxes) if anonymize else full, photo.faces))


def make_annotated_zip(photos: Sequence[Photo], *, anonymize: bool) -> bytes:
    """All photos with their boxes and labels, as PNG in a ZIP."""
    return serialization.zip_files(
        {f"{stem}.png": make_annotated_png(p, anonymize=anonymize) for stem, p in _pair_with_stems(photos)}
    )


def make_crops_zip(photos: Sequence[Photo], *, anonymize: bool) -> bytes:
    """Every face in its full size as PNG in a ZIP: "03_happy.png", in a folder for each of several photos."""
    files = {}
    for stem, photo in _pair_with_stems(photos):
        folder = f"{stem}/" if len(photos) > 1 else ""
        files |= {folder + name: png for name, png in iter_crop_files(photo, anonymize=anonymize)}
    return serialization.zip_files(files)


def iter_crop_files(photo: Photo, *, anonymize: bool) -> Iterator[tuple[str, bytes]]:
    """Every face of a photo in its full size: a file name and the PNG."""
    image = photo.load_image()
    for number, face in enumerate(photo.faces, 1):
        crop = serialization.crop_with_margin(image, face)
        yield f"{number:02d}_{face.display_label}.png", encode_png(_pixelate_crop(crop) if anonymize else crop)


def faces_to_csv(photos: Sequence[Photo]) -> str:
    """All faces of all photos as CSV, see `tables.faces_table`."""
    from emotion.results import tables  # it loads pandas, half a second that the first page can do without

    return tables.to_csv(tables.faces_table([(photo.name, photo.faces) for photo in photos]))


def faces_to_json(photos: Sequence[Photo]) -> str:
    """All photos with their faces as JSON, a list of `serialization.photo_to_dict`."""
    return serialization.to_json([photo.to_dict() for photo in photos])


def _pair_with_stems(photos: Sequence[Photo]) -> list[tuple[str, Photo]]:
    """A name for files and folders made of each photo: safe, and different for all."""
    return list(zip(_number_duplicates([photo.stem for photo in photos]), photos, strict=True))


def _make_stem(name: str) -> str:
    return serialization.sanitize_filename(name).rsplit(".", 1)[0] or "photo"


def _pixelate_crop(crop: ImageArray) -> ImageArray:
    """A mosaic of the whole crop, so that neighbours at its edges are hidden as well."""
    return pixelate(crop, [Box(0, 0, crop.shape[1], crop.shape[0])])
