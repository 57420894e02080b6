"""Edits of the identities in a video: names, merged faces, hidden faces.

    people.json    {"names": {track: text}, "merged_into": {track: into which}, "hidden": [tracks]}

They are applied when results are shown; the results of the analysis do not change.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from emotion.errors import EmotionError, JobError
from emotion.formatting import format_name
from emotion.storage import read_json, write_json
from emotion.translation.messages import gettext as _

IDENTITIES_FILE: Final = "people.json"
MAX_NAME_LENGTH: Final = 60


@dataclass(frozen=True)
class IdentityEdits:
    """Edits of track ids.

    Attributes:
        names: The names that users gave, by the track that they gave it to.
        merged_into: The target of each merged track, which may be merged itself; in the order of merging.
        hidden: The hidden tracks, after merging.
    """

    names: dict[int, str] = field(default_factory=dict)
    merged_into: dict[int, int] = field(default_factory=dict)
    hidden: frozenset[int] = frozenset()

    @classmethod
    def read(cls, folder: Path) -> IdentityEdits:
        """Read what `write` wrote, no edits where there is no file; `JobError` where it is damaged."""
        record = read_json(folder / IDENTITIES_FILE) or {}
        try:
            return cls(
                {
                    int(track): format_name(str(name), MAX_NAME_LENGTH)
                    for track, name in record.get("names", {}).items()
                },
                _remove_cycles({int(track): int(target) for track, target in record.get("merged_into", {}).items()}),
                frozenset(int(track) for track in record.get("hidden", [])),
            )
        except (TypeError, ValueError, AttributeError) as error:
            raise JobError(
                _("{path} is damaged: remove it, which resets names, merges and hidden faces.").format(
                    path=folder / IDENTITIES_FILE
                )
            ) from error

    def write(self, folder: Path) -> None:
        """Write it into `folder`."""
        record: dict[str, Any] = {
            "names": {str(track): name for track, name in sorted(self.names.items())},
            "merged_into": {str(track): target for track, target in self.merged_into.items()},
            "hidden": sorted(self.hidden),
        }
        write_json(folder / IDENTITIES_FILE, record)

    def canonical_track(self, track_id: int) -> int:
        """Return the track as which it is shown: itself unless it was merged."""
        while track_id in self.merged_into:
            track_id = self.merged_into[track_id]
        return track_id

    def display_name(self, track_id: int) -> str:
        """Return its name, or "Face" and its number."""
        return self.custom_name(track_id) or _("Face {number}").format(number=self.canonical_track(track_id))

    def custom_name(self, track_id: int) -> str:
        """Return the name that users gave it, else one of the faces merged into it, the earliest first; "" for none."""
        pending = [self.canonical_track(track_id)]
        while pending:
            track = pending.pop()
            if track in self.names:
                return self.names[track]
            pending += reversed([source for source, target in self.merged_into.items() if target == track])
        return ""

    def is_equivalent(self, other: IdentityEdits, track_id: int) -> bool:
        """Return whether both show a face identically: hidden, or as the same face with the same name."""
        if self.is_hidden(track_id) or other.is_hidden(track_id):
            return self.is_hidden(track_id) and other.is_hidden(track_id)
        return (self.canonical_track(track_id), self.custom_name(track_id)) == (
            other.canonical_track(track_id),
            other.custom_name(track_id),
        )

    def is_hidden(self, track_id: int) -> bool:
        """Return whether it is hidden."""
        return self.canonical_track(track_id) in self.hidden

    def with_name(self, track_id: int, name: str) -> IdentityEdits:
        """Return the edits with a name for a face; "" removes all its names."""
        root, name = self.canonical_track(track_id), format_name(name, MAX_NAME_LENGTH)
        others = {
            track: text
            for track, text in self.names.items()
            if track != root and (name or self.canonical_track(track) != root)
        }
        return replace(self, names=others | ({root: name} if name else {}))

    def merge(self, track_id: int, target_id: int) -> IdentityEdits:
        """Return the edits with `track_id`, and all faces merged into it, merged into `target_id`.

        A name that only `track_id` has becomes that of both; both are hidden if `target_id` is.

        Raises:
            EmotionError: They are merged already.
        """
        source, target = self.canonical_track(track_id), self.canonical_track(target_id)
        if source == target:
            raise EmotionError(
                _("{first} and {second} are one face already; choose another one.").format(
                    first=self.display_name(track_id), second=self.display_name(target_id)
                )
            )
        return replace(self, merged_into=self.merged_into | {source: target})

    def unmerge(self, track_id: int) -> IdentityEdits:
        """Return the edits with all faces that were merged into `track_id` separate, each with its own name."""
        root = self.canonical_track(track_id)
        remaining = {
            source: target for source, target in self.merged_into.items() if self.canonical_track(source) != root
        }
        return replace(self, merged_into=remaining)

    def with_hidden(self, track_id: int, hidden: bool) -> IdentityEdits:
        """Return the edits with a face hidden or shown."""
        changed = {self.canonical_track(track_id)}
        return replace(self, hidden=self.hidden | changed if hidden else self.hidden - changed)


def _remove_cycles(merged_into: dict[int, int]) -> dict[int, int]:
    """Drop merges that form a cycle, which a file edited by hand may contain."""
    edits = IdentityEdits()
    for source, target in merged_into.items():
        if edits.canonical_track(target) != source:
            edits.merged_into[source] = target
    return edits.merged_into
