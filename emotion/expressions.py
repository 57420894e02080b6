"""Expressions and label sets: their names, aliases, colors and symbols."""

from __future__ import annotations

import colorsys
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop


@dataclass(frozen=True, slots=True)
class ExpressionStyle:
    """How an expression is displayed: `color` is `#rrggbb`, `symbol` one character that common fonts have."""

    name: str
    color: str
    symbol: str


# The palette of Okabe and Ito, which people with color blindness can distinguish (https://jfly.uni-koeln.de/color/).
EXPRESSIONS: Final[Mapping[str, ExpressionStyle]] = MappingProxyType(
    {
        style.name: style
        for style in (
            ExpressionStyle(gettext_noop("angry"), "#D55E00", "▲"),
            ExpressionStyle(gettext_noop("disgust"), "#009E73", "◆"),
            ExpressionStyle(gettext_noop("fear"), "#9A6BB5", "▼"),
            ExpressionStyle(gettext_noop("happy"), "#E69F00", "●"),
            ExpressionStyle(gettext_noop("sad"), "#0072B2", "■"),
            ExpressionStyle(gettext_noop("surprise"), "#F0E442", "★"),
            ExpressionStyle(gettext_noop("neutral"), "#8C8C8C", "○"),
            ExpressionStyle(gettext_noop("contempt"), "#56B4E9", "◐"),
        )
    }
)


UNCERTAIN: Final = ExpressionStyle(gettext_noop("unsure"), "#6B6B6B", "?")


CUSTOM_SYMBOLS: Final = "△◇▽□☆◑▷◎"  # of labels that are not in `EXPRESSIONS`


# The order of the columns of fer2013.csv and of fer2013new.csv (without its "unknown" and "NF").
FER2013_LABELS: Final = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


FERPLUS_LABELS: Final = ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt")


# Other names of the expressions in data sets.
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

# A color with a higher relative luminance gets black text; either choice gives a contrast of at least 4.5.
_DARK_TEXT_LUMINANCE: Final = 0.2


def canonical_expression(name: str) -> str | None:
    """Return the name in `EXPRESSIONS` of an expression or alias ("Happiness" -> "happy"); None if it is unknown."""
    name = name.strip().lower()
    name = _ALIASES.get(name, name)
    return name if name in EXPRESSIONS else None


def normalize_label(name: str) -> str:
    """Return the label for a folder name of a data set: the expression that it names, else the name in lower case.

    Characters that cannot be printed are removed, so the result may be "".
    """
    name = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    return canonical_expression(name) or name.lower()


def get_style(name: str) -> ExpressionStyle:
    """Return the color and symbol of a label; one that is not in `EXPRESSIONS` always gets the same of its own."""
    if name in EXPRESSIONS:
        return EXPRESSIONS[name]
    return _make_custom_style(name) if name not in ("", UNCERTAIN.name) else UNCERTAIN


@lru_cache(maxsize=1000)
def _make_custom_style(name: str) -> ExpressionStyle:
    """Choose hue and symbol by a hash of the name, since the other labels are unknown."""
    digest = zlib.crc32(name.encode(errors="replace"))
    # Half lightness and half saturation contrast with white and with black in every hue.
    rgb = colorsys.hls_to_rgb(digest % 360 / 360, 0.5, 0.5)
    color = "#" + "".join(f"{round(255 * channel):02X}" for channel in rgb)
    return ExpressionStyle(name, color, CUSTOM_SYMBOLS[digest // 360 % len(CUSTOM_SYMBOLS)])


def translate_label(name: str) -> str:
    """Return what a page calls an expression; other labels are as they are in the data set."""
    return _(name) if name in EXPRESSIONS or name == UNCERTAIN.name else name


def symbol_and_name(name: str) -> str:
    """Format an expression for charts and tables in the language of the page: "● happy"."""
    return f"{get_style(name).symbol} {translate_label(name)}"


def legend_order(names: Iterable[str]) -> list[str]:
    """Sort distinct labels for a legend: in the order of `EXPRESSIONS`, then others alphabetically, "unsure" last."""
    labels = set(names)
    others = sorted(labels - {*EXPRESSIONS, UNCERTAIN.name})
    return [label for label in (*EXPRESSIONS, *others, UNCERTAIN.name) if label in labels]


def text_color(name: str) -> str:
    """Return black or white as `#rrggbb`, whichever contrasts more with the color of an expression."""
    return "#111111" if _luminance(get_style(name).color) > _DARK_TEXT_LUMINANCE else "#FFFFFF"


def _luminance(color: str) -> float:
    """Compute the relative luminance of WCAG 2, 0 to 1, of `#rrggbb`."""
    values = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
