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
class Expression:
    """How one expression looks everywhere: `colour` is `#rrggbb`, `sign` one character that plain fonts have."""

    name: str
    colour: str
    sign: str


# Okabe and Ito's palette: its colours stay apart for the colour-blind (https://jfly.uni-koeln.de/color/).
EXPRESSIONS: Final[Mapping[str, Expression]] = MappingProxyType(
    {
        e.name: e
        for e in (
            Expression("angry", "#D55E00", "▲"),
            Expression("disgust", "#009E73", "◆"),
            Expression("fear", "#9A6BB5", "▼"),
            Expression("happy", "#E69F00", "●"),
            Expression("sad", "#0072B2", "■"),
            Expression("surprise", "#F0E442", "★"),
            Expression("neutral", "#8C8C8C", "○"),
            Expression("contempt", "#56B4E9", "◐"),
        )
    }
)


UNSURE: Final = Expression("unsure", "#6B6B6B", "?")


_OWN_SIGNS: Final = "△◇▽□☆◑▷◎"  # of labels that are none of ours


# The order of the columns of fer2013.csv and of fer2013new.csv (without its "unknown" and "NF").
FER2013_LABELS: Final = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


FERPLUS_LABELS: Final = ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt")


# Columns that tables have beside one for each label: a label called so would take their place.
RESERVED: Final = frozenset({
    "file", "name", "face", "frame", "seconds", "span", "track", "shown", "label", "confidence", "unsure", "detection",
    "x1", "y1", "x2", "y2",
})  # fmt: skip


# Words that data sets use for the same expressions.
_ALIASES: Final = {
    "anger": "angry", "disgusted": "disgust", "fearful": "fear", "afraid": "fear", "happiness": "happy",
    "sadness": "sad", "surprised": "surprise", "normal": "neutral", "scared": "fear",
}  # fmt: skip


def expression_name(word: str) -> str | None:
    """The project's name of the expression that `word` means ("Happiness" -> "happy"), None if unknown."""
    word = word.strip().lower()
    word = _ALIASES.get(word, word)
    return word if word in EXPRESSIONS else None


def label_name(word: str) -> str:
    """The label that a folder of a data set means: the project's name where it is a known word for an expression, else
    the word itself in small letters; "" where nothing of it can be shown."""
    word = " ".join("".join(c if c.isprintable() else " " for c in word).split())
    return expression_name(word) or word.lower()


def expression(name: str) -> Expression:
    """Colour and sign of `name`. A label that is none of ours gets one of its own, always the same; "" and "unsure"
    look unsure."""
    if name in EXPRESSIONS:
        return EXPRESSIONS[name]
    return _own_look(name) if name not in ("", UNSURE.name) else UNSURE


@lru_cache(maxsize=1000)
def _own_look(name: str) -> Expression:
    """A hue by chance of the name, since nobody knows which labels will stand beside it."""
    chance = zlib.crc32(name.encode(errors="replace"))
    # Half as light as white and half as strong as it could be: told from white and from black in every hue.
    red, green, blue = colorsys.hls_to_rgb(chance % 360 / 360, 0.5, 0.5)
    colour = "#" + "".join(f"{round(255 * part):02X}" for part in (red, green, blue))
    return Expression(name, colour, _OWN_SIGNS[chance // 360 % len(_OWN_SIGNS)])


def named(name: str) -> str:
    """Sign and word of an expression as they stand in every chart and table: "● happy"."""
    return f"{expression(name).sign} {name}"


def in_order(words: Iterable[str]) -> list[str]:
    """Each of some expressions once, as they follow each other in every legend: ours in the order of `EXPRESSIONS`,
    then labels that are none of ours by the alphabet, unsure last."""
    some = set(words)
    others = sorted(some - {*EXPRESSIONS, UNSURE.name})
    return [word for word in (*EXPRESSIONS, *others, UNSURE.name) if word in some]


def ink(name: str) -> str:
    """Black or white, whichever stands out from the colour of an expression."""
    colour = expression(name).colour
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#111111" if name != UNSURE.name and 0.3 * red + 0.59 * green + 0.11 * blue > 100 else "#FFFFFF"
