"""Render labels: the symbols of expressions as shapes, and text in a font that has its characters."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from emotion.expressions import ExpressionStyle, get_style, text_color

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont

_MISSING_GLYPH: Final = "\U0010fffd"  # a private character that no font has
# For characters that Pillow's own font, "", lacks: fonts of Linux, Windows and macOS.
_FONT_FILES: Final = (
    "",
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "arial.ttf",
    "msyh.ttc",
    "Arial.ttf",
    "Arial Unicode.ttf",
    "PingFang.ttc",
)


def is_drawable(text: str) -> bool:
    """Whether a font of this machine has a glyph for every character of `text`."""
    return find_font(text, 20) is not None


@lru_cache(maxsize=2048)
def find_font(text: str, size: int) -> Font | None:
    """Return Pillow's own font where it has all glyphs, else a font of the system, else None."""
    for name in _FONT_FILES:
        font = _load_font(name, size)
        if font is not None:
            missing = _render_glyph(font, _MISSING_GLYPH)
            if all(character.isspace() or _render_glyph(font, character) != missing for character in text):
                return font
    return None


@lru_cache(maxsize=256)
def _load_font(name: str, size: int) -> Font | None:
    try:
        return ImageFont.truetype(name, size) if name else ImageFont.load_default(size)
    except OSError:  # this system does not have it
        return None


def _render_glyph(font: Font, character: str) -> bytes:
    tile = Image.new("L", (64, 64))
    ImageDraw.Draw(tile).text((8, 8), character, font=font, fill=255)
    return tile.tobytes()


@lru_cache(maxsize=512)
def render_label(text: str, label: str, font_size: int) -> NDArray[np.float32]:
    """Render a label as RGBA float32 (h, w, 4), 0 to 1: its symbol and its text in black or white on its color."""
    look = get_style(label)
    font = find_font(text, font_size) or ImageFont.load_default(font_size)
    left, _, right, _ = font.getbbox(text)
    pad, sign = max(3, font_size // 4), round(font_size * 0.8)
    h, w = round(font_size * 1.35), round(right - left) + sign + 3 * pad
    ground = hex_to_rgb(look.color)
    ink = hex_to_rgb(text_color(label))
    chip = Image.new("RGBA", (w, h), (0, 0, 0, 0))
    draw = ImageDraw.Draw(chip)
    draw.rounded_rectangle((0, 0, w - 1, h - 1), radius=h // 4, fill=(*ground, 255), outline=(20, 20, 20, 255))
    draw_symbol(draw, look, (pad + sign / 2, h / 2), sign / 2, ink, ground)
    draw.text((2 * pad + sign, h / 2), text, font=font, fill=(*ink, 255), anchor="lm")
    return np.asarray(chip, np.float32) / np.float32(255)


def draw_symbol(
    draw: ImageDraw.ImageDraw,
    style: ExpressionStyle,
    center: tuple[float, float],
    radius: float,
    color: tuple[int, int, int],
    background: tuple[int, int, int],
) -> None:
    """Draw the symbol of an expression as a shape, since the default font lacks these characters."""
    x, y = center

    def ring(n: int, start: float, radii: Callable[[int], float]) -> list[tuple[float, float]]:
        angles = [math.radians(start + 360 * i / n) for i in range(n)]
        return [
            (x + radii(i) * radius * math.cos(a), y + radii(i) * radius * math.sin(a)) for i, a in enumerate(angles)
        ]

    disc = (x - 0.85 * radius, y - 0.85 * radius, x + 0.85 * radius, y + 0.85 * radius)
    core = (x - 0.3 * radius, y - 0.3 * radius, x + 0.3 * radius, y + 0.3 * radius)
    line = max(1, round(radius / 3))
    shapes: dict[str, Callable[[], None]] = {
        "▲": lambda: draw.polygon(ring(3, -90, lambda i: 1), fill=color),
        "▼": lambda: draw.polygon(ring(3, 90, lambda i: 1), fill=color),
        "◆": lambda: draw.polygon(ring(4, -90, lambda i: 1), fill=color),
        "■": lambda: draw.polygon(ring(4, -45, lambda i: 1.05), fill=color),
        "★": lambda: draw.polygon(ring(10, -90, lambda i: 1 if i % 2 == 0 else 0.45), fill=color),
        "●": lambda: draw.ellipse(disc, fill=color),
        "○": lambda: draw.ellipse(disc, fill=background, outline=color, width=line),
        "◐": lambda: (draw.ellipse(disc, fill=background, outline=color), draw.pieslice(disc, 90, 270, fill=color))[0],
        # Symbols of labels that are not in `EXPRESSIONS`: the same shapes hollow, and more.
        "△": lambda: draw.polygon(ring(3, -90, lambda i: 1), fill=background, outline=color, width=line),
        "▽": lambda: draw.polygon(ring(3, 90, lambda i: 1), fill=background, outline=color, width=line),
        "◇": lambda: draw.polygon(ring(4, -90, lambda i: 1), fill=background, outline=color, width=line),
        "□": lambda: draw.polygon(ring(4, -45, lambda i: 1.05), fill=background, outline=color, width=line),
        "☆": lambda: draw.polygon(ring(10, -90, lambda i: 1 if i % 2 == 0 else 0.45), fill=background, outline=color),
        "▷": lambda: draw.polygon(ring(3, 0, lambda i: 1), fill=background, outline=color, width=line),
        "◑": lambda: (draw.ellipse(disc, fill=background, outline=color), draw.pieslice(disc, -90, 90, fill=color))[0],
        "◎": lambda: (draw.ellipse(disc, fill=background, outline=color, width=line), draw.ellipse(core, fill=color))[
            0
        ],
        "?": lambda: draw.text((x, y), "?", font=ImageFont.load_default(2 * radius), fill=color, anchor="mm"),
    }
    shapes[style.symbol]()


def hex_to_rgb(color: str) -> tuple[int, int, int]:
    """Convert "#rrggbb" to red, green and blue, 0 to 255."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
