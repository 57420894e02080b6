"""What people changed about the faces of a film: names, faces that are one, faces not to be shown.

    cast.json    {"names": {track: text}, "merged": {track: into which}, "hidden": [tracks]}

It is applied when a film is shown; what was read of the film stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from emotion.errors import EmotionError, JobError
from emotion.storage import read_json, write_json

CAST: Final = "cast.json"
LONGEST: Final = 60  # characters of a name


@dataclass(frozen=True)
class Cast:
    """Tracks are numbers; `merged` maps one to another that may be merged itself, in the order in which people did it.
    A name is kept for the track that it was given to."""

    names: dict[int, str] = field(default_factory=dict)
    merged: dict[int, int] = field(default_factory=dict)
    hidden: frozenset[int] = frozenset()

    @classmethod
    def read(cls, folder: Path) -> Cast:
        """What `write` kept, nothing where that never was; `JobError` where it makes no sense."""
        found = read_json(folder / CAST) or {}
        try:
            return cls(
                {int(track): _tidy(str(name)) for track, name in found.get("names", {}).items()},
                _without_circles({int(track): int(into) for track, into in found.get("merged", {}).items()}),
                frozenset(int(track) for track in found.get("hidden", [])),
            )
        except (TypeError, ValueError, AttributeError) as error:
            raise JobError(f"{folder / CAST} is damaged: remove it, and the faces have their numbers again.") from error

    def write(self, folder: Path) -> None:
        """Keep it in `folder`."""
        value: dict[str, Any] = {
            "names": {str(track): name for track, name in sorted(self.names.items())},
            "merged": {str(track): into for track, into in self.merged.items()},
            "hidden": sorted(self.hidden),
        }
        write_json(folder / CAST, value)

    def root(self, track: int) -> int:
        """The track as which it is shown, itself unless it was merged."""
        while track in self.merged:
            track = self.merged[track]
        return track

    def name(self, track: int) -> str:
        """What to call it."""
        return self.given(track) or f"Face {self.root(track)}"

    def given(self, track: int) -> str:
        """The name that people gave it, or else what was merged into it, the earliest first; "" for none."""
        waiting = [self.root(track)]
        while waiting:
            one = waiting.pop()
            if one in self.names:
                return self.names[one]
            waiting += reversed([part for part, into in self.merged.items() if into == one])
        return ""

    def is_drawn_as(self, other: Cast, track: int) -> bool:
        """Whether a video shows a face the same under both: hidden under both, or the same face with the same name."""
        if self.is_hidden(track) or other.is_hidden(track):
            return self.is_hidden(track) and other.is_hidden(track)
        return (self.root(track), self.given(track)) == (other.root(track), other.given(track))

    def is_hidden(self, track: int) -> bool:
        """Whether it is not to be shown."""
        return self.root(track) in self.hidden

    def renamed(self, track: int, name: str) -> Cast:
        """With a name; "" takes away all that it has."""
        root, name = self.root(track), _tidy(name)
        others = {one: text for one, text in self.names.items() if one != root and (name or self.root(one) != root)}
        return replace(self, names=others | ({root: name} if name else {}))

    def with_merged(self, track: int, into: int) -> Cast:
        """`track`, and what was merged into it, is shown as part of `into`; `EmotionError` where it is already. A
        name that only `track` has is that of both; the whole is hidden if `into` is."""
        one, other = self.root(track), self.root(into)
        if one == other:
            raise EmotionError(f"{self.name(track)} and {self.name(into)} are one face already; choose another one.")
        return replace(self, merged=self.merged | {one: other})

    def split(self, track: int) -> Cast:
        """All that was merged into `track` is on its own again, each with its name."""
        root = self.root(track)
        return replace(self, merged={one: into for one, into in self.merged.items() if self.root(one) != root})

    def with_hidden(self, track: int, hidden: bool) -> Cast:
        """With that face hidden or shown."""
        change = {self.root(track)}
        return replace(self, hidden=self.hidden | change if hidden else self.hidden - change)


def _without_circles(merged: dict[int, int]) -> dict[int, int]:
    """Those that lead somewhere: a file may have been changed by hand."""
    kept = Cast()
    for track, into in merged.items():
        if kept.root(into) != track:
            kept.merged[track] = into
    return kept.merged


def _tidy(name: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in name).split())[:LONGEST].strip()
