"""A face of a video with all that was merged into it, and a moment of one, as pages and files tell of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Person:
    """A face of a film, with all that was merged into it: `first_seen` and `last_seen` seen, and for how long, in seconds;
    `expression_shares` of that time by shown expression (0 to 1), largest first; `thumbnail` its best picture (JPEG)."""

    track_id: int
    name: str
    has_custom_name: bool
    thumbnail: Path | None
    first_seen: float
    last_seen: float
    duration: float
    expression_shares: Mapping[str, float]
    is_hidden: bool
    merged_track_ids: tuple[int, ...]


@dataclass(frozen=True)
class Highlight:
    """A second at which a face begins to show `label` for a while ("change", from `previous_label`) or shows it most
    ("peak"); `thumbnail` is the face in that very frame (JPEG)."""

    timestamp: float
    track_id: int
    name: str
    kind: str
    label: str
    previous_label: str | None
    confidence: float
    thumbnail: Path | None
