"""Expressions and label sets: their names, aliases, colors and symbols."""

from __future__ import annotations

import colorsys
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class ExpressionStyle:
    """How one expression looks everywhere: `color` is `#rrggbb`, `symbol` one character that plain fonts have."""

    name: str
    color: str
    symbol: str


# Okabe and Ito's palette: its colours stay apart for the colour-blind (https://jfly.uni-koeln.de/color/).
EXPRESSIONS: Final[Mapping[str, ExpressionStyle]] = MappingProxyType(
    {
        e.name: e
        for e in (
            ExpressionStyle("angry", "#D55E00", "▲"),
            ExpressionStyle("disgust", "#009E73", "◆"),
            ExpressionStyle("fear", "#9A6BB5", "▼"),
            ExpressionStyle("happy", "#E69F00", "●"),
            ExpressionStyle("sad", "#0072B2", "■"),
            ExpressionStyle("surprise", "#F0E442", "★"),
            ExpressionStyle("neutral", "#8C8C8C", "○"),
            ExpressionStyle("contempt", "#56B4E9", "◐"),
        )
    }
)


UNCERTAIN: Final = ExpressionStyle("unsure", "#6B6B6B", "?")


_CUSTOM_SYMBOLS: Final = "△◇▽□☆◑▷◎"  # of labels that are none of ours


# The order of the columns of fer2013.csv and of fer2013new.csv (without its "unknown" and "NF").
FER2013_LABELS: Final = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


FERPLUS_LABELS: Final = ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt")


# Words that data sets use for the same expressions.
_ALIASES: Final = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "afraid": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
    "normal": "neutral",
    "scared": "fear",
}


def canonical_expression(name: str) -> str | None:
    """The project's name of the expression that `name` means ("Happiness" -> "happy"), None if unknown."""
    name = name.strip().lower()
    name = _ALIASES.get(name, name)
    return name if name in EXPRESSIONS else None


def normalize_label(name: str) -> str:
    """The label that a folder of a data set means: the project's name where it is a known word for an expression, else
    the word itself in small letters; "" where nothing of it can be shown."""
    name = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    return canonical_expression(name) or name.lower()


def get_style(name: str) -> ExpressionStyle:
    """Colour and sign of `name`. A label that is none of ours gets one of its own, always the same; "" and "unsure"
    look unsure."""
    if name in EXPRESSIONS:
        return EXPRESSIONS[name]
    return _make_custom_style(name) if name not in ("", UNCERTAIN.name) else UNCERTAIN


@lru_cache(maxsize=1000)
def _make_custom_style(name: str) -> ExpressionStyle:
    """A hue by chance of the name, since nobody knows which labels will stand beside it."""
    chance = zlib.crc32(name.encode(errors="replace"))
    # Half as light as white and half as strong as it could be: told from white and from black in every hue.
    red, green, blue = colorsys.hls_to_rgb(chance % 360 / 360, 0.5, 0.5)
    colour = "#" + "".join(f"{round(255 * part):02X}" for part in (red, green, blue))
    return ExpressionStyle(name, colour, _CUSTOM_SYMBOLS[chance // 360 % len(_CUSTOM_SYMBOLS)])


def symbol_and_name(name: str) -> str:
    """Sign and word of an expression as they stand in every chart and table: "● happy"."""
    return f"{get_style(name).symbol} {name}"


def legend_order(names: Iterable[str]) -> list[str]:
    """Each of some expressions once, as they follow each other in every legend: ours in the order of `EXPRESSIONS`,
    then labels that are none of ours by the alphabet, unsure last."""
    some = set(names)
    others = sorted(some - {*EXPRESSIONS, UNCERTAIN.name})
    return [word for word in (*EXPRESSIONS, *others, UNCERTAIN.name) if word in some]


def text_color(name: str) -> str:
    """Black or white, whichever stands out from the colour of an expression."""
    colour = get_style(name).color
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#111111" if name != UNCERTAIN.name and 0.3 * red + 0.59 * green + 0.11 * blue > 100 else "#FFFFFF"
