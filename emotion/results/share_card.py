"""Pictures to share: a photo with a legend below, and a card of a photo with its expressions and a date."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from emotion.faces import Face
from emotion.formatting import format_percent
from emotion.media.image_array import ImageArray
from emotion.recognition.annotation import annotate
from emotion.recognition.label_rendering import render_label
from emotion.results.score_bars import INK, MUTED_INK, PANEL_COLOR, ScoreBar, draw_score_bars, get_font

CARD_SIZE: Final = (1200, 630)  # width and height in pixels that link previews expect
_MARGIN: Final = 40
_PANEL_WIDTH: Final = 340
_CORNER_RADIUS: Final = 16
MAX_TITLE_LENGTH: Final = 60  # characters
_SIGNATURE: Final = "Made with Emotion Studio"


@dataclass(frozen=True)
class ShareCard:
    """What a card displays beside the photo."""

    title: str
    day: date
    faces: tuple[Face, ...]


def add_legend(image: ImageArray, faces: Sequence[Face]) -> ImageArray:
    """Add a strip below an image with symbol, name and number of each of its expressions.

    With many faces the labels in the image hold only symbols and numbers, so the legend is what makes it readable.

    Args:
        image: RGB uint8 (H, W, 3).
        faces: The faces in the image.

    Returns:
        RGB uint8 (H + h, W, 3); the image itself without faces.
    """
    if not faces:
        return image
    width = image.shape[1]
    font_size = max(14, max(image.shape[:2]) // 50)
    gap = font_size // 2
    labels = [render_label(f"{count} {name}", name, font_size) for name, count in count_expressions(faces)]
    rows: list[list[tuple[int, Image.Image]]] = [[]]
    x = gap
    for label in labels:
        chip = Image.fromarray(np.round(label * 255).astype(np.uint8))
        if x + chip.width + gap > width and rows[-1]:
            rows.append([])
            x = gap
        rows[-1].append((x, chip))
        x += chip.width + gap
    row_height = labels[0].shape[0] + gap
    strip = Image.new("RGB", (width, row_height * len(rows) + gap), PANEL_COLOR)
    for row, chips in enumerate(rows):
        for x, chip in chips:
            strip.paste(chip, (x, gap + row * row_height), chip)
    return np.vstack([image, np.asarray(strip)])


def render_share_card(image: ImageArray, card: ShareCard) -> ImageArray:
    """Render a card with a photo, and the counts of its expressions or the scores of a single face.

    The faces are labeled at the size of the card, so that labels are readable whatever the size of the photo.

    Args:
        image: The photo without labels, RGB uint8 (H, W, 3).
        card: The title, the date and the faces, with boxes in pixels of `image`.

    Returns:
        RGB uint8 (630, 1200, 3).
    """
    width, height = CARD_SIZE
    canvas = Image.new("RGB", CARD_SIZE, PANEL_COLOR)
    _paste_photo(
        canvas, image, card.faces, (_MARGIN, _MARGIN, width - _PANEL_WIDTH - 3 * _MARGIN, height - 2 * _MARGIN)
    )
    draw = ImageDraw.Draw(canvas)
    x = width - _PANEL_WIDTH - _MARGIN
    y = _draw_title(draw, (x, _MARGIN), card)
    draw_score_bars(draw, (x, y + 18), _PANEL_WIDTH, _make_bars(card.faces))
    draw.text((x, height - _MARGIN), _SIGNATURE, font=get_font(_SIGNATURE, 20), fill=MUTED_INK, anchor="ls")
    return np.asarray(canvas)


def count_expressions(faces: Sequence[Face]) -> list[tuple[str, int]]:
    """Count the displayed labels of faces, the most frequent first."""
    return Counter(face.display_label for face in faces).most_common()


def _paste_photo(
    canvas: Image.Image, image: ImageArray, faces: Sequence[Face], area: tuple[int, int, int, int]
) -> None:
    """Paste a photo with labeled faces centered into an area (x, y, width, height), with round corners."""
    x, y, width, height = area
    photo = ImageOps.contain(Image.fromarray(image), (width, height), Image.Resampling.LANCZOS)
    scale = photo.width / image.shape[1]
    labeled = annotate(np.asarray(photo), [face.scale_and_translate(0, 0, scale) for face in faces])
    mask = Image.new("L", photo.size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, photo.width - 1, photo.height - 1), _CORNER_RADIUS, fill=255)
    corner = x + (width - photo.width) // 2, y + (height - photo.height) // 2
    canvas.paste(Image.fromarray(labeled), corner, mask)


def _draw_title(draw: ImageDraw.ImageDraw, position: tuple[int, int], card: ShareCard) -> int:
    """Draw title, number of faces and date; return the y below them."""
    x, y = position
    for line in _wrap(card.title[:MAX_TITLE_LENGTH], 32):
        draw.text((x, y), line, font=get_font(line, 32), fill=INK)
        y += 40
    count = len(card.faces)
    text = f"{count} {'face' if count == 1 else 'faces'} · {card.day:%Y-%m-%d}"
    draw.text((x, y + 4), text, font=get_font(text, 20), fill=MUTED_INK)
    return y + 34


def _wrap(text: str, font_size: int, max_lines: int = 2) -> list[str]:
    """Break a text into lines of the panel's width; the last one ends with "…" where text is left out."""
    lines, rest = [], text.strip()
    font = get_font(rest or " ", font_size)
    while rest and len(lines) < max_lines:
        end = len(rest)
        while font.getlength(rest[:end]) > _PANEL_WIDTH and end > 1:
            space = rest.rfind(" ", 0, end)
            end = space if space > 0 else end - 1
        lines.append(rest[:end].strip())
        rest = rest[end:].strip()
    if rest:
        lines[-1] = f"{lines[-1][:-1]}…"
    return lines


def _make_bars(faces: Sequence[Face]) -> list[ScoreBar]:
    """Return the scores of a single face, or the counts of several."""
    if len(faces) == 1 and faces[0].scores is not None:
        scores = sorted(faces[0].scores.items(), key=lambda item: item[1], reverse=True)
        return [ScoreBar(name, format_percent(score), score) for name, score in scores]
    return [
        ScoreBar(name, f"{count} · {format_percent(count / len(faces))}", count / len(faces))
        for name, count in count_expressions(faces)
    ]
