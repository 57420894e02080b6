"""Draw on pictures: boxes with numbers and labels, blurred faces. Every function returns a new picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from emotion.expressions import UNSURE, Expression, expression
from emotion.faces import Box, Face
from emotion.formatting import percent
from emotion.media.image_reader import ImageSource, as_rgb

Picture = NDArray[np.uint8]
Font = ImageFont.ImageFont | ImageFont.FreeTypeFont
Chip = tuple[int, int, int, int]  # x, y, width, height in pixels

MOST_WORDS = 12  # with more faces than this, chips show only number and sign
_MAX_NAME = 24  # characters of a name in a chip
_NO_GLYPH = "\U0010fffd"  # a private character that no font has
# For letters that Pillow's own font, "", lacks: what Linux, Windows and macOS come with.
_FONTS = (
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


def annotate(
    image: ImageSource, faces: Sequence[Face], *, blur: bool = False, names: Mapping[int, str] | None = None
) -> Picture:
    """A copy of an image (all that `as_rgb` takes) as RGB uint8 (H, W, 3) with a box and a chip for each face, numbered
    by its track or, where it has none, from 1 in the given order.

    Colour, sign and word say the same thing, so that colour is never needed. `blur` makes the faces
    unrecognisable first. `names`: what is drawn instead of the number of a track, where `is_drawable` allows it.
    """
    out = pixelate(image, [face.box for face in faces]) if blur else as_rgb(image).copy()
    height, width = out.shape[:2]
    thick = max(2, round(max(height, width) / 500))
    for face in faces:
        _draw_box(out, face, thick)
    taken = [face.box for face in faces]
    for place, face in enumerate(faces, 1):
        number = place if face.track is None else _tag(face.track, names or {})
        chip = _chip(chip_text(number, face, short=len(faces) > MOST_WORDS), face.shown, _font_size(face, out))
        x, y = _place(face.box, chip.shape[1], chip.shape[0], width, height, [b for b in taken if b is not face.box])
        _paste(out, chip, x, y)
        taken.append(Box(x, y, x + chip.shape[1], y + chip.shape[0]))
    return out


def _tag(track: int, names: Mapping[int, str]) -> str | int:
    name = names.get(track, "")
    if not name or not is_drawable(name):
        return track
    return name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 1].rstrip()}…"


def is_drawable(text: str) -> bool:
    """Whether a font of this machine has a glyph for every character of `text`."""
    return _font(text, 20) is not None


@lru_cache(maxsize=2048)
def _font(text: str, size: int) -> Font | None:
    """Pillow's own font where that has all glyphs (it has those of English), else a font of the system; None where no
    font has them."""
    for name in _FONTS:
        font = _load(name, size)
        if font is not None:
            missing = _glyph(font, _NO_GLYPH)
            if all(character.isspace() or _glyph(font, character) != missing for character in text):
                return font
    return None


@lru_cache(maxsize=256)
def _load(name: str, size: int) -> Font | None:
    try:
        return ImageFont.truetype(name, size) if name else ImageFont.load_default(size)
    except OSError:  # this system does not have it
        return None


def _glyph(font: Font, character: str) -> bytes:
    tile = Image.new("L", (64, 64))
    ImageDraw.Draw(tile).text((8, 8), character, font=font, fill=255)
    return tile.tobytes()


def chip_text(number: int | str, face: Face, *, short: bool) -> str:
    """What stands beside the sign: "3 happy 87 %", "3 unsure", or only "3"; `number` may be a name."""
    if short:
        return str(number)
    if face.unsure is not None or face.confidence is None:
        return f"{number} {UNSURE.name}"
    return f"{number} {face.label} {percent(face.confidence)}"


def pixelate(image: ImageSource, boxes: Sequence[Box], cells: int = 6) -> Picture:
    """A copy of an image as RGB uint8 (H, W, 3) in which each box, a fifth larger, is a mosaic of `cells` x `cells`
    flat squares; where boxes overlap, a smaller one shows no more than a larger one leaves."""
    out = as_rgb(image).copy()
    height, width = out.shape[:2]
    for box in boxes:
        x1, y1, x2, y2 = box.expand(1.2).clip(width, height).rounded()
        if x2 > x1 and y2 > y1:
            small = cv2.resize(out[y1:y2, x1:x2], (cells, cells), interpolation=cv2.INTER_AREA)
            out[y1:y2, x1:x2] = cv2.resize(small, (x2 - x1, y2 - y1), interpolation=cv2.INTER_NEAREST)
    return out


def _font_size(face: Face, image: Picture) -> int:
    """Grows with the face, never too small to read nor larger than the picture bears."""
    side = max(image.shape[:2])
    return int(np.clip(face.box.width / 6, max(12, side // 90), max(12, side // 32)))


def _draw_box(out: Picture, face: Face, thick: int) -> None:
    """A rounded box with a dark rim, dashed where the label is unsure."""
    x1, y1, x2, y2 = face.box.rounded()
    radius = max(2, min(x2 - x1, y2 - y1) // 10)
    path = _rounded(x1, y1, x2 - 1, y2 - 1, radius)
    colour = rgb(expression(face.shown).colour)
    cv2.polylines(out, [path], True, (20, 20, 20), thick + 2, cv2.LINE_AA)
    if face.unsure is None:
        cv2.polylines(out, [path], True, colour, thick, cv2.LINE_AA)
        return
    white = (235, 235, 235)
    for a, b in _dashes(path, 5 * thick):
        cv2.line(out, a, b, white, thick, cv2.LINE_AA)


def _rounded(x1: int, y1: int, x2: int, y2: int, radius: int) -> NDArray[np.int32]:
    corners = ((x2 - radius, y1 + radius, -90), (x2 - radius, y2 - radius, 0),
               (x1 + radius, y2 - radius, 90), (x1 + radius, y1 + radius, 180))  # fmt: skip
    points = [
        (x + radius * math.cos(math.radians(start + a)), y + radius * math.sin(math.radians(start + a)))
        for x, y, start in corners
        for a in range(0, 91, 15)
    ]
    return np.round(points).astype(np.int32)


def _dashes(path: NDArray[np.int32], length: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Every other piece of `length` pixels along a closed path."""
    closed = np.vstack([path, path[:1]]).astype(float)
    steps = np.hypot(*np.diff(closed, axis=0).T)
    along = np.concatenate([[0], np.cumsum(steps)])
    marks = np.arange(0, along[-1], length)
    x, y = np.interp(marks, along, closed[:, 0]), np.interp(marks, along, closed[:, 1])
    points = [(int(a), int(b)) for a, b in zip(np.round(x), np.round(y), strict=True)]
    return list(zip(points[:-1:2], points[1::2], strict=False))


