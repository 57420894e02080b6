"""What is known of one film, at any time while it is read and after: its tables, its people, its moments."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from emotion.errors import EmotionError, JobError
from emotion.jobs.job import Job, JobState
from emotion.media.video_reader import VideoInfo
from emotion.storage import read_json
from emotion.video import tables
from emotion.video.frame_log import FrameLog
from emotion.video.identities import IDENTITIES_FILE, IdentityEdits
from emotion.video.people import Highlight, Person
from emotion.video.pipeline import ANNOTATED_VIDEO_FILE, PREVIEW_FILE, SUMMARY_FILE, VIDEO_INFO_FILE
from emotion.video.rendering import thumbnails
from emotion.video.rendering.cover import COVER_FILE
from emotion.video.rendering.highlights import HIGHLIGHTS_FILE, HIGHLIGHTS_FOLDER
from emotion.video.settings import VideoRequest, VideoSettings

MIN_GROUP_FACES: Final = 3  # faces that must be there, so that what the audience shows is nobody's own
_END_TOLERANCE_SECONDS: Final = (
    1.0  # seconds by which a film that was read to its end may be longer than its last frame tells
)


class VideoAnalysis:
    """What is known of one film, also while it is read; cheap to make. Not for two threads at once.

    Who was hidden appears in `people` only. `JobError` where `people.json` or another file was damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._frame_log = FrameLog(folder)
        self._cached_faces: pd.DataFrame | None = None
        self._cache_key: tuple[int, IdentityEdits] | None = None  # what `_cached_faces` was made of

    @classmethod
    def open(cls, folder: Path) -> VideoAnalysis:
        """That of a folder; `JobError` where there is none."""
        VideoRequest.read(folder)
        return cls(folder)

    # ------------------------------------------------------------------ the film and its job

    @cached_property
    def request(self) -> VideoRequest:
        """What was asked for; `JobError` where that is missing or damaged."""
        return VideoRequest.read(self.folder)

    @property
    def name(self) -> str:
        """What people called the film; any characters."""
        try:
            return self.request.name
        except JobError:
            return Job(self.folder).label

    @property
    def settings(self) -> VideoSettings:
        """What was chosen for it."""
        return self.request.settings

    @property
    def provenance(self) -> dict[str, Any]:
        """Program, model and detector with their sha256, and settings: what makes the same numbers again."""
        return self.request.provenance

    @property
    def created_at(self) -> datetime:
        """When it was asked for, in local time."""
        found = read_json(self.folder / "job.json") or {}
        seconds = found.get("created")
        if not isinstance(seconds, float) or not 0 < seconds < 1e11:
            seconds = self.folder.stat().st_mtime
        return datetime.fromtimestamp(seconds).astimezone()

    @property
    def state(self) -> JobState:
        """How the job is now."""
        return Job(self.folder).read_state()

    @property
    def is_finished(self) -> bool:
        """Whether nothing more comes: it was read to its end, stopped, failed or interrupted."""
        return not self.state.is_running

    @property
    def video_info(self) -> VideoInfo | None:
        """What the film is; None until it was opened."""
        found = read_json(self.folder / VIDEO_INFO_FILE)
        try:
            return VideoInfo(**found) if found else None
        except TypeError as error:
            raise JobError(
                f"{self.folder / VIDEO_INFO_FILE} is damaged: delete this film and read it again."
            ) from error

    @property
    def summary(self) -> dict[str, Any]:
        """How it ended: `num_frames` that were processed, `frames_decoded`, `frames_written`, `last_timestamp`,
        `corrupt_packets`, `errors`, `last_error`, `audio_warning`, `status` ("done", "stopped", "failed"), `error`,
        `elapsed_seconds`, `faces`; {} until then."""
        return read_json(self.folder / SUMMARY_FILE) or {}

    @property
    def annotated_video(self) -> Path | None:
        """The film with its labels, where it is finished."""
        return self._find_file(ANNOTATED_VIDEO_FILE)

    @property
    def preview(self) -> bytes | None:
        """The newest frame with its labels while it is read, JPEG of at most 640 pixels."""
        path = self._find_file(PREVIEW_FILE)
        return path.read_bytes() if path else None

    @property
    def cover(self) -> bytes | None:
        """A frame with faces and their labels, JPEG of at most 640 pixels; the newest frame where none had a face."""
        path = self._find_file(COVER_FILE)
        return path.read_bytes() if path else self.preview

    def _find_file(self, name: str) -> Path | None:
        return self.folder / name if (self.folder / name).is_file() else None

    # ------------------------------------------------------------------ what was read

    def refresh(self) -> bool:
        """Read what was added since; whether anything was. All below do so themselves."""
        return self._frame_log.refresh()

    @property
    def num_frames(self) -> int:
        """Frames in which faces were looked for, so far."""
        self.refresh()
        return self._frame_log.num_frames

    @property
    def last_timestamp(self) -> float:
        """Time of the last of them."""
        self.refresh()
        return self._frame_log.last_timestamp

    @property
    def duration(self) -> float:
        """Seconds that the film lasts, or its first part where the rest was not read."""
        facts, read = self.video_info, self.last_timestamp
        read += float(self._frame_log.durations()[-1]) if self._frame_log.num_frames else 0.0
        told = facts.duration if facts and facts.duration else 0.0
        return max(read, told) if told - read <= _END_TOLERANCE_SECONDS or not self.is_finished else read

    @property
    def labels(self) -> tuple[str, ...]:
        """Those of the model, in its order; () until a face was read."""
        self.refresh()
        return self._frame_log.labels

    @property
    def frame_log(self) -> FrameLog:
        """The frames as they were read, without what people changed."""
        return self._frame_log

    @property
    def identity_edits(self) -> IdentityEdits:
        """What people changed."""
        return IdentityEdits.read(self.folder)

    def _load_faces(self) -> pd.DataFrame:
        self.refresh()
        made_of = (self._frame_log.num_frames, self.identity_edits)
        if self._cached_faces is None or self._cache_key != made_of:
            self._cached_faces, self._cache_key = (
                tables.apply_identities(self._frame_log.to_dataframe(), made_of[1]),
                made_of,
            )
        return self._cached_faces

    def face_table(self) -> pd.DataFrame:
        """One row a face and frame: `tables.FACE_TABLE_COLUMNS` and one score column for each label."""
        return tables.build_face_table(self._load_faces())

    def segments(self) -> pd.DataFrame:
        """Ribbons: runs of one shown expression, `tables.SEGMENT_COLUMNS`."""
        return tables.compute_segments(self._load_faces())

    def group_shares(self, min_faces: int = MIN_GROUP_FACES) -> pd.DataFrame:
        """Shares of expressions over time where at least `min_faces` faces are seen at once, see
        `tables.compute_group_shares`."""
        return tables.compute_group_shares(self._load_faces(), self.duration, self.labels, min_faces)

    def face_counts(self) -> pd.DataFrame:
        """How many faces show what over time, see `tables.compute_face_counts`."""
        log = self._frame_log
        return tables.compute_face_counts(
            self._load_faces(), log.timestamps(), log.durations(), self.duration, self.labels
        )

    def expression_shares(self) -> dict[str, float]:
        """Shares of the time of all faces by shown expression, largest first, unsure last."""
        return tables.compute_expression_shares(tables.deduplicate_per_frame(self._load_faces()))

    # ------------------------------------------------------------------ who is in it

    def people(self) -> list[Person]:
        """All faces, in the order in which they appeared; also those that are hidden."""
        self.refresh()
        cast, faces = self.identity_edits, self._frame_log.to_dataframe()
        everybody = tables.deduplicate_per_frame(
            tables.apply_identities(faces, IdentityEdits(cast.names, cast.merged_into))
        )
        tracks = tables.get_column(everybody, "track_id")
        order = np.argsort(tracks, kind="stable")
        numbers, starts = np.unique(tracks[order], return_index=True)
        parts, kept = np.split(order, starts[1:]), thumbnails.ThumbnailIndex.read(self.folder)
        found = [
            self._build_person(int(track), everybody.iloc[part], cast, kept)
            for track, part in zip(numbers, parts, strict=False)
        ]
        return sorted(found, key=lambda person: (person.first_seen, person.track_id))

    def _build_person(
        self, track_id: int, rows: pd.DataFrame, edits: IdentityEdits, thumbnail_index: thumbnails.ThumbnailIndex
    ) -> Person:
        seconds, spans = (tables.get_column(rows, name) for name in ("timestamp", "duration"))
        merged = tuple(sorted(one for one in edits.merged_into if edits.canonical_track(one) == track_id))
        return Person(
            track_id=track_id,
            name=edits.display_name(track_id),
            has_custom_name=bool(edits.custom_name(track_id)),
            thumbnail=thumbnail_index.find_best((track_id, *merged)),
            first_seen=float(seconds.min()),
            last_seen=float(seconds.max()),
            duration=float(spans.sum()),
            expression_shares=tables.compute_expression_shares(rows),
            is_hidden=edits.is_hidden(track_id),
            merged_track_ids=merged,
        )

    def highlights(self) -> list[Highlight]:
        """The most telling moments in the order of time."""
        cast, found = self.identity_edits, (read_json(self.folder / HIGHLIGHTS_FILE) or {}).get("highlights", [])
        try:
            return [
                Highlight(
                    timestamp=float(one["timestamp"]),
                    track_id=cast.canonical_track(int(one["track_id"])),
                    name=cast.display_name(int(one["track_id"])),
                    kind=str(one["kind"]),
                    label=str(one["label"]),
                    previous_label=one["previous_label"],
                    confidence=float(one["confidence"]),
                    thumbnail=self._find_file(f"{HIGHLIGHTS_FOLDER}/{Path(one['thumbnail']).name}"),
                )
                for one in found
                if not cast.is_hidden(int(one["track_id"]))
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise JobError(
                f"{self.folder / HIGHLIGHTS_FILE} is damaged: delete this film and read it again."
            ) from error

    def rename(self, track_id: int, name: str) -> None:
        """Call a face so; "" gives it its number again."""
        self._save_edits(self.identity_edits.with_name(track_id, name), track_id)

    def merge(self, track_id: int, target_id: int) -> None:
        """Show a face as part of another one, see `IdentityEdits.merge`; `EmotionError` for two that are seen in the same
        frame."""
        cast = self.identity_edits
        merged = cast.merge(track_id, target_id)
        if (
            cast.canonical_track(target_id)
            in self.find_cooccurring_tracks([cast.canonical_track(track_id)])[cast.canonical_track(track_id)]
        ):
            raise EmotionError(
                f"{cast.display_name(track_id)} and {cast.display_name(target_id)} are seen in the same frame, so they are two people; choose "
                "another face."
            )
        self._save_edits(merged, track_id, target_id)

    def find_cooccurring_tracks(self, track_ids: Iterable[int]) -> dict[int, frozenset[int]]:
        """For each of `track_ids`, as in `people`: those that are seen with it in at least one frame."""
        self.refresh()
        return tables.find_cooccurring_tracks(self._frame_log.to_dataframe(), self.identity_edits, track_ids)

    def unmerge(self, track_id: int) -> None:
        """Show all that was merged into a face on its own again."""
        self._save_edits(self.identity_edits.unmerge(track_id), track_id)

    def hide(self, track_id: int, hidden: bool = True) -> None:
        """Show a face, or not; the video with labels shows it until it is drawn again."""
        self._save_edits(self.identity_edits.with_hidden(track_id, hidden), track_id)

    def _save_edits(self, edits: IdentityEdits, *track_ids: int) -> None:
        known = self.track_ids()
        for track in track_ids:
            if track not in known:
                raise EmotionError(f"There is no face {track} in this film; it has {len(known)} faces.")
        try:
            edits.write(self.folder)
        except OSError as error:
            raise JobError(
                f"{IDENTITIES_FILE} cannot be written to {self.folder} ({error.strerror}); check the disk."
            ) from error

    def track_ids(self) -> set[int]:
        """The numbers of all faces before any was merged."""
        self.refresh()
        return set(tables.get_column(self._frame_log.to_dataframe(), "track_id").tolist())
