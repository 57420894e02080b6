"""Score bars on an image: a row with symbol, name, text and bar for each expression."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from PIL import ImageDraw, ImageFont

from emotion.expressions import get_style, text_color
from emotion.recognition.label_rendering import Font, draw_symbol, find_font, hex_to_rgb

PANEL_COLOR: Final = (22, 24, 29)
INK: Final = (240, 241, 243)
MUTED_INK: Final = (165, 170, 178)
ROW_HEIGHT: Final = 46  # pixels
TRACK_COLOR: Final = (48, 52, 60)  # of the empty part of a bar
_BADGE_PX: Final = 34
_TEXT_LEFT: Final = 46
_MIN_BAR_PX: Final = 8


@dataclass(frozen=True)
class ScoreBar:
    """One row: the name of an expression, the text at its right end, and the length of its bar, 0 to 1."""

    name: str
    text: str
    share: float


def draw_score_bars(draw: ImageDraw.ImageDraw, position: tuple[int, int], width: int, bars: Iterable[ScoreBar]) -> None:
    """Draw rows of `ROW_HEIGHT` pixels below each other.

    Args:
        draw: Where to draw; the background is `PANEL_COLOR`.
        position: x, y of the first row in pixels.
        width: Width of the rows in pixels.
        bars: The rows from top to bottom.
    """
    x, y = position
    for bar in bars:
        color = hex_to_rgb(get_style(bar.name).color)
        draw.rounded_rectangle((x, y, x + _BADGE_PX, y + _BADGE_PX), 8, fill=color)
        center = (x + _BADGE_PX / 2, y + _BADGE_PX / 2)
        draw_symbol(draw, get_style(bar.name), center, _BADGE_PX / 3, hex_to_rgb(text_color(bar.name)), color)
        left, right, middle = x + _TEXT_LEFT, x + width, y + 13
        draw.text((left, middle), bar.name, font=get_font(bar.name, 22), fill=INK, anchor="lm")
        draw.text((right, middle), bar.text, font=get_font(bar.text, 20), fill=MUTED_INK, anchor="rm")
        top = y + 29
        draw.rounded_rectangle((left, top, right, top + 7), 3, fill=TRACK_COLOR)
        end = left + max(_MIN_BAR_PX, round((right - left) * bar.share))
        draw.rounded_rectangle((left, top, end, top + 7), 3, fill=color)
        y += ROW_HEIGHT


def get_font(text: str, size: int) -> Font:
    """Return a font that has the characters of `text`, else Pillow's own."""
    return find_font(text, size) or ImageFont.load_default(size)
