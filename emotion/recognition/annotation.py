"""Draw boxes and labels on images, and pixelate faces. Every function returns a new image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.expressions import UNCERTAIN, get_style
from emotion.faces import Box, Face
from emotion.formatting import format_percent
from emotion.media.image_array import ImageArray
from emotion.media.image_reader import ImageSource, as_rgb
from emotion.recognition.features.drawing import draw_points
from emotion.recognition.label_rendering import hex_to_rgb, is_drawable, render_label

LabelRect = tuple[int, int, int, int]  # x, y, width, height in pixels

MAX_FULL_LABELS = 12  # with more faces, labels show only number and symbol
_MAX_NAME_LENGTH = 24  # characters


def annotate(
    image: ImageSource,
    faces: Sequence[Face],
    *,
    anonymize: bool = False,
    names: Mapping[int, str] | None = None,
    points: bool = False,
) -> ImageArray:
    """Draw a box and a label, whose text repeats its color, for each face on a copy of an image.

    Args:
        image: An image, as `as_rgb` takes it.
        faces: The faces; those without a track ID are numbered from 1.
        anonymize: Whether the faces are pixelated first.
        names: Text to draw instead of a track ID; ignored where no font can draw it.
        points: Whether the points of faces with features are drawn; never on faces that are pixelated.

    Returns:
        RGB uint8 (H, W, 3).
    """
    out = pixelate(image, [face.box for face in faces]) if anonymize else as_rgb(image).copy()
    if points and not anonymize:
        draw_points(out, faces)
    height, width = out.shape[:2]
    thickness = max(2, round(max(height, width) / 500))
    for face in faces:
        _draw_box(out, face, thickness)
    occupied = [face.box for face in faces]
    for position, face in enumerate(faces, 1):
        prefix = position if face.track_id is None else _format_track_name(face.track_id, names or {})
        label = render_label(
            format_label(prefix, face, short=len(faces) > MAX_FULL_LABELS),
            face.display_label,
            _choose_font_size(face, out),
        )
        x, y = _place_label(
            face.box, label.shape[1], label.shape[0], width, height, [box for box in occupied if box is not face.box]
        )
        _paste_label(out, label, x, y)
        occupied.append(Box(x, y, x + label.shape[1], y + label.shape[0]))
    return out


def _format_track_name(track_id: int, names: Mapping[int, str]) -> str | int:
    name = names.get(track_id, "")
    if not name or not is_drawable(name):
        return track_id
    return name if len(name) <= _MAX_NAME_LENGTH else f"{name[: _MAX_NAME_LENGTH - 1].rstrip()}…"


def format_label(prefix: int | str, face: Face, *, short: bool) -> str:
    """Format the text of a label: "3 happy 87%", "3 unsure", or only "3"; `prefix` may be a name."""
    if short:
        return str(prefix)
    if face.uncertainty_reason is not None or face.confidence is None:
        return f"{prefix} {UNCERTAIN.name}"
    return f"{prefix} {face.label} {format_percent(face.confidence)}"


def pixelate(image: ImageSource, boxes: Sequence[Box], num_cells: int = 6) -> ImageArray:
    """Pixelate boxes, enlarged by a fifth, on a copy of an image.

    Args:
        image: An image, as `as_rgb` takes it.
        boxes: The boxes in pixels; they may overlap and reach outside.
        num_cells: The number of cells of the mosaic in each row and column.

    Returns:
        RGB uint8 (H, W, 3).
    """
    out = as_rgb(image).copy()
    height, width = out.shape[:2]
    for box in boxes:
        x1, y1, x2, y2 = box.expand(1.2).clip(width, height).to_int_xyxy()
        if x2 > x1 and y2 > y1:
            small = cv2.resize(out[y1:y2, x1:x2], (num_cells, num_cells), interpolation=cv2.INTER_AREA)
            out[y1:y2, x1:x2] = cv2.resize(small, (x2 - x1, y2 - y1), interpolation=cv2.INTER_NEAREST)
    return out


def _choose_font_size(face: Face, image: ImageArray) -> int:
    """Scale the font with the face, within limits that depend on the image."""
    side = max(image.shape[:2])
    return int(np.clip(face.box.width / 6, max(12, side // 90), max(12, side // 32)))


def _draw_box(image: ImageArray, face: Face, thickness: int) -> None:
    """Draw a rounded box with a dark outline, dashed for an uncertain label."""
    x1, y1, x2, y2 = face.box.to_int_xyxy()
    radius = max(2, min(x2 - x1, y2 - y1) // 10)
    path = _make_rounded_rect(x1, y1, x2 - 1, y2 - 1, radius)
    color = hex_to_rgb(get_style(face.display_label).color)
    cv2.polylines(image, [path], True, (20, 20, 20), thickness + 2, cv2.LINE_AA)
    if face.uncertainty_reason is None:
        cv2.polylines(image, [path], True, color, thickness, cv2.LINE_AA)
        return
    white = (235, 235, 235)
    for a, b in _split_dashes(path, 5 * thickness):
        cv2.line(image, a, b, white, thickness, cv2.LINE_AA)


def _make_rounded_rect(x1: int, y1: int, x2: int, y2: int, radius: int) -> NDArray[np.int32]:
    corners = (
        (x2 - radius, y1 + radius, -90),
        (x2 - radius, y2 - radius, 0),
        (x1 + radius, y2 - radius, 90),
        (x1 + radius, y1 + radius, 180),
    )
    points = [
        (x + radius * math.cos(math.radians(start + a)), y + radius * math.sin(math.radians(start + a)))
        for x, y, start in corners
        for a in range(0, 91, 15)
    ]
    return np.round(points).astype(np.int32)


def _split_dashes(polyline: NDArray[np.int32], dash_length: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return every other segment of `dash_length` pixels along a closed path."""
    closed = np.vstack([polyline, polyline[:1]]).astype(float)
    steps = np.hypot(*np.diff(closed, axis=0).T)
    along = np.concatenate([[0], np.cumsum(steps)])
    marks = np.arange(0, along[-1], dash_length)
    x, y = np.interp(marks, along, closed[:, 0]), np.interp(marks, along, closed[:, 1])
    points = [(int(a), int(b)) for a, b in zip(np.round(x), np.round(y), strict=True)]
    return list(zip(points[:-1:2], points[1::2], strict=False))


