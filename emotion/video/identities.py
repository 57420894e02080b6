"""What people changed about the faces of a film: names, faces that are one, faces not to be shown.

    people.json    {"names": {track: text}, "merged_into": {track: into which}, "hidden": [tracks]}

It is applied when a film is shown; what was read of the film stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from emotion.errors import EmotionError, JobError
from emotion.storage import read_json, write_json

IDENTITIES_FILE: Final = "people.json"
MAX_NAME_LENGTH: Final = 60  # characters of a name


@dataclass(frozen=True)
class IdentityEdits:
    """Tracks are numbers; `merged_into` maps one to another that may be merged itself, in the order in which people did it.
    A name is kept for the track that it was given to."""

    names: dict[int, str] = field(default_factory=dict)
    merged_into: dict[int, int] = field(default_factory=dict)
    hidden: frozenset[int] = frozenset()

    @classmethod
    def read(cls, folder: Path) -> IdentityEdits:
        """What `write` kept, nothing where that never was; `JobError` where it makes no sense."""
        found = read_json(folder / IDENTITIES_FILE) or {}
        try:
            return cls(
                {int(track): _normalize_name(str(name)) for track, name in found.get("names", {}).items()},
                _remove_cycles({int(track): int(into) for track, into in found.get("merged_into", {}).items()}),
                frozenset(int(track) for track in found.get("hidden", [])),
            )
        except (TypeError, ValueError, AttributeError) as error:
            raise JobError(
                f"{folder / IDENTITIES_FILE} is damaged: remove it, and the faces have their numbers again."
            ) from error

    def write(self, folder: Path) -> None:
        """Keep it in `folder`."""
        value: dict[str, Any] = {
            "names": {str(track): name for track, name in sorted(self.names.items())},
            "merged_into": {str(track): into for track, into in self.merged_into.items()},
            "hidden": sorted(self.hidden),
        }
        write_json(folder / IDENTITIES_FILE, value)

    def canonical_track(self, track_id: int) -> int:
        """The track as which it is shown, itself unless it was merged."""
        while track_id in self.merged_into:
            track_id = self.merged_into[track_id]
        return track_id

    def display_name(self, track_id: int) -> str:
        """What to call it."""
        return self.custom_name(track_id) or f"Face {self.canonical_track(track_id)}"

    def custom_name(self, track_id: int) -> str:
        """The name that people gave it, or else what was merged into it, the earliest first; "" for none."""
        waiting = [self.canonical_track(track_id)]
        while waiting:
            one = waiting.pop()
            if one in self.names:
                return self.names[one]
            waiting += reversed([part for part, into in self.merged_into.items() if into == one])
        return ""

    def is_equivalent(self, other: IdentityEdits, track_id: int) -> bool:
        """Whether a video shows a face the same under both: hidden under both, or the same face with the same name."""
        if self.is_hidden(track_id) or other.is_hidden(track_id):
            return self.is_hidden(track_id) and other.is_hidden(track_id)
        return (self.canonical_track(track_id), self.custom_name(track_id)) == (
            other.canonical_track(track_id),
            other.custom_name(track_id),
        )

    def is_hidden(self, track_id: int) -> bool:
        """Whether it is not to be shown."""
        return self.canonical_track(track_id) in self.hidden

    def with_name(self, track_id: int, name: str) -> IdentityEdits:
        """With a name; "" takes away all that it has."""
        root, name = self.canonical_track(track_id), _normalize_name(name)
        others = {
            one: text for one, text in self.names.items() if one != root and (name or self.canonical_track(one) != root)
        }
        return replace(self, names=others | ({root: name} if name else {}))

    def merge(self, track_id: int, target_id: int) -> IdentityEdits:
        """`track_id`, and what was merged into it, is shown as part of `target_id`; `EmotionError` where it is already. A
        name that only `track_id` has is that of both; the whole is hidden if `target_id` is."""
        one, other = self.canonical_track(track_id), self.canonical_track(target_id)
        if one == other:
            raise EmotionError(
                f"{self.display_name(track_id)} and {self.display_name(target_id)} are one face already; choose another one."
            )
        return replace(self, merged_into=self.merged_into | {one: other})

    def unmerge(self, track_id: int) -> IdentityEdits:
        """All that was merged into `track_id` is on its own again, each with its name."""
        root = self.canonical_track(track_id)
        return replace(
            self, merged_into={one: into for one, into in self.merged_into.items() if self.canonical_track(one) != root}
        )

    def with_hidden(self, track_id: int, hidden: bool) -> IdentityEdits:
        """With that face hidden or shown."""
        change = {self.canonical_track(track_id)}
        return replace(self, hidden=self.hidden | change if hidden else self.hidden - change)


def _remove_cycles(merged_into: dict[int, int]) -> dict[int, int]:
    """Those that lead somewhere: a file may have been changed by hand."""
    kept = IdentityEdits()
    for track, into in merged_into.items():
        if kept.canonical_track(into) != track:
            kept.merged_into[track] = into
    return kept.merged_into


def _normalize_name(name: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in name).split())[:MAX_NAME_LENGTH].strip()