def _place(box: Box, w: int, h: int, width: int, height: int, taken: Sequence[Box]) -> tuple[int, int]:
    """The corner of a chip (w, h): above, below, beside or in the box, where it covers least of others."""
    x1, y1, x2, y2 = box.rounded()
    spots = [(x1, y1 - h - 2), (x2 - w, y1 - h - 2), (x1, y2 + 2), (x2 - w, y2 + 2), (x2 + 2, y1), (x1 - w - 2, y1),
             (x1, y1 + 2), (x1, y2 - h - 2)]  # fmt: skip
    spots = [(max(0, min(x, width - w)), max(0, min(y, height - h))) for x, y in spots]

    def cost(place: tuple[int, tuple[int, int]]) -> float:
        rank, (x, y) = place
        chip = Box(x, y, x + w, y + h)
        covered = sum(_overlap(chip, other) for other in taken)
        # Its own face is covered only when everything around is taken: half as bad as another's.
        return covered + 0.5 * _overlap(chip, box) + rank * 0.01 * chip.area

    return min(enumerate(spots), key=cost)[1]


def _overlap(a: Box, b: Box) -> float:
    return Box(max(a.x1, b.x1), max(a.y1, b.y1), min(a.x2, b.x2), min(a.y2, b.y2)).area


@lru_cache(maxsize=512)
def _chip(text: str, name: str, size: int) -> NDArray[np.float32]:
    """A label as RGBA float32 (h, w, 4), 0 to 1: dark text on the colour, or light on dark, with its sign."""
    look = expression(name)
    font = _font(text, size) or ImageFont.load_default(size)
    left, _, right, _ = font.getbbox(text)
    pad, sign = max(3, size // 4), round(size * 0.8)
    h, w = round(size * 1.35), round(right - left) + sign + 3 * pad
    ground = rgb(look.colour)
    ink = (17, 17, 17) if _luminance(ground) > 0.2 else (255, 255, 255)
    chip = Image.new("RGBA", (w, h), (0, 0, 0, 0))
    draw = ImageDraw.Draw(chip)
    draw.rounded_rectangle((0, 0, w - 1, h - 1), radius=h // 4, fill=(*ground, 255), outline=(20, 20, 20, 255))
    _sign(draw, look, pad + sign / 2, h / 2, sign / 2, ink, ground)
    draw.text((2 * pad + sign, h / 2), text, font=font, fill=(*ink, 255), anchor="lm")
    return np.asarray(chip, np.float32) / np.float32(255)


def _sign(
    draw: ImageDraw.ImageDraw, look: Expression, x: float, y: float, r: float,
    ink: tuple[int, int, int], ground: tuple[int, int, int],
) -> None:  # fmt: skip
    """The sign of an expression as a shape, since the plain font has no such characters."""

    def ring(n: int, start: float, radii: Callable[[int], float]) -> list[tuple[float, float]]:
        angles = [math.radians(start + 360 * i / n) for i in range(n)]
        return [(x + radii(i) * r * math.cos(a), y + radii(i) * r * math.sin(a)) for i, a in enumerate(angles)]

    disc = (x - 0.85 * r, y - 0.85 * r, x + 0.85 * r, y + 0.85 * r)
    core = (x - 0.3 * r, y - 0.3 * r, x + 0.3 * r, y + 0.3 * r)
    line = max(1, round(r / 3))
    shapes: dict[str, Callable[[], None]] = {
        "▲": lambda: draw.polygon(ring(3, -90, lambda i: 1), fill=ink),
        "▼": lambda: draw.polygon(ring(3, 90, lambda i: 1), fill=ink),
        "◆": lambda: draw.polygon(ring(4, -90, lambda i: 1), fill=ink),
        "■": lambda: draw.polygon(ring(4, -45, lambda i: 1.05), fill=ink),
        "★": lambda: draw.polygon(ring(10, -90, lambda i: 1 if i % 2 == 0 else 0.45), fill=ink),
        "●": lambda: draw.ellipse(disc, fill=ink),
        "○": lambda: draw.ellipse(disc, fill=ground, outline=ink, width=line),
        "◐": lambda: (draw.ellipse(disc, fill=ground, outline=ink), draw.pieslice(disc, 90, 270, fill=ink))[0],
        # Of labels that are none of ours: the same shapes hollow, and some more.
        "△": lambda: draw.polygon(ring(3, -90, lambda i: 1), fill=ground, outline=ink, width=line),
        "▽": lambda: draw.polygon(ring(3, 90, lambda i: 1), fill=ground, outline=ink, width=line),
        "◇": lambda: draw.polygon(ring(4, -90, lambda i: 1), fill=ground, outline=ink, width=line),
        "□": lambda: draw.polygon(ring(4, -45, lambda i: 1.05), fill=ground, outline=ink, width=line),
        "☆": lambda: draw.polygon(ring(10, -90, lambda i: 1 if i % 2 == 0 else 0.45), fill=ground, outline=ink),
        "▷": lambda: draw.polygon(ring(3, 0, lambda i: 1), fill=ground, outline=ink, width=line),
        "◑": lambda: (draw.ellipse(disc, fill=ground, outline=ink), draw.pieslice(disc, -90, 90, fill=ink))[0],
        "◎": lambda: (draw.ellipse(disc, fill=ground, outline=ink, width=line), draw.ellipse(core, fill=ink))[0],
        "?": lambda: draw.text((x, y), "?", font=ImageFont.load_default(2 * r), fill=ink, anchor="mm"),
    }
    shapes[look.sign]()


def _paste(out: Picture, chip: NDArray[np.float32], x: int, y: int) -> None:
    """Blend a chip into the picture; what does not fit is left out."""
    h, w = min(chip.shape[0], out.shape[0] - y), min(chip.shape[1], out.shape[1] - x)
    if h <= 0 or w <= 0:
        return
    part, alpha = out[y : y + h, x : x + w], chip[:h, :w, 3:]
    part[:] = np.round(part * (1 - alpha) + chip[:h, :w, :3] * 255 * alpha).astype(np.uint8)


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue (0 to 255) of "#rrggbb"."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(rgb: tuple[int, int, int]) -> float:
    """Relative luminance of WCAG 2, 0 to 1; ink is chosen by it so that the contrast is at least 4.5."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in rgb)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
