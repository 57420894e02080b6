"""A face of a video with all that was merged into it, and a moment of one, as pages and files tell of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Person:
    """A face of a film, with all that was merged into it: `first` and `last` seen, and for how long, in seconds;
    `shares` of that time by shown expression (0 to 1), largest first; `crop` its best picture (JPEG)."""

    track: int
    name: str
    named: bool
    crop: Path | None
    first: float
    last: float
    seen: float
    shares: Mapping[str, float]
    hidden: bool
    merged: tuple[int, ...]


@dataclass(frozen=True)
class Moment:
    """A second at which a face begins to show `label` for a while ("change", from `before`) or shows it most
    ("peak"); `crop` is the face in that very frame (JPEG)."""

    seconds: float
    track: int
    name: str
    kind: str
    label: str
    before: str | None
    confidence: float
    crop: Path | None