def _place_label(
    box: Box, label_width: int, label_height: int, image_width: int, image_height: int, occupied: Sequence[Box]
) -> tuple[int, int]:
    """Choose the corner of a label above, below, beside or in its box, where it covers the least of other boxes."""
    x1, y1, x2, y2 = box.to_int_xyxy()
    spots = [
        (x1, y1 - label_height - 2),
        (x2 - label_width, y1 - label_height - 2),
        (x1, y2 + 2),
        (x2 - label_width, y2 + 2),
        (x2 + 2, y1),
        (x1 - label_width - 2, y1),
        (x1, y1 + 2),
        (x1, y2 - label_height - 2),
    ]
    spots = [(max(0, min(x, image_width - label_width)), max(0, min(y, image_height - label_height))) for x, y in spots]

    def compute_cost(ranked_spot: tuple[int, tuple[int, int]]) -> float:
        rank, (x, y) = ranked_spot
        label = Box(x, y, x + label_width, y + label_height)
        covered = sum(label.intersection_area(other) for other in occupied)
        # Covering its own face costs half as much as covering another one.
        return covered + 0.5 * label.intersection_area(box) + rank * 0.01 * label.area

    return min(enumerate(spots), key=compute_cost)[1]


def _paste_label(image: ImageArray, label: NDArray[np.float32], x: int, y: int) -> None:
    """Blend a label into the image; parts outside are left out."""
    h, w = min(label.shape[0], image.shape[0] - y), min(label.shape[1], image.shape[1] - x)
    if h <= 0 or w <= 0:
        return
    part, alpha = image[y : y + h, x : x + w], label[:h, :w, 3:]
    part[:] = np.round(part * (1 - alpha) + label[:h, :w, :3] * 255 * alpha).astype(np.uint8)
