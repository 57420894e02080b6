"""Analyze a photo, and make the previews, crops and files of the result, with or without anonymization."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

from emotion.faces import Box, Face
from emotion.media.image_array import ImageArray, downscale
from emotion.media.image_reader import decode_image, encode_jpeg, encode_png, read_image, rotate
from emotion.recognition import uncertainty
from emotion.recognition.analyzer import Analyzer, Rotation
from emotion.recognition.annotation import annotate, pixelate
from emotion.recognition.cropping import crop_faces, to_gray
from emotion.recognition.settings import AnalyzerSettings
from emotion.results import serialization
from emotion.results.records import PhotoRecord
from emotion.results.share_card import ShareCard, add_legend, render_share_card

# Only certainty reaches this threshold: every other face gets a reason, which `apply_min_confidence` may remove.
_EXPLAIN_ALL: Final = 1.0
_PREVIEW_SIDE_PX: Final = 1400  # a page shows no more
_DETAIL_SIDE_PX: Final = 3000  # more would take too long to send
_PREVIEW_QUALITY: Final = 88  # of the JPEG
_CROP_SIDE_PX: Final = 320
_THUMBNAIL_SIDE_PX: Final = 320


@dataclass(frozen=True)
class PhotoAnalysis:
    """The result for one photo, small enough to keep a hundred of them in memory; nothing in it is anonymized.

    Attributes:
        width: Pixels of the rotated, reduced photo, as all boxes.
        height: Pixels of the rotated, reduced photo.
        rotation: Degrees clockwise by which the photo was rotated to find faces.
        faces: Each with a reason for uncertainty unless its confidence is 1.
        preview_jpeg: The photo, reduced.
        crops: Each face with a margin, RGB uint8.
        gray_crops: The input of the classifier, uint8 (n, side, side).
        candidate_boxes: Boxes of all that may be a face, which are anonymized with the faces.
        reduction: Factor (1, 2, 4 or 8) by which width and height of a very large file were divided.
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
        """The boxes to pixelate: the faces and all candidates, so that a high threshold reveals no face."""
        return (*(face.box for face in self.faces), *self.candidate_boxes)

    def apply_min_confidence(self, min_confidence: float) -> tuple[Face, ...]:
        """Return the faces without the reasons of those whose confidence reaches `min_confidence`.

        What is hardly a face stays so, however confident its label.
        """

        def is_certain(face: Face) -> bool:
            is_face = face.uncertainty_reason != uncertainty.HARDLY_A_FACE
            return is_face and face.scores is not None and face.scores.confidence >= min_confidence

        return tuple(replace(face, uncertainty_reason=None) if is_certain(face) else face for face in self.faces)

    def render_preview(self, anonymize: bool) -> bytes:
        """Return the preview as JPEG."""
        if not (anonymize and self.anonymized_boxes):
            return self.preview_jpeg
        image = read_image(self.preview_jpeg)
        scale = image.shape[1] / self.width
        boxes = [Box(*(x * scale for x in (box.x1, box.y1, box.x2, box.y2))) for box in self.anonymized_boxes]
        return encode_jpeg(pixelate(image, boxes), _PREVIEW_QUALITY)

    def render_crops(self, anonymize: bool) -> tuple[ImageArray, ...]:
        """Return the crops, RGB uint8."""
        return tuple(map(_pixelate_crop, self.crops)) if anonymize else self.crops


