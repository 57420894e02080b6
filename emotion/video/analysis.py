"""The analysis of one video, during and after the job: its state, tables, people and highlights."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pandas as pd

from emotion.errors import EmotionError, JobError
from emotion.jobs.job import Job, JobState
from emotion.jobs.process_record import finite_float
from emotion.media.video_reader import VideoInfo
from emotion.storage import read_json
from emotion.translation.messages import gettext as _
from emotion.video import tables
from emotion.video.curves import means, movements
from emotion.video.edits.identities import IDENTITIES_FILE, IdentityEdits
from emotion.video.frame_log import FrameLog
from emotion.video.people import Highlight, Person, build_people, read_highlights
from emotion.video.pipeline import ANNOTATED_VIDEO_FILE, PREVIEW_FILE, VIDEO_INFO_FILE
from emotion.video.rendering.cover import COVER_FILE
from emotion.video.rendering.thumbnails import ThumbnailIndex
from emotion.video.settings import VideoProvenance, VideoRequest, VideoSettings
from emotion.video.summary import VideoSummary, read_summary

MIN_GROUP_FACES: Final = 3  # visible at a time, so that a group hides its members
_END_TOLERANCE_SECONDS: Final = 1.0  # by which the stated duration of a video may exceed its last frame


class VideoAnalysis:
    """The analysis in a folder, also while it is written; cheap to create, not thread-safe.

    Hidden people appear in `people` only. All methods raise `JobError` for damaged files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._frame_log = FrameLog(folder)
        self._cached_faces: pd.DataFrame | None = None
        self._cache_key: tuple[int, IdentityEdits] | None = None  # number of frames and edits in `_cached_faces`

    @classmethod
    def open(cls, folder: Path) -> VideoAnalysis:
        """Open the analysis in a folder; `JobError` where there is none."""
        VideoRequest.read(folder)
        return cls(folder)

    # ------------------------------------------------------------------ the video and its job

    @cached_property
    def request(self) -> VideoRequest:
        """The request; `JobError` where it is missing or damaged."""
        return VideoRequest.read(self.folder)

    @property
    def name(self) -> str:
        """The name that a user gave the video; any characters."""
        try:
            return self.request.name
        except JobError:
            return Job(self.folder).label

    @property
    def settings(self) -> VideoSettings:
        """The settings of the request."""
        return self.request.settings

    @property
    def provenance(self) -> VideoProvenance:
        """Program, model and detector with their sha256, and settings: what reproduces the results."""
        return self.request.provenance

    @property
    def created_at(self) -> datetime:
        """When the analysis was requested, in local time."""
        timestamp = Job(self.folder).created_at or self.folder.stat().st_mtime
        return datetime.fromtimestamp(timestamp).astimezone()

    @property
    def state(self) -> JobState:
        """The current state of the job."""
        return Job(self.folder).read_state()

    @property
    def is_finished(self) -> bool:
        """Whether the job ended in any way."""
        return not self.state.is_running

    @property
    def video_info(self) -> VideoInfo | None:
        """Facts of the video, None until it was opened."""
        values = read_json(self.folder / VIDEO_INFO_FILE)
        try:
            return _parse_video_info(values) if values else None
        except (TypeError, ValueError) as error:
            path = self.folder / VIDEO_INFO_FILE
            raise JobError(_("{path} is damaged: delete this video and analyze it again.").format(path=path)) from error

    @property
    def summary(self) -> VideoSummary:
        """How the analysis ended, {} until then."""
        return read_summary(self.folder)

    @property
    def annotated_video(self) -> Path | None:
        """The annotated video, None until it is complete."""
        return self._find_file(ANNOTATED_VIDEO_FILE)

    @property
    def preview(self) -> bytes | None:
        """The newest annotated frame during the analysis, JPEG of at most 640 pixels."""
        path = self._find_file(PREVIEW_FILE)
        return path.read_bytes() if path else None

    @property
    def cover(self) -> bytes | None:
        """An annotated frame with faces, JPEG of at most 640 pixels; the newest frame where none has a face."""
        path = self._find_file(COVER_FILE)
        return path.read_bytes() if path else self.preview

    def _find_file(self, name: str) -> Path | None:
        return self.folder / name if (self.folder / name).is_file() else None

    # ------------------------------------------------------------------ faces over time

    def refresh(self) -> bool:
        """Read the frames that were added, and return whether there were any; the methods below do so themselves."""
        return self._frame_log.refresh()

    @property
    def num_frames(self) -> int:
        """Number of frames that were processed so far."""
        self.refresh()
        return self._frame_log.num_frames

    @property
    def last_timestamp(self) -> float:
        """Second of the last frame that was processed."""
        self.refresh()
        return self._frame_log.last_timestamp

    @property
    def duration(self) -> float:
        """Seconds of the video, or of its analyzed part where the rest was not analyzed."""
        info, analyzed = self.video_info, self.last_timestamp
        analyzed += float(self._frame_log.durations()[-1]) if self._frame_log.num_frames else 0.0
        stated = info.duration if info and info.duration else 0.0
        is_plausible = stated - analyzed <= _END_TOLERANCE_SECONDS or not self.is_finished
        return max(analyzed, stated) if is_plausible else analyzed

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the model in its order, () until a face was classified."""
        self.refresh()
        return self._frame_log.labels

    @property
    def frame_log(self) -> FrameLog:
        """The frames as they were analyzed, without identity edits."""
        return self._frame_log

    @property
    def identity_edits(self) -> IdentityEdits:
        """The names, merges and hidden faces that users chose."""
        return IdentityEdits.read(self.folder)

    def _load_faces(self) -> pd.DataFrame:
        self.refresh()
        key = (self._frame_log.num_frames, self.identity_edits)
        if self._cached_faces is None or self._cache_key != key:
            self._cached_faces = tables.apply_identities(self._frame_log.to_dataframe(), key[1])
            self._cache_key = key
        return self._cached_faces

    def face_table(self) -> pd.DataFrame:
        """Return one row per face and frame: `tables.FACE_TABLE_COLUMNS`, then one score column per label."""
        return tables.build_face_table(self._load_faces())

    def segments(self) -> pd.DataFrame:
        """Return the segments of one displayed expression, see `tables.compute_segments`."""
        return tables.compute_segments(self._load_faces())

    def group_shares(self, min_faces: int = MIN_GROUP_FACES) -> pd.DataFrame:
        """Return shares of expressions over time where at least `min_faces` faces are visible at a time.

        See `tables.compute_group_shares`.
        """
        return tables.compute_group_shares(self._load_faces(), self.duration, self.labels, min_faces)

    def face_counts(self) -> pd.DataFrame:
        """Return how many faces show each expression over time, see `tables.compute_face_counts`."""
        log = self._frame_log
        return tables.compute_face_counts(
            self._load_faces(), log.timestamps(), log.durations(), self.duration, self.labels
        )

    def expression_shares(self) -> dict[str, float]:
        """Return shares of the time of all faces by displayed expression, largest first, unsure last."""
        return tables.compute_expression_shares(tables.deduplicate_per_frame(self._load_faces()))

    def score_curves(self, track_id: int | None = None) -> pd.DataFrame:
        """Return the scores of a face, or the mean of all for None, over time, see `means.compute_score_curves`."""
        faces = self._load_faces()
        faces = faces if track_id is None else faces.loc[faces["track_id"] == track_id]
        return means.compute_score_curves(faces, self.duration, self.labels)

    @property
    def has_features(self) -> bool:
        """Whether faces have head pose and movements, so that there are curves and smiles."""
        self.refresh()
        return self._frame_log.has_features

    def movement_curves(self, track_ids: Collection[int]) -> pd.DataFrame:
        """Return the movements of faces over time, see `movements.compute_curves`."""
        faces = self._load_faces()
        return movements.compute_curves(faces.loc[faces["track_id"].isin(list(track_ids))], self.duration)

    def smiles(self) -> pd.DataFrame:
        """Return the times in which each face smiles, see `movements.compute_smiles`."""
        return movements.compute_smiles(self._load_faces())

    # ------------------------------------------------------------------ people

    def people(self) -> list[Person]:
        """Return all people in order of appearance, including hidden ones."""
        self.refresh()
        return build_people(self._frame_log.to_dataframe(), self.identity_edits, ThumbnailIndex.read(self.folder))

    def highlights(self) -> list[Highlight]:
        """Return the highlights in time order."""
        return read_highlights(self.folder, self.identity_edits)

    def rename(self, track_id: int, name: str) -> None:
        """Give a face a name; "" removes it."""
        self._save_edits(self.identity_edits.with_name(track_id, name), track_id)

    def merge(self, track_id: int, target_id: int) -> None:
        """Show a face as part of another one, see `IdentityEdits.merge`.

        Raises:
            EmotionError: Both are visible in the same frame.
        """
        edits = self.identity_edits
        merged = edits.merge(track_id, target_id)
        track, target = edits.canonical_track(track_id), edits.canonical_track(target_id)
        if target in self.find_cooccurring_tracks([track])[track]:
            raise EmotionError(
                _(
                    "{first} and {second} are seen in the same frame, so they are two people; choose another face."
                ).format(first=edits.display_name(track_id), second=edits.display_name(target_id))
            )
        self._save_edits(merged, track_id, target_id)

    def find_cooccurring_tracks(self, track_ids: Iterable[int]) -> dict[int, frozenset[int]]:
        """Return for each of `track_ids`, as in `people`, those that are visible with it in at least one frame."""
        self.refresh()
        return tables.find_cooccurring_tracks(self._frame_log.to_dataframe(), self.identity_edits, track_ids)

    def unmerge(self, track_id: int) -> None:
        """Show all faces that were merged into a face separately."""
        self._save_edits(self.identity_edits.unmerge(track_id), track_id)

    def hide(self, track_id: int, hidden: bool = True) -> None:
        """Hide or show a face; the annotated video follows when it is drawn again."""
        self._save_edits(self.identity_edits.with_hidden(track_id, hidden), track_id)

    def _save_edits(self, edits: IdentityEdits, *track_ids: int) -> None:
        existing = self.track_ids()
        for track in track_ids:
            if track not in existing:
                problem = _("There is no face {track} in this video; it has {count} faces.")
                raise EmotionError(problem.format(track=track, count=len(existing)))
        try:
            edits.write(self.folder)
        except OSError as error:
            problem = _("{path} cannot be written ({reason}); check the disk.")
            raise JobError(problem.format(path=self.folder / IDENTITIES_FILE, reason=error.strerror)) from error

    def track_ids(self) -> set[int]:
        """Return the numbers of all faces before merging."""
        self.refresh()
        return set(tables.get_column(self._frame_log.to_dataframe(), "track_id").tolist())


def _parse_video_info(values: Mapping[str, Any]) -> VideoInfo:
    """Return the facts of a video; TypeError or ValueError where one is missing or not possible."""
    info = VideoInfo(**values)
    sizes, rates = (info.width, info.height), (info.duration, info.fps, info.num_frames)
    if not all(isinstance(size, int) and size > 0 for size in sizes):
        raise ValueError("the size of a video is a number of pixels")
    if not all(rate is None or (finite_float(rate) is not None and rate >= 0) for rate in rates):
        raise ValueError("duration, frames and their rate are finite numbers")
    if (finite_float(info.reduction) or 0) < 1:
        raise ValueError("the reduction of a video is 1 or more")
    return info
