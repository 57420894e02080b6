"""Values that several commands read."""

from __future__ import annotations

import argparse


def fraction(text: str) -> float:
    """A number from 0 to 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def pixel_count(text: str) -> int:
    """The length of a side in pixels."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of pixels above 0")
    return value
