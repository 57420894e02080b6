"""The result card of a mirror game: the player in each round, with the points."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from emotion.expressions import get_style
from emotion.live.game import MAX_POINTS, Round
from emotion.media.image_array import ImageArray
from emotion.recognition.label_rendering import hex_to_rgb
from emotion.results.score_bars import INK, MUTED_INK, PANEL_COLOR, TRACK_COLOR, get_font

CARD_SIZE: Final = (1200, 630)  # width and height in pixels that link previews expect
_MARGIN: Final = 40
_GAP: Final = 16
_MAX_TILE_PX: Final = 211  # width of a tile, of which five fit
_TILES_TOP: Final = 190
_BAR_PX: Final = 10  # height
_CORNER_RADIUS: Final = 12
_TITLE, _SIGNATURE = "Mirror game", "Made with Emotion Studio"


def render_game_card(rounds: Sequence[Round], day: date) -> ImageArray:
    """Render the result of a game.

    Args:
        rounds: Its rounds, at most five.
        day: The date of the game.

    Returns:
        RGB uint8 (630, 1200, 3).
    """
    width, height = CARD_SIZE
    canvas = Image.new("RGB", CARD_SIZE, PANEL_COLOR)
    draw = ImageDraw.Draw(canvas)
    total = f"{sum(round_.points or 0 for round_ in rounds)} of {MAX_POINTS * len(rounds)} points"
    draw.text((_MARGIN, _MARGIN), _TITLE, font=get_font(_TITLE, 34), fill=MUTED_INK)
    draw.text((_MARGIN, _MARGIN + 46), total, font=get_font(total, 60), fill=INK)
    for index, round_ in enumerate(rounds):
        _draw_round(canvas, draw, (_MARGIN + index * (_MAX_TILE_PX + _GAP), _TILES_TOP), round_)
    draw.text((_MARGIN, height - _MARGIN), _SIGNATURE, font=get_font(_SIGNATURE, 20), fill=MUTED_INK, anchor="ls")
    text = f"{day:%Y-%m-%d}"
    draw.text((width - _MARGIN, height - _MARGIN), text, font=get_font(text, 20), fill=MUTED_INK, anchor="rs")
    return np.asarray(canvas)


def _draw_round(canvas: Image.Image, draw: ImageDraw.ImageDraw, corner: tuple[int, int], round_: Round) -> None:
    """Draw the image of the player, the name of the challenge, the points and a bar."""
    x, y = corner
    points, color = round_.points or 0, hex_to_rgb(get_style(round_.challenge.name).color)
    side = _MAX_TILE_PX
    draw.rounded_rectangle((x, y, x + side - 1, y + side - 1), _CORNER_RADIUS, fill=TRACK_COLOR)
    if round_.image is not None:
        photo = ImageOps.fit(Image.fromarray(round_.image), (side, side), Image.Resampling.LANCZOS)
        mask = Image.new("L", photo.size, 0)
        ImageDraw.Draw(mask).rounded_rectangle((0, 0, side - 1, side - 1), _CORNER_RADIUS, fill=255)
        canvas.paste(photo, (x, y), mask)
    name = round_.challenge.name
    draw.text((x, y + side + 30), name, font=get_font(name, 22), fill=INK, anchor="lm")
    draw.text((x, y + side + 78), str(points), font=get_font(str(points), 48), fill=INK, anchor="lm")
    top = y + side + 112
    draw.rounded_rectangle((x, top, x + side - 1, top + _BAR_PX), _BAR_PX // 2, fill=TRACK_COLOR)
    end = x + max(_BAR_PX, round((side - 1) * points / MAX_POINTS))
    draw.rounded_rectangle((x, top, end, top + _BAR_PX), _BAR_PX // 2, fill=color)