def analyze_photo(
    content: bytes | Path, analyzer: Analyzer, settings: AnalyzerSettings, name: str | None = None
) -> PhotoAnalysis:
    """Analyze a photo in any orientation.

    Args:
        content: Bytes or path of the file.
        analyzer: Finds and classifies the faces.
        settings: `min_confidence` is ignored, see `PhotoAnalysis.apply_min_confidence`.
        name: Of the photo in messages.

    Raises:
        ImageError: The photo cannot be read.
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
        preview_jpeg=encode_jpeg(downscale(image, _PREVIEW_SIDE_PX), _PREVIEW_QUALITY),
        crops=tuple(downscale(serialization.crop_with_margin(image, face), _CROP_SIDE_PX).copy() for face in faces),
        gray_crops=crop_faces(to_gray(image), faces, analyzer.detector.crop_geometry, analyzer.classifier.input_size),
        candidate_boxes=upright.candidate_boxes,
        reduction=decoded.reduction,
    )


class Photo(NamedTuple):
    """An analyzed photo: its name, its file (bytes or path), the analysis, and the faces as they are displayed."""

    name: str
    content: bytes | Path
    analysis: PhotoAnalysis
    faces: tuple[Face, ...]

    def load_image(self) -> ImageArray:
        """Decode the photo again in full size, rotated as it was analyzed, RGB uint8."""
        return rotate(read_image(self.content, name=self.name), self.analysis.rotation)

    @property
    def has_detail(self) -> bool:
        """Whether the photo has more pixels than its preview."""
        return max(self.analysis.width, self.analysis.height) > _PREVIEW_SIDE_PX

    def load_detail(self) -> PhotoAnalysis:
        """Return the analysis with a preview of more pixels, up to 3000 a side, for a zoomed photo."""
        image = downscale(self.load_image(), _DETAIL_SIDE_PX)
        return replace(self.analysis, preview_jpeg=encode_jpeg(image, _PREVIEW_QUALITY))

    @property
    def stem(self) -> str:
        """The beginning of the names of its result files."""
        return _make_stem(self.name)

    def make_thumbnail(self, anonymize: bool) -> ImageArray:
        """Return a thumbnail, RGB uint8."""
        return downscale(read_image(self.analysis.render_preview(anonymize)), _THUMBNAIL_SIDE_PX)

    def to_dict(self) -> PhotoRecord:
        """Return the photo and its faces as plain JSON values, see `serialization.photo_to_dict`."""
        analysis = self.analysis
        return serialization.photo_to_dict(
            self.name, analysis.width, analysis.height, self.faces, analysis.rotation, analysis.reduction
        )


def hide_points(faces: Sequence[Face]) -> tuple[Face, ...]:
    """Return faces for anonymized results: without their points, which show the shape of a face."""
    return tuple(
        face if face.features is None else replace(face, features=face.features.without_points()) for face in faces
    )


def remove_features(faces: Sequence[Face]) -> tuple[Face, ...]:
    """Return faces without points, head pose and movements."""
    return tuple(replace(face, features=None) for face in faces)


def make_unique_names(names: Sequence[str]) -> list[str]:
    """Number the names that occur again: "a.jpg", "a.jpg (2)"."""
    return _number_duplicates(names, "{} ({})")


def _number_duplicates(names: Sequence[str], template: str = "{}-{}") -> list[str]:
    """Make names unique regardless of case, as the file systems of macOS and Windows require."""
    originals, used = {name.casefold() for name in names}, set[str]()
    unique_names = []
    for name in names:
        unique, number = name, 1
        while unique.casefold() in used or (number > 1 and unique.casefold() in originals):
            number += 1
            unique = template.format(name, number)
        used.add(unique.casefold())
        unique_names.append(unique)
    return unique_names


def make_annotated_png(photo: Photo, *, anonymize: bool) -> bytes:
    """Draw boxes, labels and points on the photo in full size, and a legend below it, as PNG."""
    image = photo.load_image()
    if anonymize:
        image = pixelate(image, photo.analysis.anonymized_boxes)
    return encode_png(add_legend(annotate(image, photo.faces, points=not anonymize), photo.faces))


def make_share_card(photo: Photo, title: str, day: date, *, anonymize: bool) -> bytes:
    """Make a card of 1200 x 630 pixels to share, as PNG; see `share_card.render_share_card`."""
    image = read_image(photo.analysis.render_preview(anonymize))
    scale = image.shape[1] / photo.analysis.width
    faces = tuple(face.scale_and_translate(0, 0, scale) for face in photo.faces)
    return encode_png(render_share_card(image, ShareCard(title, day, faces)))


def make_annotated_zip(photos: Sequence[Photo], *, anonymize: bool) -> bytes:
    """Return a ZIP of the annotated photos, as PNG."""
    return serialization.zip_files(
        {f"{stem}.png": make_annotated_png(photo, anonymize=anonymize) for stem, photo in _pair_with_stems(photos)}
    )


def make_crops_zip(photos: Sequence[Photo], *, anonymize: bool) -> bytes:
    """Return a ZIP of all faces in full size, "03_happy.png", in a folder for each of several photos."""
    files = {}
    for stem, photo in _pair_with_stems(photos):
        folder = f"{stem}/" if len(photos) > 1 else ""
        files |= {folder + name: png for name, png in iter_crop_files(photo, anonymize=anonymize)}
    return serialization.zip_files(files)


def iter_crop_files(photo: Photo, *, anonymize: bool) -> Iterator[tuple[str, bytes]]:
    """Iterate over the faces of a photo in full size: file name and PNG."""
    image = photo.load_image()
    for number, face in enumerate(photo.faces, 1):
        crop = serialization.crop_with_margin(image, face)
        yield f"{number:02d}_{face.display_label}.png", encode_png(_pixelate_crop(crop) if anonymize else crop)


def faces_to_csv(photos: Sequence[Photo]) -> str:
    """Return all faces of all photos as CSV, see `tables.faces_table`."""
    from emotion.results import tables  # imports pandas: half a second that the first page does not need

    return tables.to_csv(tables.faces_table([(photo.name, photo.faces) for photo in photos]))


def faces_to_json(photos: Sequence[Photo]) -> str:
    """Return a JSON list of all photos, see `Photo.to_dict`."""
    return serialization.to_json([photo.to_dict() for photo in photos])


def _pair_with_stems(photos: Sequence[Photo]) -> list[tuple[str, Photo]]:
    """Each photo with a unique beginning for the names of its files."""
    return list(zip(_number_duplicates([photo.stem for photo in photos]), photos, strict=True))


def _make_stem(name: str) -> str:
    return serialization.sanitize_filename(name).rsplit(".", 1)[0] or "photo"


def _pixelate_crop(crop: ImageArray) -> ImageArray:
    """Pixelate the whole crop: parts of other faces may be at its edges."""
    return pixelate(crop, [Box(0, 0, crop.shape[1], crop.shape[0])])
